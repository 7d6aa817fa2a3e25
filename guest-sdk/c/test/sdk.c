// The SDK's own test: values, outputs, failures, stores, over the host in memory. `cc -Iinclude src/*.c test/sdk.c -lm`.

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cofferdam_test.h"

static void echo(cof_ctx *ctx) {
  cof_output_value(ctx, "value", cof_input(ctx, "value"));
}

static void rebuild(cof_ctx *ctx) {
  cof_value value = cof_input(ctx, "value");
  cof_builder *builder = cof_build(ctx);
  size_t count = cof_map(&value);
  cof_put_map(builder, count);
  for (size_t i = 0; i < count; i++) {
    cof_put_text(builder, cof_string(&value));
    cof_put_number(builder, cof_number(&value));
  }
  cof_output_built(ctx, "value", builder);
}

static void sum(cof_ctx *ctx) {
  int64_t total = cof_config_integer(ctx, "start");
  for (size_t i = 0; i < cof_count(ctx, "numbers"); i++) {
    cof_value element = cof_element(ctx, "numbers", i);
    total += cof_integer(&element);
    cof_key(ctx, cof_format(ctx, "k%zu", i));
    cof_output_integer(ctx, "each", total);
    cof_output_metadata(ctx, cof_fact_integer("n", (int64_t)i));
  }
  cof_metadata(ctx, cof_fact_integer("total", total));
  cof_logf(ctx, COF_INFO, "%lld in all", (long long)total);
}

static void large(cof_ctx *ctx) {
  cof_writer *writer = cof_create(ctx);
  for (int i = 0; i < 300000; i++) cof_write(writer, "0123456789", 10);
  cof_output_written(ctx, "bytes", writer);
}

static void wrong(cof_ctx *ctx) {
  cof_text how = cof_input_text(ctx, "how");
  if (strcmp(how.at, "output") == 0) cof_output_integer(ctx, "nothing", 1);
  if (strcmp(how.at, "input") == 0) cof_input_integer(ctx, "nothing");
  if (strcmp(how.at, "type") == 0) cof_input_integer(ctx, "how");
  if (strcmp(how.at, "twice") == 0) cof_output_integer(ctx, "each", 1), cof_output_integer(ctx, "each", 2);
  if (strcmp(how.at, "keys") == 0) cof_key(ctx, "a"), cof_output_integer(ctx, "each", 1), cof_key(ctx, "a"), cof_output_integer(ctx, "each", 2);
  if (strcmp(how.at, "short") == 0) {
    cof_builder *builder = cof_build(ctx);
    cof_put_list(builder, 2);
    cof_put_integer(builder, 1);
    cof_output_built(ctx, "each", builder);
  }
  if (strcmp(how.at, "said") == 0) {
    cof_failf(ctx, "no %s", "luck");
    cof_cause(ctx, "the disk is full");
    // Reading goes on after a failure: its words may need it.
    cof_retry_after(ctx, (uint64_t)cof_input_text(ctx, "how").size);
    if (strcmp(cof_input_text(ctx, "how").at, "said") == 0) cof_cause(ctx, "no space");
    cof_fail(ctx, "later words change nothing");
  }
}

static void count(cof_ctx *ctx) {
  cof_text visits;
  long long n = 1;
  if (cof_keyvalue_get(ctx, "store", "visits", &visits)) sscanf(visits.at, "%lld", &n), n++;
  const char *text = cof_format(ctx, "%lld", n);
  cof_keyvalue_set(ctx, "store", "visits", text, strlen(text));
  cof_output_integer(ctx, "each", n);
}

static void services(cof_ctx *ctx) {
  cof_response response;
  cof_request request = {.method = "GET", .path = "/rows", .headers = COF_FIELDS({"accept", "text/plain"})};
  if (!cof_http_send(ctx, "api", request, &response)) return;
  cof_rows rows = cof_sql_query(ctx, "db", COF_STATEMENT("select ?", cof_sql_integer(7), cof_sql_text("x"), cof_sql_null()));
  uint64_t touched = cof_sql_execute(ctx, "db", COF_STATEMENT("delete", cof_sql_truth(true)));
  cof_outcome outcome = cof_command_run(ctx, "tool", (const char *const[]){"a", "b", NULL}, NULL, 0);
  const cof_sql *value = rows.values;
  cof_output_string(ctx, "value", cof_format(ctx, "%d %.*s %zu %.*s=%lld %llu %d %.*s", response.status, (int)response.body.size, response.body.at,
                                             rows.n_rows, (int)rows.columns[0].size, rows.columns[0].at, (long long)value[1].integer,
                                             (unsigned long long)touched, outcome.code, (int)outcome.output.size, outcome.output.at));
}

static void answer_http(const cof_request *request, cof_response *response) {
  assert(strcmp(request->path, "/rows") == 0 && strcmp(request->headers[0].value, "text/plain") == 0);
  *response = (cof_response){.status = 200, .body = {"ok", 2}};
}

static void answer_sql(const cof_statement *statement, cof_rows *rows) {
  static const cof_text columns[] = {{"n", 1}};
  static cof_sql values[2];
  if (strcmp(statement->text, "select ?") == 0) {
    assert(statement->n_parameters == 3 && statement->parameters[0].integer == 7 && strcmp(statement->parameters[1].text.at, "x") == 0);
  }
  values[1] = cof_sql_integer(-3);
  *rows = (cof_rows){1, columns, 2, values};
}

static void answer_command(const char *const *arguments, cof_outcome *outcome) {
  assert(strcmp(arguments[1], "b") == 0 && arguments[2] == NULL);
  *outcome = (cof_outcome){.exited = true, .code = 4, .output = {"out", 3}};
}

COF_LIBRARY("sdk", "0.1.0",
  { .name = "echo", .run = echo, COF_INPUTS({ .name = "value", .schema = "true" }), COF_OUTPUTS({ .name = "value", .schema = "true" }) },
  { .name = "rebuild", .run = rebuild, COF_INPUTS({ .name = "value", .schema = "true" }), COF_OUTPUTS({ .name = "value", .schema = "true" }) },
  { .name = "sum", .run = sum, .config = COF_JSON({"type": "object"}), COF_INPUTS({ .name = "numbers", .schema = COF_INTEGER, .many = true }),
    COF_OUTPUTS({ .name = "each", .schema = COF_INTEGER, .dynamic = true }) },
  { .name = "large", .run = large, COF_OUTPUTS({ .name = "bytes" }) },
  { .name = "wrong", .run = wrong, COF_INPUTS({ .name = "how", .schema = COF_STRING }), COF_OUTPUTS({ .name = "each", .schema = COF_INTEGER }) },
  { .name = "count", .run = count, COF_NEEDS({ "store", COF_KEYVALUE, "" }), COF_OUTPUTS({ .name = "each", .schema = COF_INTEGER }) },
  { .name = "services", .run = services, COF_NEEDS({ "api", COF_HTTP, "" }, { "db", COF_SQL, "" }, { "tool", COF_COMMAND, "" }),
    COF_OUTPUTS({ .name = "value", .schema = COF_STRING }) });

static void echoes(const char *json, const char *hex) {
  cof_test *test = cof_test_begin("echo");
  cof_test_input(test, "value", json);
  assert(cof_test_run(test));
  cof_text bytes = cof_test_output_bytes(test, "value");
  char found[256] = "";
  for (size_t i = 0; i < bytes.size; i++) sprintf(found + 2 * i, "%02x", (unsigned char)bytes.at[i]);
  if (strcmp(found, hex) != 0) printf("%s: %s, expected %s\n", json, found, hex);
  assert(strcmp(found, hex) == 0);
  cof_test_end(test);
}

static void fails(const char *how, const char *message) {
  cof_test *test = cof_test_begin("wrong");
  cof_test_input(test, "how", how);
  assert(!cof_test_run(test));
  if (strcmp(cof_test_failure(test), message) != 0) printf("%s: %s\n", how, cof_test_failure(test));
  assert(strcmp(cof_test_failure(test), message) == 0);
  cof_test_end(test);
}

int main(void) {
  // The examples of RFC 8949.
  echoes("0", "00"), echoes("23", "17"), echoes("24", "1818"), echoes("1000", "1903e8"), echoes("1000000", "1a000f4240");
  echoes("-1", "20"), echoes("-1000", "3903e7"), echoes("9007199254740993", "1b0020000000000001");
  echoes("9223372036854775807", "1b7fffffffffffffff"), echoes("-9223372036854775808", "3b7fffffffffffffff");
  echoes("1.0", "f93c00"), echoes("65504.0", "f97bff"), echoes("5.960464477539063e-8", "f90001"), echoes("0.00006103515625", "f90400");
  echoes("-4.0", "f9c400"), echoes("100000.0", "fa47c35000"), echoes("1.1", "fb3ff199999999999a"), echoes("-0.0", "f98000");
  echoes("\"\\u00fc\\n\"", "63c3bc0a"), echoes("\"\\ud83d\\ude00\"", "64f09f9880"), echoes("[1, [2, 3], {}]", "8301820203a0");
  echoes("{\"bb\": 1, \"a\": [true, null], \"c\": {\"z\": 1, \"y\": 2}}", "a3616182f5f66163a261790261" "7a0162626201");

  cof_test *test = cof_test_begin("rebuild");
  cof_test_input(test, "value", COF_JSON({"b": 1, "a": 0.5, "long": -2}));
  assert(cof_test_run(test));
  assert(strcmp(cof_test_output(test, "value"), "{\"a\":0.5,\"b\":1,\"long\":-2}") == 0);
  cof_test_end(test);

  test = cof_test_begin("sum");
  cof_test_config(test, COF_JSON({"start": 10}));
  cof_test_element(test, "numbers", "x", "1");
  cof_test_element(test, "numbers", NULL, "2");
  assert(cof_test_run(test));
  assert(strcmp(cof_test_output_at(test, "each", "k0"), "11") == 0 && strcmp(cof_test_output_at(test, "each", "k1"), "13") == 0);
  assert(cof_test_output_at(test, "each", "k2") == NULL);
  assert(strcmp(cof_test_metadata(test, "total"), "13") == 0 && strcmp(cof_test_log(test, 0), "13 in all") == 0);
  cof_test_end(test);

  test = cof_test_begin("large");
  assert(cof_test_run(test));
  cof_text bytes = cof_test_output_bytes(test, "bytes");
  assert(bytes.size == 3000000 && memcmp(bytes.at + 2999990, "0123456789", 10) == 0);
  cof_test_end(test);

  fails("\"output\"", "the op gave an output `nothing` that it does not declare");
  fails("\"input\"", "there is no input `nothing`: it is not declared, or it is optional and absent");
  fails("\"type\"", "expected a whole number, found a text");
  fails("\"twice\"", "output `each` is given twice");
  fails("\"keys\"", "the key `a` of output `each` is used twice");
  fails("\"short\"", "the value of output `each` has fewer items than were announced");
  fails("\"said\"", "no luck: the disk is full: no space");
  fails("[]", "expected a text, found a list");

  test = cof_test_begin("count");
  cof_test_stored(test, "visits", "4");
  assert(cof_test_run(test) && strcmp(cof_test_output(test, "each"), "5") == 0);
  assert(strcmp(cof_test_stored_text(test, "visits"), "5") == 0);
  cof_test_end(test);
  test = cof_test_begin("services");
  assert(!cof_test_run(test));
  assert(strcmp(cof_test_failure(test), "resource `api`: the test has nobody who answers") == 0);
  cof_test_end(test);
  test = cof_test_begin("services");
  cof_test_http(test, answer_http);
  cof_test_sql(test, answer_sql);
  cof_test_command(test, answer_command);
  assert(cof_test_run(test));
  assert(strcmp(cof_test_output(test, "value"), "\"200 ok 2 n=-3 2 4 out\"") == 0);
  cof_test_end(test);
  puts("the SDK for C: all tests pass");
}
