// Large values: read and written piece by piece.

#include <stdlib.h>
#include <string.h>

#include "ctx.h"

static const char *const ERRORS[] = {
    [VALUE_UNKNOWN] = "there is no such input",
    [VALUE_UNAVAILABLE] = "the bytes cannot be read or stored now",
    [VALUE_LIMIT] = "the limit on output bytes or open handles is reached",
    [VALUE_FINISHED] = "the writer is finished",
};

static void failed(cof_ctx *ctx, const char *doing, uint8_t error) {
  if (ctx->failed) return;
  cof_failf(ctx, "cannot %s: %s", doing, ERRORS[error & 3]);
  // Another try would meet the same limit.
  if (error == VALUE_LIMIT || error == VALUE_FINISHED) cof_permanent(ctx);
}

struct cof_reader {
  cof_ctx *ctx;
  // Of an inline value; of a stored one the handle.
  const char *bytes;
  int32_t handle;
  uint64_t size;
  uint64_t at;
};

static void open_value(cof_ctx *ctx, const abi_value *value, cof_reader *reader) {
  *reader = (cof_reader){.ctx = ctx};
  if (value->content == CONTENT_BYTES) {
    reader->bytes = value->at.bytes.size > 0 ? value->at.bytes.at : "";
    reader->size = value->at.bytes.size;
    return;
  }
  abi_number_result result;
  host_open(value->at.stored, &result);
  if (result.failed) {
    failed(ctx, "open an input", result.value.error);
    return;
  }
  reader->handle = result.value.handle;
  reader->size = host_reader_size(reader->handle);
}

cof_reader *cof_open(cof_ctx *ctx, const char *name) {
  static cof_reader nothing;
  const abi_input *input = input_of(ctx, name);
  if (input == NULL || input->kind != INPUT_ONE) {
    nothing = (cof_reader){.ctx = ctx, .bytes = ""};
    cof_failf(ctx, "the input `%s` takes many: read it with `cof_element`", name);
    return &nothing;
  }
  cof_reader *reader = cof_alloc(ctx, sizeof *reader);
  open_value(ctx, &input->value.one, reader);
  return reader;
}

uint64_t cof_size(cof_reader *reader) { return reader->size; }

// At most what the host gives at a time.
static size_t read_some(cof_reader *reader, char *into, size_t size) {
  if (reader->bytes != NULL) {
    memcpy(into, reader->bytes + reader->at, size);
    return size;
  }
  abi_bytes_result result;
  host_reader_read(reader->handle, reader->at, size < CHUNK_BYTES ? (uint32_t)size : CHUNK_BYTES, &result);
  if (result.failed) {
    failed(reader->ctx, "read an input", result.value.error);
    return 0;
  }
  size_t found = result.value.bytes.size;
  memcpy(into, result.value.bytes.at, found);
  // The host has put them into memory that it asked `cabi_realloc` for; a test's are from malloc too.
  free((void *)result.value.bytes.at);
  return found;
}

size_t cof_read(cof_reader *reader, void *into, size_t size) {
  size_t done = 0;
  while (done < size && reader->at < reader->size) {
    uint64_t left = reader->size - reader->at;
    size_t wanted = size - done < left ? size - done : (size_t)left;
    size_t found = read_some(reader, (char *)into + done, wanted);
    if (found == 0) break;
    reader->at += found;
    done += found;
  }
  return done;
}

size_t cof_read_at(cof_reader *reader, uint64_t offset, void *into, size_t size) {
  reader->at = offset;
  return cof_read(reader, into, size);
}

cof_text bytes_of(cof_ctx *ctx, const abi_value *value) {
  if (value->content == CONTENT_BYTES) return (cof_text){value->at.bytes.size > 0 ? value->at.bytes.at : "", value->at.bytes.size};
  cof_reader reader;
  open_value(ctx, value, &reader);
  char *bytes = cof_alloc(ctx, (size_t)reader.size + 1);
  size_t size = cof_read(&reader, bytes, (size_t)reader.size);
  bytes[size] = 0;
  return (cof_text){bytes, size};
}

struct cof_writer {
  cof_ctx *ctx;
  bool begun;
  int32_t handle;
  size_t used;
  char buffer[CHUNK_BYTES];
};

cof_writer *cof_create(cof_ctx *ctx) {
  cof_writer *writer = cof_alloc(ctx, sizeof *writer);
  writer->ctx = ctx;
  writer->begun = false;
  writer->used = 0;
  return writer;
}

static void send(cof_writer *writer, const void *bytes, size_t size) {
  if (!writer->begun) {
    abi_number_result created;
    host_create(&created);
    if (created.failed) {
      failed(writer->ctx, "start an output", created.value.error);
      return;
    }
    writer->handle = created.value.handle;
    writer->begun = true;
  }
  abi_done_result result;
  host_writer_write(writer->handle, bytes, size, &result);
  if (result.failed) failed(writer->ctx, "write an output", result.error);
}

void cof_write(cof_writer *writer, const void *bytes, size_t size) {
  const char *from = bytes;
  while (size > 0 && !writer->ctx->failed) {
    size_t count = CHUNK_BYTES - writer->used;
    if (count > size) count = size;
    if (writer->used == 0 && count == CHUNK_BYTES) {
      // Whole chunks go as they are.
      send(writer, from, count);
    } else {
      memcpy(writer->buffer + writer->used, from, count);
      writer->used += count;
    }
    from += count;
    size -= count;
    if (writer->used == CHUNK_BYTES) {
      send(writer, writer->buffer, writer->used);
      writer->used = 0;
    }
  }
}

static void finish(cof_writer *writer, abi_value *value) {
  if (writer->used > 0) send(writer, writer->buffer, writer->used);
  if (writer->ctx->failed) return;
  abi_number_result result;
  host_writer_finish(writer->handle, &result);
  if (result.failed) {
    failed(writer->ctx, "finish an output", result.value.error);
    return;
  }
  value->content = CONTENT_STORED;
  value->at.stored = result.value.number;
}

void content_of(cof_ctx *ctx, abi_value *value, const void *bytes, size_t size) {
  if (size <= INLINE_BYTES_MAX) {
    // A copy: the author's bytes may be gone when the op ends.
    char *copy = cof_alloc(ctx, size + 1);
    if (size > 0) memcpy(copy, bytes, size);
    value->content = CONTENT_BYTES;
    value->at.bytes = (abi_list){copy, size};
    return;
  }
  cof_writer *writer = cof_create(ctx);
  cof_write(writer, bytes, size);
  finish(writer, value);
}

void cof_output_written(cof_ctx *ctx, const char *output, cof_writer *writer) {
  if (!writer->begun && writer->used <= INLINE_BYTES_MAX) {
    cof_output_bytes(ctx, output, writer->buffer, writer->used);
    return;
  }
  abi_value value = {0};
  finish(writer, &value);
  if (ctx->failed) return;
  // Its place is that of an output of no bytes.
  size_t before = ctx->outputs.size;
  cof_output_bytes(ctx, output, "", 0);
  if (ctx->outputs.size == before) return;
  abi_output *last = (abi_output *)(ctx->outputs.at + ctx->outputs.size) - 1;
  last->value.content = value.content;
  last->value.at = value.at;
}
