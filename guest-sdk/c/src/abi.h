// The contract as a component sees it: shapes in memory as the canonical ABI lays them out, and the functions of the
// host. In native tests the same functions are those of `test.c`.

#ifndef COFFERDAM_ABI_H
#define COFFERDAM_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __wasm__
#define HOST(interface, name) \
  __attribute__((import_module("cofferdam:op/" interface "@0.1.0"), import_name(name))) extern
#else
#define HOST(interface, name) extern
#endif

// A list of anything, a text, or bytes.
typedef struct {
  const void *at;
  size_t size;
} abi_list;

typedef struct {
  uint8_t some;
  abi_list value;
} abi_option_list;

typedef struct {
  uint8_t some;
  uint64_t value;
} abi_option_u64;

enum { FACT_TEXT, FACT_INTEGER, FACT_NUMBER, FACT_TRUTH, FACT_URL, FACT_PATH, FACT_JSON, FACT_MARKDOWN, FACT_TABLE, FACT_TIMESTAMP };

typedef struct {
  abi_list name;
  uint8_t kind;
  union {
    abi_list text;
    int64_t integer;
    double number;
    uint8_t truth;
  } value;
} abi_fact;

typedef struct {
  abi_list name;
  abi_list value;
} abi_pair;

typedef struct {
  abi_list run_id;
  abi_list step_key;
  uint32_t attempt;
  abi_list idempotency_key;
  abi_option_list partition;
  abi_list tags;
} abi_attempt;

enum { CONTENT_BYTES, CONTENT_STORED };

typedef struct {
  abi_list media_type;
  uint8_t content;
  union {
    abi_list bytes;
    uint32_t stored;
  } at;
} abi_value;

typedef struct {
  abi_option_list key;
  abi_value value;
} abi_element;

enum { INPUT_ONE, INPUT_MANY };

typedef struct {
  abi_list name;
  uint8_t kind;
  union {
    abi_value one;
    abi_list many;
  } value;
} abi_input;

typedef struct {
  abi_list name;
  abi_option_list key;
  abi_value value;
  abi_list metadata;
} abi_output;

enum { RETRY_POLICY, RETRY_NEVER, RETRY_AFTER };

typedef struct {
  abi_list message;
  abi_list causes;
  struct {
    uint8_t kind;
    uint64_t milliseconds;
  } retry;
  abi_list metadata;
} abi_failure;

// What `run` gives.
typedef struct {
  uint8_t failed;
  union {
    abi_list outputs;
    abi_failure failure;
  } value;
} abi_ended;

typedef struct {
  abi_list name;
  abi_list doc;
  abi_list media_type;
  abi_list schema;
  uint8_t required;
  // Of an input: many; of an output: dynamic.
  uint8_t several;
} abi_port;

typedef struct {
  abi_list name;
  uint8_t kind;
  abi_list doc;
} abi_need;

typedef struct {
  abi_list name;
  abi_list doc;
  abi_list inputs;
  abi_list outputs;
  abi_option_list config;
  abi_list needs;
  uint8_t pure;
} abi_op;

typedef struct {
  abi_list name;
  abi_list version;
  abi_list ops;
} abi_library;

enum { VALUE_UNKNOWN, VALUE_UNAVAILABLE, VALUE_LIMIT, VALUE_FINISHED };

typedef struct {
  uint8_t failed;
  union {
    int32_t handle;
    uint32_t number;
    uint8_t error;
  } value;
} abi_number_result;

typedef struct {
  uint8_t failed;
  union {
    abi_list bytes;
    uint8_t error;
  } value;
} abi_bytes_result;

typedef struct {
  uint8_t failed;
  uint8_t error;
} abi_done_result;

enum { FAULT_DENIED, FAULT_INVALID, FAULT_UNAVAILABLE, FAULT_FAILED, FAULT_TOO_LARGE };

typedef struct {
  uint8_t kind;
  abi_list message;
} abi_fault;

typedef struct {
  uint8_t failed;
  union {
    abi_option_list found;
    abi_fault fault;
  } value;
} abi_found_result;

typedef struct {
  uint8_t failed;
  abi_fault fault;
} abi_called_result;

typedef struct {
  uint8_t failed;
  union {
    struct {
      abi_list names;
      uint8_t more;
    } page;
    abi_fault fault;
  } value;
} abi_page_result;

typedef struct {
  uint8_t failed;
  union {
    abi_option_u64 found;
    abi_fault fault;
  } value;
} abi_size_result;

typedef struct {
  uint8_t failed;
  union {
    struct {
      uint16_t status;
      abi_list headers;
      abi_list body;
    } response;
    abi_fault fault;
  } value;
} abi_response_result;

typedef struct {
  uint8_t kind;
  union {
    uint8_t truth;
    int64_t integer;
    double number;
    abi_list text;
  } value;
} abi_sql;

typedef struct {
  abi_list text;
  abi_list parameters;
} abi_statement;

typedef struct {
  uint8_t failed;
  union {
    struct {
      abi_list columns;
      // Of lists of abi_sql.
      abi_list values;
    } rows;
    abi_fault fault;
  } value;
} abi_rows_result;

typedef struct {
  uint8_t failed;
  union {
    uint64_t touched;
    abi_fault fault;
  } value;
} abi_touched_result;

typedef struct {
  uint8_t failed;
  union {
    struct {
      struct {
        uint8_t some;
        int32_t value;
      } code;
      abi_list output;
      abi_list errors;
    } outcome;
    abi_fault fault;
  } value;
} abi_outcome_result;

HOST("context", "attempt") void host_attempt(abi_attempt *attempt);
HOST("context", "remaining-ms") void host_remaining_ms(abi_option_u64 *left);
HOST("context", "log") void host_log(int32_t level, const char *message, size_t size, const abi_pair *fields, size_t n_fields);
HOST("context", "progress")
void host_progress(uint64_t done, int32_t has_total, uint64_t total, const char *message, size_t size);
HOST("context", "add-metadata") void host_add_metadata(const abi_fact *facts, size_t n_facts);

HOST("values", "open") void host_open(uint32_t number, abi_number_result *result);
HOST("values", "create") void host_create(abi_number_result *result);
HOST("values", "[method]reader.size") uint64_t host_reader_size(int32_t reader);
HOST("values", "[method]reader.read") void host_reader_read(int32_t reader, uint64_t offset, uint32_t size, abi_bytes_result *result);
HOST("values", "[method]writer.write") void host_writer_write(int32_t writer, const void *bytes, size_t size, abi_done_result *result);
HOST("values", "[method]writer.finish") void host_writer_finish(int32_t writer, abi_number_result *result);

HOST("keyvalue", "get")
void host_keyvalue_get(const char *name, size_t name_size, const char *key, size_t key_size, abi_found_result *result);
HOST("keyvalue", "set")
void host_keyvalue_set(const char *name, size_t name_size, const char *key, size_t key_size, const void *bytes, size_t size,
                       abi_called_result *result);
HOST("keyvalue", "remove")
void host_keyvalue_remove(const char *name, size_t name_size, const char *key, size_t key_size, abi_called_result *result);
HOST("keyvalue", "keys")
void host_keyvalue_keys(const char *name, size_t name_size, const char *prefix, size_t prefix_size, int32_t has_after, const char *after,
                        size_t after_size, abi_page_result *result);
HOST("settings", "get")
void host_settings_get(const char *name, size_t name_size, const char *key, size_t key_size, abi_found_result *result);
HOST("blob", "read")
void host_blob_read(const char *name, size_t name_size, const char *path, size_t path_size, uint64_t offset, uint32_t size,
                    abi_found_result *result);
HOST("blob", "size")
void host_blob_size(const char *name, size_t name_size, const char *path, size_t path_size, abi_size_result *result);
HOST("blob", "write")
void host_blob_write(const char *name, size_t name_size, const char *path, size_t path_size, const void *bytes, size_t size,
                     abi_called_result *result);
HOST("blob", "remove")
void host_blob_remove(const char *name, size_t name_size, const char *path, size_t path_size, abi_called_result *result);

HOST("blob", "paths")
void host_blob_paths(const char *name, size_t name_size, const char *prefix, size_t prefix_size, int32_t has_after, const char *after,
                     size_t after_size, abi_page_result *result);
HOST("http", "send")
void host_http_send(const char *name, size_t name_size, const char *method, size_t method_size, const char *path, size_t path_size,
                    const abi_pair *headers, size_t n_headers, const void *body, size_t body_size, abi_response_result *result);
HOST("sql", "query")
void host_sql_query(const char *name, size_t name_size, const char *text, size_t size, const abi_sql *parameters, size_t n_parameters,
                    abi_rows_result *result);
HOST("sql", "execute")
void host_sql_execute(const char *name, size_t name_size, const char *text, size_t size, const abi_sql *parameters, size_t n_parameters,
                      abi_touched_result *result);
HOST("sql", "transact")
void host_sql_transact(const char *name, size_t name_size, const abi_statement *statements, size_t count, abi_touched_result *result);
HOST("command", "run")
void host_command_run(const char *name, size_t name_size, const abi_list *arguments, size_t n_arguments, const void *input, size_t size,
                      abi_outcome_result *result);

#ifdef __wasm__
_Static_assert(sizeof(abi_response_result) == 24 && sizeof(abi_sql) == 16 && sizeof(abi_outcome_result) == 28, "the canonical ABI");
_Static_assert(sizeof(abi_ended) == 48 && sizeof(abi_fact) == 24 && sizeof(abi_input) == 32, "the canonical ABI");
_Static_assert(sizeof(abi_output) == 48 && sizeof(abi_element) == 32 && sizeof(abi_port) == 36, "the canonical ABI");
#endif

#endif
