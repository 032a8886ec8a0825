//! Matches of every kind.

use calidiff::packet::Family;
use calidiff::xtables::Match;
use calidiff::xtables::matches::{
    AddressTypes, AddrtypeTest, ChunkScope, ChunkTest, Chunks, ConnectionStatus, Conntrack,
    CounterTest, FlagsTest, HopsTest, IcmpTest, IprangeTest, MaskedMark, Not, OwnerTest,
    PacketType, PhysdevTest, PortSide, RoutingHeaderTest, RoutingStops, RpfilterTest, SctpTest,
    SetSide, SetTest, StatefulKind, StatefulTest, States, StatisticTest, StringTest, TcpTest,
    UdpTest,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{address, host, interface, maybe_not, not, ports, text};

/// One match that a rule of the family can have.
pub fn one(family: Family) -> BoxedStrategy<Match> {
    prop_oneof![
        4 => simple(),
        4 => transport(),
        3 => of_family(family),
        3 => node(),
        2 => other(),
    ]
    .boxed()
}

fn mark() -> impl Strategy<Value = MaskedMark> {
    let mask = prop_oneof![Just(u32::MAX), any::<u32>()];
    (any::<u32>(), mask).prop_map(|(value, mask)| MaskedMark { value, mask })
}

fn simple() -> impl Strategy<Value = Match> {
    prop_oneof![
        text().prop_map(Match::Comment),
        not(mark()).prop_map(Match::Mark),
        not(mark()).prop_map(Match::Connmark),
        not((1..0x20u8).prop_map(States)).prop_map(Match::State),
        not(any::<[u8; 6]>()).prop_map(Match::Mac),
        not(0..64u8).prop_map(Match::Dscp),
        not(any::<(u8, u8)>()).prop_map(Match::Tos),
        not(any::<(u16, u16)>()).prop_map(Match::Length),
        not(select(
            &[
                PacketType::Unicast,
                PacketType::Broadcast,
                PacketType::Multicast,
                PacketType::OtherHost,
            ][..]
        ))
        .prop_map(Match::Pkttype),
        not(statistic()).prop_map(Match::Statistic),
        string(),
    ]
}

fn statistic() -> impl Strategy<Value = StatisticTest> {
    prop_oneof![
        (0..=1u32 << 31).prop_map(|probability| StatisticTest::Random { probability }),
        (1..=u32::MAX)
            .prop_flat_map(|every| (Just(every), 0..every))
            .prop_map(|(every, packet)| StatisticTest::Nth { every, packet }),
    ]
}

fn string() -> impl Strategy<Value = Match> {
    let pattern = prop_oneof![
        vec(any::<u8>(), 1..=128),
        "[ -~]{1,20}".prop_map(String::into_bytes),
    ];
    let flags = any::<(u16, u16, bool, bool)>();
    (select(&["bm", "kmp"][..]), pattern, flags).prop_map(|(algorithm, pattern, flags)| {
        let (from, to, ignore_case, negated) = flags;
        Match::String(StringTest {
            algorithm: algorithm.to_owned(),
            from,
            to,
            pattern,
            ignore_case,
            negated,
        })
    })
}

fn transport() -> impl Strategy<Value = Match> {
    let flags = (0..0x40u8, 0..0x40u8).prop_map(|(mask, compare)| FlagsTest { mask, compare });
    let tcp = (
        maybe_not(ports()),
        maybe_not(ports()),
        maybe_not(flags),
        maybe_not(1..=255u8),
    );
    let sctp = (maybe_not(ports()), maybe_not(ports()), maybe_not(chunks()));
    let side = select(&[PortSide::Source, PortSide::Destination, PortSide::Either][..]);
    prop_oneof![
        tcp.prop_map(|(source, destination, flags, option)| Match::Tcp(TcpTest {
            source,
            destination,
            flags,
            option,
        })),
        (maybe_not(ports()), maybe_not(ports())).prop_map(|(source, destination)| {
            Match::Udp(UdpTest {
                source,
                destination,
            })
        }),
        sctp.prop_map(|(source, destination, chunks)| Match::Sctp(SctpTest {
            source,
            destination,
            chunks,
        })),
        (side, not(vec(ports(), 1..=7))).prop_map(|(side, ports)| Match::Multiport(side, ports)),
    ]
}

fn chunks() -> impl Strategy<Value = ChunkTest> {
    let scope = select(&[ChunkScope::All, ChunkScope::Any, ChunkScope::Only][..]);
    let data = "[IUBEiube]{0,4}".prop_map(|flags| (0, flags));
    let init = Just((1, String::new()));
    let these = vec(prop_oneof![data, init], 0..4).prop_map(Chunks::These);
    let chunks = prop_oneof![these, Just(Chunks::All)];
    (scope, chunks).prop_map(|(scope, chunks)| ChunkTest { scope, chunks })
}

fn icmp() -> impl Strategy<Value = IcmpTest> {
    let codes = prop_oneof![
        Just((0, 255)),
        any::<u8>().prop_map(|code| (code, code)),
        any::<(u8, u8)>()
    ];
    (any::<u8>(), codes).prop_map(|(kind, (first_code, last_code))| IcmpTest {
        kind,
        first_code,
        last_code,
    })
}

fn of_family(family: Family) -> impl Strategy<Value = Match> {
    let icmp = not(icmp()).prop_map(move |test| match family {
        Family::V4 => Match::Icmp(test),
        Family::V6 => Match::Icmp6(test),
    });
    let range = move || maybe_not((address(family), address(family)));
    let iprange = (range(), range())
        .prop_filter("one of them", |(source, destination)| {
            source.is_some() || destination.is_some()
        })
        .prop_map(|(source, destination)| {
            Match::Iprange(IprangeTest {
                source,
                destination,
            })
        });
    let hops = prop_oneof![
        any::<u8>().prop_map(HopsTest::Equal),
        any::<u8>().prop_map(HopsTest::NotEqual),
        any::<u8>().prop_map(HopsTest::Below),
        any::<u8>().prop_map(HopsTest::Above),
    ];
    let both = prop_oneof![icmp, iprange, hops.prop_map(Match::Hops), conntrack(family)];
    match family {
        Family::V4 => both.boxed(),
        Family::V6 => prop_oneof![4 => both, 1 => routing_header()].boxed(),
    }
}

fn routing_header() -> impl Strategy<Value = Match> {
    let everything = (0, u32::MAX);
    let segments = any::<(u32, u32)>().prop_filter("a range", move |range| *range != everything);
    let addresses = vec(any::<std::net::Ipv6Addr>(), 1..=16);
    let stops = (addresses, any::<bool>())
        .prop_map(|(addresses, strict)| RoutingStops { addresses, strict });
    let fields = (
        maybe_not(any::<u32>()),
        maybe_not(segments),
        maybe_not(any::<u32>()),
    );
    let of_zero = option::of((any::<bool>(), option::of(stops)));
    (fields, of_zero).prop_map(|((kind, segments_left, length), of_zero)| {
        let test = RoutingHeaderTest {
            kind,
            segments_left,
            length,
            ..RoutingHeaderTest::default()
        };
        Match::RoutingHeader(Box::new(match of_zero {
            None => test,
            Some((reserved, stops)) => RoutingHeaderTest {
                kind: Some(Not::is(0)),
                reserved,
                stops,
                ..test
            },
        }))
    })
}

fn conntrack(family: Family) -> impl Strategy<Value = Match> {
    let what = (
        maybe_not((1..0x80u8).prop_map(States)),
        maybe_not(any::<u8>()),
        maybe_not((0..0x10u8).prop_map(ConnectionStatus)),
        maybe_not(any::<(u32, u32)>()),
        option::of(any::<bool>()),
    );
    let hosts = [(); 4].map(|()| maybe_not(host(family)));
    let port_ranges = [(); 4].map(|()| maybe_not(ports()));
    let some = |test: &Conntrack| *test != Conntrack::default();
    (what, hosts, port_ranges)
        .prop_map(|(what, hosts, ports)| {
            let (states, protocol, status, expires, original_direction) = what;
            let [
                original_source,
                original_destination,
                reply_source,
                reply_destination,
            ] = hosts;
            let [
                original_source_port,
                original_destination_port,
                reply_source_port,
                reply_destination_port,
            ] = ports;
            Conntrack {
                states,
                protocol,
                original_source,
                original_destination,
                reply_source,
                reply_destination,
                original_source_port,
                original_destination_port,
                reply_source_port,
                reply_destination_port,
                status,
                expires,
                original_direction,
            }
        })
        .prop_filter("one of its options", some)
        .prop_map(|test| Match::Conntrack(Box::new(test)))
}

fn node() -> impl Strategy<Value = Match> {
    let rpfilter = any::<(bool, bool, bool, bool)>().prop_map(|flags| {
        let (loose, valid_mark, accept_local, invert) = flags;
        Match::Rpfilter(RpfilterTest {
            loose,
            valid_mark,
            accept_local,
            invert,
        })
    });
    prop_oneof![set(), addrtype(), rpfilter, owner(), physdev()]
}

fn set() -> impl Strategy<Value = Match> {
    let side = prop_oneof![Just(SetSide::Source), Just(SetSide::Destination)];
    let counter = || {
        option::of(prop_oneof![
            any::<u64>().prop_map(CounterTest::Equal),
            any::<u64>().prop_map(CounterTest::NotEqual),
            any::<u64>().prop_map(CounterTest::Below),
            any::<u64>().prop_map(CounterTest::Above),
        ])
    };
    let flags = any::<(bool, bool, bool, bool)>();
    let test = (
        "[a-zA-Z0-9:._-]{1,31}",
        vec(side, 1..=6),
        flags,
        counter(),
        counter(),
    );
    test.prop_map(|(name, sides, flags, packets, bytes)| {
        let (negated, return_nomatch, no_counter_update, no_subcounter_update) = flags;
        Match::Set(SetTest {
            name,
            sides,
            negated,
            return_nomatch,
            no_counter_update,
            no_subcounter_update,
            packets,
            bytes,
        })
    })
}

fn addrtype() -> impl Strategy<Value = Match> {
    let types = || maybe_not((1..0x1000u16).prop_map(AddressTypes));
    let limit = select(&[(false, false), (true, false), (false, true)][..]);
    (types(), types(), limit)
        .prop_filter("one of them", |(source, destination, _)| {
            source.is_some() || destination.is_some()
        })
        .prop_map(|(source, destination, (limit_in, limit_out))| {
            Match::Addrtype(AddrtypeTest {
                source,
                destination,
                limit_in,
                limit_out,
            })
        })
}

fn owner() -> impl Strategy<Value = Match> {
    let identity = || maybe_not((0..u32::MAX, 0..u32::MAX));
    let test = (identity(), identity(), maybe_not(Just(())), any::<bool>());
    test.prop_filter("one of them", |(user, group, exists, _)| {
        user.is_some() || group.is_some() || exists.is_some()
    })
    .prop_map(|(user, group, socket_exists, supplementary_groups)| {
        Match::Owner(OwnerTest {
            user,
            group,
            socket_exists,
            supplementary_groups,
        })
    })
}

fn physdev() -> impl Strategy<Value = Match> {
    let flag = || maybe_not(Just(()));
    let test = (
        maybe_not(interface()),
        maybe_not(interface()),
        flag(),
        flag(),
        flag(),
    );
    test.prop_map(
        |(in_port, out_port, is_in, is_out, is_bridged)| PhysdevTest {
            in_port,
            out_port,
            is_in,
            is_out,
            is_bridged,
        },
    )
    .prop_filter("one of its options", |test| *test != PhysdevTest::default())
    .prop_map(Match::Physdev)
}

/// Matches that are kept as words.
fn other() -> impl Strategy<Value = Match> {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    let stateful = [
        (
            StatefulKind::Limit,
            words(&["--limit", "5/min", "--limit-burst", "7"]),
        ),
        (
            StatefulKind::Recent,
            words(&["!", "--update", "--seconds", "60", "--name", "a b"]),
        ),
        (
            StatefulKind::Hashlimit,
            words(&["--hashlimit-above", "512kb/s", "--hashlimit-name", "x"]),
        ),
        (StatefulKind::Connlimit, words(&["--connlimit-upto", "3"])),
        (StatefulKind::Time, words(&["--weekdays", "Mon,Tue"])),
        (
            StatefulKind::Policy,
            words(&["--dir", "in", "--pol", "none"]),
        ),
    ];
    let stateful = select(stateful.to_vec())
        .prop_map(|(kind, words)| Match::Stateful(StatefulTest { kind, words }));
    // A word that begins with two dashes would be an option of its own.
    let argument = "[a-z0-9 \"\\\\,:.-][a-z0-9 \"\\\\,:.]{0,8}";
    let opaque = ("[a-z]{1,6}x", vec(argument, 0..3)).prop_map(|(module, arguments)| {
        let mut words = vec!["!".to_owned(), "--foo".to_owned()];
        words.extend(arguments);
        Match::Opaque { module, words }
    });
    prop_oneof![stateful, opaque]
}
