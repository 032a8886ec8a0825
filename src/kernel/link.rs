//! A node's interfaces as TUN devices, its addresses and routes.
//!
//! What is written to a TUN device runs through the stack to its end inside the system call
//! (drivers/net/tun.c, `tun_get_user`), without a link layer, a queue or a peer.

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;

use ipnet::IpNet;
use nix::libc;
use nix::net::if_::if_nametoindex;
use rtnetlink::packet_route::route::RouteType;

use super::error::KernelError;
use super::namespace::Namespace;
use super::netlink::{Destination, Netlink};
use super::settings;
use crate::node::{Interface, Node, Route, RouteKind};
use crate::packet::InterfaceName;

/// One interface: a TUN device that lives as long as this value.
#[derive(Debug)]
pub struct Tun {
    file: File,
    name: InterfaceName,
    index: u32,
}

impl Tun {
    /// Makes the device in the namespace, down.
    fn create(namespace: &Namespace, name: InterfaceName) -> Result<Self, KernelError> {
        namespace.enter()?;
        let file = File::options()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK)
            .open("/dev/net/tun")
            .map_err(|error| KernelError::Lacks {
                what: format!("a /dev/net/tun that can be opened ({error})"),
                remedy: "modprobe tun; mkdir -p /dev/net; mknod /dev/net/tun c 10 200; \
                         chmod 666 /dev/net/tun; in a container: --device /dev/net/tun"
                    .to_owned(),
            })?;
        attach(&file, name)
            .map_err(|error| KernelError::system(format!("make the interface {name}"), error))?;
        let index = if_nametoindex(name.as_str())
            .map_err(|error| KernelError::system(format!("find the interface {name}"), error))?;
        Ok(Self { file, name, index })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> InterfaceName {
        self.name
    }

    /// Its index in its namespace.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }
}

impl AsFd for Tun {
    /// The device's descriptor, non-blocking: a write is one packet arriving, a read one that left,
    /// each beginning with its internet header.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

nix::ioctl_write_ptr_bad!(
    /// `TUNSETIFF` (include/uapi/linux/if_tun.h).
    tun_set_interface,
    nix::request_code_write!(b'T', 202, std::mem::size_of::<libc::c_int>()),
    libc::ifreq
);

fn attach(file: &File, name: InterfaceName) -> nix::Result<()> {
    // SAFETY: ifreq is plain data, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (slot, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *slot = byte.cast_signed();
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
    // SAFETY: the request outlives the call, and TUNSETIFF reads and writes one ifreq.
    unsafe { tun_set_interface(file.as_raw_fd(), &raw const request) }.map(drop)
}

/// The interfaces of a namespace, shaped after a node.
pub struct Links {
    netlink: Netlink,
    tuns: Vec<Tun>,
    node: Option<Node>,
}

impl Links {
    /// Prepares a namespace that has no interface but `lo`: the settings that every node shares, and
    /// `lo` up.
    ///
    /// # Errors
    ///
    /// Any but [`KernelError::Tool`].
    pub fn prepare(namespace: &Namespace) -> Result<Self, KernelError> {
        settings::write_common(namespace)?;
        let netlink = Netlink::connect(namespace)?;
        let index = if_nametoindex("lo")
            .map_err(|error| KernelError::system("find the interface lo", error))?;
        netlink.set_up(index)?;
        Ok(Self {
            netlink,
            tuns: Vec::new(),
            node: None,
        })
    }

    /// Makes the namespace the node: interfaces, addresses, routes and settings. Interfaces that the
    /// node shares with the one before, by name, stay as they are, which is much faster than making
    /// them anew; nothing is done where the node is the one before.
    ///
    /// # Errors
    ///
    /// Any but [`KernelError::Tool`]; then the next call starts from nothing.
    pub fn shape(&mut self, namespace: &Namespace, node: &Node) -> Result<(), KernelError> {
        if self.node.as_ref() == Some(node) {
            return Ok(());
        }
        let before = self.node.take();
        let shaped = self.reshape(namespace, before.as_ref(), node);
        if shaped.is_ok() {
            self.node = Some(node.clone());
        } else {
            self.tuns.clear();
        }
        shaped
    }

    fn reshape(
        &mut self,
        namespace: &Namespace,
        before: Option<&Node>,
        node: &Node,
    ) -> Result<(), KernelError> {
        for route in before.iter().flat_map(|node| &node.routes) {
            if let Some(to) = self.destination(route) {
                self.netlink.remove_route(route.destination, to)?;
            }
        }
        self.tuns.retain(|tun| node.interface(tun.name).is_some());
        settings::write_forwarding(namespace, node)?;
        for interface in &node.interfaces {
            let old = before.and_then(|node| node.interface(interface.name));
            let old = old.map_or(&[][..], |interface| &interface.addresses);
            self.shape_interface(namespace, old, interface)?;
        }
        for route in &node.routes {
            let to = self.destination(route).ok_or_else(|| {
                let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
                let doing = format!("find the interface of the route to {}", route.destination);
                KernelError::system(doing, missing)
            })?;
            self.netlink.add_route(route.destination, to)?;
        }
        Ok(())
    }

    fn shape_interface(
        &mut self,
        namespace: &Namespace,
        old: &[IpNet],
        interface: &Interface,
    ) -> Result<(), KernelError> {
        let index = match self.tun(interface.name) {
            Some(tun) => tun.index,
            None => self.create(namespace, interface.name)?,
        };
        settings::write_interface(namespace, interface)?;
        let new = &interface.addresses;
        for net in old.iter().filter(|net| !new.contains(net)) {
            self.netlink.remove_address(index, *net)?;
        }
        for net in new.iter().filter(|net| !old.contains(net)) {
            self.netlink.add_address(index, *net)?;
        }
        Ok(())
    }

    fn create(&mut self, namespace: &Namespace, name: InterfaceName) -> Result<u32, KernelError> {
        self.free_name(namespace, name)?;
        let tun = Tun::create(namespace, name)?;
        let index = tun.index;
        self.netlink.set_up(index)?;
        self.tuns.push(tun);
        Ok(index)
    }

    /// Takes a name from the device that the kernel itself puts into every new namespace where the
    /// module of a tunnel is loaded (`tunl0`, `ip6tnl0`, `gre0`; net/ipv4/ip_tunnel.c,
    /// `ip_tunnel_init_net`): it can't be removed, but it is down and can be renamed.
    fn free_name(&self, namespace: &Namespace, name: InterfaceName) -> Result<(), KernelError> {
        namespace.enter()?;
        match if_nametoindex(name.as_str()) {
            Ok(index) if name != InterfaceName::LOOPBACK => {
                self.netlink.rename(index, &format!("fallback{index}"))
            }
            _ => Ok(()),
        }
    }

    /// Where a route leads; `None` where its interface does not exist.
    fn destination(&self, route: &Route) -> Option<Destination> {
        Some(match route.to {
            RouteKind::Unicast { interface, via } => {
                Destination::Unicast(self.tun(interface)?.index, via)
            }
            RouteKind::Blackhole => Destination::Nowhere(RouteType::BlackHole),
            RouteKind::Unreachable => Destination::Nowhere(RouteType::Unreachable),
            RouteKind::Prohibit => Destination::Nowhere(RouteType::Prohibit),
        })
    }

    /// The node's interfaces besides `lo`, in no particular order.
    #[must_use]
    pub fn tuns(&self) -> &[Tun] {
        &self.tuns
    }

    /// The interface of a name, `lo` excepted.
    #[must_use]
    pub fn tun(&self, name: InterfaceName) -> Option<&Tun> {
        self.tuns.iter().find(|tun| tun.name == name)
    }

    /// The name of an interface's index, `lo`'s (which is always 1) too.
    #[must_use]
    pub fn name_of(&self, index: u32) -> Option<InterfaceName> {
        if index == 1 {
            return Some(InterfaceName::LOOPBACK);
        }
        let tun = self.tuns.iter().find(|tun| tun.index == index)?;
        Some(tun.name)
    }
}
