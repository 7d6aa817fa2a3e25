//! The functions, on two numbers at once and without branches.
//!
//! Each brings its argument into a small range by exact steps and takes a polynomial there. The coefficients minimise
//! the largest error over the range (Remez' exchange in 60 decimal digits, rounded); the bounds given are of the
//! polynomial's part of the result.

use core::f64::consts::{FRAC_2_PI, FRAC_PI_2, LOG2_E, PI};

use super::pair::{F2, I2, Mask};

/// What pi / 2 and pi are more than their nearest doubles.
const FRAC_PI_2_REST: f64 = 6.123_233_995_736_766e-17;
const PI_REST: f64 = 1.224_646_799_147_353_2e-16;

/// ln 2 in two parts; the first has 32 bits, so that its product with an exponent is exact.
const LN_2: [f64; 2] = [0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10];

/// pi / 2 in three parts; the first two have 33 bits, so that their products with up to 2^20 are exact.
const QUARTER: [f64; 3] = [1.570_796_326_734_125_6, 6.077_100_506_303_966e-11, 2.022_266_248_795_950_6e-21];

/// Largest angle for [`QUARTER`]: 2^20 quarter turns.
const ANGLE_MAX: f64 = 1_048_576.0 * FRAC_PI_2;

/// Added to a number below 2^51 it rounds that to an integer, which its low bits then hold.
const ROUND: f64 = 6_755_399_441_055_744.0;

const MANTISSA_BITS: u32 = 52;
const EXPONENT_OF_ONE: i64 = 1023;

/// (asin(√z)/√z - 1) / z for z up to 1/4, within 2^-52.
const ASIN: [f64; 12] = [
    0.166_666_666_666_666_46,
    0.075_000_000_000_232_62,
    0.044_642_857_099_411_42,
    0.030_381_947_618_403_016,
    0.022_372_039_563_755_823,
    0.017_355_410_988_632_768,
    0.013_927_890_995_166_317,
    0.011_888_689_819_583_45,
    0.007_739_484_207_442_102,
    0.016_225_007_612_961_7,
    -0.011_068_718_852_422_768,
    0.028_402_049_956_304_107,
];

/// (exp(r) - 1 - r) / r² for |r| up to ln 2 / 2, within 2^-53.
const EXP: [f64; 10] = [
    0.500_000_000_000_000_1,
    0.166_666_666_666_666_74,
    0.041_666_666_666_624_12,
    0.008_333_333_333_322_207,
    0.001_388_888_891_721_546_4,
    0.000_198_412_698_865_932_46,
    2.480_152_129_362_820_3e-5,
    2.755_724_233_450_04e-6,
    2.762_008_941_296_7e-7,
    2.511_005_061_707_439_8e-8,
];

/// (ln((1 + s) / (1 - s)) - 2s) / s³ as a polynomial in s², for |s| up to (√2 - 1) / (√2 + 1), within 2^-51.
const LN: [f64; 7] = [
    0.666_666_666_666_667,
    0.399_999_999_998_983_84,
    0.285_714_286_264_267,
    0.222_222_110_683_280_85,
    0.181_828_935_488_671_3,
    0.153_315_859_600_923_98,
    0.146_180_088_313_735_27,
];

/// (sin(r)/r - 1) / r² as a polynomial in r², for |r| up to pi / 4, within 2^-55.
const SIN: [f64; 6] = [
    -0.166_666_666_666_666_66,
    0.008_333_333_333_330_948,
    -0.000_198_412_698_367_574_08,
    2.755_731_610_178_906e-6,
    -2.505_113_166_029_247e-8,
    1.591_811_451_157_248e-10,
];

/// (cos(r) - 1 + r²/2) / r⁴ as a polynomial in r², for |r| up to pi / 4, within 2^-59.
const COS: [f64; 6] = [
    0.041_666_666_666_666_664,
    -0.001_388_888_888_888_739_8,
    2.480_158_729_876_478_8e-5,
    -2.755_731_727_117_522_5e-7,
    2.087_614_613_858_505e-9,
    -1.138_262_225_238_421_6e-11,
];

#[inline(always)]
fn polynomial<const N: usize>(coefficients: [f64; N], x: F2) -> F2 {
    let mut value = F2::splat(coefficients[N - 1]);
    for at in (0..N - 1).rev() {
        value = value.mul_add(x, F2::splat(coefficients[at]));
    }
    value
}

/// `magnitude`, which is not negative, with the sign of `sign`.
#[inline(always)]
fn with_sign(magnitude: F2, sign: F2) -> F2 {
    magnitude.bits().or(sign.bits().and(I2::splat(i64::MIN))).float()
}

/// An angle in two parts, the second small: where |x| is above 1/2, asin √((1 - |x|) / 2), which is half of what is left
/// to a quarter turn; else asin |x|.
#[inline(always)]
fn small_asin(x: F2) -> (Mask, F2, F2) {
    let magnitude = x.abs();
    let is_large = magnitude.gt(F2::splat(0.5));
    let square = is_large.select((F2::splat(1.0) - magnitude) * F2::splat(0.5), x * x);
    let root = is_large.select(square.sqrt(), magnitude);
    (is_large, root, root * square * polynomial(ASIN, square))
}

#[inline(always)]
pub(super) fn asin(x: F2) -> F2 {
    let (is_large, root, rest) = small_asin(x);
    let from_one = (F2::splat(FRAC_PI_2) - (root + root)) - (rest + rest - F2::splat(FRAC_PI_2_REST));
    with_sign(is_large.select(from_one, root + rest), x)
}

#[inline(always)]
pub(super) fn acos(x: F2) -> F2 {
    let (is_large, root, rest) = small_asin(x);
    let (roots, rests) = (root + root, rest + rest);
    let beyond = (F2::splat(PI) - roots) - (rests - F2::splat(PI_REST));
    let large = x.gt(F2::splat(0.0)).select(roots + rests, beyond);
    let angle = with_sign(root + rest, x);
    let small = F2::splat(FRAC_PI_2) - (angle - F2::splat(FRAC_PI_2_REST));
    is_large.select(large, small)
}

/// `value` times 2 to the power of `exponent`, which is that of a normal number.
#[inline(always)]
fn scaled(value: F2, exponent: I2) -> F2 {
    value * (exponent + I2::splat(EXPONENT_OF_ONE)).shl(MANTISSA_BITS).float()
}

#[inline(always)]
pub(super) fn exp(x: F2) -> F2 {
    // Beyond these all is infinite or zero.
    let (most, least) = (F2::splat(710.0), F2::splat(-750.0));
    let x = least.gt(x).select(least, x.gt(most).select(most, x));
    let rounded = x.mul_add(F2::splat(LOG2_E), F2::splat(ROUND));
    let count = rounded - F2::splat(ROUND);
    let rest = x - count * F2::splat(LN_2[0]) - count * F2::splat(LN_2[1]);
    let value = F2::splat(1.0) + (rest * rest).mul_add(polynomial(EXP, rest), rest);
    let exponent = rounded.bits() - I2::splat(ROUND.to_bits().cast_signed());
    // In two steps: neither alone leaves the range of normal numbers.
    let half = exponent.shr(1);
    scaled(scaled(value, half), exponent - half)
}

#[inline(always)]
pub(super) fn ln(x: F2) -> F2 {
    const SUBNORMAL_SHIFT: f64 = 54.0;
    const SUBNORMAL_SCALE: f64 = 18_014_398_509_481_984.0;
    let is_subnormal = F2::splat(f64::MIN_POSITIVE).gt(x);
    let normal = is_subnormal.select(x * F2::splat(SUBNORMAL_SCALE), x);
    let shift = is_subnormal.select(F2::splat(SUBNORMAL_SHIFT), F2::splat(0.0));
    // The exponent for which the rest lies between √½ and √2.
    let lowest = I2::splat(core::f64::consts::FRAC_1_SQRT_2.to_bits().cast_signed());
    let exponent = (normal.bits() - lowest).shr(MANTISSA_BITS);
    let fraction = (normal.bits() - exponent.shl(MANTISSA_BITS)).float() - F2::splat(1.0);
    let count = (exponent + I2::splat(ROUND.to_bits().cast_signed())).float() - F2::splat(ROUND) - shift;
    // ln(1 + f) = f - f²/2 + s (f²/2 + s² P(s²)), as s = f / (2 + f) gives 2s = f - f²/2 + s f²/2.
    let s = fraction / (F2::splat(2.0) + fraction);
    let square = s * s;
    let half_square = F2::splat(0.5) * fraction * fraction;
    let small = s.mul_add(square.mul_add(polynomial(LN, square), half_square), count * F2::splat(LN_2[1]));
    let value = count * F2::splat(LN_2[0]) - ((half_square - small) - fraction);
    let zero = F2::splat(0.0);
    let outside = x.eq(zero).select(F2::splat(f64::NEG_INFINITY), F2::splat(f64::NAN));
    let infinity = F2::splat(f64::INFINITY);
    x.eq(infinity).select(infinity, x.gt(zero).select(value, outside))
}

/// The sine of `x` and of a quarter turn more; of angles up to [`ANGLE_MAX`]. `ahead` is 0 or 1.
#[inline(always)]
fn sine_ahead(x: F2, ahead: i64) -> F2 {
    let rounded = x.mul_add(F2::splat(FRAC_2_PI), F2::splat(ROUND));
    let count = rounded - F2::splat(ROUND);
    let turned = x - count * F2::splat(QUARTER[0]);
    let less = count * F2::splat(QUARTER[1]);
    let rounded_off = (turned - (turned - less)) - less;
    let rest = (turned - less) + (rounded_off - count * F2::splat(QUARTER[2]));
    let square = rest * rest;
    let sine = (rest * square).mul_add(polynomial(SIN, square), rest);
    let half_square = square * F2::splat(0.5);
    let near_one = F2::splat(1.0) - half_square;
    let lost = (F2::splat(1.0) - near_one) - half_square;
    let cosine = near_one + (square * square).mul_add(polynomial(COS, square), lost);
    let quarter = rounded.bits() + I2::splat(ahead);
    let is_odd = quarter.and(I2::splat(1)).is_not_zero();
    let flip = quarter.and(I2::splat(2)).shl(62);
    let value = is_odd.select(cosine, sine);
    value.bits().xor(flip).float()
}

/// Takes large angles, and what is no number, one by one.
#[inline(always)]
fn with_large(x: F2, value: impl FnOnce() -> F2, one: impl Fn(f64) -> f64) -> F2 {
    if F2::splat(ANGLE_MAX).gt(x.abs()).holds_for_all() { value() } else { F2::new(x.to_array().map(one)) }
}

#[inline(always)]
pub(super) fn sin(x: F2) -> F2 {
    // A zero would lose its sign in the sums.
    let value = || x.eq(F2::splat(0.0)).select(x, sine_ahead(x, 0));
    with_large(x, value, f64::sin)
}

#[inline(always)]
pub(super) fn cos(x: F2) -> F2 {
    with_large(x, || sine_ahead(x, 1), f64::cos)
}
