//! The verdicts ACCEPT, DROP and RETURN, and `-j REJECT` (extensions/libipt_REJECT.c,
//! libip6t_REJECT.c).

use super::{Module, jump, module};
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, option};
use crate::xtables::save::text::Text;
use crate::xtables::target::{Reject, Target};

pub(super) static TARGETS: [Module<Target>; 4] = [
    module("ACCEPT", &[], |_| Ok(Target::Accept)),
    module("DROP", &[], |_| Ok(Target::Drop)),
    module("RETURN", &[], |_| Ok(Target::Return)),
    module("REJECT", &[option("reject-with", 1)], |options| {
        let default = match options.context.family {
            Family::V4 => Reject::PortUnreachable,
            Family::V6 => Reject::PortUnreachable6,
        };
        let reject = options.value("reject-with", read)?;
        Ok(Target::Reject(reject.unwrap_or(default)))
    }),
];

/// IPv4's types in the order in which the tool looks an abbreviation up, each with its short name.
const V4: [(&str, &str, Reject); 8] = [
    (
        "icmp-net-unreachable",
        "net-unreach",
        Reject::NetUnreachable,
    ),
    (
        "icmp-host-unreachable",
        "host-unreach",
        Reject::HostUnreachable,
    ),
    (
        "icmp-proto-unreachable",
        "proto-unreach",
        Reject::ProtoUnreachable,
    ),
    (
        "icmp-port-unreachable",
        "port-unreach",
        Reject::PortUnreachable,
    ),
    ("icmp-net-prohibited", "net-prohib", Reject::NetProhibited),
    (
        "icmp-host-prohibited",
        "host-prohib",
        Reject::HostProhibited,
    ),
    ("tcp-reset", "tcp-rst", Reject::TcpReset),
    (
        "icmp-admin-prohibited",
        "admin-prohib",
        Reject::AdminProhibited,
    ),
];

/// IPv6's.
const V6: [(&str, &str, Reject); 7] = [
    ("icmp6-no-route", "no-route", Reject::NoRoute6),
    (
        "icmp6-adm-prohibited",
        "adm-prohibited",
        Reject::AdminProhibited6,
    ),
    (
        "icmp6-addr-unreachable",
        "addr-unreach",
        Reject::AddressUnreachable6,
    ),
    (
        "icmp6-port-unreachable",
        "port-unreach",
        Reject::PortUnreachable6,
    ),
    ("tcp-reset", "tcp-reset", Reject::TcpReset),
    ("icmp6-policy-fail", "policy-fail", Reject::PolicyFail6),
    ("icmp6-reject-route", "reject-route", Reject::RejectRoute6),
];

fn read(word: &Word<'_>, context: &Context) -> Result<Reject, Problem> {
    let types: &[_] = match context.family {
        Family::V4 => &V4,
        Family::V6 => &V6,
    };
    let abbreviates = |name: &str| {
        let start = name.get(..word.text.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(&word.text))
    };
    let found = types
        .iter()
        .find(|(name, short, _)| abbreviates(name) || abbreviates(short));
    found.map(|(_, _, reject)| *reject).ok_or_else(|| {
        let names: Vec<&str> = types.iter().map(|(name, _, _)| *name).collect();
        word.problem(format!("one of {}", names.join(", ")))
    })
}

pub(super) fn write(text: &mut Text, reject: Reject) {
    let name = V4.iter().chain(&V6).find(|(_, _, other)| *other == reject);
    jump(text, "REJECT");
    text.option(
        "reject-with",
        name.map_or("tcp-reset", |(name, _, _)| *name),
    );
}
