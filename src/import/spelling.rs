//! A rule in every way that Felix may have written it.
//!
//! The tools do not keep how a rule was written: they put interfaces, protocol and addresses before all
//! else, know a protocol by its number, and leave out what asks nothing. So one loaded rule may stand
//! for several of Felix's; the hash that it bears tells which, and with 96 bits it can't be mistaken.

use std::net::IpAddr;

use crate::packet::{Family, Protocol};
use crate::xtables::matches::{MaskedMark, PortSide, RpfilterTest, SetSide, StatefulKind};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::save::{print_match, print_target};
use crate::xtables::target::{Nflog, Reject, TrafficClass, Xmark};
use crate::xtables::{Match, Not, Rule, Target};

/// How the names of chains with a policy's or profile's rules begin.
const POLICY_CHAINS: [&str; 4] = ["cali-pi-", "cali-po-", "cali-pri-", "cali-pro-"];

/// The chains whose single addresses Felix writes without a length (felix, rules/nat.go and
/// rules/static.go).
const BARE_CHAINS: [&str; 3] = ["cali-fip-dnat", "cali-fip-snat", "cali-wl-to-host"];

/// What a rule asks and does, piece by piece, and the orders in which Felix may have put the pieces.
#[derive(Clone, Debug)]
pub struct Spellings {
    /// Each piece in every way that it may be written, the likeliest first; an empty one is left out.
    pieces: Vec<Vec<String>>,
    /// Places in `pieces`, the likeliest order first, the action's always last.
    orders: Vec<Vec<usize>>,
}

/// Where the pieces that the tools print first stand in [`Spellings::pieces`].
const IN: usize = 0;
const OUT: usize = 1;
const PROTOCOL: usize = 2;
const SOURCE: usize = 3;
const DESTINATION: usize = 4;
/// Where the matches begin.
const MATCHES: usize = 5;

impl Spellings {
    /// The spellings of a rule of a chain.
    #[must_use]
    pub fn of(chain: &str, rule: &Rule, family: Family) -> Self {
        Self::with_sources(chain, rule, rule.source.as_slice(), family)
    }

    /// The spellings of a rule that was written with several sources, of which the tools make a rule
    /// each (`-s a,b`).
    #[must_use]
    pub fn with_sources(
        chain: &str,
        rule: &Rule,
        sources: &[Not<AddressMask>],
        family: Family,
    ) -> Self {
        let asked = rule.matches.iter();
        let asked: Vec<&Match> = asked
            .filter(|one| !matches!(one, Match::Comment(_)))
            .collect();
        let addresses = |option: &str, said: &[Not<AddressMask>]| addresses(chain, option, said);
        let mut pieces = vec![
            interface("--in-interface", rule.in_interface.as_ref()),
            interface("--out-interface", rule.out_interface.as_ref()),
            protocol(rule.protocol),
            addresses("--source", sources),
            addresses("--destination", rule.destination.as_slice()),
        ];
        pieces.extend(asked.iter().map(|one| match_ways(one, family)));
        pieces.push(target_ways(&rule.target, family));
        let ranks: Vec<usize> = asked.iter().map(|one| rank(one)).collect();
        let header = [
            (
                PROTOCOL,
                negatable(rule.protocol.map(|not| not.negated), 1, 10),
            ),
            (
                SOURCE,
                negatable(sources.first().map(|not| not.negated), 2, 11),
            ),
            (
                DESTINATION,
                negatable(rule.destination.map(|not| not.negated), 5, 14),
            ),
        ];
        let mut orders = orders(&ranks, header);
        for order in &mut orders {
            order.push(MATCHES + ranks.len());
            order.retain(|place| !pieces[*place].is_empty());
        }
        let mut distinct: Vec<Vec<usize>> = Vec::new();
        for order in orders {
            if !distinct.contains(&order) {
                distinct.push(order);
            }
        }
        Self {
            pieces,
            orders: distinct,
        }
    }

    /// Each spelling, the likeliest first.
    pub fn iter(&self) -> impl Iterator<Item = String> + '_ {
        self.orders.iter().flat_map(move |order| {
            let combinations: usize = order
                .iter()
                .map(|place| self.pieces[*place].len())
                .product();
            (0..combinations).map(move |number| self.spell(order, number))
        })
    }

    /// The likeliest spelling.
    #[must_use]
    pub fn likeliest(&self) -> String {
        self.iter().next().unwrap_or_default()
    }

    /// The spelling of a number: the pieces' ways are its digits, the last piece's the lowest.
    fn spell(&self, order: &[usize], mut number: usize) -> String {
        let mut words: Vec<&str> = Vec::with_capacity(order.len());
        for place in order.iter().rev() {
            let ways = &self.pieces[*place];
            words.push(&ways[number % ways.len()]);
            number /= ways.len();
        }
        words.retain(|word| !word.is_empty());
        words.reverse();
        words.join(" ")
    }
}

/// The rank of something that is asked, or asked not to be.
fn negatable(negated: Option<bool>, asked: usize, asked_not: usize) -> usize {
    match negated {
        Some(true) => asked_not,
        _ => asked,
    }
}

/// Where a match stands in a policy's rule (felix, rules/policy.go and rules/endpoints.go): a limit
/// before all, then what is to hold, then what is not to; of the source, then of the destination.
/// Protocol and addresses have the numbers between: see [`Spellings::with_sources`].
fn rank(one: &Match) -> usize {
    let side = |negated: bool, source: bool| match (negated, source) {
        (false, true) => 3,
        (false, false) => 6,
        (true, true) => 12,
        (true, false) => 15,
    };
    match one {
        Match::Stateful(test) if test.kind == StatefulKind::Limit => 0,
        Match::Set(set) => side(set.negated, set.sides.first() == Some(&SetSide::Source)),
        Match::Multiport(ports, not) => side(not.negated, *ports == PortSide::Source),
        Match::Icmp(not) | Match::Icmp6(not) => negatable(Some(not.negated), 8, 17),
        _ => 20,
    }
}

/// The orders in which Felix has protocol and addresses among its matches; see each one's source.
fn orders(ranks: &[usize], header: [(usize, usize); 3]) -> Vec<Vec<usize>> {
    let matches = || (0..ranks.len()).map(|match_at| MATCHES + match_at);
    let mut policy: Vec<(usize, usize)> = Vec::new();
    policy.extend(matches().zip(ranks.iter().copied()));
    for (piece, rank) in header {
        let behind = policy.iter().position(|(_, other)| rank < *other);
        policy.insert(behind.unwrap_or(policy.len()), (piece, rank));
    }
    let join = |parts: &[&[usize]]| parts.concat();
    let all: Vec<usize> = matches().collect();
    let (first, rest) = all.split_at(all.len().min(1));
    let policy: Vec<usize> = policy.into_iter().map(|(piece, _)| piece).collect();
    vec![
        // rules/policy.go, and all rules with an interface alone
        join(&[&[IN, OUT], &policy]),
        // rules/static.go, failsafe ports and OpenStack's metadata: the address last; rules/nat.go,
        // a tunnel's masquerading
        join(&[&[PROTOCOL, IN, OUT], &all, &[SOURCE, DESTINATION]]),
        // rules/nat.go, floating addresses: the destination first
        join(&[&[IN, OUT, PROTOCOL, DESTINATION, SOURCE], &all]),
        // rules/nat.go, outgoing: protocol and interface last
        join(&[&all, &[PROTOCOL, IN, OUT, SOURCE, DESTINATION]]),
        // rules/static.go, OpenStack's DHCP: the source first
        join(&[&[SOURCE, PROTOCOL, IN, OUT], &all, &[DESTINATION]]),
        // rules/static.go, DSCP for the mesh: the state of the connection before the interface
        join(&[&[PROTOCOL], first, &[IN, OUT, SOURCE, DESTINATION], rest]),
    ]
}

fn bang(negated: bool) -> &'static str {
    if negated { "! " } else { "" }
}

fn interface(option: &str, said: Option<&Not<InterfacePattern>>) -> Vec<String> {
    let spelt = said.map(|not| {
        let name = match &not.value {
            InterfacePattern::Exactly(name) => name.as_str().to_owned(),
            InterfacePattern::Prefix(prefix) => format!("{prefix}+"),
            InterfacePattern::Unnameable(name) => name.clone(),
        };
        format!("{}{option} {name}", bang(not.negated))
    });
    spelt.into_iter().collect()
}

/// Felix writes a protocol as it was configured, by name or by number, and its own tunnels' and ICMPv6's
/// by number.
fn protocol(said: Option<Not<Protocol>>) -> Vec<String> {
    let Some(Not { negated, value }) = said else {
        return Vec::new();
    };
    let names: &[&str] = match value.0 {
        1 => &["icmp"],
        6 => &["tcp"],
        17 => &["udp"],
        58 => &["58", "icmpv6"],
        132 => &["sctp"],
        136 => &["udplite"],
        _ => &[],
    };
    let mut words: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let number = value.0.to_string();
    if !words.contains(&number) {
        words.push(number);
    }
    let spelt = words.into_iter();
    spelt
        .map(|word| format!("{}-p {word}", bang(negated)))
        .collect()
}

/// Felix's policies hand over prefixes with their length, even that of a single address; floating
/// addresses and OpenStack have bare ones. A prefix that holds every address is not printed by the
/// tools: in a policy's chain it may have been there.
fn addresses(chain: &str, option: &str, said: &[Not<AddressMask>]) -> Vec<String> {
    let Some(first) = said.first() else {
        let of_policy = POLICY_CHAINS.iter().any(|one| chain.starts_with(one));
        return match of_policy {
            true => vec![
                String::new(),
                format!("{option} 0.0.0.0/0"),
                format!("{option} ::/0"),
            ],
            false => Vec::new(),
        };
    };
    let spell = |bare: bool| {
        let listed = said.iter().map(|not| address(not.value, bare));
        let listed: Vec<String> = listed.collect();
        format!("{}{option} {}", bang(first.negated), listed.join(","))
    };
    let bare_first = BARE_CHAINS.contains(&chain);
    let mut ways = vec![spell(bare_first), spell(!bare_first)];
    ways.dedup();
    ways
}

/// An address as Go writes it, with its length or bare.
fn address(said: AddressMask, bare: bool) -> String {
    let (ones, whole) = match said.mask {
        IpAddr::V4(mask) => (mask.to_bits().count_ones(), 32),
        IpAddr::V6(mask) => (mask.to_bits().count_ones(), 128),
    };
    match bare && ones == whole {
        true => said.address.to_string(),
        false => format!("{}/{ones}", said.address),
    }
}

fn match_ways(one: &Match, family: Family) -> Vec<String> {
    let printed = print_match(one, family);
    match one {
        Match::Mark(not) => mark_match(*not),
        Match::Multiport(..) => vec![
            printed
                .replace("--sports", "--source-ports")
                .replace("--dports", "--destination-ports"),
        ],
        Match::Rpfilter(test) => rpfilter(*test, printed),
        // A rule that names a port without the module's name: the tools load it for the protocol
        // (felix, iptables/match_builder.go, `DestPort`).
        Match::Udp(_) | Match::Tcp(_) | Match::Sctp(_) => {
            let options = printed.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
            vec![options, printed]
        }
        Match::Stateful(test) if test.kind == StatefulKind::Limit => limit(&printed),
        Match::Stateful(test) if test.kind == StatefulKind::Connlimit => {
            vec![printed.replace(" --connlimit-saddr", ""), printed]
        }
        _ => vec![printed],
    }
}

/// Felix writes the value of bits that are clear as `0` (`MarkClear`), and a value that happens to be
/// zero as `0x0`.
fn mark_match(not: Not<MaskedMark>) -> Vec<String> {
    let MaskedMark { value, mask } = not.value;
    let spell = |value: &str| format!("-m mark {}--mark {value}/{mask:#x}", bang(not.negated));
    match value {
        0 => vec![spell("0"), spell("0x0")],
        _ => vec![spell(&format!("{value:#x}"))],
    }
}

fn rpfilter(test: RpfilterTest, printed: String) -> Vec<String> {
    match test.valid_mark && test.invert {
        true => vec!["-m rpfilter --invert --validmark".to_owned(), printed],
        false => vec![printed],
    }
}

/// A rate's unit may be written in full or short, and a burst of five is the tools' default, which
/// they don't print (extensions/libxt_limit.c).
fn limit(printed: &str) -> Vec<String> {
    const UNITS: [[&str; 3]; 4] = [
        ["/sec", "/second", "/s"],
        ["/min", "/minute", "/m"],
        ["/hour", "/hour", "/h"],
        ["/day", "/day", "/d"],
    ];
    let mut ways = Vec::new();
    for unit in UNITS {
        let place = unit.iter().find_map(|word| {
            let at = printed.find(&format!("{word} ")).or_else(|| {
                let end = printed.len().checked_sub(word.len())?;
                printed.ends_with(word).then_some(end)
            })?;
            Some((at, at + word.len()))
        });
        if let Some((from, to)) = place {
            ways.extend(unit.map(|word| format!("{}{word}{}", &printed[..from], &printed[to..])));
            break;
        }
    }
    if ways.is_empty() {
        ways.push(printed.to_owned());
    }
    if !printed.contains("--limit-burst") {
        let with_burst = ways.iter().map(|way| format!("{way} --limit-burst 5"));
        let with_burst: Vec<String> = with_burst.collect();
        ways.extend(with_burst);
    }
    ways
}

fn target_ways(target: &Target, family: Family) -> Vec<String> {
    match target {
        Target::None => Vec::new(),
        Target::Mark(xmark) => mark_target(*xmark),
        Target::Nflog(nflog) => nflog_ways(nflog),
        Target::Notrack => vec!["--jump NOTRACK".to_owned()],
        // iptables 1.8 prints the old target NOTRACK as what it became.
        Target::Ct(ct) if ct.notrack => {
            vec![
                "--jump NOTRACK".to_owned(),
                "--jump CT --notrack".to_owned(),
            ]
        }
        Target::Log(log) => {
            let prefix = log.prefix.as_deref().unwrap_or_default();
            let level = log.level.unwrap_or(4);
            vec![format!(
                "--jump LOG --log-prefix \"{prefix}\" --log-level {level}"
            )]
        }
        Target::Reject(Reject::PortUnreachable | Reject::PortUnreachable6) => {
            vec!["--jump REJECT".to_owned(), long(target, family)]
        }
        Target::TrafficClass(TrafficClass::Dscp(value)) => vec![
            format!("--jump DSCP --set-dscp {value}"),
            format!("--jump DSCP --set-dscp {value:#x}"),
            format!("--jump DSCP --set-dscp {value:#04x}"),
        ],
        _ => vec![long(target, family)],
    }
}

/// A target as the tools print it, with Felix's word for `-j` and `-g`.
fn long(target: &Target, family: Family) -> String {
    let printed = print_target(target, family);
    match printed.split_at_checked(2) {
        Some(("-j", rest)) => format!("--jump{rest}"),
        Some(("-g", rest)) => format!("--goto{rest}"),
        _ => printed,
    }
}

/// Bits to be cleared are written `0/bits`, the first mark of a rule of blocks `0x0/bits` (felix,
/// iptables/actions.go, `ClearMarkAction` and `SetMaskedMarkAction`).
fn mark_target(Xmark { value, mask }: Xmark) -> Vec<String> {
    match value {
        0 => vec![
            format!("--jump MARK --set-mark 0/{mask:#x}"),
            format!("--jump MARK --set-mark 0x0/{mask:#x}"),
        ],
        _ => vec![format!("--jump MARK --set-mark {value:#x}/{mask:#x}")],
    }
}

/// `--nflog-size` where the kernel has it, else `--nflog-range` (felix, iptables/actions.go).
fn nflog_ways(nflog: &Nflog) -> Vec<String> {
    let prefix = nflog.prefix.as_deref().unwrap_or_default();
    let (option, bytes) = match (nflog.size, nflog.range) {
        (Some(size), _) => (" --nflog-size ", size.to_string()),
        (None, Some(range)) => (" --nflog-range ", range.to_string()),
        (None, None) => ("", String::new()),
    };
    let spell = |prefix: &str| {
        let group = nflog.group;
        format!("--jump NFLOG --nflog-group {group} --nflog-prefix {prefix}{option}{bytes}")
    };
    vec![spell(prefix), spell(&format!("\"{prefix}\""))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xtables::save;

    /// The spellings of a saved rule, with the name of its chain.
    fn spellings(saved: &str, family: Family) -> Vec<String> {
        let rest = saved.strip_prefix("-A ").unwrap_or(saved);
        let chain = rest.split(' ').next().unwrap_or_default();
        let table = match ["NAT", "MASQ", "NOTRACK"].map(|word| saved.contains(word)) {
            [_, _, true] => "raw",
            [false, false, _] => "filter",
            _ => "nat",
        };
        let text = format!("*{table}\n:{chain} - [0:0]\n:d - [0:0]\n{saved}\nCOMMIT\n");
        let ruleset = save::parse("rules", &text, family).expect("a rule that iptables takes");
        let rule = ruleset.bare_rules().next().expect("a rule");
        Spellings::of(chain, rule, family).iter().collect()
    }

    #[test]
    fn a_saved_rule_is_spelt_as_felix_wrote_it() {
        for (saved, felix) in [
            (
                "-A c -i cali+ -m comment --comment \"cali:x\" -j MARK --set-xmark 0x0/0x7000000",
                "--in-interface cali+ --jump MARK --set-mark 0/0x7000000",
            ),
            (
                "-A c -p udp -m multiport --sports 68 -m multiport --dports 67 -j ACCEPT",
                "-p udp -m multiport --source-ports 68 -m multiport --destination-ports 67 \
                 --jump ACCEPT",
            ),
            (
                "-A c -m mark --mark 0x0/0x4000000 -g d",
                "-m mark --mark 0/0x4000000 --goto d",
            ),
            (
                "-A c -s 10.0.0.0/8 -d 10.0.0.1/32 -p tcp -m set --match-set a src -m multiport \
                 --dports 1:2 -j DROP",
                "-p tcp --source 10.0.0.0/8 -m set --match-set a src --destination 10.0.0.1/32 \
                 -m multiport --destination-ports 1:2 --jump DROP",
            ),
            (
                "-A c ! -s 10.0.0.1/32 ! -d 10.0.0.0/8 -p icmp -m set --match-set a dst -m icmp \
                 --icmp-type 8 -m set ! --match-set a src -m icmp ! --icmp-type 8/1 -m mark --mark \
                 0x1/0x1 -j DROP",
                "-p icmp -m set --match-set a dst -m icmp --icmp-type 8 ! --source 10.0.0.1/32 \
                 -m set ! --match-set a src ! --destination 10.0.0.0/8 -m icmp ! --icmp-type 8/1 \
                 -m mark --mark 0x1/0x1 --jump DROP",
            ),
            (
                "-A cali-wl-to-host -d 10.0.0.1/32 -p tcp -m multiport --dports 80 -j ACCEPT",
                "-p tcp --destination 10.0.0.1 -m multiport --destination-ports 80 --jump ACCEPT",
            ),
            (
                "-A cali-failsafe-in -s 10.0.0.0/8 -p tcp -m multiport --dports 22 -j ACCEPT",
                "-p tcp -m multiport --destination-ports 22 --source 10.0.0.0/8 --jump ACCEPT",
            ),
            (
                "-A c -d 10.0.0.1/32 -p tcp -m multiport --dports 80 -j DNAT --to-destination \
                 10.0.0.2:81",
                "-p tcp -m multiport --destination-ports 80 --destination 10.0.0.1/32 --jump DNAT \
                 --to-destination 10.0.0.2:81",
            ),
            (
                "-A cali-fip-snat -s 10.0.0.1/32 -d 10.0.0.1/32 -j SNAT --to-source 10.9.9.9",
                "--destination 10.0.0.1 --source 10.0.0.1 --jump SNAT --to-source 10.9.9.9",
            ),
            (
                "-A cali-nat-outgoing -o eth+ -p tcp -m set --match-set a src -m set ! --match-set b \
                 dst -j MASQUERADE --to-ports 1024-2048 --random-fully",
                "-m set --match-set a src -m set ! --match-set b dst -p tcp --out-interface eth+ \
                 --jump MASQUERADE --to-ports 1024-2048 --random-fully",
            ),
            (
                "-A cali-POSTROUTING -o tunl0 -p udp -m addrtype ! --src-type LOCAL \
                 --limit-iface-out -m addrtype --src-type LOCAL -j MASQUERADE",
                "-p 17 --out-interface tunl0 -m addrtype ! --src-type LOCAL --limit-iface-out \
                 -m addrtype --src-type LOCAL --jump MASQUERADE",
            ),
            (
                "-A c -p udp -m udp --dport 4789 -j CT --notrack",
                "-p udp --dport 4789 --jump NOTRACK",
            ),
            (
                "-A c -m mark --mark 0x40000/0x40000 -m rpfilter --validmark --invert -j DROP",
                "-m mark --mark 0x40000/0x40000 -m rpfilter --invert --validmark --jump DROP",
            ),
            (
                "-A c -m conntrack ! --ctstate DNAT -j d",
                "-m conntrack ! --ctstate DNAT --jump d",
            ),
            (
                "-A c -m mark ! --mark 0x0/0x30000 -j RETURN",
                "-m mark ! --mark 0/0x30000 --jump RETURN",
            ),
            (
                "-A c -j MARK --set-xmark 0x0/0x180000",
                "--jump MARK --set-mark 0x0/0x180000",
            ),
            (
                "-A c -p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above \
                 5 --connlimit-mask 0 --connlimit-saddr -j REJECT --reject-with tcp-reset",
                "-p tcp -m tcp --tcp-flags FIN,SYN,RST,ACK SYN -m connlimit --connlimit-above 5 \
                 --connlimit-mask 0 --jump REJECT --reject-with tcp-reset",
            ),
            (
                "-A c -m limit --limit 10/min -p tcp -j LOG --log-prefix \"calico-packet: \" \
                 --log-level 5",
                "-m limit --limit 10/minute --limit-burst 5 -p tcp --jump LOG --log-prefix \
                 \"calico-packet: \" --log-level 5",
            ),
            (
                "-A c -m mark --mark 0x10000/0x10000 -j NFLOG --nflog-prefix API0|gnp/x \
                 --nflog-group 1 --nflog-size 80",
                "-m mark --mark 0x10000/0x10000 --jump NFLOG --nflog-group 1 --nflog-prefix \
                 API0|gnp/x --nflog-size 80",
            ),
            (
                "-A c -j REJECT --reject-with icmp-port-unreachable",
                "--jump REJECT",
            ),
            ("-A c -p ipencap -j DROP", "-p 4 --jump DROP"),
            (
                "-A c -s 10.0.0.1/32 -j DSCP --set-dscp 0x17",
                "--source 10.0.0.1/32 --jump DSCP --set-dscp 23",
            ),
            ("-A c -m comment --comment \"Profile x ingress\"", ""),
        ] {
            let spellings = spellings(saved, Family::V4);
            assert!(
                spellings.iter().any(|one| one == felix),
                "{felix}\nis none of {spellings:#?}"
            );
        }
    }

    #[test]
    fn addresses_of_ipv6_are_gos() {
        for (saved, felix) in [
            (
                "-A cali-fip-dnat -d ::1.2.3.4/128 -j DNAT --to-destination fd00::1",
                "--destination ::102:304 --jump DNAT --to-destination fd00::1",
            ),
            (
                "-A c -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
                "-p 58 -m icmp6 --icmpv6-type 135 --jump ACCEPT",
            ),
        ] {
            assert_eq!(spellings(saved, Family::V6)[0], felix);
        }
    }

    #[test]
    fn what_is_not_printed_is_guessed_in_policies_alone() {
        let of_policy = spellings(
            "-A cali-pi-x -d 10.0.0.0/8 ! -p ipv6-icmp -j DROP",
            Family::V4,
        );
        for wanted in [
            "--destination 10.0.0.0/8 ! -p 58 --jump DROP",
            "--destination 10.0.0.0/8 ! -p icmpv6 --jump DROP",
            "--source 0.0.0.0/0 --destination 10.0.0.0/8 ! -p 58 --jump DROP",
        ] {
            assert!(of_policy.iter().any(|one| one == wanted), "{wanted}");
        }
        assert_eq!(
            spellings("-A cali-INPUT -j DROP", Family::V4),
            ["--jump DROP"]
        );
    }

    #[test]
    fn several_sources_of_one_rule_are_listed() {
        let net = |last: u8| {
            Not::is(AddressMask {
                address: IpAddr::from([10, 0, 0, last]),
                mask: IpAddr::from([255; 4]),
            })
        };
        let rule = Rule {
            target: Target::Accept,
            ..Rule::default()
        };
        let both = Spellings::with_sources("c", &rule, &[net(1), net(2)], Family::V4);
        assert_eq!(
            both.likeliest(),
            "--source 10.0.0.1/32,10.0.0.2/32 --jump ACCEPT"
        );
    }
}
