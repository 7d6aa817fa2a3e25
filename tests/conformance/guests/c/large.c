// Large values.

#include <string.h>

#include "library.h"

enum { PIECE_BYTES = 64 * 1024 };

void produce(cof_ctx *ctx) {
  int64_t size = cof_config_integer(ctx, "size");
  cof_writer *writer = cof_create(ctx);
  static uint8_t piece[PIECE_BYTES];
  for (int64_t start = 0; start < size; start += PIECE_BYTES) {
    int64_t count = size - start < PIECE_BYTES ? size - start : PIECE_BYTES;
    for (int64_t i = 0; i < count; i++) piece[i] = (uint8_t)((start + i) * 31 + (start + i) / 256);
    cof_write(writer, piece, (size_t)count);
  }
  cof_output_written(ctx, "result", writer);
}

void consume(cof_ctx *ctx) {
  cof_reader *reader = cof_open(ctx, "file");
  static uint8_t piece[PIECE_BYTES];
  uint32_t sum = 0;
  for (size_t count; (count = cof_read(reader, piece, sizeof piece)) > 0;) {
    for (size_t i = 0; i < count; i++) sum += piece[i];
  }
  cof_builder *builder = cof_build(ctx);
  cof_put_map(builder, 2);
  cof_put_string(builder, "size"), cof_put_integer(builder, (int64_t)cof_size(reader));
  cof_put_string(builder, "sum"), cof_put_integer(builder, sum);
  cof_output_built(ctx, "result", builder);
}

void slice(cof_ctx *ctx) {
  cof_reader *reader = cof_open(ctx, "file");
  size_t length = (size_t)cof_config_integer(ctx, "length");
  char *bytes = cof_alloc(ctx, length);
  size_t found = cof_read_at(reader, (uint64_t)cof_config_integer(ctx, "offset"), bytes, length);
  cof_output_bytes(ctx, "result", bytes, found);
}

void repeat(cof_ctx *ctx) {
  cof_text text = cof_config_text(ctx, "text");
  size_t times = (size_t)cof_config_integer(ctx, "times");
  char *all = cof_alloc(ctx, text.size * times);
  for (size_t i = 0; i < times; i++) memcpy(all + i * text.size, text.at, text.size);
  cof_output_text(ctx, "result", (cof_text){all, text.size * times});
}

void length(cof_ctx *ctx) {
  cof_text text = cof_input_text(ctx, "value");
  int64_t count = 0;
  for (size_t i = 0; i < text.size; i++) count += (text.at[i] & 0xc0) != 0x80;
  cof_output_integer(ctx, "result", count);
}

void page(cof_ctx *ctx) {
  const char *html = cof_format(ctx, "<h1>%s</h1>", cof_config_text(ctx, "title").at);
  cof_output_bytes(ctx, "result", html, strlen(html));
}
