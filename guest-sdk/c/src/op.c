// The attempt: inputs, outputs, what is said, failures, and the two functions that the component exports.

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctx.h"

static const char CBOR[] = "application/cbor";
static const char OCTET_STREAM[] = "application/octet-stream";

struct block {
  struct block *next;
};

void *cof_alloc(cof_ctx *ctx, size_t size) {
  struct block *block = malloc(sizeof(struct block) + 8 + size);
  // Memory is bounded by the host, which says so; there is nothing to go on with.
  if (block == NULL) abort();
  block->next = ctx->blocks;
  ctx->blocks = block;
  return (char *)block + ((sizeof(struct block) + 7) & ~(size_t)7);
}

void end_ctx(cof_ctx *ctx) {
  while (ctx->blocks != NULL) {
    struct block *next = ctx->blocks->next;
    free(ctx->blocks);
    ctx->blocks = next;
  }
}

abi_list list_of(const char *text) {
  if (text == NULL) text = "";
  return (abi_list){text, strlen(text)};
}

void append(cof_ctx *ctx, buffer *buffer, const void *bytes, size_t size) {
  if (size > buffer->room - buffer->size) {
    size_t room = buffer->room * 2 > buffer->size + size ? buffer->room * 2 : buffer->size + size + 64;
    char *larger = cof_alloc(ctx, room);
    if (buffer->size > 0) memcpy(larger, buffer->at, buffer->size);
    buffer->at = larger;
    buffer->room = room;
  }
  if (size > 0) memcpy(buffer->at + buffer->size, bytes, size);
  buffer->size += size;
}

static const char *format_list(cof_ctx *ctx, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  int size = vsnprintf(NULL, 0, format, again);
  va_end(again);
  if (size < 0) return format;
  char *text = cof_alloc(ctx, (size_t)size + 1);
  vsnprintf(text, (size_t)size + 1, format, args);
  return text;
}

const char *cof_format(cof_ctx *ctx, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = format_list(ctx, format, args);
  va_end(args);
  return text;
}

// ---- Failing

// A copy, so that the author's text may be on the stack.
static abi_list kept(cof_ctx *ctx, const char *text) {
  size_t size = strlen(text);
  char *copy = cof_alloc(ctx, size + 1);
  memcpy(copy, text, size + 1);
  return (abi_list){copy, size};
}

void cof_fail(cof_ctx *ctx, const char *message) {
  if (ctx->failed) return;
  ctx->failed = true;
  ctx->failure.message = kept(ctx, message);
}

void cof_failf(cof_ctx *ctx, const char *format, ...) {
  va_list args;
  va_start(args, format);
  cof_fail(ctx, format_list(ctx, format, args));
  va_end(args);
}

bool cof_failed(cof_ctx *ctx) { return ctx->failed; }

void cof_cause(cof_ctx *ctx, const char *cause) {
  abi_list copy = kept(ctx, cause);
  append(ctx, &ctx->causes, &copy, sizeof copy);
}

void cof_permanent(cof_ctx *ctx) { ctx->failure.retry.kind = RETRY_NEVER; }

void cof_retry_after(cof_ctx *ctx, uint64_t milliseconds) {
  ctx->failure.retry.kind = RETRY_AFTER;
  ctx->failure.retry.milliseconds = milliseconds;
}

void cof_failure_metadata(cof_ctx *ctx, cof_fact fact) {
  abi_fact entry = fact_of(fact);
  append(ctx, &ctx->failure_facts, &entry, sizeof entry);
}

// A mistake of the op itself: it would come again.
static void wrong(cof_ctx *ctx, const char *message) {
  if (ctx->failed) return;
  cof_fail(ctx, message);
  cof_permanent(ctx);
}

// ---- Saying things

static cof_fact text_fact(const char *name, int kind, const char *text) {
  return (cof_fact){.name = name, .kind = kind, .text = text};
}

cof_fact cof_fact_text(const char *name, const char *text) { return text_fact(name, FACT_TEXT, text); }
cof_fact cof_fact_url(const char *name, const char *url) { return text_fact(name, FACT_URL, url); }
cof_fact cof_fact_path(const char *name, const char *path) { return text_fact(name, FACT_PATH, path); }
cof_fact cof_fact_json(const char *name, const char *json) { return text_fact(name, FACT_JSON, json); }
cof_fact cof_fact_markdown(const char *name, const char *text) { return text_fact(name, FACT_MARKDOWN, text); }
cof_fact cof_fact_table(const char *name, const char *json) { return text_fact(name, FACT_TABLE, json); }
cof_fact cof_fact_timestamp(const char *name, const char *time) { return text_fact(name, FACT_TIMESTAMP, time); }

cof_fact cof_fact_integer(const char *name, int64_t value) {
  return (cof_fact){.name = name, .kind = FACT_INTEGER, .integer = value};
}

cof_fact cof_fact_number(const char *name, double value) {
  return (cof_fact){.name = name, .kind = FACT_NUMBER, .number = value};
}

cof_fact cof_fact_truth(const char *name, bool value) {
  return (cof_fact){.name = name, .kind = FACT_TRUTH, .integer = value};
}

abi_fact fact_of(cof_fact fact) {
  abi_fact entry = {.name = list_of(fact.name), .kind = (uint8_t)fact.kind};
  switch (fact.kind) {
    case FACT_INTEGER:
      entry.value.integer = fact.integer;
      break;
    case FACT_NUMBER:
      entry.value.number = fact.number;
      break;
    case FACT_TRUTH:
      entry.value.truth = fact.integer != 0;
      break;
    default:
      entry.value.text = list_of(fact.text);
  }
  return entry;
}

void cof_metadata(cof_ctx *ctx, cof_fact fact) {
  (void)ctx;
  abi_fact entry = fact_of(fact);
  host_add_metadata(&entry, 1);
}

void cof_log(cof_ctx *ctx, cof_level level, const char *message) {
  (void)ctx;
  host_log((int32_t)level, message, strlen(message), NULL, 0);
}

void cof_logf(cof_ctx *ctx, cof_level level, const char *format, ...) {
  va_list args;
  va_start(args, format);
  cof_log(ctx, level, format_list(ctx, format, args));
  va_end(args);
}

void cof_log_fields(cof_ctx *ctx, cof_level level, const char *message, const cof_field *fields) {
  buffer pairs = {0};
  size_t count = 0;
  for (; fields[count].name != NULL; count++) {
    abi_pair pair = {list_of(fields[count].name), list_of(fields[count].value)};
    append(ctx, &pairs, &pair, sizeof pair);
  }
  host_log((int32_t)level, message, strlen(message), (const abi_pair *)pairs.at, count);
}

void cof_progress(cof_ctx *ctx, uint64_t done, uint64_t total, const char *message) {
  (void)ctx;
  abi_list text = list_of(message);
  host_progress(done, total != 0, total, text.at, text.size);
}

static cof_text text_of(abi_list list) { return (cof_text){list.at, list.size}; }

cof_attempt_info cof_attempt(cof_ctx *ctx) {
  (void)ctx;
  abi_attempt found;
  host_attempt(&found);
  return (cof_attempt_info){
      .run_id = text_of(found.run_id),
      .step_key = text_of(found.step_key),
      .attempt = found.attempt,
      .idempotency_key = text_of(found.idempotency_key),
      .has_partition = found.partition.some != 0,
      .partition = found.partition.some ? text_of(found.partition.value) : (cof_text){"", 0},
      .n_tags = found.tags.size,
      // A pair of texts is laid out as ours.
      .tags = (const struct cof_tag *)found.tags.at,
  };
}

uint64_t cof_remaining_ms(cof_ctx *ctx) {
  (void)ctx;
  abi_option_u64 left;
  host_remaining_ms(&left);
  return left.some ? left.value : UINT64_MAX;
}

// ---- Inputs

static const abi_input *given(cof_ctx *ctx, const char *name) {
  for (size_t i = 0; i < ctx->n_inputs; i++) {
    const abi_list *found = &ctx->inputs[i].name;
    if (found->size == strlen(name) && memcmp(found->at, name, found->size) == 0) return &ctx->inputs[i];
  }
  return NULL;
}

bool cof_has(cof_ctx *ctx, const char *input) { return given(ctx, input) != NULL; }

const abi_input *input_of(cof_ctx *ctx, const char *name) {
  const abi_input *found = given(ctx, name);
  if (found == NULL) wrong(ctx, cof_format(ctx, "there is no input `%s`: it is not declared, or it is optional and absent", name));
  return found;
}

static const abi_value *one_of(cof_ctx *ctx, const char *name) {
  const abi_input *input = input_of(ctx, name);
  if (input == NULL) return NULL;
  if (input->kind == INPUT_ONE) return &input->value.one;
  wrong(ctx, cof_format(ctx, "the input `%s` takes many: read it with `cof_element`", name));
  return NULL;
}

static cof_value value_at(cof_ctx *ctx, const abi_value *value) {
  if (value == NULL) return (cof_value){ctx, NULL, NULL};
  cof_text bytes = bytes_of(ctx, value);
  return (cof_value){ctx, (const uint8_t *)bytes.at, (const uint8_t *)bytes.at + bytes.size};
}

cof_value cof_input(cof_ctx *ctx, const char *input) { return value_at(ctx, one_of(ctx, input)); }

int64_t cof_input_integer(cof_ctx *ctx, const char *input) {
  cof_value value = cof_input(ctx, input);
  return cof_integer(&value);
}

double cof_input_number(cof_ctx *ctx, const char *input) {
  cof_value value = cof_input(ctx, input);
  return cof_number(&value);
}

bool cof_input_boolean(cof_ctx *ctx, const char *input) {
  cof_value value = cof_input(ctx, input);
  return cof_boolean(&value);
}

cof_text cof_input_text(cof_ctx *ctx, const char *input) {
  cof_value value = cof_input(ctx, input);
  return cof_string(&value);
}

cof_text cof_input_bytes(cof_ctx *ctx, const char *input) {
  const abi_value *value = one_of(ctx, input);
  return value == NULL ? (cof_text){"", 0} : bytes_of(ctx, value);
}

// An input that takes many may come from one source.
static const abi_element *elements_of(cof_ctx *ctx, const char *name, size_t *count) {
  const abi_input *input = input_of(ctx, name);
  *count = 0;
  if (input == NULL) return NULL;
  if (input->kind == INPUT_MANY) {
    *count = input->value.many.size;
    return input->value.many.at;
  }
  wrong(ctx, cof_format(ctx, "the input `%s` takes one value: read it with `cof_input`", name));
  return NULL;
}

size_t cof_count(cof_ctx *ctx, const char *input) {
  size_t count;
  elements_of(ctx, input, &count);
  return count;
}

static const abi_element *element_of(cof_ctx *ctx, const char *input, size_t index) {
  size_t count;
  const abi_element *elements = elements_of(ctx, input, &count);
  if (index < count) return &elements[index];
  if (!ctx->failed) wrong(ctx, cof_format(ctx, "the input `%s` has %zu elements, there is none at %zu", input, count, index));
  return NULL;
}

cof_value cof_element(cof_ctx *ctx, const char *input, size_t index) {
  const abi_element *element = element_of(ctx, input, index);
  return value_at(ctx, element == NULL ? NULL : &element->value);
}

cof_text cof_element_key(cof_ctx *ctx, const char *input, size_t index) {
  const abi_element *element = element_of(ctx, input, index);
  return element != NULL && element->key.some ? text_of(element->key.value) : (cof_text){"", 0};
}

cof_value cof_config(cof_ctx *ctx) {
  return (cof_value){ctx, (const uint8_t *)ctx->config.at, (const uint8_t *)ctx->config.at + ctx->config.size};
}

static cof_value config_at(cof_ctx *ctx, const char *key) {
  cof_value found = {ctx, NULL, NULL};
  if (!cof_get(cof_config(ctx), key, &found)) wrong(ctx, cof_format(ctx, "the config has no key `%s`", key));
  return found;
}

int64_t cof_config_integer(cof_ctx *ctx, const char *key) {
  cof_value value = config_at(ctx, key);
  return cof_integer(&value);
}

double cof_config_number(cof_ctx *ctx, const char *key) {
  cof_value value = config_at(ctx, key);
  return cof_number(&value);
}

bool cof_config_boolean(cof_ctx *ctx, const char *key) {
  cof_value value = config_at(ctx, key);
  return cof_boolean(&value);
}

cof_text cof_config_text(cof_ctx *ctx, const char *key) {
  cof_value value = config_at(ctx, key);
  return cof_string(&value);
}

// ---- Outputs

void cof_key(cof_ctx *ctx, const char *key) { ctx->key = kept(ctx, key).at; }

// The declaration of an output; fails if there is none.
static const cof_port *declared(cof_ctx *ctx, const char *name) {
  for (const cof_port *port = ctx->op->outputs; port != NULL && port->name != NULL; port++) {
    if (strcmp(port->name, name) == 0) return port;
  }
  wrong(ctx, cof_format(ctx, "the op gave an output `%s` that it does not declare", name));
  return NULL;
}

static const char *media_type_of(const cof_port *port) {
  if (port->media_type != NULL) return port->media_type;
  return port->schema != NULL ? CBOR : OCTET_STREAM;
}

// The facts that were stated about the output that was given last become its own.
static void close_output(cof_ctx *ctx) {
  if (ctx->facts.size == 0) return;
  abi_output *last = (abi_output *)(ctx->outputs.at + ctx->outputs.size) - 1;
  last->metadata = (abi_list){ctx->facts.at, ctx->facts.size / sizeof(abi_fact)};
  ctx->facts = (buffer){0};
}

static bool same_key(const abi_output *output, const char *name, const char *key) {
  return output->name.size == strlen(name) && memcmp(output->name.at, name, output->name.size) == 0 && output->key.some == (key != NULL) &&
         (key == NULL || (output->key.value.size == strlen(key) && memcmp(output->key.value.at, key, strlen(key)) == 0));
}

// A place for an output: its name, key and media type are set.
static abi_value *begin_output(cof_ctx *ctx, const char *name) {
  const char *key = ctx->key;
  ctx->key = NULL;
  const cof_port *port = ctx->failed ? NULL : declared(ctx, name);
  if (port == NULL) return NULL;
  size_t count = ctx->outputs.size / sizeof(abi_output);
  for (size_t i = 0; i < count; i++) {
    if (!same_key((abi_output *)ctx->outputs.at + i, name, key)) continue;
    if (key != NULL) wrong(ctx, cof_format(ctx, "the key `%s` of output `%s` is used twice", key, name));
    else wrong(ctx, cof_format(ctx, "output `%s` is given twice", name));
    return NULL;
  }
  close_output(ctx);
  abi_output output = {.name = list_of(port->name), .value.media_type = list_of(media_type_of(port))};
  if (key != NULL) output.key = (abi_option_list){1, list_of(key)};
  append(ctx, &ctx->outputs, &output, sizeof output);
  return &((abi_output *)(ctx->outputs.at + ctx->outputs.size) - 1)->value;
}

void cof_output_bytes(cof_ctx *ctx, const char *output, const void *bytes, size_t size) {
  abi_value *value = begin_output(ctx, output);
  if (value != NULL) content_of(ctx, value, bytes, size);
}

void cof_output_value(cof_ctx *ctx, const char *output, cof_value value) {
  cof_value end = value;
  cof_skip(&end);
  if (!ctx->failed) cof_output_bytes(ctx, output, value.at, (size_t)(end.at - value.at));
}

void cof_output_integer(cof_ctx *ctx, const char *output, int64_t value) {
  cof_builder *builder = cof_build(ctx);
  cof_put_integer(builder, value);
  cof_output_built(ctx, output, builder);
}

void cof_output_number(cof_ctx *ctx, const char *output, double value) {
  cof_builder *builder = cof_build(ctx);
  cof_put_number(builder, value);
  cof_output_built(ctx, output, builder);
}

void cof_output_boolean(cof_ctx *ctx, const char *output, bool value) {
  cof_builder *builder = cof_build(ctx);
  cof_put_boolean(builder, value);
  cof_output_built(ctx, output, builder);
}

void cof_output_text(cof_ctx *ctx, const char *output, cof_text text) {
  cof_builder *builder = cof_build(ctx);
  cof_put_text(builder, text);
  cof_output_built(ctx, output, builder);
}

void cof_output_string(cof_ctx *ctx, const char *output, const char *text) {
  cof_output_text(ctx, output, (cof_text){text, strlen(text)});
}

void cof_output_metadata(cof_ctx *ctx, cof_fact fact) {
  if (ctx->outputs.size == 0) {
    wrong(ctx, "`cof_output_metadata` says something about an output before there is one");
    return;
  }
  abi_fact entry = fact_of(fact);
  append(ctx, &ctx->facts, &entry, sizeof entry);
}

// ---- The library

void run_op(const cof_op *op, abi_list config, abi_list inputs, cof_ctx *ctx, abi_ended *ended) {
  *ctx = (cof_ctx){.op = op, .config = {config.at, config.size}, .inputs = inputs.at, .n_inputs = inputs.size, .blocks = ctx->blocks};
  op->run(ctx);
  memset(ended, 0, sizeof *ended);
  if (!ctx->failed) {
    close_output(ctx);
    ended->value.outputs = (abi_list){ctx->outputs.at, ctx->outputs.size / sizeof(abi_output)};
    return;
  }
  ended->failed = 1;
  ended->value.failure = ctx->failure;
  ended->value.failure.causes = (abi_list){ctx->causes.at, ctx->causes.size / sizeof(abi_list)};
  ended->value.failure.metadata = (abi_list){ctx->failure_facts.at, ctx->failure_facts.size / sizeof(abi_fact)};
}

#ifdef __wasm__

#define EXPORT(name) __attribute__((export_name(name)))

static abi_list ports_of(cof_ctx *ctx, const cof_port *ports, bool inputs) {
  buffer all = {0};
  size_t count = 0;
  for (; ports != NULL && ports[count].name != NULL; count++) {
    const cof_port *port = &ports[count];
    abi_port spec = {
        .name = list_of(port->name),
        .doc = list_of(port->doc),
        .media_type = list_of(media_type_of(port)),
        .schema = list_of(port->schema != NULL ? port->schema : "true"),
        .required = !port->optional,
        .several = inputs ? port->many : port->dynamic,
    };
    append(ctx, &all, &spec, sizeof spec);
  }
  return (abi_list){all.at, count};
}

static abi_list needs_of(cof_ctx *ctx, const cof_need *needs) {
  buffer all = {0};
  size_t count = 0;
  for (; needs != NULL && needs[count].name != NULL; count++) {
    abi_need need = {list_of(needs[count].name), (uint8_t)needs[count].kind, list_of(needs[count].doc)};
    append(ctx, &all, &need, sizeof need);
  }
  return (abi_list){all.at, count};
}

EXPORT("cofferdam:op/ops@0.1.0#describe") abi_library *export_describe(void) {
  static abi_library library;
  static cof_ctx ctx;
  buffer ops = {0};
  size_t count = 0;
  for (const cof_op *op = cofferdam_library.ops; op[count].name != NULL; count++) {
    abi_op spec = {
        .name = list_of(op[count].name),
        .doc = list_of(op[count].doc),
        .inputs = ports_of(&ctx, op[count].inputs, true),
        .outputs = ports_of(&ctx, op[count].outputs, false),
        .needs = needs_of(&ctx, op[count].needs),
        .pure = op[count].pure,
    };
    if (op[count].config != NULL) spec.config = (abi_option_list){1, list_of(op[count].config)};
    append(&ctx, &ops, &spec, sizeof spec);
  }
  library = (abi_library){list_of(cofferdam_library.name), list_of(cofferdam_library.version), {ops.at, count}};
  return &library;
}

EXPORT("cofferdam:op/ops@0.1.0#run")
abi_ended *export_run(const char *name, size_t size, const void *config, size_t config_size, const void *inputs, size_t n_inputs) {
  static abi_ended ended;
  static cof_ctx ctx;
  for (const cof_op *op = cofferdam_library.ops; op->name != NULL; op++) {
    if (strlen(op->name) != size || memcmp(op->name, name, size) != 0) continue;
    run_op(op, (abi_list){config, config_size}, (abi_list){inputs, n_inputs}, &ctx, &ended);
    return &ended;
  }
  ended.failed = 1;
  ended.value.failure = (abi_failure){.message = list_of("this library has no op of that name"), .retry.kind = RETRY_NEVER};
  return &ended;
}

EXPORT("cabi_realloc") void *export_realloc(void *old, size_t old_size, size_t align, size_t size) {
  (void)old_size;
  if (size == 0) return (void *)align;
  void *at = realloc(old, size);
  if (at == NULL) abort();
  return at;
}

#endif
