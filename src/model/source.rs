//! Which of its IPv6 addresses the node speaks from (RFC 6724; net/ipv6/addrconf.c,
//! `ipv6_dev_get_saddr`).

use super::addresses::{self, Sort};
use super::routing::{Address, Ground, Link};
use crate::packet::{Family, InterfaceName};

/// What `ipv6_addr_scope` keeps of a scope (include/net/ipv6.h, `IPV6_ADDR_SCOPE_MASK`): of those that
/// reach further than a site, nothing. That an address is compatible with IPv4's (`IPV6_ADDR_COMPATv4`) is
/// a bit of the same mask, and counts as a scope of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Near {
    Node,
    Link,
    Site,
    Compatible,
}

impl Near {
    fn of(address: u128) -> Option<Self> {
        match scope(address) {
            _ if addresses::sort(address) == Sort::Loopback => Some(Self::Node),
            1 => Some(Self::Node),
            LINK_SCOPE => Some(Self::Link),
            5 => Some(Self::Site),
            _ if addresses::sort(address) == Sort::Global && address >> 32 == 0 => {
                Some(Self::Compatible)
            }
            _ => None,
        }
    }
}

/// How far an address reaches; a larger number reaches further (`__ipv6_addr_src_scope`).
fn scope(address: u128) -> i32 {
    match addresses::sort(address) {
        Sort::Any => -1,
        Sort::Loopback | Sort::LinkLocal => 2,
        Sort::Global if address >> 118 == 0xfec0 >> 6 => 5,
        Sort::Multicast => ((address >> 112) & 0xf) as i32,
        Sort::Mapped | Sort::Global => 14,
    }
}

/// `IPV6_ADDR_SCOPE_LINKLOCAL`.
const LINK_SCOPE: i32 = 2;

/// The policy table's labels (net/ipv6/addrlabel.c, `ip6addrlbl_init_table`).
fn label(address: u128) -> u32 {
    let begins = |prefix: u128, length: u32| (address ^ prefix) >> (128 - length) == 0;
    match address {
        1 => 0,
        _ if begins(0xffff << 32, 96) => 4,
        _ if address >> 32 == 0 => 3,
        _ if begins(0x2001_0010 << 96, 28) => 7,
        _ if begins(0x2001 << 112, 32) => 6,
        _ if begins(0x2002 << 112, 16) => 2,
        _ if begins(0xfc << 120, 7) => 5,
        _ if begins(0xfec0 << 112, 10) => 11,
        _ if begins(0x3ffe << 112, 16) => 12,
        _ => 1,
    }
}

/// Whether an address names a host rather than its place (RFC 4843; `ipv6_addr_orchid`).
fn is_orchid(address: u128) -> bool {
    address >> 100 == 0x200_1001
}

/// What makes one candidate better than another, the most important first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    same: bool,
    scope: i32,
    outgoing: bool,
    label: bool,
    orchid: bool,
    shared: u32,
}

fn score(own: &Address, link: &Link, out: Option<InterfaceName>, destination: u128) -> Score {
    let (reach, needed) = (scope(own.address), scope(destination));
    Score {
        same: own.address == destination,
        // Reaching far enough, the nearer the better; else as far as can be.
        scope: if reach >= needed { -reach } else { reach - 128 },
        outgoing: out.is_none_or(|out| out == link.name),
        label: label(own.address) == label(destination),
        orchid: is_orchid(own.address) == is_orchid(destination),
        shared: (own.address ^ destination)
            .leading_zeros()
            .min(u32::from(own.prefix)),
    }
}

/// The address to speak from toward a destination, by an interface if that is known. Of equals the one
/// that was added last wins, because the kernel puts new addresses before old ones of their scope
/// (`ipv6_link_dev_addr`).
pub(super) fn select_v6(
    ground: &Ground,
    out: Option<InterfaceName>,
    destination: u128,
) -> Option<u128> {
    // Of what is no further than the link the interface's own addresses speak alone; `::`, which has no
    // scope at all, is as near.
    let only_out =
        addresses::sort(destination) == Sort::Multicast || scope(destination) <= LINK_SCOPE;
    let mut best: Option<(Score, u128)> = None;
    let links = ground
        .links()
        .iter()
        .filter(|link| !only_out || out.is_none_or(|out| out == link.name));
    for link in links {
        for own in in_kernel_order(link) {
            let score = score(own, link, out, destination);
            if best.is_none_or(|(found, _)| score > found) {
                best = Some((score, own.address));
            }
        }
    }
    best.map(|(_, address)| address)
}

/// An interface's IPv6 addresses as the kernel lists them: the widest scope first, and in a scope the
/// newest first.
fn in_kernel_order(link: &Link) -> impl Iterator<Item = &Address> {
    let own = link.addresses(Family::V6);
    // Addresses of one have no other scopes: of all, of a site, of a link.
    [14, 5, LINK_SCOPE].into_iter().flat_map(move |reach| {
        let newest = own.iter().rev();
        newest.filter(move |one| scope(one.address) == reach)
    })
}

/// The first address of an interface that is as near as a destination which is no further than its site;
/// toward one that is further, the first of all (`nf_nat_redirect_ipv6`).
pub(super) fn first_v6(
    ground: &Ground,
    interface: InterfaceName,
    destination: u128,
) -> Option<u128> {
    let near = Near::of(destination);
    in_kernel_order(ground.link(interface)?)
        .map(|own| own.address)
        .filter(|own| addresses::sort(*own) != Sort::Mapped)
        .find(|own| near.is_none() || Near::of(*own) == near)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    fn number(text: &str) -> u128 {
        text.parse::<Ipv6Addr>().unwrap().to_bits()
    }

    #[test]
    fn labels_are_the_kernels() {
        for (address, expected) in [
            ("::1", 0),
            ("2001:db8::1", 1),
            ("2002::1", 2),
            ("::a00:1", 3),
            ("::ffff:10.0.0.1", 4),
            ("fd00::1", 5),
            ("2001::1", 6),
            ("2001:10::1", 7),
            ("fec0::1", 11),
            ("3ffe::1", 12),
        ] {
            assert_eq!(label(number(address)), expected, "{address}");
        }
    }
}
