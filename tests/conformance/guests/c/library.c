// What the library offers.

#include "library.h"

// An op that gives its input back.
#define ECHO(op, type) \
  { .name = #op, .doc = "Gives its input back.", .run = echo, INPUT("value", type), RESULT(type) }
#define INPUT(port, type) COF_INPUTS({ .name = port, .schema = type })
#define RESULT(type) COF_OUTPUTS({ .name = "result", .schema = type })
#define BYTES COF_OUTPUTS({ .name = "result" })
#define FILE_INPUT COF_INPUTS({ .name = "file" })
#define MANY COF_INPUTS({ .name = "numbers", .schema = COF_INTEGER, .many = true })
#define EACH COF_OUTPUTS({ .name = "each", .schema = COF_INTEGER, .dynamic = true })
// A config of one key, which is needed.
#define ONE(key, type) .config = "{\"type\":\"object\",\"properties\":{\"" key "\":" type "},\"required\":[\"" key "\"],\"additionalProperties\":false}"
#define COUNT COF_JSON({"type": "integer", "minimum": 0})
#define INTEGERS COF_JSON({"type": "array", "items": {"type": "integer"}})
#define INTEGER_MAP COF_JSON({"type": "object", "additionalProperties": {"type": "integer"}})
#define NULLABLE COF_JSON({"type": ["string", "null"]})
#define COLOUR COF_JSON({"type": "string", "enum": ["red", "green", "blue"]})
#define TEXTS COF_JSON({"type": "array", "items": {"type": "string"}})
#define PERSON COF_JSON({ \
  "type": "object", \
  "properties": { \
    "name": {"type": "string"}, \
    "age": {"type": "integer", "minimum": 0}, \
    "tags": {"type": "array", "items": {"type": "string"}, "default": []}, \
    "home": {"anyOf": [ \
      {"type": "object", "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}}, "required": ["lat", "lon"]}, \
      {"type": "null"} \
    ]} \
  }, \
  "required": ["name", "age"] \
})
#define WEIGHT COF_JSON({ \
  "type": "object", "properties": {"size": {"type": "integer"}, "sum": {"type": "integer"}}, "required": ["size", "sum"] \
})
#define WHO COF_JSON({ \
  "type": "object", \
  "properties": { \
    "run_id": {"type": "string"}, "step_key": {"type": "string"}, "attempt": {"type": "integer"}, \
    "idempotency_key": {"type": "string"}, "partition": {"type": ["string", "null"]}, \
    "tags": {"type": "object", "additionalProperties": {"type": "string"}} \
  }, \
  "required": ["run_id", "step_key", "attempt", "idempotency_key", "partition", "tags"] \
})

COF_LIBRARY("conformance", "0.1.0",
  ECHO(echo_text, COF_STRING),
  ECHO(echo_integer, COF_INTEGER),
  { .name = "echo_number", .doc = "Gives its input back.", .run = echo_number, INPUT("value", COF_NUMBER), RESULT(COF_NUMBER) },
  ECHO(echo_flag, COF_BOOLEAN),
  ECHO(echo_list, INTEGERS),
  ECHO(echo_map, INTEGER_MAP),
  ECHO(echo_nullable, NULLABLE),
  ECHO(echo_choice, COLOUR),
  { .name = "echo_record", .doc = "Gives its input back.", .run = echo_record, INPUT("value", PERSON), RESULT(PERSON) },
  { .name = "echo_bytes", .doc = "Gives its input back.", .run = echo_bytes, COF_INPUTS({ .name = "value" }), BYTES },

  { .name = "nothing", .doc = "Does nothing.", .run = nothing },
  { .name = "split_name", .doc = "Splits a name at its first blank.", .run = split_name, INPUT("name", COF_STRING),
    COF_OUTPUTS({ .name = "first", .schema = COF_STRING }, { .name = "last", .schema = COF_STRING }) },
  { .name = "maybe", .doc = "Gives 42, or nothing.", .run = maybe, ONE("emit", COF_BOOLEAN),
    COF_OUTPUTS({ .name = "value", .schema = COF_INTEGER, .optional = true }) },
  { .name = "greet", .doc = "Greets.", .run = greet, COF_INPUTS({ .name = "name", .schema = COF_STRING, .optional = true }), RESULT(COF_STRING) },
  { .name = "numbers", .doc = "Counts up.", .run = numbers, ONE("n", COUNT), EACH },
  { .name = "twins", .doc = "Emits a key twice.", .run = twins, EACH },
  { .name = "total", .doc = "Adds up.", .run = total, MANY, RESULT(COF_INTEGER) },
  { .name = "keyed", .doc = "Shows keys and values.", .run = keyed, MANY, RESULT(TEXTS) },
  { .name = "configured", .doc = "Greets as it is told to.", .run = configured, RESULT(COF_STRING), .config = COF_JSON({
      "type": "object",
      "properties": {
        "greeting": {"type": "string", "default": "Hello"},
        "times": {"type": "integer", "minimum": 1, "maximum": 10, "default": 2},
        "loud": {"type": "boolean", "default": false},
        "names": {"type": "array", "items": {"type": "string"}}
      },
      "required": ["names"],
      "additionalProperties": false
    }) },

  { .name = "produce", .doc = "Writes bytes piece by piece.", .run = produce, ONE("size", COF_INTEGER), BYTES },
  { .name = "consume", .doc = "Adds bytes piece by piece.", .run = consume, FILE_INPUT, RESULT(WEIGHT) },
  { .name = "slice", .doc = "Reads a part of a file.", .run = slice, FILE_INPUT, BYTES, .config = COF_JSON({
      "type": "object",
      "properties": {"offset": {"type": "integer"}, "length": {"type": "integer"}},
      "required": ["offset", "length"],
      "additionalProperties": false
    }) },
  { .name = "repeat", .doc = "Repeats a text.", .run = repeat, RESULT(COF_STRING), .config = COF_JSON({
      "type": "object",
      "properties": {"text": {"type": "string"}, "times": {"type": "integer"}},
      "required": ["text", "times"],
      "additionalProperties": false
    }) },
  { .name = "length", .doc = "Counts the code points of a text.", .run = length, INPUT("value", COF_STRING), RESULT(COF_INTEGER) },
  { .name = "page", .doc = "Writes a page.", .run = page, ONE("title", COF_STRING),
    COF_OUTPUTS({ .name = "result", .media_type = "text/html" }) },

  { .name = "fail", .doc = "Fails with a cause and a fact.", .run = fail, ONE("message", COF_STRING), RESULT(COF_INTEGER) },
  { .name = "fail_permanent", .doc = "Fails for good.", .run = fail_permanent, RESULT(COF_INTEGER) },
  { .name = "fail_later", .doc = "Asks to be tried later.", .run = fail_later, ONE("milliseconds", COF_INTEGER), RESULT(COF_INTEGER) },
  { .name = "flaky", .doc = "Fails until an attempt.", .run = flaky, ONE("attempts", COF_INTEGER), RESULT(COF_INTEGER) },
  { .name = "crash", .doc = "Looks past the end of a list.", .run = crash, RESULT(COF_INTEGER) },

  { .name = "log", .doc = "One line at each level.", .run = log_lines },
  { .name = "print", .doc = "Prints.", .run = print },
  { .name = "chatter", .doc = "Logs many lines.", .run = chatter, ONE("lines", COF_INTEGER) },
  { .name = "progress", .doc = "Says how far it is.", .run = progress },
  { .name = "facts", .doc = "States a fact of each kind.", .run = facts },
  { .name = "who", .doc = "Says what the context says.", .run = who, RESULT(WHO) },
  { .name = "remaining", .doc = "Whether some of at most a minute is left.", .run = remaining, RESULT(COF_BOOLEAN) },
  { .name = "spin", .doc = "Never returns.", .run = spin, RESULT(COF_INTEGER) },
  { .name = "hog", .doc = "Takes memory.", .run = hog, ONE("megabytes", COF_INTEGER), RESULT(COF_INTEGER) },

  { .name = "count", .doc = "Counts its runs.", .run = count, COF_NEEDS({ "store", COF_KEYVALUE, "Where the count is." }), RESULT(COF_INTEGER) },
  { .name = "setting", .doc = "Reads a setting.", .run = setting, COF_NEEDS({ "settings", COF_CONFIG, "" }), RESULT(COF_STRING) },
  { .name = "pure_double", .doc = "Doubles.", .run = pure_double, INPUT("value", COF_INTEGER), RESULT(COF_INTEGER), .pure = true });
