//! What the chains of a dump stand for, as people see it.

use std::path::Path;

use super::{calidiff, folder_with, refusal};

/// A rule out of place in a policy's chain, by which a packet is dropped.
const DUMP: &str = "\
*filter
:cali-FORWARD - [0:0]
:cali-po-_rWDSk9LLgWIl_lpnJE2 - [0:0]
:cali-pi-first/first.closed - [0:0]
-A FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" -j cali-FORWARD
-A cali-FORWARD -j cali-po-_rWDSk9LLgWIl_lpnJE2
-A cali-po-_rWDSk9LLgWIl_lpnJE2 -j cali-pi-first/first.closed
-A cali-pi-first/first.closed -p udp -j DROP
COMMIT
";

const AGENT: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: { name: knp.default.konnectivity-agent, namespace: kube-system }
spec: { types: [Egress] }
";

const CLOSED: &str = "\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: { name: first.closed }
spec: { tier: first, ingress: [{ action: Deny }] }
";

const TIER: &str = "\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: { name: first }
spec: { order: 1 }
";

fn resources(folder: &Path, files: &[(&str, &str)]) {
    let resources = folder.join("policies");
    std::fs::create_dir(&resources).expect("a writable folder");
    for (name, text) in files {
        std::fs::write(resources.join(name), text).expect("a writable folder");
    }
}

#[test]
fn a_packets_way_through_chains_with_names() {
    let folder = folder_with(&[("mine.save", DUMP)]);
    // The tier stands in a file behind that of its policy.
    let files = [
        ("agent.yaml", AGENT),
        ("closed.yaml", CLOSED),
        ("tier.yml", TIER),
    ];
    resources(folder.path(), &files);
    let packet = "in=eth0 udp 10.0.0.9:40000 > 192.0.2.1:53";
    let explain = ["explain", "mine.save", "--packet", packet];
    let chains = |arguments: &[&str]| {
        let output = calidiff(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let chains = said.lines().filter(|line| line.starts_with("  cali-"));
        chains.map(str::trim).collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(chains(&explain), @r"
    cali-FORWARD
    cali-po-_rWDSk9LLgWIl_lpnJE2
    cali-pi-first/first.closed
    ");
    let with_resources = [&explain[..], &["--resources", "policies"]].concat();
    insta::assert_snapshot!(chains(&with_resources), @r"
    cali-FORWARD
    cali-po-_rWDSk9LLgWIl_lpnJE2  (egress of policy `kube-system/knp.default.konnectivity-agent`)
    cali-pi-first/first.closed  (ingress of policy `first.closed`)
    ");
}

#[test]
fn rules_that_are_not_felixs_in_chains_with_names() {
    let folder = folder_with(&[("mine.save", DUMP), ("agent.yaml", AGENT)]);
    let arguments = ["hashes", "mine.save", "--resources", "agent.yaml"];
    let output = calidiff(folder.path(), &arguments);
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    mine.save: 1 rule bears the hash that it should, 3 things are not as Felix wrote them
      mine.save:6: filter/cali-FORWARD rule 1: added: it bears no hash of Felix's
      mine.save:7: filter/cali-po-_rWDSk9LLgWIl_lpnJE2 rule 1 (egress of policy `kube-system/knp.default.konnectivity-agent`): added: it bears no hash of Felix's
      mine.save:8: filter/cali-pi-first/first.closed rule 1: added: it bears no hash of Felix's
    ");
}

#[test]
fn resources_that_are_wrong_are_named_by_their_own_file() {
    let scenario = "name: mine\nnode: { name: mine, interfaces: [] }\n";
    let folder = folder_with(&[("mine.save", DUMP), ("mine.yaml", scenario)]);
    let wrong = AGENT.replace("Egress", "Outwards");
    resources(
        folder.path(),
        &[("agent.yaml", &wrong), ("closed.yaml", CLOSED)],
    );
    let arguments = ["hashes", "mine.save", "--resources", "policies"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
      × policies/agent.yaml:4:17: `Outwards` is no type of policy; expected
      │ Ingress or Egress
       ╭─[policies/agent.yaml:4:17]
     3 │ metadata: { name: knp.default.konnectivity-agent, namespace: kube-system }
     4 │ spec: { types: [Outwards] }
       ·                 ────┬────
       ·                     ╰── here
       ╰────
    ");
    let arguments = ["check", "mine.yaml", "--resources", "policies"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
      × mine.yaml stands beside --resources; a scenario has its resources itself
      help: --resources is for dumps
    ");
    std::fs::create_dir(folder.path().join("empty")).expect("a writable folder");
    let arguments = ["hashes", "mine.save", "--resources", "empty"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
      × empty holds no resources; expected files that end in .yaml, .yml or .json
    ");
}
