//! Go's linker leaves out short runs of zeros and so cuts the data of a module into tens of thousands of segments, more
//! than a library may have, each of which would cost time. Here neighbours become one again.

/// Zeros between two segments that are written out: hardly more than the head of a segment, and they compress well.
const GAP_BYTES_MAX: usize = 64;

const DATA: u8 = 11;
const DATA_COUNT: u8 = 12;
const I32_CONST: u8 = 0x41;
const END: u8 = 0x0b;
/// Magic number and version.
const HEADER_BYTES: usize = 8;

struct Segment {
    offset: u32,
    bytes: Vec<u8>,
}

/// The module with fewer segments; none if it is not laid out as Go's linker does it, or is no module.
pub(super) fn joined(module: &[u8]) -> Option<Vec<u8>> {
    let (header, mut rest) = module.split_at_checked(HEADER_BYTES)?;
    let mut out = header.to_vec();
    while !rest.is_empty() {
        let id = byte(&mut rest)?;
        let size = usize::try_from(number(&mut rest)?).ok()?;
        let body = take(&mut rest, size)?;
        match id {
            // Without it, segments can only be those that are put into memory at the start, as ours are.
            DATA_COUNT => {}
            DATA => section(&mut out, DATA, &write(&join(read(body)?))),
            _ => section(&mut out, id, body),
        }
    }
    Some(out)
}

fn section(out: &mut Vec<u8>, id: u8, body: &[u8]) {
    out.push(id);
    put(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn read(mut body: &[u8]) -> Option<Vec<Segment>> {
    let mut segments = vec![];
    for _ in 0..number(&mut body)? {
        // Active, in the only memory, at a constant.
        if byte(&mut body)? != 0 || byte(&mut body)? != I32_CONST {
            return None;
        }
        let offset = signed(&mut body)?;
        if byte(&mut body)? != END {
            return None;
        }
        let size = usize::try_from(number(&mut body)?).ok()?;
        segments.push(Segment { offset, bytes: take(&mut body, size)?.to_vec() });
    }
    Some(segments)
}

/// Only those that follow one another are joined: a later segment may overwrite an earlier one.
fn join(segments: Vec<Segment>) -> Vec<Segment> {
    let mut joined: Vec<Segment> = vec![];
    for segment in segments {
        if let Some(last) = joined.last_mut() {
            let end = last.offset as usize + last.bytes.len();
            if let Some(gap @ 0..=GAP_BYTES_MAX) = (segment.offset as usize).checked_sub(end) {
                last.bytes.resize(last.bytes.len() + gap, 0);
                last.bytes.extend_from_slice(&segment.bytes);
                continue;
            }
        }
        joined.push(segment);
    }
    joined
}

fn write(segments: &[Segment]) -> Vec<u8> {
    let mut body = vec![];
    put(&mut body, segments.len() as u64);
    for segment in segments {
        body.extend_from_slice(&[0, I32_CONST]);
        put_signed(&mut body, segment.offset);
        body.push(END);
        put(&mut body, segment.bytes.len() as u64);
        body.extend_from_slice(&segment.bytes);
    }
    body
}

fn byte(rest: &mut &[u8]) -> Option<u8> {
    Some(take(rest, 1)?[0])
}

fn take<'a>(rest: &mut &'a [u8], size: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(size)?;
    *rest = left;
    Some(taken)
}

/// LEB128 of at most 35 bits, as wasm writes a u32; `sign` is whether the last byte has the sign.
fn leb(rest: &mut &[u8]) -> Option<(u64, u32, bool)> {
    let mut value = 0;
    for shift in (0..35).step_by(7) {
        let next = byte(rest)?;
        value |= u64::from(next & 0x7f) << shift;
        if next < 0x80 {
            return Some((value, shift + 7, next & 0x40 != 0));
        }
    }
    None
}

fn number(rest: &mut &[u8]) -> Option<u64> {
    leb(rest).map(|(value, _, _)| value)
}

/// An address, which is written as a number with a sign.
fn signed(rest: &mut &[u8]) -> Option<u32> {
    let (value, bits, negative) = leb(rest)?;
    let extended = if negative { value | u64::MAX << bits } else { value };
    Some(extended as u32)
}

fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn put_signed(out: &mut Vec<u8>, value: u32) {
    let mut value = value.cast_signed();
    loop {
        let next = value as u8 & 0x7f;
        value >>= 7;
        let done = value == 0 && next & 0x40 == 0 || value == -1 && next & 0x40 != 0;
        out.push(if done { next } else { next | 0x80 });
        if done {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(segments: &[(u32, &[u8])]) -> Vec<u8> {
        let segments: Vec<_> = segments
            .iter()
            .map(|(offset, bytes)| Segment { offset: *offset, bytes: bytes.to_vec() })
            .collect();
        let mut out = b"\0asm\x01\0\0\0".to_vec();
        section(&mut out, 5, &[1, 0, 1]);
        section(&mut out, DATA, &write(&segments));
        out
    }

    #[test]
    fn neighbours_are_joined_with_the_zeros_between_them() {
        let cut = module(&[(64, b"ab"), (70, b"c"), (71, b"d"), (200, b"e")]);
        assert_eq!(joined(&cut), Some(module(&[(64, b"ab\0\0\0\0cd"), (200, b"e")])));
        let high = module(&[(0x8000_0000, b"a"), (0x8000_0002, b"b")]);
        assert_eq!(joined(&high), Some(module(&[(0x8000_0000, b"a\0b")])));
    }

    #[test]
    fn segments_that_go_back_stay_as_they_are() {
        let back = module(&[(64, b"abc"), (65, b"x"), (60, b"y")]);
        assert_eq!(joined(&back), Some(back));
    }

    #[test]
    fn what_is_laid_out_otherwise_is_left_alone() {
        let mut passive = b"\0asm\x01\0\0\0".to_vec();
        section(&mut passive, DATA, &[1, 1, 1, b'a']);
        assert_eq!(joined(&passive), None);
        assert_eq!(joined(b"\0asm"), None);
        let whole = module(&[(64, b"ab")]);
        assert_eq!(joined(&whole[..whole.len() - 1]), None);
    }
}
