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
        let mut hand = Hand::new(mask, 3);
        Ok(Self {
            accept: hand.next()?,
            pass: hand.next()?,
            from_workload: hand.next()?,
        })
    }

    /// All of them together.
    #[must_use]
    pub fn all(self) -> MarkMask {
        self.accept.and(self.pass).and(self.from_workload)
    }
}

/// A mask whose bits are handed out one by one.
struct Hand {
    mask: u32,
    left: u32,
    needed: u32,
}

impl Hand {
    fn new(mask: u32, needed: u32) -> Self {
        let left = mask;
        Self { mask, left, needed }
    }

    /// The lowest bit that is left.
    fn next(&mut self) -> Result<MarkMask, TooFewBits> {
        let lowest = self.left & self.left.wrapping_neg();
        self.left ^= lowest;
        if lowest == 0 {
            let (mask, needed) = (self.mask, self.needed);
            return Err(TooFewBits { mask, needed });
        }
        Ok(MarkMask(lowest))
    }

    /// All bits that are left.
    fn rest(self) -> Option<MarkMask> {
        (self.left != 0).then_some(MarkMask(self.left))
    }
}

/// Which bit of the mark says what in Felix's chains since 3.30.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ModernMarkBits {
    /// A policy or profile has allowed the packet.
    pub accept: MarkMask,
    /// A rule has left the packet to the next tier.
    pub pass: MarkMask,
    /// A rule has denied the packet.
    pub drop: MarkMask,
    /// A rule's questions are answered so far; and other notes that end where they began.
    pub scratch0: MarkMask,
    /// One of a rule's questions is answered.
    pub scratch1: MarkMask,
    /// The packet came in wrapped in `WireGuard`; only where that is on.
    pub wireguard: Option<MarkMask>,
    /// Which endpoint the packet came from, as a number; none where the mask has no bit left.
    pub endpoint: Option<MarkMask>,
}

impl ModernMarkBits {
    /// The bits of the mask that Felix may use, handed out from the lowest up; the endpoint's number
    /// gets all that are left (felix, dataplane/driver.go, `StartDataplaneDriver`).
    ///
    /// # Errors
    ///
    /// [`TooFewBits`] where the mask has no five, or with `WireGuard` no six.
    pub fn within(mask: u32, wireguard: bool) -> Result<Self, TooFewBits> {
        let mut hand = Hand::new(mask, 5 + u32::from(wireguard));
        Ok(Self {
            accept: hand.next()?,
            pass: hand.next()?,
            drop: hand.next()?,
            scratch0: hand.next()?,
            scratch1: hand.next()?,
            wireguard: wireguard.then(|| hand.next()).transpose()?,
            endpoint: hand.rest(),
        })
    }

    /// What is cleared together at the beginning of a packet's way: all but what Felix clears where it
    /// sets it.
    #[must_use]
    pub fn all(self) -> MarkMask {
        self.accept.and(self.pass).and(self.scratches())
    }

    /// The same but for the bit of what is allowed.
    #[must_use]
    pub fn all_but_accept(self) -> MarkMask {
        self.pass.and(self.scratches())
    }

    /// Both bits of a rule's answers.
    #[must_use]
    pub fn scratches(self) -> MarkMask {
        self.scratch0.and(self.scratch1)
    }

    /// What a policy decides with.
    #[must_use]
    pub fn verdict(self) -> MarkMask {
        self.accept.and(self.pass)
    }
}

/// A mask that leaves Felix too little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("the mark mask {mask:#x} has {} bits; expected {needed} at least", .mask.count_ones())]
pub struct TooFewBits {
    /// The mask.
    pub mask: u32,
    /// How many bits Felix takes at least.
    pub needed: u32,
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
            assert_eq!(bits(mask), Err(TooFewBits { mask, needed: 3 }));
        }
    }

    #[test]
    fn modern_bits_leave_the_rest_to_the_endpoints_number() {
        let numbers = |mask, wireguard| {
            ModernMarkBits::within(mask, wireguard).map(|bits| {
                let named = [
                    bits.accept,
                    bits.pass,
                    bits.drop,
                    bits.scratch0,
                    bits.scratch1,
                ];
                let rest = [bits.wireguard, bits.endpoint].map(|bits| bits.map(MarkMask::bits));
                (named.map(MarkMask::bits), rest, bits.all().bits())
            })
        };
        let named = [0x1_0000, 0x2_0000, 0x4_0000, 0x8_0000, 0x10_0000];
        let all = 0x1b_0000;
        let plain = (named, [None, Some(0xffe0_0000)], all);
        assert_eq!(numbers(0xffff_0000, false), Ok(plain));
        let tunnelled = (named, [Some(0x20_0000), Some(0xffc0_0000)], all);
        assert_eq!(numbers(0xffff_0000, true), Ok(tunnelled));
        let scattered = [0x2, 0x10, 0x100, 0x1000, 0x8000_0000];
        let scattered = (scattered, [None, None], 0x8000_1012);
        assert_eq!(numbers(0x8000_1112, false), Ok(scattered));
        for (mask, wireguard, needed) in [(0xf, false, 5), (0x1f, true, 6)] {
            let refused = Err(TooFewBits { mask, needed });
            assert_eq!(numbers(mask, wireguard), refused);
        }
    }
}
