//! Node files: YAML, read and written.

use std::collections::BTreeSet;

use ipnet::IpNet;

use super::yaml::{WrongYaml, Yaml};
use super::{Node, RouteKind};
use crate::packet::{Family, InterfaceName};

/// Reads a node's file.
///
/// # Errors
///
/// [`WrongYaml`] where the text is no YAML, has fields that a node lacks or lacks those that it has,
/// or speaks of interfaces that are not there.
pub fn read(file: &str, text: &str) -> Result<Node, Box<WrongYaml>> {
    let file = Yaml { name: file, text };
    let node = file.read()?;
    check(&node, &file)?;
    Ok(node)
}

/// Whether a node that was read from a file is whole.
///
/// # Errors
///
/// [`WrongYaml`] where an interface or address is there twice, or a route leads nowhere.
pub fn check(node: &Node, file: &Yaml<'_>) -> Result<(), Box<WrongYaml>> {
    let mut names = BTreeSet::from([InterfaceName::LOOPBACK]);
    for interface in &node.interfaces {
        if !names.insert(interface.name) {
            let problem = match interface.name {
                InterfaceName::LOOPBACK => "every node has `lo`; it is not listed".to_owned(),
                name => format!("the interface `{name}` is here twice"),
            };
            return Err(file.wrong_value("name", interface.name.as_str(), problem));
        }
    }
    let mut addresses = BTreeSet::new();
    for (_, net) in node.addresses() {
        if !addresses.insert(net.addr()) {
            let problem = format!("the address {} is here twice", net.addr());
            return Err(file.wrong_value("addresses", &net.addr().to_string(), problem));
        }
    }
    node.routes.iter().try_for_each(|route| {
        let net = route.destination;
        if net != net.trunc() {
            let problem = format!(
                "`{net}` has bits behind its prefix; did you mean {}?",
                net.trunc()
            );
            return Err(file.wrong_value("destination", &net.to_string(), problem));
        }
        check_target(net, route.to, &names, file)
    })
}

fn check_target(
    destination: IpNet,
    to: RouteKind,
    names: &BTreeSet<InterfaceName>,
    file: &Yaml<'_>,
) -> Result<(), Box<WrongYaml>> {
    let RouteKind::Unicast { interface, via } = to else {
        return Ok(());
    };
    if !names.contains(&interface) {
        let problem = format!("a route leads out of `{interface}`, which is no interface here");
        return Err(file.wrong_value("interface", interface.as_str(), problem));
    }
    match via {
        Some(via) if Family::of(via) != Family::of(destination.addr()) => {
            let problem = format!("{destination} can't be reached via {via}, of the other family");
            Err(file.wrong_value("via", &via.to_string(), problem))
        }
        _ => Ok(()),
    }
}

/// Writes a node as a file that [`read`] reads.
///
/// # Errors
///
/// Where the YAML writer fails, which no node makes it do.
pub fn write(node: &Node) -> Result<String, serde_saphyr::ser::Error> {
    serde_saphyr::to_string(node)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "\
name: slave1
interfaces:
  - name: eth0
    addresses: [192.168.39.110/24, fd00::1/64]
    reverse_path: strict
  - name: cali0ef24b1
routes:
  - destination: 172.16.1.1/32
    to:
      unicast:
        interface: cali0ef24b1
  - destination: 0.0.0.0/0
    to:
      unicast:
        interface: eth0
        via: 192.168.39.1
  - destination: 10.0.0.0/8
    to: blackhole
";

    fn complaint(text: &str) -> String {
        match read("node.yaml", text) {
            Ok(node) => format!("read as {node:?}"),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn a_node_is_read_as_it_is_written() -> Result<(), Box<dyn std::error::Error>> {
        let node = read("node.yaml", NODE)?;
        assert_eq!(node.interfaces.len(), 2);
        assert_eq!(node.routes.len(), 3);
        assert!(node.forwards_v4);
        assert_eq!(read("again.yaml", &write(&node)?)?, node);
        Ok(())
    }

    #[test]
    fn errors_point_at_file_line_and_column() {
        let unknown = NODE.replace("reverse_path", "reverse_pth");
        let complaint_of_unknown = complaint(&unknown);
        assert!(
            complaint_of_unknown.starts_with("node.yaml:5:5: "),
            "{complaint_of_unknown}"
        );
        assert!(
            complaint_of_unknown.contains("reverse_pth"),
            "{complaint_of_unknown}"
        );
        let bad_address = complaint(&NODE.replace("192.168.39.110/24", "192.168.39.310/24"));
        assert!(bad_address.starts_with("node.yaml:4:17: "), "{bad_address}");
        assert_eq!(
            complaint(&NODE.replace("interface: eth0", "interface: eth1")),
            "node.yaml:15:20: a route leads out of `eth1`, which is no interface here"
        );
        assert_eq!(
            complaint(&NODE.replace("name: cali0ef24b1", "name: eth0")),
            "node.yaml:6:11: the interface `eth0` is here twice"
        );
        assert_eq!(
            complaint(&NODE.replace("10.0.0.0/8", "10.1.0.0/8")),
            "node.yaml:17:18: `10.1.0.0/8` has bits behind its prefix; did you mean 10.0.0.0/8?"
        );
    }
}
