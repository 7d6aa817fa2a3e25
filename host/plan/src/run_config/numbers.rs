//! Numbers of a config in the kind that a decoder of its schema reads, and what no schema says about their range.

use std::fmt;

use serde_json::{Number, Value};

use super::form::{Form, Kind};
use crate::types::{bound, bounds};

/// Up to 2^53 a float holds every whole number; a larger one would silently become its neighbour.
const FLOAT_WHOLE_MAX: u64 = 1 << 53;
const FLOAT_WHOLE: (f64, f64) = (-9_007_199_254_740_992.0, 9_007_199_254_740_992.0);

/// Smallest and largest value that would be right.
#[derive(Debug, Clone, Copy)]
pub(super) struct Problem(f64, f64);

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", bound(self.0), bound(self.1))
    }
}

/// Whole numbers become floats where the schema says `number`, so that each language's decoder gets the kind that
/// it expects, and floats without fraction whole numbers where it says `integer`.
pub(super) fn number(value: Value, form: &Form<'_>) -> Result<Value, Problem> {
    let Value::Number(number) = &value else { return Ok(value) };
    let form = match &form.kind {
        Kind::Union(forms) => {
            let mut numbers = forms.iter().filter(|form| matches!(form.kind, Kind::Number | Kind::Integer));
            match (numbers.next(), numbers.next()) {
                (Some(only), None) => only,
                _ => return Ok(value),
            }
        }
        _ => form,
    };
    match form.kind {
        Kind::Number if !form.schema.types().contains(&"integer") => float(number),
        Kind::Integer => {
            check_format(number, form)?;
            Ok(whole(number))
        }
        _ => Ok(value),
    }
}

fn float(number: &Number) -> Result<Value, Problem> {
    if number.as_i64().is_some_and(|whole| whole.unsigned_abs() > FLOAT_WHOLE_MAX) {
        return Err(Problem(FLOAT_WHOLE.0, FLOAT_WHOLE.1));
    }
    let float = number.as_f64().and_then(Number::from_f64);
    Ok(Value::Number(float.unwrap_or_else(|| number.clone())))
}

fn whole(number: &Number) -> Value {
    let whole = number.as_f64().filter(|n| number.is_f64() && n.fract() == 0.0 && n.abs() < 9e15);
    match whole {
        #[expect(clippy::cast_possible_truncation, reason = "only a float without fraction is taken")]
        Some(float) => (float as i64).into(),
        None => Value::Number(number.clone()),
    }
}

/// There are integer formats that state no bounds of their own (schemars writes `int32` without a minimum). A bound
/// that is stated is the validator's business.
fn check_format(number: &Number, form: &Form<'_>) -> Result<(), Problem> {
    if form.schema.get("format").is_none() || number.is_f64() {
        return Ok(());
    }
    let (min, max) = bounds(form.schema);
    let stated = |keyword| form.schema.get(keyword).is_some();
    let out =
        number.as_f64().is_some_and(|n| (n < min && !stated("minimum")) || (n > max && !stated("maximum")));
    if out { Err(Problem(min, max)) } else { Ok(()) }
}
