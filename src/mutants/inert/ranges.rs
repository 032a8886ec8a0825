//! Sets of numbers as sorted ranges: what is known of one field of a packet.

/// Numbers, as ranges that neither touch nor overlap, the lowest first; both ends of each included.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ranges(Vec<(u128, u128)>);

impl Ranges {
    /// All numbers of some ranges, which may overlap; those that end before they begin hold none.
    pub(super) fn new(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.retain(|(first, last)| first <= last);
        ranges.sort_unstable();
        let mut joined: Vec<(u128, u128)> = Vec::new();
        for (first, last) in ranges {
            match joined.last_mut() {
                Some((_, end)) if *end == u128::MAX || first <= *end + 1 => *end = last.max(*end),
                _ => joined.push((first, last)),
            }
        }
        Self(joined)
    }

    /// One range.
    pub(super) fn of(first: u128, last: u128) -> Self {
        Self::new(vec![(first, last)])
    }

    /// One number.
    pub(super) fn one(number: u128) -> Self {
        Self::of(number, number)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is in both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut both = Vec::new();
        for (first, last) in &self.0 {
            for (begin, end) in &other.0 {
                both.push((*first.max(begin), *last.min(end)));
            }
        }
        Self::new(both)
    }

    /// What is in either.
    pub(super) fn or(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).copied().collect())
    }

    /// What is here and not there.
    pub(super) fn without(&self, other: &Self) -> Self {
        let mut rest = Vec::new();
        let mut from = Some(0);
        for (first, last) in &other.0 {
            if let (Some(begin), Some(before)) = (from, first.checked_sub(1)) {
                rest.push((begin, before));
            }
            from = last.checked_add(1);
        }
        rest.extend(from.map(|begin| (begin, u128::MAX)));
        self.and(&Self::new(rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges() -> impl Strategy<Value = Ranges> {
        let end = prop_oneof![0_u128..20, Just(u128::MAX), Just(u128::MAX - 1)];
        let ends = (end.clone(), end);
        proptest::collection::vec(ends, 0..5).prop_map(Ranges::new)
    }

    fn has(ranges: &Ranges, number: u128) -> bool {
        let mut all = ranges.0.iter();
        all.any(|(first, last)| (*first..=*last).contains(&number))
    }

    proptest! {
        #[test]
        fn each_number_is_where_it_belongs(one in ranges(), other in ranges(), low in 0_u128..22) {
            for number in [low, u128::MAX - low] {
                let (here, there) = (has(&one, number), has(&other, number));
                prop_assert_eq!(has(&one.and(&other), number), here && there);
                prop_assert_eq!(has(&one.or(&other), number), here || there);
                prop_assert_eq!(has(&one.without(&other), number), here && !there);
            }
        }
    }
}
