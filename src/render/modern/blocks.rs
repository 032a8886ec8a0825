//! What one iptables rule can't ask: several rules that note their answers on two scratch bits
//! (felix since 3.0, rules/policy.go, `matchBlockBuilder`).
//!
//! A block is a list of alternatives. Scratch bit 0 says that all blocks so far hold; the first rule
//! prepares both bits. A positive block holds where one of its alternatives does: the first sets bit 0
//! itself, a later one sets bit 1, and clears bit 0 where bit 1 is not set. A negative block holds where
//! none of its alternatives does: each clears bit 0. Bit 1 is prepared once, not before each block.

use crate::mark::ModernMarkBits;
use crate::render::fragment::{Action, Fragment};
use crate::render::table::FelixRule;

/// Blocks as they are added.
pub(super) struct Blocks {
    bits: ModernMarkBits,
    rules: Vec<FelixRule>,
}

impl Blocks {
    pub fn new(bits: ModernMarkBits) -> Self {
        let rules = Vec::new();
        Self { bits, rules }
    }

    /// Prepares both bits before the first block.
    fn begin(&mut self, holds: bool) {
        if self.rules.is_empty() {
            let mask = self.bits.scratches();
            let value = if holds { self.bits.scratch0.bits() } else { 0 };
            self.rules
                .push(FelixRule::always(Action::Number { value, mask }));
        }
    }

    /// A block that holds where one of these does.
    pub fn any(&mut self, alternatives: impl IntoIterator<Item = Vec<Fragment>>) {
        let is_first = self.rules.is_empty();
        self.begin(false);
        let ModernMarkBits {
            scratch0, scratch1, ..
        } = self.bits;
        let bit = if is_first { scratch0 } else { scratch1 };
        let alternatives = alternatives.into_iter();
        self.rules
            .extend(alternatives.map(|asks| FelixRule::when(asks, Action::SetMark(bit))));
        if !is_first {
            let failed = [Fragment::Unmarked(scratch1)];
            self.rules
                .push(FelixRule::when(failed, Action::ClearMark(scratch0)));
        }
    }

    /// A block that holds where none of these does.
    pub fn none(&mut self, alternatives: impl IntoIterator<Item = Vec<Fragment>>) {
        self.begin(true);
        let failed = Action::ClearMark(self.bits.scratch0);
        let alternatives = alternatives.into_iter();
        self.rules
            .extend(alternatives.map(|asks| FelixRule::when(asks, failed.clone())));
    }

    /// The rules, and what is to be asked in the end.
    pub fn finish(self) -> (Vec<FelixRule>, Option<Fragment>) {
        let used = !self.rules.is_empty();
        let holds = used.then_some(Fragment::Marked(self.bits.scratch0));
        (self.rules, holds)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A question whose answer a test knows by its number.
    fn question(number: u16) -> Vec<Fragment> {
        vec![Fragment::UdpPort(number)]
    }

    /// What the rules leave on a mark, where the questions of these numbers hold.
    fn walk(rules: &[FelixRule], mark: u32, holding: &[u16]) -> u32 {
        rules.iter().fold(mark, |mark, rule| {
            let matches = rule.asks.iter().all(|fragment| match fragment {
                Fragment::UdpPort(number) => holding.contains(number),
                Fragment::Unmarked(bits) => mark & bits.bits() == 0,
                Fragment::Marked(bits) => mark & bits.bits() == bits.bits(),
                other => panic!("{other}"),
            });
            match &rule.action {
                _ if !matches => mark,
                Action::SetMark(bits) => mark | bits.bits(),
                Action::ClearMark(bits) => mark & !bits.bits(),
                Action::Number { value, mask } => (mark & !mask.bits()) ^ value,
                other => panic!("{other}"),
            }
        })
    }

    /// Whether blocks of questions hold; the positive ones come first.
    fn holds(positive: &[Vec<u16>], negative: &[Vec<u16>], mark: u32, holding: &[u16]) -> bool {
        let Ok(bits) = ModernMarkBits::within(0x1f, false) else {
            return false;
        };
        let mut blocks = Blocks::new(bits);
        for block in positive {
            blocks.any(block.iter().map(|number| question(*number)));
        }
        for block in negative {
            blocks.none(block.iter().map(|number| question(*number)));
        }
        let (rules, asked) = blocks.finish();
        let last = FelixRule::when(
            asked.into_iter().collect::<Vec<_>>(),
            Action::SetMark(bits.accept),
        );
        let mark = walk(&rules, mark & !bits.accept.bits(), holding);
        walk(&[last], mark, holding) & bits.accept.bits() != 0
    }

    fn numbers() -> impl Strategy<Value = Vec<u16>> {
        prop::collection::vec(0_u16..6, 1..4)
    }

    proptest! {
        /// Whatever was on the mark before.
        #[test]
        fn up_to_two_positive_blocks_and_the_negative_ones_hold_together(
            positive in prop::collection::vec(numbers(), 0..3),
            negative in prop::collection::vec(numbers(), 0..3),
            mark in any::<u32>(),
            holding in prop::collection::vec(0_u16..6, 0..6),
        ) {
            let any = |block: &Vec<u16>| block.iter().any(|number| holding.contains(number));
            let meant = positive.iter().all(any) && !negative.iter().any(any);
            prop_assert_eq!(holds(&positive, &negative, mark, &holding), meant);
        }
    }

    /// Bit 1 is still set from the second block when the third asks it.
    #[test]
    fn a_third_positive_block_holds_where_the_second_does() {
        let positive = [vec![1], vec![2], vec![3]];
        assert!(holds(&positive, &[], 0, &[1, 2]));
        assert!(!holds(&positive, &[], 0, &[1, 3]));
    }
}
