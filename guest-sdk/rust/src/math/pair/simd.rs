//! In a component: one instruction each.

use core::arch::wasm32::{
    f64x2, f64x2_abs, f64x2_add, f64x2_div, f64x2_eq, f64x2_extract_lane, f64x2_gt, f64x2_mul, f64x2_splat,
    f64x2_sqrt, f64x2_sub, i64x2_add, i64x2_ne, i64x2_shl, i64x2_shr, i64x2_splat, i64x2_sub, v128, v128_and,
    v128_any_true, v128_bitselect, v128_not, v128_or, v128_xor,
};
use core::ops::{Add, Div, Mul, Sub};

/// Two 64-bit floats.
#[derive(Clone, Copy)]
pub(in super::super) struct F2(v128);

/// Two 64-bit integers.
#[derive(Clone, Copy)]
pub(in super::super) struct I2(v128);

/// What holds for each of two numbers: all bits or none.
#[derive(Clone, Copy)]
pub(in super::super) struct Mask(v128);

impl F2 {
    #[inline(always)]
    pub(in super::super) fn new([first, second]: [f64; 2]) -> F2 {
        F2(f64x2(first, second))
    }

    #[inline(always)]
    pub(in super::super) fn splat(value: f64) -> F2 {
        F2(f64x2_splat(value))
    }

    #[inline(always)]
    pub(in super::super) fn to_array(self) -> [f64; 2] {
        [f64x2_extract_lane::<0>(self.0), f64x2_extract_lane::<1>(self.0)]
    }

    #[inline(always)]
    pub(in super::super) fn bits(self) -> I2 {
        I2(self.0)
    }

    #[inline(always)]
    pub(in super::super) fn abs(self) -> F2 {
        F2(f64x2_abs(self.0))
    }

    #[inline(always)]
    pub(in super::super) fn sqrt(self) -> F2 {
        F2(f64x2_sqrt(self.0))
    }

    /// `self * factor + term`; rounded once where the component was built with relaxed SIMD, else twice.
    #[inline(always)]
    pub(in super::super) fn mul_add(self, factor: F2, term: F2) -> F2 {
        #[cfg(target_feature = "relaxed-simd")]
        return F2(core::arch::wasm32::f64x2_relaxed_madd(self.0, factor.0, term.0));
        #[cfg(not(target_feature = "relaxed-simd"))]
        return self * factor + term;
    }

    #[inline(always)]
    pub(in super::super) fn gt(self, other: F2) -> Mask {
        Mask(f64x2_gt(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn eq(self, other: F2) -> Mask {
        Mask(f64x2_eq(self.0, other.0))
    }
}

impl I2 {
    #[inline(always)]
    pub(in super::super) fn splat(value: i64) -> I2 {
        I2(i64x2_splat(value))
    }

    #[inline(always)]
    pub(in super::super) fn float(self) -> F2 {
        F2(self.0)
    }

    #[inline(always)]
    pub(in super::super) fn shl(self, bits: u32) -> I2 {
        I2(i64x2_shl(self.0, bits))
    }

    /// Keeps the sign.
    #[inline(always)]
    pub(in super::super) fn shr(self, bits: u32) -> I2 {
        I2(i64x2_shr(self.0, bits))
    }

    #[inline(always)]
    pub(in super::super) fn and(self, other: I2) -> I2 {
        I2(v128_and(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn or(self, other: I2) -> I2 {
        I2(v128_or(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn xor(self, other: I2) -> I2 {
        I2(v128_xor(self.0, other.0))
    }

    #[inline(always)]
    pub(in super::super) fn is_not_zero(self) -> Mask {
        Mask(i64x2_ne(self.0, i64x2_splat(0)))
    }
}

impl Mask {
    #[inline(always)]
    pub(in super::super) fn select(self, then: F2, or: F2) -> F2 {
        F2(v128_bitselect(then.0, or.0, self.0))
    }

    #[inline(always)]
    pub(in super::super) fn holds_for_all(self) -> bool {
        !v128_any_true(v128_not(self.0))
    }
}

macro_rules! operators {
    ($($kind:ident $operator:ident $name:ident $instruction:ident;)*) => {$(
        impl $operator for $kind {
            type Output = $kind;

            #[inline(always)]
            fn $name(self, other: $kind) -> $kind {
                $kind($instruction(self.0, other.0))
            }
        }
    )*};
}

operators! {
    F2 Add add f64x2_add;
    F2 Sub sub f64x2_sub;
    F2 Mul mul f64x2_mul;
    F2 Div div f64x2_div;
    I2 Add add i64x2_add;
    I2 Sub sub i64x2_sub;
}
