//! A packet as bytes: building it, and recognising headers in bytes that come back.
//!
//! * [`build`] writes one packet into a buffer that is used again and again;
//! * [`recognise`] reads headers and tag from the beginning of a packet;
//! * `checksum` holds the three sums that headers carry.
//!
//! A [`Tag`] rides in the IPv4 identification or in the lower sixteen bits of the IPv6 flow label.
//! The kernel carries both unchanged through forwarding, loopback and address translation, and quotes
//! them in ICMP errors. A reset that REJECT sends has neither (net/ipv4/netfilter/nf_reject_ipv4.c).

mod build;
mod checksum;
mod recognise;

pub use build::{MixedFamilies, build};
pub use recognise::{Recognised, recognise};

/// What tells the packets of one salvo apart: a number, and which preset the packet bears.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(u16);

impl Tag {
    /// The tag of packets that nobody tagged.
    pub const NONE: Self = Self(0);
    /// The highest number, and so the most packets that can be told apart.
    pub const LAST_NUMBER: u16 = 0x0fff;
    /// The bits of the 16-bit field in which the preset stands.
    pub const PRESET_BITS: u16 = 0xf000;
    /// The highest preset.
    pub const LAST_PRESET: u8 = 15;

    /// A tag with a number (1 to [`Tag::LAST_NUMBER`]; 0 would be [`Tag::NONE`] without a preset) and a
    /// preset (0 to [`Tag::LAST_PRESET`]). Bits beyond are cut off.
    #[must_use]
    pub fn new(number: u16, preset: u8) -> Self {
        Self((number & Self::LAST_NUMBER) | (u16::from(preset) << 12))
    }

    /// The number; 0 of packets that nobody tagged.
    #[must_use]
    pub fn number(self) -> u16 {
        self.0 & Self::LAST_NUMBER
    }

    /// Which preset; 0 for none.
    #[must_use]
    pub fn preset(self) -> u8 {
        self.0.to_be_bytes()[0] >> 4
    }

    /// The 16 bits as they stand in the header, in host order.
    #[must_use]
    pub fn bits(self) -> u16 {
        self.0
    }

    /// A tag read from a header.
    #[must_use]
    pub const fn of_bits(bits: u16) -> Self {
        Self(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn number_and_preset_do_not_mix() {
        let tag = Tag::new(0x0abc, 15);
        assert_eq!(tag.bits(), 0xfabc);
        assert_eq!((tag.number(), tag.preset()), (0x0abc, 15));
        assert_eq!(Tag::new(0x1001, 0).bits(), 1);
    }
}
