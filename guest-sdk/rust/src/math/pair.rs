//! Two numbers in one register: instructions of WebAssembly in a component, plain arithmetic elsewhere. Both give the
//! same bits, except for [`F2::mul_add`] in a component that was built with relaxed SIMD.

#[cfg(not(target_feature = "simd128"))]
mod plain;
#[cfg(target_feature = "simd128")]
mod simd;

#[cfg(not(target_feature = "simd128"))]
pub(super) use plain::{F2, I2, Mask};
#[cfg(target_feature = "simd128")]
pub(super) use simd::{F2, I2, Mask};
