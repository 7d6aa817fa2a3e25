//! Values as the specification's tests write them.

use wasmtime::{Ref, Val};
use wast::core::{AbstractHeapType, HeapType, NanPattern, V128Pattern, WastArgCore, WastRetCore};
use wast::token::{F32, F64};

pub(super) fn argument(argument: &WastArgCore<'_>) -> Result<Val, String> {
    Ok(match argument {
        WastArgCore::I32(number) => Val::I32(*number),
        WastArgCore::I64(number) => Val::I64(*number),
        WastArgCore::F32(number) => Val::F32(number.bits),
        WastArgCore::F64(number) => Val::F64(number.bits),
        WastArgCore::V128(lanes) => Val::V128(u128::from_le_bytes(lanes.to_le_bytes()).into()),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Func, .. }) => Val::FuncRef(None),
        WastArgCore::RefNull(HeapType::Abstract { ty: AbstractHeapType::Extern, .. }) => Val::ExternRef(None),
        other => return Err(format!("{other:?} is no argument")),
    })
}

pub(super) fn matches(found: &Val, expected: &WastRetCore<'_>) -> bool {
    match (found, expected) {
        (_, WastRetCore::Either(any)) => any.iter().any(|one| matches(found, one)),
        (Val::I32(found), WastRetCore::I32(expected)) => found == expected,
        (Val::I64(found), WastRetCore::I64(expected)) => found == expected,
        (Val::F32(found), WastRetCore::F32(expected)) => is_f32(*found, expected),
        (Val::F64(found), WastRetCore::F64(expected)) => is_f64(*found, expected),
        (Val::V128(found), WastRetCore::V128(expected)) => is_v128(found.as_u128().to_le_bytes(), expected),
        (_, WastRetCore::RefNull(_)) => {
            matches!(found.ref_(), Some(Ref::Func(None) | Ref::Extern(None) | Ref::Any(None)))
        }
        (Val::FuncRef(Some(_)), WastRetCore::RefFunc(_)) => true,
        _ => false,
    }
}

fn is_f32(found: u32, expected: &NanPattern<F32>) -> bool {
    match expected {
        NanPattern::CanonicalNan => found & 0x7fff_ffff == 0x7fc0_0000,
        NanPattern::ArithmeticNan => found & 0x7fc0_0000 == 0x7fc0_0000,
        NanPattern::Value(expected) => found == expected.bits,
    }
}

fn is_f64(found: u64, expected: &NanPattern<F64>) -> bool {
    match expected {
        NanPattern::CanonicalNan => found & 0x7fff_ffff_ffff_ffff == 0x7ff8_0000_0000_0000,
        NanPattern::ArithmeticNan => found & 0x7ff8_0000_0000_0000 == 0x7ff8_0000_0000_0000,
        NanPattern::Value(expected) => found == expected.bits,
    }
}

fn is_v128(found: [u8; 16], expected: &V128Pattern) -> bool {
    match expected {
        V128Pattern::I8x16(lanes) => lanes.map(|lane| lane.to_le_bytes()).as_flattened() == found,
        V128Pattern::I16x8(lanes) => lanes.map(|lane| lane.to_le_bytes()).as_flattened() == found,
        V128Pattern::I32x4(lanes) => lanes.map(|lane| lane.to_le_bytes()).as_flattened() == found,
        V128Pattern::I64x2(lanes) => lanes.map(|lane| lane.to_le_bytes()).as_flattened() == found,
        V128Pattern::F32x4(lanes) => {
            let (found, _) = found.as_chunks();
            found.iter().zip(lanes).all(|(found, lane)| is_f32(u32::from_le_bytes(*found), lane))
        }
        V128Pattern::F64x2(lanes) => {
            let (found, _) = found.as_chunks();
            found.iter().zip(lanes).all(|(found, lane)| is_f64(u64::from_le_bytes(*found), lane))
        }
    }
}
