//! Packets, tuples and connections printed as one line.

use std::fmt;
use std::net::IpAddr;

use super::{INIT, USUAL_HOPS};
use crate::mark::Mark;
use crate::packet::{
    Connection, Defect, Family, Fragment, Icmp, Origin, Packet, Payload, Ports, Progress, Protocol,
    TcpFlags, Transport, Tuple,
};

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Arrives(interface) => write!(f, "in={interface} ")?,
            Origin::Node => f.write_str("from=node ")?,
        }
        let ends = Ends {
            source: self.source,
            destination: self.destination,
            ports: self.transport.ports(),
        };
        match self.transport {
            Transport::Tcp(tcp) => {
                write!(f, "tcp {ends}")?;
                if tcp.flags != TcpFlags::SYN {
                    write!(f, " flags={}", tcp.flags)?;
                }
                if let Some(kind) = tcp.option {
                    write!(f, " option={kind}")?;
                }
            }
            Transport::Udp(_) => write!(f, "udp {ends}")?,
            Transport::UdpLite(_) => write!(f, "udplite {ends}")?,
            Transport::Sctp { chunk, .. } => {
                write!(f, "sctp {ends}")?;
                if chunk != INIT {
                    write!(f, " chunk={chunk}")?;
                }
            }
            Transport::Icmp(icmp) => {
                let name = icmp_name(self.family());
                write!(f, "{name} {ends} {}", IcmpParts(icmp))?;
            }
            Transport::Other(protocol) => write!(f, "proto={protocol} {ends}")?,
        }
        self.write_unusual(f)
    }
}

impl Packet {
    fn write_unusual(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mark != Mark::NONE {
            write!(f, " mark={}", self.mark)?;
        }
        if self.untracked {
            f.write_str(" untracked")?;
        }
        if self.hops != USUAL_HOPS {
            write!(f, " ttl={}", self.hops)?;
        }
        if self.traffic_class != 0 {
            write!(f, " tos={:#04x}", self.traffic_class)?;
        }
        if let Some(Fragment { offset, more }) = self.fragment {
            write!(f, " frag={offset}{}", if more { "+" } else { "" })?;
        }
        match &self.payload {
            Payload::Zeros(0) => {}
            Payload::Zeros(count) => write!(f, " len={count}")?,
            Payload::Bytes(bytes) => {
                f.write_str(" payload=")?;
                bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
            }
        }
        match self.defect {
            None => Ok(()),
            Some(Defect::HeaderChecksum) => f.write_str(" bad=header-checksum"),
            Some(Defect::TransportChecksum) => f.write_str(" bad=transport-checksum"),
            Some(Defect::Truncated(bytes)) => write!(f, " bad=truncated:{bytes}"),
        }
    }
}

impl fmt::Display for TcpFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let set = Self::NAMES.iter().filter(|(_, bit)| self.0 & bit != 0);
        for (place, (name, _)) in set.enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Tuple {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let icmp = matches!(
            (self.protocol, self.family()),
            (Protocol::ICMP, Family::V4) | (Protocol::ICMP6, Family::V6)
        );
        if icmp {
            let (kind, code, identifier) = self.icmp_parts();
            let quoted = None;
            let parts = IcmpParts(Icmp {
                kind,
                code,
                identifier,
                quoted,
            });
            let ends = self.ends(None);
            return write!(f, "{} {ends} {parts}", icmp_name(self.family()));
        }
        match self.protocol {
            Protocol::TCP => f.write_str("tcp ")?,
            Protocol::UDP => f.write_str("udp ")?,
            Protocol::UDP_LITE => f.write_str("udplite ")?,
            Protocol::SCTP => f.write_str("sctp ")?,
            other => write!(f, "proto={other} ")?,
        }
        let ports = self.protocol.has_ports() || self.ports != Ports::default();
        write!(f, "{}", self.ends(ports.then_some(self.ports)))
    }
}

impl Tuple {
    fn ends(self, ports: Option<Ports>) -> Ends {
        Ends {
            source: self.source,
            destination: self.destination,
            ports,
        }
    }
}

impl fmt::Display for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.original)?;
        if self.original.inverse() != Some(self.reply) {
            write!(f, " answers=({})", self.reply)?;
        }
        f.write_str(match self.progress {
            Progress::Unreplied => " unreplied",
            Progress::Answered => " answered",
            Progress::Replied => " replied",
        })?;
        f.write_str(if self.settled { " settled" } else { "" })
    }
}

fn icmp_name(family: Family) -> &'static str {
    match family {
        Family::V4 => "icmp",
        Family::V6 => "icmp6",
    }
}

struct IcmpParts(Icmp);

impl fmt::Display for IcmpParts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "type={}/{}", self.0.kind, self.0.code)?;
        if self.0.identifier != 0 {
            write!(f, " id={}", self.0.identifier)?;
        }
        match self.0.quoted {
            Some(quoted) => write!(f, " quotes=({quoted})"),
            None => Ok(()),
        }
    }
}

struct Ends {
    source: IpAddr,
    destination: IpAddr,
    ports: Option<Ports>,
}

impl fmt::Display for Ends {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(ports) = self.ports else {
            return write!(f, "{} > {}", self.source, self.destination);
        };
        write_end(f, self.source, ports.source)?;
        f.write_str(" > ")?;
        write_end(f, self.destination, ports.destination)
    }
}

fn write_end(f: &mut fmt::Formatter<'_>, address: IpAddr, port: u16) -> fmt::Result {
    match address {
        IpAddr::V4(address) => write!(f, "{address}:{port}"),
        IpAddr::V6(address) => write!(f, "[{address}]:{port}"),
    }
}
