//! What the kernel does by itself, to measure the harness against: packets forwarded with nobody looking.

use std::io;

use nix::errno::Errno;
use nix::unistd::read;

use super::Room;
use crate::kernel::error::KernelError;
use crate::kernel::inject::arrive;
use crate::packet::wire::{Tag, build};
use crate::packet::{Origin, Packet};

/// After how many packets the devices are read out: they hold 500 (drivers/net/tun.c, `TUN_READQ_SIZE`).
const READ_AFTER: usize = 128;

impl Room {
    /// Lets packets arrive and reads what comes out of the devices: how many left the node. After
    /// [`Room::stop_observing`] these are confirmed, sent and read as on any router.
    ///
    /// # Errors
    ///
    /// A fault of the machine, or a packet that does not arrive by an interface of this node.
    pub fn forward(&mut self, packets: &[Packet]) -> Result<usize, KernelError> {
        let mut out = 0;
        for (number, packet) in packets.iter().enumerate() {
            let device = match packet.origin {
                Origin::Arrives(name) => self.links.tun(name),
                Origin::Node => None,
            };
            let Some(device) = device else {
                let missing = io::Error::from(io::ErrorKind::NotFound);
                return Err(KernelError::system(
                    "find the interface of a packet",
                    missing,
                ));
            };
            build(packet, Tag::NONE, &mut self.bytes)
                .map_err(|error| KernelError::system("build a packet", io::Error::other(error)))?;
            arrive(device, &self.bytes)?;
            if number % READ_AFTER == READ_AFTER - 1 {
                out += self.read_out()?;
            }
        }
        Ok(out + self.read_out()?)
    }

    /// Forgets every connection.
    ///
    /// # Errors
    ///
    /// A fault of the machine.
    pub fn forget_connections(&mut self) -> Result<(), KernelError> {
        self.connections.flush()
    }

    fn read_out(&self) -> Result<usize, KernelError> {
        let mut bytes = [0; 2048];
        let mut count = 0;
        for tun in self.links.tuns() {
            loop {
                match read(tun, &mut bytes) {
                    Ok(_) => count += 1,
                    Err(Errno::EAGAIN) => break,
                    Err(error) => return Err(KernelError::system("read a device", error)),
                }
            }
        }
        Ok(count)
    }
}
