//! Ops that keep to the rules.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant, SystemTime};

use crate::cofferdam::op::context;
use crate::cofferdam::op::types::{
    Content, Failure, InputValue, Invocation, MetadataValue, Output, RetryAdvice, Value,
};
use crate::cofferdam::op::values;
use crate::{Op, Ran, done, entry, failed, first, number, output, result};

const CHUNK: u32 = 256 * 1024;

pub const OPS: &[Op] = &[
    Op { name: "echo", run: echo },
    Op { name: "add_one", run: |invocation| result((number(&invocation) + 1).to_le_bytes()) },
    Op { name: "inputs", run: inputs },
    Op { name: "dynamic", run: dynamic },
    Op { name: "nothing", run: |_| done(vec![]) },
    Op { name: "fail", run: fail },
    Op { name: "flaky_until", run: flaky_until },
    Op { name: "read_large", run: read_large },
    Op { name: "write_large", run: write_large },
    Op { name: "read_env", run: read_env },
    Op { name: "read_clock", run: read_clock },
    Op { name: "sleep_a_year", run: sleep_a_year },
    Op { name: "random", run: random },
    Op { name: "who", run: who },
    Op { name: "say", run: say },
    Op { name: "metadata", run: metadata },
    Op { name: "scratch", run: scratch },
    Op { name: "count", run: count },
];

fn echo(invocation: Invocation) -> Ran {
    let value = first(&invocation).cloned().ok_or_else(|| failed("no value to echo"))?;
    match value.content {
        Content::Bytes(_) => done(vec![Output { name: "result".into(), key: None, value, metadata: vec![] }]),
        Content::Stored(_) => Err(failed("echo takes small values")),
    }
}

/// Says what came in, one line per value.
fn inputs(invocation: Invocation) -> Ran {
    let mut text = String::new();
    let mut line = |name: &str, key: Option<&str>, value: &Value| {
        let content = match &value.content {
            Content::Bytes(bytes) => format!("{} bytes", bytes.len()),
            Content::Stored(number) => format!("stored {number}"),
        };
        text.push_str(&format!("{name} {key:?} {} {content}\n", value.media_type));
    };
    for input in &invocation.inputs {
        match &input.value {
            InputValue::One(value) => line(&input.name, None, value),
            InputValue::Many(elements) => {
                for element in elements {
                    line(&input.name, element.key.as_deref(), &element.value);
                }
            }
        }
    }
    result(text)
}

/// As many keys as the config says.
fn dynamic(invocation: Invocation) -> Ran {
    done((0..number(&invocation)).map(|n| output("parts", Some(&format!("k{n}")), vec![1])).collect())
}

/// 0: as the policy says; 1: never; more: after that many milliseconds.
fn fail(invocation: Invocation) -> Ran {
    let retry = match number(&invocation) {
        0 => RetryAdvice::Policy,
        1 => RetryAdvice::Never,
        millis => RetryAdvice::After(millis),
    };
    Err(Failure {
        message: "the file has no header".into(),
        causes: vec!["while reading line 1".into()],
        retry,
        metadata: vec![entry("line", MetadataValue::Integer(1))],
    })
}

fn flaky_until(invocation: Invocation) -> Ran {
    let attempt = context::attempt().attempt;
    if u64::from(attempt) < number(&invocation) {
        return Err(failed(&format!("not yet: attempt {attempt}")));
    }
    result(attempt.to_le_bytes())
}

/// Sum of the bytes of a stored input.
fn read_large(invocation: Invocation) -> Ran {
    let value = first(&invocation).ok_or_else(|| failed("no input"))?;
    let Content::Stored(stored) = value.content else { return Err(failed("not stored")) };
    let reader = values::open(stored).map_err(|error| failed(&format!("{error:?}")))?;
    let (mut offset, mut sum) = (0, 0_u64);
    loop {
        let bytes = reader.read(offset, CHUNK).map_err(|error| failed(&format!("{error:?}")))?;
        if bytes.is_empty() {
            break;
        }
        offset += bytes.len() as u64;
        sum += bytes.iter().map(|byte| u64::from(*byte)).sum::<u64>();
    }
    assert_eq!(offset, reader.size());
    result(sum.to_le_bytes())
}

/// As many bytes as the config says, through a writer.
fn write_large(invocation: Invocation) -> Ran {
    let writer = values::create().map_err(|error| failed(&format!("{error:?}")))?;
    let mut left = number(&invocation);
    while left > 0 {
        let now = left.min(u64::from(CHUNK));
        writer.write(&vec![7; now as usize]).map_err(|error| failed(&format!("{error:?}")))?;
        left -= now;
    }
    let stored = writer.finish().map_err(|error| failed(&format!("{error:?}")))?;
    let again = writer.finish();
    assert!(matches!(again, Err(values::ValueError::Finished)));
    let mut one = output("result", None, vec![]);
    one.value.content = Content::Stored(stored);
    done(vec![one])
}

fn read_env(_: Invocation) -> Ran {
    let variables: Vec<_> = std::env::vars().collect();
    let arguments: Vec<_> = std::env::args().collect();
    let file = std::fs::read("/etc/passwd").map(|bytes| bytes.len()).map_err(|error| error.kind());
    let root = std::fs::read_dir("/").map(|_| ()).map_err(|error| error.kind());
    let mut line = String::new();
    let stdin = std::io::stdin().read_line(&mut line).map_err(|error| error.kind());
    result(format!("{variables:?} {arguments:?} {} {} {stdin:?}", file.is_err(), root.is_err()))
}

/// Wall clock in milliseconds since 1970, then the steps of the monotonic one.
fn read_clock(_: Invocation) -> Ran {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    let start = Instant::now();
    let steps: Vec<_> = (0..3).map(|_| start.elapsed().as_micros()).collect();
    result(format!("{} {steps:?}", wall.as_millis()))
}

fn sleep_a_year(_: Invocation) -> Ran {
    let start = Instant::now();
    std::thread::sleep(Duration::from_secs(365 * 24 * 3600));
    result(format!("{}", start.elapsed().as_secs()))
}

/// Random as std gives it: the order of a hash map.
fn random(_: Invocation) -> Ran {
    let map: HashMap<u32, ()> = (0..100).map(|n| (n, ())).collect();
    result(map.keys().flat_map(|n| n.to_le_bytes()).collect::<Vec<u8>>())
}

fn who(_: Invocation) -> Ran {
    let info = context::attempt();
    let remaining = context::remaining_ms().is_some();
    result(format!(
        "{} {} {} {} {:?} {:?} {remaining}",
        info.run_id, info.step_key, info.attempt, info.idempotency_key, info.partition, info.tags
    ))
}

/// Uses every way to say something.
fn say(_: Invocation) -> Ran {
    println!("to stdout");
    eprint!("to stderr, ");
    eprintln!("in two pieces");
    context::log(context::Level::Info, "to the log", &[("rows".into(), "5".into())]);
    context::progress(1, Some(3), "one");
    context::progress(2, Some(3), "two");
    context::progress(3, Some(3), "three");
    print!("without an end");
    std::io::stdout().flush().expect("stdout takes all");
    done(vec![])
}

fn metadata(_: Invocation) -> Ran {
    context::add_metadata(&[
        entry("rows", MetadataValue::Integer(1)),
        entry("rate", MetadataValue::Number(f64::NAN)),
        entry("rows", MetadataValue::Integer(2)),
    ]);
    done(vec![])
}

/// Leaves a mark in memory, after it has looked for the marks of others.
fn scratch(_: Invocation) -> Ran {
    static MARK: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let found = MARK.swap(0xC0FF_EE00_C0FF_EE00, std::sync::atomic::Ordering::SeqCst);
    // Fresh memory past the heap: what an earlier instance wrote there must be gone.
    let fresh = core::arch::wasm32::memory_grow::<0>(4);
    let pages = unsafe { std::slice::from_raw_parts_mut((fresh * 65536) as *mut u8, 4 * 65536) };
    let dirty = pages.iter().filter(|byte| **byte != 0).count() as u64;
    pages.fill(0xAA);
    result([found.to_le_bytes(), dirty.to_le_bytes()].concat())
}

/// Work of a known length, for fuel.
fn count(invocation: Invocation) -> Ran {
    let mut sum = 0_u64;
    for n in 0..number(&invocation) {
        sum = std::hint::black_box(sum.wrapping_mul(31).wrapping_add(n));
    }
    result(sum.to_le_bytes())
}
