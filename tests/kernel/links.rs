//! A node's interfaces, addresses and routes, as `ip` sees them.

use std::error::Error;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::process::Command;
use std::time::{Duration, Instant};

use calidiff::kernel::{Links, Namespace};
use calidiff::node::{Interface, Node, ReversePath, Route, RouteKind};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("links::a_node_is_built", a_node_is_built),
        trial("links::a_node_becomes_another", a_node_becomes_another),
        trial(
            "links::a_changed_namespace_equals_a_fresh_one",
            a_changed_namespace_equals_a_fresh_one,
        ),
        trial("links::a_name_in_use_is_freed", a_name_in_use_is_freed),
        trial("links::a_node_keeps_quiet", a_node_keeps_quiet),
        trial(
            "links::two_namespaces_share_one_thread",
            two_namespaces_share_one_thread,
        ),
    ]
}

fn interface(name: &str, addresses: &[&str]) -> Result<Interface, Box<dyn Error>> {
    Ok(Interface {
        name: name.parse()?,
        addresses: addresses
            .iter()
            .map(|text| text.parse())
            .collect::<Result<_, _>>()?,
        reverse_path: ReversePath::Off,
        route_localnet: false,
    })
}

fn via(prefix: &str, interface: &str, hop: Option<&str>) -> Result<Route, Box<dyn Error>> {
    Ok(Route {
        destination: prefix.parse()?,
        to: RouteKind::Unicast {
            interface: interface.parse()?,
            via: hop.map(str::parse).transpose()?,
        },
    })
}

fn first_node() -> Result<Node, Box<dyn Error>> {
    let mut workload = interface("cali0ef24b1", &[])?;
    workload.reverse_path = ReversePath::Strict;
    workload.route_localnet = true;
    Ok(Node {
        name: "first".to_owned(),
        interfaces: vec![
            interface("eth0", &["172.16.1.1/24", "fd00:1::1/64"])?,
            interface("tunl0", &["10.65.0.1/32"])?,
            workload,
        ],
        routes: vec![
            via("10.65.0.2/32", "cali0ef24b1", None)?,
            via("fd00:65::2/128", "cali0ef24b1", None)?,
            via("10.65.1.0/26", "tunl0", Some("172.16.1.2"))?,
            via("0.0.0.0/0", "eth0", Some("172.16.1.254"))?,
            via("::/0", "eth0", Some("fd00:1::fe"))?,
            Route {
                destination: "10.65.0.0/26".parse()?,
                to: RouteKind::Blackhole,
            },
            Route {
                destination: "10.66.0.0/26".parse()?,
                to: RouteKind::Prohibit,
            },
            Route {
                destination: "fd00:66::/64".parse()?,
                to: RouteKind::Unreachable,
            },
        ],
        forwards_v4: true,
        forwards_v6: true,
    })
}

fn second_node() -> Result<Node, Box<dyn Error>> {
    Ok(Node {
        name: "second".to_owned(),
        interfaces: vec![
            interface("eth0", &["172.16.1.2/24"])?,
            interface("cali0ef24b1", &["fd00:2::1/64"])?,
            interface("docker0", &["172.17.0.1/16"])?,
        ],
        routes: vec![
            via("10.65.0.0/16", "docker0", None)?,
            via("fd00:2::/64", "eth0", None)?,
        ],
        forwards_v4: false,
        forwards_v6: false,
    })
}

/// Nodes between which the kernel's own order tells more than the addresses and routes themselves: which of
/// two addresses is the first, and which of two interfaces leads to a network that both are in.
fn ordered_nodes() -> Result<Vec<Node>, Box<dyn Error>> {
    let ground = |uplink: &[&str], tunnel: &[&str], bridge: &[&str]| {
        Ok::<Node, Box<dyn Error>>(Node {
            name: "ordered".to_owned(),
            interfaces: vec![
                interface("eth0", uplink)?,
                interface("tunl0", tunnel)?,
                interface("cali0ef24b1", bridge)?,
            ],
            routes: Vec::new(),
            forwards_v4: true,
            forwards_v6: true,
        })
    };
    let (one, other) = ("10.65.0.64/32", "10.65.0.65/32");
    let (near, far) = ("172.16.1.1/24", "172.16.1.2/24");
    let (six, seven) = ("fd00:1::6/64", "fd00:1::7/64");
    let mut replaced = ground(&[near, six], &[one], &[])?;
    replaced.routes = vec![
        via("172.16.1.0/24", "cali0ef24b1", None)?,
        via("fd00:1::/64", "tunl0", None)?,
    ];
    Ok(vec![
        ground(&[near, six], &[other], &[])?,
        ground(&[near, far, six, seven], &[one, other], &[])?,
        ground(&[far, near, seven, six], &[other, one], &[])?,
        ground(&[], &[], &[near, seven, one])?,
        ground(&[far, seven, one], &[one], &[near, seven, one])?,
        replaced,
    ])
}

/// Everything that `ip` and the settings say of the calling thread's namespace, without numbers
/// that count devices or time. What one device has, and the ways to one network, stay in the kernel's order.
fn seen() -> Result<String, Box<dyn Error>> {
    let mut seen = String::new();
    for arguments in [
        "-o -4 address",
        "-o -6 address",
        "-4 route show table main",
        "-6 route show table main",
        "-4 route show table local",
        "-6 route show table local",
    ] {
        let output = Command::new("ip")
            .args(arguments.split_whitespace())
            .output()?;
        assert!(output.status.success());
        let mut lines: Vec<String> = String::from_utf8(output.stdout)?
            .lines()
            .map(|line| {
                let line = line.split_once(": ").map_or(line, |(_, rest)| rest);
                line.split_whitespace().collect::<Vec<_>>().join(" ")
            })
            .collect();
        lines.sort_by_key(|line| subject(line).to_owned());
        seen.push_str(&lines.join("\n"));
        seen.push('\n');
    }
    for interface in ["all", "default", "eth0", "cali0ef24b1"] {
        for setting in [
            "rp_filter",
            "route_localnet",
            "forwarding",
            "send_redirects",
        ] {
            let path = format!("/proc/sys/net/ipv4/conf/{interface}/{setting}");
            let value = std::fs::read_to_string(&path)?;
            seen.push_str(&format!("{interface} {setting} {value}"));
        }
        let path = format!("/proc/sys/net/ipv6/conf/{interface}/forwarding");
        let value = std::fs::read_to_string(&path)?;
        seen.push_str(&format!("{interface} v6 forwarding {value}"));
    }
    Ok(seen)
}

/// What a line of `ip` is about: of an address its device, of a route its kind and network.
fn subject(line: &str) -> &str {
    let is_network = |word: &str| word == "default" || word.contains(['.', ':']);
    match line.split_once(" inet") {
        Some((device, _)) => device,
        None => line
            .split_inclusive(' ')
            .find(|word| is_network(word.trim()))
            .and_then(|word| line.find(word).map(|at| &line[..at + word.len()]))
            .unwrap_or(line),
    }
}

fn assert_lines(seen: &str, lines: &[&str]) {
    for line in lines {
        assert!(
            seen.lines().any(|found| found.starts_with(line)),
            "no line begins `{line}` in:\n{seen}"
        );
    }
}

fn a_node_is_built() -> Result<(), Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut links = Links::prepare(&namespace)?;
    links.shape(&namespace, &first_node()?)?;
    let seen = seen()?;
    assert_lines(
        &seen,
        &[
            "lo inet 127.0.0.1/8",
            "eth0 inet 172.16.1.1/24",
            "tunl0 inet 10.65.0.1/32",
            "eth0 inet6 fd00:1::1/64",
            "10.65.0.2 dev cali0ef24b1",
            "10.65.1.0/26 via 172.16.1.2 dev tunl0",
            "default via 172.16.1.254 dev eth0",
            "default via fd00:1::fe dev eth0",
            "fd00:65::2 dev cali0ef24b1",
            "blackhole 10.65.0.0/26",
            "prohibit 10.66.0.0/26",
            "unreachable fd00:66::/64",
            "local fd00:1::1 dev eth0",
            "all rp_filter 0",
            "cali0ef24b1 rp_filter 1",
            "cali0ef24b1 route_localnet 1",
            "eth0 rp_filter 0",
            "eth0 forwarding 1",
            "eth0 send_redirects 0",
            "eth0 v6 forwarding 1",
        ],
    );
    assert!(!seen.contains("fe80"), "link-local noise in:\n{seen}");
    Ok(())
}

fn shaped(nodes: &[Node]) -> Result<String, Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut links = Links::prepare(&namespace)?;
    for node in nodes {
        links.shape(&namespace, node)?;
    }
    seen()
}

fn a_node_becomes_another() -> Result<(), Box<dyn Error>> {
    let seen = shaped(&[first_node()?, second_node()?])?;
    assert_lines(
        &seen,
        &[
            "eth0 inet 172.16.1.2/24",
            "docker0 inet 172.17.0.1/16",
            "10.65.0.0/16 dev docker0",
            "fd00:2::/64 dev eth0",
            "cali0ef24b1 rp_filter 0",
            "eth0 forwarding 0",
        ],
    );
    for gone in ["tunl0", "172.16.1.1", "blackhole", "10.66.0.0"] {
        assert!(!seen.contains(gone), "`{gone}` is left in:\n{seen}");
    }
    Ok(())
}

fn a_changed_namespace_equals_a_fresh_one() -> Result<(), Box<dyn Error>> {
    let (first, second) = (first_node()?, second_node()?);
    let changed = shaped(&[first.clone(), second.clone(), first.clone()])?;
    assert_eq!(changed, shaped(std::slice::from_ref(&first))?);
    let changed = shaped(&[second.clone(), first, second.clone()])?;
    assert_eq!(changed, shaped(&[second])?);
    let nodes = ordered_nodes()?;
    for node in &nodes {
        let fresh = shaped(std::slice::from_ref(node))?;
        for before in &nodes {
            let changed = shaped(&[before.clone(), node.clone()])?;
            assert_eq!(changed, fresh, "after {before:#?}");
        }
    }
    Ok(())
}

fn a_name_in_use_is_freed() -> Result<(), Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut owner = Links::prepare(&namespace)?;
    owner.shape(
        &namespace,
        &Node {
            name: "fallback".to_owned(),
            interfaces: vec![interface("tunl0", &[])?],
            routes: Vec::new(),
            forwards_v4: true,
            forwards_v6: true,
        },
    )?;
    let down = Command::new("ip")
        .args(["link", "set", "tunl0", "down"])
        .status()?;
    assert!(down.success());
    let mut links = Links::prepare(&namespace)?;
    links.shape(&namespace, &first_node()?)?;
    assert_lines(&seen()?, &["tunl0 inet 10.65.0.1/32"]);
    Ok(())
}

fn two_namespaces_share_one_thread() -> Result<(), Box<dyn Error>> {
    let here = Namespace::create()?;
    let mut links_here = Links::prepare(&here)?;
    let there = Namespace::create()?;
    let mut links_there = Links::prepare(&there)?;
    links_here.shape(&here, &first_node()?)?;
    links_there.shape(&there, &second_node()?)?;
    here.enter()?;
    assert_lines(&seen()?, &["eth0 inet 172.16.1.1/24", "eth0 forwarding 1"]);
    there.enter()?;
    assert_lines(&seen()?, &["eth0 inet 172.16.1.2/24", "eth0 forwarding 0"]);
    Ok(())
}

/// The packets that leave by the node's interfaces within a time.
fn leaving(links: &Links, time: Duration) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let mut packets = Vec::new();
    let end = Instant::now() + time;
    while Instant::now() < end {
        for tun in links.tuns() {
            let mut file = File::from(tun.as_fd().try_clone_to_owned()?);
            let mut packet = vec![0; 2048];
            match file.read(&mut packet) {
                Ok(bytes) => packets.push(packet[..bytes].to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(packets)
}

/// What the kernel sends by itself would be counted by the rules; a router's reports of the groups
/// that it is in (MLD) go on for a second where nothing is done about it.
fn a_node_keeps_quiet() -> Result<(), Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut links = Links::prepare(&namespace)?;
    links.shape(&namespace, &first_node()?)?;
    // What left while the links came up was before any rules.
    for tun in links.tuns() {
        while File::from(tun.as_fd().try_clone_to_owned()?)
            .read(&mut [0; 2048])
            .is_ok()
        {}
    }
    let said = leaving(&links, Duration::from_millis(2_500))?;
    assert!(said.is_empty(), "{} packets: {said:02x?}", said.len());
    Ok(())
}
