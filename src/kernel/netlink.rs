//! Links, addresses and routes of one namespace, over rtnetlink.
//!
//! The socket is opened in the namespace and stays with it, wherever the thread goes later. Requests
//! are awaited one by one: each is answered before the call returns.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use ipnet::IpNet;
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage,
};
use rtnetlink::packet_route::route::{RouteMessage, RouteScope, RouteType};
use rtnetlink::{AddressMessageBuilder, LinkMessageBuilder, LinkUnspec, RouteMessageBuilder};
use tokio::runtime::Runtime;

use super::error::KernelError;
use super::namespace::Namespace;

/// The metric of every IPv6 route, connected ones included (`IP6_RT_PRIO_ADDRCONF`): so a route
/// written for a connected prefix takes its place, as it does in IPv4.
const IPV6_METRIC: u32 = 256;

/// How long the kernel may take to make a new IPv6 address local.
const ADDRESS_PATIENCE: Duration = Duration::from_secs(5);

/// A route, with its interface by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// Out of an interface, by a next hop or straight on.
    Unicast(u32, Option<IpAddr>),
    /// Nowhere.
    Nowhere(RouteType),
}

/// An rtnetlink connection to one namespace.
pub(super) struct Netlink {
    runtime: Runtime,
    handle: rtnetlink::Handle,
}

impl Netlink {
    /// Connects to the namespace.
    pub(super) fn connect(namespace: &Namespace) -> Result<Self, KernelError> {
        namespace.enter()?;
        let doing = "open an rtnetlink socket";
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| KernelError::system(doing, error))?;
        let guard = runtime.enter();
        let (connection, handle, _) =
            rtnetlink::new_connection().map_err(|error| KernelError::system(doing, error))?;
        drop(guard);
        runtime.spawn(connection);
        Ok(Self { runtime, handle })
    }

    fn wait<T>(
        &self,
        doing: impl FnOnce() -> String,
        request: impl Future<Output = Result<T, rtnetlink::Error>>,
    ) -> Result<T, KernelError> {
        self.runtime
            .block_on(request)
            .map_err(|source| KernelError::Netlink {
                doing: doing(),
                source,
            })
    }

    /// Brings a link up.
    pub(super) fn set_up(&self, index: u32) -> Result<(), KernelError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(index)
            .up()
            .build();
        self.wait(
            || format!("bring link {index} up"),
            self.handle.link().set(message).execute(),
        )
    }

    /// Takes a link down; its IPv6 addresses and all of its routes go.
    pub(super) fn set_down(&self, index: u32) -> Result<(), KernelError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(index)
            .down()
            .build();
        self.wait(
            || format!("take link {index} down"),
            self.handle.link().set(message).execute(),
        )
    }

    /// Gives a link that is up another name, and returns whether the kernel does such a thing.
    pub(super) fn rename_up(&self, index: u32, name: &str) -> Result<bool, KernelError> {
        match self.rename(index, name) {
            Ok(()) => Ok(true),
            Err(KernelError::Netlink {
                source: rtnetlink::Error::NetlinkError(message),
                ..
            }) if message.raw_code() == -nix::libc::EBUSY => Ok(false),
            Err(other) => Err(other),
        }
    }

    /// Gives a link another name; before Linux 6.2 it must be down.
    pub(super) fn rename(&self, index: u32, name: &str) -> Result<(), KernelError> {
        let message = LinkMessageBuilder::<LinkUnspec>::new()
            .index(index)
            .name(name)
            .build();
        self.wait(
            || format!("rename link {index} to {name}"),
            self.handle.link().set(message).execute(),
        )
    }

    /// Adds an address to a link; an IPv6 address may take a while to become local
    /// ([`Netlink::wait_until_local`]).
    pub(super) fn add_address(&self, index: u32, net: IpNet) -> Result<(), KernelError> {
        let mut request = self
            .handle
            .address()
            .add(index, net.addr(), net.prefix_len());
        if net.addr().is_ipv6() {
            let message = request.message_mut();
            message.header.flags |= AddressHeaderFlags::Nodad;
            message
                .attributes
                .push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        self.wait(|| format!("add address {net}"), request.execute())
    }

    /// The kernel makes an IPv6 address local in a work queue (net/ipv6/addrconf.c,
    /// `addrconf_dad_work`), after it has answered.
    pub(super) fn wait_until_local(&self, address: Ipv6Addr) -> Result<(), KernelError> {
        let give_up = Instant::now() + ADDRESS_PATIENCE;
        while !self.is_local(address)? {
            if Instant::now() > give_up {
                let late = std::io::Error::from(std::io::ErrorKind::TimedOut);
                return Err(KernelError::system(format!("make {address} local"), late));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    fn is_local(&self, address: Ipv6Addr) -> Result<bool, KernelError> {
        let query = RouteMessageBuilder::<Ipv6Addr>::new()
            .destination_prefix(address, 128)
            .build();
        let mut routes = std::pin::pin!(self.handle.route().get(query).execute());
        let doing = || format!("look up the route to {address}");
        let route = self.wait(doing, async { routes.next().await.transpose() });
        match route {
            Ok(route) => Ok(route.is_some_and(|route| route.header.kind == RouteType::Local)),
            // Not yet routed at all: the lookup itself is answered with an error.
            Err(_) => Ok(false),
        }
    }

    /// Removes an address.
    pub(super) fn remove_address(&self, index: u32, net: IpNet) -> Result<(), KernelError> {
        let message: AddressMessage = match net {
            IpNet::V4(net) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(net.addr(), net.prefix_len())
                .build(),
            IpNet::V6(net) => AddressMessageBuilder::<Ipv6Addr>::new()
                .index(index)
                .address(net.addr(), net.prefix_len())
                .build(),
        };
        self.wait(
            || format!("remove address {net}"),
            self.handle.address().del(message).execute(),
        )
    }

    /// Adds a route to the main table, in the place of one to the same prefix.
    pub(super) fn add_route(&self, prefix: IpNet, to: Destination) -> Result<(), KernelError> {
        self.wait(
            || format!("add the route to {prefix}"),
            self.handle
                .route()
                .add(route_message(prefix, to))
                .replace()
                .execute(),
        )
    }

    /// Removes a route; that it is gone already, with its interface or its last address, is no error.
    pub(super) fn remove_route(&self, prefix: IpNet, to: Destination) -> Result<(), KernelError> {
        let removed = self.wait(
            || format!("remove the route to {prefix}"),
            self.handle.route().del(route_message(prefix, to)).execute(),
        );
        match removed {
            Err(KernelError::Netlink {
                source: rtnetlink::Error::NetlinkError(message),
                ..
            }) if message.raw_code() == -nix::libc::ESRCH => Ok(()),
            other => other,
        }
    }
}

/// A route's message. A next hop counts as reachable by its interface (`onlink`), as Calico's are.
fn route_message(prefix: IpNet, to: Destination) -> RouteMessage {
    let prefix = prefix.trunc();
    let mut builder = RouteMessageBuilder::<IpAddr>::new().kind(RouteType::Unicast);
    // The only error is an impossible prefix length, which IpNet rules out.
    if let Ok(complete) = builder
        .clone()
        .destination_prefix(prefix.addr(), prefix.prefix_len())
    {
        builder = complete;
    }
    if prefix.addr().is_ipv6() {
        builder = builder.priority(IPV6_METRIC);
    }
    match to {
        Destination::Nowhere(kind) => builder.kind(kind).build(),
        Destination::Unicast(index, None) => {
            let scope = match prefix {
                IpNet::V4(_) => RouteScope::Link,
                IpNet::V6(_) => RouteScope::Universe,
            };
            builder.output_interface(index).scope(scope).build()
        }
        Destination::Unicast(index, Some(hop)) => {
            let builder = builder.output_interface(index).onlink();
            builder.clone().gateway(hop).unwrap_or(builder).build()
        }
    }
}
