// cofferdam-op: write ops for Cofferdam in C.
//
// An op is a function `void op(cof_ctx *ctx)` and a description of what it takes and gives; the table of all
// descriptions is the library. A call that cannot do what it is asked fails the attempt, says why, and gives zero or
// nothing; outputs of a failed attempt count for nothing, so an op may check `cof_failed` where it likes, or never.
//
// What a call gives lives until the attempt ends. The ops run in a component, and natively under `cofferdam_test.h`.

#ifndef COFFERDAM_OP_H
#define COFFERDAM_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cof_ctx cof_ctx;

// Text in UTF-8, or bytes; what this library gives ends with a zero byte that is not counted.
typedef struct {
  const char *at;
  size_t size;
} cof_text;

// ---- Descriptions -----------------------------------------------------------------------------------------------

// JSON as it is, for schemas: COF_JSON({"type": "array", "items": {"type": "integer"}})
#define COF_JSON(...) #__VA_ARGS__
#define COF_STRING COF_JSON({"type": "string"})
#define COF_INTEGER COF_JSON({"type": "integer"})
#define COF_NUMBER COF_JSON({"type": "number"})
#define COF_BOOLEAN COF_JSON({"type": "boolean"})

// An input or an output.
typedef struct {
  const char *name;
  // JSON Schema of a structured value. None for bytes.
  const char *schema;
  // Of bytes, such as "text/csv"; "application/octet-stream" if neither this nor a schema is given.
  const char *media_type;
  const char *doc;
  // An input that may be absent, or an output that may be left out.
  bool optional;
  // An input that takes a fan-in list or a collected dynamic output.
  bool many;
  // An output of any number of values, each under a key of its own.
  bool dynamic;
} cof_port;

typedef enum { COF_HTTP, COF_KEYVALUE, COF_BLOB, COF_SQL, COF_CONFIG, COF_COMMAND } cof_kind;

// Something that the op uses while it runs, by its own name for it.
typedef struct {
  const char *name;
  cof_kind kind;
  const char *doc;
} cof_need;

typedef struct {
  const char *name;
  // Markdown; the first line is the summary.
  const char *doc;
  void (*run)(cof_ctx *ctx);
  // Lists end with an entry without a name; none at all is an empty list.
  const cof_port *inputs;
  const cof_port *outputs;
  // JSON Schema of an object; none if the op takes no config.
  const char *config;
  const cof_need *needs;
  // Equal inputs and config give equal outputs: an earlier result may be taken.
  bool pure;
} cof_op;

typedef struct {
  const char *name;
  const char *version;
  // Ends with an entry without a name.
  const cof_op *ops;
} cof_library;

#define COF_INPUTS(...) .inputs = (const cof_port[]) { __VA_ARGS__, {0} }
#define COF_OUTPUTS(...) .outputs = (const cof_port[]) { __VA_ARGS__, {0} }
#define COF_NEEDS(...) .needs = (const cof_need[]) { __VA_ARGS__, {0} }

// Defined by the author: what the component offers.
extern const cof_library cofferdam_library;

// The library, its ops in braces: COF_LIBRARY("kernel", "1.0.0", { .name = "sum", .run = sum }, ...);
#define COF_LIBRARY(library, number, ...) \
  static const cof_op cof_table[] = { __VA_ARGS__, {0} }; \
  const cof_library cofferdam_library = { .name = library, .version = number, .ops = cof_table }

// ---- Reading structured values ----------------------------------------------------------------------------------

// A place in a value. Reading moves it behind what was read; a copy stays where it is.
typedef struct {
  cof_ctx *ctx;
  const uint8_t *at;
  const uint8_t *end;
} cof_value;

// The input of that name; `cof_has` says whether an optional one is there.
bool cof_has(cof_ctx *ctx, const char *input);
cof_value cof_input(cof_ctx *ctx, const char *input);
int64_t cof_input_integer(cof_ctx *ctx, const char *input);
double cof_input_number(cof_ctx *ctx, const char *input);
bool cof_input_boolean(cof_ctx *ctx, const char *input);
cof_text cof_input_text(cof_ctx *ctx, const char *input);
// The whole of an input of bytes.
cof_text cof_input_bytes(cof_ctx *ctx, const char *input);

// An input that takes many: how many, and one of them. The key is empty where there is none.
size_t cof_count(cof_ctx *ctx, const char *input);
cof_value cof_element(cof_ctx *ctx, const char *input, size_t index);
cof_text cof_element_key(cof_ctx *ctx, const char *input, size_t index);

// The config, complete: defaults are filled in.
cof_value cof_config(cof_ctx *ctx);
int64_t cof_config_integer(cof_ctx *ctx, const char *key);
double cof_config_number(cof_ctx *ctx, const char *key);
bool cof_config_boolean(cof_ctx *ctx, const char *key);
cof_text cof_config_text(cof_ctx *ctx, const char *key);

int64_t cof_integer(cof_value *value);
// A whole number is a number too.
double cof_number(cof_value *value);
bool cof_boolean(cof_value *value);
cof_text cof_string(cof_value *value);
bool cof_is_null(cof_value value);
// Enters a list, and gives how many elements follow.
size_t cof_list(cof_value *value);
// Enters a map, and gives how many pairs follow: a key, read by `cof_string`, and its value.
size_t cof_map(cof_value *value);
// Goes behind a whole value.
void cof_skip(cof_value *value);
// Whether the map at `map` has the key; if so, `found` is its value.
bool cof_get(cof_value map, const char *key, cof_value *found);

// ---- Writing structured values ----------------------------------------------------------------------------------

// A value as it grows. It ends by itself when as much was put as lists and maps were announced to have.
typedef struct cof_builder cof_builder;
cof_builder *cof_build(cof_ctx *ctx);
void cof_put_integer(cof_builder *builder, int64_t value);
void cof_put_number(cof_builder *builder, double value);
void cof_put_boolean(cof_builder *builder, bool value);
void cof_put_null(cof_builder *builder);
void cof_put_string(cof_builder *builder, const char *text);
void cof_put_text(cof_builder *builder, cof_text text);
// So many elements follow.
void cof_put_list(cof_builder *builder, size_t count);
// So many pairs follow, each a text and a value. They may come in any order.
void cof_put_map(cof_builder *builder, size_t count);
// The value at that place, whole.
void cof_put_value(cof_builder *builder, cof_value value);

// ---- Outputs ----------------------------------------------------------------------------------------------------

void cof_output_integer(cof_ctx *ctx, const char *output, int64_t value);
void cof_output_number(cof_ctx *ctx, const char *output, double value);
void cof_output_boolean(cof_ctx *ctx, const char *output, bool value);
void cof_output_string(cof_ctx *ctx, const char *output, const char *text);
void cof_output_text(cof_ctx *ctx, const char *output, cof_text text);
void cof_output_built(cof_ctx *ctx, const char *output, cof_builder *builder);
// The value at that place, whole.
void cof_output_value(cof_ctx *ctx, const char *output, cof_value value);
// For outputs of bytes.
void cof_output_bytes(cof_ctx *ctx, const char *output, const void *bytes, size_t size);
// The next output goes under this key of a dynamic one.
void cof_key(cof_ctx *ctx, const char *key);

// ---- Large values -----------------------------------------------------------------------------------------------

// An input of bytes, read from front to back or from anywhere.
typedef struct cof_reader cof_reader;
cof_reader *cof_open(cof_ctx *ctx, const char *input);
uint64_t cof_size(cof_reader *reader);
// The next bytes, as many as fit; less only at the end, where there are none.
size_t cof_read(cof_reader *reader, void *into, size_t size);
// The same from `offset`; `cof_read` goes on behind it.
size_t cof_read_at(cof_reader *reader, uint64_t offset, void *into, size_t size);

// An output of bytes, written from front to back; at most 256 KiB of it are in memory.
typedef struct cof_writer cof_writer;
cof_writer *cof_create(cof_ctx *ctx);
void cof_write(cof_writer *writer, const void *bytes, size_t size);
// Ends it.
void cof_output_written(cof_ctx *ctx, const char *output, cof_writer *writer);

// ---- Saying things ----------------------------------------------------------------------------------------------

typedef enum { COF_TRACE, COF_DEBUG, COF_INFO, COF_WARN, COF_ERROR } cof_level;
typedef struct {
  const char *name;
  const char *value;
} cof_field;

void cof_log(cof_ctx *ctx, cof_level level, const char *message);
// As printf.
void cof_logf(cof_ctx *ctx, cof_level level, const char *format, ...) __attribute__((format(printf, 3, 4)));
// Fields end with one without a name.
void cof_log_fields(cof_ctx *ctx, cof_level level, const char *message, const cof_field *fields);
#define COF_FIELDS(...) ((const cof_field[]) { __VA_ARGS__, {0} })

// How far the work is. A total of 0 is not known.
void cof_progress(cof_ctx *ctx, uint64_t done, uint64_t total, const char *message);

// A named fact. Make it with one of the functions below.
typedef struct {
  const char *name;
  int kind;
  const char *text;
  int64_t integer;
  double number;
} cof_fact;
cof_fact cof_fact_text(const char *name, const char *text);
cof_fact cof_fact_integer(const char *name, int64_t value);
cof_fact cof_fact_number(const char *name, double value);
cof_fact cof_fact_truth(const char *name, bool value);
cof_fact cof_fact_url(const char *name, const char *url);
cof_fact cof_fact_path(const char *name, const char *path);
cof_fact cof_fact_json(const char *name, const char *json);
cof_fact cof_fact_markdown(const char *name, const char *text);
// JSON text: a list of objects, a row each.
cof_fact cof_fact_table(const char *name, const char *json);
// RFC 3339.
cof_fact cof_fact_timestamp(const char *name, const char *time);

// About the step; a name given twice keeps the later value.
void cof_metadata(cof_ctx *ctx, cof_fact fact);
// About the output that was given last.
void cof_output_metadata(cof_ctx *ctx, cof_fact fact);

// Who is running.
typedef struct {
  cof_text run_id;
  // Dotted, with mapping keys.
  cof_text step_key;
  // 1 for the first try.
  uint32_t attempt;
  // The same for every attempt of this step in this run: send it with effects outside.
  cof_text idempotency_key;
  bool has_partition;
  cof_text partition;
  size_t n_tags;
  const struct cof_tag {
    cof_text name;
    cof_text value;
  } *tags;
} cof_attempt_info;
cof_attempt_info cof_attempt(cof_ctx *ctx);
// Milliseconds until the host stops this attempt; UINT64_MAX if there is no limit.
uint64_t cof_remaining_ms(cof_ctx *ctx);

// ---- Failing ----------------------------------------------------------------------------------------------------

// Fails the attempt; the first message stays. The functions below say more about it.
void cof_fail(cof_ctx *ctx, const char *message);
void cof_failf(cof_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool cof_failed(cof_ctx *ctx);
// What led to it, outermost first.
void cof_cause(cof_ctx *ctx, const char *cause);
// Trying again makes no sense.
void cof_permanent(cof_ctx *ctx);
// Try again, not before so many milliseconds have passed.
void cof_retry_after(cof_ctx *ctx, uint64_t milliseconds);
void cof_failure_metadata(cof_ctx *ctx, cof_fact fact);

// ---- Resources --------------------------------------------------------------------------------------------------

// A fault fails the attempt. `resource` is the op's own name for it.

// Whether there is something under the key; if so, `found` is it.
bool cof_keyvalue_get(cof_ctx *ctx, const char *resource, const char *key, cof_text *found);
void cof_keyvalue_set(cof_ctx *ctx, const char *resource, const char *key, const void *bytes, size_t size);
void cof_keyvalue_remove(cof_ctx *ctx, const char *resource, const char *key);
// Keys that begin so, sorted, those after `after` only (none: from the start); how many, and whether there are more.
size_t cof_keyvalue_keys(cof_ctx *ctx, const char *resource, const char *prefix, const char *after, const cof_text **keys, bool *more);

// A setting, secrets among them. Do not log what you read here.
bool cof_setting(cof_ctx *ctx, const char *resource, const char *key, cof_text *found);

// At most 256 KiB from `offset`. False if there is no such object.
bool cof_blob_read(cof_ctx *ctx, const char *resource, const char *path, uint64_t offset, uint32_t size, cof_text *found);
bool cof_blob_size(cof_ctx *ctx, const char *resource, const char *path, uint64_t *size);
void cof_blob_write(cof_ctx *ctx, const char *resource, const char *path, const void *bytes, size_t size);
void cof_blob_remove(cof_ctx *ctx, const char *resource, const char *path);

// Paths that begin so, as `cof_keyvalue_keys` gives keys.
size_t cof_blob_paths(cof_ctx *ctx, const char *resource, const char *prefix, const char *after, const cof_text **paths, bool *more);

// A request to the base address of a resource. Headers end with one without a name; none at all is NULL.
typedef struct {
  // "GET" and so on.
  const char *method;
  // Path and query.
  const char *path;
  const cof_field *headers;
  const void *body;
  size_t body_size;
} cof_request;
typedef struct {
  // A status of an error is an answer.
  uint16_t status;
  size_t n_headers;
  const struct cof_tag *headers;
  cof_text body;
} cof_response;
// Waits for the whole answer. False if there is none; then the attempt fails.
bool cof_http_send(cof_ctx *ctx, const char *resource, cof_request request, cof_response *response);

// A value of a row, or a parameter.
typedef enum { COF_SQL_NULL, COF_SQL_TRUTH, COF_SQL_INTEGER, COF_SQL_NUMBER, COF_SQL_TEXT, COF_SQL_BYTES } cof_sql_kind;
typedef struct {
  cof_sql_kind kind;
  int64_t integer;
  double number;
  cof_text text;
} cof_sql;
cof_sql cof_sql_null(void);
cof_sql cof_sql_truth(bool value);
cof_sql cof_sql_integer(int64_t value);
cof_sql cof_sql_number(double value);
cof_sql cof_sql_text(const char *text);
cof_sql cof_sql_bytes(const void *bytes, size_t size);
typedef struct {
  size_t n_columns;
  const cof_text *columns;
  size_t n_rows;
  // Row by row.
  const cof_sql *values;
} cof_rows;
// A statement with its parameters, written `?` in SQLite and `$1` in PostgreSQL.
typedef struct {
  const char *text;
  const cof_sql *parameters;
  size_t n_parameters;
} cof_statement;
#define COF_STATEMENT(sql, ...) \
  ((cof_statement){sql, (const cof_sql[]){__VA_ARGS__}, sizeof((const cof_sql[]){__VA_ARGS__}) / sizeof(cof_sql)})
cof_rows cof_sql_query(cof_ctx *ctx, const char *resource, cof_statement statement);
// Without rows; the number of rows that were touched.
uint64_t cof_sql_execute(cof_ctx *ctx, const char *resource, cof_statement statement);
// All of them in one transaction, or none.
uint64_t cof_sql_transact(cof_ctx *ctx, const char *resource, const cof_statement *statements, size_t count);

// How a program ended.
typedef struct {
  // False if a signal ended it.
  bool exited;
  int32_t code;
  cof_text output;
  cof_text errors;
} cof_outcome;
// Runs one program of the host, from its operator's list, to its end. Arguments end with NULL.
cof_outcome cof_command_run(cof_ctx *ctx, const char *resource, const char *const *arguments, const void *input, size_t size);

// Memory that is given back when the attempt ends.
void *cof_alloc(cof_ctx *ctx, size_t size);
// A text with a zero byte at its end, as printf makes it.
const char *cof_format(cof_ctx *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
