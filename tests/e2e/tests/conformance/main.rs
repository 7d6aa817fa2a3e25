//! One library in every guest language, one set of cases: `tests/conformance/README.md` says what the library has.
//!
//! A language's cases are steps of one job (and a few runs of their own where a whole run must fail), run by the
//! program as anybody would; the test prints a line per case.

#![expect(clippy::print_stdout, reason = "the table is what the test is for")]

mod cases;
mod guest;

use std::panic::{AssertUnwindSafe, catch_unwind};

use guest::Guest;

/// Builds the library, runs the job of all cases, checks each of them, prints the column of the table.
fn conforms(language: &str, key: &str) {
    let guest = Guest::build(language, key, cases::CASES);
    let seen = guest.run_all();
    let mut failed = vec![];
    let mut check = |name: &'static str, check: &dyn Fn()| {
        let passed = catch_unwind(AssertUnwindSafe(check)).is_ok();
        println!("{language:<12}{name:<28}{}", if passed { "ok" } else { "FAILED" });
        if !passed {
            failed.push(name);
        }
    };
    for case in cases::CASES {
        check(case.name, &|| (case.check)(&seen));
    }
    for (name, case) in cases::APART {
        check(name, &|| case(&guest));
    }
    assert!(failed.is_empty(), "{language}: {failed:?}");
}

#[test]
fn l1_rust_conforms() {
    conforms("rust", "crate");
}

#[test]
fn l1_python_conforms() {
    conforms("python", "python");
}

#[test]
fn l1_javascript_conforms() {
    conforms("javascript", "javascript");
}

#[test]
fn l1_c_conforms() {
    conforms("c", "c");
}

#[test]
fn l1_go_conforms() {
    conforms("go", "go");
}
