// The conformance library in C, as `tests/conformance/README.md` has it: values.

#include "library.h"

void echo(cof_ctx *ctx) { cof_output_value(ctx, "result", cof_input(ctx, "value")); }

// A whole number is written as a fraction, which it is to other languages.
void echo_number(cof_ctx *ctx) { cof_output_number(ctx, "result", cof_input_number(ctx, "value")); }

// What is absent gets its default.
void echo_record(cof_ctx *ctx) {
  cof_value person = cof_input(ctx, "value"), name, age, tags, home;
  bool has_tags = cof_get(person, "tags", &tags), has_home = cof_get(person, "home", &home);
  if (!cof_get(person, "name", &name) || !cof_get(person, "age", &age)) return;
  cof_builder *builder = cof_build(ctx);
  cof_put_map(builder, 4);
  cof_put_string(builder, "name"), cof_put_value(builder, name);
  cof_put_string(builder, "age"), cof_put_value(builder, age);
  cof_put_string(builder, "tags");
  if (has_tags) cof_put_value(builder, tags);
  else cof_put_list(builder, 0);
  cof_put_string(builder, "home");
  if (has_home) cof_put_value(builder, home);
  else cof_put_null(builder);
  cof_output_built(ctx, "result", builder);
}

void echo_bytes(cof_ctx *ctx) {
  cof_text bytes = cof_input_bytes(ctx, "value");
  cof_output_bytes(ctx, "result", bytes.at, bytes.size);
}

void pure_double(cof_ctx *ctx) { cof_output_integer(ctx, "result", cof_input_integer(ctx, "value") * 2); }
