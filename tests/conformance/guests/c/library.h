// All ops of the library.

#include <cofferdam_op.h>

void echo(cof_ctx *ctx);
void echo_number(cof_ctx *ctx);
void echo_record(cof_ctx *ctx);
void echo_bytes(cof_ctx *ctx);
void nothing(cof_ctx *ctx);
void split_name(cof_ctx *ctx);
void maybe(cof_ctx *ctx);
void greet(cof_ctx *ctx);
void numbers(cof_ctx *ctx);
void twins(cof_ctx *ctx);
void total(cof_ctx *ctx);
void keyed(cof_ctx *ctx);
void configured(cof_ctx *ctx);
void produce(cof_ctx *ctx);
void consume(cof_ctx *ctx);
void slice(cof_ctx *ctx);
void repeat(cof_ctx *ctx);
void length(cof_ctx *ctx);
void page(cof_ctx *ctx);
void fail(cof_ctx *ctx);
void fail_permanent(cof_ctx *ctx);
void fail_later(cof_ctx *ctx);
void flaky(cof_ctx *ctx);
void crash(cof_ctx *ctx);
void log_lines(cof_ctx *ctx);
void print(cof_ctx *ctx);
void chatter(cof_ctx *ctx);
void progress(cof_ctx *ctx);
void facts(cof_ctx *ctx);
void who(cof_ctx *ctx);
void remaining(cof_ctx *ctx);
void spin(cof_ctx *ctx);
void hog(cof_ctx *ctx);
void count(cof_ctx *ctx);
void setting(cof_ctx *ctx);
void pure_double(cof_ctx *ctx);
