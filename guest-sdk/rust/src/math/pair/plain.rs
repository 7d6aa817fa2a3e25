//! Where there are no instructions of WebAssembly: the same, number by number.

use core::array::from_fn;
use core::ops::{Add, Div, Mul, Sub};

/// Two 64-bit floats.
#[derive(Clone, Copy)]
pub(in super::super) struct F2([f64; 2]);

/// Two 64-bit integers.
#[derive(Clone, Copy)]
pub(in super::super) struct I2([i64; 2]);

/// What holds for each of two numbers.
#[derive(Clone, Copy)]
pub(in super::super) struct Mask([bool; 2]);

impl F2 {
    #[inline(always)]
    pub(in super::super) fn new(values: [f64; 2]) -> F2 {
        F2(values)
    }

    #[inline(always)]
    pub(in super::super) fn splat(value: f64) -> F2 {
        F2([value; 2])
    }

    #[inline(always)]
    pub(in super::super) fn to_array(self) -> [f64; 2] {
        self.0
    }

    #[inline(always)]
    pub(in super::super) fn bits(self) -> I2 {
        I2(self.0.map(|value| value.to_bits().cast_signed()))
    }

    #[inline(always)]
    pub(in super::super) fn abs(self) -> F2 {
        F2(self.0.map(f64::abs))
    }

    #[inline(always)]
    pub(in super::super) fn sqrt(self) -> F2 {
        F2(self.0.map(f64::sqrt))
    }

    /// `self * factor + term`, rounded twice.
    #[inline(always)]
    pub(in super::super) fn mul_add(self, factor: F2, term: F2) -> F2 {
        self * factor + term
    }

    #[inline(always)]
    pub(in super::super) fn gt(self, other: F2) -> Mask {
        Mask(from_fn(|at| self.0[at] > other.0[at]))
    }

    #[inline(always)]
    pub(in super::super) fn eq(self, other: F2) -> Mask {
        Mask(from_fn(|at| self.0[at] == other.0[at]))
    }
}

impl I2 {
    #[inline(always)]
    pub(in super::super) fn splat(value: i64) -> I2 {
        I2([value; 2])
    }

    #[inline(always)]
    pub(in super::super) fn float(self) -> F2 {
        F2(self.0.map(|bits| f64::from_bits(bits.cast_unsigned())))
    }

    #[inline(always)]
    pub(in super::super) fn shl(self, bits: u32) -> I2 {
        I2(self.0.map(|value| value << bits))
    }

    /// Keeps the sign.
    #[inline(always)]
    pub(in super::super) fn shr(self, bits: u32) -> I2 {
        I2(self.0.map(|value| value >> bits))
    }

    #[inline(always)]
    pub(in super::super) fn and(self, other: I2) -> I2 {
        I2(from_fn(|at| self.0[at] & other.0[at]))
    }

    #[inline(always)]
    pub(in super::super) fn or(self, other: I2) -> I2 {
        I2(from_fn(|at| self.0[at] | other.0[at]))
    }

    #[inline(always)]
    pub(in super::super) fn xor(self, other: I2) -> I2 {
        I2(from_fn(|at| self.0[at] ^ other.0[at]))
    }

    #[inline(always)]
    pub(in super::super) fn is_not_zero(self) -> Mask {
        Mask(self.0.map(|value| value != 0))
    }
}

impl Mask {
    #[inline(always)]
    pub(in super::super) fn select(self, then: F2, or: F2) -> F2 {
        F2(from_fn(|at| if self.0[at] { then.0[at] } else { or.0[at] }))
    }

    #[inline(always)]
    pub(in super::super) fn holds_for_all(self) -> bool {
        self.0 == [true; 2]
    }
}

macro_rules! operators {
    ($($kind:ident $operator:ident $name:ident $method:path;)*) => {$(
        impl $operator for $kind {
            type Output = $kind;

            #[inline(always)]
            fn $name(self, other: $kind) -> $kind {
                $kind(from_fn(|at| $method(self.0[at], other.0[at])))
            }
        }
    )*};
}

operators! {
    F2 Add add f64::add;
    F2 Sub sub f64::sub;
    F2 Mul mul f64::mul;
    F2 Div div f64::div;
    I2 Add add i64::wrapping_add;
    I2 Sub sub i64::wrapping_sub;
}
