//! Numbers: inputs with bounds, and steps whose number is decided while the job runs.

use cofferdam_op::{Context, Dynamic, Many, Outputs, Result, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A whole number from 0 to 9. The bounds are in its schema, so that a wrong number is refused before anything runs.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Digit(#[schemars(range(min = 0, max = 9))] u32);

/// Adds two digits.
#[op]
pub fn add_numbers(ctx: &Context, a: Digit, b: Digit) -> u32 {
    ctx.info(format!("adding {} and {}", a.0, b.0));
    a.0 + b.0
}

/// How many values to give.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// From 0 to so many minus one.
    #[schemars(range(max = 1000))]
    n: u32,
}

/// Values that steps map over.
#[derive(Debug, Outputs)]
pub struct Numbers {
    /// A number each.
    each: Dynamic<u32>,
}

fn numbers(prefix: char, n: u32) -> Result<Numbers> {
    let mut each = Dynamic::new();
    for number in 1..=n {
        each.push(format!("{prefix}{number}"), number)?;
    }
    Ok(Numbers { each })
}

/// Gives each number from 1 on under a key of its own: `n1`, `n2` ..
#[op]
pub fn spread(config: Count) -> Result<Numbers> {
    numbers('n', config.n)
}

/// Squares a number.
#[op]
pub fn square(number: u32) -> u32 {
    number * number
}

/// Adds numbers up.
#[op]
pub fn total(numbers: Many<u32>) -> u32 {
    numbers.iter().map(|element| element.value).sum()
}

/// The rows of a table of products, under keys `r1`, `r2` ..
#[op]
pub fn rows(config: Count) -> Result<Numbers> {
    numbers('r', config.n)
}

/// The columns of a table of products, under keys `c1`, `c2` ..
#[op]
pub fn columns(config: Count) -> Result<Numbers> {
    numbers('c', config.n)
}

/// Multiplies a row by a column.
#[op]
pub fn multiply(row: u32, column: u32) -> u32 {
    row * column
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_digits_are_added_and_the_sum_is_announced() {
        let ctx = Context::test();
        assert_eq!(add_numbers(&ctx, Digit(2), Digit(3)), 5);
        assert_eq!(ctx.recorded().logs[0].message, "adding 2 and 3");
    }

    #[test]
    fn numbers_are_spread_under_keys_of_their_own() {
        let spread = spread(Count { n: 3 }).unwrap();
        let pairs: Vec<(&str, u32)> = spread.each.iter().map(|(key, number)| (key, *number)).collect();
        assert_eq!(pairs, [("n1", 1), ("n2", 2), ("n3", 3)]);
    }
}
