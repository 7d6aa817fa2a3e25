//! Values of PostgreSQL. Parameters go as text, so the server reads them as whatever type it expects there; results
//! come in the binary form of their type, and types without a counterpart are told as their text.

use std::error::Error;
use std::fmt::Write;

use bytes::BytesMut;
use cofferdam_model::SqlValue;
use tokio_postgres::types::{Format, FromSql, IsNull, Kind, ToSql, Type};

/// A parameter.
#[derive(Debug)]
pub(super) struct Bind<'a>(pub(super) &'a SqlValue);

/// A value of a row.
pub(super) struct Read(pub(super) SqlValue);

/// A type that has no counterpart.
#[derive(Debug, thiserror::Error)]
#[error(
    "a column has the type `{0}`, which is not lent to ops; cast it in the statement, `x::text` for example"
)]
pub(super) struct Unlent(String);

impl ToSql for Bind<'_> {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self.0 {
            SqlValue::Null => return Ok(IsNull::Yes),
            SqlValue::Truth(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
            SqlValue::Integer(integer) => write!(out, "{integer}")?,
            SqlValue::Number(number) if number.is_infinite() => {
                out.extend_from_slice(if *number > 0.0 { b"Infinity" } else { b"-Infinity" });
            }
            SqlValue::Number(number) => write!(out, "{number}")?,
            SqlValue::Text(text) => out.extend_from_slice(text.as_bytes()),
            SqlValue::Bytes(bytes) => {
                out.extend_from_slice(br"\x");
                for byte in bytes {
                    write!(out, "{byte:02x}")?;
                }
            }
        }
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        self.to_sql(ty, out)
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }
}

impl<'a> FromSql<'a> for Read {
    fn from_sql(ty: &Type, raw: &'a [u8]) -> Result<Read, Box<dyn Error + Sync + Send>> {
        Ok(Read(match *ty {
            Type::BOOL => SqlValue::Truth(bool::from_sql(ty, raw)?),
            Type::INT2 => SqlValue::Integer(i16::from_sql(ty, raw)?.into()),
            Type::INT4 => SqlValue::Integer(i32::from_sql(ty, raw)?.into()),
            Type::INT8 => SqlValue::Integer(i64::from_sql(ty, raw)?),
            Type::OID => SqlValue::Integer(u32::from_sql(ty, raw)?.into()),
            Type::FLOAT4 => SqlValue::Number(f32::from_sql(ty, raw)?.into()),
            Type::FLOAT8 => SqlValue::Number(f64::from_sql(ty, raw)?),
            Type::BYTEA => SqlValue::Bytes(raw.to_owned()),
            Type::VOID => SqlValue::Null,
            Type::NUMERIC => SqlValue::Text(numeric(raw)?),
            Type::UUID => SqlValue::Text(uuid(raw)),
            Type::DATE => SqlValue::Text(date(i32::from_sql(&Type::INT4, raw)?.into())),
            Type::TIMESTAMP => SqlValue::Text(timestamp(i64::from_sql(&Type::INT8, raw)?, "")),
            Type::TIMESTAMPTZ => SqlValue::Text(timestamp(i64::from_sql(&Type::INT8, raw)?, "Z")),
            // One byte of version comes before the text.
            Type::JSONB => text(raw.get(1..).unwrap_or_default())?,
            Type::TEXT
            | Type::VARCHAR
            | Type::BPCHAR
            | Type::NAME
            | Type::UNKNOWN
            | Type::JSON
            | Type::XML => text(raw)?,
            _ if matches!(ty.kind(), Kind::Enum(_)) || ty.name() == "citext" => text(raw)?,
            _ => return Err(Unlent(ty.name().to_owned()).into()),
        }))
    }

    fn from_sql_null(_: &Type) -> Result<Read, Box<dyn Error + Sync + Send>> {
        Ok(Read(SqlValue::Null))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn text(raw: &[u8]) -> Result<SqlValue, std::str::Utf8Error> {
    std::str::from_utf8(raw).map(|text| SqlValue::Text(text.to_owned()))
}

fn uuid(raw: &[u8]) -> String {
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let cuts = [0..8, 8..12, 12..16, 16..20, 20..32];
    cuts.map(|cut| hex.get(cut).unwrap_or_default()).join("-")
}

/// Days since 2000-01-01 as `2024-02-29`.
fn date(days: i64) -> String {
    match days {
        value if value == i64::from(i32::MAX) => return "infinity".to_owned(),
        value if value == i64::from(i32::MIN) => return "-infinity".to_owned(),
        _ => {}
    }
    // Years that start in March have their leap day at the end; 2000-03-01 starts a cycle of 400 years.
    let days = days - 60;
    let (cycle, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 2000 + cycle * 400 + year + i64::from(month >= 10);
    let month = if month < 10 { month + 3 } else { month - 9 };
    // PostgreSQL counts the year before 1 as 1 BC.
    if year > 0 {
        format!("{year:04}-{month:02}-{day:02}")
    } else {
        format!("{:04}-{month:02}-{day:02} BC", 1 - year)
    }
}

/// Microseconds since 2000-01-01 as `2024-02-29T12:00:00.000001Z`.
fn timestamp(micros: i64, zone: &str) -> String {
    const DAY: i64 = 86_400_000_000;
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let (days, rest) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
    let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = if micros == 0 { String::new() } else { format!(".{micros:06}") };
    let date = date(days);
    let (date, era) =
        date.split_once(' ').map_or((date.as_str(), String::new()), |(date, era)| (date, format!(" {era}")));
    format!("{date}T{hour:02}:{minute:02}:{second:02}{fraction}{zone}{era}")
}

/// A decimal number: groups of four digits, the exponent of the first group, a sign, and the digits after the point.
fn numeric(raw: &[u8]) -> Result<String, Box<dyn Error + Sync + Send>> {
    let words: Vec<u16> = raw.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let [count, weight, sign, scale, groups @ ..] = words.as_slice() else {
        return Err("a numeric is cut short".into());
    };
    match sign {
        0xc000 => return Ok("NaN".to_owned()),
        0xd000 => return Ok("Infinity".to_owned()),
        0xf000 => return Ok("-Infinity".to_owned()),
        _ => {}
    }
    if groups.len() != usize::from(*count) {
        return Err("a numeric has another length than it says".into());
    }
    // The exponent is signed: it is below zero if the first group comes after the point.
    let weight = i32::from(weight.cast_signed());
    let group = |at: i32| {
        let index = usize::try_from(weight - at).ok();
        index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
    };
    let mut text = String::new();
    for at in (0..=weight.max(0)).rev() {
        write!(text, "{:04}", group(at))?;
    }
    let whole = text.trim_start_matches('0');
    let mut number =
        format!("{}{}", if *sign == 0x4000 { "-" } else { "" }, if whole.is_empty() { "0" } else { whole });
    if *scale > 0 {
        let mut fraction = String::new();
        for at in 1..=i32::from(scale.div_ceil(4)) {
            write!(fraction, "{:04}", group(-at))?;
        }
        fraction.truncate((*scale).into());
        number = format!("{number}.{fraction}");
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_dates() {
        let cases = [
            (0, "2000-01-01"),
            (-1, "1999-12-31"),
            (59, "2000-02-29"),
            (60, "2000-03-01"),
            (8825, "2024-02-29"),
            (-730_119, "0001-01-01"),
            (-730_120, "0001-12-31 BC"),
        ];
        for (days, expected) in cases {
            assert_eq!(date(days), expected);
        }
        assert_eq!(timestamp(-1, "Z"), "1999-12-31T23:59:59.999999Z");
        assert_eq!(timestamp(43_200_000_000, ""), "2000-01-01T12:00:00");
    }
}
