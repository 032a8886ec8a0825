//! Questions to the kernel that are asked in a throwaway namespace, so that asking changes nothing.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;

/// A part of netfilter that is spoken to over netlink (include/uapi/linux/netfilter/nfnetlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subsystem {
    /// The connections: `NFNL_SUBSYS_CTNETLINK`, asked for all of them.
    Connections,
    /// The log of rules: `NFNL_SUBSYS_ULOG`, asked to log IPv4.
    Log,
    /// Sets: `NFNL_SUBSYS_IPSET`, asked for its protocol.
    Sets,
    /// nf_tables: `NFNL_SUBSYS_NFTABLES`, asked for its generation.
    Tables,
}

impl Subsystem {
    /// Subsystem and message, family, and attributes of a harmless request.
    fn request(self) -> (u16, u16, u8, &'static [u8]) {
        const DUMP: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_DUMP) as u16;
        const PLAIN: u16 = libc::NLM_F_REQUEST as u16;
        const ACKNOWLEDGED: u16 = (libc::NLM_F_REQUEST | libc::NLM_F_ACK) as u16;
        let family = libc::AF_INET as u8;
        match self {
            // IPCTNL_MSG_CT_GET
            Self::Connections => (1 << 8 | 1, DUMP, family, &[]),
            // NFULNL_MSG_CONFIG with NFULA_CFG_CMD: NFULNL_CFG_CMD_PF_BIND
            Self::Log => (4 << 8 | 1, ACKNOWLEDGED, family, &[5, 0, 1, 0, 3, 0, 0, 0]),
            // IPSET_CMD_PROTOCOL with IPSET_ATTR_PROTOCOL: 7
            Self::Sets => (6 << 8 | 1, PLAIN, family, &[5, 0, 1, 0, 7, 0, 0, 0]),
            // NFT_MSG_GETGEN
            Self::Tables => (10 << 8 | 16, PLAIN, 0, &[]),
        }
    }

    /// Asks the kernel of the calling thread's namespace, and returns its refusal.
    pub(super) fn ask(self) -> io::Result<()> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkNetFilter,
        )?;
        // An answer comes at once or not at all.
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(2, 0))?;
        let (kind, flags, family, attributes) = self.request();
        let mut message = Vec::new();
        // The header (struct nlmsghdr) and the family's (struct nfgenmsg): 16 and 4 bytes.
        message.extend_from_slice(&(20 + attributes.len() as u32).to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&flags.to_ne_bytes());
        message.extend_from_slice(&[0; 8]);
        message.extend_from_slice(&[family, 0, 0, 0]);
        message.extend_from_slice(attributes);
        sendto(
            socket.as_raw_fd(),
            &message,
            &NetlinkAddr::new(0, 0),
            MsgFlags::empty(),
        )?;
        answer(&socket)
    }
}

/// The kernel's answer: anything but an error message with a number is a yes.
fn answer(socket: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0; 8192];
    let bytes = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
    let number =
        |at: usize| -> Option<[u8; 4]> { buffer[..bytes].get(at..at + 4)?.try_into().ok() };
    let kind = number(4).map_or(0, |word| u16::from_ne_bytes([word[0], word[1]]));
    let error = number(16).map_or(0, i32::from_ne_bytes);
    if i32::from(kind) == libc::NLMSG_ERROR && error != 0 {
        return Err(io::Error::from_raw_os_error(-error));
    }
    Ok(())
}

/// The set types that are tried, with what they must be created with.
pub(super) const SET_TYPES: &[(&str, &[&str])] = &[
    ("hash:ip", &[]),
    ("hash:net", &[]),
    ("hash:ip,port", &[]),
    ("hash:net,port", &[]),
    ("hash:ip,port,ip", &[]),
    ("hash:ip,port,net", &[]),
    ("hash:net,iface", &[]),
    ("hash:net,net", &[]),
    ("hash:net,port,net", &[]),
    ("hash:ip,mark", &[]),
    ("hash:ip,mac", &[]),
    ("hash:mac", &[]),
    ("bitmap:ip", &["range", "10.0.0.0/24"]),
    ("bitmap:ip,mac", &["range", "10.0.0.0/24"]),
    ("bitmap:port", &["range", "0-1024"]),
    ("list:set", &[]),
];

/// The matches that are tried, each in a rule of mangle's PREROUTING.
pub(super) const MATCHES: &[(&str, &str)] = &[
    ("addrtype", "-m addrtype --dst-type LOCAL"),
    ("comment", "-m comment --comment x"),
    ("connlimit", "-m connlimit --connlimit-above 1"),
    ("connmark", "-m connmark --mark 1"),
    ("conntrack", "-m conntrack --ctstate NEW"),
    ("dscp", "-m dscp --dscp 1"),
    (
        "hashlimit",
        "-m hashlimit --hashlimit-upto 1/s --hashlimit-name x",
    ),
    ("icmp", "-p icmp -m icmp --icmp-type 8"),
    ("iprange", "-m iprange --src-range 10.0.0.1-10.0.0.2"),
    ("length", "-m length --length 1"),
    ("limit", "-m limit --limit 1/s"),
    ("mac", "-m mac --mac-source 02:00:00:00:00:01"),
    ("mark", "-m mark --mark 1"),
    ("multiport", "-p tcp -m multiport --dports 1,2"),
    ("physdev", "-m physdev --physdev-in x"),
    ("pkttype", "-m pkttype --pkt-type unicast"),
    ("policy", "-m policy --dir in --pol none"),
    ("recent", "-m recent --rcheck"),
    ("rpfilter", "-m rpfilter"),
    ("sctp", "-p sctp -m sctp --dport 1"),
    ("set", "-m set --match-set calidiff src"),
    ("state", "-m state --state NEW"),
    ("statistic", "-m statistic --mode random --probability 0.5"),
    ("string", "-m string --string x --algo bm"),
    ("tcp", "-p tcp -m tcp --dport 1"),
    ("time", "-m time --timestart 01:00"),
    ("tos", "-m tos --tos 1"),
    ("ttl", "-m ttl --ttl-eq 1"),
    ("udp", "-p udp -m udp --dport 1"),
];

/// The targets that are tried, each in a table and built-in chain where it may stand.
pub(super) const TARGETS: &[(&str, &str, &str)] = &[
    (
        "CHECKSUM",
        "mangle",
        "POSTROUTING -p udp -j CHECKSUM --checksum-fill",
    ),
    ("CONNMARK", "mangle", "PREROUTING -j CONNMARK --save-mark"),
    ("CT", "raw", "PREROUTING -j CT --notrack"),
    (
        "DNAT",
        "nat",
        "PREROUTING -p tcp -j DNAT --to-destination 10.0.0.1:1",
    ),
    ("DSCP", "mangle", "PREROUTING -j DSCP --set-dscp 1"),
    ("LOG", "filter", "FORWARD -j LOG"),
    ("MARK", "mangle", "PREROUTING -j MARK --set-xmark 0x1/0x1"),
    ("MASQUERADE", "nat", "POSTROUTING -j MASQUERADE"),
    ("NETMAP", "nat", "PREROUTING -j NETMAP --to 10.0.0.0/24"),
    ("NFLOG", "filter", "FORWARD -j NFLOG --nflog-group 9"),
    ("NOTRACK", "raw", "PREROUTING -j NOTRACK"),
    (
        "REDIRECT",
        "nat",
        "PREROUTING -p tcp -j REDIRECT --to-ports 1",
    ),
    ("REJECT", "filter", "FORWARD -j REJECT"),
    ("SET", "mangle", "PREROUTING -j SET --add-set calidiff src"),
    ("SNAT", "nat", "POSTROUTING -j SNAT --to-source 10.0.0.1"),
    (
        "TCPMSS",
        "mangle",
        "FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu",
    ),
    ("TRACE", "raw", "PREROUTING -j TRACE"),
];
