//! What a step asks of the worker that runs it, in a form that can be compared and summed exactly.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use cofferdam_model::PlanStep;

/// Parts of one: resources are counted in millionths.
const UNITS: f64 = 1e6;

/// What steps ask of a worker, and the pool that they count against. Its text is for people.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Demand {
    /// In millionths, so that sums are exact.
    pub(crate) resources: Amounts,
    /// What the worker must be.
    pub(crate) labels: BTreeMap<String, String>,
    /// Longest time that an attempt may take, which a worker that ends must still have; none is without end.
    pub(crate) timeout: Option<Duration>,
    pub(crate) pool: Option<String>,
}

/// Resources in millionths.
pub(crate) type Amounts = BTreeMap<String, u64>;

impl Demand {
    /// Fails with the name of a resource whose amount is no number of 0 or more.
    pub(crate) fn of(step: &PlanStep) -> Result<Demand, &str> {
        let mut resources = Amounts::new();
        for (name, amount) in &step.resources {
            let units = units(*amount).ok_or(name.as_str())?;
            if units > 0 {
                resources.insert(name.clone(), units);
            }
        }
        Ok(Demand {
            resources,
            labels: step.labels.clone(),
            timeout: step.limits.timeout,
            pool: step.pool.as_ref().map(ToString::to_string),
        })
    }

    /// Whether every worker that stays for good is as good as any other.
    pub(crate) fn is_any(&self) -> bool {
        self.resources.is_empty() && self.labels.is_empty()
    }
}

impl fmt::Display for Demand {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let resources = self.resources.iter().map(|(name, units)| format!("{name}={}", amount(*units)));
        let labels = self.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let parts: Vec<String> = resources.chain(labels).collect();
        if parts.is_empty() { out.write_str("a worker") } else { out.write_str(&parts.join(", ")) }
    }
}

/// Millionths, rounded up so that no demand is too small to count; none for what is not a number of 0 or more.
pub(crate) fn units(amount: f64) -> Option<u64> {
    (amount.is_finite() && amount >= 0.0).then(|| {
        let units = amount * UNITS;
        // 0.1 is a little more than a tenth, and means a tenth.
        let near = units.round();
        let units = if (units - near).abs() <= near * f64::EPSILON { near } else { units.ceil() };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let units = units as u64;
        units
    })
}

/// As a person would write it.
#[expect(clippy::cast_precision_loss, reason = "it is shown, not counted")]
pub(crate) fn amount(units: u64) -> f64 {
    units as f64 / UNITS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_are_exact_and_nothing_is_too_small_to_count() {
        let sum = |amounts: &[f64]| amounts.iter().map(|amount| units(*amount).unwrap()).sum::<u64>();
        assert_eq!(sum(&[0.1, 0.2, 0.7]), units(1.0).unwrap());
        assert_eq!(sum(&[0.1; 10]), units(1.0).unwrap());
        assert_eq!(sum(&[0.333_333; 3]), 999_999);
        assert_eq!(units(1e-9), Some(1));
        assert_eq!(units(64e9), Some(64_000_000_000_000_000));
        assert_eq!((units(0.0), units(-1.0), units(f64::NAN)), (Some(0), None, None));
    }
}
