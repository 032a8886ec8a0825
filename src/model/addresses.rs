//! The kinds of addresses that the kernel tells apart: IPv4's by the local table
//! (net/ipv4/fib_frontend.c, `__inet_dev_addr_type`), IPv6's by their first bits
//! (net/ipv6/addrconf_core.c, `__ipv6_addr_type`) and by routing.

use super::bits;
use super::routing::{Ground, Target};
use crate::packet::{Family, InterfaceName};
use crate::xtables::matches::AddressTypes;

/// An IPv6 address as its bits sort it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// `::`.
    Any,
    /// `::1`.
    Loopback,
    /// `ff00::/8`.
    Multicast,
    /// `fe80::/10`.
    LinkLocal,
    /// `::ffff:0:0/96`: no unicast address to the kernel.
    Mapped,
    /// Any other.
    Global,
}

/// Sorts an IPv6 address.
pub(super) fn sort(address: u128) -> Sort {
    match address {
        0 => Sort::Any,
        1 => Sort::Loopback,
        _ if address >> 120 == 0xff => Sort::Multicast,
        _ if address >> 118 == 0xfe80 >> 6 => Sort::LinkLocal,
        _ if address >> 32 == 0xffff => Sort::Mapped,
        _ => Sort::Global,
    }
}

/// Whether an address is a group's, or everyone's on a link.
pub(super) fn is_group(family: Family, address: u128) -> bool {
    match family {
        Family::V4 => bits::v4(address).is_multicast() || bits::v4(address).is_broadcast(),
        Family::V6 => sort(address) == Sort::Multicast,
    }
}

impl Sort {
    /// `IPV6_ADDR_UNICAST`.
    pub(super) fn is_unicast(self) -> bool {
        matches!(self, Self::Loopback | Self::LinkLocal | Self::Global)
    }
}

const UNSPEC: usize = 0;
const UNICAST: usize = 1;
const LOCAL: usize = 2;
const BROADCAST: usize = 3;
const ANYCAST: usize = 4;
const MULTICAST: usize = 5;
const UNREACHABLE: usize = 7;

/// Whether `-m addrtype` finds an address among these types, perhaps as one interface knows it.
pub(super) fn is_of_type(
    ground: &Ground,
    family: Family,
    address: u128,
    interface: Option<InterfaceName>,
    wanted: AddressTypes,
) -> bool {
    match family {
        Family::V4 => {
            let place = type_v4(ground, address, interface);
            wanted.0 & AddressTypes::one(place).0 != 0
        }
        Family::V6 => is_of_type_v6(ground, address, interface, wanted),
    }
}

/// An IPv4 address's type by the local table: the main table's routes do not count.
fn type_v4(ground: &Ground, address: u128, interface: Option<InterfaceName>) -> usize {
    let v4 = bits::v4(address);
    if v4.is_unspecified() || v4.is_broadcast() {
        return BROADCAST;
    }
    if v4.is_multicast() {
        return MULTICAST;
    }
    let of_this = |owner| interface.is_none_or(|one| one == owner);
    match ground.find_local(Family::V4, address) {
        Some(Target::Local(owner)) if of_this(owner) => LOCAL,
        Some(Target::Broadcast(owner)) if of_this(owner) => BROADCAST,
        _ => UNICAST,
    }
}

/// `match_type6` in xt_addrtype.c: UNICAST, MULTICAST and UNSPEC must each hold, and of LOCAL, ANYCAST
/// and UNREACHABLE any one.
fn is_of_type_v6(
    ground: &Ground,
    address: u128,
    interface: Option<InterfaceName>,
    wanted: AddressTypes,
) -> bool {
    let wants = |place| wanted.0 & AddressTypes::one(place).0 != 0;
    let sort = sort(address);
    if wants(MULTICAST) && sort != Sort::Multicast
        || wants(UNICAST) && !sort.is_unicast()
        || wants(UNSPEC) && sort != Sort::Any
    {
        return false;
    }
    if !wants(LOCAL) && !wants(ANYCAST) && !wants(UNREACHABLE) {
        return true;
    }
    let own = interface.is_some_and(|one| ground.has_address(one, Family::V6, address));
    match ground.find_toward(Family::V6, address, interface) {
        None | Some(Target::Blackhole | Target::Unreachable | Target::Prohibit) => {
            wants(UNREACHABLE)
        }
        Some(Target::Local(_)) => wants(LOCAL) && (interface.is_none() || own),
        Some(Target::Anycast(_)) => wants(ANYCAST) || wants(LOCAL) && own,
        Some(_) => wants(LOCAL) && own,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn ipv6_addresses_are_sorted_by_their_first_bits() {
        let sorted = |text: &str| sort(text.parse::<Ipv6Addr>().unwrap().to_bits());
        for (text, expected) in [
            ("::", Sort::Any),
            ("::1", Sort::Loopback),
            ("::2", Sort::Global),
            ("::ffff:10.0.0.1", Sort::Mapped),
            ("fe80::1", Sort::LinkLocal),
            ("febf::1", Sort::LinkLocal),
            ("fec0::1", Sort::Global),
            ("fd00::1", Sort::Global),
            ("2001:db8::1", Sort::Global),
            ("ff02::1", Sort::Multicast),
        ] {
            assert_eq!(sorted(text), expected, "{text}");
        }
    }
}
