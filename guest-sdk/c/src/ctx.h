// What the parts of the SDK share about the attempt that is under way.

#ifndef COFFERDAM_CTX_H
#define COFFERDAM_CTX_H

#include "abi.h"
#include "cofferdam_op.h"

// What the host likes best at a time, and what is returned with the completion at most, in bytes.
enum { CHUNK_BYTES = 256 * 1024, INLINE_BYTES_MAX = 64 * 1024 };

// Grows by doubling.
typedef struct {
  char *at;
  size_t size;
  size_t room;
} buffer;

struct cof_ctx {
  const cof_op *op;
  cof_text config;
  const abi_input *inputs;
  size_t n_inputs;
  // Of abi_output, and of abi_fact for the last of them.
  buffer outputs;
  buffer facts;
  const char *key;
  bool failed;
  abi_failure failure;
  // Of abi_list, and of abi_fact.
  buffer causes;
  buffer failure_facts;
  // Everything that `cof_alloc` gave.
  struct block *blocks;
};

abi_list list_of(const char *text);
abi_fact fact_of(cof_fact fact);
void append(cof_ctx *ctx, buffer *buffer, const void *bytes, size_t size);
// The input as declared and given; fails if it is not there.
const abi_input *input_of(cof_ctx *ctx, const char *name);
// Bytes of a value, wherever they are.
cof_text bytes_of(cof_ctx *ctx, const abi_value *value);
// Content of an output: inline if small, else through a writer.
void content_of(cof_ctx *ctx, abi_value *value, const void *bytes, size_t size);
void run_op(const cof_op *op, abi_list config, abi_list inputs, cof_ctx *ctx, abi_ended *ended);
void end_ctx(cof_ctx *ctx);

#endif
