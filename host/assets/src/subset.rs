//! Sets of partitions by index, as ranges: what backfills and mappings compute with. The set of all 10,000
//! days is one range.

use std::ops::Range;

/// A set of indices of partitions: ranges in order that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Subset {
    ranges: Vec<Range<u32>>,
}

impl Subset {
    /// None.
    pub const EMPTY: Subset = Subset { ranges: Vec::new() };

    /// All indices of a range.
    pub fn range(range: Range<u32>) -> Subset {
        let mut subset = Subset::EMPTY;
        subset.add(range);
        subset
    }

    /// Adds a range. Fastest if ranges come in order.
    pub fn add(&mut self, range: Range<u32>) {
        if range.is_empty() {
            return;
        }
        let first = self.ranges.partition_point(|known| known.end < range.start);
        let last = self.ranges.partition_point(|known| known.start <= range.end);
        if first == last {
            self.ranges.insert(first, range);
            return;
        }
        let merged = self.ranges[first].start.min(range.start)..self.ranges[last - 1].end.max(range.end);
        self.ranges.splice(first..last, [merged]);
    }

    /// Adds all of another set.
    pub fn extend(&mut self, other: &Subset) {
        for range in &other.ranges {
            self.add(range.clone());
        }
    }

    /// What is in both.
    pub fn intersection(&self, other: &Subset) -> Subset {
        let mut both = Subset::EMPTY;
        for range in &self.ranges {
            for known in other.touching(range) {
                both.add(range.start.max(known.start)..range.end.min(known.end));
            }
        }
        both
    }

    /// What is in this one only.
    pub fn difference(&self, other: &Subset) -> Subset {
        let mut rest = Subset::EMPTY;
        for range in &self.ranges {
            let mut start = range.start;
            for known in other.touching(range) {
                rest.add(start..known.start.max(start));
                start = known.end.max(start);
            }
            rest.add(start..range.end.max(start));
        }
        rest
    }

    fn touching<'a>(&'a self, range: &Range<u32>) -> &'a [Range<u32>] {
        let first = self.ranges.partition_point(|known| known.end <= range.start);
        let last = self.ranges.partition_point(|known| known.start < range.end);
        &self.ranges[first..last.max(first)]
    }

    pub fn contains(&self, index: u32) -> bool {
        let at = self.ranges.partition_point(|range| range.end <= index);
        self.ranges.get(at).is_some_and(|range| range.contains(&index))
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// Number of indices.
    pub fn len(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }

    /// The indices, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.ranges.iter().flat_map(Clone::clone)
    }

    /// The ranges, in order; none touches the next.
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.ranges
    }
}

impl FromIterator<u32> for Subset {
    fn from_iter<I: IntoIterator<Item = u32>>(indices: I) -> Subset {
        let mut subset = Subset::EMPTY;
        for index in indices {
            subset.add(index..index + 1);
        }
        subset
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sets() -> impl Strategy<Value = BTreeSet<u32>> {
        proptest::collection::btree_set(0u32..40, 0..30)
    }

    fn subset(set: &BTreeSet<u32>) -> Subset {
        // From both ends in turn, so that ranges come out of order.
        let mut rest = set.clone();
        let mut subset = Subset::EMPTY;
        while let Some(last) = rest.pop_last() {
            subset.add(last..last + 1);
            subset.extend(&rest.pop_first().into_iter().collect());
        }
        subset
    }

    proptest! {
        #[test]
        fn subsets_agree_with_sets(a in sets(), b in sets()) {
            let (x, y) = (subset(&a), subset(&b));
            prop_assert_eq!(x.iter().collect::<BTreeSet<_>>(), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(&x, &a.iter().copied().collect::<Subset>());
            prop_assert_eq!(x.intersection(&y).iter().collect::<BTreeSet<_>>(), &a & &b);
            prop_assert_eq!(x.difference(&y).iter().collect::<BTreeSet<_>>(), &a - &b);
            for index in 0..41 {
                prop_assert_eq!(x.contains(index), a.contains(&index));
            }
            prop_assert!(x.ranges().windows(2).all(|pair| pair[0].end < pair[1].start));
        }
    }
}
