//! Injection: packets written to interfaces, and sent by the node itself.

use std::net::IpAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, SockaddrIn6, sendto,
    setsockopt, socket, sockopt,
};
use nix::unistd::write;

use super::error::KernelError;
use super::namespace::Namespace;
use super::observers::{FENCE_PRIORITY, UNTRACKED_PRIORITY};
use crate::mark::Mark;
use crate::packet::{Family, Packet};

/// A raw socket whose packets bring their own internet header (raw(7), `IPPROTO_RAW`), and the mark that
/// it gives them.
#[derive(Debug)]
struct RawSocket {
    file: OwnedFd,
    mark: Mark,
}

impl RawSocket {
    fn open(family: Family, priority: u32) -> nix::Result<Self> {
        let domain = match family {
            Family::V4 => AddressFamily::Inet,
            Family::V6 => AddressFamily::Inet6,
        };
        let file = socket(
            domain,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::Raw,
        )?;
        setsockopt(&file, sockopt::Broadcast, &true)?;
        if priority != 0 {
            setsockopt(&file, sockopt::Priority, &(priority.cast_signed()))?;
        }
        Ok(Self {
            file,
            mark: Mark::NONE,
        })
    }

    fn send(&mut self, mark: Mark, destination: IpAddr, bytes: &[u8]) -> nix::Result<()> {
        if self.mark != mark {
            setsockopt(&self.file, sockopt::Mark, &mark.0)?;
            self.mark = mark;
        }
        let file = self.file.as_raw_fd();
        let sent = match destination {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                sendto(
                    file,
                    bytes,
                    &SockaddrIn::new(a, b, c, d, 0),
                    MsgFlags::empty(),
                )
            }
            IpAddr::V6(address) => {
                let address = std::net::SocketAddrV6::new(address, 0, 0, 0);
                sendto(file, bytes, &SockaddrIn6::from(address), MsgFlags::empty())
            }
        };
        sent.map(drop)
    }
}

/// The sockets from which the node's own packets are sent.
#[derive(Debug)]
pub(super) struct Injector {
    tracked: [RawSocket; 2],
    untracked: [RawSocket; 2],
    fence: RawSocket,
}

impl Injector {
    /// Opens them in the namespace.
    pub(super) fn open(namespace: &Namespace) -> Result<Self, KernelError> {
        namespace.enter()?;
        let open = |family, priority| {
            RawSocket::open(family, priority)
                .map_err(|error| KernelError::system("open a raw socket", error))
        };
        Ok(Self {
            tracked: [open(Family::V4, 0)?, open(Family::V6, 0)?],
            untracked: [
                open(Family::V4, UNTRACKED_PRIORITY)?,
                open(Family::V6, UNTRACKED_PRIORITY)?,
            ],
            fence: open(Family::V4, FENCE_PRIORITY)?,
        })
    }

    /// Sends a packet of the node's own.
    ///
    /// # Errors
    ///
    /// [`KernelError::System`] where the kernel refuses for another reason than what happened to the
    /// packet.
    pub(super) fn send(&mut self, packet: &Packet, bytes: &[u8]) -> Result<(), KernelError> {
        let sockets = if packet.untracked {
            &mut self.untracked
        } else {
            &mut self.tracked
        };
        let [v4, v6] = sockets;
        let socket = match packet.family() {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        // Dropping, rejecting and stealing answer EPERM; routing answers the others.
        match socket.send(packet.mark, packet.destination, bytes) {
            Ok(())
            | Err(
                Errno::EPERM
                | Errno::EACCES
                | Errno::EINVAL
                | Errno::ENETUNREACH
                | Errno::EHOSTUNREACH
                | Errno::EADDRNOTAVAIL
                | Errno::ECONNREFUSED
                | Errno::EMSGSIZE,
            ) => Ok(()),
            Err(error) => Err(KernelError::system(
                "send a packet of the node's own",
                error,
            )),
        }
    }

    /// Sends the packet that flushes the log.
    pub(super) fn send_fence(&mut self) -> Result<(), KernelError> {
        // An internet header alone, to the node itself, of a protocol without a meaning.
        const FENCE: [u8; 20] = [
            0x45, 0, 0, 20, 0, 0, 0, 0, 1, 255, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1,
        ];
        let loopback = IpAddr::from([127, 0, 0, 1]);
        match self.fence.send(Mark::NONE, loopback, &FENCE) {
            Err(Errno::EPERM) => Ok(()),
            Ok(()) => Err(KernelError::system(
                "flush the log",
                std::io::Error::other("the fence packet was not stopped"),
            )),
            Err(error) => Err(KernelError::system("flush the log", error)),
        }
    }
}

/// Lets a packet arrive by an interface: when this returns, its way is over.
///
/// # Errors
///
/// [`KernelError::System`] where the device is broken.
pub(super) fn arrive(device: impl AsFd, bytes: &[u8]) -> Result<(), KernelError> {
    match write(device, bytes) {
        // The device itself refuses what is no internet packet (drivers/net/tun.c, `tun_get_user`).
        Ok(_) | Err(Errno::EINVAL) => Ok(()),
        Err(error) => Err(KernelError::system("let a packet arrive", error)),
    }
}
