//! The connection table: entries made before packets are sent, and thrown away after.
//!
//! Over ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h; the kernel's side is
//! net/netfilter/nf_conntrack_netlink.c).

use std::net::IpAddr;

use nix::libc;

use super::error::KernelError;
use super::namespace::Namespace;
use super::nfnetlink::{ACKNOWLEDGE, Head, Socket, Writer, family_number, number};
use crate::packet::{Connection, Progress, Protocol, Tuple};

const SUBSYSTEM: u8 = libc::NFNL_SUBSYS_CTNETLINK as u8;
/// `IPCTNL_MSG_CT_NEW`, `IPCTNL_MSG_CT_DELETE` and `IPCTNL_MSG_CT_GET_STATS`.
const NEW: u8 = 0;
const DELETE: u8 = 2;
const GET_STATS: u8 = 5;
/// `CTA_STATS_GLOBAL_ENTRIES`.
const ENTRIES: u16 = 1;
/// How many requests are sent at once: well below the socket's room for sending.
const REQUESTS_BYTES: usize = 64 * 1024;
/// How long an entry lives, in seconds: longer than any batch takes.
const LIFETIME: u32 = 3600;

/// `enum ip_conntrack_status` (linux/netfilter/nf_conntrack_common.h).
mod status {
    pub(super) const SEEN_REPLY: u32 = 1 << 1;
    pub(super) const ASSURED: u32 = 1 << 2;
    pub(super) const CONFIRMED: u32 = 1 << 3;
}

/// `enum ctattr_type`.
mod attribute {
    pub(super) const TUPLE_ORIGINAL: u16 = 1;
    pub(super) const TUPLE_REPLY: u16 = 2;
    pub(super) const STATUS: u16 = 3;
    pub(super) const PROTOCOL_INFO: u16 = 4;
    pub(super) const NAT_SOURCE: u16 = 6;
    pub(super) const TIMEOUT: u16 = 7;
    pub(super) const NAT_DESTINATION: u16 = 13;
}

/// The connection table of one namespace.
#[derive(Debug)]
pub(super) struct Table {
    socket: Socket,
    writer: Writer,
}

impl Table {
    /// Opens it.
    pub(super) fn open(namespace: &Namespace) -> Result<Self, KernelError> {
        Ok(Self {
            socket: Socket::open(namespace)?,
            writer: Writer::default(),
        })
    }

    /// Makes entries.
    ///
    /// # Errors
    ///
    /// [`KernelError::System`] where the kernel refuses one, because two share a tuple, say.
    pub(super) fn insert(&mut self, connections: &[Connection]) -> Result<(), KernelError> {
        self.writer.clear();
        for (index, connection) in connections.iter().enumerate() {
            let last = index + 1 == connections.len() || self.writer.len() > REQUESTS_BYTES;
            write_new(&mut self.writer, connection, last);
            if last {
                self.socket
                    .request(&self.writer, "make an entry of the connection table")?;
                self.writer.clear();
            }
        }
        Ok(())
    }

    /// Throws the entries with these original tuples away, and says whether all were there: one by one where
    /// they are few, because the kernel finds one by its tuple, but walks its whole table to throw away all.
    pub(super) fn remove(
        &mut self,
        originals: impl IntoIterator<Item = Tuple>,
    ) -> Result<bool, KernelError> {
        const FEW: usize = 100;
        let originals: Vec<Tuple> = originals.into_iter().take(FEW + 1).collect();
        if originals.len() > FEW {
            return self.flush().map(|()| true);
        }
        self.writer.clear();
        for (index, original) in originals.iter().enumerate() {
            let head = head(DELETE, *original, index + 1 == originals.len());
            self.writer.message(head, |writer| {
                writer.nest(attribute::TUPLE_ORIGINAL, |writer| {
                    write_tuple(writer, *original);
                });
            });
        }
        if originals.is_empty() {
            return Ok(true);
        }
        let doing = "remove an entry of the connection table";
        match self.socket.request(&self.writer, doing) {
            Err(KernelError::System { source, .. })
                if source.raw_os_error() == Some(libc::ENOENT) =>
            {
                Ok(false)
            }
            other => other.map(|()| true),
        }
    }

    /// How many entries there are.
    pub(super) fn count(&mut self) -> Result<u32, KernelError> {
        self.writer.clear();
        self.writer.message(whole(GET_STATS), |_| {});
        let mut count = None;
        let doing = "count the entries of the connection table";
        self.socket.dump(&self.writer, doing, |mut attributes| {
            let entries = attributes.find(|(kind, _)| *kind == ENTRIES);
            count = count.or(entries.and_then(|(_, value)| number(value)));
        })?;
        count.ok_or_else(|| {
            KernelError::system(doing, std::io::Error::from(std::io::ErrorKind::InvalidData))
        })
    }

    /// Throws every entry away.
    pub(super) fn flush(&mut self) -> Result<(), KernelError> {
        self.writer.clear();
        self.writer.message(whole(DELETE), |_| {});
        self.socket
            .request(&self.writer, "flush the connection table")
    }
}

/// The requests that make entries of the connection table, as a netlink socket takes them.
#[must_use]
pub fn entry_requests(connections: &[Connection]) -> Vec<u8> {
    let mut writer = Writer::default();
    for connection in connections {
        write_new(&mut writer, connection, false);
    }
    writer.bytes().to_vec()
}

/// The head of a request about the whole table.
fn whole(kind: u8) -> Head {
    Head {
        subsystem: SUBSYSTEM,
        kind,
        flags: ACKNOWLEDGE,
        family: 0,
        resource: 0,
    }
}

/// The head of a request about one connection, told by its original tuple.
fn head(kind: u8, original: Tuple, acknowledged: bool) -> Head {
    Head {
        subsystem: SUBSYSTEM,
        kind,
        flags: if acknowledged { ACKNOWLEDGE } else { 0 },
        family: family_number(original.family()),
        resource: 0,
    }
}

fn write_new(writer: &mut Writer, connection: &Connection, acknowledged: bool) {
    let original = connection.original;
    let mut head = head(NEW, original, acknowledged);
    head.flags |= (libc::NLM_F_CREATE | libc::NLM_F_EXCL) as u16;
    // Where addresses are translated the kernel itself derives the reply from the untranslated one.
    let plain = original.inverse().unwrap_or(connection.reply);
    writer.message(head, |writer| {
        writer.nest(attribute::TUPLE_ORIGINAL, |writer| {
            write_tuple(writer, original);
        });
        writer.nest(attribute::TUPLE_REPLY, |writer| {
            write_tuple(writer, plain);
        });
        writer.number(attribute::STATUS, status_of(connection.progress));
        writer.number(attribute::TIMEOUT, LIFETIME);
        write_protocol_info(writer, connection);
        write_translations(writer, plain, connection);
    });
}

fn status_of(progress: Progress) -> u32 {
    match progress {
        Progress::Unreplied => status::CONFIRMED,
        Progress::Answered => status::CONFIRMED | status::SEEN_REPLY,
        Progress::Replied => status::CONFIRMED | status::SEEN_REPLY | status::ASSURED,
    }
}

/// `enum ctattr_tuple`, `ctattr_ip`, `ctattr_l4proto`.
fn write_tuple(writer: &mut Writer, tuple: Tuple) {
    writer.nest(1, |writer| {
        write_address(writer, [1, 3], tuple.source);
        write_address(writer, [2, 4], tuple.destination);
    });
    writer.nest(2, |writer| {
        writer.attribute(1, &[tuple.protocol.0]);
        let (kind, code, identifier) = tuple.icmp_parts();
        match tuple.protocol {
            Protocol::ICMP => {
                writer.attribute(4, &identifier.to_be_bytes());
                writer.attribute(5, &[kind]);
                writer.attribute(6, &[code]);
            }
            Protocol::ICMP6 => {
                writer.attribute(7, &identifier.to_be_bytes());
                writer.attribute(8, &[kind]);
                writer.attribute(9, &[code]);
            }
            _ => {
                writer.attribute(2, &tuple.ports.source.to_be_bytes());
                writer.attribute(3, &tuple.ports.destination.to_be_bytes());
            }
        }
    });
}

/// An address under the first number for IPv4, under the second for IPv6.
fn write_address(writer: &mut Writer, [v4, v6]: [u16; 2], address: IpAddr) {
    match address {
        IpAddr::V4(address) => writer.attribute(v4, &address.octets()),
        IpAddr::V6(address) => writer.attribute(v6, &address.octets()),
    }
}

/// The state machine's state, without which a reply is invalid: `enum ctattr_protoinfo_tcp`, `_sctp`.
fn write_protocol_info(writer: &mut Writer, connection: &Connection) {
    const TCP: u16 = 1;
    const SCTP: u16 = 3;
    /// `TCP_CONNTRACK_SYN_SENT`, `TCP_CONNTRACK_SYN_RECV` and `TCP_CONNTRACK_ESTABLISHED`.
    const TCP_STATES: [u8; 3] = [1, 2, 3];
    /// `SCTP_CONNTRACK_COOKIE_WAIT`, `SCTP_CONNTRACK_COOKIE_ECHOED` and `SCTP_CONNTRACK_ESTABLISHED`.
    const SCTP_STATES: [u8; 3] = [2, 3, 4];
    /// `IP_CT_TCP_FLAG_BE_LIBERAL`, as value and mask.
    const LIBERAL: [u8; 2] = [0x08, 0x08];
    let state = |[unreplied, answered, replied]: [u8; 3]| match connection.progress {
        Progress::Unreplied => unreplied,
        Progress::Answered => answered,
        Progress::Replied => replied,
    };
    match connection.original.protocol {
        Protocol::TCP => writer.nest(attribute::PROTOCOL_INFO, |writer| {
            writer.nest(TCP, |writer| {
                writer.attribute(1, &[state(TCP_STATES)]);
                writer.attribute(4, &LIBERAL);
                writer.attribute(5, &LIBERAL);
            });
        }),
        Protocol::SCTP => writer.nest(attribute::PROTOCOL_INFO, |writer| {
            writer.nest(SCTP, |writer| {
                writer.attribute(1, &[state(SCTP_STATES)]);
                // The verification tags of our packets (see `packet::wire`).
                writer.number(2, 1);
                writer.number(3, 1);
            });
        }),
        _ => {}
    }
}

/// What the reply has that the untranslated one has not: another sender is a translated destination,
/// another receiver a translated source. One translation settles both, that to the present address too
/// (net/netfilter/nf_nat_core.c, `nf_nat_setup_info`).
fn write_translations(writer: &mut Writer, plain: Tuple, connection: &Connection) {
    let reply = connection.reply;
    let settles = connection.settled && plain == reply;
    if settles || (plain.source, plain.ports.source) != (reply.source, reply.ports.source) {
        let port = has_ports(reply).then_some(reply.ports.source);
        write_translation(writer, attribute::NAT_DESTINATION, reply.source, port);
    }
    if (plain.destination, plain.ports.destination) != (reply.destination, reply.ports.destination)
    {
        let port = has_ports(reply).then_some(reply.ports.destination);
        write_translation(writer, attribute::NAT_SOURCE, reply.destination, port);
    }
}

fn has_ports(tuple: Tuple) -> bool {
    tuple.protocol.has_ports()
}

/// `enum ctattr_nat`, `ctattr_protonat`: a range of one.
fn write_translation(writer: &mut Writer, kind: u16, address: IpAddr, port: Option<u16>) {
    writer.nest(kind, |writer| {
        write_address(writer, [1, 4], address);
        write_address(writer, [2, 5], address);
        if let Some(port) = port {
            writer.nest(3, |writer| {
                writer.attribute(1, &port.to_be_bytes());
                writer.attribute(2, &port.to_be_bytes());
            });
        }
    });
}
