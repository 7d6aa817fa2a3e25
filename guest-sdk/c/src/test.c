// The host of native tests: what a component would ask Cofferdam for is kept here, in memory.

#ifndef __wasm__

#include "cofferdam_test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctx.h"

// Bounds of a test, which is written by hand.
enum { INPUTS_MAX = 64, ELEMENTS_MAX = 256, STORED_MAX = 256, LINES_MAX = 1024, WRITERS_MAX = 64 };

typedef struct {
  const char *name;
  cof_text value;
} pair;

struct cof_test {
  cof_ctx ctx;
  // Memory of what is given, which outlives the attempt's.
  cof_ctx own;
  const cof_op *op;
  abi_list config;
  abi_input inputs[INPUTS_MAX];
  size_t n_inputs;
  abi_element elements[INPUTS_MAX][ELEMENTS_MAX];
  abi_ended ended;
  pair stored[STORED_MAX];
  pair settings[STORED_MAX];
  pair facts[STORED_MAX];
  const char *lines[LINES_MAX];
  size_t n_lines;
  buffer writers[WRITERS_MAX];
  int32_t n_writers;
  void (*http)(const cof_request *request, cof_response *response);
  void (*sql)(const cof_statement *statement, cof_rows *rows);
  void (*command)(const char *const *arguments, cof_outcome *outcome);
};

static cof_test *current;

static void stop(const char *message, const char *name) {
  fprintf(stderr, "cofferdam_test: %s `%s`\n", message, name);
  abort();
}

static cof_text copy_of(const void *bytes, size_t size) {
  char *copy = cof_alloc(&current->own, size + 1);
  if (size > 0) memcpy(copy, bytes, size);
  copy[size] = 0;
  return (cof_text){copy, size};
}

static const char *text_of(abi_list list) { return copy_of(list.at, list.size).at; }

// ---- JSON to CBOR and back

static void blanks(const char **at) {
  while (**at == ' ' || **at == '\n' || **at == '\t' || **at == '\r') (*at)++;
}

static unsigned hex4(const char **at) {
  unsigned code = 0;
  for (int i = 0; i < 4; i++) {
    char digit = *(*at)++;
    code = code << 4 | (unsigned)(digit <= '9' ? digit - '0' : (digit | 32) - 'a' + 10);
  }
  return code;
}

static size_t put_utf8(char *to, unsigned code) {
  if (code < 0x80) return to[0] = (char)code, 1;
  if (code < 0x800) return to[0] = (char)(0xc0 | code >> 6), to[1] = (char)(0x80 | (code & 63)), 2;
  if (code < 0x10000) {
    to[0] = (char)(0xe0 | code >> 12), to[1] = (char)(0x80 | (code >> 6 & 63)), to[2] = (char)(0x80 | (code & 63));
    return 3;
  }
  to[0] = (char)(0xf0 | code >> 18), to[1] = (char)(0x80 | (code >> 12 & 63));
  to[2] = (char)(0x80 | (code >> 6 & 63)), to[3] = (char)(0x80 | (code & 63));
  return 4;
}

static cof_text json_text(const char **at) {
  char *text = cof_alloc(&current->own, strlen(*at) + 1);
  size_t size = 0;
  if (*(*at)++ != '"') stop("a text begins with \" in", *at - 1);
  while (**at != '"') {
    if (**at == 0) stop("a text does not end in", text);
    if (**at != '\\') {
      text[size++] = *(*at)++;
      continue;
    }
    char kind = *++*at;
    ++*at;
    const char *found = strchr("b\bf\fn\nr\rt\t", kind);
    if (kind == 'u') {
      unsigned code = hex4(at);
      if (code >> 10 == 0x36 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        *at += 2;
        code = 0x10000 + ((code & 0x3ff) << 10 | (hex4(at) & 0x3ff));
      }
      size += put_utf8(text + size, code);
    } else {
      text[size++] = found != NULL ? found[1] : kind;
    }
  }
  ++*at;
  text[size] = 0;
  return (cof_text){text, size};
}

static size_t count_items(const char *at) {
  size_t count = 1, depth = 0;
  blanks(&at);
  if (*at == ']' || *at == '}') return 0;
  for (; *at != 0; at++) {
    if (*at == '"') {
      for (at++; *at != '"' && *at != 0; at++) at += *at == '\\';
    } else if (*at == '[' || *at == '{') {
      depth++;
    } else if (*at == ']' || *at == '}') {
      if (depth-- == 0) return count;
    } else if (*at == ',' && depth == 0) {
      count++;
    }
  }
  return count;
}

static void json_value(cof_builder *builder, const char **at);

static void json_items(cof_builder *builder, const char **at, bool map) {
  size_t count = count_items(++*at);
  if (map) cof_put_map(builder, count);
  else cof_put_list(builder, count);
  for (size_t i = 0; i < count; i++) {
    blanks(at);
    if (map) {
      cof_put_text(builder, json_text(at));
      blanks(at);
      if (*(*at)++ != ':') stop("a key is followed by : in", *at - 1);
    }
    json_value(builder, at);
    blanks(at);
    if (i + 1 < count && *(*at)++ != ',') stop("expected a comma at", *at - 1);
  }
  blanks(at);
  if (*(*at)++ != (map ? '}' : ']')) stop("expected an end at", *at - 1);
}

static void json_number(cof_builder *builder, const char **at) {
  char *end, *whole_end;
  double number = strtod(*at, &end);
  long long whole = strtoll(*at, &whole_end, 10);
  if (end == *at) stop("expected JSON at", *at);
  *at = end;
  if (end == whole_end) cof_put_integer(builder, whole);
  else cof_put_number(builder, number);
}

static void json_value(cof_builder *builder, const char **at) {
  blanks(at);
  static const char *const words[] = {"null", "true", "false"};
  for (int i = 0; i < 3; i++) {
    if (strncmp(*at, words[i], strlen(words[i])) != 0) continue;
    *at += strlen(words[i]);
    if (i == 0) cof_put_null(builder);
    else cof_put_boolean(builder, i == 1);
    return;
  }
  if (**at == '"') cof_put_text(builder, json_text(at));
  else if (**at == '[' || **at == '{') json_items(builder, at, **at == '{');
  else json_number(builder, at);
}

static abi_list cbor_of(const char *json) {
  cof_builder *builder = cof_build(&current->own);
  const char *at = json;
  json_value(builder, &at);
  blanks(&at);
  if (*at != 0) stop("there is something behind the JSON", json);
  // The builder gives its bytes to an output; here there is none but a port without a schema.
  static const cof_port ports[] = {{.name = "json"}, {0}};
  static const cof_op op = {.name = "json", .outputs = ports};
  current->own.op = &op;
  current->own.outputs.size = 0;
  cof_output_built(&current->own, "json", builder);
  if (current->own.failed) stop("this JSON cannot be written:", json);
  abi_output *output = (abi_output *)current->own.outputs.at;
  if (output->value.content != CONTENT_BYTES) stop("this JSON is too large for a test:", "");
  return output->value.at.bytes;
}

static void print_text(buffer *out, cof_text text) {
  cof_ctx *own = &current->own;
  append(own, out, "\"", 1);
  for (size_t i = 0; i < text.size; i++) {
    unsigned char byte = (unsigned char)text.at[i];
    if (byte == '"' || byte == '\\') append(own, out, byte == '"' ? "\\\"" : "\\\\", 2);
    else if (byte == '\n') append(own, out, "\\n", 2);
    else if (byte == '\t') append(own, out, "\\t", 2);
    else if (byte < 0x20) append(own, out, cof_format(own, "\\u%04x", byte), 6);
    else append(own, out, &text.at[i], 1);
  }
  append(own, out, "\"", 1);
}

static void print_value(buffer *out, cof_value *value) {
  cof_ctx *own = &current->own;
  const char *word = NULL;
  int major = *value->at >> 5;
  if (major == 4 || major == 5) {
    size_t count = major == 4 ? cof_list(value) : cof_map(value);
    append(own, out, major == 4 ? "[" : "{", 1);
    for (size_t i = 0; i < count; i++) {
      if (i > 0) append(own, out, ",", 1);
      if (major == 5) {
        print_text(out, cof_string(value));
        append(own, out, ":", 1);
      }
      print_value(out, value);
    }
    append(own, out, major == 4 ? "]" : "}", 1);
    return;
  }
  if (major == 2 || major == 3) {
    print_text(out, cof_string(value));
    return;
  }
  if (cof_is_null(*value)) word = "null", cof_skip(value);
  else if (*value->at == 0xf4 || *value->at == 0xf5) word = cof_boolean(value) ? "true" : "false";
  else if (major == 7) word = cof_format(own, "%.17g", cof_number(value));
  else word = cof_format(own, "%lld", (long long)cof_integer(value));
  append(own, out, word, strlen(word));
}

// ---- What a test gives and asks

cof_test *cof_test_begin(const char *op) {
  cof_test *test = calloc(1, sizeof *test);
  if (test == NULL) abort();
  current = test;
  for (const cof_op *found = cofferdam_library.ops; found->name != NULL; found++) {
    if (strcmp(found->name, op) == 0) test->op = found;
  }
  if (test->op == NULL) stop("the library has no op", op);
  return test;
}

void cof_test_end(cof_test *test) {
  end_ctx(&test->ctx);
  end_ctx(&test->own);
  free(test);
  current = NULL;
}

void cof_test_config(cof_test *test, const char *json) { test->config = cbor_of(json); }

static abi_input *input(cof_test *test, const char *name, uint8_t kind) {
  for (size_t i = 0; i < test->n_inputs; i++) {
    if (strcmp(test->inputs[i].name.at, name) == 0) return &test->inputs[i];
  }
  if (test->n_inputs == INPUTS_MAX) stop("a test has too many inputs, such as", name);
  abi_input *made = &test->inputs[test->n_inputs++];
  made->name = list_of(copy_of(name, strlen(name)).at);
  made->kind = kind;
  return made;
}

static abi_value value_of(abi_list bytes) { return (abi_value){.media_type = list_of(""), .content = CONTENT_BYTES, .at.bytes = bytes}; }

void cof_test_input(cof_test *test, const char *name, const char *json) { input(test, name, INPUT_ONE)->value.one = value_of(cbor_of(json)); }

void cof_test_input_bytes(cof_test *test, const char *name, const void *bytes, size_t size) {
  cof_text copy = copy_of(bytes, size);
  input(test, name, INPUT_ONE)->value.one = value_of((abi_list){copy.at, copy.size});
}

void cof_test_element(cof_test *test, const char *name, const char *key, const char *json) {
  abi_input *made = input(test, name, INPUT_MANY);
  abi_element *elements = test->elements[made - test->inputs];
  if (made->value.many.size == ELEMENTS_MAX) stop("a test has too many elements of", name);
  abi_element element = {.value = value_of(cbor_of(json))};
  if (key != NULL) element.key = (abi_option_list){1, list_of(copy_of(key, strlen(key)).at)};
  elements[made->value.many.size] = element;
  made->value.many = (abi_list){elements, made->value.many.size + 1};
}

static pair *find(pair *table, const char *name, bool make) {
  for (size_t i = 0; i < STORED_MAX; i++) {
    if (table[i].name != NULL && strcmp(table[i].name, name) == 0) return &table[i];
    if (table[i].name == NULL && make) {
      table[i].name = copy_of(name, strlen(name)).at;
      return &table[i];
    }
  }
  return NULL;
}

static void put(pair *table, const char *name, cof_text value) {
  pair *entry = find(table, name, true);
  if (entry == NULL) stop("a test keeps too much, such as", name);
  entry->value = value;
}

static const char *get(pair *table, const char *name) {
  pair *entry = find(table, name, false);
  return entry == NULL ? NULL : entry->value.at;
}

void cof_test_stored(cof_test *test, const char *key, const char *text) { put(test->stored, key, copy_of(text, strlen(text))); }
void cof_test_setting(cof_test *test, const char *key, const char *text) { put(test->settings, key, copy_of(text, strlen(text))); }
const char *cof_test_stored_text(cof_test *test, const char *key) { return get(test->stored, key); }
const char *cof_test_metadata(cof_test *test, const char *name) { return get(test->facts, name); }
const char *cof_test_log(cof_test *test, size_t index) { return index < test->n_lines ? test->lines[index] : NULL; }

void cof_test_http(cof_test *test, void (*answer)(const cof_request *, cof_response *)) { test->http = answer; }
void cof_test_sql(cof_test *test, void (*answer)(const cof_statement *, cof_rows *)) { test->sql = answer; }
void cof_test_command(cof_test *test, void (*answer)(const char *const *, cof_outcome *)) { test->command = answer; }

bool cof_test_run(cof_test *test) {
  run_op(test->op, test->config, (abi_list){test->inputs, test->n_inputs}, &test->ctx, &test->ended);
  return !test->ended.failed;
}

const char *cof_test_failure(cof_test *test) {
  if (!test->ended.failed) return "";
  const abi_failure *failure = &test->ended.value.failure;
  const char *text = text_of(failure->message);
  const abi_list *causes = failure->causes.at;
  for (size_t i = 0; i < failure->causes.size; i++) text = cof_format(&test->own, "%s: %s", text, text_of(causes[i]));
  return text;
}

static const abi_value *output(cof_test *test, const char *name, const char *key) {
  if (test->ended.failed) return NULL;
  const abi_output *outputs = test->ended.value.outputs.at;
  for (size_t i = 0; i < test->ended.value.outputs.size; i++) {
    bool same = strcmp(text_of(outputs[i].name), name) == 0 && outputs[i].key.some == (key != NULL);
    if (same && (key == NULL || strcmp(text_of(outputs[i].key.value), key) == 0)) return &outputs[i].value;
  }
  return NULL;
}

static cof_text output_bytes(cof_test *test, const abi_value *value) {
  if (value->content == CONTENT_BYTES) return copy_of(value->at.bytes.at, value->at.bytes.size);
  return copy_of(test->writers[value->at.stored].at, test->writers[value->at.stored].size);
}

const char *cof_test_output_at(cof_test *test, const char *name, const char *key) {
  const abi_value *found = output(test, name, key);
  if (found == NULL) return NULL;
  cof_text bytes = output_bytes(test, found);
  cof_value value = {&test->own, (const uint8_t *)bytes.at, (const uint8_t *)bytes.at + bytes.size};
  buffer out = {0};
  print_value(&out, &value);
  append(&test->own, &out, "", 1);
  return out.at;
}

const char *cof_test_output(cof_test *test, const char *name) { return cof_test_output_at(test, name, NULL); }

cof_text cof_test_output_bytes(cof_test *test, const char *name) {
  const abi_value *found = output(test, name, NULL);
  return found == NULL ? (cof_text){NULL, 0} : output_bytes(test, found);
}

// ---- The host

void host_attempt(abi_attempt *attempt) {
  *attempt = (abi_attempt){.run_id = list_of("test"), .step_key = list_of("test"), .attempt = 1, .idempotency_key = list_of("test/test")};
}

void host_remaining_ms(abi_option_u64 *left) { *left = (abi_option_u64){0}; }

void host_log(int32_t level, const char *message, size_t size, const abi_pair *fields, size_t n_fields) {
  (void)level, (void)fields, (void)n_fields;
  if (current->n_lines < LINES_MAX) current->lines[current->n_lines++] = copy_of(message, size).at;
}

void host_progress(uint64_t done, int32_t has_total, uint64_t total, const char *message, size_t size) {
  (void)done, (void)has_total, (void)total, (void)message, (void)size;
}

void host_add_metadata(const abi_fact *facts, size_t n_facts) {
  for (size_t i = 0; i < n_facts; i++) {
    const char *text;
    switch (facts[i].kind) {
      case FACT_INTEGER:
        text = cof_format(&current->own, "%lld", (long long)facts[i].value.integer);
        break;
      case FACT_NUMBER:
        text = cof_format(&current->own, "%.17g", facts[i].value.number);
        break;
      case FACT_TRUTH:
        text = facts[i].value.truth ? "true" : "false";
        break;
      default:
        text = text_of(facts[i].value.text);
    }
    put(current->facts, text_of(facts[i].name), (cof_text){text, strlen(text)});
  }
}

// Inputs of tests are never stored.
void host_open(uint32_t number, abi_number_result *result) {
  (void)number;
  *result = (abi_number_result){.failed = 1, .value.error = VALUE_UNKNOWN};
}
uint64_t host_reader_size(int32_t reader) { return (void)reader, 0; }
void host_reader_read(int32_t reader, uint64_t offset, uint32_t size, abi_bytes_result *result) {
  (void)reader, (void)offset, (void)size;
  *result = (abi_bytes_result){.failed = 1, .value.error = VALUE_UNKNOWN};
}

void host_create(abi_number_result *result) {
  bool full = current->n_writers == WRITERS_MAX;
  *result = (abi_number_result){.failed = full};
  if (full) result->value.error = VALUE_LIMIT;
  else result->value.handle = current->n_writers++;
}

void host_writer_write(int32_t writer, const void *bytes, size_t size, abi_done_result *result) {
  append(&current->own, &current->writers[writer], bytes, size);
  *result = (abi_done_result){0};
}

void host_writer_finish(int32_t writer, abi_number_result *result) { *result = (abi_number_result){.value.number = (uint32_t)writer}; }

static void found(pair *table, const char *key, size_t size, abi_found_result *result) {
  pair *entry = find(table, copy_of(key, size).at, false);
  *result = (abi_found_result){0};
  if (entry != NULL) result->value.found = (abi_option_list){1, {entry->value.at, entry->value.size}};
}

#define RESOURCE_NAME const char *name, size_t name_size
#define RESOURCE RESOURCE_NAME, const char *key, size_t key_size
#define UNUSED (void)name, (void)name_size

void host_keyvalue_get(RESOURCE, abi_found_result *result) { UNUSED, found(current->stored, key, key_size, result); }
void host_settings_get(RESOURCE, abi_found_result *result) { UNUSED, found(current->settings, key, key_size, result); }

void host_keyvalue_set(RESOURCE, const void *bytes, size_t size, abi_called_result *result) {
  UNUSED;
  put(current->stored, copy_of(key, key_size).at, copy_of(bytes, size));
  *result = (abi_called_result){0};
}

void host_keyvalue_remove(RESOURCE, abi_called_result *result) {
  UNUSED;
  pair *entry = find(current->stored, copy_of(key, key_size).at, false);
  // A name that no key has: the entry stays in its place.
  if (entry != NULL) entry->name = "\x01";
  *result = (abi_called_result){0};
}

static abi_list list_from(cof_text text) { return (abi_list){text.at, text.size}; }

// What a call without an answer gets.
static abi_fault nobody(void) { return (abi_fault){FAULT_UNAVAILABLE, list_of("the test has nobody who answers")}; }

void host_http_send(RESOURCE_NAME, const char *method, size_t method_size, const char *path, size_t path_size, const abi_pair *headers,
                    size_t n_headers, const void *body, size_t body_size, abi_response_result *result) {
  UNUSED;
  *result = (abi_response_result){.failed = 1, .value.fault = nobody()};
  if (current->http == NULL) return;
  cof_field *fields = cof_alloc(&current->own, (n_headers + 1) * sizeof *fields);
  for (size_t i = 0; i < n_headers; i++) fields[i] = (cof_field){text_of(headers[i].name), text_of(headers[i].value)};
  fields[n_headers] = (cof_field){0};
  cof_request request = {copy_of(method, method_size).at, copy_of(path, path_size).at, fields, body, body_size};
  cof_response response = {0};
  current->http(&request, &response);
  *result = (abi_response_result){.value.response = {response.status, {response.headers, response.n_headers}, list_from(response.body)}};
}

static bool answered(const char *text, size_t size, const abi_sql *parameters, size_t n_parameters, cof_rows *rows) {
  if (current->sql == NULL) return false;
  cof_sql *values = cof_alloc(&current->own, n_parameters * sizeof *values);
  for (size_t i = 0; i < n_parameters; i++) {
    const abi_sql *from = &parameters[i];
    values[i] = (cof_sql){.kind = (cof_sql_kind)from->kind};
    if (from->kind == COF_SQL_TRUTH) values[i].integer = from->value.truth;
    else if (from->kind == COF_SQL_INTEGER) values[i].integer = from->value.integer;
    else if (from->kind == COF_SQL_NUMBER) values[i].number = from->value.number;
    else if (from->kind != COF_SQL_NULL) values[i].text = copy_of(from->value.text.at, from->value.text.size);
  }
  cof_statement statement = {copy_of(text, size).at, values, n_parameters};
  current->sql(&statement, rows);
  return true;
}

void host_sql_query(RESOURCE_NAME, const char *text, size_t size, const abi_sql *parameters, size_t n_parameters, abi_rows_result *result) {
  UNUSED;
  cof_rows rows = {0};
  *result = (abi_rows_result){.failed = 1, .value.fault = nobody()};
  if (!answered(text, size, parameters, n_parameters, &rows)) return;
  abi_list *lists = cof_alloc(&current->own, rows.n_rows * sizeof *lists);
  for (size_t row = 0; row < rows.n_rows; row++) {
    abi_sql *values = cof_alloc(&current->own, rows.n_columns * sizeof *values);
    for (size_t column = 0; column < rows.n_columns; column++) {
      const cof_sql *from = &rows.values[row * rows.n_columns + column];
      values[column] = (abi_sql){.kind = (uint8_t)from->kind};
      if (from->kind == COF_SQL_TRUTH) values[column].value.truth = from->integer != 0;
      else if (from->kind == COF_SQL_INTEGER) values[column].value.integer = from->integer;
      else if (from->kind == COF_SQL_NUMBER) values[column].value.number = from->number;
      else values[column].value.text = list_from(from->text);
    }
    lists[row] = (abi_list){values, rows.n_columns};
  }
  *result = (abi_rows_result){.value.rows = {{rows.columns, rows.n_columns}, {lists, rows.n_rows}}};
}

void host_sql_execute(RESOURCE_NAME, const char *text, size_t size, const abi_sql *parameters, size_t n_parameters, abi_touched_result *result) {
  UNUSED;
  cof_rows rows = {0};
  *result = (abi_touched_result){.failed = 1, .value.fault = nobody()};
  if (answered(text, size, parameters, n_parameters, &rows)) *result = (abi_touched_result){.value.touched = rows.n_rows};
}

void host_sql_transact(RESOURCE_NAME, const abi_statement *statements, size_t count, abi_touched_result *result) {
  uint64_t sum = 0;
  *result = (abi_touched_result){0};
  for (size_t i = 0; i < count && !result->failed; i++) {
    const abi_statement *at = &statements[i];
    host_sql_execute(name, name_size, at->text.at, at->text.size, at->parameters.at, at->parameters.size, result);
    if (!result->failed) sum += result->value.touched;
  }
  if (!result->failed) result->value.touched = sum;
}

void host_command_run(RESOURCE_NAME, const abi_list *arguments, size_t n_arguments, const void *input, size_t size, abi_outcome_result *result) {
  UNUSED, (void)input, (void)size;
  *result = (abi_outcome_result){.failed = 1, .value.fault = nobody()};
  if (current->command == NULL) return;
  const char **words = cof_alloc(&current->own, (n_arguments + 1) * sizeof *words);
  for (size_t i = 0; i < n_arguments; i++) words[i] = text_of(arguments[i]);
  words[n_arguments] = NULL;
  cof_outcome outcome = {0};
  current->command(words, &outcome);
  *result = (abi_outcome_result){.value.outcome = {{outcome.exited, outcome.code}, list_from(outcome.output), list_from(outcome.errors)}};
}

static int by_text(const void *a, const void *b) { return strcmp(((const abi_list *)a)->at, ((const abi_list *)b)->at); }

void host_keyvalue_keys(RESOURCE, int32_t has_after, const char *after, size_t after_size, abi_page_result *result) {
  UNUSED;
  buffer names = {0};
  const char *prefix = copy_of(key, key_size).at, *from = has_after ? copy_of(after, after_size).at : "";
  for (size_t i = 0; i < STORED_MAX && current->stored[i].name != NULL; i++) {
    const char *found = current->stored[i].name;
    abi_list entry = list_of(found);
    if (*found != 1 && strncmp(found, prefix, strlen(prefix)) == 0 && strcmp(found, from) > 0) append(&current->own, &names, &entry, sizeof entry);
  }
  if (names.size > 0) qsort(names.at, names.size / sizeof(abi_list), sizeof(abi_list), by_text);
  *result = (abi_page_result){.value.page.names = {names.at, names.size / sizeof(abi_list)}};
}

void host_blob_paths(RESOURCE, int32_t has_after, const char *after, size_t after_size, abi_page_result *result) {
  host_keyvalue_keys(name, name_size, key, key_size, has_after, after, after_size, result);
}

void host_blob_read(RESOURCE, uint64_t offset, uint32_t size, abi_found_result *result) {
  host_keyvalue_get(name, name_size, key, key_size, result);
  abi_list *bytes = &result->value.found.value;
  if (offset > bytes->size) offset = bytes->size;
  *bytes = (abi_list){(const char *)bytes->at + offset, bytes->size - (size_t)offset < size ? bytes->size - (size_t)offset : size};
}

void host_blob_size(RESOURCE, abi_size_result *result) {
  UNUSED;
  pair *entry = find(current->stored, copy_of(key, key_size).at, false);
  *result = (abi_size_result){.value.found = {entry != NULL, entry != NULL ? entry->value.size : 0}};
}

void host_blob_write(RESOURCE, const void *bytes, size_t size, abi_called_result *result) {
  host_keyvalue_set(name, name_size, key, key_size, bytes, size, result);
}

void host_blob_remove(RESOURCE, abi_called_result *result) { host_keyvalue_remove(name, name_size, key, key_size, result); }

#endif
