//! Kinds of sets and the options that they are created with.

use std::fmt::Write;
use std::net::IpAddr;

use super::element;
use super::words::Word;
use crate::packet::Family;
use crate::xtables::error::Problem;
use crate::xtables::matches::PortRange;
use crate::xtables::scalar::parse_number;
use crate::xtables::set::{Dimension, Method, Part, Set};

/// Each dimension's name in a kind such as `hash:ip,port`.
const DIMENSIONS: [(&str, Dimension); 7] = [
    ("ip", Dimension::Ip),
    ("net", Dimension::Net),
    ("port", Dimension::Port),
    ("mac", Dimension::Mac),
    ("iface", Dimension::Interface),
    ("mark", Dimension::Mark),
    ("set", Dimension::Set),
];

const METHODS: [(&str, Method); 3] = [
    ("bitmap", Method::Bitmap),
    ("hash", Method::Hash),
    ("list", Method::List),
];

/// The kinds that there are, each with its old name.
const KINDS: [(&str, &str); 16] = [
    ("bitmap:ip", "ipmap"),
    ("bitmap:ip,mac", "macipmap"),
    ("bitmap:port", "portmap"),
    ("hash:ip", "iphash"),
    ("hash:ip,mac", "ipmachash"),
    ("hash:ip,mark", "ipmarkhash"),
    ("hash:ip,port", "ipporthash"),
    ("hash:ip,port,ip", "ipportiphash"),
    ("hash:ip,port,net", "ipportnethash"),
    ("hash:mac", "machash"),
    ("hash:net", "nethash"),
    ("hash:net,iface", "netifacehash"),
    ("hash:net,net", "netnethash"),
    ("hash:net,port", "netporthash"),
    ("hash:net,port,net", "netportnethash"),
    ("list:set", "setlist"),
];

/// What an option's word must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    /// There is none.
    No,
    /// A number.
    Number,
    /// An address.
    Address,
}

/// Options that are kept to the letter, in the order in which ipset prints them (lib/args.c and the
/// `IPSET_CREATE` of each kind).
const OPTIONS: [(&str, Value); 11] = [
    ("hashsize", Value::Number),
    ("maxelem", Value::Number),
    ("bitmask", Value::Address),
    ("size", Value::Number),
    ("timeout", Value::Number),
    ("counters", Value::No),
    ("comment", Value::No),
    ("forceadd", Value::No),
    ("skbinfo", Value::No),
    ("bucketsize", Value::Number),
    ("initval", Value::Number),
];

/// Old options that ipset takes and ignores, each with a number behind it.
const IGNORED: [&str; 3] = ["probes", "resize", "gc"];

/// The longest name of a set, in bytes (`IPSET_MAXNAMELEN` less its zero).
const LONGEST_NAME: usize = 31;

/// A set of this name and kind, with no options yet.
pub(super) fn new_set(name: &Word, kind: &Word) -> Result<Set, Problem> {
    check_name(name)?;
    let known = KINDS
        .iter()
        .find(|(new, old)| *new == kind.text || *old == kind.text);
    let parts = known.and_then(|(new, _)| new.split_once(':'));
    let unknown = || {
        let kinds: Vec<&str> = KINDS.iter().map(|(new, _)| *new).collect();
        kind.because("is no kind of set", format!("one of {}", kinds.join(" ")))
    };
    let (method, dimensions) = parts.ok_or_else(unknown)?;
    let dimensions = dimensions
        .split(',')
        .filter_map(|one| named(&DIMENSIONS, one));
    Ok(Set {
        name: name.text.clone(),
        method: named(&METHODS, method).ok_or_else(unknown)?,
        dimensions: dimensions.collect(),
        family: Family::V4,
        netmask: None,
        markmask: None,
        range: None,
        options: Vec::new(),
        elements: Vec::new(),
    })
}

/// Refuses what no set can be called, and what its own print would not give back.
pub(super) fn check_name(name: &Word) -> Result<(), Problem> {
    let strange = |character: char| character.is_whitespace() || character.is_control();
    match name.text.len() > LONGEST_NAME || name.text.contains(strange) {
        true => Err(name.problem("a set's name of 1 to 31 bytes without white space")),
        false => Ok(()),
    }
}

fn named<T: Copy>(names: &[(&str, T)], name: &str) -> Option<T> {
    let found = names.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value)
}

fn name_of<T: Copy + PartialEq>(
    names: &'static [(&'static str, T)],
    value: T,
) -> Option<&'static str> {
    let found = names.iter().find(|(_, known)| *known == value);
    found.map(|(name, _)| *name)
}

/// The kind of a set, such as `hash:ip,port`.
pub(super) fn kind(set: &Set) -> String {
    let method = name_of(&METHODS, set.method).unwrap_or_default();
    let dimensions: Vec<&str> = set
        .dimensions
        .iter()
        .filter_map(|one| name_of(&DIMENSIONS, *one))
        .collect();
    format!("{method}:{}", dimensions.join(","))
}

/// Reads the options behind a kind.
pub(super) fn read_options(set: &mut Set, words: &[Word]) -> Result<(), Problem> {
    // The family comes first wherever it stands: a range is read against it.
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        if word.text == "family" {
            if !has_family(set) {
                return Err(
                    word.because("is no option of this kind", "a kind of hash of addresses")
                );
            }
            set.family = family(next(word, &mut rest)?)?;
        }
    }
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        match word.text.as_str() {
            "family" => drop(next(word, &mut rest)?),
            "range" => set.range = Some(range(set, next(word, &mut rest)?)?),
            "netmask" => {
                let mask = next(word, &mut rest)?;
                let bits = set.family.bits();
                set.netmask = Some(number(mask, 1, u64::from(bits))? as u8);
            }
            "markmask" => {
                let mask = next(word, &mut rest)?;
                set.markmask = Some(number(mask, 0, u64::from(u32::MAX))? as u32);
            }
            name if IGNORED.contains(&name) => {
                number(next(word, &mut rest)?, 0, u64::MAX)?;
            }
            _ => other_option(set, word, &mut rest)?,
        }
    }
    Ok(())
}

fn other_option(
    set: &mut Set,
    word: &Word,
    rest: &mut std::slice::Iter<'_, Word>,
) -> Result<(), Problem> {
    let Some(value) = named(&OPTIONS, &word.text) else {
        let names: Vec<&str> = OPTIONS.iter().map(|(name, _)| *name).collect();
        let expected = format!("family, range, netmask, markmask, {}", names.join(", "));
        return Err(word.because("is no option of a set", expected));
    };
    if set.options.contains(&word.text) {
        return Err(word.because("is given twice", "it once"));
    }
    set.options.push(word.text.clone());
    if value == Value::No {
        return Ok(());
    }
    let argument = next(word, rest)?;
    match value {
        Value::Address => drop(element::addresses(argument, &argument.text, set.family)?),
        _ => drop(number(argument, 0, u64::MAX)?),
    }
    set.options.push(argument.text.clone());
    Ok(())
}

/// Whether sets of a kind are told apart by family.
fn has_family(set: &Set) -> bool {
    set.method == Method::Hash && set.dimensions != [Dimension::Mac]
}

fn next<'w>(word: &Word, rest: &mut std::slice::Iter<'w, Word>) -> Result<&'w Word, Problem> {
    rest.next()
        .ok_or_else(|| word.because("ends too early", "a word behind it"))
}

pub(super) fn number(word: &Word, lowest: u64, highest: u64) -> Result<u64, Problem> {
    parse_number(&word.text)
        .filter(|number| (lowest..=highest).contains(number))
        .ok_or_else(|| word.problem(format!("a number from {lowest} to {highest}")))
}

fn family(word: &Word) -> Result<Family, Problem> {
    match word.text.as_str() {
        "inet" | "ipv4" | "-4" => Ok(Family::V4),
        "inet6" | "ipv6" | "-6" => Ok(Family::V6),
        _ => Err(word.problem("inet or inet6")),
    }
}

/// A bitmap's range: addresses, as two ends or as a prefix, or ports.
fn range(set: &Set, word: &Word) -> Result<Part, Problem> {
    if set.dimensions.first() == Some(&Dimension::Port) {
        let read = |text: &str| parse_number(text).and_then(|port| u16::try_from(port).ok());
        let ends = word
            .text
            .split_once('-')
            .unwrap_or((&word.text, &word.text));
        let ports = read(ends.0).zip(read(ends.1));
        let (first, last) = ports.ok_or_else(|| word.problem("a range of ports such as 0-1024"))?;
        return Ok(Part::Port(None, PortRange { first, last }));
    }
    Ok(match element::addresses(word, &word.text, set.family)? {
        Part::Net(net) => Part::Addresses(net.network(), net.broadcast()),
        part => part,
    })
}

/// The options of a set as ipset prints them, in its order, those of the kernel first.
pub(super) fn options(set: &Set) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    if let Some(range) = &set.range {
        let _ = write!(text, " range {}", element::Shown(range));
    }
    if has_family(set) {
        let family = match set.family {
            Family::V4 => "inet",
            Family::V6 => "inet6",
        };
        let _ = write!(text, " family {family}");
    }
    if let Some(markmask) = set.markmask {
        let _ = write!(text, " markmask {markmask:#010x}");
    }
    for (place, (name, _)) in OPTIONS.iter().enumerate() {
        if place == 2
            && let Some(netmask) = set.netmask
        {
            let _ = write!(text, " netmask {netmask}");
        }
        text.extend(option(set, name));
    }
    text.trim_start().to_owned()
}

fn option(set: &Set, name: &str) -> Option<String> {
    let place = set.options.iter().position(|word| word == name)?;
    match named(&OPTIONS, name)? {
        Value::No => Some(format!(" {name}")),
        _ => Some(format!(" {name} {}", set.options.get(place + 1)?)),
    }
}

/// An address cut to a set's netmask.
pub(super) fn masked(set: &Set, address: IpAddr) -> IpAddr {
    let Some(netmask) = set.netmask else {
        return address;
    };
    ipnet::IpNet::new(address, netmask).map_or(address, |net| net.trunc().addr())
}
