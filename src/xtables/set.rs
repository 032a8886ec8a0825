//! ipset's sets as typed values.

use std::net::IpAddr;

use super::matches::PortRange;
use crate::packet::{Family, InterfaceName, Protocol};

/// One dimension of a set's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// `ip`: one address (after the set's netmask).
    Ip,
    /// `net`: a prefix.
    Net,
    /// `port`: protocol and port, or ICMP type and code.
    Port,
    /// `mac`: a link-layer address.
    Mac,
    /// `iface`: an interface's name.
    Interface,
    /// `mark`: a packet mark.
    Mark,
    /// `set`: another set's name (of `list:set`).
    Set,
}

/// How a set stores its elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `bitmap`.
    Bitmap,
    /// `hash`.
    Hash,
    /// `list`.
    List,
}

/// One part of an element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// An address, or a prefix of one: 32 or 128 bits for a single address.
    Net(ipnet::IpNet),
    /// A range of addresses, both ends included (a bitmap's, or what `add` was given).
    Addresses(IpAddr, IpAddr),
    /// Protocol and ports: `tcp:80`, `udp:53-54`; without protocol in a `bitmap:port`.
    Port(Option<Protocol>, PortRange),
    /// ICMP type and code: `icmp:8/0`, `icmpv6:128/0`.
    Icmp(Protocol, u8, u8),
    /// A link-layer address.
    Mac([u8; 6]),
    /// An interface, `physdev:` before it or not.
    Interface {
        /// Its name.
        name: InterfaceName,
        /// Whether it is a bridge's port.
        physdev: bool,
    },
    /// A packet mark.
    Mark(u32),
    /// A set's name.
    Set(String),
}

/// One element of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// Its parts, one a dimension.
    pub parts: Vec<Part>,
    /// `nomatch`: an exception.
    pub nomatch: bool,
    /// Extensions (`timeout 30`, `packets 1`, `comment "x"`, `skbmark …`) to the letter, one word an
    /// element, quotes removed.
    pub extensions: Vec<String>,
}

/// One set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Its name, up to 31 bytes.
    pub name: String,
    /// How it stores.
    pub method: Method,
    /// What its elements are made of.
    pub dimensions: Vec<Dimension>,
    /// The family of its addresses; of sets without, IPv4.
    pub family: Family,
    /// `netmask`: how many leading bits of an `ip` count.
    pub netmask: Option<u8>,
    /// `markmask`.
    pub markmask: Option<u32>,
    /// `range` of a bitmap.
    pub range: Option<Part>,
    /// The other options (`hashsize 1024`, `maxelem 65536`, `timeout 0`, `counters`, …) to the
    /// letter in order, one word an element.
    pub options: Vec<String>,
    /// Its elements in the order given.
    pub elements: Vec<Element>,
}
