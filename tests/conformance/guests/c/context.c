// Ops that talk with the host: logs, facts, who they are, time, memory, resources.

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"

enum { MEGABYTE = 1000000 };

void log_lines(cof_ctx *ctx) {
  static const char *const levels[] = {"trace", "debug", "info", "warn", "error"};
  for (cof_level level = COF_TRACE; level <= COF_ERROR; level++) {
    cof_log_fields(ctx, level, levels[level], COF_FIELDS({"colour", "blue"}));
  }
}

void print(cof_ctx *ctx) {
  (void)ctx;
  printf("to stdout\n");
  fprintf(stderr, "to stderr\n");
}

void chatter(cof_ctx *ctx) {
  int64_t lines = cof_config_integer(ctx, "lines");
  for (int64_t n = 0; n < lines; n++) cof_logf(ctx, COF_INFO, "line %lld", (long long)n);
}

void progress(cof_ctx *ctx) {
  cof_progress(ctx, 1, 2, "half");
  cof_progress(ctx, 2, 2, "done");
}

void facts(cof_ctx *ctx) {
  cof_metadata(ctx, cof_fact_text("text", "words"));
  cof_metadata(ctx, cof_fact_integer("integer", 7));
  cof_metadata(ctx, cof_fact_number("number", 0.5));
  cof_metadata(ctx, cof_fact_truth("truth", true));
  cof_metadata(ctx, cof_fact_url("url", "https://example.org/a"));
  cof_metadata(ctx, cof_fact_path("path", "/a/b"));
  cof_metadata(ctx, cof_fact_json("json", "{\"a\": 1}"));
  cof_metadata(ctx, cof_fact_markdown("markdown", "*b*"));
  cof_metadata(ctx, cof_fact_table("table", "[{\"a\": 1}]"));
  cof_metadata(ctx, cof_fact_timestamp("timestamp", "2026-01-02T03:04:05Z"));
}

void who(cof_ctx *ctx) {
  cof_attempt_info info = cof_attempt(ctx);
  cof_builder *builder = cof_build(ctx);
  cof_put_map(builder, 6);
  cof_put_string(builder, "run_id"), cof_put_text(builder, info.run_id);
  cof_put_string(builder, "step_key"), cof_put_text(builder, info.step_key);
  cof_put_string(builder, "attempt"), cof_put_integer(builder, info.attempt);
  cof_put_string(builder, "idempotency_key"), cof_put_text(builder, info.idempotency_key);
  cof_put_string(builder, "partition");
  if (info.has_partition) cof_put_text(builder, info.partition);
  else cof_put_null(builder);
  cof_put_string(builder, "tags"), cof_put_map(builder, info.n_tags);
  for (size_t i = 0; i < info.n_tags; i++) cof_put_text(builder, info.tags[i].name), cof_put_text(builder, info.tags[i].value);
  cof_output_built(ctx, "result", builder);
}

void remaining(cof_ctx *ctx) {
  uint64_t left = cof_remaining_ms(ctx);
  cof_output_boolean(ctx, "result", left >= 1 && left <= 60000);
}

void spin(cof_ctx *ctx) {
  (void)ctx;
  for (volatile int turn = 0;; turn++) {
  }
}

void hog(cof_ctx *ctx) {
  int64_t megabytes = cof_config_integer(ctx, "megabytes");
  for (int64_t n = 0; n < megabytes; n++) {
    char *block = malloc(MEGABYTE);
    if (block == NULL) {
      cof_failf(ctx, "no memory is left after %lld MB", (long long)n);
      return;
    }
    memset(block, (int)n | 1, MEGABYTE);
    // Without this the compiler sees that nobody reads them.
    __asm__ volatile("" : : "r"(block) : "memory");
  }
  cof_output_integer(ctx, "result", megabytes);
}

void count(cof_ctx *ctx) {
  cof_text visits;
  long long seen = cof_keyvalue_get(ctx, "store", "visits", &visits) ? atoll(visits.at) : 0;
  const char *text = cof_format(ctx, "%lld", seen + 1);
  cof_keyvalue_set(ctx, "store", "visits", text, strlen(text));
  cof_output_integer(ctx, "result", seen + 1);
}

void setting(cof_ctx *ctx) {
  cof_text colour;
  bool found = cof_setting(ctx, "settings", "colour", &colour);
  cof_output_string(ctx, "result", found ? colour.at : "none");
}
