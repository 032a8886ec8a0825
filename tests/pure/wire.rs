//! What is built is recognised, whatever the packet.

use std::net::IpAddr;

use calidiff::packet::wire::{Tag, build, recognise};
use calidiff::packet::{
    Defect, Family, Fragment, Icmp, Origin, Packet, Payload, Ports, Protocol, Tcp, TcpFlags,
    Transport, Tuple,
};
use proptest::option::of;
use proptest::prelude::*;

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::V6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

fn ports() -> impl Strategy<Value = Ports> {
    any::<(u16, u16)>().prop_map(|(source, destination)| Ports {
        source,
        destination,
    })
}

fn tuple(family: Family) -> impl Strategy<Value = Tuple> {
    let protocol = any::<u8>().prop_map(Protocol);
    (address(family), address(family), protocol, ports()).prop_map(
        |(source, destination, protocol, ports)| Tuple {
            source,
            destination,
            protocol,
            ports,
        },
    )
}

fn transport(family: Family) -> impl Strategy<Value = Transport> {
    let tcp = (ports(), any::<u8>(), of(any::<u8>()));
    let icmp = (any::<(u8, u8, u16)>(), of(tuple(family)));
    // Protocols that have a variant of their own, or that IPv6 reads as an extension header, are not
    // "other" ones.
    let other = any::<u8>().prop_filter("a protocol of its own", |number| {
        ![0, 1, 6, 17, 43, 44, 51, 58, 60, 132, 136].contains(number)
    });
    prop_oneof![
        tcp.prop_map(|(ports, flags, option)| {
            Transport::Tcp(Tcp {
                ports,
                flags: TcpFlags(flags),
                option,
            })
        }),
        ports().prop_map(Transport::Udp),
        ports().prop_map(Transport::UdpLite),
        (ports(), any::<u8>()).prop_map(|(ports, chunk)| Transport::Sctp { ports, chunk }),
        icmp.prop_map(|((kind, code, identifier), quoted)| {
            Transport::Icmp(Icmp {
                kind,
                code,
                identifier,
                quoted,
            })
        }),
        other.prop_map(|number| Transport::Other(Protocol(number))),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        4 => (0..100_u16).prop_map(Payload::Zeros),
        1 => any::<u16>().prop_map(Payload::Zeros),
        4 => any::<Vec<u8>>().prop_map(|bytes| Payload::Bytes(bytes.into())),
    ]
}

fn fragment() -> impl Strategy<Value = Fragment> {
    (0..8192_u16, any::<bool>()).prop_map(|(offset, more)| Fragment { offset, more })
}

fn defect() -> impl Strategy<Value = Defect> {
    prop_oneof![
        Just(Defect::HeaderChecksum),
        Just(Defect::TransportChecksum),
        any::<u8>().prop_map(Defect::Truncated),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    prop_oneof![Just(Family::V4), Just(Family::V6)].prop_flat_map(|family| {
        let addresses = (address(family), address(family));
        let headers = (any::<(u8, u8)>(), of(fragment()), transport(family));
        (addresses, headers, payload(), of(defect())).prop_map(
            |(
                (source, destination),
                ((hops, traffic_class), fragment, transport),
                payload,
                defect,
            )| {
                Packet {
                    hops,
                    traffic_class,
                    fragment,
                    payload,
                    defect,
                    ..Packet::new(Origin::Node, source, destination, transport)
                }
            },
        )
    })
}

fn built(packet: &Packet, tag: Tag) -> Vec<u8> {
    let mut bytes = vec![0xaa; 7];
    build(packet, tag, &mut bytes).expect("one family");
    bytes
}

/// The internet checksum over bytes that hold their own checksum: 0 if it is right.
fn residue(bytes: &[u8]) -> u16 {
    let sum = bytes.chunks(2).fold(0_u64, |sum, word| {
        sum + u64::from(u16::from_be_bytes([word[0], *word.get(1).unwrap_or(&0)]))
    });
    let folded = (0..4).fold(sum, |sum, _| (sum & 0xffff) + (sum >> 16));
    !u16::try_from(folded).expect("folded")
}

fn is_piece(packet: &Packet) -> bool {
    packet
        .fragment
        .is_some_and(|fragment| fragment.more || fragment.offset > 0)
}

fn quotes(packet: &Packet) -> bool {
    matches!(&packet.transport, Transport::Icmp(icmp) if icmp.quoted.is_some())
}

proptest! {
    #[test]
    fn what_is_built_is_recognised(packet in packet(), number in 1..=Tag::LAST_NUMBER, preset in 0..=Tag::LAST_PRESET) {
        let tag = Tag::new(number, preset);
        let bytes = built(&packet, tag);
        let seen = recognise(packet.family(), &bytes).expect("an internet header");
        prop_assert_eq!(seen.headers, packet.headers());
        prop_assert_eq!(seen.tag, tag);
        // Where an error quotes nothing, its payload may by chance begin as a packet does.
        if quotes(&packet) && let Some(quoted) = seen.quoted {
            prop_assert_eq!(quoted, tag);
        }
        // An observer gets no more than the beginning.
        prop_assert_eq!(recognise(packet.family(), &bytes[..bytes.len().min(128)]), Some(seen));
    }

    #[test]
    fn lengths_and_sums_are_right(packet in packet()) {
        let packet = Packet { defect: None, fragment: None, ..packet };
        let bytes = built(&packet, Tag::new(1, 0));
        let word = |at: usize| usize::from(u16::from_be_bytes([bytes[at], bytes[at + 1]]));
        let head = match packet.family() {
            Family::V4 => {
                prop_assert_eq!(word(2), bytes.len());
                prop_assert_eq!(residue(&bytes[..20]), 0);
                20
            }
            Family::V6 => {
                prop_assert_eq!(word(4), bytes.len() - 40);
                40
            }
        };
        let summed = match packet.transport {
            Transport::Tcp(_) | Transport::Udp(_) | Transport::UdpLite(_) => true,
            Transport::Icmp(_) => packet.family() == Family::V6,
            _ => false,
        };
        if summed {
            let mut pseudo = bytes[head - if head == 20 { 8 } else { 32 }..head].to_vec();
            pseudo.extend_from_slice(&u32::try_from(bytes.len() - head).expect("small").to_be_bytes());
            pseudo.extend_from_slice(&u32::from(packet.protocol().0).to_be_bytes());
            pseudo.extend_from_slice(&bytes[head..]);
            prop_assert_eq!(residue(&pseudo), 0);
        } else if matches!(packet.transport, Transport::Icmp(_)) {
            prop_assert_eq!(residue(&bytes[head..]), 0);
        }
    }

    #[test]
    fn a_defect_changes_what_it_names(packet in packet()) {
        let whole = Packet { defect: None, fragment: None, ..packet };
        let right = built(&whole, Tag::new(1, 0));
        let with = |defect| built(&Packet { defect: Some(defect), ..whole.clone() }, Tag::new(1, 0));
        let wrong = with(Defect::TransportChecksum);
        prop_assert_eq!(wrong.len(), right.len());
        prop_assert_eq!(wrong == right, matches!(whole.transport, Transport::Other(_)));
        if whole.family() == Family::V4 {
            prop_assert_ne!(residue(&with(Defect::HeaderChecksum)[..20]), 0);
        }
        let head = if whole.family() == Family::V4 { 20 } else { 40 };
        prop_assert_eq!(with(Defect::Truncated(3)).len(), head + 3);
    }

    #[test]
    fn fragments_are_whole_eights(packet in packet(), piece in fragment()) {
        let packet = Packet { defect: None, fragment: Some(piece), payload: Payload::Zeros(13), ..packet };
        let bytes = built(&packet, Tag::new(1, 0));
        let head = match packet.family() {
            Family::V4 => 20,
            Family::V6 if is_piece(&packet) => 48,
            Family::V6 => 40,
        };
        if piece.more {
            prop_assert_eq!((bytes.len() - head) % 8, 0);
        }
        prop_assert!(bytes.len() >= head + 8);
    }

    #[test]
    fn no_bytes_make_recognising_panic(bytes: Vec<u8>, v6: bool) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let _ = recognise(family, &bytes);
        let mut plausible = bytes;
        if let Some(first) = plausible.first_mut() {
            *first = if v6 { 0x60 } else { 0x4f };
        }
        let _ = recognise(family, &plausible);
    }
}

#[test]
fn two_families_in_one_packet_are_refused() {
    let packet = Packet::new(
        Origin::Node,
        [10, 0, 0, 1].into(),
        "::1".parse().expect("an address"),
        Transport::Other(Protocol(200)),
    );
    let error = build(&packet, Tag::new(1, 0), &mut Vec::new()).expect_err("two families");
    assert!(error.to_string().contains("10.0.0.1"), "{error}");
}
