//! `-m rpfilter`: whether the way back to a packet's source leads where it came from
//! (net/ipv4/netfilter/ipt_rpfilter.c, net/ipv6/netfilter/ip6t_rpfilter.c).

use super::addresses::{self, Sort};
use super::bits;
use super::routing::{Ground, Target};
use super::traveller::Traveller;
use crate::packet::{Family, InterfaceName};
use crate::xtables::matches::RpfilterTest;

/// Whether a packet passes the match.
pub(super) fn passes(test: RpfilterTest, packet: &Traveller<'_>, ground: &Ground) -> bool {
    let good = match packet.in_interface {
        None | Some(InterfaceName::LOOPBACK) => true,
        Some(interface) => match packet.family {
            Family::V4 => passes_v4(test, packet, interface, ground),
            Family::V6 => passes_v6(test, packet, interface, ground),
        },
    };
    good != test.invert
}

fn passes_v4(
    test: RpfilterTest,
    packet: &Traveller<'_>,
    interface: InterfaceName,
    ground: &Ground,
) -> bool {
    let destination = bits::v4(packet.destination);
    // Somebody who has no address yet asks everybody on the link.
    let to_the_link = destination.is_broadcast() || destination.octets()[..3] == [224, 0, 0];
    if packet.source == 0 && to_the_link {
        return true;
    }
    match ground.find(Family::V4, packet.source) {
        Some(Target::Unicast {
            interface: back, ..
        }) => back == interface || test.loose,
        Some(Target::Local(back)) if test.accept_local => back == interface || test.loose,
        _ => false,
    }
}

fn passes_v6(
    test: RpfilterTest,
    packet: &Traveller<'_>,
    interface: InterfaceName,
    ground: &Ground,
) -> bool {
    let sort = addresses::sort(packet.source);
    if sort == Sort::Any {
        return true;
    }
    let only = (sort == Sort::LinkLocal).then_some(interface);
    match ground.find_toward(Family::V6, packet.source, only) {
        Some(Target::Unicast {
            interface: back, ..
        }) => back == interface || test.loose,
        Some(Target::Local(_)) => test.accept_local,
        _ => false,
    }
}
