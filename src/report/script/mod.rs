//! A shell script that shows what becomes of one packet without this program: a namespace, the rules on the
//! packet's way, the packet, and its end.
//!
//! It needs what any system with iptables has: `unshare`, `ip`, the restore tools and perl, whose base is
//! part of every Debian. Perl makes the interfaces (TUN devices), writes the packet into one, and reads the
//! others. Only the rules that the packet matches are in it; the model says that they do the same with it
//! as all of them.

mod trim;

use std::fmt::Write as _;
use std::net::IpAddr;

use crate::diff::meaning::{End, sure};
use crate::journey::Step;
use crate::mark::Mark;
use crate::model::{Connections, Machine};
use crate::node::{Node, ReversePath, Route, RouteKind};
use crate::packet::wire::{MixedFamilies, Tag, build};
use crate::packet::{Connection, Family, InterfaceName, Origin, Packet, Transport};
use crate::xtables::matches::Not;
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::target::Xmark;
use crate::xtables::{
    Backend, Firewall, Hook, Policy, Rule, Ruleset, TableName, Target, ipset, save,
};

/// How many lines a script may have.
pub const LINES: usize = 40;

/// What a script is made of.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// What it shows, a line or more.
    pub title: &'a str,
    /// The node.
    pub node: &'a Node,
    /// All that is loaded on it.
    pub firewall: &'a Firewall,
    /// The packet.
    pub packet: &'a Packet,
    /// The connections that exist when it comes.
    pub connections: &'a [Connection],
    /// As which backend the rules are read.
    pub backend: Backend,
    /// The packet's way through the model.
    pub steps: &'a [Step],
}

/// A script, and how it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// What the shell reads.
    pub text: String,
    /// The packet's end by the model, which the script prints where the kernel does the same; of a packet that
    /// is delivered without its addresses.
    pub end: End,
}

/// Why there is no script.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoScript {
    /// Its packet can't be built.
    #[error(transparent)]
    NoPacket(#[from] MixedFamilies),
    /// No few rules do the same with the packet as all of them.
    #[error("no few rules do the same with the packet as all of them")]
    NoFewRules,
    /// It would be too long.
    #[error("it would have {0} lines, more than {LINES}")]
    TooLong(usize),
    /// Connections are made over a socket that only Linux has.
    #[error("its connections can be written down on Linux only")]
    NotHere,
}

/// Writes the script.
///
/// # Errors
///
/// [`NoScript`] where it can't be short and true.
pub fn script(scene: &Scene<'_>) -> Result<Script, NoScript> {
    let family = scene.packet.family();
    let mut machine = Machine::new(scene.backend, scene.node, scene.firewall)
        .map_err(|_| NoScript::NoFewRules)?;
    let connections = Connections::new(scene.connections);
    let end = sure(&machine.judge(&connections, scene.packet)).ok_or(NoScript::NoFewRules)?;
    let ways = [trim::in_their_chains, trim::in_the_kernels_chains];
    let mut failed = NoScript::NoFewRules;
    for trimmed in ways.map(|way| way(scene.firewall, family, scene.steps)) {
        let firewall = scene.trimmed(trimmed);
        if scene.end_with(&firewall) != Some(end) {
            continue;
        }
        let text = scene.text(&firewall)?;
        match text.lines().count() {
            lines if lines > LINES => failed = NoScript::TooLong(lines),
            _ => return Ok(Script { text, end }),
        }
    }
    Err(failed)
}

impl Scene<'_> {
    /// The rules of a script, with the sets that they ask, and one before them that gives the packet what it
    /// bears when it comes.
    fn trimmed(&self, mut rules: Ruleset) -> Firewall {
        let family = rules.family;
        self.preset(&mut rules);
        if self.asks_nat()
            && self
                .firewall
                .ruleset(family)
                .table(TableName::Nat)
                .is_some()
        {
            for hook in [
                Hook::Prerouting,
                Hook::Input,
                Hook::Output,
                Hook::Postrouting,
            ] {
                let accept = Some(Policy::Accept);
                trim::chain_mut(&mut rules, TableName::Nat, hook.chain(), accept);
            }
        }
        let mut firewall = Firewall {
            sets: trim::sets_of(self.firewall, &rules, &self.addresses()),
            ..Firewall::default()
        };
        *firewall.ruleset_mut(family) = rules;
        firewall
    }

    fn preset(&self, rules: &mut Ruleset) {
        let (hook, in_interface) = match self.packet.origin {
            Origin::Arrives(name) => (Hook::Prerouting, Some(InterfacePattern::Exactly(name))),
            Origin::Node => (Hook::Output, None),
        };
        let mark = Target::Mark(Xmark {
            value: self.packet.mark.0,
            mask: u32::MAX,
        });
        let marked = self.packet.mark != Mark::NONE && self.packet.origin != Origin::Node;
        let targets = [
            marked.then_some(mark),
            self.packet.untracked.then_some(Target::Notrack),
        ];
        for target in targets.into_iter().flatten().rev() {
            let rule = Rule {
                in_interface: in_interface.clone().map(|value| Not {
                    negated: false,
                    value,
                }),
                target,
                ..Rule::default()
            };
            let chain = trim::chain_mut(rules, TableName::Raw, hook.chain(), None);
            chain.rules.insert(0, rule);
        }
    }

    /// Whether it matters that the kernel's nat hooks are there, with or without rules: they translate what belongs to
    /// a translated connection, and look at redirects about any (net/netfilter/nf_nat_core.c).
    fn asks_nat(&self) -> bool {
        let redirect = matches!(self.packet.transport, Transport::Icmp(icmp) if icmp.kind == 5);
        let mut connections = self.connections.iter();
        redirect || connections.any(|one| one.original.inverse() != Some(one.reply))
    }

    /// The addresses that members of sets could hold.
    fn addresses(&self) -> Vec<IpAddr> {
        let packet = [self.packet.source, self.packet.destination];
        let connections = self.connections.iter().flat_map(|one| {
            let [original, reply] = [one.original, one.reply];
            [
                original.source,
                original.destination,
                reply.source,
                reply.destination,
            ]
        });
        packet.into_iter().chain(connections).collect()
    }

    /// How the packet ends with a script's rules, by the model.
    fn end_with(&self, firewall: &Firewall) -> Option<End> {
        let mut machine = Machine::new(self.backend, self.node, firewall).ok()?;
        let packet = Packet {
            mark: match self.packet.origin {
                Origin::Arrives(_) => Mark::NONE,
                Origin::Node => self.packet.mark,
            },
            untracked: false,
            ..self.packet.clone()
        };
        sure(&machine.judge(&Connections::new(self.connections), &packet))
    }

    fn text(&self, firewall: &Firewall) -> Result<String, NoScript> {
        let mut bytes = Vec::new();
        build(self.packet, TAG, &mut bytes)?;
        let family = self.packet.family();
        let interfaces = self.node.interfaces.iter();
        let names: Vec<&str> = interfaces.map(|one| one.name.as_str()).collect();
        let names = names.join(" ");
        let backend = self.backend;
        let mut text = "#!/bin/sh\n".to_owned();
        let title: Vec<&str> = self.title.lines().collect();
        let _ = writeln!(text, "# {}", title.join(": "));
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "# As root: sh THIS [legacy|nft]. All happens in a network namespace that ends with it.\n\
             [ \"$TUNS\" ] || exec unshare -n perl -e '$^F = 99; for (@ARGV[2 .. $#ARGV]) {{\n  \
             system \"ip link set $_ name x$_ 2>/dev/null\"; sysopen my $t, \"/dev/net/tun\", 2050 or die $!;\n  \
             ioctl $t, 0x400454ca, pack \"a16Sx22\", $_, 0x1001 or die $!; push @t, $t; push @f, \"$_=\" . fileno $t }}\n  \
             $ENV{{TUNS}} = \"@f\"; exec \"sh\", @ARGV' \"$0\" \"${{1:-{backend}}}\" {names}"
        );
        self.ground(&mut text, family);
        if !firewall.sets.is_empty() {
            heredoc(
                &mut text,
                "ipset restore",
                &ipset::print_save(&firewall.sets),
            );
        }
        let tool = match family {
            Family::V4 => "iptables-$1-restore",
            Family::V6 => "ip6tables-$1-restore",
        };
        let rules = save::print(firewall.ruleset(family), save::Style::default());
        if !rules.is_empty() {
            heredoc(&mut text, tool, &rules);
        }
        if !self.connections.is_empty() {
            let request = hex(&entries(self.connections)?);
            let _ = writeln!(
                text,
                "perl -e 'socket S, 16, 3, 12 or die $!; syswrite S, pack \"H*\", shift or die $!' {request}"
            );
        }
        self.send(&mut text, family, &hex(&bytes));
        Ok(text)
    }

    /// The node's settings, addresses and routes of a family.
    fn ground(&self, text: &mut String, family: Family) {
        let flag = u8::from(self.node.forwards(family));
        let _ = match family {
            Family::V4 => write!(
                text,
                "set -e; cd /proc/sys/net/ipv4; echo {flag} > ip_forward\n\
                 for c in conf/*; do for k in rp_filter accept_local route_localnet; do echo 0 > $c/$k; done; done"
            ),
            Family::V6 => write!(
                text,
                "set -e; cd /proc/sys/net/ipv6; echo {flag} > conf/all/forwarding\n\
                 for c in conf/*; do for k in disable_ipv6 accept_ra accept_dad; do echo 0 > $c/$k; done; echo 1 > $c/addr_gen_mode; done"
            ),
        };
        let names = self.node.interfaces.iter();
        let names: Vec<&str> = names.map(|one| one.name.as_str()).collect();
        let _ = writeln!(
            text,
            "; for i in lo {}; do ip link set $i up; done",
            names.join(" ")
        );
        for interface in &self.node.interfaces {
            let name = interface.name;
            if family == Family::V4 {
                let reverse_path = match interface.reverse_path {
                    ReversePath::Off => None,
                    ReversePath::Strict => Some(1),
                    ReversePath::Loose => Some(2),
                };
                if let Some(value) = reverse_path {
                    let _ = writeln!(text, "echo {value} > conf/{name}/rp_filter");
                }
                if interface.route_localnet {
                    let _ = writeln!(text, "echo 1 > conf/{name}/route_localnet");
                }
            }
            let addresses = interface.addresses.iter();
            for net in addresses.filter(|net| Family::of(net.addr()) == family) {
                let _ = writeln!(text, "ip addr add {net} dev {name}");
            }
        }
        let routes = self.node.routes.iter();
        for route in routes.filter(|route| Family::of(route.destination.addr()) == family) {
            write_route(text, route);
        }
    }

    /// Sends the packet, and says what became of it. First it waits: the kernel makes an IPv6 address local in a
    /// work queue (net/ipv6/addrconf.c, `addrconf_dad_work`).
    fn send(&self, text: &mut String, family: Family, packet: &str) {
        let (tagged, source, destination, delivered) = match family {
            Family::V4 => (
                "unpack(\"x4n\", $p)",
                "inet_ntoa(substr $p, 12, 4)",
                "inet_ntoa(substr $p, 16, 4)",
                "/^Ip: \\d/ and my @f = split or next; $n += $f[7] + $f[9]",
            ),
            Family::V6 => (
                "unpack(\"x2n\", $p)",
                "inet_ntop(AF_INET6, substr $p, 8, 16)",
                "inet_ntop(AF_INET6, substr $p, 24, 16)",
                "/^Ip6In(?:Delivers|UnknownProtos) +(\\d+)/ and $n += $1",
            ),
        };
        let counters = match family {
            Family::V4 => "snmp",
            Family::V6 => "snmp6",
        };
        let _ = writeln!(
            text,
            "perl -e 'use Socket \":all\"; sub delivered {{ my $n = 0; open my $f, \"<\", \"/proc/net/{counters}\"; while (<$f>) {{ {delivered} }} $n }}\n  \
             for (split \" \", $ENV{{TUNS}}) {{ my ($name, $f) = split /=/; open $t{{$name}}, \"+<&=$f\" or die $!; 1 while sysread $t{{$name}}, my $p, 65536 }}\n  \
             select undef, undef, undef, 0.1; my ($before, $sent) = delivered(); {} select undef, undef, undef, 0.1;\n  \
             for my $name (sort keys %t) {{ while (sysread $t{{$name}}, my $p, 65536) {{ {tagged} == 1 or next; $sent = 1;\n    \
             print \"sent out of $name as \", {source}, \" > \", {destination}, \"\\n\" }} }}\n  \
             $sent or print delivered() > $before ? \"delivered to the node\\n\" : \"lost\\n\"' {packet}",
            self.write(family)
        );
    }

    /// The statement that writes the packet.
    fn write(&self, family: Family) -> String {
        let interface = match self.packet.origin {
            Origin::Arrives(InterfaceName::LOOPBACK) | Origin::Node => None,
            Origin::Arrives(name) => Some(name),
        };
        if let Some(name) = interface {
            return format!("syswrite $t{{\"{name}\"}}, pack \"H*\", shift;");
        }
        let destination = self.packet.destination;
        let (domain, address) = match family {
            Family::V4 => (
                "AF_INET",
                format!("pack_sockaddr_in(0, inet_aton(\"{destination}\"))"),
            ),
            Family::V6 => (
                "AF_INET6",
                format!("pack_sockaddr_in6(0, inet_pton(AF_INET6, \"{destination}\"))"),
            ),
        };
        let mark = match self.packet.mark {
            Mark::NONE => String::new(),
            Mark(mark) => format!("setsockopt S, 1, 36, pack \"L\", {mark}; "),
        };
        format!(
            "socket S, {domain}, SOCK_RAW, 255 or die $!; setsockopt S, 1, 6, 1; {mark}\
             send S, pack(\"H*\", shift), 0, {address};"
        )
    }
}

/// What the packet bears in the place where its number stands, and the script looks for.
const TAG: Tag = Tag::of_bits(1);

fn heredoc(text: &mut String, command: &str, input: &str) {
    let _ = writeln!(text, "{command} <<'END'\n{input}END");
}

fn write_route(text: &mut String, route: &Route) {
    let net = route.destination;
    let _ = match route.to {
        RouteKind::Unicast { interface, via } => {
            let via = via.map(|via| format!(" via {via} onlink"));
            let via = via.unwrap_or_default();
            writeln!(text, "ip route add {net} dev {interface}{via}")
        }
        RouteKind::Blackhole => writeln!(text, "ip route add blackhole {net}"),
        RouteKind::Unreachable => writeln!(text, "ip route add unreachable {net}"),
        RouteKind::Prohibit => writeln!(text, "ip route add prohibit {net}"),
    };
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The request that makes the entries of the connection table.
#[cfg(target_os = "linux")]
fn entries(connections: &[Connection]) -> Result<Vec<u8>, NoScript> {
    Ok(crate::kernel::entry_requests(connections))
}

#[cfg(not(target_os = "linux"))]
fn entries(_: &[Connection]) -> Result<Vec<u8>, NoScript> {
    Err(NoScript::NotHere)
}
