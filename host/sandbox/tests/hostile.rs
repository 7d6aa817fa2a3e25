//! Ops that do not keep to the rules: each ends with its reason, within its bound, and the same sandbox goes
//! on serving.

mod kit;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cofferdam_model::{
    FailureKind, Limits, LogLine, LogSource, MESSAGE_BYTES_MAX, METADATA_ENTRIES_MAX, MetadataValue, Name,
    Progress, ResourceAnswer, ResourceCall, ResourceFault, RetryAdvice, Timestamp,
};
use cofferdam_sandbox::{IoError, StepIo};
use insta::assert_snapshot;
use kit::{Ran, Record, assert_serves, attempt, behaviours, counted, declared, run, run_with};

const MIB: u64 = 1024 * 1024;

/// Runs an op with 500 ms of time; it must not take more than 1 s longer.
fn run_short(op: &str) -> Ran {
    let mut attempt = attempt(op, 0);
    attempt.limits.timeout = Some(Duration::from_millis(500));
    // Compiled before the clock starts: the first test of a process would measure the compiler.
    behaviours();
    let started = Instant::now();
    let ran = run(attempt);
    assert!(started.elapsed() < Duration::from_millis(1500), "{:?}", started.elapsed());
    ran
}

#[test]
fn h_001_an_infinite_loop_ends_at_its_timeout() {
    let ran = run_short("spin");
    assert_snapshot!(ran.words(), @"timeout: ran longer than its timeout of 500 ms");
    assert!(ran.usage.wall_us >= 500_000, "{:?}", ran.usage);
    assert!(!ran.failure().backtrace.is_empty(), "it says where it was");
    assert_serves();
}

#[test]
fn h_001_an_infinite_loop_ends_when_its_fuel_is_used_up() {
    let mut attempt = attempt("spin", 0);
    attempt.limits.fuel = Some(1_000_000);
    let ran = run_with(counted(), attempt, Record::default());
    assert_snapshot!(ran.words(), @"fuel: used up its fuel of 1000000");
}

#[test]
fn h_002_an_infinite_loop_in_a_start_function_counts_as_the_steps_time() {
    let text =
        kit::LIBRARY.replace("(core module $m", "(core module $m (func $spin (loop br 0)) (start $spin)");
    let library = kit::load(kit::sandbox(), &wat::parse_str(format!("(component {text})")).unwrap());
    let mut attempt = attempt("any", 0);
    attempt.limits.timeout = Some(Duration::from_millis(100));
    let started = Instant::now();
    let ran = run_with(&library, attempt, Record::default());
    assert_snapshot!(ran.words(), @"timeout: ran longer than its timeout of 100 ms");
    assert!(started.elapsed() < Duration::from_millis(1100), "{:?}", started.elapsed());
    assert_serves();
}

#[test]
fn h_004_a_describe_that_never_returns_is_refused_within_its_time() {
    let library = kit::load(kit::sandbox(), &kit::guest("looping_describe"));
    let started = Instant::now();
    let failure = library.describe().unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(6), "{:?}", started.elapsed());
    assert_eq!((failure.kind, failure.retry), (FailureKind::Library, RetryAdvice::Never));
    assert_snapshot!(failure.message, @"cannot describe itself: ran longer than its timeout of 5 s");
    assert!(behaviours().describe().is_ok(), "others are not affected");
}

/// A way out on which storing the result takes so long.
struct Slow(kit::MemoryIo, Duration);

impl StepIo for Slow {
    fn read(&mut self, number: u32, offset: u64, length: u32) -> Result<Vec<u8>, IoError> {
        self.0.read(number, offset, length)
    }

    fn create(&mut self) -> Result<u32, IoError> {
        self.0.create()
    }

    fn write(&mut self, writer: u32, bytes: &[u8]) -> Result<(), IoError> {
        self.0.write(writer, bytes)
    }

    fn finish(&mut self, writer: u32) -> Result<(), IoError> {
        std::thread::sleep(self.1);
        self.0.finish(writer)
    }

    fn call(
        &mut self,
        resource: &Name,
        call: ResourceCall,
        within: Option<Duration>,
    ) -> Result<ResourceAnswer, ResourceFault> {
        self.0.call(resource, call, within)
    }

    fn log(&mut self, line: LogLine) {
        self.0.log(line);
    }

    fn progress(&mut self, progress: Progress) {
        self.0.progress(progress);
    }

    fn now(&mut self) -> Timestamp {
        self.0.now()
    }
}

#[test]
fn h_009_what_an_op_gives_after_its_deadline_is_not_taken_however_little_it_is_late() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    let stores = |takes: Duration| {
        let mut attempt = attempt("write_large", 100);
        attempt.limits.timeout = Some(TIMEOUT);
        let way_out = Slow(kit::MemoryIo(Arc::default()), takes);
        behaviours().run(attempt, Box::new(way_out)).result
    };
    assert_eq!(stores(Duration::ZERO).expect("it is in time").outputs.len(), 1);
    // The time has begun before: what takes all of it ends less than a tick late.
    for late in [0, 1, 2, 5, 50] {
        let failure = stores(TIMEOUT + Duration::from_millis(late)).unwrap_err();
        assert_eq!(failure.kind, FailureKind::Timeout, "{late} ms late: {}", failure.message);
    }
    assert_serves();
}

/// Of this process, in MiB: as much as it has, and as much as it ever had since that was reset.
fn resident() -> [u64; 2] {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    ["VmRSS:", "VmHWM:"].map(|name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
    })
}

#[test]
#[cfg(target_os = "linux")]
fn h_021_memory_that_is_taken_and_given_back_again_and_again_is_never_more_than_the_caps() {
    const CAP_MIB: u64 = 32;
    let churn = || {
        for op in ["memory_bomb", "memory_grow_loop", "scratch", "add_one"] {
            let mut attempt = attempt(op, 0);
            attempt.limits.memory_bytes_max = CAP_MIB * MIB;
            assert!(run(attempt).usage.memory_bytes_peak <= CAP_MIB * MIB);
        }
    };
    churn();
    std::fs::write("/proc/self/clear_refs", "5").expect("a process may forget its own peak");
    let [before, _] = resident();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..50).for_each(|_| churn()));
        }
    });
    let [after, peak] = resident();
    assert!(after < before + 32, "from {before} MiB to {after} MiB in 800 attempts");
    assert!(peak < before + 4 * CAP_MIB + 32, "{peak} MiB at its peak, {before} MiB before");
    assert_serves();
}

#[test]
fn h_006_deep_recursion_is_a_trap_that_says_so() {
    let ran = run(attempt("deep_recursion", 0));
    assert_eq!(ran.failure().kind, FailureKind::Trap);
    assert!(ran.failure().message.contains("recursion"), "{}", ran.words());
    assert_eq!(ran.failure().backtrace.len(), 64.min(ran.failure().backtrace.len()));
    assert_serves();
}

#[test]
fn h_015_a_memory_bomb_ends_with_what_it_asked_had_and_may_have() {
    let ran = run(attempt("memory_bomb", 0));
    assert_snapshot!(ran.words(), @"memory: out of memory: asked 258 MiB, cap 256 MiB, peak 241 MiB");
    assert!(ran.usage.memory_bytes_peak <= 256 * MIB);
    assert_serves();
}

#[test]
fn h_015_a_guest_that_is_refused_memory_may_go_on() {
    let mut attempt = attempt("memory_grow_loop", 0);
    attempt.limits.memory_bytes_max = 32 * MIB;
    let ran = run(attempt);
    let pages = ran.number();
    assert!(pages > 0 && pages * 64 * 1024 <= 32 * MIB, "{pages}");
    assert!(ran.usage.memory_bytes_peak <= 32 * MIB);
}

#[test]
fn f4_a_guest_whose_first_memory_is_over_its_cap_does_not_start() {
    let mut attempt = attempt("add_one", 0);
    attempt.limits.memory_bytes_max = MIB;
    let ran = run(attempt);
    assert_eq!(ran.failure().kind, FailureKind::Memory);
    assert_snapshot!(ran.words(), @"memory: out of memory: asked 1.6 MiB, cap 1 MiB, peak 0 bytes");
}

/// How a library ends whose core module holds those items and is instantiated so many times.
fn outcome(items: &str, instances: usize) -> String {
    let module = format!("(core module $big {items})");
    let more = "(core instance (instantiate $big))".repeat(instances);
    let text = format!("(component {module} {more} {})", kit::LIBRARY);
    let artefact = kit::sandbox().compile(&wat::parse_str(text).unwrap()).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), artefact).unwrap();
    match kit::sandbox().load(file.path()) {
        Err(cofferdam_sandbox::Error::Load { reason, .. }) => reason,
        Err(error) => panic!("{error}"),
        Ok(library) => run_with(&library, attempt("any", 0), Record::default()).words(),
    }
}

#[test]
fn h_016_a_first_memory_or_table_over_the_caps_does_not_start() {
    assert_snapshot!(outcome("(memory 65536)", 1), @"memory: out of memory: asked 4 GiB, cap 256 MiB, peak 0 bytes");
    let words = outcome("(table 10000000 funcref)", 1);
    assert!(words.contains("table"), "{words}");
    let words = outcome("(memory 1)", 20);
    assert!(words.contains("memories"), "{words}");
    assert_serves();
}

#[test]
fn h_017_memories_each_under_the_cap_are_refused_at_their_sum() {
    assert_snapshot!(outcome("(memory 1600)", 3), @"memory: out of memory: asked 300 MiB, cap 256 MiB, peak 200 MiB");
    assert_snapshot!(outcome("(table 60000 funcref)", 2), @"memory: out of table space: asked 120000 elements, cap 100000");
}

#[test]
fn h_018_many_core_instances_are_refused() {
    assert_snapshot!(outcome("(func)", 100), @"The component transitively contains 101 core module instances, which exceeds the configured maximum of 64 in the pooling allocator");
}

#[test]
fn h_022_no_leftovers_of_ten_thousand_earlier_instances_are_found() {
    for n in 0..10_000 {
        if n % 100 == 0 {
            let mut killed = attempt("memory_bomb", 0);
            killed.limits.memory_bytes_max = 40 * MIB;
            assert!(run(killed).result.is_err());
            assert!(run(attempt("panic", 0)).result.is_err());
        }
        assert_eq!(run(attempt("scratch", 0)).bytes(), [0; 16], "after {n} instances");
    }
}

#[test]
fn h_024_a_huge_string_is_refused_before_it_is_copied() {
    let ran = run(attempt("huge_log", 200 * MIB));
    assert_snapshot!(ran.words(), @"host-calls: handed over more than 16 MiB in one call into the host");
    assert!(ran.record.lines.is_empty());
    assert_serves();
}

#[test]
fn handles_are_bounded() {
    let held = run(attempt("handles_flood", 0)).number();
    assert!((9_000..10_000).contains(&held), "{held}");
}

#[test]
fn h_036_a_huge_error_is_cut() {
    let ran = run(attempt("huge_error", 0));
    let failure = ran.failure();
    assert!(failure.message.len() <= MESSAGE_BYTES_MAX && failure.message.ends_with("bytes cut]"));
    assert!(failure.causes.len() <= 32);
    assert!(failure.causes.iter().all(|cause| cause.len() <= MESSAGE_BYTES_MAX));
    assert_eq!(failure.retry, RetryAdvice::After(cofferdam_model::RETRY_DELAY_MAX));
    let panic = run(attempt("huge_panic", 0));
    let failure = panic.failure();
    assert!(failure.causes.iter().all(|cause| cause.len() <= MESSAGE_BYTES_MAX + 8));
    assert!(failure.backtrace.len() <= 64 && failure.backtrace.iter().all(|frame| frame.len() <= 256));
}

#[test]
fn h_040_a_flood_of_log_lines_is_cut_and_counted() {
    for op in ["log_flood", "stdout_flood"] {
        let ran = run(attempt(op, 25_000));
        assert!(ran.result.is_ok(), "{op}");
        assert_eq!(ran.usage.log_lines_dropped, 15_000, "{op}");
        assert_eq!(ran.record.lines.len(), 10_001, "{op}");
        let last = ran.record.lines.last().unwrap();
        assert_eq!(last.source, LogSource::Host);
        assert_eq!(last.message, "15000 log lines dropped: the limit of this attempt is reached");
        assert_eq!(ran.record.lines[9_999].message, "line 9999");
    }
}

#[test]
fn h_040_a_line_without_an_end_is_cut_into_lines_and_bounded_in_bytes() {
    let ran = run(attempt("long_line", 16 * MIB));
    assert!(ran.record.lines.iter().all(|line| line.message.len() <= 16 * 1024));
    let kept: usize = ran.record.lines.iter().map(|line| line.message.len()).sum();
    assert!(kept <= 8 * MIB as usize + 100, "{kept}");
    assert_eq!(ran.usage.log_lines_dropped, 512);
}

#[test]
fn h_044_output_bombs_end_at_their_limits() {
    let mut inline = attempt("output_bomb", 2 * MIB);
    inline.limits.output_bytes_max = MIB;
    assert_snapshot!(run(inline).words(), @"output-limit: returned more than 1 MiB of outputs");

    let mut streamed = attempt("output_stream_bomb", 0);
    streamed.limits.output_bytes_max = 10 * MIB;
    let ran = run(streamed);
    assert_snapshot!(ran.words(), @"output-limit: wrote more than 10 MiB of outputs");
    assert_eq!(ran.record.written.values().next(), Some(&(10 * MIB, false)), "nothing more was stored");

    assert_snapshot!(run(attempt("output_bomb", 20 * MIB)).words(), @"output-limit: returned more than 16 MiB at once; write large outputs through a writer");
    assert_serves();
}

#[test]
fn h_045_an_output_that_breaks_the_description_is_a_failure() {
    let words = |op| {
        let ran = run(attempt(op, 0));
        assert_eq!(ran.failure().retry, RetryAdvice::Never);
        ran.words()
    };
    assert_snapshot!(words("undeclared_output"), @"output-spec: returned an output `other` that the op does not declare; it declares `result`, `parts`");
    assert_snapshot!(words("doubled_output"), @"output-spec: returned output `result` twice");
    assert_snapshot!(words("keyed_output"), @"output-spec: gave output `result` the key `k`, but it is not dynamic");
    assert_snapshot!(words("no_key"), @"output-spec: gave no key to a value of the dynamic output `parts`");
    assert_snapshot!(words("guessed_writer"), @"output-spec: output `result` names the stored value 0, which no writer of this attempt finished or which another output has already named");

    let mut missing = attempt("missing_output", 0);
    missing.outputs = vec![declared("result", true, false)];
    assert_snapshot!(run(missing).words(), @"output-spec: did not return its required output `result`");

    let mut typed = attempt("output_bomb", 1);
    typed.outputs[0].media_type = "text/csv".into();
    assert_snapshot!(run(typed).words(), @"output-spec: output `result` is of the type `application/octet-stream`, declared is `text/csv`");
}

#[test]
fn a_hostile_output_name_is_refused_and_printed_harmlessly() {
    assert_snapshot!(run(attempt("hostile_name", 0)).words(), @r"output-spec: returned an output `../../x\u{202e}\0` that the op does not declare; it declares `result`, `parts`");
}

#[test]
fn h_047_hostile_and_doubled_mapping_keys_are_refused() {
    let ran = run(attempt("bad_key", 0));
    assert_snapshot!(ran.words(), @"output-spec: gave the dynamic output `parts` the key `../../etc/passwd`");
    assert_snapshot!(ran.failure().causes[0], @"`.` is not allowed in a name; use letters, digits and `_`");
    assert_snapshot!(run(attempt("doubled_key", 0)).words(), @"output-spec: returned the key `a_b` of output `parts` twice");
    assert_snapshot!(run(attempt("dynamic", 10_001)).words(), @"output-limit: returned 10001 outputs, at most 10000 are allowed");
    assert!(run(attempt("dynamic", 10_000)).result.is_ok());
}

#[test]
fn h_048_metadata_is_bounded() {
    let metadata = run(attempt("metadata_flood", 0)).result.unwrap().metadata;
    assert_eq!(metadata.len(), METADATA_ENTRIES_MAX + 1);
    assert_eq!(metadata.last().unwrap().value, MetadataValue::Integer(500), "the dropped ones are counted");
    let MetadataValue::Text(text) = &metadata[0].value else { panic!("text stays text") };
    assert!(text.len() <= 64 * 1024 && text.ends_with("bytes cut]"));
    assert_eq!(metadata[1].value, MetadataValue::Text("1048576 bytes of JSON, too many to keep".into()));
    assert_eq!(metadata[2].value, MetadataValue::Text("inf".into()));
}

#[test]
fn h_051_a_storm_of_progress_is_merged() {
    let ran = run(attempt("progress_flood", 0));
    let seconds = ran.usage.wall_us as usize / 1_000_000;
    assert!(ran.record.progress.len() <= 2 * seconds + 3, "{}", ran.record.progress.len());
    assert_eq!(ran.record.progress.last().unwrap().done, 99_999, "the last one comes through");
}

#[test]
fn h_053_environment_arguments_and_files_are_empty() {
    // A canary that a leak would show; cargo sets more of them for every test.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    assert_snapshot!(run(attempt("read_env", 0)).text(), @"[] [] true true Ok(0)");
}

#[test]
fn h_057_stdin_is_at_its_end_and_stdout_is_bounded() {
    assert!(run(attempt("read_env", 0)).text().ends_with("Ok(0)"));
    let ran = run(attempt("stdout_flood", 12_000));
    assert_eq!(ran.usage.log_lines_dropped, 2_000);
}

#[test]
fn h_058_random_bytes_are_bounded_per_call() {
    assert_snapshot!(run(attempt("random_bomb", 0)).words(), @"host-calls: asked for 1099511627776 random bytes at once, at most 65536 are given");
    assert_serves();
}

#[test]
fn h_023_calls_into_the_host_are_bounded() {
    let mut attempt = attempt("calls_flood", 0);
    attempt.limits.host_calls_max = 100_000;
    let ran = run(attempt);
    assert_snapshot!(ran.words(), @"host-calls: made more than 100000 calls into the host");
    assert_eq!(ran.usage.host_calls, 100_001);
}

#[test]
fn f10_what_comes_out_of_an_op_is_capped_by_default_and_each_cap_has_a_kind_of_its_own() {
    let ended = |op: &str, number: u64, limits: &dyn Fn(&mut Limits)| {
        let mut attempt = attempt(op, number);
        // Nobody has set any of them.
        assert_eq!(attempt.limits.output_bytes_max, Limits::default().output_bytes_max);
        assert_eq!(attempt.limits.host_calls_max, Limits::default().host_calls_max);
        limits(&mut attempt.limits);
        run(attempt)
    };
    let kind = |ran: &Ran| ran.failure().kind;
    for (op, amount) in [("log_flood", 25_000), ("stdout_flood", 25_000), ("long_line", 16 * MIB)] {
        let ran = ended(op, amount, &|_| {});
        assert!(ran.result.is_ok() && ran.usage.log_lines_dropped > 0, "{op}: a flood is cut, and goes on");
    }
    let fewer_calls = |limits: &mut Limits| limits.host_calls_max = 1000;
    let fewer_bytes = |limits: &mut Limits| limits.output_bytes_max = MIB;
    let by = [
        ("dynamic", kind(&ended("dynamic", 10_001, &|_| {})), FailureKind::OutputLimit),
        ("output_bomb", kind(&ended("output_bomb", 20 * MIB, &|_| {})), FailureKind::OutputLimit),
        ("output_stream_bomb", kind(&ended("output_stream_bomb", 0, &fewer_bytes)), FailureKind::OutputLimit),
        ("calls_flood", kind(&ended("calls_flood", 0, &fewer_calls)), FailureKind::HostCalls),
        ("random_bomb", kind(&ended("random_bomb", 0, &|_| {})), FailureKind::HostCalls),
    ];
    for (op, found, expected) in by {
        assert_eq!(found, expected, "{op}");
    }
    let defaults = Limits::default();
    assert!(defaults.output_bytes_max < u64::MAX && defaults.host_calls_max < u64::MAX);
}

#[test]
fn h_061_only_a_returned_completion_is_success() {
    assert_snapshot!(run(attempt("exit", 0)).words(), @"trap: exited with code 0 instead of returning a result");
    assert_snapshot!(run(attempt("abort", 0)).words(), @"trap: panicked or aborted (`unreachable` executed)");
    assert_serves();
}

#[test]
fn a_panic_shows_its_message_and_the_guests_frames() {
    let ran = run(attempt("panic", 0));
    assert_snapshot!(ran.words(), @"trap: panicked or aborted (`unreachable` executed)");
    let causes = ran.failure().causes.join("\n");
    assert!(causes.contains("the dam breaks"), "{causes}");
    let frames = &ran.failure().backtrace;
    let said = |part: &str| frames.iter().any(|frame| frame.contains(part));
    assert!(said("behaviours/src/bad.rs:") && said("behaviours/src/lib.rs:"), "{frames:#?}");
    assert!(said("<behaviours::Behaviours as"), "{frames:#?}");
    assert!(frames.iter().all(|frame| !frame.contains("wasmtime")), "{frames:#?}");
}

#[test]
fn a_wild_pointer_is_a_trap() {
    assert_snapshot!(run(attempt("wild_pointer", 0)).words(), @"trap: reached outside its memory (a wild pointer, or recursion that is too deep)");
    assert_serves();
}

#[test]
fn an_attempt_without_a_timeout_runs_on() {
    let mut attempt = attempt("add_one", 1);
    attempt.limits.timeout = None;
    assert_eq!(run(attempt).number(), 2);
}

/// An attempt with that number as its config.
fn with(op: &str, number: u64) -> Ran {
    run(attempt(op, number))
}

/// The host refuses what the call carries, and the attempt ends by that.
fn is_refused(op: &str, number: u64) -> String {
    let ran = with(op, number);
    let words = ran.words();
    assert!(ran.result.is_err(), "{op} {number}: {words}");
    assert!(ran.record.lines.is_empty(), "{op} {number}: nothing of it came through");
    words
}

#[test]
fn h_003_an_allocator_that_never_returns_while_the_host_uses_it_ends_at_the_timeout() {
    const SPIN: u64 = 1;
    const SPIN_AT_FREE: u64 = 4;
    let short = |op: &str, number: u64| {
        let mut attempt = attempt(op, number);
        attempt.limits.timeout = Some(Duration::from_millis(200));
        let started = Instant::now();
        let ran = run(attempt);
        assert!(started.elapsed() < Duration::from_millis(1200), "{op} {number}: {:?}", started.elapsed());
        ran.words()
    };
    behaviours();
    assert_snapshot!(short("allocator", SPIN), @"timeout: ran longer than its timeout of 200 ms");
    // The first free is the op's own, those after it are what the host lets it clean up.
    let cleaned: Vec<String> =
        (0..6).map(|spared| short("after_return", SPIN_AT_FREE | spared << 8)).collect();
    let n_late = cleaned.iter().filter(|words| words.starts_with("timeout: ")).count();
    assert!(n_late >= 2, "{cleaned:#?}");
    assert_serves();
}

#[test]
fn h_005_filling_all_memory_with_one_instruction_holds_nobody_up() {
    let mut attempt = attempt("fill_storm", 200 * MIB);
    attempt.limits.timeout = Some(Duration::from_millis(500));
    behaviours();
    let started = Instant::now();
    assert_snapshot!(run(attempt).words(), @"timeout: ran longer than its timeout of 500 ms");
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
    assert_serves();
}

#[test]
fn h_008_storms_of_calls_and_branches_end_at_the_timeout() {
    for storm in [
        "(func $spin (return_call $spin)) (start $spin)",
        "(func $spin (loop (br_table 0 0 0 0 (i32.const 7)))) (start $spin)",
        "(table 1 funcref) (elem (i32.const 0) $f) (func $f) (func $spin (loop (call_indirect (i32.const 0)) (br 0))) (start $spin)",
    ] {
        let text = kit::LIBRARY.replace("(core module $m", &format!("(core module $m {storm}"));
        let library = kit::load(kit::sandbox(), &wat::parse_str(format!("(component {text})")).unwrap());
        let mut attempt = attempt("any", 0);
        attempt.limits.timeout = Some(Duration::from_millis(100));
        let started = Instant::now();
        assert_eq!(
            run_with(&library, attempt, Record::default()).words(),
            "timeout: ran longer than its timeout of 100 ms",
            "{storm}"
        );
        assert!(started.elapsed() < Duration::from_millis(1100), "{:?}", started.elapsed());
    }
    assert_serves();
}

#[test]
fn h_012_a_sleep_of_a_year_holds_no_thread_and_no_slot() {
    behaviours();
    let started = Instant::now();
    assert_eq!(with("sleep_a_year", 0).text(), "31536000");
    assert!(started.elapsed() < Duration::from_secs(1), "a guest's time is its own");
}

#[test]
fn h_013_sleeps_of_no_time_and_of_all_there_is_are_taken() {
    assert_eq!(with("sleep_for_ever", 0).text(), "slept");
    assert_serves();
}

#[test]
fn h_025_a_list_of_a_million_empty_texts_is_refused_before_it_is_taken_over() {
    assert_snapshot!(is_refused("raw_fields", 1_000_000));
    assert!(with("raw_fields", 10).result.is_ok());
    assert_serves();
}

#[test]
fn h_026_pointers_and_lengths_outside_of_memory_are_refused() {
    let refused =
        ["raw_pointer", "raw_length", "raw_misaligned"].map(|op| format!("{op}: {}", is_refused(op, 0)));
    assert_snapshot!(refused.join("\n"));
    assert_serves();
}

#[test]
fn h_027_what_is_no_text_is_refused_and_strange_texts_come_out_as_they_went_in() {
    let refused: Vec<String> = (0..5).map(|number| is_refused("raw_text", number)).collect();
    assert_snapshot!(refused.join("\n"));
    for (number, text) in [(5, "\u{feff}a\0b"), (6, "\u{10ffff}\u{202e}")] {
        let ran = with("raw_text", number);
        assert_eq!(ran.record.lines[0].message, text);
    }
    assert_serves();
}

#[test]
fn h_028_a_level_that_there_is_not_is_refused() {
    assert!(with("raw_level", 4).result.is_ok());
    for level in [5, 77, 0xff, 0xffff_ffff] {
        assert!(is_refused("raw_level", level).contains("discriminant"), "{level}");
    }
}

#[test]
fn h_029_guessed_dropped_and_mistaken_handles_are_refused() {
    let guesses = (0..64).chain([100, 255, 1000, 65_535, 1_000_000, 0x7fff_ffff, 0xffff_ffff]);
    for guess in guesses {
        is_refused("raw_reader", guess);
        is_refused("raw_drop", guess);
    }
    for op in ["raw_after_drop", "raw_double_drop", "raw_other_type"] {
        is_refused(op, 0);
    }
    assert_serves();
}

#[test]
fn h_030_handles_may_be_used_again_and_again() {
    let mut churn = attempt("handles_churn", 200_000);
    churn.limits.host_calls_max = 1_000_000;
    assert_eq!(run(churn).text(), "churned");
}

#[test]
fn h_033_an_allocator_that_points_outside_or_nowhere_ends_its_attempt() {
    const OUTSIDE: u64 = 2;
    const NOTHING: u64 = 3;
    let ended = [OUTSIDE, NOTHING].map(|mode| is_refused("allocator", mode));
    assert_snapshot!(ended.join("\n"));
    assert_serves();
}

#[test]
fn h_035_a_call_into_the_host_after_the_result_is_refused() {
    const CALL_AT_FREE: u64 = 5;
    let ended: Vec<Ran> = (0..6).map(|spared| with("after_return", CALL_AT_FREE | spared << 8)).collect();
    let words: Vec<String> = ended.iter().map(Ran::words).collect();
    assert!(words.iter().any(|words| words.contains("cannot leave component instance")), "{words:#?}");
    assert_serves();
}

#[test]
fn h_054_no_file_of_the_host_can_be_reached() {
    assert!(std::fs::read("/etc/passwd").is_ok(), "it is there");
    assert_eq!(with("open_files", 0).text(), "[]");
}

#[test]
fn h_059_a_guest_measures_nothing_finer_than_a_millisecond() {
    // Each reading moves its own clock by one, whatever time has passed.
    assert_snapshot!(with("read_clock", 0).text(), @"946684800001 [1000, 2000, 3000]");
}

#[test]
fn h_089_what_custom_sections_say_is_cut_before_anybody_sees_it() {
    // A name of some megabytes on the function that traps.
    let name = "x".repeat(4 * 1024 * 1024);
    let text = format!(
        "(component (core module $m (func ${name} (export \"f\") unreachable)) (core instance $i (instantiate $m)) \
         (func (export \"f\") (canon lift (core func $i \"f\"))))"
    );
    let ran = run_with(
        &kit::load(kit::sandbox(), &wat::parse_str(text).unwrap()),
        attempt("f", 0),
        Record::default(),
    );
    assert_eq!(ran.failure().kind, FailureKind::Trap);
    let frames = &ran.failure().backtrace;
    assert!(!frames.is_empty() && frames.iter().all(|frame| frame.len() <= 256), "{}", frames[0].len());
    assert_serves();
}
