//! Packets, and the connections that exist when they are sent.

use super::Walk;
use crate::mark::Mark;
use crate::packet::{Connection, Icmp, Packet, Payload, Ports, Progress, Tcp, TcpFlags, Transport};

/// A port of nobody's in particular, from which clients speak.
const CLIENT: u16 = 40_000;
/// The most usual port to speak to.
const SERVER: u16 = 80;

const PORTS: Ports = Ports {
    source: CLIENT,
    destination: SERVER,
};

/// A packet that opens a connection.
const OPENING: Transport = Transport::Tcp(Tcp {
    ports: PORTS,
    flags: TcpFlags::SYN,
    option: None,
});

impl Walk<'_> {
    pub(super) fn packet(&mut self, packet: &mut Packet) {
        self.ladder(&mut packet.hops, &[64]);
        self.ladder(&mut packet.traffic_class, &[0]);
        self.ladder(&mut packet.fragment, &[None]);
        self.ladder(&mut packet.payload, &[Payload::Zeros(0)]);
        self.ladder(&mut packet.mark, &[Mark::NONE]);
        self.ladder(&mut packet.untracked, &[false]);
        self.ladder(&mut packet.defect, &[None]);
        self.transport(&mut packet.transport);
    }

    /// A transport could be another that is simpler, or itself in a simpler form.
    fn transport(&mut self, transport: &mut Transport) {
        let whole: &[Transport] = match transport {
            Transport::Tcp(_) => &[OPENING],
            _ => &[OPENING, Transport::Udp(PORTS)],
        };
        self.ladder(transport, whole);
        match transport {
            Transport::Tcp(tcp) => {
                self.ladder(&mut tcp.flags, &[TcpFlags::SYN]);
                self.ladder(&mut tcp.option, &[None]);
                self.ports(&mut tcp.ports);
            }
            Transport::Udp(ports) | Transport::UdpLite(ports) => self.ports(ports),
            Transport::Sctp { ports, chunk } => {
                self.ladder(chunk, &[1]);
                self.ports(ports);
            }
            Transport::Icmp(icmp) => self.icmp(icmp),
            Transport::Other(_) => {}
        }
    }

    fn icmp(&mut self, icmp: &mut Icmp) {
        self.ladder(&mut icmp.quoted, &[None]);
        self.ladder(&mut icmp.identifier, &[0]);
        self.ladder(&mut icmp.code, &[0]);
    }

    fn ports(&mut self, ports: &mut Ports) {
        self.ladder(&mut ports.source, &[CLIENT]);
        self.ladder(&mut ports.destination, &[SERVER]);
    }

    pub(super) fn connection(&mut self, connection: &mut Connection) {
        self.ladder(&mut connection.progress, &[Progress::Replied]);
        let untranslated = connection.original.inverse();
        let untranslated = untranslated.filter(|inverse| *inverse != connection.reply);
        self.simpler(&mut connection.reply, untranslated);
    }
}
