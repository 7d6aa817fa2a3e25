//! Random numbers, many at once: independent generators side by side.

use core::array::from_fn;

/// `N` generators xoshiro256++ (Blackman and Vigna, 2018; period 2^256 - 1 each), which step together. A generator with
/// 128-bit multiplication, as NumPy's, is three times as slow in WebAssembly.
///
/// The same seed and stream give the same numbers everywhere. Generators of other streams, and of other seeds, begin
/// at places of their own: a step of a job takes its number in the job as stream, and needs to know nothing of others.
#[derive(Debug, Clone)]
pub struct Lanes<const N: usize> {
    state: [[u64; N]; 4],
}

/// Bits of 1.0: what is put below them is a number from 1 to 2.
const ONE: u64 = 1.0_f64.to_bits();

impl<const N: usize> Lanes<N> {
    /// Generators that begin where `seed` and `stream` say.
    pub fn new(seed: u64, stream: u64) -> Lanes<N> {
        let streams = splitmix(seed, stream);
        let words: [[u64; 4]; N] = from_fn(|lane| {
            let lanes = splitmix(streams, lane as u64);
            from_fn(|word| splitmix(lanes, word as u64))
        });
        Lanes { state: from_fn(|word| from_fn(|lane| words[lane][word])) }
    }

    /// The next 64 random bits of each generator.
    #[inline(always)]
    pub fn bits(&mut self) -> [u64; N] {
        let [mut s0, mut s1, mut s2, mut s3] = self.state;
        let mut bits = [0; N];
        for lane in 0..N {
            let sum = s0[lane].wrapping_add(s3[lane]);
            bits[lane] = sum.rotate_left(23).wrapping_add(s0[lane]);
            let shifted = s1[lane] << 17;
            s2[lane] ^= s0[lane];
            s3[lane] ^= s1[lane];
            s1[lane] ^= s2[lane];
            s0[lane] ^= s3[lane];
            s2[lane] ^= shifted;
            s3[lane] = s3[lane].rotate_left(45);
        }
        self.state = [s0, s1, s2, s3];
        bits
    }

    /// The next number of each generator, uniform in [0, 1), of 52 random bits.
    #[inline(always)]
    pub fn uniform(&mut self) -> [f64; N] {
        self.bits().map(|bits| f64::from_bits(bits >> 12 | ONE) - 1.0)
    }
}

/// Output number `at` of the generator splitmix64 that begins at `seed` (Steele, Lea and Flood, 2014).
fn splitmix(seed: u64, at: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut bits = seed.wrapping_add(GOLDEN.wrapping_mul(at.wrapping_add(1)));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}
