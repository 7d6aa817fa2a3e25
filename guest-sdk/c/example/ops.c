// A library of one op, built without the program `cofferdam`: by CMake, or by the compiler alone.

#include <cofferdam_op.h>

static void mean(cof_ctx *ctx) {
  cof_value numbers = cof_input(ctx, "numbers");
  size_t count = cof_list(&numbers);
  double sum = 0;
  for (size_t i = 0; i < count; i++) sum += cof_number(&numbers);
  if (count == 0) cof_fail(ctx, "there is no mean of nothing"), cof_permanent(ctx);
  cof_metadata(ctx, cof_fact_integer("count", (int64_t)count));
  cof_output_number(ctx, "result", sum / (double)count);
}

COF_LIBRARY("kernel", "1.0.0",
  {
    .name = "mean", .run = mean,
    .doc = "The mean of a list.",
    COF_INPUTS({ .name = "numbers", .schema = COF_JSON({"type": "array", "items": {"type": "number"}}) }),
    COF_OUTPUTS({ .name = "result", .schema = COF_NUMBER }),
  });
