//! Netfilter's netlink: messages written and read, and the socket that carries them.
//!
//! The kernel's netfilter subsystems (log, conntrack, nf_tables) speak one framing: a netlink header, four
//! bytes of `nfgenmsg`, attributes (include/uapi/linux/netlink.h, linux/netfilter/nfnetlink.h).
//! Attribute values are big-endian unless said otherwise.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

use super::error::KernelError;
use super::namespace::Namespace;
use crate::packet::Family;

const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;
/// `NLM_F_ACK`: the kernel answers though nothing went wrong. Errors it answers in any case.
pub(super) const ACKNOWLEDGE: u16 = libc::NLM_F_ACK as u16;
/// How long the kernel may take to answer a request: far longer than the slowest commit.
const PATIENCE: TimeVal = TimeVal::new(60, 0);
const NESTED: u16 = 0x8000;
/// The bits of an attribute's type that are flags (`NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`).
const ATTRIBUTE_FLAGS: u16 = 0xc000;

/// The number by which netfilter calls a family.
pub(super) fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => 2,
        Family::V6 => 10,
    }
}

/// The family of a number.
pub(super) fn family_of(number: u8) -> Option<Family> {
    match number {
        2 => Some(Family::V4),
        10 => Some(Family::V6),
        _ => None,
    }
}

/// What stands in a message's two headers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    /// The subsystem.
    pub(super) subsystem: u8,
    /// The message's type within it.
    pub(super) kind: u8,
    /// `NLM_F_…`, besides `NLM_F_REQUEST`.
    pub(super) flags: u16,
    /// The family's number, 0 for none.
    pub(super) family: u8,
    /// The resource, such as a log group.
    pub(super) resource: u16,
}

/// Messages, written one behind the other.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    sequence: u32,
    /// The sequence number of the last message that asks for an acknowledgement.
    awaited: u32,
}

impl Writer {
    /// Forgets the messages; their sequence numbers go on.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
    }

    /// The messages, one behind the other.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends one message.
    pub(super) fn message(&mut self, head: Head, content: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.sequence = self.sequence.wrapping_add(1);
        if head.flags & ACKNOWLEDGE != 0 {
            self.awaited = self.sequence;
        }
        self.bytes.extend_from_slice(&[0; 4]);
        let kind = u16::from_be_bytes([head.subsystem, head.kind]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        let flags = head.flags | libc::NLM_F_REQUEST as u16;
        self.bytes.extend_from_slice(&flags.to_ne_bytes());
        self.bytes.extend_from_slice(&self.sequence.to_ne_bytes());
        self.bytes.extend_from_slice(&[0; 4]);
        self.bytes.extend_from_slice(&[head.family, 0]);
        self.bytes.extend_from_slice(&head.resource.to_be_bytes());
        content(self);
        let length = u32::try_from(self.bytes.len() - start).unwrap_or(u32::MAX);
        self.bytes[start..start + 4].copy_from_slice(&length.to_ne_bytes());
    }

    /// Appends an attribute.
    pub(super) fn attribute(&mut self, kind: u16, value: &[u8]) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value);
        self.close(start);
    }

    /// Appends an attribute of a 32-bit number.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.attribute(kind, &value.to_be_bytes());
    }

    /// Appends an attribute of text, with the zero that ends it.
    pub(super) fn text(&mut self, kind: u16, value: &str) {
        let start = self.open(kind);
        self.bytes.extend_from_slice(value.as_bytes());
        self.bytes.push(0);
        self.close(start);
    }

    /// Appends an attribute of attributes.
    pub(super) fn nest(&mut self, kind: u16, content: impl FnOnce(&mut Self)) {
        let start = self.open(kind | NESTED);
        content(self);
        self.close(start);
    }

    fn open(&mut self, kind: u16) -> usize {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 2]);
        self.bytes.extend_from_slice(&kind.to_ne_bytes());
        start
    }

    fn close(&mut self, start: usize) {
        let length = u16::try_from(self.bytes.len() - start).unwrap_or(u16::MAX);
        self.bytes[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }
}

/// One message, read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    /// The subsystem, or 0 for netlink's own messages.
    pub(super) subsystem: u8,
    /// The type within it.
    pub(super) kind: u8,
    /// The sequence number of the request that it answers.
    sequence: u32,
    /// What stands behind the netlink header.
    payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The family's number.
    pub(super) fn family(self) -> u8 {
        self.payload.first().copied().unwrap_or(0)
    }

    /// The attributes.
    pub(super) fn attributes(self) -> Attributes<'a> {
        Attributes {
            bytes: self.payload.get(GENERIC_HEADER..).unwrap_or_default(),
        }
    }

    /// Whether it ends a listing.
    fn is_done(self) -> bool {
        self.subsystem == 0 && libc::c_int::from(self.kind) == libc::NLMSG_DONE
    }

    /// Of `NLMSG_ERROR`: the error number, 0 for an acknowledgement.
    fn error(self) -> Option<i32> {
        let is_error = self.subsystem == 0 && libc::c_int::from(self.kind) == libc::NLMSG_ERROR;
        let number = self.payload.first_chunk().filter(|_| is_error)?;
        Some(-i32::from_ne_bytes(*number))
    }
}

/// The messages in what one `recv` returned.
pub(super) struct Messages<'a> {
    bytes: &'a [u8],
}

impl<'a> Messages<'a> {
    pub(super) fn of(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let header: &[u8; HEADER] = self.bytes.first_chunk()?;
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let [subsystem, kind] = u16::from_ne_bytes([header[4], header[5]]).to_be_bytes();
        let message = Message {
            subsystem,
            kind,
            sequence: u32::from_ne_bytes([header[8], header[9], header[10], header[11]]),
            payload: self.bytes.get(HEADER..length)?,
        };
        self.bytes = self.bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some(message)
    }
}

/// The attributes of a message, or of a nest.
#[derive(Clone, Copy)]
pub(super) struct Attributes<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Attributes<'a> {
    /// The type without its flags, and the value.
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let header: &[u8; 4] = self.bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let kind = u16::from_ne_bytes([header[2], header[3]]) & !ATTRIBUTE_FLAGS;
        let value = self.bytes.get(4..length)?;
        self.bytes = self.bytes.get(length.next_multiple_of(4)..).unwrap_or(&[]);
        Some((kind, value))
    }
}

/// A big-endian number of four bytes.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// What `receive` found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// This many bytes of messages.
    Bytes(usize),
    /// Nothing more is waiting.
    Nothing,
    /// The kernel had to throw messages away.
    Overrun,
}

/// A netfilter netlink socket of one namespace: it stays there, wherever the thread goes.
#[derive(Debug)]
pub(super) struct Socket {
    file: OwnedFd,
    buffer: Vec<u8>,
}

impl Socket {
    /// Opens one in the namespace.
    pub(super) fn open(namespace: &Namespace) -> Result<Self, KernelError> {
        Self::open_in_groups(namespace, 0)
    }

    /// Opens one that hears multicast groups, a bit each: group 1 is bit 0.
    pub(super) fn open_in_groups(namespace: &Namespace, groups: u32) -> Result<Self, KernelError> {
        namespace.enter()?;
        let doing = "open a netfilter netlink socket";
        let file = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )
        .map_err(|error| KernelError::system(doing, error))?;
        bind(file.as_raw_fd(), &NetlinkAddr::new(0, groups))
            .map_err(|error| KernelError::system(doing, error))?;
        setsockopt(&file, sockopt::ReceiveTimeout, &PATIENCE)
            .map_err(|error| KernelError::system(doing, error))?;
        Ok(Self {
            file,
            buffer: vec![0; 1 << 17],
        })
    }

    /// Asks for room for this many bytes of waiting messages, and says how many it got: without
    /// privileges the system's own limit holds (`net.core.rmem_max`).
    pub(super) fn ask_room(&self, bytes: usize) -> usize {
        if setsockopt(&self.file, sockopt::RcvBufForce, &bytes).is_err() {
            // What there is then is read below.
            let _ = setsockopt(&self.file, sockopt::RcvBuf, &bytes);
        }
        nix::sys::socket::getsockopt(&self.file, sockopt::RcvBuf).unwrap_or(0)
    }

    /// Sends what was written.
    pub(super) fn send(&self, writer: &Writer) -> io::Result<()> {
        send(self.file.as_raw_fd(), &writer.bytes, MsgFlags::empty())?;
        Ok(())
    }

    /// Sends requests, of which the last must ask for an acknowledgement ([`ACKNOWLEDGE`]), and waits
    /// for the kernel's answer.
    ///
    /// # Errors
    ///
    /// The first error that the kernel answers.
    pub(super) fn request(&mut self, writer: &Writer, doing: &str) -> Result<(), KernelError> {
        self.send(writer)
            .map_err(|error| KernelError::system(doing, error))?;
        self.acknowledged(writer.awaited)
            .map_err(|error| KernelError::system(doing, error))
    }

    fn acknowledged(&mut self, last: u32) -> io::Result<()> {
        let mut first_error = None;
        loop {
            let length = recv(self.file.as_raw_fd(), &mut self.buffer, MsgFlags::empty())?;
            for message in Messages::of(&self.buffer[..length]) {
                let Some(error) = message.error() else {
                    continue;
                };
                if error != 0 {
                    first_error.get_or_insert(error);
                }
                if message.sequence == last {
                    return first_error
                        .map_or(Ok(()), |error| Err(io::Error::from_raw_os_error(error)));
                }
            }
        }
    }

    /// Sends one request for a listing (`NLM_F_DUMP`), or for one thing and an acknowledgement, and shows the
    /// attributes of every message that comes.
    ///
    /// # Errors
    ///
    /// The kernel's answer where it lists nothing.
    pub(super) fn dump(
        &mut self,
        writer: &Writer,
        doing: &str,
        mut show: impl FnMut(Attributes),
    ) -> Result<(), KernelError> {
        let failed = |error: io::Error| KernelError::system(doing, error);
        self.send(writer).map_err(failed)?;
        loop {
            let length = recv(self.file.as_raw_fd(), &mut self.buffer, MsgFlags::empty())
                .map_err(|error| failed(error.into()))?;
            for message in Messages::of(&self.buffer[..length]) {
                match message.error() {
                    Some(0) => return Ok(()),
                    Some(error) => return Err(failed(io::Error::from_raw_os_error(error))),
                    None => {}
                }
                if message.is_done() {
                    return Ok(());
                }
                show(message.attributes());
            }
        }
    }

    /// Receives without waiting.
    pub(super) fn receive(&mut self) -> io::Result<Received> {
        match recv(
            self.file.as_raw_fd(),
            &mut self.buffer,
            MsgFlags::MSG_DONTWAIT,
        ) {
            Ok(length) => Ok(Received::Bytes(length)),
            Err(Errno::EAGAIN) => Ok(Received::Nothing),
            Err(Errno::ENOBUFS) => Ok(Received::Overrun),
            Err(error) => Err(error.into()),
        }
    }

    /// The messages received last.
    pub(super) fn messages(&self, length: usize) -> Messages<'_> {
        Messages::of(&self.buffer[..length])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::default();
        let head = |kind, flags| Head {
            subsystem: 4,
            kind,
            flags,
            family: 10,
            resource: 7,
        };
        writer.message(head(1, ACKNOWLEDGE), |writer| {
            writer.text(1, "abcd");
            writer.nest(2, |writer| {
                writer.number(3, 0x0102_0304);
                writer.attribute(4, &[9]);
            });
        });
        writer.message(head(2, 0), |_| {});
        assert_eq!(writer.awaited, 1, "the second asks for no answer");
        let messages: Vec<Message> = Messages::of(&writer.bytes).collect();
        let [first, second] = messages.as_slice() else {
            panic!("two messages expected");
        };
        assert_eq!((first.subsystem, first.kind, first.family()), (4, 1, 10));
        assert_eq!((second.kind, second.sequence), (2, 2));
        assert_eq!(second.attributes().count(), 0);
        let attributes: Vec<_> = first.attributes().collect();
        assert_eq!(attributes[0], (1, &b"abcd\0"[..]));
        assert_eq!(attributes[1].0, 2);
        let inner: Vec<_> = Attributes {
            bytes: attributes[1].1,
        }
        .collect();
        assert_eq!(inner, [(3, &[1, 2, 3, 4][..]), (4, &[9][..])]);
        assert_eq!(number(inner[0].1), Some(0x0102_0304));
    }

    #[test]
    fn broken_lengths_end_the_reading() {
        let too_long = [200, 0, 1, 0, 1, 2, 3, 4];
        assert_eq!(Attributes { bytes: &too_long }.count(), 0);
        let too_short = [2, 0, 1, 0];
        assert_eq!(Attributes { bytes: &too_short }.count(), 0);
        assert_eq!(Messages::of(&[0; 15]).count(), 0);
        assert_eq!(Messages::of(&[0; 16]).count(), 0);
    }
}
