//! JSON values as CBOR in its deterministic form (RFC 8949, section 4.2): shortest integers and floats, keys
//! of maps in the order of their encoded bytes. Own code because ciborium neither sorts nor shortens.

use serde_json::Value;

/// Encodes a value; equal values give equal bytes.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = vec![];
    write(value, &mut out);
    out
}

/// Reads any CBOR that JSON can say. The error says what is wrong with it.
pub fn to_json(cbor: &[u8]) -> Result<Value, String> {
    let value: ciborium::Value = ciborium::from_reader(cbor).map_err(|error| error.to_string())?;
    serde_json::to_value(&value).map_err(|error| error.to_string())
}

fn write(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(0xf6),
        Value::Bool(truth) => out.push(if *truth { 0xf5 } else { 0xf4 }),
        Value::Number(number) => {
            if let Some(int) = number.as_u64() {
                head(0, int, out);
            } else if let Some(int) = number.as_i64() {
                // Below zero: n is stored as -1 - n.
                head(1, !int as u64, out);
            } else {
                float(number.as_f64().unwrap_or(f64::NAN), out);
            }
        }
        Value::String(text) => {
            head(3, text.len() as u64, out);
            out.extend_from_slice(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(entries) => {
            head(5, entries.len() as u64, out);
            let mut sorted: Vec<(Vec<u8>, &Value)> =
                entries.iter().map(|(key, value)| (encode(&Value::String(key.clone())), value)).collect();
            sorted.sort_by(|a, b| a.0.cmp(&b.0));
            for (key, value) in sorted {
                out.extend_from_slice(&key);
                write(value, out);
            }
        }
    }
}

/// Major type and argument in the fewest bytes.
fn head(major: u8, argument: u64, out: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = argument.to_be_bytes();
    match argument {
        0..=23 => out.push(major | bytes[7]),
        24..=0xff => out.extend_from_slice(&[major | 24, bytes[7]]),
        0x100..=0xffff => {
            out.push(major | 25);
            out.extend_from_slice(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 26);
            out.extend_from_slice(&bytes[4..]);
        }
        _ => {
            out.push(major | 27);
            out.extend_from_slice(&bytes);
        }
    }
}

/// The shortest form that gives the same number back.
#[expect(clippy::cast_possible_truncation, reason = "the result is compared with what it came from")]
fn float(number: f64, out: &mut Vec<u8>) {
    if let Some(half) = half_bits(number) {
        out.push(0xf9);
        out.extend_from_slice(&half.to_be_bytes());
    } else if f64::from(number as f32).to_bits() == number.to_bits() {
        out.push(0xfa);
        out.extend_from_slice(&(number as f32).to_be_bytes());
    } else {
        out.push(0xfb);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

/// The number as a half float, if it is one exactly. JSON numbers are finite.
fn half_bits(number: f64) -> Option<u16> {
    let bits = number.to_bits();
    let sign = u16::try_from(bits >> 63).expect("one bit") << 15;
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i64::try_from((bits >> 52) & 0x7ff).expect("eleven bits") - 1023;
    if number == 0.0 {
        return Some(sign);
    }
    // Normal halves: exponent -14..=15 and ten bits of fraction; below, the leading one becomes a bit of it.
    let (exponent, significand, dropped) = match exponent {
        -14..=15 => (exponent + 15, fraction, 42),
        -24..=-15 => (0, fraction | (1 << 52), 42 + u32::try_from(-14 - exponent).ok()?),
        _ => return None,
    };
    if significand.trailing_zeros() < dropped && significand != 0 {
        return None;
    }
    let significand = u16::try_from(significand >> dropped).ok()?;
    Some(sign | (u16::try_from(exponent).ok()? << 10) | significand)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(value: &Value, hex: &str) {
        let bytes: String = encode(value).iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(bytes, hex, "{value}");
    }

    #[test]
    fn values_take_the_forms_of_rfc_8949_appendix_a() {
        check(&json!(0), "00");
        check(&json!(23), "17");
        check(&json!(24), "1818");
        check(&json!(1000), "1903e8");
        check(&json!(1_000_000), "1a000f4240");
        check(&json!(18_446_744_073_709_551_615_u64), "1bffffffffffffffff");
        check(&json!(-1), "20");
        check(&json!(-1000), "3903e7");
        check(&json!(i64::MIN), "3b7fffffffffffffff");
        check(&json!(0.0), "f90000");
        check(&json!(-0.0), "f98000");
        check(&json!(1.0), "f93c00");
        check(&json!(1.1), "fb3ff199999999999a");
        check(&json!(65504.0), "f97bff");
        check(&json!(100_000.0), "fa47c35000");
        check(&json!(5.960_464_477_539_063e-8), "f90001");
        check(&json!(0.000_061_035_156_25), "f90400");
        check(&json!(-4.0), "f9c400");
        check(&json!(1.0e300), "fb7e37e43c8800759c");
        check(&json!([1, [2, null], true]), "8301820 2f6f5".replace(' ', "").as_str());
        check(&json!({"b": 1, "a": 2, "aa": 3}), "a3616102616201626161 03".replace(' ', "").as_str());
    }

    #[test]
    fn another_decoder_reads_the_same_value() {
        let value = json!({"x": [1, -5, 2.5, 1e-7, "é", null, false, {"k": 3.25e10}]});
        let bytes = encode(&value);
        let back: Value = ciborium::from_reader(bytes.as_slice()).unwrap();
        assert_eq!(back, value);
    }
}
