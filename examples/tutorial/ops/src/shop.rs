//! A small shop's data products: orders come in, are cleaned, counted by country and ranked.

use std::collections::BTreeMap;
use std::io::BufRead;

use cofferdam_op::{Bytes, Check, Context, Error, Reader, Result, op};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Order {
    /// Two letters.
    country: String,
    /// In cents.
    amount: u64,
}

/// Fetches what was ordered, as lines of country and amount.
#[op]
pub fn orders(file: Reader) -> Result<Vec<String>> {
    Ok(file.lines().collect::<Result<_, _>>()?)
}

/// Reads orders; a line that is none is left out with a warning.
#[op]
pub fn clean_orders(ctx: &Context, lines: Vec<String>) -> Vec<Order> {
    let mut orders = vec![];
    for line in &lines {
        match parse(line) {
            Some(order) => orders.push(order),
            None => ctx.warn(format!("`{line}` is no order")),
        }
    }
    ctx.metadata("orders", orders.len());
    ctx.metadata("left_out", lines.len() - orders.len());
    orders
}

fn parse(line: &str) -> Option<Order> {
    let (country, amount) = line.split_once(',')?;
    Some(Order { country: country.trim().to_owned(), amount: amount.trim().parse().ok()? })
}

/// Adds up the amounts of each country.
#[op]
pub fn by_country(orders: Vec<Order>) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for order in orders {
        *sums.entry(order.country).or_default() += order.amount;
    }
    sums
}

/// The table that `ranking` gives.
#[derive(Debug, cofferdam_op::Outputs)]
pub struct Ranking {
    /// Countries by amount, largest first.
    #[output(media_type = "text/csv")]
    table: Bytes,
}

/// Writes the countries as CSV, the largest amount first.
#[op]
pub fn ranking(sums: BTreeMap<String, u64>) -> Result<Ranking> {
    if sums.is_empty() {
        return Err(Error::permanent("there is no country to rank"));
    }
    let mut countries: Vec<(String, u64)> = sums.into_iter().collect();
    countries.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    let lines = countries.into_iter().map(|(country, amount)| format!("{country},{amount}\n"));
    Ok(Ranking { table: Bytes(format!("country,amount\n{}", lines.collect::<String>()).into_bytes()) })
}

/// How many are enough.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Enough {
    /// Orders that there have to be.
    at_least: usize,
}

/// Checks that there are enough orders.
#[op]
pub fn not_empty(orders: Vec<Order>, config: Enough) -> Check {
    let verdict = if orders.len() < config.at_least {
        Check::failed(format!("{} orders, expected at least {}", orders.len(), config.at_least))
    } else {
        Check::passed()
    };
    verdict.with("orders", orders.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &'static str) -> Vec<Order> {
        clean_orders(&Context::test(), orders(Reader::from_bytes(text)).unwrap())
    }

    #[test]
    fn amounts_are_added_up_and_ranked() {
        let sums = by_country(lines("ch, 500\nde, 700\nwhat\nch, 300\n"));
        let ranking = ranking(sums).unwrap();
        assert_eq!(ranking.table.0, b"country,amount\nch,800\nde,700\n");
    }

    #[test]
    fn too_few_orders_do_not_pass() {
        assert!(!not_empty(lines("ch, 500"), Enough { at_least: 2 }).is_passed());
        assert!(not_empty(lines("ch, 500\nde, 1"), Enough { at_least: 2 }).is_passed());
    }
}
