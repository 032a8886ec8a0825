//! The chain machine against the kernel behind both backends: random packets on small rulesets, each
//! about one subject, every journey compared.

mod refused;
mod rules;
mod rulesets;

use std::collections::BTreeMap;
use std::error::Error;

use calidiff::arm::Arm;
use calidiff::arm::kernel::KernelArm;
use calidiff::arm::model::ModelArm;
use calidiff::diff::{Comparison, compare};
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::generate::standing::Shot;
use calidiff::node::Node;
use calidiff::packet::Family;
use calidiff::xtables::Backend;
use calidiff::xtables::{Firewall, ipset, save};
use libtest_mimic::Trial;

use crate::trial;
use rules::Rules;

type Outcome = Result<(), Box<dyn Error>>;

/// How many packets each ruleset is tried with, and how many are sent at once.
const PACKETS: usize = 1500;
const AT_ONCE: usize = 250;
/// How many differences are told.
const TOLD: usize = 12;

pub fn trials() -> Vec<Trial> {
    vec![
        trial("model::agrees_on_routing", || agree(rulesets::ROUTING)),
        trial("model::agrees_on_chains_and_marks", || {
            agree(rulesets::CHAINS)
        }),
        trial("model::agrees_on_matches", || agree(rulesets::MATCHES)),
        trial("model::agrees_on_connections", || {
            agree(rulesets::CONNECTIONS)
        }),
        trial("model::agrees_on_sets", || agree(rulesets::SETS)),
        trial("model::agrees_on_translation", || {
            agree(rulesets::TRANSLATION)
        }),
        trial("model::agrees_on_rejections", || {
            agree(rulesets::REJECTIONS)
        }),
        trial("model::agrees_on_changed_headers", || {
            agree(rulesets::HEADERS)
        }),
        trial("model::agrees_on_pieces_cut_short", || {
            let packets = pieces()?;
            agree_on(rulesets::PIECES, |_| packets.clone())
        }),
        trial("model::agrees_on_errors_about_headers_cut_short", || {
            let packets = cut_short_of_connections()?;
            agree_on(ERRORS, |_| packets.clone())
        }),
        trial("model::agrees_on_what_is_routed_again", || {
            let packets = own_packets()?;
            agree_on(ROUTED_AGAIN, |_| packets.clone())
        }),
        trial("model::agrees_on_addresses_of_each_scope", || {
            let packets = of_each_scope()?;
            agree_on(SCOPES, |_| packets.clone())
        }),
        trial("model::agrees_on_what_is_refused", refused::agree),
        trial("model::agrees_on_sets_that_are_refused", refused::sets),
    ]
}

fn node() -> Result<Node, Box<dyn Error>> {
    Ok(calidiff::node::text::read("node", rulesets::NODE)?)
}

fn firewall(rules: &Rules) -> Result<Firewall, Box<dyn Error>> {
    Ok(Firewall {
        v4: save::parse("v4", rules.v4, Family::V4)?,
        v6: save::parse("v6", rules.v6, Family::V6)?,
        sets: ipset::parse("sets", rules.sets)?,
    })
}

/// Every kind of header in a whole packet and in a first, a middle and a last piece, cut after each of its bytes, to the node and
/// through it.
fn pieces() -> Result<Vec<Shot>, Box<dyn Error>> {
    let mut shots = Vec::new();
    for (from, to) in [
        ("192.168.7.9", "10.65.0.2"),
        ("192.168.7.9", "192.168.7.1"),
        ("2001:db8:7::9", "fd00:65::2"),
        ("2001:db8:7::9", "2001:db8:7::1"),
    ] {
        let (open, close, icmp) = match from.contains(':') {
            true => ("[", "]", "icmp6"),
            false => ("", "", "icmp"),
        };
        let ends = format!("{open}{from}{close}:9 > {open}{to}{close}:80");
        for head in [
            format!("tcp {ends}"),
            format!("udp {ends}"),
            format!("sctp {ends}"),
            format!("udplite {ends}"),
            format!("{icmp} {from} > {to} type=8/0 id=7"),
            format!("{icmp} {from} > {to} type=8/0 id=0"),
            format!("{icmp} {from} > {to} type=0/0 id=65535"),
            format!("proto=47 {from} > {to}"),
            format!("proto=99 {from} > {to}"),
        ] {
            for piece in ["", "frag=0+", "frag=1+", "frag=2"] {
                for kept in 0..24 {
                    let text = format!("in=eth0 {head} {piece} bad=truncated:{kept}");
                    shots.push(Shot {
                        packet: text.parse().map_err(|why| format!("{text}: {why}"))?,
                        connections: Vec::new(),
                    });
                }
            }
        }
    }
    Ok(shots)
}

const ERRORS: &[Rules] = &[Rules::v4(
    "errors about headers cut short",
    "*mangle
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --set-mark 0x1
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --set-mark 0x2
COMMIT
*filter
-A FORWARD -j REJECT
COMMIT
",
)
.v6("*mangle
-A OUTPUT -m conntrack --ctstate RELATED -j MARK --set-mark 0x1
-A OUTPUT -m conntrack --ctstate INVALID -j MARK --set-mark 0x2
COMMIT
*filter
-A FORWARD -j REJECT
COMMIT
")];

/// Headers cut after some of their bytes, of a connection that is there, and of nobody's beside one with what their
/// ports would be if what is lacking were zeros.
fn cut_short_of_connections() -> Result<Vec<Shot>, Box<dyn Error>> {
    let mut shots = Vec::new();
    for (from, to) in [
        ("192.168.7.9", "10.65.0.2"),
        ("[2001:db8:7::9]", "[fd00:65::2]"),
    ] {
        for protocol in ["tcp", "udp", "sctp", "udplite"] {
            for ports in [(9, 80), (0, 0)] {
                for kept in [0, 1, 2, 3, 4, 7, 8, 12] {
                    let packet =
                        format!("in=eth0 {protocol} {from}:9 > {to}:80 bad=truncated:{kept}");
                    let connection =
                        format!("{protocol} {from}:{} > {to}:{} replied", ports.0, ports.1);
                    shots.push(Shot {
                        packet: packet.parse().map_err(|why| format!("{packet}: {why}"))?,
                        connections: vec![
                            connection
                                .parse()
                                .map_err(|why| format!("{connection}: {why}"))?,
                        ],
                    });
                }
            }
        }
    }
    Ok(shots)
}

const ROUTED_AGAIN: &[Rules] = &[
    Rules::v4(
        "routed again",
        "*mangle
-A OUTPUT -j MARK --set-mark 0x5
COMMIT
",
    )
    .v6("*mangle
-A OUTPUT -j MARK --set-mark 0x5
COMMIT
")
    .on(WITH_A_WAY_OUT),
    Rules::v4("translated to a group", "")
        .v6("*nat
-A OUTPUT -j DNAT --to-destination ff02::1
COMMIT
")
        .on(WITH_A_WAY_OUT),
    Rules::v4("translated to the link", "")
        .v6("*nat
-A OUTPUT -j DNAT --to-destination fe80::9
COMMIT
")
        .on(WITH_A_WAY_OUT),
];

/// A way to everywhere, groups among it.
const WITH_A_WAY_OUT: &str = "
name: node
interfaces:
- {name: cali1, reverse_path: strict, route_localnet: true}
- {name: eth0, addresses: [192.168.7.1/24, 192.168.7.5/24, '2001:db8:7::1/64']}
routes:
- {destination: 10.65.0.2/32, to: !unicast {interface: cali1}}
- {destination: 'fd00:65::2/128', to: !unicast {interface: cali1}}
- {destination: 0.0.0.0/0, to: !unicast {interface: eth0, via: 192.168.7.9}}
";

/// The node's own packets to everybody, to all and to none.
fn own_packets() -> Result<Vec<Shot>, Box<dyn Error>> {
    let mut shots = Vec::new();
    let tos: [(&[&str], &[&str]); 2] = [
        (
            &[
                "192.168.7.1",
                "10.65.0.2",
                "127.0.0.1",
                "0.0.0.0",
                "0.0.0.1",
                "224.0.0.9",
                "192.168.7.255",
            ],
            &[
                "192.168.7.9",
                "192.168.7.1",
                "192.168.7.255",
                "10.65.0.2",
                "127.0.0.1",
                "0.0.0.0",
                "224.0.0.1",
                "255.255.255.255",
            ],
        ),
        (
            &["2001:db8:7::1", "fd00:65::2", "::1"],
            &[
                "2001:db8:7::9",
                "2001:db8:7::1",
                "2001:db8:7::",
                "fd00:65::2",
                "::1",
                "::",
                "ff02::1",
                "fe80::9",
            ],
        ),
    ];
    for (froms, tos) in tos {
        for (from, to) in froms
            .iter()
            .flat_map(|from| tos.iter().map(move |to| (from, to)))
        {
            let ends = match from.contains(':') {
                true => format!("[{from}]:9 > [{to}]:80"),
                false => format!("{from}:9 > {to}:80"),
            };
            let text = format!("from=node udp {ends}");
            shots.push(Shot {
                packet: text.parse().map_err(|why| format!("{text}: {why}"))?,
                connections: Vec::new(),
            });
        }
    }
    Ok(shots)
}

const SCOPES: &[Rules] = &[
    Rules::v4("redirected", "")
        .v6("*nat
-A PREROUTING -p udp -j REDIRECT --to-ports 53
COMMIT
")
        .on(SCOPED),
    Rules::v4("masqueraded", "")
        .v6("*nat
-A POSTROUTING -j MASQUERADE
COMMIT
")
        .on(SCOPED),
];

/// Interfaces with addresses of every scope, of a link alone, and of everybody alone.
const SCOPED: &str = "
name: node
interfaces:
- {name: eth0, addresses: ['fec0::7/64', 'fe80::1/64', '2001:db8:7::1/64', 'fe80::2/64']}
- {name: eth1, addresses: ['fe80::3/64']}
- {name: eth2, addresses: ['fd00:2::1/64']}
- {name: eth3, addresses: ['::a00:1/120', 'fd00:3::1/64']}
routes:
- {destination: 'fd00:99::/32', to: !unicast {interface: eth1}}
- {destination: 'fd00:98::/32', to: !unicast {interface: eth2}}
- {destination: 'fd00:97::/32', to: !unicast {interface: eth3}}
";

/// Packets to addresses of every scope, from each interface and from the node.
fn of_each_scope() -> Result<Vec<Shot>, Box<dyn Error>> {
    let froms = [
        ("in=eth0", "2001:db8:7::9"),
        ("in=eth1", "fd00:99::9"),
        ("in=eth2", "fd00:98::9"),
        ("in=eth3", "fd00:97::9"),
        ("from=node", "2001:db8:7::1"),
    ];
    let tos = [
        "::",
        "::1",
        "::2",
        "::a00:9",
        "::ffff:a00:9",
        "2001:db8:7::9",
        "fd00:99::1",
        "fd00:98::1",
        "fe80::1",
        "fe80::77",
        "fec0::9",
        "ff01::1",
        "ff02::1",
        "ff05::1",
        "ff0e::1",
    ];
    let mut shots = Vec::new();
    for (origin, from) in froms {
        for to in tos {
            let text = format!("{origin} udp [{from}]:9 > [{to}]:80");
            shots.push(Shot {
                packet: text.parse().map_err(|why| format!("{text}: {why}"))?,
                connections: Vec::new(),
            });
        }
    }
    Ok(shots)
}

fn agree(cases: &[Rules]) -> Outcome {
    agree_on(cases, |(rules, ground)| {
        let mut stream = Stream::new(ground, Seeded::new(rules.seed()), Vec::new());
        let shots = std::iter::repeat_with(|| stream.draft().shot);
        shots.take(PACKETS).collect()
    })
}

fn agree_on(cases: &[Rules], shots: impl Fn((&Rules, &Ground<'_>)) -> Vec<Shot>) -> Outcome {
    let mut problems = Vec::new();
    for backend in Backend::BOTH {
        let mut kernel = KernelArm::new(backend)?;
        for rules in cases {
            let told = differences(&mut kernel, backend, rules, &shots)
                .map_err(|error| format!("{backend:?}, {}: {error}", rules.about))?;
            let told = told.into_iter();
            problems.extend(told.map(|problem| format!("{backend:?}, {}: {problem}", rules.about)));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

/// The kinds of differences on one ruleset, each with its number and its first packet.
fn differences(
    kernel: &mut KernelArm,
    backend: Backend,
    rules: &Rules,
    shots: impl Fn((&Rules, &Ground<'_>)) -> Vec<Shot>,
) -> Result<Vec<String>, Box<dyn Error>> {
    let node = calidiff::node::text::read("node", rules.node)?;
    let firewall = firewall(rules)?;
    kernel.program(&node, &firewall)?;
    let mut model = ModelArm::new(backend);
    model.program(&node, &firewall)?;
    let ground = Ground::new(&node, &firewall);
    let shots = shots((rules, &ground)).into_iter();
    let mut kinds: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    let mut unjudged = 0;
    for salvo in Batches::new(&ground, shots, AT_ONCE) {
        kernel.fire(&salvo.batch, &mut found)?;
        model.fire(&salvo.batch, &mut expected)?;
        for ((packet, expected), found) in salvo.batch.packets.iter().zip(&expected).zip(&found) {
            match compare(expected, found) {
                Comparison::Agree => {}
                Comparison::Unjudged(_) => unjudged += 1,
                Comparison::Differ(difference) => {
                    let text = difference.to_string();
                    let kind = kinds.entry(text).or_insert_with(|| (0, packet.to_string()));
                    kind.0 += 1;
                }
            }
        }
    }
    let mut told: Vec<String> = kinds
        .into_iter()
        .map(|(difference, (count, packet))| format!("{count} times {difference}: {packet}"))
        .take(TOLD)
        .collect();
    if unjudged > PACKETS / 10 {
        told.push(format!("{unjudged} of {PACKETS} packets unjudged"));
    }
    Ok(told)
}
