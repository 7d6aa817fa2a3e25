// The C op of the polyglot example: a density by kernel estimation.

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "cofferdam_op.h"

// Samples read at a time.
#define SAMPLES 4096
// Points of a curve.
#define POINTS_MAX 1024
#define SQRT_TAU 2.5066282746310002

// Adds what each sample gives to each point.
static void spread(double *density, size_t points, double from, double step, double width, const double *samples,
                   size_t count) {
  for (size_t s = 0; s < count; s++) {
    for (size_t p = 0; p < points; p++) {
      double z = (from + step * (double)p - samples[s]) / width;
      density[p] += exp(-0.5 * z * z);
    }
  }
}

static void density(cof_ctx *ctx) {
  double from = cof_config_number(ctx, "from"), to = cof_config_number(ctx, "to");
  double width = cof_config_number(ctx, "bandwidth");
  size_t points = (size_t)cof_config_integer(ctx, "points");
  double step = (to - from) / (double)(points - 1);

  static double sums[POINTS_MAX], samples[SAMPLES];
  cof_reader *reader = cof_open(ctx, "samples");
  uint64_t total = cof_size(reader) / sizeof(double);
  for (size_t size; (size = cof_read(reader, samples, sizeof samples)) > 0;)
    spread(sums, points, from, step, width, samples, size / sizeof(double));

  cof_builder *curve = cof_build(ctx);
  cof_put_list(curve, points);
  for (size_t p = 0; p < points; p++) {
    cof_put_map(curve, 2);
    cof_put_string(curve, "x");
    cof_put_number(curve, from + step * (double)p);
    cof_put_string(curve, "y");
    cof_put_number(curve, total ? sums[p] / ((double)total * width * SQRT_TAU) : 0);
  }
  cof_output_built(ctx, "result", curve);
}

COF_LIBRARY("kernel", "0.1.0", {
  .name = "density",
  .doc = "The density of samples, as a curve: what each gives is a bell of that bandwidth.",
  .run = density,
  COF_INPUTS({ .name = "samples", .doc = "64-bit floats, least byte first" }),
  COF_OUTPUTS({
    .name = "result",
    .schema = COF_JSON({
      "type": "array",
      "items": {
        "type": "object",
        "properties": { "x": {"type": "number"}, "y": {"type": "number"} },
        "required": ["x", "y"]
      }
    })
  }),
  .config = COF_JSON({
    "type": "object",
    "properties": {
      "from": {"type": "number"}, "to": {"type": "number"},
      "points": {"type": "integer", "minimum": 2, "maximum": 1024},
      "bandwidth": {"type": "number", "exclusiveMinimum": 0}
    },
    "required": ["from", "to", "points", "bandwidth"],
    "additionalProperties": false
  }),
});
