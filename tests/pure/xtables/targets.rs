//! Targets of every kind.

use calidiff::packet::Family;
use calidiff::xtables::Target;
use calidiff::xtables::target::{
    Connmark, Ct, HopsChange, Log, NatRange, Nflog, Reject, TcpMss, TrafficClass, Xmark,
};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{address, masked, ports};

/// The user's chain that a ruleset has.
pub const CHAIN: &str = "user-chain";

/// Whether the target writes ports, for which the rule must name a protocol.
pub fn needs_ports(target: &Target) -> bool {
    match target {
        Target::Dnat(range)
        | Target::Snat(range)
        | Target::Masquerade(range)
        | Target::Redirect(range) => range.ports.is_some(),
        _ => false,
    }
}

/// One target that a rule of the family can have.
pub fn one(family: Family) -> BoxedStrategy<Target> {
    let plain = [
        Target::None,
        Target::Accept,
        Target::Drop,
        Target::Return,
        Target::Jump(CHAIN.to_owned()),
        Target::Goto(CHAIN.to_owned()),
        Target::Notrack,
        Target::Trace,
        Target::Checksum,
        Target::TcpMss(TcpMss::Clamp),
    ];
    prop_oneof![
        4 => select(plain.to_vec()),
        3 => marks(),
        3 => nat(family),
        2 => reject(family),
        3 => other(),
    ]
    .boxed()
}

fn marks() -> impl Strategy<Value = Target> {
    let xmark = || any::<(u32, u32)>().prop_map(|(value, mask)| Xmark { value, mask });
    let masks = any::<(u32, u32, bool)>();
    prop_oneof![
        xmark().prop_map(Target::Mark),
        xmark().prop_map(|xmark| Target::Connmark(Connmark::Set(xmark))),
        masks.prop_map(|(packet_mask, connection_mask, save)| {
            Target::Connmark(match save {
                true => Connmark::Save {
                    packet_mask,
                    connection_mask,
                },
                false => Connmark::Restore {
                    packet_mask,
                    connection_mask,
                },
            })
        }),
    ]
}

fn nat(family: Family) -> impl Strategy<Value = Target> {
    let addresses = (address(family), address(family));
    let range = (
        option::of(addresses),
        option::of(ports()),
        option::of(1..=u16::MAX),
    )
        .prop_map(|(addresses, ports, base_port)| NatRange {
            addresses,
            ports,
            base_port: base_port.filter(|_| ports.is_some()),
            ..NatRange::default()
        })
        .boxed();
    let some = |range: &NatRange| range.addresses.is_some() || range.ports.is_some();
    let with_to = range.clone().prop_filter("somewhere to go", some);
    let flags = any::<(bool, bool, bool)>();
    let netmap = (address(family), 0..=family.bits());
    prop_oneof![
        (with_to.clone(), flags).prop_map(|(range, (random, _, persistent))| {
            Target::Dnat(NatRange {
                random,
                persistent,
                ..range
            })
        }),
        (with_to, flags).prop_map(|(range, (random, random_fully, persistent))| {
            Target::Snat(NatRange {
                random,
                random_fully,
                persistent,
                ..range
            })
        }),
        (range.clone(), flags).prop_map(|(range, (random, random_fully, _))| {
            Target::Masquerade(NatRange {
                addresses: None,
                random,
                random_fully,
                ..range
            })
        }),
        (range, any::<bool>()).prop_map(|(range, random)| {
            Target::Redirect(NatRange {
                addresses: None,
                random,
                ..range
            })
        }),
        netmap.prop_map(|(address, length)| {
            let net = ipnet::IpNet::new(address, length).expect("a length of the family");
            Target::Netmap {
                address: masked(address, net.netmask()),
                mask: net.netmask(),
            }
        }),
    ]
}

fn reject(family: Family) -> impl Strategy<Value = Target> {
    let types = match family {
        Family::V4 => vec![
            Reject::NetUnreachable,
            Reject::HostUnreachable,
            Reject::ProtoUnreachable,
            Reject::PortUnreachable,
            Reject::NetProhibited,
            Reject::HostProhibited,
            Reject::AdminProhibited,
            Reject::TcpReset,
        ],
        Family::V6 => vec![
            Reject::NoRoute6,
            Reject::AdminProhibited6,
            Reject::AddressUnreachable6,
            Reject::PortUnreachable6,
            Reject::PolicyFail6,
            Reject::RejectRoute6,
            Reject::TcpReset,
        ],
    };
    select(types).prop_map(Target::Reject)
}

fn other() -> impl Strategy<Value = Target> {
    let prefix = || option::of("[ -~]{1,20}");
    let log = (prefix(), option::of(5..=7u8), any::<[bool; 5]>());
    let nflog = (
        any::<u16>(),
        prefix(),
        any::<u32>(),
        any::<bool>(),
        option::of(any::<u16>()),
    );
    let hops = any::<u8>();
    prop_oneof![
        log.prop_map(|(prefix, level, flags)| {
            let [tcp_sequence, tcp_options, ip_options, uid, mac_decode] = flags;
            Target::Log(Log {
                prefix,
                level,
                tcp_sequence,
                tcp_options,
                ip_options,
                uid,
                mac_decode,
            })
        }),
        nflog.prop_map(|(group, prefix, length, is_size, threshold)| {
            Target::Nflog(Nflog {
                group,
                prefix,
                range: (!is_size).then_some(length),
                size: is_size.then_some(length),
                threshold,
            })
        }),
        (0..64u8).prop_map(|class| Target::TrafficClass(TrafficClass::Dscp(class))),
        any::<(u8, u8)>()
            .prop_map(|(value, mask)| Target::TrafficClass(TrafficClass::Tos { value, mask })),
        hops.prop_map(|hops| Target::Hops(HopsChange::Set(hops))),
        (1..=255u8).prop_map(|hops| Target::Hops(HopsChange::Increase(hops))),
        (1..=255u8).prop_map(|hops| Target::Hops(HopsChange::Decrease(hops))),
        (0..=u16::MAX - 40).prop_map(|size| Target::TcpMss(TcpMss::Set(size))),
        (any::<bool>(), "[a-z -]{1,8}").prop_map(|(notrack, helper)| {
            Target::Ct(Ct {
                notrack,
                words: vec!["--helper".to_owned(), helper],
            })
        }),
        "[a-z0-9-]{1,8}".prop_map(|number| Target::Opaque {
            name: "NFQUEUE".to_owned(),
            words: vec!["--queue-num".to_owned(), format!("1{number}")],
        }),
    ]
}
