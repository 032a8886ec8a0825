//! Names, around the lengths at which Felix hashes those of its chains.

use super::{Feature, Maker};
use crate::generate::bits::Bits;

/// How long a policy's or profile's name may be so that its chain's still has it: 28 less the longest
/// prefix `cali-pri-`, and less the others; and how long the API lets it be.
const LENGTHS: [usize; 7] = [18, 19, 20, 21, 22, 64, 128];

impl<B: Bits> Maker<'_, B> {
    /// A name that differs from all others of the kind with another number; some begin alike for
    /// longer than anybody reads.
    pub(super) fn name(&mut self, kind: &str, number: usize) -> String {
        let plain = format!("{kind}-{number}");
        if !self.at_times(Feature::LongNames, 1, 2) {
            return plain;
        }
        let length = self.bits.one(LENGTHS);
        // A name that begins so makes a chain's of 28 characters that looks hashed, and so is hashed.
        let begin = if self.bits.chance(1, 3) { "_" } else { "" };
        let filled = length.saturating_sub(begin.len() + plain.len());
        format!(
            "{begin}{}{plain}",
            "x.Y".chars().cycle().take(filled).collect::<String>()
        )
    }
}
