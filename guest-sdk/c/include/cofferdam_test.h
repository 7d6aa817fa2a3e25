// Native tests of ops: the library's ops run in this program, over a host that keeps in memory what they say.
//
// Values are given and compared as JSON text; COF_JSON makes one of what is written in it:
//
//   cof_test *test = cof_test_begin("greet");
//   cof_test_input(test, "name", COF_JSON("Ada"));
//   assert(cof_test_run(test));
//   assert(strcmp(cof_test_output(test, "result"), COF_JSON("Hello, Ada!")) == 0);
//   cof_test_end(test);

#ifndef COFFERDAM_TEST_H
#define COFFERDAM_TEST_H

#include "cofferdam_op.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct cof_test cof_test;

// An attempt of the op of that name. One at a time.
cof_test *cof_test_begin(const char *op);
void cof_test_end(cof_test *test);

// What it is given. The config has to be complete: defaults are filled in by Cofferdam.
void cof_test_config(cof_test *test, const char *json);
void cof_test_input(cof_test *test, const char *input, const char *json);
void cof_test_input_bytes(cof_test *test, const char *input, const void *bytes, size_t size);
// One more element of an input that takes many. No key: NULL.
void cof_test_element(cof_test *test, const char *input, const char *key, const char *json);
// The stores of every resource of kind keyvalue and blob are one, and so are the settings.
void cof_test_stored(cof_test *test, const char *key, const char *text);
void cof_test_setting(cof_test *test, const char *key, const char *text);

// Who answers in the place of a service. Without one every call is a fault.
void cof_test_http(cof_test *test, void (*answer)(const cof_request *request, cof_response *response));
// Also for statements without rows: they touch as many rows as the answer has.
void cof_test_sql(cof_test *test, void (*answer)(const cof_statement *statement, cof_rows *rows));
void cof_test_command(cof_test *test, void (*answer)(const char *const *arguments, cof_outcome *outcome));

// Whether the op did its work.
bool cof_test_run(cof_test *test);
// Why it did not: the message, with its causes behind it, joined by ": ". Empty if it did.
const char *cof_test_failure(cof_test *test);

// An output as JSON, without blanks; NULL if it was left out. Of a dynamic output the one of that key.
const char *cof_test_output(cof_test *test, const char *output);
const char *cof_test_output_at(cof_test *test, const char *output, const char *key);
// The bytes of an output.
cof_text cof_test_output_bytes(cof_test *test, const char *output);

// What it said: log lines, and facts about the step as text. NULL if there is none.
const char *cof_test_log(cof_test *test, size_t index);
const char *cof_test_metadata(cof_test *test, const char *name);
// What is in the stores afterwards.
const char *cof_test_stored_text(cof_test *test, const char *key);

#ifdef __cplusplus
}
#endif

#endif
