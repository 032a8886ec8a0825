//! What routing does with a packet that arrives, after PREROUTING.

use super::addresses::{self, Sort};
use super::bits;
use super::routing::{Ground, Link, Target, is_loopback_v4};
use super::traveller::Traveller;
use crate::node::ReversePath;
use crate::packet::{Family, InterfaceName};

/// An ICMP error that routing sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Error {
    /// Its type.
    pub(super) kind: u8,
    /// Its code.
    pub(super) code: u8,
    /// Whether the kernel sends only some of them: a few a second to one address (net/ipv4/route.c,
    /// `ip_error`; the limits are no setting of a namespace).
    pub(super) limited: bool,
}

/// What routing decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Input {
    /// It is for the node itself.
    Local {
        /// Whether others get it as well.
        to_many: bool,
    },
    /// It goes on by an interface.
    Forward {
        /// Which.
        interface: InterfaceName,
        /// The next hop, as a number; 0 for the destination itself.
        gateway: u128,
    },
    /// It ends, and perhaps its sender hears of it.
    Refused(Option<Error>),
}

fn unreachable(code: u8, limited: bool) -> Input {
    Input::Refused(Some(Error {
        kind: 3,
        code,
        limited,
    }))
}

fn unreachable_v6(code: u8) -> Input {
    Input::Refused(Some(Error {
        kind: 1,
        code,
        limited: false,
    }))
}

/// Routes a packet that came by an interface.
pub(super) fn route(ground: &Ground, link: &Link, packet: &Traveller<'_>) -> Input {
    match packet.family {
        Family::V4 => route_v4(ground, link, packet),
        Family::V6 => route_v6(ground, link, packet),
    }
}

/// `ip_route_input_slow` in net/ipv4/route.c, and before it the groups (`ip_route_input_rcu`).
fn route_v4(ground: &Ground, link: &Link, packet: &Traveller<'_>) -> Input {
    const NOWHERE: Input = Input::Refused(None);
    let source = bits::v4(packet.source);
    let destination = bits::v4(packet.destination);
    if destination.is_multicast() {
        return group_v4(ground, link, packet);
    }
    if source.is_multicast() || source.is_broadcast() {
        return NOWHERE;
    }
    let from_nowhere = source.is_unspecified();
    if destination.is_broadcast() || from_nowhere && destination.is_unspecified() {
        return broadcast(ground, link, packet);
    }
    if from_nowhere || destination.is_unspecified() {
        return NOWHERE;
    }
    if (destination.is_loopback() || source.is_loopback()) && !link.route_localnet {
        return NOWHERE;
    }
    let forwards = ground.forwards(Family::V4);
    let good = |out| has_good_source(ground, link, packet.source, out);
    match ground.find(Family::V4, packet.destination) {
        Some(Target::Broadcast(_)) => broadcast(ground, link, packet),
        Some(Target::Local(_)) if good(None) => Input::Local { to_many: false },
        // Without forwarding every other end is silent (`ip_error`).
        _ if !forwards => NOWHERE,
        None => unreachable(0, true),
        Some(Target::Unreachable) => unreachable(1, true),
        Some(Target::Prohibit) => unreachable(13, true),
        Some(Target::Unicast {
            interface, gateway, ..
        }) if good(Some(interface)) => Input::Forward { interface, gateway },
        Some(_) => NOWHERE,
    }
}

/// To a group: 224.0.0.1 is joined everywhere (net/ipv4/igmp.c, `ip_mc_up`), others nowhere; then
/// `ip_mc_validate_source`.
fn group_v4(ground: &Ground, link: &Link, packet: &Traveller<'_>) -> Input {
    let source = bits::v4(packet.source);
    let all_hosts = bits::v4(packet.destination).octets() == [224, 0, 0, 1];
    let good = if source.is_unspecified() {
        true
    } else {
        !source.is_multicast()
            && !source.is_broadcast()
            && (!source.is_loopback() || link.route_localnet)
            && has_good_source(ground, link, packet.source, None)
    };
    if good && all_hosts {
        Input::Local { to_many: true }
    } else {
        Input::Refused(None)
    }
}

fn broadcast(ground: &Ground, link: &Link, packet: &Traveller<'_>) -> Input {
    if packet.source == 0 || has_good_source(ground, link, packet.source, None) {
        Input::Local { to_many: true }
    } else {
        Input::Refused(None)
    }
}

/// `fib_validate_source` in net/ipv4/fib_frontend.c, with accept_local=0 and send_redirects=0.
fn has_good_source(
    ground: &Ground,
    link: &Link,
    source: u128,
    _out: Option<InterfaceName>,
) -> bool {
    if link.reverse_path == ReversePath::Off {
        return !ground.is_own(Family::V4, source);
    }
    let back = match ground.find(Family::V4, source) {
        // No way back at all, or one that says so.
        None | Some(Target::Blackhole | Target::Unreachable | Target::Prohibit) => return false,
        Some(Target::Unicast { interface, .. }) => interface,
        Some(Target::Local(_) | Target::Broadcast(_) | Target::Anycast(_)) => return false,
    };
    // An interface without an address falls through to "last resort", which any check refuses.
    back == link.name || link.reverse_path == ReversePath::Loose && !link.v4.is_empty()
}

/// net/ipv6/route.c, `ip6_route_input`, and what the route found then does.
fn route_v6(ground: &Ground, link: &Link, packet: &Traveller<'_>) -> Input {
    let sort = addresses::sort(packet.destination);
    if sort == Sort::Multicast {
        let joined = is_joined_v6(ground, packet.destination);
        return if joined {
            Input::Local { to_many: true }
        } else {
            Input::Refused(None)
        };
    }
    // `rt6_need_strict`: what is meant on a link alone must be there. ::1 is on no link, but a translated
    // destination may be ::1.
    let strict = matches!(sort, Sort::LinkLocal | Sort::Loopback);
    let only = strict.then_some(link.name);
    match ground.find_toward(Family::V6, packet.destination, only) {
        Some(Target::Local(_) | Target::Anycast(_)) => Input::Local { to_many: false },
        None | Some(Target::Unreachable) => unreachable_v6(0),
        Some(Target::Prohibit) => unreachable_v6(1),
        Some(Target::Blackhole | Target::Broadcast(_)) => Input::Refused(None),
        Some(Target::Unicast {
            interface, gateway, ..
        }) => forward_v6(ground, link, packet, interface, gateway),
    }
}

/// The groups of every interface: all nodes, and of a router all routers (net/ipv6/addrconf.c; no
/// solicited-node groups on an interface without neighbours).
fn is_joined_v6(ground: &Ground, group: u128) -> bool {
    const ALL_NODES: u128 = 0xff02 << 112 | 1;
    const ALL_ROUTERS: u128 = 0xff02 << 112 | 2;
    const ALL_SITE_ROUTERS: u128 = 0xff05 << 112 | 2;
    group == ALL_NODES
        || ground.forwards(Family::V6) && matches!(group, ALL_ROUTERS | ALL_SITE_ROUTERS)
}

/// `ip6_forward` in net/ipv6/ip6_output.c, up to the hook. A packet that goes back where it came from is
/// spared the checks of its source.
fn forward_v6(
    ground: &Ground,
    link: &Link,
    packet: &Traveller<'_>,
    interface: InterfaceName,
    gateway: u128,
) -> Input {
    if !ground.forwards(Family::V6) {
        return Input::Refused(None);
    }
    if packet.hops <= 1 {
        return Input::Refused(Some(TIME_EXCEEDED_V6));
    }
    if interface != link.name {
        match addresses::sort(packet.source) {
            Sort::Any | Sort::Multicast | Sort::Loopback => return Input::Refused(None),
            // Beyond the scope of the source.
            Sort::LinkLocal => return unreachable_v6(2),
            Sort::Mapped | Sort::Global => {}
        }
    }
    if packet.length() > MTU {
        return Input::Refused(Some(Error {
            kind: 2,
            code: 0,
            limited: false,
        }));
    }
    Input::Forward { interface, gateway }
}

/// What every interface but `lo` takes in one piece: a TUN device's default.
pub(super) const MTU: usize = 1500;

/// "Time to live exceeded in transit".
pub(super) const TIME_EXCEEDED_V4: Error = Error {
    kind: 11,
    code: 0,
    limited: false,
};

const TIME_EXCEEDED_V6: Error = Error {
    kind: 3,
    code: 0,
    limited: false,
};

/// Whether IPv6 refuses a packet on sight, before any hook (`ip6_rcv_core` in net/ipv6/ip6_input.c).
pub(super) fn is_refused_on_sight_v6(packet: &Traveller<'_>, arrives_by_loopback: bool) -> bool {
    let source = addresses::sort(packet.source);
    let destination = addresses::sort(packet.destination);
    let scope = (packet.destination >> 112) & 0xf;
    let foreign = !arrives_by_loopback;
    let loopback = source == Sort::Loopback || destination == Sort::Loopback;
    let narrow = destination == Sort::Multicast && (scope == 0 || scope == 1 && foreign);
    source == Sort::Multicast || loopback && foreign || narrow
}

/// Whether an IPv4 source may leave by an interface: 127/8 only where `route_localnet` lets it
/// (`__mkroute_output` in net/ipv4/route.c).
pub(super) fn may_leave(ground: &Ground, source: u128, interface: InterfaceName) -> bool {
    !is_loopback_v4(source)
        || interface == InterfaceName::LOOPBACK
        || ground
            .link(interface)
            .is_some_and(|link| link.route_localnet)
}
