//! Numbers and hardware addresses as the tools read and write them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A number in C's notation: decimal, `0x` hexadecimal, `0` octal (`xtables_strtoul`, base 0).
pub(super) fn parse_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // `from_str_radix` takes a sign, the tools' unsigned numbers have none.
    let plain = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    plain.then(|| u64::from_str_radix(digits, radix).ok())?
}

/// A hardware address: six bytes of one or two hexadecimal digits each.
pub(super) fn parse_mac(text: &str) -> Option<[u8; 6]> {
    let mut address = [0; 6];
    let mut bytes = text.split(':');
    for byte in &mut address {
        let digits = bytes.next()?;
        let plain = digits.len() <= 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        *byte = plain.then(|| u8::from_str_radix(digits, 16).ok())??;
    }
    bytes.next().is_none().then_some(address)
}

/// A hardware address, written: `{:x}` as iptables has it, `{:X}` as ipset.
pub(super) struct Mac(pub [u8; 6]);

impl fmt::LowerHex for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::UpperHex for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

/// An address as `inet_ntop` writes it: unlike Rust, it shows the last 32 bits of `::1.2.3.4` as IPv4's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Address(pub IpAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V6(address)
                if matches!(address.segments(), [0, 0, 0, 0, 0, 0, 1..=u16::MAX, _]) =>
            {
                let last = Ipv4Addr::from(address.to_bits() as u32);
                write!(f, "::{last}")
            }
            address => write!(f, "{address}"),
        }
    }
}

/// One thing, or two with a sign between them.
pub(super) fn write_range<T: fmt::Display + PartialEq>(
    f: &mut fmt::Formatter<'_>,
    first: T,
    last: T,
    between: char,
) -> fmt::Result {
    write!(f, "{first}")?;
    match first == last {
        true => Ok(()),
        false => write!(f, "{between}{last}"),
    }
}

/// Whether a text could be a host's name and is no number.
pub(super) fn looks_like_a_host(text: &str) -> bool {
    text.bytes().any(|byte| byte.is_ascii_alphabetic())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_c_numbers() {
        assert_eq!(parse_number("0x1F"), Some(31));
        assert_eq!(parse_number("010"), Some(8));
        assert_eq!(parse_number("0"), Some(0));
        for wrong in ["", "-1", "+1", "08", "0x", "1a", "0x+1", "٣"] {
            assert_eq!(parse_number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn addresses_are_written_as_inet_ntop_does() {
        for text in [
            "::1.2.3.4",
            "::ffff:1.2.3.4",
            "::1",
            "::",
            "fd00::102:304",
            "10.0.0.1",
        ] {
            let address = text.parse().expect("an address");
            assert_eq!(Address(address).to_string(), text);
        }
    }

    #[test]
    fn hardware_addresses_have_six_bytes() {
        assert_eq!(
            parse_mac("0:11:22:aa:Bb:cc"),
            Some([0, 0x11, 0x22, 0xaa, 0xbb, 0xcc])
        );
        for wrong in [
            "",
            "0:1:2:3:4",
            "0:1:2:3:4:5:6",
            "0:1:2:3:4:+5",
            "0:1:2:3:4:555",
        ] {
            assert_eq!(parse_mac(wrong), None, "{wrong}");
        }
        let address = Mac([0, 1, 2, 0xaa, 0xbb, 0xcc]);
        assert_eq!(
            format!("{address:x} {address:X}"),
            "00:01:02:aa:bb:cc 00:01:02:AA:BB:CC"
        );
    }
}
