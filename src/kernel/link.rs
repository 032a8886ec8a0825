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

nix::ioctl_write_int_bad!(
    /// `TUNSETPERSIST` (include/uapi/linux/if_tun.h).
    tun_set_persistent,
    nix::request_code_write!(b'T', 203, std::mem::size_of::<libc::c_int>())
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
///
/// The node's interfaces stand on the devices in the order in which these were made, so that what the kernel
/// keeps in the order of coming up (the routes to IPv6's groups) is in the node's order. A device changes its
/// name from node to node: to remove one, the kernel waits until nobody on the whole machine can know it any
/// more (net/core/dev.c, `netdev_run_todo`), tens of milliseconds.
pub struct Links {
    netlink: Netlink,
    tuns: Vec<Tun>,
    /// Devices that the node has no interface for: down, and without addresses.
    spare: Vec<Tun>,
    node: Option<Node>,
}

impl Drop for Links {
    /// Leaves the devices to the end of their namespace, which takes all at once and has nobody wait: a device
    /// that goes with its descriptor has the process wait until nobody on the machine can know it.
    fn drop(&mut self) {
        for tun in self.tuns.iter().chain(&self.spare) {
            // SAFETY: TUNSETPERSIST reads no memory; the descriptor is a tun's and open. Where it fails, the
            // device goes with its descriptor.
            let _ = unsafe { tun_set_persistent(tun.file.as_raw_fd(), 1) };
        }
    }
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
            spare: Vec::new(),
            node: None,
        })
    }

    /// Makes the namespace the node: interfaces, addresses, routes and settings. Only what differs from the
    /// node before is changed; nothing is done where the node is the one before.
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
            self.spare.clear();
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
        let was: Vec<(usize, IpNet)> = before.into_iter().flat_map(addresses).collect();
        let new: Vec<(usize, IpNet)> = addresses(node).collect();
        let mut kept = match before {
            Some(before) if !replaces_connected(before) => common(&was, &new),
            _ => 0,
        };
        for (place, net) in was[kept..].iter().rev() {
            self.netlink.remove_address(self.tuns[*place].index, *net)?;
        }
        while self.tuns.len() > node.interfaces.len() {
            self.put_aside()?;
        }
        let mut old: Vec<Option<&Interface>> = before
            .iter()
            .flat_map(|node| &node.interfaces)
            .map(Some)
            .collect();
        if self.rename(namespace, node)? {
            old.clear();
            kept = 0;
        }
        for interface in &node.interfaces[self.tuns.len()..] {
            self.take(namespace, interface.name)?;
        }
        old.resize(node.interfaces.len(), None);
        let reset = settings::write_forwarding(namespace, before, node)?;
        for (interface, old) in node.interfaces.iter().zip(old) {
            settings::write_interface(namespace, old.filter(|_| !reset), interface)?;
        }
        for (place, net) in &new[kept..] {
            self.netlink.add_address(self.tuns[*place].index, *net)?;
        }
        self.await_addresses(node)?;
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

    /// Takes the last device out of use; it has no addresses any more.
    fn put_aside(&mut self) -> Result<(), KernelError> {
        let Some(tun) = self.tuns.pop() else {
            return Ok(());
        };
        self.netlink.set_down(tun.index)?;
        self.spare.push(tun);
        Ok(())
    }

    /// Gives each device the name of the interface that it stands for. Where the kernel renames no device
    /// that is up (before Linux 6.2), they are all made anew, and it returns so.
    fn rename(&mut self, namespace: &Namespace, node: &Node) -> Result<bool, KernelError> {
        let wanted = |place: usize| node.interfaces[place].name;
        let changing: Vec<usize> = (0..self.tuns.len())
            .filter(|place| self.tuns[*place].name != wanted(*place))
            .collect();
        // First out of each other's way.
        for place in &changing {
            let index = self.tuns[*place].index;
            let name = self.tuns[*place].name;
            let awaited = changing.iter().any(|other| wanted(*other) == name);
            if awaited && !self.netlink.rename_up(index, &format!("moving{index}"))? {
                return self.make_anew(namespace, node);
            }
        }
        for place in changing {
            let (index, name) = (self.tuns[place].index, wanted(place));
            self.free_name(namespace, name)?;
            if !self.netlink.rename_up(index, name.as_str())? {
                return self.make_anew(namespace, node);
            }
            self.tuns[place].name = name;
        }
        Ok(false)
    }

    /// Removes every device, and makes as many anew with the names that they shall have.
    fn make_anew(&mut self, namespace: &Namespace, node: &Node) -> Result<bool, KernelError> {
        let count = self.tuns.len();
        self.tuns.clear();
        self.spare.clear();
        for interface in &node.interfaces[..count] {
            self.take(namespace, interface.name)?;
        }
        Ok(true)
    }

    /// Puts a device of a name into use, behind the others.
    fn take(&mut self, namespace: &Namespace, name: InterfaceName) -> Result<(), KernelError> {
        let spare = self.spare.pop();
        if spare.as_ref().is_none_or(|spare| spare.name != name) {
            self.free_name(namespace, name)?;
        }
        let tun = match spare {
            None => Tun::create(namespace, name)?,
            Some(spare) if spare.name == name => spare,
            Some(spare) => {
                self.netlink.rename(spare.index, name.as_str())?;
                Tun { name, ..spare }
            }
        };
        self.netlink.set_up(tun.index)?;
        self.tuns.push(tun);
        Ok(())
    }

    /// Waits until the kernel has made every IPv6 address local.
    fn await_addresses(&self, node: &Node) -> Result<(), KernelError> {
        let addresses = node.interfaces.iter().flat_map(|one| &one.addresses);
        for net in addresses {
            if let IpNet::V6(net) = net {
                self.netlink.wait_until_local(net.addr())?;
            }
        }
        Ok(())
    }

    /// Takes a name from a spare device, or from the one that the kernel itself puts into every new namespace where the
    /// module of a tunnel is loaded (`tunl0`, `ip6tnl0`, `gre0`; net/ipv4/ip_tunnel.c,
    /// `ip_tunnel_init_net`): it can't be removed, but it is down and can be renamed.
    fn free_name(&mut self, namespace: &Namespace, name: InterfaceName) -> Result<(), KernelError> {
        namespace.enter()?;
        let Ok(index) = if_nametoindex(name.as_str()) else {
            return Ok(());
        };
        if name == InterfaceName::LOOPBACK {
            return Ok(());
        }
        let other = format!("fallback{index}");
        self.netlink.rename(index, &other)?;
        let spare = self.spare.iter_mut().find(|spare| spare.index == index);
        if let (Some(spare), Ok(name)) = (spare, other.parse()) {
            spare.name = name;
        }
        Ok(())
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

/// A node's addresses, each with the place of its interface, in the order in which the kernel gets them.
///
/// That order means something: the first address of a device is the one that MASQUERADE takes
/// (net/ipv4/devinet.c, `inet_select_addr`), the first one in a network its primary, and of several
/// connected routes to one network the first is followed. So a namespace that becomes another node keeps
/// only what both begin with, and gets the rest anew, as a fresh one would.
fn addresses(node: &Node) -> impl Iterator<Item = (usize, IpNet)> {
    let places = node.interfaces.iter().enumerate();
    places.flat_map(|(place, one)| one.addresses.iter().map(move |net| (place, *net)))
}

/// How many items two lists begin with alike.
fn common<T: PartialEq>(one: &[T], other: &[T]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.take_while(|(one, other)| one == other).count()
}

/// Whether a route of a node stands in the place of one that an address brought: that doesn't come back
/// with the route's end.
fn replaces_connected(node: &Node) -> bool {
    addresses(node).any(|(_, net)| {
        let mut routes = node.routes.iter();
        routes.any(|route| route.destination == net.trunc())
    })
}
