//! Names that API v3 takes, around the lengths at which Felix hashes those of its chains.

use super::super::{Feature, Maker};
use crate::generate::bits::Bits;

/// How long a policy's or profile's name may be so that its chain's still has it: 28 less the longest
/// prefix `cali-pri-`, or less `cali-pi-` with `gnp/` or `np/` and a namespace behind it; and how long the
/// API lets it be.
const LENGTHS: [usize; 9] = [9, 15, 16, 17, 19, 20, 54, 63, 253];

impl<B: Bits> Maker<'_, B> {
    /// A name that differs from all others of the kind with another number.
    pub(super) fn modern_name(&mut self, kind: &str, number: usize) -> String {
        let plain = format!("{kind}-{number}");
        if !self.at_times(Feature::LongNames, 1, 2) {
            return plain;
        }
        let filled = self.bits.one(LENGTHS).saturating_sub(plain.len());
        let filling: String = "x.y".chars().cycle().take(filled).collect();
        // A dot stands between letters only.
        let filling = filling.trim_end_matches('.');
        format!("{filling}{plain}")
    }
}

#[cfg(test)]
mod tests {
    use crate::generate::bits::Seeded;
    use crate::generate::world::{Dials, Feature, Features, Maker};

    #[test]
    fn names_differ_by_number_and_are_labels_with_dots_between() {
        let mut features = Features::NONE;
        features.add(Feature::LongNames);
        let mut bits = Seeded::new(1);
        let mut maker = Maker {
            bits: &mut bits,
            dials: &Dials::default(),
            features,
            size: 1,
        };
        for number in 0..200 {
            let name = maker.modern_name("policy", number);
            assert!(name.ends_with(&format!("policy-{number}")), "{name}");
            assert!(name.len() <= 253 && !name.contains(".."), "{name}");
        }
    }
}
