//! Nodes that together use everything that the layout has a shape for.

use calidiff::calico::read::read;
use calidiff::calico::{World, resolve};
use calidiff::node::{Interface, Node, ReversePath};
use calidiff::packet::InterfaceName;

/// Resources with all kinds of endpoints and policies.
const NODE: &str = include_str!("node.yaml");

/// An interface with these addresses.
fn interface(name: &str, addresses: &[&str]) -> Interface {
    let name: InterfaceName = name.parse().expect("an interface's name");
    let addresses = addresses.iter();
    Interface {
        name,
        addresses: addresses
            .map(|text| text.parse().expect("a prefix"))
            .collect(),
        reverse_path: ReversePath::Off,
        route_localnet: false,
    }
}

/// A node with two uplinks, and IPVS if it is asked for.
pub fn node(with_ipvs: bool) -> Node {
    let mut interfaces = vec![
        interface("lo", &["127.0.0.1/8", "::1/128"]),
        interface("eth0", &["192.168.1.1/24", "fd00:1::1/64"]),
        interface("eth1", &["192.168.2.1/24"]),
    ];
    if with_ipvs {
        interfaces.push(interface("kube-ipvs0", &["10.96.0.1/32"]));
    }
    Node {
        name: "here".to_owned(),
        interfaces,
        routes: Vec::new(),
        forwards_v4: true,
        forwards_v6: true,
    }
}

/// The world of resources, on that node.
pub fn world(resources: &str) -> World {
    let resources = read("resources", resources).unwrap_or_else(|wrong| panic!("{wrong}"));
    resolve(&resources, "here")
}

/// The resources with everything, and with parameters of Felix's besides.
pub fn with(parameters: &str) -> World {
    let spec = "  interfacePrefix: cali,tap\n";
    assert!(NODE.contains(spec));
    world(&NODE.replacen(spec, &format!("{spec}{parameters}"), 1))
}

/// Worlds by name, each with its node: those of which both backends take every rule.
pub fn all() -> Vec<(&'static str, World, Node)> {
    let options = "  chainInsertMode: Append
  iptablesFilterAllowAction: Return
  iptablesMangleAllowAction: Return
  disableConntrackInvalidCheck: true
  vxlanEnabled: true
  vxlanPort: 8472
  allowVXLANPacketsFromWorkloads: true
  allowIPIPPacketsFromWorkloads: true
  wireguardEnabledV6: true
  wireguardInterfaceName: wg+
  iptablesMarkMask: 0xff0000ff
  iptablesNATOutgoingInterfaceFilter: eth+
  kubeNodePortRanges: [80, 30000:32767]
  flowLogsLocalReporter: Enabled
  metadataAddr: 10.0.0.5
";
    vec![
        ("nothing", world(""), node(false)),
        ("everything", with(""), node(false)),
        ("other options, and IPVS", with(options), node(true)),
        (
            "an address for outgoing NAT",
            {
                let mut world = with("  natOutgoingAddress: 192.0.2.9\n");
                world.configuration.ipv6 = false;
                world
            },
            node(false),
        ),
    ]
}
