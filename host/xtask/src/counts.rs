//! Counts of tests, read from the last lines of the two runners.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed, failed, and were not run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) skipped: u32,
}

impl Counts {
    /// From nextest's summary: `Summary [ 0.1s] 20 tests run: 19 passed (1 slow), 1 failed, 0 skipped`. `None`
    /// without such a line, as when something did not compile.
    pub(crate) fn of_nextest(lines: &[String]) -> Option<Counts> {
        let line = lines.iter().rev().find(|line| line.trim_start().starts_with("Summary ["))?;
        let (_, parts) = line.split_once(':')?;
        let timed_out = number_before(parts, "timed out");
        Some(Counts {
            passed: number_before(parts, "passed"),
            failed: number_before(parts, "failed") + timed_out + number_before(parts, "exec failed"),
            skipped: number_before(parts, "skipped"),
        })
    }

    /// From the lines `test result: ok. 3 passed; 0 failed; 0 ignored; ...` of libtest, summed.
    pub(crate) fn of_libtest(lines: &[String]) -> Option<Counts> {
        let mut sum = None;
        for line in lines.iter().filter(|line| line.starts_with("test result:")) {
            *sum.get_or_insert_with(Counts::default) += Counts {
                passed: number_before(line, "passed"),
                failed: number_before(line, "failed"),
                skipped: number_before(line, "ignored"),
            };
        }
        sum
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Counts) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The number in the part (between `,`, `;` and `.`) that reads `NUMBER word`, else 0.
fn number_before(text: &str, word: &str) -> u32 {
    let parts = text.split([',', ';', '.']).map(str::trim);
    let mut numbers = parts.filter_map(|part| {
        let (number, rest) = part.split_once(' ')?;
        let rest = rest.strip_prefix(word)?;
        (rest.is_empty() || rest.starts_with([' ', '('])).then(|| number.parse().ok())?
    });
    numbers.next_back().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn nextest_summary_is_read_with_its_slow_and_timed_out_tests() {
        let text = "    Summary [   4.210s] 20 tests run: 17 passed (2 slow), 2 failed, 1 timed out, 3 skipped\n        FAIL x";
        assert_eq!(Counts::of_nextest(&lines(text)), Some(Counts { passed: 17, failed: 3, skipped: 3 }));
        assert_eq!(Counts::of_nextest(&lines("error: could not compile")), None);
    }

    #[test]
    fn libtest_results_are_summed_and_ignored_tests_count_as_skipped() {
        let text = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
                    noise\ntest result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(Counts::of_libtest(&lines(text)), Some(Counts { passed: 5, failed: 1, skipped: 1 }));
    }
}
