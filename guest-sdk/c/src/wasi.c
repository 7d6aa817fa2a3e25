// What libc asks of a system, over the interfaces that Cofferdam offers: printed text becomes log lines, clock and
// chance follow from the attempt, and there are no files. Only what an op uses ends up in its component.

#ifdef __wasm__

#include <stdint.h>
#include <string.h>
#include <wasi/api.h>

#include "abi.h"

#define WASI(interface, name) __attribute__((import_module("wasi:" interface "@0.2.6"), import_name(name))) extern

typedef struct {
  uint64_t seconds;
  uint32_t nanoseconds;
} abi_time;

WASI("cli/stdout", "get-stdout") int32_t wasi_stdout(void);
WASI("cli/stderr", "get-stderr") int32_t wasi_stderr(void);
WASI("io/streams", "[method]output-stream.blocking-write-and-flush")
void wasi_write(int32_t stream, const void *bytes, size_t size, void *result);
WASI("clocks/wall-clock", "now") void wasi_wall_clock(abi_time *now);
WASI("clocks/monotonic-clock", "now") uint64_t wasi_monotonic_clock(void);
WASI("random/random", "get-random-bytes") void wasi_random(uint64_t size, abi_list *bytes);

// Bytes that a stream takes at a time.
enum { STREAM_BYTES = 4096 };
enum { STDOUT = 1, STDERR = 2 };

__wasi_errno_t __wasi_fd_write(__wasi_fd_t fd, const __wasi_ciovec_t *parts, size_t n_parts, __wasi_size_t *written) {
  static int32_t streams[3];
  static bool open[3];
  if (fd != STDOUT && fd != STDERR) return __WASI_ERRNO_BADF;
  if (!open[fd]) {
    streams[fd] = fd == STDOUT ? wasi_stdout() : wasi_stderr();
    open[fd] = true;
  }
  *written = 0;
  for (size_t i = 0; i < n_parts; i++) {
    for (size_t at = 0; at < parts[i].buf_len; at += STREAM_BYTES) {
      size_t left = parts[i].buf_len - at;
      uint32_t result[3];
      wasi_write(streams[fd], parts[i].buf + at, left < STREAM_BYTES ? left : STREAM_BYTES, result);
    }
    *written += parts[i].buf_len;
  }
  return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t __wasi_fd_fdstat_get(__wasi_fd_t fd, __wasi_fdstat_t *stat) {
  if (fd > STDERR) return __WASI_ERRNO_BADF;
  memset(stat, 0, sizeof *stat);
  stat->fs_filetype = __WASI_FILETYPE_CHARACTER_DEVICE;
  stat->fs_rights_base = __WASI_RIGHTS_FD_WRITE;
  return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t __wasi_clock_time_get(__wasi_clockid_t id, __wasi_timestamp_t precision, __wasi_timestamp_t *time) {
  (void)precision;
  if (id != __WASI_CLOCKID_REALTIME) {
    *time = wasi_monotonic_clock();
    return __WASI_ERRNO_SUCCESS;
  }
  abi_time now;
  wasi_wall_clock(&now);
  *time = now.seconds * 1000000000 + now.nanoseconds;
  return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t __wasi_clock_res_get(__wasi_clockid_t id, __wasi_timestamp_t *resolution) {
  (void)id;
  *resolution = 1000000;
  return __WASI_ERRNO_SUCCESS;
}

__wasi_errno_t __wasi_random_get(uint8_t *into, __wasi_size_t size) {
  abi_list bytes;
  wasi_random(size, &bytes);
  memcpy(into, bytes.at, size);
  return __WASI_ERRNO_SUCCESS;
}

// There is no caller who could learn the code: the attempt fails.
_Noreturn void __wasi_proc_exit(__wasi_exitcode_t code) {
  (void)code;
  __builtin_trap();
}

__wasi_errno_t __wasi_environ_sizes_get(__wasi_size_t *count, __wasi_size_t *size) { return *count = *size = 0, __WASI_ERRNO_SUCCESS; }
__wasi_errno_t __wasi_args_sizes_get(__wasi_size_t *count, __wasi_size_t *size) { return *count = *size = 0, __WASI_ERRNO_SUCCESS; }
__wasi_errno_t __wasi_sched_yield(void) { return __WASI_ERRNO_SUCCESS; }

// No descriptor beyond those two is ever open, and there is no folder to open another in.
#define NONE(name, error, ...) \
  __wasi_errno_t __wasi_##name(__VA_ARGS__) { return __WASI_ERRNO_##error; }

#pragma clang diagnostic ignored "-Wunused-parameter"
NONE(args_get, NOSYS, uint8_t **a, uint8_t *b)
NONE(environ_get, NOSYS, uint8_t **a, uint8_t *b)
NONE(fd_advise, BADF, __wasi_fd_t a, __wasi_filesize_t b, __wasi_filesize_t c, __wasi_advice_t d)
NONE(fd_allocate, BADF, __wasi_fd_t a, __wasi_filesize_t b, __wasi_filesize_t c)
NONE(fd_close, BADF, __wasi_fd_t a)
NONE(fd_datasync, BADF, __wasi_fd_t a)
NONE(fd_fdstat_set_flags, BADF, __wasi_fd_t a, __wasi_fdflags_t b)
NONE(fd_fdstat_set_rights, BADF, __wasi_fd_t a, __wasi_rights_t b, __wasi_rights_t c)
NONE(fd_filestat_get, BADF, __wasi_fd_t a, __wasi_filestat_t *b)
NONE(fd_filestat_set_size, BADF, __wasi_fd_t a, __wasi_filesize_t b)
NONE(fd_filestat_set_times, BADF, __wasi_fd_t a, __wasi_timestamp_t b, __wasi_timestamp_t c, __wasi_fstflags_t d)
NONE(fd_pread, BADF, __wasi_fd_t a, const __wasi_iovec_t *b, size_t c, __wasi_filesize_t d, __wasi_size_t *e)
NONE(fd_prestat_get, BADF, __wasi_fd_t a, __wasi_prestat_t *b)
NONE(fd_prestat_dir_name, BADF, __wasi_fd_t a, uint8_t *b, __wasi_size_t c)
NONE(fd_pwrite, BADF, __wasi_fd_t a, const __wasi_ciovec_t *b, size_t c, __wasi_filesize_t d, __wasi_size_t *e)
NONE(fd_read, BADF, __wasi_fd_t a, const __wasi_iovec_t *b, size_t c, __wasi_size_t *d)
NONE(fd_readdir, BADF, __wasi_fd_t a, uint8_t *b, __wasi_size_t c, __wasi_dircookie_t d, __wasi_size_t *e)
NONE(fd_renumber, BADF, __wasi_fd_t a, __wasi_fd_t b)
NONE(fd_seek, SPIPE, __wasi_fd_t a, __wasi_filedelta_t b, __wasi_whence_t c, __wasi_filesize_t *d)
NONE(fd_sync, BADF, __wasi_fd_t a)
NONE(fd_tell, SPIPE, __wasi_fd_t a, __wasi_filesize_t *b)
NONE(path_create_directory, BADF, __wasi_fd_t a, const char *b)
NONE(path_filestat_get, BADF, __wasi_fd_t a, __wasi_lookupflags_t b, const char *c, __wasi_filestat_t *d)
NONE(path_filestat_set_times, BADF, __wasi_fd_t a, __wasi_lookupflags_t b, const char *c, __wasi_timestamp_t d, __wasi_timestamp_t e, __wasi_fstflags_t f)
NONE(path_link, BADF, __wasi_fd_t a, __wasi_lookupflags_t b, const char *c, __wasi_fd_t d, const char *e)
NONE(path_open, BADF, __wasi_fd_t a, __wasi_lookupflags_t b, const char *c, __wasi_oflags_t d, __wasi_rights_t e, __wasi_rights_t f, __wasi_fdflags_t g, __wasi_fd_t *h)
NONE(path_readlink, BADF, __wasi_fd_t a, const char *b, uint8_t *c, __wasi_size_t d, __wasi_size_t *e)
NONE(path_remove_directory, BADF, __wasi_fd_t a, const char *b)
NONE(path_rename, BADF, __wasi_fd_t a, const char *b, __wasi_fd_t c, const char *d)
NONE(path_symlink, BADF, const char *a, __wasi_fd_t b, const char *c)
NONE(path_unlink_file, BADF, __wasi_fd_t a, const char *b)
NONE(poll_oneoff, NOSYS, const __wasi_subscription_t *a, __wasi_event_t *b, __wasi_size_t c, __wasi_size_t *d)
NONE(sock_accept, BADF, __wasi_fd_t a, __wasi_fdflags_t b, __wasi_fd_t *c)
NONE(sock_recv, BADF, __wasi_fd_t a, const __wasi_iovec_t *b, size_t c, __wasi_riflags_t d, __wasi_size_t *e, __wasi_roflags_t *f)
NONE(sock_send, BADF, __wasi_fd_t a, const __wasi_ciovec_t *b, size_t c, __wasi_siflags_t d, __wasi_size_t *e)
NONE(sock_shutdown, BADF, __wasi_fd_t a, __wasi_sdflags_t b)

#endif
