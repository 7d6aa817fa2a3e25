//! Mathematics over many numbers at once: elementary functions, and generators of random numbers.
//!
//! An array program spends its time here. The C library's functions take one number after the other, at 32 ns for an
//! arcsine and an arccosine in a sandbox; these take two in each instruction, without a branch, at 15 ns
//! (`examples/array`, random numbers included). They are exact to two units in the last place, give the same bits on
//! every machine and in native tests (but for those of a NaN), and treat infinities, NaN, zeros and numbers outside the
//! domain as IEEE 754 asks.
//!
//! The functions take arrays, so that a loop that calls several keeps its numbers in registers; eight or sixteen
//! numbers are a good length. [`apply`] is for a whole slice.
//!
//! ```
//! use cofferdam_op::math::{self, Lanes};
//!
//! // The mean of arcsin(x) + arccos(y) over the unit square is pi / 2.
//! let (mut x, mut y) = (Lanes::<16>::new(1, 0), Lanes::<16>::new(1, 1));
//! let mut sum = 0.0;
//! for _ in 0..1000 {
//!     let (asin, acos) = (math::asin(x.uniform()), math::acos(y.uniform()));
//!     sum += math::sum(asin) + math::sum(acos);
//! }
//! assert!((sum / 16_000.0 - std::f64::consts::FRAC_PI_2).abs() < 0.02);
//!
//! let mut squares: Vec<f64> = (1..100).map(|n| f64::from(n * n)).collect();
//! math::apply(&mut squares, math::ln);
//! assert!((squares[9] - 100_f64.ln()).abs() < 1e-14);
//! ```
//!
//! A crate whose manifest says so is built with fused multiplication and addition, which takes 10 ns for the same:
//!
//! ```toml
//! [package.metadata.cofferdam]
//! relaxed-simd = true
//! ```
//!
//! Its results are the same on every machine too (the host takes no other freedom of relaxed SIMD), but they differ in
//! the last bits from those of native tests, and a machine without such an instruction is slow.

mod functions;
mod lanes;
mod pair;

pub use lanes::Lanes;
use pair::F2;

/// How many numbers [`apply`] takes at once: enough that the processor works on several while it waits for one.
pub const WIDTH: usize = 16;

macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name<const N: usize>(x: [f64; N]) -> [f64; N] {
            pairwise(x, functions::$name)
        }
    )*};
}

functions! {
    /// The arcsine, in radians; NaN outside [-1, 1].
    asin
    /// The arccosine, in radians; NaN outside [-1, 1].
    acos
    /// e to the power of each number.
    exp
    /// The natural logarithm; negative infinity of zero, NaN of negative numbers.
    ln
    /// The sine of an angle in radians. Beyond 1,647,099 it is taken by the C library, number by number.
    sin
    /// The cosine of an angle in radians. Beyond 1,647,099 it is taken by the C library, number by number.
    cos
}

/// Replaces each number of a slice by `f` of it.
///
/// `f` takes numbers in groups, the last group filled up with zeros.
pub fn apply(values: &mut [f64], f: impl Fn([f64; WIDTH]) -> [f64; WIDTH]) {
    let (groups, rest) = values.as_chunks_mut::<WIDTH>();
    for group in groups {
        *group = f(*group);
    }
    let mut last = [0.0; WIDTH];
    last[..rest.len()].copy_from_slice(rest);
    rest.copy_from_slice(&f(last)[..rest.len()]);
}

/// The sum, in an order that depends on `N` alone.
#[inline(always)]
#[must_use]
pub fn sum<const N: usize>(x: [f64; N]) -> f64 {
    let mut sums = F2::splat(0.0);
    each_pair(&x, |_, pair| sums = sums + pair);
    let [even, odd] = sums.to_array();
    even + odd
}

#[inline(always)]
fn pairwise<const N: usize>(x: [f64; N], f: impl Fn(F2) -> F2) -> [f64; N] {
    let mut results = [0.0; N];
    each_pair(&x, |at, pair| {
        let [first, second] = f(pair).to_array();
        results[at] = first;
        if at + 1 < N {
            results[at + 1] = second;
        }
    });
    results
}

/// Calls `f` with each two numbers and where they begin; the last may be filled up with a zero.
#[inline(always)]
fn each_pair<const N: usize>(x: &[f64; N], mut f: impl FnMut(usize, F2)) {
    let mut at = 0;
    while at < N {
        f(at, F2::new([x[at], if at + 1 < N { x[at + 1] } else { 0.0 }]));
        at += 2;
    }
}
