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
