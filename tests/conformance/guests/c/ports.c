// Ports and config.

#include <ctype.h>
#include <string.h>

#include "library.h"

void nothing(cof_ctx *ctx) { (void)ctx; }

static size_t code_points(cof_text text) {
  size_t count = 0;
  for (size_t i = 0; i < text.size; i++) count += (text.at[i] & 0xc0) != 0x80;
  return count;
}

void split_name(cof_ctx *ctx) {
  cof_text name = cof_input_text(ctx, "name");
  const char *blank = memchr(name.at, ' ', name.size);
  size_t first = blank != NULL ? (size_t)(blank - name.at) : name.size, last = blank != NULL ? first + 1 : name.size;
  cof_output_text(ctx, "first", (cof_text){name.at, first});
  cof_output_metadata(ctx, cof_fact_integer("letters", (int64_t)code_points((cof_text){name.at, first})));
  cof_output_text(ctx, "last", (cof_text){name.at + last, name.size - last});
}

void maybe(cof_ctx *ctx) {
  if (cof_config_boolean(ctx, "emit")) cof_output_integer(ctx, "value", 42);
}

void greet(cof_ctx *ctx) {
  const char *name = cof_has(ctx, "name") ? cof_input_text(ctx, "name").at : "nobody";
  cof_output_string(ctx, "result", cof_format(ctx, "Hello, %s!", name));
}

void numbers(cof_ctx *ctx) {
  int64_t n = cof_config_integer(ctx, "n");
  for (int64_t i = 0; i < n; i++) {
    cof_key(ctx, cof_format(ctx, "n%lld", (long long)i));
    cof_output_integer(ctx, "each", i);
  }
}

void twins(cof_ctx *ctx) {
  for (int i = 1; i <= 2; i++) {
    cof_key(ctx, "twin");
    cof_output_integer(ctx, "each", i);
  }
}

void total(cof_ctx *ctx) {
  int64_t sum = 0;
  for (size_t i = 0; i < cof_count(ctx, "numbers"); i++) {
    cof_value element = cof_element(ctx, "numbers", i);
    sum += cof_integer(&element);
  }
  cof_output_integer(ctx, "result", sum);
}

void keyed(cof_ctx *ctx) {
  size_t count = cof_count(ctx, "numbers");
  cof_builder *builder = cof_build(ctx);
  cof_put_list(builder, count);
  for (size_t i = 0; i < count; i++) {
    cof_value element = cof_element(ctx, "numbers", i);
    cof_text key = cof_element_key(ctx, "numbers", i);
    long long number = cof_integer(&element);
    cof_put_string(builder, cof_format(ctx, "%s=%lld", key.size > 0 ? cof_format(ctx, "%.*s", (int)key.size, key.at) : "-", number));
  }
  cof_output_built(ctx, "result", builder);
}

void configured(cof_ctx *ctx) {
  cof_text greeting = cof_config_text(ctx, "greeting");
  bool loud = cof_config_boolean(ctx, "loud");
  const char *text = "";
  for (int64_t left = cof_config_integer(ctx, "times"); left > 0 && !cof_failed(ctx); left--) {
    cof_value names;
    if (!cof_get(cof_config(ctx), "names", &names)) return;
    for (size_t count = cof_list(&names); count > 0; count--) {
      text = cof_format(ctx, "%s%s%s, %s!", text, *text != 0 ? "\n" : "", greeting.at, cof_string(&names).at);
    }
  }
  char *capitals = cof_alloc(ctx, strlen(text) + 1);
  for (size_t i = 0; i <= strlen(text); i++) capitals[i] = (char)toupper((unsigned char)text[i]);
  cof_output_string(ctx, "result", loud ? capitals : text);
}
