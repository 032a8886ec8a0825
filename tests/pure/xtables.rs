//! Rules and sets are read as they were printed, whatever they are, and no text makes the parsers
//! panic.

mod matches;
mod sets;
mod targets;

use calidiff::packet::{Family, InterfaceName, Protocol};
use calidiff::xtables::matches::{Not, PortRange};
use calidiff::xtables::ruleset::{AddressMask, InterfacePattern};
use calidiff::xtables::save::{self, Style};
use calidiff::xtables::{
    Chain, Counters, Hook, Match, Policy, Rule, Ruleset, Table, TableName, ipset,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::net::IpAddr;

/// Something, or its negation.
fn not<T: std::fmt::Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Not<T>> {
    (any::<bool>(), value).prop_map(|(negated, value)| Not { negated, value })
}

/// Something, its negation, or nothing.
fn maybe_not<T: std::fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Option<Not<T>>> {
    option::of(not(value))
}

/// An address of a family.
fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::V4 => any::<u32>()
            .prop_map(|bits| IpAddr::V4(bits.into()))
            .boxed(),
        Family::V6 => any::<u128>()
            .prop_map(|bits| IpAddr::V6(bits.into()))
            .boxed(),
    }
}

/// A mask: mostly a prefix.
fn mask(family: Family) -> BoxedStrategy<IpAddr> {
    let prefix = (0..=family.bits()).prop_map(move |length| {
        let shift = u32::from(family.bits() - length);
        match family {
            Family::V4 => IpAddr::V4(u32::MAX.checked_shl(shift).unwrap_or(0).into()),
            Family::V6 => IpAddr::V6(u128::MAX.checked_shl(shift).unwrap_or(0).into()),
        }
    });
    prop_oneof![4 => prefix, 1 => address(family)].boxed()
}

/// An address with whatever bits outside of its mask.
fn host(family: Family) -> impl Strategy<Value = AddressMask> {
    (address(family), mask(family)).prop_map(|(address, mask)| AddressMask { address, mask })
}

/// An address without bits outside of its mask, which is not empty.
fn network(family: Family) -> impl Strategy<Value = AddressMask> {
    let some = host(family).prop_filter("an empty mask asks nothing", |one| {
        !one.mask.is_unspecified()
    });
    some.prop_map(|AddressMask { address, mask }| AddressMask {
        address: masked(address, mask),
        mask,
    })
}

fn masked(address: IpAddr, mask: IpAddr) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => IpAddr::V4(address & mask),
        (IpAddr::V6(address), IpAddr::V6(mask)) => IpAddr::V6(address & mask),
        _ => address,
    }
}

fn interface_name() -> impl Strategy<Value = InterfaceName> {
    "[a-z][a-z0-9.-]{0,12}".prop_map(|name| name.parse().expect("a name"))
}

fn interface() -> impl Strategy<Value = InterfacePattern> {
    prop_oneof![
        interface_name().prop_map(InterfacePattern::Exactly),
        "[a-z][a-z0-9 \"-]{0,10}".prop_map(InterfacePattern::Prefix),
        "[a-z]{1,4}:[0-9]".prop_map(InterfacePattern::Unnameable),
    ]
}

/// Ports in order.
fn ports() -> impl Strategy<Value = PortRange> {
    (any::<u16>(), any::<u16>()).prop_map(|(one, other)| PortRange {
        first: one.min(other),
        last: one.max(other),
    })
}

/// Text of all sorts, quotes and backslashes among it.
fn text() -> impl Strategy<Value = String> {
    "[ -~äß]{0,12}"
}

fn counters() -> impl Strategy<Value = Counters> {
    let pair = (any::<u64>(), any::<u64>());
    pair.prop_map(|(packets, bytes)| Counters { packets, bytes })
}

/// The rule of a protocol that fits its matches and target; `-p` goes with most of them.
fn rule(family: Family) -> impl Strategy<Value = Rule> {
    let own = (
        option::of(counters()),
        maybe_not(network(family)),
        maybe_not(network(family)),
        maybe_not(interface()),
        maybe_not(interface()),
    );
    let fragment = match family {
        Family::V4 => maybe_not(Just(())).boxed(),
        Family::V6 => Just(None).boxed(),
    };
    let rest = (
        vec(matches::one(family), 0..4),
        targets::one(family),
        fragment,
        (1..=255u8).prop_map(Protocol),
    );
    (own, rest).prop_map(|(own, (matches, target, fragment, other))| {
        let (counters, source, destination, in_interface, out_interface) = own;
        let needs_ports = matches
            .iter()
            .any(|one| matches!(one, Match::Multiport(..)));
        let protocol = match needs_ports || targets::needs_ports(&target) {
            true => Some(Not::is(Protocol::TCP)),
            false => Some(Not::negated(other)),
        };
        Rule {
            counters,
            source,
            destination,
            in_interface,
            out_interface,
            protocol,
            fragment,
            matches,
            target,
            line: 0,
        }
    })
}

/// A ruleset of the filter table with a user's chain that rules may go to.
fn ruleset() -> impl Strategy<Value = Ruleset> {
    prop_oneof![Just(Family::V4), Just(Family::V6)].prop_flat_map(|family| {
        let policy = prop_oneof![Just(Policy::Accept), Just(Policy::Drop)];
        let chains = (
            vec(rule(family), 0..5),
            policy,
            counters(),
            vec(rule(family), 0..3),
        );
        chains.prop_map(move |(forward, policy, counters, user)| {
            let built_in = |hook: Hook, rules| Chain {
                name: hook.chain().to_owned(),
                policy: Some(policy),
                counters: Some(counters),
                rules,
            };
            let table = Table {
                name: TableName::Filter,
                chains: vec![
                    built_in(Hook::Input, Vec::new()),
                    built_in(Hook::Forward, forward),
                    built_in(Hook::Output, Vec::new()),
                    Chain {
                        name: targets::CHAIN.to_owned(),
                        policy: None,
                        counters: Some(counters),
                        rules: user,
                    },
                ],
            };
            Ruleset {
                family,
                tables: vec![table],
            }
        })
    })
}

/// A ruleset without what its text added: the lines of its rules, counters that were not printed.
fn bare(ruleset: &Ruleset) -> Ruleset {
    let mut bare = ruleset.clone();
    for chain in bare.tables.iter_mut().flat_map(|table| &mut table.chains) {
        chain.counters = Some(chain.counters.unwrap_or_default());
        for rule in &mut chain.rules {
            rule.line = 0;
            rule.counters = Some(rule.counters.unwrap_or_default());
        }
    }
    bare
}

/// Words that restore files are made of, and what breaks them.
const WORDS: [&str; 64] = [
    "*filter",
    "*nat",
    "*mangle",
    "*raw",
    ":INPUT",
    ":user",
    "ACCEPT",
    "DROP",
    "-",
    "[0:0]",
    "[1:",
    "-A",
    "-I",
    "-R",
    "-D",
    "-N",
    "-X",
    "-E",
    "-P",
    "-F",
    "INPUT",
    "FORWARD",
    "user",
    "2",
    "-s",
    "-d",
    "-i",
    "-o",
    "-p",
    "-f",
    "-j",
    "-g",
    "-m",
    "-c",
    "!",
    "tcp",
    "udp",
    "icmp",
    "10.0.0.0/8",
    "::1",
    "0/0",
    "1.2.3.4,5.6.7.8/255.0.255.0",
    "--dport",
    "--sport=",
    "80:90",
    "-m",
    "set",
    "--match-set",
    "src,dst",
    "conntrack",
    "--ctstate",
    "NEW,EST",
    "multiport",
    "--dports",
    "comment",
    "--comment",
    "\"a b",
    "\\",
    "\"\"",
    "foo",
    "--foo",
    "MARK",
    "--set-xmark",
    "0x1/0xff",
];

/// What a rule is made of, most of it whole.
const PHRASES: [&str; 40] = [
    "-s 10.0.0.1,10.0.0.2/8",
    "! -d 0/0",
    "-s fd00::1/7",
    "-i eth+",
    "! -i +",
    "-i \"a\\\\ b\"",
    "-o lo",
    "-p tcp",
    "-p 6",
    "! -p udp",
    "--dport http",
    "--sport :9",
    "-f",
    "-c 1,2",
    "-j user",
    "-g user",
    "-j ACCEPT",
    "-j MARK --or-mark 7",
    "-j LOG --log-prefix \"it's \\\"\"",
    "-j REJECT --reject-with host",
    "-m comment --comment \"x \\\" y\"",
    "-m comment --comment -x",
    "-m mark --mark 1/2",
    "-m state --state n,e",
    "-m conntrack --ctstate DNAT --ctdir reply",
    "-m multiport --ports 1,2:3",
    "-m set --match-set a src,dst",
    "-m foo --bar \"-x\" \"! y\" ! --baz",
    "-m foo -- --bar",
    "-j NFQUEUE --queue-num=3",
    "-j TEE \"--gateway\" 1.2.3.4",
    "-m limit --limit 9/h",
    "-m policy --dir in",
    "-m string --algo bm --hex-string |00|",
    "-m string --algo \"\" --string \\",
    "-m u32 --u32 \"0 = -1\"",
    "-m owner --uid-owner 0-9",
    "-m icmp6 --icmpv6-type ping",
    "-m icmp --icmp-type any",
    "-m tcp --syn",
];

/// Rules of whole phrases, which are read more often than not.
fn rules_of_phrases() -> impl Strategy<Value = String> {
    let rule = vec(select(&PHRASES[..]), 0..5).prop_map(|phrases| phrases.join(" "));
    vec(rule, 0..3).prop_map(|rules| {
        let rules: Vec<String> = rules
            .iter()
            .map(|rule| format!("-A FORWARD {rule}\n"))
            .collect();
        format!("*filter\n:user -\n{}COMMIT\n", rules.concat())
    })
}

/// The same of sets.
const SET_WORDS: [&str; 32] = [
    "create",
    "add",
    "del",
    "flush",
    "destroy",
    "rename",
    "swap",
    "a",
    "b",
    "hash:ip",
    "hash:net",
    "hash:ip,port",
    "bitmap:port",
    "list:set",
    "family",
    "inet6",
    "range",
    "0-7",
    "netmask",
    "24",
    "timeout",
    "nomatch",
    "comment",
    "\"x y",
    "10.0.0.1",
    "10.0.0.0/8,tcp:80-90",
    "fd00::1",
    "before",
    "Name:",
    "Type:",
    "Header:",
    "Members:",
];

fn lines_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    let between = select(&[" ", " ", " ", "\n", "\t", ""][..]);
    vec((select(words), between), 0..60).prop_map(|words| {
        words
            .into_iter()
            .map(|(word, between)| format!("{word}{between}"))
            .collect()
    })
}

proptest! {
    #[test]
    fn a_ruleset_is_read_as_it_was_printed(ruleset in ruleset()) {
        let printed = save::print(&ruleset, Style { counters: true });
        let read = save::parse("printed", &printed, ruleset.family);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{printed}"));
        prop_assert_eq!(bare(&read), bare(&ruleset), "{}", printed);
    }

    #[test]
    fn what_is_read_is_read_again(
        text in prop_oneof![lines_of(&WORDS), rules_of_phrases()],
        family in select(&Family::BOTH[..]),
    ) {
        if let Ok(ruleset) = save::parse("text", &text, family) {
            let printed = save::print(&ruleset, Style { counters: true });
            let again = save::parse("printed", &printed, family);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
            prop_assert_eq!(bare(&again), bare(&ruleset), "{}", printed);
        }
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        drop(save::parse("text", &text, Family::V4));
        drop(save::parse("text", &format!("*filter\n-A INPUT {text}\nCOMMIT"), Family::V6));
        drop(ipset::parse("text", &text));
        drop(ipset::parse("text", &format!("create a hash:ip,port\nadd a {text}")));
    }

    #[test]
    fn sets_are_read_as_they_were_printed(sets in sets::sets()) {
        let printed = ipset::print_save(&sets);
        let read = ipset::parse("printed", &printed);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{printed}"));
        prop_assert_eq!(&read, &sets, "{}", printed);
        let listed = ipset::print_list(&sets);
        let read = ipset::parse("listed", &listed);
        let read = read.unwrap_or_else(|error| panic!("{error}\n{listed}"));
        prop_assert_eq!(&read, &sets, "{}", listed);
    }

    #[test]
    fn no_sets_panic(text in lines_of(&SET_WORDS)) {
        if let Ok(sets) = ipset::parse("text", &text) {
            let printed = ipset::print_save(&sets);
            let again = ipset::parse("printed", &printed);
            let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
            prop_assert_eq!(again, sets, "{}", printed);
        }
    }
}

/// What the fuzz targets assert, of the texts that they begin with.
#[test]
fn the_seeds_of_the_fuzz_targets_are_read_as_they_were_printed() -> std::io::Result<()> {
    let seeds = |target: &str| {
        let folder = format!("{}/fuzz/seeds/{target}", env!("CARGO_MANIFEST_DIR"));
        let files = std::fs::read_dir(folder)?;
        let texts = files.map(|file| std::fs::read_to_string(file?.path()));
        texts.collect::<std::io::Result<Vec<_>>>()
    };
    let style = Style { counters: true };
    let mut rulesets = Vec::new();
    for text in seeds("save")? {
        let both = Family::BOTH.map(|family| save::parse("text", &text, family));
        rulesets.extend(both.into_iter().flatten());
    }
    assert!(!rulesets.is_empty());
    for ruleset in rulesets {
        let printed = save::print(&ruleset, style);
        let again = save::parse("printed", &printed, ruleset.family).expect("the print");
        assert_eq!(save::print(&again, style), printed);
    }
    let texts = seeds("ipset")?;
    let all: Vec<_> = texts
        .iter()
        .flat_map(|text| ipset::parse("text", text))
        .collect();
    assert!(!all.is_empty());
    for sets in all {
        for printed in [ipset::print_save(&sets), ipset::print_list(&sets)] {
            let again = ipset::parse("printed", &printed).expect("the print");
            assert_eq!(ipset::print_save(&again), ipset::print_save(&sets));
        }
    }
    Ok(())
}
