// What a step lends to an op: calls that name the resource. A fault fails the attempt.

#include <string.h>

#include "ctx.h"

static void fault(cof_ctx *ctx, const char *resource, const abi_fault *found) {
  if (ctx->failed) return;
  cof_failf(ctx, "resource `%s`: %.*s", resource, (int)found->message.size, (const char *)found->message.at);
  // The same call would end the same way.
  if (found->kind == FAULT_DENIED || found->kind == FAULT_INVALID || found->kind == FAULT_TOO_LARGE) cof_permanent(ctx);
}

// What was found, with a zero byte at its end.
static bool found_of(cof_ctx *ctx, const char *resource, const abi_found_result *result, cof_text *found) {
  *found = (cof_text){"", 0};
  if (result->failed) {
    fault(ctx, resource, &result->value.fault);
    return false;
  }
  if (!result->value.found.some) return false;
  size_t size = result->value.found.value.size;
  char *copy = cof_alloc(ctx, size + 1);
  if (size > 0) memcpy(copy, result->value.found.value.at, size);
  copy[size] = 0;
  *found = (cof_text){copy, size};
  return true;
}

static void called(cof_ctx *ctx, const char *resource, const abi_called_result *result) {
  if (result->failed) fault(ctx, resource, &result->fault);
}

bool cof_keyvalue_get(cof_ctx *ctx, const char *resource, const char *key, cof_text *found) {
  abi_found_result result;
  host_keyvalue_get(resource, strlen(resource), key, strlen(key), &result);
  return found_of(ctx, resource, &result, found);
}

void cof_keyvalue_set(cof_ctx *ctx, const char *resource, const char *key, const void *bytes, size_t size) {
  abi_called_result result;
  host_keyvalue_set(resource, strlen(resource), key, strlen(key), bytes, size, &result);
  called(ctx, resource, &result);
}

void cof_keyvalue_remove(cof_ctx *ctx, const char *resource, const char *key) {
  abi_called_result result;
  host_keyvalue_remove(resource, strlen(resource), key, strlen(key), &result);
  called(ctx, resource, &result);
}

// A list of the ABI is laid out as a text.
static size_t page_of(cof_ctx *ctx, const char *resource, const abi_page_result *result, const cof_text **names, bool *more) {
  *names = NULL;
  *more = false;
  if (result->failed) {
    fault(ctx, resource, &result->value.fault);
    return 0;
  }
  *names = (const cof_text *)result->value.page.names.at;
  *more = result->value.page.more != 0;
  return result->value.page.names.size;
}

size_t cof_keyvalue_keys(cof_ctx *ctx, const char *resource, const char *prefix, const char *after, const cof_text **keys, bool *more) {
  abi_page_result result;
  abi_list from = list_of(after);
  host_keyvalue_keys(resource, strlen(resource), prefix, strlen(prefix), after != NULL, from.at, from.size, &result);
  return page_of(ctx, resource, &result, keys, more);
}

size_t cof_blob_paths(cof_ctx *ctx, const char *resource, const char *prefix, const char *after, const cof_text **paths, bool *more) {
  abi_page_result result;
  abi_list from = list_of(after);
  host_blob_paths(resource, strlen(resource), prefix, strlen(prefix), after != NULL, from.at, from.size, &result);
  return page_of(ctx, resource, &result, paths, more);
}

bool cof_setting(cof_ctx *ctx, const char *resource, const char *key, cof_text *found) {
  abi_found_result result;
  host_settings_get(resource, strlen(resource), key, strlen(key), &result);
  return found_of(ctx, resource, &result, found);
}

bool cof_blob_read(cof_ctx *ctx, const char *resource, const char *path, uint64_t offset, uint32_t size, cof_text *found) {
  abi_found_result result;
  host_blob_read(resource, strlen(resource), path, strlen(path), offset, size, &result);
  return found_of(ctx, resource, &result, found);
}

bool cof_blob_size(cof_ctx *ctx, const char *resource, const char *path, uint64_t *size) {
  abi_size_result result;
  host_blob_size(resource, strlen(resource), path, strlen(path), &result);
  *size = 0;
  if (result.failed) {
    fault(ctx, resource, &result.value.fault);
    return false;
  }
  *size = result.value.found.some ? result.value.found.value : 0;
  return result.value.found.some != 0;
}

void cof_blob_write(cof_ctx *ctx, const char *resource, const char *path, const void *bytes, size_t size) {
  abi_called_result result;
  host_blob_write(resource, strlen(resource), path, strlen(path), bytes, size, &result);
  called(ctx, resource, &result);
}

void cof_blob_remove(cof_ctx *ctx, const char *resource, const char *path) {
  abi_called_result result;
  host_blob_remove(resource, strlen(resource), path, strlen(path), &result);
  called(ctx, resource, &result);
}

static cof_text text_of(abi_list list) { return (cof_text){list.at, list.size}; }

bool cof_http_send(cof_ctx *ctx, const char *resource, cof_request request, cof_response *response) {
  buffer headers = {0};
  size_t count = 0;
  for (; request.headers != NULL && request.headers[count].name != NULL; count++) {
    abi_pair header = {list_of(request.headers[count].name), list_of(request.headers[count].value)};
    append(ctx, &headers, &header, sizeof header);
  }
  abi_response_result result;
  host_http_send(resource, strlen(resource), request.method, strlen(request.method), request.path, strlen(request.path),
                 (const abi_pair *)headers.at, count, request.body, request.body_size, &result);
  *response = (cof_response){0};
  if (result.failed) {
    fault(ctx, resource, &result.value.fault);
    return false;
  }
  response->status = result.value.response.status;
  response->n_headers = result.value.response.headers.size;
  // A pair of texts is laid out as ours.
  response->headers = (const struct cof_tag *)result.value.response.headers.at;
  response->body = text_of(result.value.response.body);
  return true;
}

cof_sql cof_sql_null(void) { return (cof_sql){.kind = COF_SQL_NULL}; }
cof_sql cof_sql_truth(bool value) { return (cof_sql){.kind = COF_SQL_TRUTH, .integer = value}; }
cof_sql cof_sql_integer(int64_t value) { return (cof_sql){.kind = COF_SQL_INTEGER, .integer = value}; }
cof_sql cof_sql_number(double value) { return (cof_sql){.kind = COF_SQL_NUMBER, .number = value}; }
cof_sql cof_sql_text(const char *text) { return (cof_sql){.kind = COF_SQL_TEXT, .text = {text, strlen(text)}}; }
cof_sql cof_sql_bytes(const void *bytes, size_t size) { return (cof_sql){.kind = COF_SQL_BYTES, .text = {bytes, size}}; }

static abi_list parameters_of(cof_ctx *ctx, cof_statement statement) {
  buffer all = {0};
  for (size_t i = 0; i < statement.n_parameters; i++) {
    const cof_sql *given = &statement.parameters[i];
    abi_sql value = {.kind = (uint8_t)given->kind};
    if (given->kind == COF_SQL_TRUTH) value.value.truth = given->integer != 0;
    else if (given->kind == COF_SQL_INTEGER) value.value.integer = given->integer;
    else if (given->kind == COF_SQL_NUMBER) value.value.number = given->number;
    else value.value.text = (abi_list){given->text.at, given->text.size};
    append(ctx, &all, &value, sizeof value);
  }
  return (abi_list){all.at, statement.n_parameters};
}

static cof_sql sql_of(const abi_sql *found) {
  cof_sql value = {.kind = (cof_sql_kind)found->kind};
  if (found->kind == COF_SQL_TRUTH) value.integer = found->value.truth;
  else if (found->kind == COF_SQL_INTEGER) value.integer = found->value.integer;
  else if (found->kind == COF_SQL_NUMBER) value.number = found->value.number;
  else if (found->kind != COF_SQL_NULL) value.text = text_of(found->value.text);
  return value;
}

cof_rows cof_sql_query(cof_ctx *ctx, const char *resource, cof_statement statement) {
  abi_list parameters = parameters_of(ctx, statement);
  abi_rows_result result;
  host_sql_query(resource, strlen(resource), statement.text, strlen(statement.text), parameters.at, parameters.size, &result);
  if (result.failed) {
    fault(ctx, resource, &result.value.fault);
    return (cof_rows){0};
  }
  const abi_list *rows = result.value.rows.values.at;
  cof_rows found = {
      .n_columns = result.value.rows.columns.size,
      .columns = (const cof_text *)result.value.rows.columns.at,
      .n_rows = result.value.rows.values.size,
  };
  cof_sql *values = cof_alloc(ctx, found.n_rows * found.n_columns * sizeof *values);
  for (size_t row = 0; row < found.n_rows; row++) {
    const abi_sql *from = rows[row].at;
    for (size_t column = 0; column < found.n_columns; column++) values[row * found.n_columns + column] = sql_of(&from[column]);
  }
  found.values = values;
  return found;
}

static uint64_t touched(cof_ctx *ctx, const char *resource, const abi_touched_result *result) {
  if (!result->failed) return result->value.touched;
  fault(ctx, resource, &result->value.fault);
  return 0;
}

uint64_t cof_sql_execute(cof_ctx *ctx, const char *resource, cof_statement statement) {
  abi_list parameters = parameters_of(ctx, statement);
  abi_touched_result result;
  host_sql_execute(resource, strlen(resource), statement.text, strlen(statement.text), parameters.at, parameters.size, &result);
  return touched(ctx, resource, &result);
}

uint64_t cof_sql_transact(cof_ctx *ctx, const char *resource, const cof_statement *statements, size_t count) {
  buffer all = {0};
  for (size_t i = 0; i < count; i++) {
    abi_statement statement = {list_of(statements[i].text), parameters_of(ctx, statements[i])};
    append(ctx, &all, &statement, sizeof statement);
  }
  abi_touched_result result;
  host_sql_transact(resource, strlen(resource), (const abi_statement *)all.at, count, &result);
  return touched(ctx, resource, &result);
}

cof_outcome cof_command_run(cof_ctx *ctx, const char *resource, const char *const *arguments, const void *input, size_t size) {
  buffer all = {0};
  size_t count = 0;
  for (; arguments != NULL && arguments[count] != NULL; count++) {
    abi_list argument = list_of(arguments[count]);
    append(ctx, &all, &argument, sizeof argument);
  }
  abi_outcome_result result;
  host_command_run(resource, strlen(resource), (const abi_list *)all.at, count, input, size, &result);
  if (result.failed) {
    fault(ctx, resource, &result.value.fault);
    return (cof_outcome){0};
  }
  return (cof_outcome){
      .exited = result.value.outcome.code.some != 0,
      .code = result.value.outcome.code.value,
      .output = text_of(result.value.outcome.output),
      .errors = text_of(result.value.outcome.errors),
  };
}
