// The five numbers of a box plot. Written against the functions that `wit-bindgen` has made of summary.wit, and nothing else.

#include "bindings/summary.h"

#include <stdlib.h>

static int by_size(const void *one, const void *other) {
  double a = *(const double *)one, b = *(const double *)other;
  return (a > b) - (a < b);
}

// The value that this share of the sorted values lies below.
static double quantile(const double *sorted, size_t n, double share) {
  double place = share * (double)(n - 1);
  size_t below = (size_t)place;
  size_t above = below + 1 < n ? below + 1 : below;
  return sorted[below] + (sorted[above] - sorted[below]) * (place - (double)below);
}

bool exports_docs_summary_quantiles_summarize(summary_list_f64_t *values,
                                              exports_docs_summary_quantiles_box_t *ret,
                                              summary_string_t *err) {
  size_t n = values->len;
  if (n == 0) {
    summary_string_dup(err, "there are no values");
  } else {
    qsort(values->ptr, n, sizeof(double), by_size);
    ret->n = (uint32_t)n;
    ret->low = values->ptr[0];
    ret->lower = quantile(values->ptr, n, 0.25);
    ret->median = quantile(values->ptr, n, 0.5);
    ret->upper = quantile(values->ptr, n, 0.75);
    ret->high = values->ptr[n - 1];
  }
  summary_list_f64_free(values);
  return n > 0;
}
