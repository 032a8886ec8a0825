//! Elements: parts parted by commas, and the extensions behind them.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use super::header;
use super::words::Word;
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::PortRange;
use crate::xtables::names;
use crate::xtables::scalar::{
    Address, Mac, looks_like_a_host, parse_mac, parse_number, write_range,
};
use crate::xtables::set::{Dimension, Element, Method, Part, Set};

/// Names of ICMP's types and codes; the first of a pair is printed (lib/icmp.c).
const ICMP: [(&str, u8, u8); 32] = [
    ("echo-reply", 0, 0),
    ("pong", 0, 0),
    ("network-unreachable", 3, 0),
    ("host-unreachable", 3, 1),
    ("protocol-unreachable", 3, 2),
    ("port-unreachable", 3, 3),
    ("fragmentation-needed", 3, 4),
    ("source-route-failed", 3, 5),
    ("network-unknown", 3, 6),
    ("host-unknown", 3, 7),
    ("network-prohibited", 3, 9),
    ("host-prohibited", 3, 10),
    ("TOS-network-unreachable", 3, 11),
    ("TOS-host-unreachable", 3, 12),
    ("communication-prohibited", 3, 13),
    ("host-precedence-violation", 3, 14),
    ("precedence-cutoff", 3, 15),
    ("source-quench", 4, 0),
    ("network-redirect", 5, 0),
    ("host-redirect", 5, 1),
    ("TOS-network-redirect", 5, 2),
    ("TOS-host-redirect", 5, 3),
    ("echo-request", 8, 0),
    ("ping", 8, 0),
    ("router-advertisement", 9, 0),
    ("router-solicitation", 10, 0),
    ("ttl-zero-during-transit", 11, 0),
    ("ttl-zero-during-reassembly", 11, 1),
    ("ip-header-bad", 12, 0),
    ("required-option-missing", 12, 1),
    ("timestamp-request", 13, 0),
    ("timestamp-reply", 14, 0),
];

/// Names of ICMPv6's types and codes (lib/icmpv6.c).
const ICMP6: [(&str, u8, u8); 21] = [
    ("no-route", 1, 0),
    ("communication-prohibited", 1, 1),
    ("address-unreachable", 1, 3),
    ("port-unreachable", 1, 4),
    ("packet-too-big", 2, 0),
    ("ttl-zero-during-transit", 3, 0),
    ("ttl-zero-during-reassembly", 3, 1),
    ("bad-header", 4, 0),
    ("unknown-header-type", 4, 1),
    ("unknown-option", 4, 2),
    ("echo-request", 128, 0),
    ("ping", 128, 0),
    ("echo-reply", 129, 0),
    ("pong", 129, 0),
    ("router-solicitation", 133, 0),
    ("router-advertisement", 134, 0),
    ("neighbour-solicitation", 135, 0),
    ("neigbour-solicitation", 135, 0),
    ("neighbour-advertisement", 136, 0),
    ("neigbour-advertisement", 136, 0),
    ("redirect", 137, 0),
];

/// What the word behind an extension must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// There is none.
    No,
    /// A number.
    Number,
    /// Two numbers with this sign between them.
    Pair(char),
    /// Any text.
    Text,
}

/// What may follow an element.
const EXTENSIONS: [(&str, Value); 8] = [
    ("timeout", Value::Number),
    ("packets", Value::Number),
    ("bytes", Value::Number),
    ("comment", Value::Text),
    ("skbmark", Value::Pair('/')),
    ("skbprio", Value::Pair(':')),
    ("skbqueue", Value::Number),
    ("wildcard", Value::No),
];

/// Where an element of a list of sets is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind the last.
    Last,
    /// Before the set of this name.
    Before(Word),
    /// Behind the set of this name.
    After(Word),
}

/// Reads an element and its extensions.
pub(super) fn read(set: &Set, words: &[Word]) -> Result<(Element, Place), Problem> {
    let [parts_word, extensions @ ..] = words else {
        return Err(Problem::new(
            0..0,
            "there is no element",
            "an element of the set",
        ));
    };
    let mut element = Element {
        parts: parts(set, parts_word)?,
        nomatch: false,
        extensions: Vec::new(),
    };
    let mut place = Place::Last;
    let mut rest = extensions.iter();
    while let Some(word) = rest.next() {
        let mut argument = || {
            rest.next()
                .ok_or_else(|| word.because("ends too early", "a word behind it"))
        };
        match word.text.as_str() {
            "nomatch" => element.nomatch = true,
            "before" if set.method == Method::List => place = Place::Before(argument()?.clone()),
            "after" if set.method == Method::List => place = Place::After(argument()?.clone()),
            name => match EXTENSIONS.iter().find(|(known, _)| *known == name) {
                Some((_, Value::No)) => element.extensions.push(word.text.clone()),
                Some((_, value)) => {
                    let argument = argument()?;
                    check_value(*value, argument)?;
                    let words = [word.text.clone(), argument.text.clone()];
                    element.extensions.extend(words);
                }
                None => {
                    let names: Vec<&str> = EXTENSIONS.iter().map(|(name, _)| *name).collect();
                    let expected = format!("nomatch, {}", names.join(", "));
                    return Err(word.because("can't follow an element", expected));
                }
            },
        }
    }
    Ok((element, place))
}

fn check_value(value: Value, word: &Word) -> Result<(), Problem> {
    let is_number = |text: &str| parse_number(text).is_some();
    let fits = match value {
        Value::No | Value::Text => true,
        Value::Number => is_number(&word.text),
        Value::Pair(sign) => match word.text.split_once(sign) {
            Some((one, other)) => hexadecimal(one) && hexadecimal(other),
            None => hexadecimal(&word.text),
        },
    };
    match (fits, value) {
        (true, _) => Ok(()),
        (false, Value::Pair(sign)) => Err(word.problem(format!("two numbers parted by `{sign}`"))),
        (false, _) => Err(word.problem("a number")),
    }
}

/// `skbprio` has hexadecimal digits without `0x` (lib/parse.c, `ipset_parse_skbprio`).
fn hexadecimal(text: &str) -> bool {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

/// The parts of an element, one a dimension; of `bitmap:ip,mac` the second may be missing.
pub(super) fn parts(set: &Set, word: &Word) -> Result<Vec<Part>, Problem> {
    let texts: Vec<&str> = word.text.split(',').collect();
    let wanted = set.dimensions.len();
    let optional = usize::from(set.method == Method::Bitmap && wanted == 2);
    if !(wanted - optional..=wanted).contains(&texts.len()) {
        let expected = format!("an element of {} parts, for {}", wanted, header::kind(set));
        return Err(word.problem(expected));
    }
    let dimensions = set.dimensions.iter().zip(texts);
    dimensions
        .map(|(dimension, text)| part(set, *dimension, word, text))
        .collect()
}

fn part(set: &Set, dimension: Dimension, word: &Word, text: &str) -> Result<Part, Problem> {
    match dimension {
        Dimension::Ip => Ok(match addresses(word, text, set.family)? {
            Part::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                Part::Net(header::masked(set, net.addr()).into())
            }
            part => part,
        }),
        Dimension::Net => addresses(word, text, set.family),
        Dimension::Port if set.method == Method::Bitmap => {
            let text = text
                .strip_prefix("tcp:")
                .or(text.strip_prefix("udp:"))
                .unwrap_or(text);
            Ok(Part::Port(None, ports(word, text)?))
        }
        Dimension::Port => protocol_and_ports(set.family, word, text),
        Dimension::Mac => parse_mac(text)
            .map(Part::Mac)
            .ok_or_else(|| word.problem("a hardware address such as 00:11:22:AA:BB:CC")),
        Dimension::Mark => {
            let mark = parse_number(text).and_then(|mark| u32::try_from(mark).ok());
            mark.map(|mark| Part::Mark(mark & set.markmask.unwrap_or(u32::MAX)))
                .ok_or_else(|| word.problem("a mark of 32 bits"))
        }
        Dimension::Interface => {
            let bridge_port = text.strip_prefix("physdev:");
            let name = bridge_port.unwrap_or(text).parse();
            let name = name.map_err(|error| word.because(error, "an interface's name"))?;
            Ok(Part::Interface {
                name,
                physdev: bridge_port.is_some(),
            })
        }
        Dimension::Set => Ok(Part::Set(text.to_owned())),
    }
}

/// `ADDRESS`, `ADDRESS/LENGTH` or `FIRST-LAST`.
pub(super) fn addresses(word: &Word, text: &str, family: Family) -> Result<Part, Problem> {
    if let Some((first, last)) = text.split_once('-') {
        let (first, last) = (address(word, first, family)?, address(word, last, family)?);
        if first > last {
            return Err(word.because("is an empty range", "the lower address first"));
        }
        return Ok(Part::Addresses(first, last));
    }
    let (text, length) = match text.split_once('/') {
        Some((text, length)) => (text, Some(length)),
        None => (text, None),
    };
    let address = address(word, text, family)?;
    let length = match length {
        Some(length) => parse_number(length).and_then(|length| u8::try_from(length).ok()),
        None => Some(family.bits()),
    };
    length
        .and_then(|length| IpNet::new(address, length).ok())
        .map(|net| Part::Net(net.trunc()))
        .ok_or_else(|| word.problem(format!("a length from 0 to {} behind `/`", family.bits())))
}

fn address(word: &Word, text: &str, family: Family) -> Result<IpAddr, Problem> {
    let expected = match family {
        Family::V4 => "an IPv4 address, a prefix or a range such as 10.0.0.1-10.0.0.9",
        Family::V6 => "an IPv6 address, a prefix or a range such as fd00::1-fd00::9",
    };
    match text.parse::<IpAddr>() {
        Ok(address) if Family::of(address) == family => Ok(address),
        Err(_) if looks_like_a_host(text) => {
            Err(word.because("is a host's name, and no name is looked up here", expected))
        }
        _ => Err(word.problem(expected)),
    }
}

fn ports(word: &Word, text: &str) -> Result<PortRange, Problem> {
    let port = |text: &str| {
        let number = parse_number(text).and_then(|port| u16::try_from(port).ok());
        number
            .or_else(|| names::service(text))
            .ok_or_else(|| word.problem("a port, or ports such as 80-90"))
    };
    let whole = names::service(text).map(|_| (text, text));
    let (first, last) = whole
        .or_else(|| text.split_once('-'))
        .unwrap_or((text, text));
    let range = PortRange {
        first: port(first)?,
        last: port(last)?,
    };
    match range.first <= range.last {
        true => Ok(range),
        false => Err(word.because("has an empty range of ports", "the lower port first")),
    }
}

/// `[PROTOCOL:]PORTS`, where the protocol is TCP unless it is named; ICMP has a type and a code, other
/// protocols have the port 0 (lib/parse.c, `ipset_parse_proto_port`).
fn protocol_and_ports(family: Family, word: &Word, text: &str) -> Result<Part, Problem> {
    let Some((name, rest)) = text.split_once(':') else {
        return Ok(Part::Port(Some(Protocol::TCP), ports(word, text)?));
    };
    let number = parse_number(name).and_then(|number| u8::try_from(number).ok());
    let protocol = number
        .map(Protocol)
        .or_else(|| names::protocol(&name.to_ascii_lowercase()))
        .filter(|protocol| *protocol != Protocol(0))
        .ok_or_else(|| word.problem("a protocol such as tcp before the `:`"))?;
    match (protocol, family) {
        (Protocol::TCP | Protocol::UDP | Protocol::SCTP | Protocol::UDP_LITE, _) => {
            Ok(Part::Port(Some(protocol), ports(word, rest)?))
        }
        (Protocol::ICMP, Family::V4) => icmp(word, rest, protocol, &ICMP),
        (Protocol::ICMP6, Family::V6) => icmp(word, rest, protocol, &ICMP6),
        (Protocol::ICMP | Protocol::ICMP6, _) => {
            Err(word.because("is of the other family", "ICMP of the set's own family"))
        }
        _ if rest == "0" => Ok(Part::Port(Some(protocol), PortRange { first: 0, last: 0 })),
        _ => Err(word.because("has a port, and its protocol has none", "0 behind the `:`")),
    }
}

fn icmp(
    word: &Word,
    text: &str,
    protocol: Protocol,
    names: &[(&str, u8, u8)],
) -> Result<Part, Problem> {
    let named = names.iter().find(|(name, ..)| {
        let start = name.get(..text.len());
        !text.is_empty() && start.is_some_and(|start| start.eq_ignore_ascii_case(text))
    });
    if let Some((_, kind, code)) = named {
        return Ok(Part::Icmp(protocol, *kind, *code));
    }
    let byte = |text: &str| parse_number(text).and_then(|byte| u8::try_from(byte).ok());
    text.split_once('/')
        .and_then(|(kind, code)| Some(Part::Icmp(protocol, byte(kind)?, byte(code)?)))
        .ok_or_else(|| {
            word.problem("a type and a code such as 8/0, or a name such as echo-request")
        })
}

/// A part as ipset prints it.
pub(super) struct Shown<'p>(pub &'p Part);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Part::Net(net) if net.prefix_len() == net.max_prefix_len() => {
                write!(f, "{}", Address(net.addr()))
            }
            Part::Net(net) => write!(f, "{}/{}", Address(net.addr()), net.prefix_len()),
            Part::Addresses(first, last) => {
                write!(f, "{}-{}", Address(*first), Address(*last))
            }
            Part::Port(protocol, range) => {
                write_protocol(f, *protocol)?;
                write_range(f, range.first, range.last, '-')
            }
            Part::Icmp(protocol, kind, code) => {
                write_protocol(f, Some(*protocol))?;
                let names: &[_] = match *protocol {
                    Protocol::ICMP => &ICMP,
                    _ => &ICMP6,
                };
                let known = names.iter().find(|(_, k, c)| (k, c) == (kind, code));
                match known {
                    Some((name, ..)) => f.write_str(name),
                    None => write!(f, "{kind}/{code}"),
                }
            }
            Part::Mac(address) => write!(f, "{:X}", Mac(*address)),
            Part::Interface { name, physdev } => {
                let prefix = if *physdev { "physdev:" } else { "" };
                write!(f, "{prefix}{name}")
            }
            Part::Mark(mark) => write!(f, "{mark:#010x}"),
            Part::Set(name) => f.write_str(name),
        }
    }
}

fn write_protocol(f: &mut fmt::Formatter<'_>, protocol: Option<Protocol>) -> fmt::Result {
    match protocol.map(|protocol| (protocol, names::protocol_name(protocol))) {
        None => Ok(()),
        Some((_, Some(name))) => write!(f, "{name}:"),
        Some((protocol, None)) => write!(f, "{protocol}:"),
    }
}

/// An element and its extensions as ipset prints them.
pub(super) fn print(element: &Element) -> String {
    let parts: Vec<String> = element
        .parts
        .iter()
        .map(|part| Shown(part).to_string())
        .collect();
    let mut text = parts.join(",");
    // ipset prints `nomatch` behind the timeout and before the rest.
    let timeout = if element
        .extensions
        .first()
        .is_some_and(|word| word == "timeout")
    {
        2
    } else {
        0
    };
    let (timeout, rest) = element
        .extensions
        .split_at(timeout.min(element.extensions.len()));
    for word in timeout {
        text.push_str(&format!(" {word}"));
    }
    if element.nomatch {
        text.push_str(" nomatch");
    }
    let mut in_comment = false;
    for word in rest {
        let quote = if in_comment { "\"" } else { "" };
        text.push_str(&format!(" {quote}{word}{quote}"));
        in_comment = !in_comment && word == "comment";
    }
    text
}
