//! Calls that no binding would make: pointers, lengths, discriminants and handles of the guest's own choice, and an
//! allocator that misbehaves while the host uses it.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cofferdam::op::context::{self, Level};
use crate::cofferdam::op::types::Invocation;
use crate::{Op, Ran, number, result};

#[link(wasm_import_module = "cofferdam:op/context@0.1.0")]
unsafe extern "C" {
    #[link_name = "log"]
    fn log(level: i32, message: *const u8, length: usize, fields: *const u8, n_fields: usize);
}

#[link(wasm_import_module = "cofferdam:op/values@0.1.0")]
unsafe extern "C" {
    #[link_name = "create"]
    fn create(into: *mut [u32; 2]);
    #[link_name = "[method]reader.size"]
    fn reader_size(reader: u32) -> u64;
    #[link_name = "[resource-drop]reader"]
    fn drop_reader(reader: u32);
    #[link_name = "[method]writer.finish"]
    fn writer_finish(writer: u32, into: *mut [u32; 2]);
    #[link_name = "[resource-drop]writer"]
    fn drop_writer(writer: u32);
}

pub const OPS: &[Op] = &[
    Op { name: "raw_level", run: |invocation| raw_log(number(&invocation) as i32, b"x", &[]) },
    Op { name: "raw_pointer", run: |_| raw_bytes(0xffff_fff0 as *const u8, 64) },
    Op { name: "raw_length", run: |_| raw_bytes(b"x".as_ptr(), usize::MAX) },
    Op { name: "raw_text", run: raw_text },
    Op { name: "raw_misaligned", run: raw_misaligned },
    Op {
        name: "raw_fields",
        run: |invocation| raw_log(2, b"x", &vec![0; 16 * number(&invocation) as usize]),
    },
    Op { name: "raw_reader", run: |invocation| raw(|| unsafe { reader_size(number(&invocation) as u32) }) },
    Op { name: "raw_drop", run: |invocation| raw(|| unsafe { drop_reader(number(&invocation) as u32) }) },
    Op { name: "raw_after_drop", run: raw_after_drop },
    Op { name: "raw_double_drop", run: raw_double_drop },
    Op { name: "raw_other_type", run: |_| raw(|| unsafe { reader_size(writer()) }) },
    Op { name: "handles_churn", run: handles_churn },
    Op { name: "allocator", run: misbehaving_allocator },
    Op { name: "after_return", run: after_return },
    Op { name: "fill_storm", run: fill_storm },
    Op { name: "sleep_for_ever", run: sleep_for_ever },
    Op { name: "open_files", run: open_files },
];

fn raw<T>(call: impl FnOnce() -> T) -> Ran {
    call();
    result("the host took it")
}

fn raw_bytes(message: *const u8, length: usize) -> Ran {
    raw(|| unsafe { log(2, message, length, std::ptr::null(), 0) })
}

fn raw_log(level: i32, message: &[u8], fields: &[u8]) -> Ran {
    // That of an empty list of bytes is aligned for bytes only.
    let pointer = if fields.is_empty() { std::ptr::null() } else { fields.as_ptr() };
    raw(|| unsafe { log(level, message.as_ptr(), message.len(), pointer, fields.len() / 16) })
}

/// Texts by number; the last ones are strange and legal.
fn raw_text(invocation: Invocation) -> Ran {
    let texts: [&[u8]; 7] = [
        b"\xff\xfe",
        b"\xed\xa0\x80",
        b"\xc0\x80",
        b"\xf4\x90\x80\x80",
        b"cut \xe2\x82",
        "\u{feff}a\0b".as_bytes(),
        "\u{10ffff}\u{202e}".as_bytes(),
    ];
    raw_log(2, texts[number(&invocation) as usize], &[])
}

fn raw_misaligned(_: Invocation) -> Ran {
    let fields = [0_u32; 8];
    raw(|| unsafe { log(2, b"x".as_ptr(), 1, fields.as_ptr().cast::<u8>().add(1), 1) })
}

fn writer() -> u32 {
    let mut made = [0; 2];
    unsafe { create(&raw mut made) };
    assert_eq!(made[0] & 0xff, 0, "the host makes a writer");
    made[1]
}

fn raw_after_drop(_: Invocation) -> Ran {
    let writer = writer();
    let mut into = [0; 2];
    raw(|| unsafe {
        drop_writer(writer);
        writer_finish(writer, &raw mut into);
    })
}

fn raw_double_drop(_: Invocation) -> Ran {
    let writer = writer();
    raw(|| unsafe {
        drop_writer(writer);
        drop_writer(writer);
    })
}

fn handles_churn(invocation: Invocation) -> Ran {
    for _ in 0..number(&invocation) {
        unsafe { drop_writer(writer()) };
    }
    result("churned")
}

/// What the allocator does: 0 as it should.
static MODE: AtomicU32 = AtomicU32::new(0);
const SPIN: u32 = 1;
const OUTSIDE: u32 = 2;
const NOTHING: u32 = 3;
const SPIN_AT_FREE: u32 = 4;
const CALL_AT_FREE: u32 = 5;
/// Frees that are still done as they should be.
static SPARED: AtomicU32 = AtomicU32::new(0);

/// Whether this free is one of those.
fn is_spared() -> bool {
    let left = SPARED.load(Ordering::Relaxed);
    SPARED.store(left.saturating_sub(1), Ordering::Relaxed);
    left > 0
}

struct Misbehaving;

#[global_allocator]
static ALLOCATOR: Misbehaving = Misbehaving;

fn spin() -> ! {
    loop {
        std::hint::black_box(0);
    }
}

unsafe impl GlobalAlloc for Misbehaving {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match MODE.load(Ordering::Relaxed) {
            SPIN => spin(),
            OUTSIDE => 0xffff_0000 as *mut u8,
            NOTHING => std::ptr::null_mut(),
            _ => unsafe { System.alloc(layout) },
        }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match MODE.load(Ordering::Relaxed) {
            SPIN_AT_FREE if !is_spared() => spin(),
            CALL_AT_FREE if !is_spared() => unsafe { log(2, b"late".as_ptr(), 4, std::ptr::null(), 0) },
            _ => unsafe { System.dealloc(pointer, layout) },
        }
    }
}

/// Asks the host for texts, which it puts where the allocator says.
fn misbehaving_allocator(invocation: Invocation) -> Ran {
    MODE.store(number(&invocation) as u32, Ordering::Relaxed);
    let attempt = context::attempt();
    MODE.store(0, Ordering::Relaxed);
    result(attempt.step_key)
}

/// Misbehaves when the host has taken the result and lets the guest clean up, or shortly before: the low byte says how,
/// the rest how many frees are spared.
fn after_return(invocation: Invocation) -> Ran {
    let asked = number(&invocation) as u32;
    let (mode, spared) = (asked & 0xff, asked >> 8);
    std::mem::forget(invocation);
    let returned = result("returned");
    SPARED.store(spared, Ordering::Relaxed);
    MODE.store(mode, Ordering::Relaxed);
    returned
}

/// Fills most of its memory again and again, with one instruction each time.
fn fill_storm(invocation: Invocation) -> Ran {
    let mut block = vec![1_u8; number(&invocation) as usize];
    loop {
        block.fill(2);
        std::hint::black_box(&mut block).fill(3);
    }
}

fn sleep_for_ever(_: Invocation) -> Ran {
    for time in [Duration::ZERO, Duration::from_nanos(u64::MAX), Duration::from_nanos(1)] {
        std::thread::sleep(time);
    }
    context::log(Level::Info, "slept", &[]);
    result("slept")
}

/// How many of the paths could be opened, read, made or listed.
fn open_files(_: Invocation) -> Ran {
    let mut reached = vec![];
    for path in [
        "/etc/passwd",
        "/proc/self/mem",
        "/proc/self/environ",
        "/",
        ".",
        "../../../../etc/passwd",
        "/dev/null",
        "identity.pem",
        "runlog.sqlite",
    ] {
        let tried = [
            std::fs::File::open(path).is_ok(),
            std::fs::read(path).is_ok(),
            std::fs::write(path, "x").is_ok(),
            std::fs::read_dir(path).is_ok(),
            std::fs::create_dir(path).is_ok(),
            std::fs::hard_link(path, "own").is_ok(),
            std::fs::metadata(path).is_ok(),
        ];
        if tried.contains(&true) {
            reached.push(path);
        }
    }
    result(format!("{reached:?}"))
}
