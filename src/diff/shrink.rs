//! Makes a failing case small: halves first, then single parts, then simpler values.
//!
//! It knows nothing of what a case is or why it fails. Its work is bounded in questions asked, never in
//! time, so that the same case always shrinks to the same one.

/// A case that can be made smaller.
pub trait Case: Clone {
    /// Something that a case can do without.
    type Part;

    /// What could be left out, in an order in which what belongs together stands together.
    fn parts(&self) -> Vec<Self::Part>;

    /// The case without some of its parts, which are from this very case; `None` where nothing sensible
    /// remains.
    fn without(&self, parts: &[Self::Part]) -> Option<Self>;

    /// The cases that differ from this one by one simpler value, the simplest first. Whoever goes from
    /// simpler to simpler must come to an end.
    fn simpler(&self) -> Vec<Self>;
}

/// What shrinking came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk<C> {
    /// The smallest case found that still fails.
    pub case: C,
    /// How many cases were tried.
    pub asked: usize,
    /// Whether nothing more can be left out or made simpler; else the questions were used up.
    pub complete: bool,
}

/// Makes a case that fails small, asking at most `questions` times whether a smaller one fails as well.
pub fn shrink<C: Case>(case: C, questions: usize, fails: impl FnMut(&C) -> bool) -> Shrunk<C> {
    let mut shrinker = Shrinker {
        case,
        asked: 0,
        questions,
        fails,
    };
    let mut complete = false;
    while !complete && shrinker.asked < questions {
        shrinker.leave_out();
        complete = !shrinker.simplify() && shrinker.asked < questions;
    }
    Shrunk {
        case: shrinker.case,
        asked: shrinker.asked,
        complete,
    }
}

struct Shrinker<C, F> {
    case: C,
    asked: usize,
    questions: usize,
    fails: F,
}

impl<C: Case, F: FnMut(&C) -> bool> Shrinker<C, F> {
    /// Takes a candidate in if it fails.
    fn accept(&mut self, candidate: C) -> bool {
        if self.asked == self.questions {
            return false;
        }
        self.asked += 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.case = candidate;
        }
        fails
    }

    /// Leaves out ever smaller runs of parts (Zeller and Hildebrandt, "Simplifying and Isolating
    /// Failure-Inducing Input", 2002), the last ones first, because later parts lean on earlier ones. At the
    /// end of it no single part could be left out.
    fn leave_out(&mut self) {
        let mut length = self.case.parts().len();
        while length > 0 {
            let found = self.leave_out_runs(length);
            if !found || length > 1 {
                length /= 2;
            }
            if self.asked == self.questions {
                return;
            }
        }
    }

    /// Tries to leave out every run of a length; whether one could be.
    fn leave_out_runs(&mut self, length: usize) -> bool {
        let mut found = false;
        let mut end = self.case.parts().len();
        while end > 0 {
            let parts = self.case.parts();
            end = end.min(parts.len());
            let start = end.saturating_sub(length);
            let smaller = self.case.without(&parts[start..end]);
            found |= smaller.is_some_and(|smaller| self.accept(smaller));
            end = start;
        }
        found
    }

    /// Makes values simpler until none can be; whether one could be.
    fn simplify(&mut self) -> bool {
        let mut found = false;
        while self.case.simpler().into_iter().any(|one| self.accept(one)) {
            found = true;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers: each can be left out, and each can become smaller.
    impl Case for Vec<u8> {
        type Part = usize;

        fn parts(&self) -> Vec<usize> {
            (0..self.len()).collect()
        }

        fn without(&self, parts: &[usize]) -> Option<Self> {
            let kept = self
                .iter()
                .enumerate()
                .filter(|(at, _)| !parts.contains(at));
            Some(kept.map(|(_, number)| *number).collect())
        }

        fn simpler(&self) -> Vec<Self> {
            let mut simpler = Vec::new();
            for (at, number) in self.iter().enumerate() {
                for less in [0, number / 2, number.saturating_sub(1)] {
                    if less < *number {
                        let mut one = self.clone();
                        one[at] = less;
                        simpler.push(one);
                    }
                }
            }
            simpler
        }
    }

    fn sum(numbers: &[u8]) -> u32 {
        numbers.iter().map(|number| u32::from(*number)).sum()
    }

    fn is_subsequence(small: &[u8], large: &[u8]) -> bool {
        let mut rest = large.iter();
        small.iter().all(|one| rest.any(|other| other == one))
    }

    #[test]
    fn two_parts_that_need_each_other_remain() {
        let case: Vec<u8> = (0..100).collect();
        let shrunk = shrink(case, 10_000, |case| {
            case.contains(&17) && case.contains(&83)
        });
        assert_eq!(shrunk.case, [17, 83]);
        assert!(shrunk.complete);
    }

    #[test]
    fn values_become_as_simple_as_they_may() {
        let shrunk = shrink(vec![200, 7, 90], 10_000, |case| {
            case.iter().any(|number| *number > 40)
        });
        assert_eq!(shrunk.case, [41]);
    }

    #[test]
    fn a_case_that_fails_whatever_it_is_becomes_nothing() {
        let shrunk = shrink(vec![1_u8, 2, 3], 100, |_| true);
        assert!(shrunk.case.is_empty());
    }

    #[test]
    fn the_questions_are_an_end() {
        let shrunk = shrink((0..200).collect(), 5, |case: &Vec<u8>| case.contains(&3));
        assert_eq!(shrunk.asked, 5);
        assert!(!shrunk.complete);
        assert!(shrunk.case.contains(&3));
    }

    /// The predicates: a sum, two members, an order, a number of members.
    fn fails(which: u8, case: &[u8]) -> bool {
        match which {
            0 => sum(case) > 100,
            1 => case.contains(&5) && case.contains(&9),
            2 => case.windows(2).any(|pair| pair[0] > pair[1]),
            _ => case.len() >= 3,
        }
    }

    proptest! {
        #[test]
        fn what_comes_out_fails_is_no_larger_and_has_no_part_to_spare(
            case in proptest::collection::vec(any::<u8>(), 0..40),
            which in 0_u8..4,
        ) {
            prop_assume!(fails(which, &case));
            let shrunk = shrink(case.clone(), 100_000, |case| fails(which, case));
            prop_assert!(shrunk.complete);
            prop_assert!(fails(which, &shrunk.case));
            prop_assert!(shrunk.case.len() <= case.len() && sum(&shrunk.case) <= sum(&case));
            for at in 0..shrunk.case.len() {
                let smaller = shrunk.case.without(&[at]).unwrap_or_default();
                prop_assert!(!fails(which, &smaller), "{at} of {:?} could go", shrunk.case);
            }
            for simpler in shrunk.case.simpler() {
                prop_assert!(!fails(which, &simpler), "{:?} could be {simpler:?}", shrunk.case);
            }
        }

        #[test]
        fn a_small_budget_still_gives_a_case_that_fails(
            case in proptest::collection::vec(any::<u8>(), 0..40),
            which in 0_u8..4,
            questions in 0_usize..30,
        ) {
            prop_assume!(fails(which, &case));
            let shrunk = shrink(case, questions, |case| fails(which, case));
            prop_assert!(fails(which, &shrunk.case));
            prop_assert!(shrunk.asked <= questions);
        }

        #[test]
        fn leaving_out_keeps_the_order(case in proptest::collection::vec(any::<u8>(), 0..20)) {
            let all: Vec<usize> = case.parts();
            let odd: Vec<usize> = all.into_iter().filter(|at| at % 2 == 1).collect();
            let kept = case.without(&odd).unwrap_or_default();
            prop_assert!(is_subsequence(&kept, &case));
        }
    }
}
