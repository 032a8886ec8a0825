//! `-j DNAT`, `-j SNAT`, `-j MASQUERADE`, `-j REDIRECT`, `-j NETMAP` (extensions/libxt_NAT.c,
//! libipt_NETMAP.c, libip6t_NETMAP.c).

use std::fmt::Write;
use std::net::IpAddr;

use super::{Module, jump, module};
use crate::packet::Protocol;
use crate::xtables::error::Problem;
use crate::xtables::matches::PortRange;
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Mask, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::Address;
use crate::xtables::target::{NatRange, Target};

pub(super) static TARGETS: [Module<Target>; 5] = [
    module("MASQUERADE", MASQUERADE, |options| {
        Ok(Target::Masquerade(read_ports(options)?))
    }),
    module("DNAT", DNAT, |options| {
        Ok(Target::Dnat(read_range(options, "to-destination")?))
    }),
    module("SNAT", SNAT, |options| {
        Ok(Target::Snat(read_range(options, "to-source")?))
    }),
    module("REDIRECT", REDIRECT, |options| {
        Ok(Target::Redirect(read_ports(options)?))
    }),
    module("NETMAP", &[option("to", 1)], |options| {
        let to = options.required("to", value::host_and_mask)?.value;
        Ok(Target::Netmap {
            address: value::masked(to.address, to.mask),
            mask: to.mask,
        })
    }),
];

const MASQUERADE: &[OptionSpec] = &[
    option("to-ports", 1),
    option("random", 0),
    option("random-fully", 0),
];

const REDIRECT: &[OptionSpec] = &[option("to-ports", 1), option("random", 0)];

const DNAT: &[OptionSpec] = &[
    option("to-destination", 1),
    option("random", 0),
    option("persistent", 0),
];

const SNAT: &[OptionSpec] = &[
    option("to-source", 1),
    option("random", 0),
    option("random-fully", 0),
    option("persistent", 0),
];

fn with_flags(options: &Options<'_>, range: NatRange) -> NatRange {
    NatRange {
        random: options.flag("random"),
        random_fully: options.flag("random-fully"),
        persistent: options.flag("persistent"),
        ..range
    }
}

fn read_range(options: &Options<'_>, name: &str) -> Result<NatRange, Problem> {
    let range = options.required(name, addresses_and_ports)?;
    Ok(with_flags(options, range.value))
}

fn read_ports(options: &Options<'_>) -> Result<NatRange, Problem> {
    let range = options.value("to-ports", |word, context| ports(word, &word.text, context))?;
    Ok(with_flags(options, range.unwrap_or_default()))
}

/// `ADDRESS`, `FIRST-LAST`, `:PORTS` or both; IPv6's addresses stand in brackets where ports follow
/// (`parse_to`).
fn addresses_and_ports(word: &Word<'_>, context: &Context) -> Result<NatRange, Problem> {
    let text = &*word.text;
    let (addresses, ports_text) = match text.strip_prefix('[') {
        Some(inner) => {
            let (inside, behind) = inner
                .split_once(']')
                .ok_or_else(|| word.problem("a `]` behind the addresses"))?;
            match behind.strip_prefix(':') {
                Some(ports) => (inside, Some(ports)),
                None if behind.is_empty() => (inside, None),
                None => return Err(word.problem("`:PORTS` or nothing behind the `]`")),
            }
        }
        None => match text.split_once(':') {
            Some((addresses, ports)) if !ports.contains(':') => (addresses, Some(ports)),
            _ => (text, None),
        },
    };
    let range = match ports_text {
        Some(ports_text) => ports(word, ports_text, context)?,
        None => NatRange::default(),
    };
    if addresses.is_empty() && ports_text.is_some() {
        return Ok(range);
    }
    let (first, last) = addresses.split_once('-').unwrap_or((addresses, addresses));
    Ok(NatRange {
        addresses: Some((
            value::address_of(word, first, context.family)?,
            value::address_of(word, last, context.family)?,
        )),
        ..range
    })
}

/// `PORT`, `FIRST-LAST` or `FIRST-LAST/BASE` (`parse_ports`).
fn ports(word: &Word<'_>, text: &str, context: &Context) -> Result<NatRange, Problem> {
    let numbered = [
        Protocol::TCP,
        Protocol::UDP,
        Protocol::SCTP,
        Protocol::DCCP,
        Protocol::ICMP,
    ];
    let protocol = context.protocol.map(|not| not.value);
    if !protocol.is_some_and(|protocol| numbered.contains(&protocol)) {
        let found = "has ports, and the rule's protocol has none";
        return Err(word.because(found, "`-p tcp`, `udp`, `sctp` or `dccp` in the rule"));
    }
    let Some((first, rest)) = text.split_once('-') else {
        let port = value::port(word, text)?;
        return Ok(NatRange {
            ports: Some(PortRange {
                first: port,
                last: port,
            }),
            ..NatRange::default()
        });
    };
    let (last, base) = match rest.split_once('/') {
        Some((last, base)) => (last, Some(base)),
        None => (rest, None),
    };
    // A range takes no service names.
    let number = |text: &str| {
        value::number_within(word, text, 0, u16::MAX.into()).map(|number| number as u16)
    };
    let range = PortRange {
        first: number(first)?,
        last: number(last)?,
    };
    if range.first > range.last {
        return Err(word.because("is an empty range", "the lower port first"));
    }
    let base_port = match base {
        Some(base) => Some(value::number_within(word, base, 1, u16::MAX.into())? as u16),
        None => None,
    };
    Ok(NatRange {
        ports: Some(range),
        base_port,
        ..NatRange::default()
    })
}

pub(super) fn write(text: &mut Text, target: &str, name: &str, range: &NatRange) {
    jump(text, target);
    let to = to(range);
    // REDIRECT and MASQUERADE have ports only, and write them without the colon.
    let to = match name {
        "to-ports" => to.trim_start_matches(':'),
        _ => &to,
    };
    if !to.is_empty() {
        text.option(name, to);
    }
    text.flag_if(range.random, "random");
    text.flag_if(range.random_fully, "random-fully");
    text.flag_if(range.persistent, "persistent");
}

fn to(range: &NatRange) -> String {
    let mut to = String::new();
    // Writing to a String does not fail.
    if let Some((first, last)) = range.addresses {
        let brackets = first.is_ipv6() && range.ports.is_some();
        let (open, close) = if brackets { ("[", "]") } else { ("", "") };
        let _ = match first == last {
            true => write!(to, "{open}{}{close}", Address(first)),
            false => write!(to, "{open}{}-{}{close}", Address(first), Address(last)),
        };
    }
    if let Some(ports) = range.ports {
        let _ = write!(to, ":{}", ports.first);
        // A base port is written behind a range only, so that it reads back.
        if ports.first != ports.last || range.base_port.is_some() {
            let _ = write!(to, "-{}", ports.last);
        }
    }
    if let Some(base) = range.base_port {
        let _ = write!(to, "/{base}");
    }
    to
}

pub(super) fn write_netmap(text: &mut Text, address: IpAddr, mask: IpAddr) {
    jump(text, "NETMAP");
    text.option("to", format_args!("{}/{}", Address(address), Mask(mask)));
}
