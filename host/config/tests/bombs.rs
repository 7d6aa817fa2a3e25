//! Run configs that would grow: refused within a budget of time and memory. A program of its own, because it
//! measures its memory, as Linux tells it.
#![cfg(target_os = "linux")]

use std::sync::Mutex;
use std::time::Duration;

use cofferdam_config::{Texts, read_run_config};

/// One at a time, so that each is measured by itself.
static ALONE: Mutex<()> = Mutex::new(());

const TIME_MAX: Duration = Duration::from_millis(100);
const MEMORY_KIB_MAX: u64 = 16 * 1024;

/// The most memory that this process ever had, in KiB.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// How long this thread has had a processor: other programs may have it in between.
fn processor_time() -> Duration {
    let schedstat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(schedstat.split_whitespace().next().unwrap().parse().unwrap())
}

/// Reads each text; it must be refused with that code, or accepted if there is none, within the budget.
fn within_budget(cases: &[(String, &str)]) {
    let _alone = ALONE.lock().unwrap();
    for (text, expect) in cases {
        let before = peak_kib();
        let read = || {
            let start = processor_time();
            let (_, found) = read_run_config(&mut Texts::default(), "run.yaml", text);
            (processor_time() - start, found)
        };
        let (first, found) = read();
        // The kernel sums the peak up from parts, not all at one instant: it may be told a little lower than before.
        let grown = peak_kib().saturating_sub(before);
        // Other programs may have emptied the caches: the best of three is what it takes.
        let took = first.min(read().0).min(read().0);
        let shown: String = text.chars().take(30).collect();
        assert_eq!(found.first().map_or("", |problem| problem.code), *expect, "{shown}");
        assert!(took < TIME_MAX, "{shown} took {took:?}");
        assert!(grown < MEMORY_KIB_MAX, "{shown} took {grown} KiB");
    }
}

#[test]
fn c_13_aliases_and_merge_keys_cannot_make_a_small_text_large() {
    let mut laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for n in 1..20 {
        let list = vec![format!("*a{}", n - 1); 9].join(",");
        laughs.push_str(&format!("a{n}: &a{n} [{list}]\n"));
    }
    let mut merges = "a0: &a0 {x: 1}\n".to_owned();
    for n in 1..20 {
        merges.push_str(&format!("a{n}: &a{n}\n  <<: [*a{0}, *a{0}]\n", n - 1));
    }
    within_budget(&[
        (laughs, "config::too-large"),
        (format!("a: &a x\nb: [{}]", vec!["*a"; 100_000].join(",")), "config::too-large"),
        (merges, "config::merge-key"),
        ("a: &a [*a]".to_owned(), "config::alias"),
    ]);
}

#[test]
fn c_14_depth_and_size_are_bounded() {
    let keys: String = (0..1_000_000).map(|at| format!("k{at}: 1\n")).collect();
    let fewer_keys: String = (0..60_000).map(|at| format!("k{at}: 1\n")).collect();
    within_budget(&[
        ("[".repeat(10_000), "config::too-deep"),
        ("{a: ".repeat(10_000), "config::too-deep"),
        ("- ".repeat(10_000), "config::too-deep"),
        (format!("a: {}", "x".repeat(1024 * 1024)), "config::not-text"),
        (format!("a: {}", "x".repeat(1024 * 1024 - 3)), ""),
        (keys, "config::not-text"),
        (fewer_keys, "config::too-large"),
    ]);
}
