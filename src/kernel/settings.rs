//! The kernel's settings (sysctls) inside a namespace.
//!
//! /proc/sys/net shows the namespace of the thread that opens a file, so every write follows
//! [`Namespace::enter`]. New namespaces inherit the host's `net.ipv4.conf` (devinet.c,
//! `devinet_init_net`), therefore all that changes a packet's way is written, the defaults too.

use std::fs::File;
use std::io::{ErrorKind, Write};

use super::error::KernelError;
use super::namespace::Namespace;
use crate::node::{Interface, Node, ReversePath};

/// Settings of a namespace that are the same for every node, written before it has interfaces.
///
/// * ICMP limits off, the global one through the mask too: else REJECT stops answering under load.
/// * No redirects: transit that leaves the way it came would send one, then none.
/// * No router advertisements, duplicate address detection, solicitations, or link-local addresses
///   of the kernel's own making: they are packets that nobody sent.
/// * A router reports the groups that it is in, twice, and rules count that. In version 1 of the protocol
///   the first report leaves while the link comes up, before there are rules, and the second at a random
///   time within this many milliseconds: in 12 days on average (mcast.c, `igmp6_join_group`).
/// * No memory for fragments: a lone fragment ends at reassembly at once instead of waiting 30 s to
///   expire in another packet's time (inet_fragment.c, `inet_frag_find`; the low mark first, because
///   the high one can't go below it).
/// * `net.ipv6.conf`'s `all` changes what exists, `default` what comes later.
const SETTINGS: &[(&str, &str)] = &[
    ("ipv4/icmp_ratelimit", "0"),
    ("ipv4/icmp_ratemask", "0"),
    ("ipv6/icmp/ratelimit", "0"),
    ("ipv6/icmp/ratemask", "\n"),
    ("ipv4/ip_default_ttl", "64"),
    ("ipv4/ipfrag_low_thresh", "0"),
    ("ipv4/ipfrag_high_thresh", "0"),
    ("ipv6/ip6frag_low_thresh", "0"),
    ("ipv6/ip6frag_high_thresh", "0"),
    ("ipv6/conf/all/disable_ipv6", "0"),
    ("ipv6/conf/default/disable_ipv6", "0"),
    ("ipv6/conf/all/accept_ra", "0"),
    ("ipv6/conf/default/accept_ra", "0"),
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    ("ipv6/conf/all/autoconf", "0"),
    ("ipv6/conf/default/autoconf", "0"),
    ("ipv6/conf/all/router_solicitations", "0"),
    ("ipv6/conf/default/router_solicitations", "0"),
    ("ipv6/conf/all/addr_gen_mode", "1"),
    ("ipv6/conf/default/addr_gen_mode", "1"),
    ("ipv6/conf/default/force_mld_version", "1"),
    (
        "ipv6/conf/default/mldv1_unsolicited_report_interval",
        "2147483647",
    ),
];

/// The settings of `net.ipv4.conf`, the same for `all`, `default` and, by inheriting, every
/// interface. Written after `ip_forward`, which resets some of them (devinet.c, `inet_forward_change`).
const IPV4_CONF: &[(&str, &str)] = &[
    ("accept_local", "0"),
    ("accept_redirects", "0"),
    ("accept_source_route", "0"),
    ("log_martians", "0"),
    ("route_localnet", "0"),
    ("rp_filter", "0"),
    ("send_redirects", "0"),
    ("src_valid_mark", "0"),
];

/// Settings that only exist where the kernel has conntrack or its IPv6 reassembly.
const CONNTRACK: &[(&str, &str)] = &[
    ("netfilter/nf_conntrack_checksum", "1"),
    ("netfilter/nf_conntrack_tcp_loose", "1"),
    ("netfilter/nf_conntrack_tcp_be_liberal", "1"),
    ("netfilter/nf_conntrack_log_invalid", "0"),
    ("netfilter/nf_conntrack_frag6_low_thresh", "0"),
    ("netfilter/nf_conntrack_frag6_high_thresh", "0"),
];

/// Writes what every node shares; once, in a namespace that has no interface but `lo`.
///
/// # Errors
///
/// [`KernelError::System`] where a setting that the kernel must have can't be written.
pub(super) fn write_common(namespace: &Namespace) -> Result<(), KernelError> {
    namespace.enter()?;
    for (path, value) in SETTINGS {
        write(path, value)?;
    }
    for (path, value) in CONNTRACK {
        write_where_present(path, value)?;
    }
    Ok(())
}

/// Writes whether the node forwards, where the one before did otherwise, and puts back what that resets,
/// the interfaces' own too; returns whether it did. A write tries again and again while anybody on the
/// machine changes a link (net/ipv4/devinet.c, `devinet_sysctl_forward`).
///
/// # Errors
///
/// As [`write_common`].
pub(super) fn write_forwarding(
    namespace: &Namespace,
    before: Option<&Node>,
    node: &Node,
) -> Result<bool, KernelError> {
    let forwards = |node: &Node| (node.forwards_v4, node.forwards_v6);
    if before.map(forwards) == Some(forwards(node)) {
        return Ok(false);
    }
    namespace.enter()?;
    let flag = |on: bool| if on { "1" } else { "0" };
    write("ipv4/ip_forward", flag(node.forwards_v4))?;
    for whose in ["all", "default"] {
        let path = format!("ipv6/conf/{whose}/forwarding");
        write(&path, flag(node.forwards_v6))?;
        for (name, value) in IPV4_CONF {
            write(&format!("ipv4/conf/{whose}/{name}"), value)?;
        }
    }
    Ok(true)
}

/// Writes the settings of one interface where they differ from those of the one for which its device
/// stood before; of a new device all.
///
/// # Errors
///
/// As [`write_common`].
pub(super) fn write_interface(
    namespace: &Namespace,
    before: Option<&Interface>,
    interface: &Interface,
) -> Result<(), KernelError> {
    namespace.enter()?;
    let reverse_path = match interface.reverse_path {
        ReversePath::Off => "0",
        ReversePath::Strict => "1",
        ReversePath::Loose => "2",
    };
    let route_localnet = if interface.route_localnet { "1" } else { "0" };
    let conf = format!("ipv4/conf/{}", interface.name);
    if before.is_none() {
        for (name, value) in IPV4_CONF {
            write(&format!("{conf}/{name}"), value)?;
        }
    }
    if before.is_none_or(|before| before.reverse_path != interface.reverse_path) {
        write(&format!("{conf}/rp_filter"), reverse_path)?;
    }
    if before.is_none_or(|before| before.route_localnet != interface.route_localnet) {
        write(&format!("{conf}/route_localnet"), route_localnet)?;
    }
    Ok(())
}

fn write(path: &str, value: &str) -> Result<(), KernelError> {
    let path = format!("/proc/sys/net/{path}");
    File::options()
        .write(true)
        .open(&path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|error| KernelError::system(format!("write {value} to {path}"), error))
}

fn write_where_present(path: &str, value: &str) -> Result<(), KernelError> {
    match write(path, value) {
        Err(KernelError::System { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
