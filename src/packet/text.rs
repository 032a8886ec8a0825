//! The one-line form of a packet that people type and reports print.
//!
//! ```text
//! in=cali0ef24b1 tcp 172.16.1.1:40000 > 10.0.0.9:443
//! from=node icmp 10.0.0.1 > 10.0.0.2 type=3/1 quotes=(udp 10.0.0.2:53 > 10.0.0.9:4000)
//! in=eth0 udp [fd00::1]:53 > [fd00::2]:4000 mark=0x1000000 untracked ttl=1 tos=0x10
//! in=eth0 proto=47 10.0.0.1 > 10.0.0.2 frag=0+ len=100 bad=header-checksum
//! ```
//!
//! The protocol, the source, `>` and the destination stand in this order; the words with a `=` may
//! stand anywhere. What is not said is usual: a SYN, an INIT chunk, an echo request, 64 hops.
//! Connections have the same form without an origin, and say `unreplied`, `answered` (both have spoken, TCP's
//! handshake lacks its end) or `replied`; `settled` where a packet began them.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use super::{
    Connection, Defect, Family, Fragment, Icmp, Origin, Packet, Payload, Ports, Progress, Protocol,
    Tcp, TcpFlags, Transport, Tuple,
};
use crate::mark::Mark;

mod print;
mod words;

pub use words::NotAPacket;
use words::{End, Line, Word};

/// The hops of a packet that says nothing of them.
const USUAL_HOPS: u8 = 64;
/// SCTP's INIT (RFC 9260, 3.2).
const INIT: u8 = 1;

impl FromStr for Packet {
    type Err = NotAPacket;

    fn from_str(text: &str) -> Result<Self, NotAPacket> {
        let mut line = Line::read(text)?;
        let origin = origin(&mut line)?;
        let (source, destination) = line.ends()?;
        let family = Family::of(source.address);
        let transport = transport(&mut line, family, source, destination)?;
        let mut packet = Self::new(origin, source.address, destination.address, transport);
        packet.mark = line.take("mark", mark)?.unwrap_or(Mark::NONE);
        packet.untracked = line.flag("untracked");
        packet.hops = line
            .number("ttl", "a number up to 255")?
            .unwrap_or(USUAL_HOPS);
        packet.traffic_class = line.take("tos", traffic_class)?.unwrap_or(0);
        packet.fragment = line.take("frag", fragment)?;
        packet.defect = line.take("bad", defect)?;
        packet.payload = payload(&mut line)?;
        line.end()?;
        Ok(packet)
    }
}

fn origin(line: &mut Line<'_>) -> Result<Origin, NotAPacket> {
    let arrives = line.take("in", |word| {
        let name = word.text.parse();
        name.map_err(|_| word.wrong("an interface's name of 1 to 15 characters"))
    })?;
    let node = line.take("from", |word| match word.text {
        "node" => Ok(()),
        _ => Err(word.wrong("`node`")),
    })?;
    match (arrives, node) {
        (Some(interface), None) => Ok(Origin::Arrives(interface)),
        (None, Some(())) => Ok(Origin::Node),
        (None, None) => Err(line.lacks("`in=INTERFACE` or `from=node`")),
        (Some(_), Some(())) => Err(line.lacks("one of `in=` and `from=node`, not both")),
    }
}

fn transport(
    line: &mut Line<'_>,
    family: Family,
    source: End<'_>,
    destination: End<'_>,
) -> Result<Transport, NotAPacket> {
    let protocol = line.protocol(family)?;
    let with_ports = matches!(protocol.text, "tcp" | "udp" | "udplite" | "sctp");
    let ports = if with_ports {
        Ports {
            source: source.port()?,
            destination: destination.port()?,
        }
    } else {
        source.no_port()?;
        destination.no_port()?;
        Ports::default()
    };
    Ok(match protocol.text {
        "tcp" => Transport::Tcp(Tcp {
            ports,
            flags: line.take("flags", flags)?.unwrap_or(TcpFlags::SYN),
            option: line.number("option", "an option's kind up to 255")?,
        }),
        "udp" => Transport::Udp(ports),
        "udplite" => Transport::UdpLite(ports),
        "sctp" => Transport::Sctp {
            ports,
            chunk: line
                .number("chunk", "a chunk's type up to 255")?
                .unwrap_or(INIT),
        },
        "icmp" | "icmp6" => Transport::Icmp(icmp(line, family)?),
        _ => Transport::Other(Protocol(protocol.parse("a protocol's number up to 255")?)),
    })
}

fn icmp(line: &mut Line<'_>, family: Family) -> Result<Icmp, NotAPacket> {
    let (kind, code) = line
        .take("type", kind_and_code)?
        .unwrap_or((echo(family), 0));
    let identifier = line.number("id", "a number up to 65535")?.unwrap_or(0);
    let quoted = line.take("quotes", |word| {
        let inner = word
            .text
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix(')'));
        let inner = inner.ok_or_else(|| word.wrong("a packet in parentheses"))?;
        let tuple: Tuple = inner
            .parse()
            .map_err(|error: NotAPacket| error.inside(word, 1))?;
        if tuple.family() == family {
            Ok(tuple)
        } else {
            Err(word.wrong("addresses of the outer packet's family"))
        }
    })?;
    Ok(Icmp {
        kind,
        code,
        identifier,
        quoted,
    })
}

fn echo(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

fn kind_and_code(word: Word<'_>) -> Result<(u8, u8), NotAPacket> {
    let parts = match word.text.split_once('/') {
        Some((kind, code)) => kind.parse().ok().zip(code.parse().ok()),
        None => word.text.parse().ok().map(|kind| (kind, 0)),
    };
    parts.ok_or_else(|| word.wrong("TYPE or TYPE/CODE, each up to 255"))
}

fn mark(word: Word<'_>) -> Result<Mark, NotAPacket> {
    word.parse("a 32-bit number such as 0x1000000")
}

fn traffic_class(word: Word<'_>) -> Result<u8, NotAPacket> {
    let number = match word.text.strip_prefix("0x") {
        Some(hexadecimal) => u8::from_str_radix(hexadecimal, 16),
        None => word.text.parse(),
    };
    number.map_err(|_| word.wrong("a number up to 255 or 0xff"))
}

fn flags(word: Word<'_>) -> Result<TcpFlags, NotAPacket> {
    let mut flags = 0;
    if word.text == "none" {
        return Ok(TcpFlags(0));
    }
    for name in word.text.split(',') {
        let bit = TcpFlags::NAMES.iter().find(|(known, _)| *known == name);
        let expected = "names of FIN SYN RST PSH ACK URG ECE CWR with commas, or `none`";
        flags |= bit.ok_or_else(|| word.wrong(expected))?.1;
    }
    Ok(TcpFlags(flags))
}

fn fragment(word: Word<'_>) -> Result<Fragment, NotAPacket> {
    let (offset, more) = match word.text.strip_suffix('+') {
        Some(offset) => (offset, true),
        None => (word.text, false),
    };
    let offset = offset.parse().ok().filter(|offset| *offset <= 8191);
    let expected = "an offset in units of eight bytes, 0 to 8191, and `+` if more pieces follow";
    Ok(Fragment {
        offset: offset.ok_or_else(|| word.wrong(expected))?,
        more,
    })
}

fn defect(word: Word<'_>) -> Result<Defect, NotAPacket> {
    let truncated = |rest: &str| rest.parse().ok().map(Defect::Truncated);
    let defect = match word.text {
        "header-checksum" => Some(Defect::HeaderChecksum),
        "transport-checksum" => Some(Defect::TransportChecksum),
        other => other.strip_prefix("truncated:").and_then(truncated),
    };
    defect.ok_or_else(|| word.wrong("`header-checksum`, `transport-checksum` or `truncated:BYTES`"))
}

fn payload(line: &mut Line<'_>) -> Result<Payload, NotAPacket> {
    let zeros = line.number("len", "a number of bytes up to 65535")?;
    let bytes = line.take("payload", |word| {
        hexadecimal(word.text).ok_or_else(|| word.wrong("pairs of hexadecimal digits"))
    })?;
    match (zeros, bytes) {
        (None, None) => Ok(Payload::Zeros(0)),
        (Some(count), None) => Ok(Payload::Zeros(count)),
        (None, Some(bytes)) => Ok(Payload::Bytes(bytes.into())),
        (Some(_), Some(_)) => Err(line.lacks("one of `len=` and `payload=`, not both")),
    }
}

fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || !text.len().is_multiple_of(2) {
        return None;
    }
    let pairs = (0..text.len()).step_by(2).map(|at| &text[at..at + 2]);
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).ok())
        .collect()
}

impl FromStr for Tuple {
    type Err = NotAPacket;

    fn from_str(text: &str) -> Result<Self, NotAPacket> {
        let mut line = Line::read(text)?;
        let tuple = tuple(&mut line)?;
        line.end()?;
        Ok(tuple)
    }
}

fn tuple(line: &mut Line<'_>) -> Result<Tuple, NotAPacket> {
    let (source, destination) = line.ends()?;
    let family = Family::of(source.address);
    let word = line.protocol(family)?;
    let protocol = match word.text {
        "tcp" => Protocol::TCP,
        "udp" => Protocol::UDP,
        "udplite" => Protocol::UDP_LITE,
        "sctp" => Protocol::SCTP,
        "icmp" => Protocol::ICMP,
        "icmp6" => Protocol::ICMP6,
        _ => Protocol(word.parse("a protocol's number up to 255")?),
    };
    let ports = match word.text {
        "icmp" | "icmp6" => {
            source.no_port()?;
            destination.no_port()?;
            let icmp = icmp(line, family)?;
            Tuple::icmp_ports(icmp.kind, icmp.code, icmp.identifier)
        }
        _ => Ports {
            source: source.port.unwrap_or(0),
            destination: destination.port.unwrap_or(0),
        },
    };
    Ok(Tuple {
        source: source.address,
        destination: destination.address,
        protocol,
        ports,
    })
}

impl FromStr for Connection {
    type Err = NotAPacket;

    fn from_str(text: &str) -> Result<Self, NotAPacket> {
        let mut line = Line::read(text)?;
        let original = tuple(&mut line)?;
        let said = ["unreplied", "answered", "replied"].map(|word| line.flag(word));
        let progress = match said {
            [true, false, false] => Progress::Unreplied,
            [false, true, false] => Progress::Answered,
            [false, false, true] => Progress::Replied,
            _ => return Err(line.lacks("one of `unreplied`, `answered` and `replied`")),
        };
        let settled = line.flag("settled");
        let answers = line.take("answers", |word| {
            let inner = word
                .text
                .strip_prefix('(')
                .and_then(|rest| rest.strip_suffix(')'));
            let inner = inner.ok_or_else(|| word.wrong("a packet in parentheses"))?;
            inner
                .parse()
                .map_err(|error: NotAPacket| error.inside(word, 1))
        })?;
        let reply = match answers {
            Some(reply) => reply,
            None => original
                .inverse()
                .ok_or_else(|| line.lacks("a packet that begins a connection"))?,
        };
        line.end()?;
        Ok(Self {
            original,
            reply,
            progress,
            settled,
        })
    }
}

/// The address and port of `10.0.0.1:80`, `[fd00::1]:80`, `10.0.0.1` or `fd00::1`.
fn address_and_port(text: &str) -> Option<(IpAddr, Option<u16>)> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once("]:")?;
        let address: Ipv6Addr = address.parse().ok()?;
        return Some((address.into(), Some(port.parse().ok()?)));
    }
    if let Ok(address) = text.parse() {
        return Some((address, None));
    }
    let (address, port) = text.split_once(':')?;
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    Some((address.into(), Some(port.parse().ok()?)))
}

macro_rules! serde_as_text {
    ($($kind:ty),*) => {$(
        impl serde::Serialize for $kind {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $kind {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

serde_as_text!(Packet, Connection);

#[cfg(test)]
mod tests;
