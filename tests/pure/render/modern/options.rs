//! What hangs on an option, or on a field, and what does not.

use calidiff::packet::Family;
use calidiff::render::Unrendered;
use calidiff::render::modern::render;
use calidiff::xtables::{Firewall, TableName, ipset};

use super::super::{alone, lines};
use super::worlds;

/// What is programmed for resources on a node without IPVS.
fn programmed(resources: &str) -> Result<Firewall, Unrendered> {
    Ok(alone(render(
        &worlds::world(resources),
        &worlds::node(false),
    )?))
}

/// The same for parameters of Felix's.
fn told(parameters: &str) -> Result<Firewall, Unrendered> {
    programmed(&format!(
        "apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {{name: default}}
spec: {{{parameters}}}
"
    ))
}

/// How the rules with a word in them end, of a chain in filter.
fn ends(firewall: &Firewall, family: Family, chain: &str, word: &str) -> Vec<String> {
    let lines = lines(firewall, family, TableName::Filter, chain).into_iter();
    let ends = lines.filter(|line| line.contains(word)).map(|line| {
        let from = line.find(" -j ").map_or(0, |at| at + 4);
        line[from..].to_owned()
    });
    ends.collect()
}

/// Of what comes in by VXLAN from strangers, IPv6's is denied as everything else is, and IPv4's dropped
/// (felix, rules/static.go, `filterInputChain`).
#[test]
fn ipv4_vxlan_from_strangers_is_dropped_whatever_the_deny_action() -> Result<(), Unrendered> {
    let pools = "
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: v4}
spec: {cidr: 10.65.0.0/16, vxlanMode: Always}
---
apiVersion: projectcalico.org/v3
kind: IPPool
metadata: {name: v6}
spec: {cidr: \"fd00:65::/112\", vxlanMode: Always, blockSize: 122}
";
    let reject = "
---
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {iptablesFilterDenyAction: Reject}
";
    for (reject, v4, v6, word) in [
        ("", "DROP", "DROP", "Drop"),
        (
            reject,
            "DROP",
            "REJECT --reject-with icmp6-port-unreachable",
            "Reject",
        ),
    ] {
        let firewall = programmed(&format!("{pools}{reject}"))?;
        for (family, says, end) in [
            (Family::V4, "Drop IPv4 VXLAN".to_owned(), v4),
            (Family::V6, format!("{word} IPv6 VXLAN"), v6),
        ] {
            let found = ends(&firewall, family, "cali-INPUT", &says);
            assert_eq!(found, [end], "{says}");
        }
    }
    Ok(())
}

/// Where nothing hints at OpenStack nobody is led to its metadata service, though an address of it is known: by
/// default it is the node itself (felix, rules/static.go, `StaticNATPreroutingChains`).
#[test]
fn the_metadata_service_is_translated_to_for_openstack_alone() -> Result<(), Unrendered> {
    for (parameters, to) in [
        ("", None),
        ("metadataAddr: 127.0.0.1", None),
        ("metadataAddr: 10.0.0.5", Some("10.0.0.5:8775")),
        ("interfacePrefix: tap", Some("127.0.0.1:8775")),
    ] {
        let firewall = told(parameters)?;
        for family in Family::BOTH {
            let lines = lines(&firewall, family, TableName::Nat, "cali-PREROUTING");
            let dnat = lines.iter().find(|line| line.contains(" -j DNAT "));
            let found = dnat.and_then(|line| line.rsplit(' ').next());
            let expected = to.filter(|_| family == Family::V4);
            assert_eq!(found, expected, "{parameters}, {family:?}");
        }
    }
    Ok(())
}

/// A port's name stands for the ports of the rule's protocol that are called so, and for no others.
#[test]
fn a_named_ports_set_holds_the_ports_of_its_protocol() -> Result<(), Unrendered> {
    let workload = "
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: here-k8s-dns-eth0, namespace: shop}
spec:
  node: here
  orchestrator: k8s
  pod: dns
  endpoint: eth0
  interfaceName: cali1
  ipNetworks: [10.65.0.1/32]
  ports:
  - {name: dns, protocol: TCP, port: 5301}
  - {name: dns, protocol: UDP, port: 5302}
  - {name: dns, protocol: SCTP, port: 5303}
  - {name: other, protocol: UDP, port: 5304}
";
    for (protocol, member) in [
        ("TCP", "10.65.0.1,tcp:5301"),
        ("UDP", "10.65.0.1,udp:5302"),
        ("SCTP", "10.65.0.1,sctp:5303"),
    ] {
        let policy = format!(
            "---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {{name: p}}
spec:
  types: [Ingress]
  ingress: [{{action: Allow, protocol: {protocol}, destination: {{ports: [dns]}}}}]
"
        );
        let firewall = programmed(&format!("{workload}{policy}"))?;
        let sets = ipset::print_save(&firewall.sets);
        let members = sets
            .lines()
            .filter(|line| line.starts_with("add cali40n:"))
            .filter_map(|line| line.rsplit(' ').next());
        assert_eq!(members.collect::<Vec<_>>(), [member], "{protocol}");
    }
    Ok(())
}
