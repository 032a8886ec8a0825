//! What the two backends read differently: each kernel does as the model says of it, and the model knows
//! why they part.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write as _;
use std::process::{Command, Stdio};

use calidiff::arm;
use calidiff::arm::Arm;
use calidiff::arm::kernel::KernelArm;
use calidiff::arm::model::ModelArm;
use calidiff::campaign::check::{SubjectReport, check};
use calidiff::campaign::{Blind, Options, Subject};
use calidiff::diff::{Comparison, compare};
use calidiff::import::Names;
use calidiff::kernel::Namespace;
use calidiff::mark::Mark;
use calidiff::model::{Parting, parting};
use calidiff::node::Node;
use calidiff::packet::{Batch, Family, Order, Packet};
use calidiff::report;
use calidiff::xtables::{Backend, Firewall, save};
use libtest_mimic::Trial;

type Outcome = Result<(), Box<dyn Error>>;

pub fn trials() -> Vec<Trial> {
    let trial = super::trial;
    vec![
        trial("readings::headers_cut_short", headers_cut_short),
        trial("readings::what_nft_compat_reads", what_nft_compat_reads),
        trial("readings::ports_and_flags", ports_and_flags),
        trial("readings::security_after_nat", security_after_nat),
        trial("readings::a_check_counts_them", a_check_counts_them),
        trial(
            "readings::a_check_of_refused_rules",
            a_check_of_refused_rules,
        ),
        trial("readings::saving_loses_questions", saving_loses_questions),
    ]
}

const NODE: &str = "
name: node
interfaces:
- {name: cali1}
- {name: eth0, addresses: [192.168.7.1/24, '2001:db8:7::1/64']}
routes:
- {destination: 10.65.0.2/32, to: !unicast {interface: cali1}}
- {destination: 'fd00:65::2/128', to: !unicast {interface: cali1}}
";

/// Through the node, to it, and from it, of both families.
const PATHS: [(&str, &str, &str); 6] = [
    ("in=eth0", "192.168.7.9", "10.65.0.2"),
    ("in=eth0", "192.168.7.9", "192.168.7.1"),
    ("from=node", "192.168.7.1", "192.168.7.9"),
    ("in=eth0", "2001:db8:7::9", "fd00:65::2"),
    ("in=eth0", "2001:db8:7::9", "2001:db8:7::1"),
    ("from=node", "2001:db8:7::1", "2001:db8:7::9"),
];

/// Every built-in chain that filters or marks.
const CHAINS: [(&str, &str); 14] = [
    ("raw", "PREROUTING"),
    ("raw", "OUTPUT"),
    ("mangle", "PREROUTING"),
    ("mangle", "INPUT"),
    ("mangle", "FORWARD"),
    ("mangle", "OUTPUT"),
    ("mangle", "POSTROUTING"),
    ("nat", "PREROUTING"),
    ("nat", "INPUT"),
    ("nat", "OUTPUT"),
    ("nat", "POSTROUTING"),
    ("filter", "INPUT"),
    ("filter", "FORWARD"),
    ("filter", "OUTPUT"),
];

fn node() -> Result<Node, Box<dyn Error>> {
    Ok(calidiff::node::text::read("node", NODE)?)
}

/// The same rules for both families; `{icmp}` stands for the family's own.
fn firewall(rules: &str) -> Result<Firewall, Box<dyn Error>> {
    let v4 = rules.replace("{icmp}", "icmp -m icmp --icmp-type 8");
    let v6 = rules.replace("{icmp}", "ipv6-icmp -m icmp6 --icmpv6-type 128");
    Ok(Firewall {
        v4: save::parse("v4", &v4, Family::V4)?,
        v6: save::parse("v6", &v6, Family::V6)?,
        sets: Vec::new(),
    })
}

/// Rules in every chain, each chain's for the packets with its own mark: those that another one
/// drops don't count there.
fn in_every_chain(matches: &[&str]) -> Result<Firewall, Box<dyn Error>> {
    let mut rules = String::new();
    for (number, (table, chain)) in CHAINS.into_iter().enumerate() {
        if number == 0 || CHAINS[number - 1].0 != table {
            rules.push_str(&format!("*{table}\n"));
        }
        let own = own_mark(number);
        for (bit, asked) in matches.iter().enumerate() {
            let mark = 1 << bit;
            rules.push_str(&format!(
                "-A {chain} -m mark --mark {own}/0xff0000 {asked} -j MARK --set-xmark {mark:#x}/{mark:#x}\n"
            ));
        }
        if CHAINS.get(number + 1).is_none_or(|next| next.0 != table) {
            rules.push_str("COMMIT\n");
        }
    }
    firewall(&rules)
}

fn own_mark(chain: usize) -> Mark {
    Mark(u32::try_from(chain + 1).unwrap_or_default() << 16)
}

/// One rule where packets come first, where they leave, and on their way through.
fn in_three_chains(asked: &str) -> Result<Firewall, Box<dyn Error>> {
    let rule = |chain| format!("-A {chain} {asked} -j MARK --set-xmark 0x1/0x1\n");
    firewall(&format!(
        "*mangle\n{}{}COMMIT\n*filter\n{}COMMIT\n",
        rule("PREROUTING"),
        rule("OUTPUT"),
        rule("FORWARD")
    ))
}

/// A packet each of every transport, on every path.
fn packets(transports: &[&str], words: &[String]) -> Result<Vec<Packet>, Box<dyn Error>> {
    let mut packets = Vec::new();
    for (origin, source, destination) in PATHS {
        let v6 = source.contains(':');
        let (open, close) = if v6 { ("[", "]") } else { ("", "") };
        for transport in transports {
            let (name, ports) = transport.split_once(' ').unwrap_or((transport, ""));
            for word in words {
                let name = if v6 && name == "icmp" { "icmp6" } else { name };
                let line = match ports.split_once('>') {
                    Some((from, to)) => format!(
                        "{origin} {name} {open}{source}{close}:{from} > {open}{destination}{close}:{to} {word}"
                    ),
                    None => format!("{origin} {name} {source} > {destination} {word}"),
                };
                packets.push(line.parse().map_err(|error| format!("{line}: {error}"))?);
            }
        }
    }
    Ok(packets)
}

const TRANSPORTS: [&str; 7] = [
    "tcp 1000>80",
    "tcp 80>1000",
    "udp 1000>53",
    "udplite 1000>53",
    "sctp 1000>80",
    "icmp",
    "proto=33",
];

/// Cut off after every number of bytes, and in fragments.
fn cuts_and_fragments() -> Vec<String> {
    let cuts = (0..=24).map(|bytes| format!("bad=truncated:{bytes}"));
    let fragments = [
        "",
        "frag=0+ len=64",
        "frag=1",
        "frag=1+",
        "frag=2",
        "frag=5+ len=64",
        // What looks like the header that the rules ask for: ports 1000 and 80, and SYN.
        "frag=2 payload=03e800500000000000000000000250000000",
        "frag=1 payload=03e80050000000000000000000020000",
        // From 1000 to 53, and nothing behind the ports.
        "frag=3 payload=03e80035",
        "frag=3 len=2",
    ];
    let fragments = fragments.into_iter().map(str::to_owned);
    // Without tracking nothing holds fragments back, and no state ends a packet before the rules do.
    let alone = fragments.flat_map(|words| [words.clone(), format!("{words} untracked")]);
    cuts.clone()
        .chain(cuts.map(|words| format!("{words} untracked")))
        .chain(alone)
        .collect()
}

/// The model's two readings and the two kernels, with the same rules loaded.
struct Arms {
    firewall: Firewall,
    models: [ModelArm; 2],
    kernels: [KernelArm; 2],
}

impl Arms {
    fn new() -> Result<Self, Box<dyn Error>> {
        let [legacy, nft] = Backend::BOTH;
        Ok(Self {
            firewall: Firewall::default(),
            models: Backend::BOTH.map(ModelArm::new),
            kernels: [KernelArm::new(legacy)?, KernelArm::new(nft)?],
        })
    }

    fn load(&mut self, firewall: Firewall) -> Outcome {
        let node = node()?;
        for (model, kernel) in self.models.iter_mut().zip(&mut self.kernels) {
            model.program(&node, &firewall)?;
            kernel.program(&node, &firewall)?;
        }
        self.firewall = firewall;
        Ok(())
    }

    /// Sends packets to all; each kernel must do as the model says of it. Gives the causes for which the
    /// readings part, with the number of packets.
    fn fire(&mut self, packets: &[Packet]) -> Result<BTreeMap<Parting, usize>, Box<dyn Error>> {
        let batch = Batch {
            order: Order::Apart,
            connections: Vec::new(),
            packets: packets.to_vec(),
        };
        let mut answers = [Vec::new(), Vec::new()];
        let arms = self.models.iter_mut().zip(&mut self.kernels);
        for ((model, kernel), expected) in arms.zip(&mut answers) {
            model.fire(&batch, expected)?;
            let mut found = Vec::new();
            kernel.fire(&batch, &mut found)?;
            for ((packet, expected), found) in packets.iter().zip(expected).zip(&found) {
                let comparison = compare(expected, found);
                if comparison != Comparison::Agree {
                    return Err(format!("{}: {packet}: {comparison:?}", kernel.name()).into());
                }
            }
        }
        let mut causes = BTreeMap::new();
        let [by_legacy, by_nft] = &answers;
        for (packet, (legacy, nft)) in packets.iter().zip(by_legacy.iter().zip(by_nft)) {
            if legacy != nft {
                let [legacy, nft] = &mut self.models;
                let (_, legacy) = legacy.trace(packet, &[])?;
                let (_, nft) = nft.trace(packet, &[])?;
                let (cause, _) = parting(&self.firewall, packet, &legacy, &nft);
                *causes.entry(cause).or_default() += 1;
            }
        }
        Ok(causes)
    }

    /// Sends packets with the mark of each chain of [`CHAINS`] in turn.
    fn fire_at_every_chain(
        &mut self,
        packets: &[Packet],
        look: impl Fn(&str, &str, &BTreeMap<Parting, usize>) -> bool,
    ) -> Outcome {
        for (number, (table, chain)) in CHAINS.into_iter().enumerate() {
            let marked = packets.iter().cloned().map(|packet| Packet {
                mark: own_mark(number),
                ..packet
            });
            let causes = self
                .fire(&marked.collect::<Vec<_>>())
                .map_err(|error| format!("{table} {chain}: {error}"))?;
            if !look(table, chain, &causes) {
                return Err(format!("{table} {chain}: {causes:?}").into());
            }
        }
        Ok(())
    }
}

/// What iptables-nft has expressions for, at every hook and in every table.
fn headers_cut_short() -> Outcome {
    use Parting::{LaterFragment, TcpCutShort, TcpOverwritten, UdpCutShort};
    let mut arms = Arms::new()?;
    let packets = packets(&TRANSPORTS, &cuts_and_fragments())?;
    let families: [&[&str]; 2] = [
        &[
            "-p tcp -m tcp --dport 80",
            "-p udp -m udp --dport 53",
            "-p sctp -m sctp --dport 80",
            "-p {icmp}",
        ],
        &[
            "-p tcp -m tcp --tcp-flags SYN,RST,ACK,FIN SYN",
            "-p udp -m udp --sport 1000 --dport 53",
            "-p tcp -m tcp --sport 1:1000 ! --dport 80",
            // Of later fragments in IPv6 the source address has these bits where flags would be.
            "-p tcp -m tcp --tcp-flags SYN,RST,ACK SYN,RST",
        ],
    ];
    for matches in families {
        arms.load(in_every_chain(matches)?)?;
        arms.fire_at_every_chain(&packets, |table, chain, causes| {
            let expected: &[Parting] = match (table, chain) {
                // They belong to no connection, and so the nat table never sees them.
                ("nat", _) => &[],
                // What is for the node itself is put together first.
                (_, "INPUT") => &[TcpCutShort, UdpCutShort, LaterFragment],
                _ => &[TcpCutShort, UdpCutShort, TcpOverwritten, LaterFragment],
            };
            causes.keys().eq(expected)
        })?;
    }
    Ok(())
}

/// What goes through nft_compat, the backends read alike.
fn what_nft_compat_reads() -> Outcome {
    let mut arms = Arms::new()?;
    let packets = packets(&TRANSPORTS, &cuts_and_fragments())?;
    let families: [&[&str]; 4] = [
        &["-p tcp -m tcp", "-p udp -m udp", "-p sctp -m sctp"],
        &[
            "-p tcp -m tcp --tcp-option 5",
            "-p sctp -m multiport --dports 80",
        ],
        &[
            "-p tcp -m multiport --dports 80,443",
            "-p udp -m multiport ! --ports 53",
        ],
        &[
            "-p tcp",
            "-p udp -m length --length 0:30",
            "-p dccp -m multiport --dports 80",
        ],
    ];
    for matches in families {
        arms.load(in_every_chain(matches)?)?;
        arms.fire_at_every_chain(&packets, |_, _, causes| causes.is_empty())
            .map_err(|error| format!("{matches:?}: {error}"))?;
    }
    Ok(())
}

/// What reads a whole packet differently, and what looks as if it did.
fn ports_and_flags() -> Outcome {
    let cases: [(&str, Option<Parting>); 13] = [
        ("-p tcp -m tcp ! --dport 0:65535", Some(Parting::EveryPort)),
        ("-p udp -m udp ! --sport 0:65535", Some(Parting::EveryPort)),
        ("-p tcp -m tcp --dport 0:65535", None),
        (
            "-p tcp -m tcp ! --sport 1000 ! --dport 80",
            Some(Parting::NeitherPort),
        ),
        (
            "-p udp -m udp ! --sport 1000 ! --dport 53",
            Some(Parting::NeitherPort),
        ),
        ("-p tcp -m tcp ! --sport 1000:1000 ! --dport 80:81", None),
        ("-p tcp -m tcp ! --sport 0 ! --dport 80", None),
        ("-p tcp -m tcp ! --sport 1000 --dport 80", None),
        ("-p tcp -m tcp --sport 1000 --dport 80", None),
        ("-p tcp -m tcp --tcp-flags NONE SYN", Some(Parting::NoFlag)),
        (
            "-p tcp -m tcp ! --tcp-flags NONE NONE",
            Some(Parting::NoFlag),
        ),
        ("-p tcp -m tcp --tcp-flags NONE NONE", None),
        ("-p tcp -m tcp ! --tcp-flags NONE SYN", None),
    ];
    let mut arms = Arms::new()?;
    let transports = [
        "tcp 1000>80",
        "tcp 1000>81",
        "tcp 1001>80",
        "tcp 0>0",
        "udp 1000>53",
        "udp 1000>54",
        "udp 1001>54",
    ];
    let packets = packets(&transports, &[String::new(), "mark=0x10".to_owned()])?;
    for (asked, cause) in cases {
        arms.load(in_three_chains(asked)?)?;
        let causes = arms
            .fire(&packets)
            .map_err(|error| format!("{asked}: {error}"))?;
        if !causes.keys().eq(cause.iter()) {
            return Err(format!("{asked}: {causes:?}").into());
        }
    }
    Ok(())
}

/// In INPUT nat and security change places.
fn security_after_nat() -> Outcome {
    let rules = "*nat
-A INPUT -m mark --mark 0x1/0x1 -j MARK --set-xmark 0x2/0x2
COMMIT
*security
-A INPUT -j MARK --set-xmark 0x1/0x1
-A FORWARD -j MARK --set-xmark 0x1/0x1
COMMIT
";
    let mut arms = Arms::new()?;
    let packets = packets(&["udp 1000>53", "icmp"], &[String::new()])?;
    arms.load(firewall(rules)?)?;
    let causes = arms.fire(&packets)?;
    // Two transports to the node, in both families.
    if causes != BTreeMap::from([(Parting::SecurityAfterNat, 4)]) {
        return Err(format!("{causes:?}").into());
    }
    Ok(())
}

fn subject(rules: &str) -> Result<Subject, Box<dyn Error>> {
    Ok(Subject {
        name: "readings".to_owned(),
        node: node()?,
        firewall: Firewall {
            v4: save::parse("v4", rules, Family::V4)?,
            ..Firewall::default()
        },
        assumptions: Vec::new(),
        planted: None,
    })
}

fn checked(subject: &Subject) -> Result<SubjectReport, Box<dyn Error>> {
    let options = Options {
        backends: Backend::BOTH.to_vec(),
        packets: 4_000,
        seed: 5,
        jobs: 2,
        explain: true,
    };
    Ok(check(subject, &options, &arm::make, &Blind)?)
}

/// A check tells where the backends part and calls it no divergence, and explains each backend's unhit
/// rules by its own reading.
fn a_check_counts_them() -> Outcome {
    let subject = subject(
        "*filter
-A FORWARD -p tcp -m tcp --dport 80 -j ACCEPT
-A FORWARD -p udp -m udp ! --sport 53 ! --dport 53 -j MARK --set-xmark 0x1/0x1
-A OUTPUT -p tcp -m tcp ! --dport 0:65535 -j MARK --set-xmark 0x2/0x2
COMMIT
",
    )?;
    let report = checked(&subject)?;
    assert_eq!(report.diverged(), 0, "{:?}", report.backends);
    for cause in [
        Parting::UdpCutShort,
        Parting::NeitherPort,
        Parting::EveryPort,
    ] {
        assert!(report.partings.causes.contains_key(&cause), "{cause}");
    }
    let unhit: Vec<String> = report
        .never_hit
        .iter()
        .map(|one| format!("{} {:?} {}", one.rule, one.backends, one.proved()))
        .collect();
    assert_eq!(unhit, ["filter/OUTPUT rule 1 [Legacy] true"]);
    let text = report::check::text(&report, &subject.firewall, &Names::default(), false);
    let json = report::check::json(&report, &subject.firewall);
    for (cause, parted) in &report.partings.causes {
        assert!(text.contains(cause.explanation()), "{text}");
        assert!(text.contains(&parted.example.packet.to_string()), "{text}");
    }
    let told = json["partings"]["causes"].as_array().ok_or("no causes")?;
    assert_eq!(told.len(), report.partings.causes.len());
    assert_eq!(told[0]["cause"], "udp-cut-short");
    Ok(())
}

/// What one backend refuses is judged on the other, and said.
fn a_check_of_refused_rules() -> Outcome {
    let cases = [
        ("-A FORWARD ! -s 0.0.0.0/0 -j DROP", Backend::Nft),
        (
            "-A FORWARD ! -p tcp -m tcp --dport 80 -j DROP",
            Backend::Legacy,
        ),
        (
            "-A FORWARD -p tcp -j TCPMSS --set-mss 1000",
            Backend::Legacy,
        ),
    ];
    for (rule, refuses) in cases {
        let subject = subject(&format!("*filter\n{rule}\nCOMMIT\n"))?;
        let report = checked(&subject)?;
        assert_eq!(report.diverged(), 0, "{:?}", report.backends);
        let refused = report
            .partings
            .refused
            .as_ref()
            .map(|(backend, _)| *backend);
        assert_eq!(refused, Some(refuses), "{rule}");
        for backend in &report.backends {
            let loads = backend.backend != refuses;
            assert_eq!(backend.refused.model.is_none(), loads, "{rule}");
            assert_eq!(
                backend.tally.packets,
                if loads { 4_000 } else { 0 },
                "{rule}"
            );
        }
        let text = report::check::text(&report, &subject.firewall, &Names::default(), false);
        assert!(
            text.contains(&format!("{refuses} alone refuses these rules")),
            "{text}"
        );
    }
    Ok(())
}

/// What a backend's tools save of a rule that they have loaded.
fn saved(backend: Backend, rule: &str) -> Result<Vec<String>, Box<dyn Error>> {
    Namespace::create()?.enter()?;
    let mut restore = Command::new(backend.restore(Family::V4))
        .stdin(Stdio::piped())
        .spawn()?;
    let text = format!("*filter\n{rule}\nCOMMIT\n");
    restore
        .stdin
        .take()
        .ok_or("no input")?
        .write_all(text.as_bytes())?;
    if !restore.wait()?.success() {
        return Err(format!("{backend} refuses {rule}").into());
    }
    let output = Command::new(backend.save(Family::V4)).output()?;
    let text = String::from_utf8(output.stdout)?;
    let rules = text.lines().filter(|line| line.starts_with("-A"));
    Ok(rules.map(str::to_owned).collect())
}

/// Some questions don't survive being saved: what is loaded again is another ruleset.
fn saving_loses_questions() -> Outcome {
    let plain = "-A INPUT -p tcp -m tcp -j DROP";
    let cases = [
        (
            "-A INPUT ! -i + -j DROP",
            "-A INPUT -j DROP",
            "-A INPUT ! -i + -j DROP",
        ),
        (
            "-A INPUT -p tcp -m tcp ! --dport 0:65535 -j DROP",
            plain,
            "-A INPUT -p tcp -j DROP",
        ),
        (
            "-A INPUT -p tcp -m tcp --tcp-flags NONE SYN -j DROP",
            plain,
            "-A INPUT -p tcp -j DROP",
        ),
        (
            "-A INPUT -p icmp -m icmp --icmp-type 255/255 -j DROP",
            "-A INPUT -p icmp -m icmp --icmp-type any -j DROP",
            "-A INPUT -p icmp -m icmp --icmp-type any -j DROP",
        ),
    ];
    for (rule, legacy, nft) in cases {
        assert_eq!(saved(Backend::Legacy, rule)?, [legacy], "legacy");
        assert_eq!(saved(Backend::Nft, rule)?, [nft], "nft");
    }
    Ok(())
}
