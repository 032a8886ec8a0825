//! The packet mark: the 32 bits that Calico's chains write notes on.

use std::fmt;
use std::str::FromStr;

/// A packet's (or a connection's) mark: 32 bits in host order, as `iptables --mark` writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mark(pub u32);

impl Mark {
    /// The mark of a packet on which nobody has written.
    pub const NONE: Self = Self(0);

    /// The kernel's xmark arithmetic: clears the bits of `mask`, then flips the bits of `value`
    /// (net/netfilter/xt_mark.c, `mark_tg`).
    #[must_use]
    pub fn xmark(self, value: u32, mask: u32) -> Self {
        Self((self.0 & !mask) ^ value)
    }

    /// Whether the bits under `mask` equal `value` (xt_mark.c, `mark_mt`; a `value` with bits
    /// outside `mask` never matches).
    #[must_use]
    pub fn matches(self, value: u32, mask: u32) -> bool {
        self.0 & mask == value
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Bits of the mark that go together, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MarkMask(u32);

impl MarkMask {
    /// The bits as a number, in host order.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }

    /// These bits and those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl fmt::Display for MarkMask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// Which bit of the mark says what in Felix's chains up to 2.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MarkBits {
    /// A policy or profile has allowed the packet.
    pub accept: MarkMask,
    /// A rule has left the packet to what comes behind the policies.
    pub pass: MarkMask,
    /// The packet came in by a workload's interface.
    pub from_workload: MarkMask,
}

impl MarkBits {
    /// The three lowest bits of the mask that Felix may use, handed out from the lowest up
    /// (felix 2.1.1, config/config_params.go).
    ///
    /// # Errors
    ///
    /// [`TooFewBits`] where the mask has no three.
    pub fn within(mask: u32) -> Result<Self, TooFewBits> {
        let mut left = mask;
        let mut next = || {
            let lowest = left & left.wrapping_neg();
            left ^= lowest;
            if lowest == 0 {
                return Err(TooFewBits { mask });
            }
            Ok(MarkMask(lowest))
        };
        Ok(Self {
            accept: next()?,
            pass: next()?,
            from_workload: next()?,
        })
    }

    /// All of them together.
    #[must_use]
    pub fn all(self) -> MarkMask {
        self.accept.and(self.pass).and(self.from_workload)
    }
}

/// A mask that leaves Felix too little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the mark mask {mask:#x} has {} bits; expected 3 at least", .mask.count_ones())]
pub struct TooFewBits {
    /// The mask.
    pub mask: u32,
}

/// A number that is not a mark.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a mark; expected a 32-bit number such as 0x1000000 or 16777216")]
pub struct NotAMark(String);

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
            None => text.parse(),
        };
        number.map(Self).map_err(|_| NotAMark(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(mask: u32) -> Result<[u32; 3], TooFewBits> {
        let bits = MarkBits::within(mask)?;
        Ok([bits.accept, bits.pass, bits.from_workload].map(MarkMask::bits))
    }

    #[test]
    fn bits_are_handed_out_from_the_lowest() {
        assert_eq!(bits(0xff00_0000), Ok([0x100_0000, 0x200_0000, 0x400_0000]));
        assert_eq!(bits(0x8000_0012), Ok([0x2, 0x10, 0x8000_0000]));
        for mask in [0, 1, 0x8000_0001] {
            assert_eq!(bits(mask), Err(TooFewBits { mask }));
        }
    }
}
