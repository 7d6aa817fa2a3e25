;; What Go's runtime asks of a system (WASI preview 1), over the interfaces that Cofferdam offers: printed text becomes log
;; lines, clock and chance follow from the attempt, and there are no files. Only what a library uses ends up in its component.
;;
;; Results that need memory go to an address below 4096: Go keeps the first page free, so that a nil pointer is noticed.
(module
  (import "env" "memory" (memory 0))
  (import "wasi:cli/stdout@0.2.6" "get-stdout" (func $get_stdout (result i32)))
  (import "wasi:cli/stderr@0.2.6" "get-stderr" (func $get_stderr (result i32)))
  (import "wasi:io/streams@0.2.6" "[method]output-stream.blocking-write-and-flush"
    (func $stream_write (param i32 i32 i32 i32)))
  (import "wasi:clocks/wall-clock@0.2.6" "now" (func $wall_now (param i32)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "now" (func $monotonic_now (result i64)))
  (import "wasi:clocks/monotonic-clock@0.2.6" "subscribe-instant" (func $subscribe_instant (param i64) (result i32)))
  (import "wasi:io/poll@0.2.6" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/poll@0.2.6" "[resource-drop]pollable" (func $drop_pollable (param i32)))
  (import "wasi:random/random@0.2.6" "get-random-u64" (func $random_u64 (result i64)))

  ;; The streams, opened when they are written to first: a handle is never 0.
  (global $stdout (mut i32) (i32.const 0))
  (global $stderr (mut i32) (i32.const 0))

  (func $stream (param $fd i32) (result i32)
    (if (i32.eq (local.get $fd) (i32.const 1))
      (then
        (if (i32.eqz (global.get $stdout)) (then (global.set $stdout (call $get_stdout))))
        (return (global.get $stdout))))
    (if (i32.eqz (global.get $stderr)) (then (global.set $stderr (call $get_stderr))))
    (global.get $stderr))

  ;; Writes the parts one after another, 4096 bytes at a time, which is what a stream takes.
  (func (export "fd_write") (param $fd i32) (param $parts i32) (param $n i32) (param $written i32) (result i32)
    (local $stream i32) (local $at i32) (local $left i32) (local $some i32) (local $sum i32)
    (if (i32.gt_u (i32.sub (local.get $fd) (i32.const 1)) (i32.const 1)) (then (return (i32.const 8))))
    (local.set $stream (call $stream (local.get $fd)))
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $n)))
        (local.set $at (i32.load (local.get $parts)))
        (local.set $left (i32.load offset=4 (local.get $parts)))
        (local.set $sum (i32.add (local.get $sum) (local.get $left)))
        (block $written_part
          (loop $more
            (br_if $written_part (i32.eqz (local.get $left)))
            (local.set $some
              (select (local.get $left) (i32.const 4096) (i32.lt_u (local.get $left) (i32.const 4096))))
            (call $stream_write (local.get $stream) (local.get $at) (local.get $some) (i32.const 16))
            (local.set $at (i32.add (local.get $at) (local.get $some)))
            (local.set $left (i32.sub (local.get $left) (local.get $some)))
            (br $more)))
        (local.set $parts (i32.add (local.get $parts) (i32.const 8)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $next)))
    (i32.store (local.get $written) (local.get $sum))
    (i32.const 0))

  ;; The clock stands still while it is held: from the start until an op runs, and while the host puts a result into memory,
  ;; when Go's collector may run and ask for the time, but nothing may be called.
  (global $held (mut i32) (i32.const 1))
  ;; Nanoseconds that have passed. Go takes 0 for a clock that does not work.
  (global $passed (mut i64) (i64.const 1))
  ;; The time of day, in nanoseconds since 1970, when none had: the host's clock starts in 2000.
  (global $start (mut i64) (i64.const 946684800000000000))
  (func (export "hold_clock") (param $held i32) (global.set $held (local.get $held)))

  ;; Clock 0 tells the time of day, every other one counts.
  (func (export "clock_time_get") (param $clock i32) (param $precision i64) (param $time i32) (result i32)
    (local $now i64)
    (if (i32.eqz (global.get $held))
      (then
        (local.set $now (call $monotonic_now))
        (if (i64.gt_u (local.get $now) (global.get $passed)) (then (global.set $passed (local.get $now))))
        (if (i32.eqz (local.get $clock))
          (then
            (call $wall_now (i32.const 16))
            (global.set $start
              (i64.sub
                (i64.add
                  (i64.mul (i64.load (i32.const 16)) (i64.const 1000000000))
                  (i64.extend_i32_u (i32.load (i32.const 24))))
                (global.get $passed)))))))
    (i64.store (local.get $time) (global.get $passed))
    (if (i32.eqz (local.get $clock))
      (then (i64.store (local.get $time) (i64.add (global.get $start) (global.get $passed)))))
    (i32.const 0))

  (func (export "random_get") (param $at i32) (param $left i32) (result i32)
    (local $bits i64) (local $n i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $left)))
        (if (i32.eqz (local.get $n))
          (then (local.set $bits (call $random_u64)) (local.set $n (i32.const 8))))
        (i64.store8 (local.get $at) (local.get $bits))
        (local.set $bits (i64.shr_u (local.get $bits) (i64.const 8)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $left (i32.sub (local.get $left) (i32.const 1)))
        (br $next)))
    (i32.const 0))

  ;; Sleeps until the first clock of the list rings; nothing else can be waited for.
  (func (export "poll_oneoff") (param $asked i32) (param $events i32) (param $n i32) (param $happened i32) (result i32)
    (local $pollable i32) (local $until i64)
    (loop $next
      (if (i32.eqz (local.get $n)) (then (return (i32.const 52))))
      (if (i32.load8_u offset=8 (local.get $asked))
        (then
          (local.set $asked (i32.add (local.get $asked) (i32.const 48)))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br $next))))
    (local.set $until (i64.load offset=24 (local.get $asked)))
    (if (i32.eqz (i32.and (i32.load16_u offset=40 (local.get $asked)) (i32.const 1)))
      (then (local.set $until (i64.add (local.get $until) (global.get $passed)))))
    (if (i64.gt_u (local.get $until) (global.get $passed)) (then (global.set $passed (local.get $until))))
    (if (i32.eqz (global.get $held))
      (then
        (local.set $pollable (call $subscribe_instant (local.get $until)))
        (call $block (local.get $pollable))
        (call $drop_pollable (local.get $pollable))))
    (memory.fill (local.get $events) (i32.const 0) (i32.const 32))
    (i64.store (local.get $events) (i64.load (local.get $asked)))
    (i32.store (local.get $happened) (i32.const 1))
    (i32.const 0))

  ;; There is no caller who could learn the code: the attempt fails.
  (func (export "proc_exit") (param i32) unreachable)

  (func (export "sched_yield") (result i32) (i32.const 0))

  ;; No arguments, no environment.
  (func $none (param $count i32) (param $size i32) (result i32)
    (i32.store (local.get $count) (i32.const 0))
    (i32.store (local.get $size) (i32.const 0))
    (i32.const 0))
  (export "args_sizes_get" (func $none))
  (export "environ_sizes_get" (func $none))
  (func $empty (param i32 i32) (result i32) (i32.const 0))
  (export "args_get" (func $empty))
  (export "environ_get" (func $empty))

  ;; Of the three descriptors: a device of characters, to be written to.
  (func (export "fd_fdstat_get") (param $fd i32) (param $stat i32) (result i32)
    (if (i32.gt_u (local.get $fd) (i32.const 2)) (then (return (i32.const 8))))
    (memory.fill (local.get $stat) (i32.const 0) (i32.const 24))
    (i32.store8 (local.get $stat) (i32.const 2))
    (i64.store offset=8 (local.get $stat) (i64.const 64))
    (i32.const 0))

  ;; Standard input is at its end from the start.
  (func (export "fd_read") (param $fd i32) (param i32 i32) (param $read i32) (result i32)
    (if (local.get $fd) (then (return (i32.const 8))))
    (i32.store (local.get $read) (i32.const 0))
    (i32.const 0))

  ;; No other descriptor is ever open, and there is no folder to open another in: "bad file descriptor".
  (func $bad1 (param i32) (result i32) (i32.const 8))
  (func $bad2 (param i32 i32) (result i32) (i32.const 8))
  (func $bad3 (param i32 i32 i32) (result i32) (i32.const 8))
  (func $bad5 (param i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad6 (param i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad7 (param i32 i32 i32 i32 i32 i32 i32) (result i32) (i32.const 8))
  (func $bad_size (param i32 i64) (result i32) (i32.const 8))
  (func $bad_rights (param i32 i64 i64) (result i32) (i32.const 8))
  (func $bad_seek (param i32 i64 i32 i32) (result i32) (i32.const 8))
  (func $bad_at (param i32 i32 i32 i64 i32) (result i32) (i32.const 8))
  (func $bad_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32) (i32.const 8))
  (func $bad_times (param i32 i32 i32 i32 i64 i64 i32) (result i32) (i32.const 8))
  (export "fd_close" (func $bad1))
  (export "fd_sync" (func $bad1))
  (export "fd_fdstat_set_flags" (func $bad2))
  (export "fd_filestat_get" (func $bad2))
  (export "fd_prestat_get" (func $bad2))
  (export "sock_shutdown" (func $bad2))
  (export "fd_prestat_dir_name" (func $bad3))
  (export "path_create_directory" (func $bad3))
  (export "path_remove_directory" (func $bad3))
  (export "path_unlink_file" (func $bad3))
  (export "sock_accept" (func $bad3))
  (export "path_filestat_get" (func $bad5))
  (export "path_symlink" (func $bad5))
  (export "path_readlink" (func $bad6))
  (export "path_rename" (func $bad6))
  (export "path_link" (func $bad7))
  (export "fd_filestat_set_size" (func $bad_size))
  (export "fd_fdstat_set_rights" (func $bad_rights))
  (export "fd_seek" (func $bad_seek))
  (export "fd_pread" (func $bad_at))
  (export "fd_pwrite" (func $bad_at))
  (export "fd_readdir" (func $bad_at))
  (export "path_open" (func $bad_open))
  (export "path_filestat_set_times" (func $bad_times))
)
