//! Addresses as numbers: one compare under one mask answers every prefix question.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::packet::Family;

/// An address as a number; IPv4's in the low 32 bits.
pub(super) fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The address of a number.
pub(super) fn address(family: Family, number: u128) -> IpAddr {
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from_bits(low(number))),
        Family::V6 => IpAddr::V6(Ipv6Addr::from_bits(number)),
    }
}

/// An IPv4 address out of its number.
pub(super) fn v4(number: u128) -> Ipv4Addr {
    Ipv4Addr::from_bits(low(number))
}

fn low(number: u128) -> u32 {
    (number & u128::from(u32::MAX)) as u32
}

/// The mask of a prefix length, within the bits that the family has.
pub(super) fn mask(family: Family, length: u8) -> u128 {
    let bits = u32::from(family.bits());
    let all = u128::MAX >> (128 - bits);
    let host = bits - u32::from(length).min(bits);
    all & u128::MAX.checked_shl(host).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn masks_of_the_ends() {
        assert_eq!(mask(Family::V4, 0), 0);
        assert_eq!(mask(Family::V4, 32), 0xffff_ffff);
        assert_eq!(mask(Family::V4, 8), 0xff00_0000);
        assert_eq!(mask(Family::V6, 0), 0);
        assert_eq!(mask(Family::V6, 128), u128::MAX);
        assert_eq!(mask(Family::V6, 1), 1 << 127);
    }

    proptest! {
        #[test]
        fn an_address_is_its_number(v4: u32, v6: u128) {
            let four = address(Family::V4, u128::from(v4));
            prop_assert_eq!(number(four), u128::from(v4));
            prop_assert_eq!(number(address(Family::V6, v6)), v6);
        }

        #[test]
        fn a_mask_covers_what_the_prefix_does(first: u32, second: u32, length in 0u8..=32) {
            let net = ipnet::Ipv4Net::new(v4(u128::from(first)), length).unwrap();
            let mask = mask(Family::V4, length);
            let same = u128::from(first) & mask == u128::from(second) & mask;
            prop_assert_eq!(net.contains(&v4(u128::from(second))), same);
        }
    }
}
