//! The log group in which the observers speak (include/uapi/linux/netfilter/nfnetlink_log.h).
//!
//! All points share one group, because records keep their order only within a group. The kernel packs
//! many records into one message and sends it when it is full, or when a packet meets a rule with
//! threshold 1: the *fence*, after which everything before it can be read.

use nix::libc;

use super::error::KernelError;
use super::namespace::Namespace;
use super::nfnetlink::{ACKNOWLEDGE, Head, Received, Socket, Writer, family_of, number};
use crate::mark::Mark;
use crate::packet::Family;

/// The group: far from those that rulesets use (0, 1, 2).
pub(super) const GROUP: u16 = 0xca11;
/// What stands before the fence's record.
pub(super) const FENCE_PREFIX: &str = "!";
/// How many bytes of records the kernel packs into a message.
const MESSAGE_BYTES: u32 = 32 * 1024;
/// How much may wait unread.
const ROOM_BYTES: usize = 64 << 20;

/// One look at a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record<'a> {
    /// The packet's family.
    pub(super) family: Family,
    /// The byte that says where (see [`super::observers::point_of`]).
    pub(super) place: u8,
    /// The mark; the kernel leaves out a mark of zero.
    pub(super) mark: Mark,
    /// The index of the interface that it came by, 0 for none.
    pub(super) in_interface: u32,
    /// The index of the interface that it leaves by, 0 for none.
    pub(super) out_interface: u32,
    /// The packet from its internet header on.
    pub(super) bytes: &'a [u8],
}

/// Reads the log.
#[derive(Debug)]
pub(super) struct Log {
    socket: Socket,
    room: usize,
    /// The number that the next record must bear.
    next: u32,
}

/// How reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// The fence has not come yet.
    Waiting,
    /// The fence has come.
    Fenced,
    /// Records are missing.
    Lost,
}

impl Log {
    /// Binds to the group in the namespace.
    pub(super) fn open(namespace: &Namespace) -> Result<Self, KernelError> {
        let mut socket = Socket::open(namespace)?;
        let room = socket.ask_room(ROOM_BYTES);
        let mut writer = Writer::default();
        configure(&mut writer, |writer| {
            writer.attribute(
                libc::NFULA_CFG_CMD as u16,
                &[libc::NFULNL_CFG_CMD_BIND as u8],
            );
        });
        configure(&mut writer, |writer| {
            let mut mode = [0; 6];
            mode[..4].copy_from_slice(&u32::from(u16::MAX).to_be_bytes());
            mode[4] = libc::NFULNL_COPY_PACKET as u8;
            writer.attribute(libc::NFULA_CFG_MODE as u16, &mode);
            writer.number(libc::NFULA_CFG_NLBUFSIZ as u16, MESSAGE_BYTES);
            // In hundredths of a second; the fence flushes long before.
            writer.number(libc::NFULA_CFG_TIMEOUT as u16, 6000);
            writer.number(libc::NFULA_CFG_QTHRESH as u16, u32::MAX);
            let flags = libc::NFULNL_CFG_F_SEQ as u16;
            writer.attribute(libc::NFULA_CFG_FLAGS as u16, &flags.to_be_bytes());
        });
        socket.request(&writer, "bind to a log group")?;
        Ok(Self {
            socket,
            room,
            next: 0,
        })
    }

    /// How many packets may be sent between two readings: each may leave some dozens of records, and
    /// the kernel counts a message's memory, not its content.
    pub(super) fn packets_between_readings(&self) -> usize {
        const BYTES_PER_PACKET: usize = 16 * 1024;
        (self.room / BYTES_PER_PACKET).clamp(4, 1024)
    }

    /// Reads what is there, and shows every record.
    pub(super) fn read(&mut self, mut see: impl FnMut(Record)) -> Result<Progress, KernelError> {
        let mut progress = Progress::Waiting;
        loop {
            let received = self
                .socket
                .receive()
                .map_err(|error| KernelError::system("read the log", error))?;
            let length = match received {
                Received::Bytes(length) => length,
                Received::Nothing => return Ok(progress),
                Received::Overrun => {
                    progress = Progress::Lost;
                    continue;
                }
            };
            for message in self.socket.messages(length) {
                let Some(raw) = Raw::read(message.family(), message.attributes()) else {
                    continue;
                };
                if raw.sequence != self.next {
                    progress = Progress::Lost;
                }
                self.next = raw.sequence.wrapping_add(1);
                if raw.record.place == FENCE_PREFIX.as_bytes()[0] {
                    if progress == Progress::Waiting {
                        progress = Progress::Fenced;
                    }
                } else {
                    see(raw.record);
                }
            }
        }
    }
}

fn configure(writer: &mut Writer, content: impl FnOnce(&mut Writer)) {
    let head = Head {
        subsystem: libc::NFNL_SUBSYS_ULOG as u8,
        kind: libc::NFULNL_MSG_CONFIG as u8,
        flags: ACKNOWLEDGE,
        family: 0,
        resource: GROUP,
    };
    writer.message(head, content);
}

struct Raw<'a> {
    sequence: u32,
    record: Record<'a>,
}

impl<'a> Raw<'a> {
    fn read(family: u8, attributes: impl Iterator<Item = (u16, &'a [u8])>) -> Option<Self> {
        let mut raw = Self {
            sequence: 0,
            record: Record {
                family: family_of(family)?,
                place: 0,
                mark: Mark::NONE,
                in_interface: 0,
                out_interface: 0,
                bytes: &[],
            },
        };
        let record = &mut raw.record;
        for (kind, value) in attributes {
            match libc::c_int::from(kind) {
                libc::NFULA_PREFIX => record.place = *value.first()?,
                libc::NFULA_MARK => record.mark = Mark(number(value)?),
                libc::NFULA_IFINDEX_INDEV => record.in_interface = number(value)?,
                libc::NFULA_IFINDEX_OUTDEV => record.out_interface = number(value)?,
                libc::NFULA_PAYLOAD => record.bytes = value,
                libc::NFULA_SEQ => raw.sequence = number(value)?,
                _ => {}
            }
        }
        Some(raw)
    }
}
