//! The modules behind `-m` and `-j` that are typed, a subject a file: what each reads, and how each
//! is written.

mod address;
mod comment;
mod conntrack;
mod header;
mod icmp;
mod link;
mod log;
mod marks;
mod nat;
mod reject;
mod routing_header;
mod set;
mod stateful;
mod statistic;
mod string;
mod transport;

use super::options::{OptionSpec, Options};
use super::text::{Bare, Text};
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::Match;
use crate::xtables::target::Target;

/// One match or one target.
#[derive(Debug)]
pub(super) struct Module<T: 'static> {
    /// Its name.
    pub name: &'static str,
    /// The only family that has it, if not both.
    pub family: Option<Family>,
    /// Its options.
    pub options: &'static [OptionSpec],
    /// Reads what a rule gives it.
    pub read: fn(&Options<'_>) -> Result<T, Problem>,
}

const fn module<T>(
    name: &'static str,
    options: &'static [OptionSpec],
    read: fn(&Options<'_>) -> Result<T, Problem>,
) -> Module<T> {
    Module {
        name,
        family: None,
        options,
        read,
    }
}

impl<T> Module<T> {
    /// The same in one family only.
    const fn only(self, family: Family) -> Self {
        Self {
            family: Some(family),
            ..self
        }
    }
}

/// All matches, the usual ones first.
static MATCHES: [&[Module<Match>]; 13] = [
    &comment::MATCHES,
    &marks::MATCHES,
    &transport::MATCHES,
    &conntrack::MATCHES,
    &set::MATCHES,
    &address::MATCHES,
    &icmp::MATCHES,
    &link::MATCHES,
    &header::MATCHES,
    &statistic::MATCHES,
    &stateful::MATCHES,
    &string::MATCHES,
    &routing_header::MATCHES,
];

/// All targets, the usual ones first.
static TARGETS: [&[Module<Target>]; 6] = [
    &reject::TARGETS,
    &marks::TARGETS,
    &nat::TARGETS,
    &log::TARGETS,
    &conntrack::TARGETS,
    &header::TARGETS,
];

/// Targets that the tools have and this room keeps to the letter.
const OTHER_TARGETS: [&str; 22] = [
    "AUDIT",
    "CLASSIFY",
    "CLUSTERIP",
    "CONNSECMARK",
    "DNPT",
    "ECN",
    "HMARK",
    "IDLETIMER",
    "LED",
    "NFQUEUE",
    "QUEUE",
    "RATEEST",
    "SECMARK",
    "SET",
    "SNPT",
    "SYNPROXY",
    "TCPOPTSTRIP",
    "TEE",
    "TPROXY",
    "ULOG",
    "MIRROR",
    "SAME",
];

/// The match of a name, if it is typed.
pub(super) fn find_match(name: &str) -> Option<&'static Module<Match>> {
    // libxtables/xtables.c, `xtables_find_match`, takes these for one.
    let name = match name {
        "icmpv6" | "ipv6-icmp" => "icmp6",
        name => name,
    };
    let mut all = MATCHES.iter().flat_map(|modules| modules.iter());
    all.find(|module| module.name == name)
}

/// The match that an option behind `-p` loads by itself.
pub(super) fn match_of_protocol(
    protocol: Protocol,
    family: Family,
) -> Option<&'static Module<Match>> {
    let module = find_match(match protocol {
        Protocol::TCP => "tcp",
        Protocol::UDP => "udp",
        Protocol::SCTP => "sctp",
        Protocol::ICMP => "icmp",
        Protocol::ICMP6 => "icmp6",
        _ => return None,
    })?;
    let exists = module.family.is_none_or(|only| only == family);
    exists.then_some(module)
}

/// The target of a name, if it is typed.
pub(super) fn find_target(name: &str) -> Option<&'static Module<Target>> {
    let mut all = TARGETS.iter().flat_map(|modules| modules.iter());
    all.find(|module| module.name == name)
}

/// Whether the tools have a target of this name that is not typed.
pub(super) fn is_known_target(name: &str) -> bool {
    OTHER_TARGETS.contains(&name)
}

/// Writes `-m MODULE` and its options.
pub(super) fn write_match(text: &mut Text, one: &Match, family: Family) {
    match one {
        Match::Comment(comment) => comment::write(text, comment),
        Match::Mark(mark) => marks::write_match(text, "mark", mark),
        Match::Connmark(mark) => marks::write_match(text, "connmark", mark),
        Match::Conntrack(test) => conntrack::write_conntrack(text, test),
        Match::State(states) => conntrack::write_state(text, states),
        Match::Multiport(side, ports) => transport::write_multiport(text, *side, ports),
        Match::Tcp(test) => transport::write_tcp(text, test),
        Match::Udp(test) => transport::write_udp(text, test),
        Match::Sctp(test) => transport::write_sctp(text, test),
        Match::Icmp(test) => icmp::write_icmp(text, test),
        Match::Icmp6(test) => icmp::write_icmp6(text, test),
        Match::Set(test) => set::write(text, test),
        Match::Addrtype(test) => address::write_addrtype(text, test),
        Match::Mac(mac) => link::write_mac(text, mac),
        Match::Rpfilter(test) => address::write_rpfilter(text, *test),
        Match::Stateful(test) => stateful::write(text, test),
        Match::Owner(test) => link::write_owner(text, test),
        Match::Physdev(test) => link::write_physdev(text, test),
        Match::Pkttype(kind) => link::write_pkttype(text, kind),
        Match::Iprange(test) => address::write_iprange(text, test),
        Match::Statistic(test) => statistic::write(text, test),
        Match::Hops(test) => header::write_hops(text, *test, family),
        Match::Dscp(class) => header::write_dscp(text, class),
        Match::Tos(tos) => header::write_tos(text, tos),
        Match::Length(lengths) => header::write_length(text, lengths),
        Match::RoutingHeader(test) => routing_header::write(text, test),
        Match::String(test) => string::write(text, test),
        Match::Opaque { module, words } => {
            text.module(module);
            text.words(words);
        }
    }
}

/// Writes `-j TARGET` and its options; nothing where there is no target.
pub(super) fn write_target(text: &mut Text, target: &Target, family: Family) {
    match target {
        Target::None => {}
        Target::Accept => jump(text, "ACCEPT"),
        Target::Drop => jump(text, "DROP"),
        Target::Return => jump(text, "RETURN"),
        Target::Jump(chain) => jump(text, chain),
        Target::Goto(chain) => {
            text.word("-g");
            text.word(Bare(chain));
        }
        Target::Mark(xmark) => marks::write_mark(text, *xmark),
        Target::Connmark(change) => marks::write_connmark(text, *change),
        Target::Log(log) => log::write_log(text, log),
        Target::Nflog(nflog) => log::write_nflog(text, nflog),
        Target::Reject(reject) => reject::write(text, *reject),
        Target::Dnat(range) => nat::write(text, "DNAT", "to-destination", range),
        Target::Snat(range) => nat::write(text, "SNAT", "to-source", range),
        Target::Masquerade(range) => nat::write(text, "MASQUERADE", "to-ports", range),
        Target::Redirect(range) => nat::write(text, "REDIRECT", "to-ports", range),
        Target::Netmap { address, mask } => nat::write_netmap(text, *address, *mask),
        Target::Notrack => jump(text, "NOTRACK"),
        Target::Ct(ct) => conntrack::write_ct(text, ct),
        Target::TrafficClass(class) => header::write_class(text, *class),
        Target::Hops(change) => header::write_hops_change(text, *change, family),
        Target::TcpMss(mss) => header::write_mss(text, *mss),
        Target::Trace => jump(text, "TRACE"),
        Target::Checksum => {
            jump(text, "CHECKSUM");
            text.flag("checksum-fill");
        }
        Target::Opaque { name, words } => {
            jump(text, name);
            text.words(words);
        }
    }
}

fn jump(text: &mut Text, name: &str) {
    text.word("-j");
    text.word(Bare(name));
}
