//! Ops that do not.

use std::hint::black_box;

use crate::cofferdam::op::context::{self, Level};
use crate::cofferdam::op::types::{Content, Failure, Invocation, MetadataValue, RetryAdvice};
use crate::cofferdam::op::values;
use crate::{Op, Ran, done, entry, failed, number, output, result};

#[link(wasm_import_module = "wasi:random/random@0.2.6")]
unsafe extern "C" {
    #[link_name = "get-random-bytes"]
    fn get_random_bytes(count: u64, into: *mut [u32; 2]);
}

pub const OPS: &[Op] = &[
    Op {
        name: "spin",
        run: |_| loop {
            black_box(0);
        },
    },
    Op { name: "memory_bomb", run: memory_bomb },
    Op { name: "memory_grow_loop", run: memory_grow_loop },
    Op { name: "deep_recursion", run: |invocation| result(dig(number(&invocation)).to_le_bytes()) },
    Op { name: "panic", run: |_| panic!("the dam breaks") },
    Op { name: "wild_pointer", run: wild_pointer },
    Op { name: "exit", run: |_| std::process::exit(0) },
    Op { name: "abort", run: |_| std::process::abort() },
    Op { name: "log_flood", run: log_flood },
    Op { name: "stdout_flood", run: stdout_flood },
    Op { name: "long_line", run: long_line },
    Op { name: "huge_log", run: huge_log },
    Op { name: "output_bomb", run: output_bomb },
    Op { name: "output_stream_bomb", run: output_stream_bomb },
    Op { name: "undeclared_output", run: |_| done(vec![output("other", None, vec![])]) },
    Op {
        name: "doubled_output",
        run: |_| done(vec![output("result", None, vec![]), output("result", None, vec![])]),
    },
    Op { name: "missing_output", run: |_| done(vec![]) },
    Op { name: "keyed_output", run: |_| done(vec![output("result", Some("k"), vec![])]) },
    Op { name: "bad_key", run: |_| done(vec![output("parts", Some("../../etc/passwd"), vec![])]) },
    Op { name: "no_key", run: |_| done(vec![output("parts", None, vec![])]) },
    Op {
        name: "doubled_key",
        run: |_| done(vec![output("parts", Some("a-b"), vec![]), output("parts", Some("a_b"), vec![])]),
    },
    Op { name: "hostile_name", run: |_| done(vec![output("../../x\u{202e}\0", None, vec![])]) },
    Op { name: "guessed_writer", run: guessed_writer },
    Op { name: "huge_error", run: huge_error },
    Op { name: "huge_panic", run: |_| panic!("{}", "x".repeat(1024 * 1024)) },
    Op { name: "metadata_flood", run: metadata_flood },
    Op { name: "random_bomb", run: random_bomb },
    Op {
        name: "calls_flood",
        run: |_| loop {
            context::remaining_ms();
        },
    },
    Op { name: "handles_flood", run: handles_flood },
    Op { name: "progress_flood", run: progress_flood },
];

/// Takes memory until there is no more; Rust aborts then.
fn memory_bomb(_: Invocation) -> Ran {
    let mut hoard = vec![];
    loop {
        hoard.push(black_box(vec![1_u8; 16 * 1024 * 1024]));
    }
}

/// Takes memory until it is refused, and goes on: how many pages it got.
fn memory_grow_loop(_: Invocation) -> Ran {
    let mut pages = 0_u64;
    while core::arch::wasm32::memory_grow::<0>(16) != usize::MAX {
        pages += 16;
    }
    result(pages.to_le_bytes())
}

#[expect(unconditional_recursion, reason = "that is the point")]
#[inline(never)]
fn dig(n: u64) -> u64 {
    black_box(dig(black_box(n) + 1)) + 1
}

fn wild_pointer(_: Invocation) -> Ran {
    result(unsafe { black_box(0xF000_0000 as *const u8).read_volatile() }.to_le_bytes())
}

/// As many lines as the config says.
fn log_flood(invocation: Invocation) -> Ran {
    for n in 0..number(&invocation) {
        context::log(Level::Info, &format!("line {n}"), &[]);
    }
    done(vec![])
}

fn stdout_flood(invocation: Invocation) -> Ran {
    for n in 0..number(&invocation) {
        println!("line {n}");
    }
    done(vec![])
}

/// As many bytes as the config says, without a newline.
fn long_line(invocation: Invocation) -> Ran {
    use std::io::Write;
    let mut stdout = std::io::stdout();
    for _ in 0..number(&invocation) / 1024 {
        stdout.write_all(&[b'x'; 1024]).expect("stdout takes all");
        stdout.flush().expect("stdout takes all");
    }
    done(vec![])
}

/// One message of as many bytes as the config says.
fn huge_log(invocation: Invocation) -> Ran {
    context::log(Level::Info, &"y".repeat(number(&invocation) as usize), &[]);
    done(vec![])
}

/// One inline output of as many bytes as the config says.
fn output_bomb(invocation: Invocation) -> Ran {
    result(vec![0; number(&invocation) as usize])
}

fn output_stream_bomb(_: Invocation) -> Ran {
    let writer = values::create().map_err(|error| failed(&format!("{error:?}")))?;
    loop {
        let _ = writer.write(&[0; 256 * 1024]);
    }
}

/// Names a stored value that it never wrote.
fn guessed_writer(_: Invocation) -> Ran {
    let mut one = output("result", None, vec![]);
    one.value.content = Content::Stored(0);
    done(vec![one])
}

fn huge_error(_: Invocation) -> Ran {
    Err(Failure {
        message: "m".repeat(1024 * 1024),
        causes: vec!["c".repeat(100_000); 100],
        retry: RetryAdvice::After(u64::MAX),
        metadata: vec![],
    })
}

fn metadata_flood(_: Invocation) -> Ran {
    for n in 0..1500 {
        context::add_metadata(&[entry(&format!("n{n}"), MetadataValue::Integer(n))]);
    }
    context::add_metadata(&[
        entry("n0", MetadataValue::Text("t".repeat(1024 * 1024))),
        entry("n1", MetadataValue::Json("[".repeat(1024 * 1024))),
        entry("n2", MetadataValue::Number(f64::INFINITY)),
    ]);
    done(vec![])
}

fn random_bomb(_: Invocation) -> Ran {
    let mut list = [0; 2];
    unsafe { get_random_bytes(1 << 40, &mut list) };
    result(black_box(list)[1].to_le_bytes())
}

fn handles_flood(_: Invocation) -> Ran {
    let mut writers = vec![];
    loop {
        match values::create() {
            Ok(writer) => writers.push(writer),
            Err(error) => {
                let held = writers.len() as u64;
                return if matches!(error, values::ValueError::Limit) {
                    result(held.to_le_bytes())
                } else {
                    Err(failed("another error"))
                };
            }
        }
    }
}

fn progress_flood(_: Invocation) -> Ran {
    for n in 0..100_000 {
        context::progress(n, Some(99_999), "on we go");
    }
    done(vec![])
}
