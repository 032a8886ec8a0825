//! Readers of one word's value, as libxtables reads it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lex::Word;
use super::options::Context;
use crate::packet::{Family, InterfaceName, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::PortRange;
use crate::xtables::names;
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::scalar::{looks_like_a_host, parse_mac, parse_number};

/// A number between two others, both included.
pub(super) fn number_within(
    word: &Word<'_>,
    text: &str,
    lowest: u64,
    highest: u64,
) -> Result<u64, Problem> {
    parse_number(text)
        .filter(|number| (lowest..=highest).contains(number))
        .ok_or_else(|| word.problem(format!("a number from {lowest} to {highest}")))
}

/// A number of 8 bits.
pub(super) fn number8(word: &Word<'_>, _: &Context) -> Result<u8, Problem> {
    Ok(number_within(word, &word.text, 0, u8::MAX.into())? as u8)
}

/// A number of 16 bits.
pub(super) fn number16(word: &Word<'_>, _: &Context) -> Result<u16, Problem> {
    Ok(number_within(word, &word.text, 0, u16::MAX.into())? as u16)
}

/// A number of 32 bits.
pub(super) fn number32(word: &Word<'_>, _: &Context) -> Result<u32, Problem> {
    Ok(number_within(word, &word.text, 0, u32::MAX.into())? as u32)
}

/// A number of 64 bits.
pub(super) fn number64(word: &Word<'_>, _: &Context) -> Result<u64, Problem> {
    number_within(word, &word.text, 0, u64::MAX)
}

/// One number, or `FIRST:LAST` where an empty end is the lowest or the highest
/// (libxtables/xtoptions.c, `xtopt_parse_mint`).
pub(super) fn number_range(word: &Word<'_>, highest: u64) -> Result<(u64, u64), Problem> {
    let end = |text: &str, default: u64| match text {
        "" => Ok(default),
        _ => number_within(word, text, 0, highest),
    };
    match word.text.split_once(':') {
        Some((first, last)) => Ok((end(first, 0)?, end(last, highest)?)),
        None => {
            let number = end(&word.text, 0)?;
            Ok((number, number))
        }
    }
}

/// Any text.
pub(super) fn text(word: &Word<'_>, _: &Context) -> Result<String, Problem> {
    Ok(word.text.clone().into_owned())
}

/// A protocol by number or name.
pub(super) fn protocol(word: &Word<'_>, _: &Context) -> Result<Protocol, Problem> {
    let number = parse_number(&word.text).and_then(|number| u8::try_from(number).ok());
    number
        .map(Protocol)
        .or_else(|| names::protocol(&word.text.to_ascii_lowercase()))
        .ok_or_else(|| word.problem("a protocol: a number from 0 to 255 or a name such as `tcp`"))
}

/// A port by number or service name.
pub(super) fn port(word: &Word<'_>, text: &str) -> Result<u16, Problem> {
    parse_number(text)
        .and_then(|number| u16::try_from(number).ok())
        .or_else(|| names::service(text))
        .ok_or_else(|| {
            let expected = "a port: a number from 0 to 65535 or a well-known service's name";
            match text == word.text {
                true => word.problem(expected),
                false => word.because(format!("has `{text}` for a port"), expected),
            }
        })
}

/// `PORT` or `FIRST:LAST`, in order; an empty end is the lowest or the highest
/// (extensions/libxt_tcp.c, `parse_tcp_ports`).
pub(super) fn ports(word: &Word<'_>, _: &Context) -> Result<PortRange, Problem> {
    let range = any_ports(word)?;
    if range.first > range.last {
        return Err(word.because("is an empty range", "the lower port first"));
    }
    Ok(range)
}

/// The same in whatever order (libxtables/xtoptions.c, `xtopt_parse_mport`).
pub(super) fn connection_ports(word: &Word<'_>, _: &Context) -> Result<PortRange, Problem> {
    any_ports(word)
}

fn any_ports(word: &Word<'_>) -> Result<PortRange, Problem> {
    let end = |text: &str, default: u16| match text {
        "" => Ok(default),
        _ => port(word, text),
    };
    match word.text.split_once(':') {
        Some((first, last)) => Ok(PortRange {
            first: end(first, 0)?,
            last: end(last, u16::MAX)?,
        }),
        None => {
            let only = port(word, &word.text)?;
            Ok(PortRange {
                first: only,
                last: only,
            })
        }
    }
}

/// A value with a mask behind `/`, both of 32 bits; without one the mask is all ones.
pub(super) fn masked32(word: &Word<'_>, _: &Context) -> Result<(u32, u32), Problem> {
    let read = |text: &str| parse_number(text).and_then(|number| u32::try_from(number).ok());
    let pair = match word.text.split_once('/') {
        Some((value, mask)) => read(value).zip(read(mask)),
        None => read(&word.text).map(|value| (value, u32::MAX)),
    };
    pair.ok_or_else(|| word.problem("a mark such as 0x1 or 0x1/0xff, both of 32 bits"))
}

/// Six bytes in hexadecimal.
pub(super) fn mac(word: &Word<'_>, _: &Context) -> Result<[u8; 6], Problem> {
    parse_mac(&word.text)
        .ok_or_else(|| word.problem("a hardware address such as 00:11:22:aa:bb:cc"))
}

/// An interface's name, or its beginning with `+`.
pub(super) fn interface(word: &Word<'_>, _: &Context) -> Result<InterfacePattern, Problem> {
    let name = &*word.text;
    if name.is_empty() || name.len() > 15 || name.contains('\0') {
        return Err(word.problem("an interface's name of 1 to 15 bytes"));
    }
    Ok(match name.strip_suffix('+') {
        Some(prefix) => InterfacePattern::Prefix(prefix.to_owned()),
        None => match name.parse::<InterfaceName>() {
            Ok(name) => InterfacePattern::Exactly(name),
            Err(_) => InterfacePattern::Unnameable(name.to_owned()),
        },
    })
}

/// One address of the rule's family, in numbers.
pub(super) fn address(word: &Word<'_>, context: &Context) -> Result<IpAddr, Problem> {
    address_of(word, &word.text, context.family)
}

/// An address within a word.
pub(super) fn address_of(word: &Word<'_>, text: &str, family: Family) -> Result<IpAddr, Problem> {
    let address = match family {
        Family::V4 => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        Family::V6 => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    };
    address.ok_or_else(|| no_address(word, text, family))
}

fn no_address(word: &Word<'_>, text: &str, family: Family) -> Problem {
    let example = match family {
        Family::V4 => "an IPv4 address such as 10.0.0.1 or 10.0.0.0/8",
        Family::V6 => "an IPv6 address such as fd00::1 or fd00::/8",
    };
    match looks_like_a_host(text) {
        true => word.because("is a host's name, and no name is looked up here", example),
        false => word.problem(example),
    }
}

/// An address, with a mask behind `/` as a length or as an address; bits outside it are kept.
pub(super) fn host_and_mask(word: &Word<'_>, context: &Context) -> Result<AddressMask, Problem> {
    let (address, mask) = match word.text.rsplit_once('/') {
        Some((address, mask)) => (address, mask_of(word, mask, context.family)?),
        None => (
            &*word.text,
            prefix_mask(context.family, context.family.bits()),
        ),
    };
    Ok(AddressMask {
        address: address_of(word, address, context.family)?,
        mask,
    })
}

/// What `-s` and `-d` take: addresses parted by commas, each with a mask or without; under the mask
/// `/0` the address is ignored, and bits outside the mask are cleared (libxtables/xtables.c,
/// `xtables_ipparse_multiple`).
pub(super) fn addresses(word: &Word<'_>, family: Family) -> Result<Vec<AddressMask>, Problem> {
    word.text
        .split(',')
        .map(|part| network(word, part.trim_start(), family))
        .collect()
}

fn network(word: &Word<'_>, part: &str, family: Family) -> Result<AddressMask, Problem> {
    let (address, mask) = match part.rsplit_once('/') {
        Some((address, mask)) => (address, mask_of(word, mask, family)?),
        None => (part, prefix_mask(family, family.bits())),
    };
    let address = match (bits(mask), family) {
        (0, _) => mask,
        (_, Family::V4) => shortened_v4(address)
            .map(IpAddr::V4)
            .ok_or_else(|| no_address(word, address, family))?,
        (_, Family::V6) => address_of(word, address, family)?,
    };
    Ok(AddressMask {
        address: masked(address, mask),
        mask,
    })
}

/// `10.1` is 10.1.0.0, and each number may be hexadecimal or octal (`xtables_numeric_to_ipaddr`).
fn shortened_v4(text: &str) -> Option<Ipv4Addr> {
    let mut bytes = [0; 4];
    let mut parts = text.split('.');
    for (place, byte) in bytes.iter_mut().enumerate() {
        match parts.next() {
            Some(part) => *byte = u8::try_from(parse_number(part)?).ok()?,
            None if place == 0 => return None,
            None => break,
        }
    }
    parts.next().is_none().then(|| Ipv4Addr::from(bytes))
}

fn mask_of(word: &Word<'_>, text: &str, family: Family) -> Result<IpAddr, Problem> {
    let length = parse_number(text).filter(|length| *length <= u64::from(family.bits()));
    let mask = match (length, family) {
        (Some(length), _) => Some(prefix_mask(family, length as u8)),
        (None, Family::V4) => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        (None, Family::V6) => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
    };
    mask.ok_or_else(|| {
        let expected = format!("a length from 0 to {} or a mask behind `/`", family.bits());
        word.problem(expected)
    })
}

/// The mask of so many leading bits.
pub(super) fn prefix_mask(family: Family, length: u8) -> IpAddr {
    let shift = u32::from(family.bits().saturating_sub(length));
    match family {
        Family::V4 => IpAddr::V4(u32::MAX.checked_shl(shift).unwrap_or(0).into()),
        Family::V6 => IpAddr::V6(u128::MAX.checked_shl(shift).unwrap_or(0).into()),
    }
}

/// How many leading bits a mask has, if nothing but leading bits.
pub(super) fn prefix_length(mask: IpAddr) -> Option<u8> {
    let family = Family::of(mask);
    let length = match mask {
        IpAddr::V4(mask) => mask.to_bits().leading_ones(),
        IpAddr::V6(mask) => mask.to_bits().leading_ones(),
    } as u8;
    (prefix_mask(family, length) == mask).then_some(length)
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// An address with the bits outside the mask cleared.
pub(super) fn masked(address: IpAddr, mask: IpAddr) -> IpAddr {
    match (address, mask) {
        (IpAddr::V4(address), IpAddr::V4(mask)) => {
            IpAddr::V4((address.to_bits() & mask.to_bits()).into())
        }
        (IpAddr::V6(address), IpAddr::V6(mask)) => {
            IpAddr::V6((address.to_bits() & mask.to_bits()).into())
        }
        _ => address,
    }
}

/// The first of these names that begins so, in whatever case: the tools take abbreviations.
pub(super) fn abbreviated<T: Copy>(names: &[(&str, T)], text: &str) -> Option<T> {
    names
        .iter()
        .find(|(name, _)| {
            !text.is_empty()
                && name
                    .get(..text.len())
                    .is_some_and(|start| start.eq_ignore_ascii_case(text))
        })
        .map(|(_, value)| *value)
}

/// Names parted by commas, each perhaps abbreviated; `expected` says which there are.
pub(super) fn name_list<T: Copy>(
    word: &Word<'_>,
    names: &[(&str, T)],
    expected: &str,
) -> Result<Vec<T>, Problem> {
    word.text
        .split(',')
        .map(|part| abbreviated(names, part).ok_or_else(|| word.problem(expected)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word<'_> {
        Word {
            text: text.into(),
            span: 0..text.len(),
            quoted: false,
        }
    }

    fn source(text: &str, family: Family) -> Result<Vec<String>, String> {
        addresses(&word(text), family)
            .map(|all| {
                all.iter()
                    .map(|one| format!("{}/{}", one.address, one.mask))
                    .collect()
            })
            .map_err(|problem| problem.found)
    }

    #[test]
    fn sources_are_networks() {
        assert_eq!(
            source("10.1.2.3/8", Family::V4),
            Ok(vec!["10.0.0.0/255.0.0.0".into()])
        );
        assert_eq!(
            source("10.1", Family::V4),
            Ok(vec!["10.1.0.0/255.255.255.255".into()])
        );
        assert_eq!(
            source("any/0", Family::V4),
            Ok(vec!["0.0.0.0/0.0.0.0".into()])
        );
        let odd = source("1.2.3.4/255.0.255.0, 5.6.7.8", Family::V4);
        assert_eq!(
            odd,
            Ok(vec![
                "1.0.3.0/255.0.255.0".into(),
                "5.6.7.8/255.255.255.255".into()
            ])
        );
        assert_eq!(
            source("fd00::1/8", Family::V6),
            Ok(vec!["fd00::/ff00::".into()])
        );
    }

    #[test]
    fn names_are_not_looked_up() {
        let found = source("www.example.com", Family::V4).expect_err("a name is no address");
        assert!(found.contains("host's name"), "{found}");
        assert_eq!(source("1.2.3.4/33", Family::V4), Err("`1.2.3.4/33`".into()));
        assert_eq!(source("!", Family::V4), Err("`!`".into()));
    }

    #[test]
    fn masks_are_prefixes_or_not() {
        for length in 0..=32 {
            let mask = prefix_mask(Family::V4, length);
            assert_eq!(prefix_length(mask), Some(length));
        }
        for length in 0..=128 {
            let mask = prefix_mask(Family::V6, length);
            assert_eq!(prefix_length(mask), Some(length));
        }
        assert_eq!(
            prefix_length("255.0.255.0".parse().expect("an address")),
            None
        );
    }
}
