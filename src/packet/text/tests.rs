//! Round trips of the one-line forms, and what their errors point at.

use proptest::prelude::*;

use super::*;

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
    let parts = (address(family), address(family), any::<u8>(), ports());
    parts.prop_map(|(source, destination, protocol, ports)| Tuple {
        source,
        destination,
        protocol: Protocol(protocol),
        ports,
    })
}

fn transport(family: Family) -> impl Strategy<Value = Transport> {
    let icmp = (any::<(u8, u8, u16)>(), proptest::option::of(tuple(family)));
    prop_oneof![
        (ports(), any::<u8>(), any::<Option<u8>>()).prop_map(|(ports, flags, option)| {
            Transport::Tcp(Tcp {
                ports,
                flags: TcpFlags(flags),
                option,
            })
        }),
        ports().prop_map(Transport::Udp),
        ports().prop_map(Transport::UdpLite),
        (ports(), any::<u8>()).prop_map(|(ports, chunk)| Transport::Sctp { ports, chunk }),
        icmp.prop_map(|((kind, code, identifier), quoted)| Transport::Icmp(Icmp {
            kind,
            code,
            identifier,
            quoted,
        })),
        any::<u8>().prop_map(|number| Transport::Other(Protocol(number))),
    ]
}

fn defect() -> impl Strategy<Value = Option<Defect>> {
    prop_oneof![
        Just(None),
        Just(Some(Defect::HeaderChecksum)),
        Just(Some(Defect::TransportChecksum)),
        any::<u8>().prop_map(|bytes| Some(Defect::Truncated(bytes))),
    ]
}

fn payload() -> impl Strategy<Value = Payload> {
    prop_oneof![
        any::<u16>().prop_map(Payload::Zeros),
        any::<Vec<u8>>().prop_map(|bytes| Payload::Bytes(bytes.into())),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let family = prop_oneof![Just(Family::V4), Just(Family::V6)];
    family.prop_flat_map(|family| {
        let origin = proptest::option::of("[a-z][a-z0-9=(.-]{0,14}");
        let ends = (address(family), address(family));
        let header = any::<(u8, u8, u32, bool)>();
        let fragment = proptest::option::of((0_u16..8192, any::<bool>()));
        let parts = (
            origin,
            ends,
            transport(family),
            header,
            fragment,
            payload(),
            defect(),
        );
        parts.prop_map(
            |(origin, ends, transport, header, fragment, payload, defect)| {
                let origin = origin.and_then(|name| name.parse().ok());
                let origin = origin.map_or(Origin::Node, Origin::Arrives);
                Packet {
                    hops: header.0,
                    traffic_class: header.1,
                    mark: Mark(header.2),
                    untracked: header.3,
                    fragment: fragment.map(|(offset, more)| Fragment { offset, more }),
                    payload,
                    defect,
                    ..Packet::new(origin, ends.0, ends.1, transport)
                }
            },
        )
    })
}

proptest! {
    #[test]
    fn a_packet_is_read_as_it_is_printed(packet in packet()) {
        prop_assert_eq!(packet.to_string().parse(), Ok(packet));
    }

    #[test]
    fn a_connection_is_read_as_it_is_printed(
        original in prop_oneof![tuple(Family::V4), tuple(Family::V6)],
        reply in prop_oneof![tuple(Family::V4), tuple(Family::V6)],
        translated: bool,
        progress in proptest::sample::select(vec![Progress::Unreplied, Progress::Answered, Progress::Replied]),
        settled: bool,
    ) {
        let plain = Connection::new(original, progress);
        let connection = if translated { None } else { plain };
        let connection = connection.unwrap_or(Connection { original, reply, progress, settled });
        prop_assert_eq!(connection.to_string().parse(), Ok(connection));
    }

    #[test]
    fn no_text_panics(text in ".{0,60}") {
        let _ = text.parse::<Packet>();
        let _ = text.parse::<Connection>();
    }

    #[test]
    fn no_wrong_word_panics(packet in packet(), at: usize, character: char) {
        let mut text: Vec<char> = packet.to_string().chars().collect();
        let place = at % text.len();
        text[place] = character;
        let text: String = text.into_iter().collect();
        if let Err(error) = text.parse::<Packet>() {
            prop_assert!(error.column() <= text.chars().count() + 1, "{}", error);
        }
    }
}

fn complaint(text: &str) -> String {
    match text.parse::<Packet>() {
        Ok(packet) => format!("read as {packet}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_usual_goes_without_saying() -> Result<(), NotAPacket> {
    let packet: Packet = "in=cali0ef24b1 tcp 172.16.1.1:40000 > 10.0.0.9:443".parse()?;
    let syn = Transport::Tcp(Tcp {
        ports: Ports {
            source: 40000,
            destination: 443,
        },
        flags: TcpFlags::SYN,
        option: None,
    });
    assert_eq!(packet.transport, syn);
    assert_eq!(packet.hops, 64);
    let ping: Packet = "from=node icmp6 fd00::1 > fd00::2".parse()?;
    assert_eq!(ping.tuple().icmp_parts(), (128, 0, 0));
    Ok(())
}

#[test]
fn options_stand_anywhere() -> Result<(), NotAPacket> {
    let one: Packet = "mark=1 udp in=eth0 10.0.0.1:1 > 10.0.0.2:2 ttl=3 untracked".parse()?;
    let other: Packet = "in=eth0 untracked ttl=3 udp 10.0.0.1:1 > 10.0.0.2:2 mark=0x1".parse()?;
    assert_eq!(one, other);
    Ok(())
}

#[test]
fn errors_point_at_the_word() {
    assert_eq!(
        complaint("in=eth0 tcp 10.0.0.1 > 10.0.0.9:443"),
        "column 13: found `10.0.0.1`, expected an address with a port, such as 10.0.0.1:80 or \
         [fd00::1]:80"
    );
    assert_eq!(
        complaint("in=eth0 udp 10.0.0.1:1 > 10.0.0.9:443 flags=SYN"),
        "column 39: found `flags=SYN`, expected an option that this protocol has"
    );
    assert_eq!(
        complaint("in=eth0 tcp 10.0.0.1:1 > fd00::1 mark=1"),
        "column 26: found `fd00::1`, expected an address of the source's family"
    );
    assert_eq!(
        complaint("in=é icmp 10.0.0.1 > 10.0.0.9 type=3 quotes=(tcp 1.1.1.1:x > 2.2.2.2:1)"),
        "column 50: found `1.1.1.1:x`, expected an address such as 10.0.0.1, 10.0.0.1:80, fd00::1 \
         or [fd00::1]:80"
    );
    assert_eq!(
        complaint("tcp 10.0.0.1:1 > 10.0.0.9:443"),
        "column 30: found the end, expected `in=INTERFACE` or `from=node`"
    );
}
