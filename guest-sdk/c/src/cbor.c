// Structured values as CBOR (RFC 8949): read as the host gives them, written in the deterministic form of its section
// 4.2: shortest numbers, definite lengths, map keys sorted by their bytes.

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ctx.h"

enum { POSITIVE, NEGATIVE, BYTES, TEXT, LIST, MAP, TAG, SIMPLE };
enum { FALSE_BYTE = 0xf4, TRUE_BYTE = 0xf5, NULL_BYTE = 0xf6, UNDEFINED_BYTE = 0xf7, HALF = 0xf9, SINGLE = 0xfa, DOUBLE = 0xfb };
// Nesting that is followed; a stack has an end.
enum { DEPTH_MAX = 64 };

// ---- Reading

static const char *const NAMES[] = {"a whole number", "a whole number", "bytes", "a text", "a list", "a map", "a tagged value", "another value"};

static void refuse(cof_value *value, const char *expected) {
  if (value->ctx->failed || value->at == NULL) return;
  const char *found = value->at >= value->end ? "the end" : *value->at == NULL_BYTE ? "null" : NAMES[*value->at >> 5];
  cof_failf(value->ctx, "expected %s, found %s", expected, found);
  cof_permanent(value->ctx);
}

static bool cut(cof_value *value) {
  refuse(value, "more bytes of a value");
  value->at = value->end;
  return false;
}

// The head of an item: its major type and its argument. Moves behind it.
static bool head(cof_value *value, int *major, uint64_t *argument) {
  if (value->at == NULL || value->at >= value->end) return cut(value);
  *major = *value->at >> 5;
  int info = *value->at & 31;
  value->at++;
  if (info < 24) {
    *argument = (uint64_t)info;
    return true;
  }
  int size = info < 28 ? 1 << (info - 24) : 0;
  if (size == 0 || value->end - value->at < size) return cut(value);
  *argument = 0;
  for (int i = 0; i < size; i++) *argument = *argument << 8 | *value->at++;
  return true;
}

// The argument of an item of that kind. Stays where it is and fails otherwise.
static bool expect(cof_value *value, int wanted, uint64_t *argument, const char *name) {
  cof_value start = *value;
  int major;
  if (!head(value, &major, argument)) return false;
  if (major == wanted) return true;
  *value = start;
  refuse(value, name);
  return false;
}

int64_t cof_integer(cof_value *value) {
  bool negative = value->at != NULL && value->at < value->end && *value->at >> 5 == NEGATIVE;
  uint64_t argument;
  if (!expect(value, negative ? NEGATIVE : POSITIVE, &argument, "a whole number")) return 0;
  if (argument > INT64_MAX) {
    cof_failf(value->ctx, "a whole number of more than 64 bits");
    cof_permanent(value->ctx);
    return 0;
  }
  return negative ? -1 - (int64_t)argument : (int64_t)argument;
}

static double of_half(uint64_t bits) {
  int exponent = bits >> 10 & 31;
  double mantissa = (double)(bits & 1023);
  double size = exponent == 0 ? ldexp(mantissa, -24) : exponent == 31 ? (mantissa != 0 ? NAN : INFINITY) : ldexp(mantissa + 1024, exponent - 25);
  return bits & 0x8000 ? -size : size;
}

double cof_number(cof_value *value) {
  if (value->at == NULL || value->at >= value->end || *value->at < HALF || *value->at > DOUBLE) return (double)cof_integer(value);
  int first = *value->at, major;
  uint64_t bits;
  if (!head(value, &major, &bits)) return 0;
  if (first == HALF) return of_half(bits);
  double number;
  float single;
  uint32_t low = (uint32_t)bits;
  memcpy(&number, &bits, sizeof number);
  memcpy(&single, &low, sizeof single);
  return first == SINGLE ? single : number;
}

bool cof_boolean(cof_value *value) {
  bool is = value->at != NULL && value->at < value->end && (*value->at == TRUE_BYTE || *value->at == FALSE_BYTE);
  if (is) return *value->at++ == TRUE_BYTE;
  refuse(value, "true or false");
  return false;
}

bool cof_is_null(cof_value value) {
  return value.at != NULL && value.at < value.end && (*value.at == NULL_BYTE || *value.at == UNDEFINED_BYTE);
}

cof_text cof_string(cof_value *value) {
  cof_text nothing = {"", 0};
  bool bytes = value->at != NULL && value->at < value->end && *value->at >> 5 == BYTES;
  uint64_t size;
  if (!expect(value, bytes ? BYTES : TEXT, &size, "a text")) return nothing;
  if (size > (uint64_t)(value->end - value->at)) {
    cut(value);
    return nothing;
  }
  char *copy = cof_alloc(value->ctx, (size_t)size + 1);
  memcpy(copy, value->at, (size_t)size);
  copy[size] = 0;
  value->at += size;
  return (cof_text){copy, (size_t)size};
}

// Each element takes a byte at least, so no count is larger than what is left.
static size_t enter(cof_value *value, int major, const char *name) {
  uint64_t count;
  if (!expect(value, major, &count, name)) return 0;
  if (count <= (uint64_t)(value->end - value->at)) return (size_t)count;
  cut(value);
  return 0;
}

size_t cof_list(cof_value *value) { return enter(value, LIST, "a list"); }
size_t cof_map(cof_value *value) { return enter(value, MAP, "a map"); }

static void skip(cof_value *value, int depth) {
  int major;
  uint64_t argument;
  if (depth > DEPTH_MAX || !head(value, &major, &argument)) {
    cut(value);
    return;
  }
  if (major == BYTES || major == TEXT) {
    if (argument > (uint64_t)(value->end - value->at)) cut(value);
    else value->at += argument;
  } else if (major == LIST || major == MAP || major == TAG) {
    uint64_t count = major == TAG ? 1 : major == MAP ? argument * 2 : argument;
    // What is cut ends at its end.
    for (uint64_t i = 0; i < count && (i == 0 || value->at < value->end); i++) skip(value, depth + 1);
  }
}

void cof_skip(cof_value *value) { skip(value, 0); }

bool cof_get(cof_value map, const char *key, cof_value *found) {
  size_t count = cof_map(&map), size = strlen(key);
  for (size_t i = 0; i < count && map.at < map.end; i++) {
    cof_value at = map;
    int major;
    uint64_t length;
    if (!head(&at, &major, &length)) return false;
    bool same = major == TEXT && length == size && (uint64_t)(at.end - at.at) >= length && memcmp(at.at, key, size) == 0;
    cof_skip(&map);
    if (same) {
      *found = map;
      return true;
    }
    cof_skip(&map);
  }
  return false;
}

// ---- Writing

// A list or map that is not full yet.
struct open {
  bool map;
  // Items that are to come.
  size_t left;
  // Where its first item is, and where the current key is; of a map, the entries.
  size_t first;
  size_t *entries;
  size_t n_entries;
};

struct cof_builder {
  cof_ctx *ctx;
  buffer out;
  struct open open[DEPTH_MAX];
  int depth;
  bool complete;
};

cof_builder *cof_build(cof_ctx *ctx) {
  cof_builder *builder = cof_alloc(ctx, sizeof *builder);
  memset(builder, 0, sizeof *builder);
  builder->ctx = ctx;
  return builder;
}

static void wrong(cof_builder *builder, const char *message) {
  if (builder->ctx->failed) return;
  cof_fail(builder->ctx, message);
  cof_permanent(builder->ctx);
}

static void put_bytes(cof_builder *builder, const void *bytes, size_t size) { append(builder->ctx, &builder->out, bytes, size); }

static void put_be(cof_builder *builder, uint8_t first, uint64_t bits, int size) {
  uint8_t bytes[9] = {first};
  for (int i = 0; i < size; i++) bytes[1 + i] = (uint8_t)(bits >> 8 * (size - 1 - i));
  put_bytes(builder, bytes, (size_t)size + 1);
}

static void put_head(cof_builder *builder, int major, uint64_t argument) {
  uint8_t top = (uint8_t)(major << 5);
  if (argument < 24) put_be(builder, top | (uint8_t)argument, 0, 0);
  else if (argument <= UINT8_MAX) put_be(builder, top | 24, argument, 1);
  else if (argument <= UINT16_MAX) put_be(builder, top | 25, argument, 2);
  else if (argument <= UINT32_MAX) put_be(builder, top | 26, argument, 4);
  else put_be(builder, top | 27, argument, 8);
}

// Notes where the next item begins; false if there must be none, or no key is one.
static bool item(cof_builder *builder, bool text) {
  if (builder->ctx->failed) return false;
  if (builder->complete) {
    wrong(builder, "a value is put behind the end of another: announce a list or a map");
    return false;
  }
  if (builder->depth == 0) return true;
  struct open *open = &builder->open[builder->depth - 1];
  if (!open->map || open->left % 2 == 1) return true;
  if (text) {
    open->entries[open->n_entries++] = builder->out.size;
    return true;
  }
  wrong(builder, "a key of a map is a text");
  return false;
}

struct entry {
  const uint8_t *at;
  size_t size;
};

// Shorter keys first, then by bytes: their heads have the length. The values are behind the keys.
static int compare(const void *a, const void *b) {
  const struct entry *one = a, *other = b;
  cof_ctx silent = {.failed = false};
  cof_value keys[] = {{&silent, one->at, one->at + one->size}, {&silent, other->at, other->at + other->size}};
  int major;
  uint64_t sizes[2];
  head(&keys[0], &major, &sizes[0]);
  head(&keys[1], &major, &sizes[1]);
  if (sizes[0] != sizes[1]) return sizes[0] < sizes[1] ? -1 : 1;
  return memcmp(keys[0].at, keys[1].at, (size_t)sizes[0]);
}

static void sort(cof_builder *builder, struct open *open) {
  size_t count = open->n_entries, size = builder->out.size - open->first;
  if (count < 2) return;
  struct entry *entries = cof_alloc(builder->ctx, count * sizeof *entries);
  for (size_t i = 0; i < count; i++) {
    size_t end = i + 1 < count ? open->entries[i + 1] : builder->out.size;
    entries[i] = (struct entry){(const uint8_t *)builder->out.at + open->entries[i], end - open->entries[i]};
  }
  qsort(entries, count, sizeof *entries, compare);
  char *sorted = cof_alloc(builder->ctx, size), *to = sorted;
  for (size_t i = 0; i < count; i++) {
    if (i > 0 && compare(&entries[i - 1], &entries[i]) == 0) wrong(builder, "a map has a key twice");
    memcpy(to, entries[i].at, entries[i].size);
    to += entries[i].size;
  }
  memcpy(builder->out.at + open->first, sorted, size);
}

// Counts an item that has ended, and ends what is full with it.
static void done(cof_builder *builder) {
  while (builder->depth > 0) {
    struct open *open = &builder->open[builder->depth - 1];
    if (--open->left > 0) return;
    if (open->map) sort(builder, open);
    builder->depth--;
  }
  builder->complete = true;
}

static void begin(cof_builder *builder, bool map, size_t count) {
  if (!item(builder, false)) return;
  put_head(builder, map ? MAP : LIST, count);
  if (count == 0) {
    done(builder);
    return;
  }
  if (builder->depth == DEPTH_MAX) {
    wrong(builder, "a value is nested too deep");
    return;
  }
  struct open *open = &builder->open[builder->depth++];
  *open = (struct open){.map = map, .left = map ? count * 2 : count, .first = builder->out.size};
  if (map) open->entries = cof_alloc(builder->ctx, count * sizeof *open->entries);
}

void cof_put_list(cof_builder *builder, size_t count) { begin(builder, false, count); }
void cof_put_map(cof_builder *builder, size_t count) { begin(builder, true, count); }

void cof_put_integer(cof_builder *builder, int64_t value) {
  if (!item(builder, false)) return;
  if (value < 0) put_head(builder, NEGATIVE, (uint64_t)(-1 - value));
  else put_head(builder, POSITIVE, (uint64_t)value);
  done(builder);
}

// The 16 bits of a number that fits into them exactly.
static bool to_half(double value, uint64_t *bits) {
  uint64_t sign = signbit(value) ? 0x8000 : 0;
  double size = fabs(value);
  if (size == 0 || isinf(size)) {
    *bits = sign | (size == 0 ? 0 : 0x7c00);
    return true;
  }
  if (size > 65504) return false;
  int exponent;
  frexp(size, &exponent);
  // Below 2^-14 there is no leading one.
  int scale = exponent - 1 < -14 ? -14 : exponent - 1;
  double mantissa = ldexp(size, 10 - scale);
  if (mantissa != floor(mantissa) || mantissa < 1) return false;
  *bits = sign | (mantissa < 1024 ? (uint64_t)mantissa : (uint64_t)(scale + 15) << 10 | ((uint64_t)mantissa - 1024));
  return true;
}

void cof_put_number(cof_builder *builder, double value) {
  if (!item(builder, false)) return;
  uint64_t bits;
  float single = (float)value;
  if (isnan(value)) {
    put_be(builder, HALF, 0x7e00, 2);
  } else if (to_half(value, &bits)) {
    put_be(builder, HALF, bits, 2);
  } else if ((double)single == value) {
    uint32_t low;
    memcpy(&low, &single, sizeof low);
    put_be(builder, SINGLE, low, 4);
  } else {
    memcpy(&bits, &value, sizeof bits);
    put_be(builder, DOUBLE, bits, 8);
  }
  done(builder);
}

static void put_simple(cof_builder *builder, uint8_t byte) {
  if (!item(builder, false)) return;
  put_bytes(builder, &byte, 1);
  done(builder);
}

void cof_put_boolean(cof_builder *builder, bool value) { put_simple(builder, value ? TRUE_BYTE : FALSE_BYTE); }
void cof_put_null(cof_builder *builder) { put_simple(builder, NULL_BYTE); }

void cof_put_text(cof_builder *builder, cof_text text) {
  if (!item(builder, true)) return;
  put_head(builder, TEXT, text.size);
  put_bytes(builder, text.at, text.size);
  done(builder);
}

void cof_put_string(cof_builder *builder, const char *text) { cof_put_text(builder, (cof_text){text, strlen(text)}); }

void cof_put_value(cof_builder *builder, cof_value value) {
  cof_value end = value;
  cof_skip(&end);
  if (value.ctx->failed || !item(builder, *value.at >> 5 == TEXT)) return;
  put_bytes(builder, value.at, (size_t)(end.at - value.at));
  done(builder);
}

void cof_output_built(cof_ctx *ctx, const char *output, cof_builder *builder) {
  if (!builder->complete) wrong(builder, cof_format(ctx, "the value of output `%s` has fewer items than were announced", output));
  if (!ctx->failed) cof_output_bytes(ctx, output, builder->out.at, builder->out.size);
}
