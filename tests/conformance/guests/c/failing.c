// Ops that fail.

#include <assert.h>

#include "library.h"

void fail(cof_ctx *ctx) {
  cof_fail(ctx, cof_config_text(ctx, "message").at);
  cof_cause(ctx, "the disk is full");
  cof_failure_metadata(ctx, cof_fact_integer("tried", 3));
}

void fail_permanent(cof_ctx *ctx) {
  cof_fail(ctx, "it stays wrong");
  cof_permanent(ctx);
}

void fail_later(cof_ctx *ctx) {
  uint32_t attempt = cof_attempt(ctx).attempt;
  if (attempt > 1) {
    cof_output_integer(ctx, "result", attempt);
    return;
  }
  cof_fail(ctx, "not yet");
  cof_retry_after(ctx, (uint64_t)cof_config_integer(ctx, "milliseconds"));
}

void flaky(cof_ctx *ctx) {
  uint32_t attempt = cof_attempt(ctx).attempt;
  if (attempt < cof_config_integer(ctx, "attempts")) cof_failf(ctx, "attempt %u", (unsigned)attempt);
  else cof_output_integer(ctx, "result", attempt);
}

void crash(cof_ctx *ctx) {
  static const int64_t list[] = {1, 2, 3};
  size_t index = cof_attempt(ctx).attempt + 6;
  assert(index < sizeof list / sizeof *list);
  cof_output_integer(ctx, "result", list[index]);
}
