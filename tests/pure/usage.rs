//! What people see who type something wrong: the message, and exit status 2.

mod diff;
mod hashes;
mod names;

use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Runs calidiff in a folder, without colour, and not in a terminal.
fn calidiff(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_calidiff"))
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .expect("calidiff can be started")
}

/// What it says where the input is bad: standard error alone, nothing on standard output.
fn refusal(folder: &Path, arguments: &[&str]) -> String {
    let output = calidiff(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert_eq!(output.stdout, b"", "nothing is half done");
    said
}

fn folder_with(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).expect("a writable folder");
    }
    folder
}

#[test]
fn no_command() {
    let folder = folder_with(&[]);
    let said = refusal(folder.path(), &[]);
    for command in [
        "check", "claims", "diff", "explain", "hashes", "render", "replay", "shrink", "schema",
        "bench", "doctor",
    ] {
        assert!(said.contains(&format!("\n  {command} ")), "{said}");
    }
}

#[test]
fn an_unknown_backend() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "--backend", "bpf"]), @r"
    error: invalid value 'bpf' for '--backend <NAMES>'
      [possible values: legacy, nft]

    For more information, try '--help'.
    ");
}

#[test]
fn no_packets_at_all() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "--packets", "0"]), @r"
    error: invalid value '0' for '--packets <N>': 0 is not in 1..18446744073709551615

    For more information, try '--help'.
    ");
}

#[test]
fn a_dump_that_is_not_there() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "mine.save"]), @r"
      × cannot read mine.save: No such file or directory (os error 2)
    ");
}

#[test]
fn a_dump_with_a_word_that_no_rule_has() {
    let dump = "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -p tcp --dport htpt -j ACCEPT\nCOMMIT\n";
    let folder = folder_with(&[("mine.save", dump)]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "mine.save"]), @r"
     × mine.save:3:25: `htpt`; expected a port: a number from 0 to 65535 or a
     │ well-known service's name
      ╭─[mine.save:3:25]
    2 │ :INPUT ACCEPT [0:0]
    3 │ -A INPUT -p tcp --dport htpt -j ACCEPT
      ·                         ──┬─
      ·                           ╰── expected a port: a number from 0 to 65535 or a well-known service's name
    4 │ COMMIT
      ╰────
    ");
}

#[test]
fn a_dump_that_is_no_text() {
    let folder = folder_with(&[]);
    std::fs::write(folder.path().join("mine.save"), b"*filter\n\xff\n").expect("a writable folder");
    insta::assert_snapshot!(refusal(folder.path(), &["check", "mine.save"]), @r"
      × mine.save:2: no text: expected UTF-8, found the byte 0xff
    ");
}

#[test]
fn two_dumps_of_one_family() {
    let dump = "*filter\nCOMMIT\n";
    let folder = folder_with(&[("one.save", dump), ("two.save", dump)]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "one.save", "two.save"]), @r"
    × two.save is a second dump of iptables-save
    help: one node has one dump of each family; check two nodes by two commands
    ");
}

#[test]
fn sets_with_a_member_that_is_none() {
    let sets = "create s hash:ip family inet\nadd s 10.0.0.256\n";
    let folder = folder_with(&[("mine.save", "*filter\nCOMMIT\n"), ("mine.ipset", sets)]);
    let arguments = ["check", "mine.save", "--sets", "mine.ipset"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
     × mine.ipset:2:7: `10.0.0.256`; expected an IPv4 address, a prefix or a
     │ range such as 10.0.0.1-10.0.0.9
      ╭─[mine.ipset:2:7]
    1 │ create s hash:ip family inet
    2 │ add s 10.0.0.256
      ·       ─────┬────
      ·            ╰── expected an IPv4 address, a prefix or a range such as 10.0.0.1-10.0.0.9
      ╰────
    ");
}

#[test]
fn sets_without_a_dump() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "--sets", "mine.ipset"]), @r"
    error: the following required arguments were not provided:
      <FILE>...

    Usage: calidiff check --sets <FILE> <FILE>...

    For more information, try '--help'.
    ");
}

#[test]
fn a_node_with_a_field_that_nodes_lack() {
    let node = "name: mine\ninterfaces:\n  - name: eth0\n    adresses: [10.0.0.1/24]\n";
    let folder = folder_with(&[("mine.save", "*filter\nCOMMIT\n"), ("mine.yaml", node)]);
    let arguments = ["check", "mine.save", "--node", "mine.yaml"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
     × mine.yaml:4:5: unknown field `adresses`, expected one of name, addresses,
     │ reverse_path, route_localnet
      ╭─[mine.yaml:4:5]
    3 │   - name: eth0
    4 │     adresses: [10.0.0.1/24]
      ·     ────┬───
      ·         ╰── here
      ╰────
    ");
}

#[test]
fn a_node_without_its_dump() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["check", "--node", "mine.yaml"]), @r"
    × `--node mine.yaml` names no node of the seed (slave1, slave2), and a node
    │ file needs a dump beside it
    help: give a dump: calidiff check DUMP --node FILE
    ");
}

#[test]
fn a_packet_without_a_destination() {
    let folder = folder_with(&[]);
    let arguments = ["explain", "--packet", "in=eth0 tcp 10.0.0.1:1 >"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
     × column 25: found the end, expected a destination address behind `>`
      ╭────
    1 │ in=eth0 tcp 10.0.0.1:1 >
      ╰────
    ");
}

#[test]
fn a_claim_that_nobody_made() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["claims", "C71"]), @r"
      × there is no claim C71: expected C1 to C70, or X1 to X20
    ");
}

/// A policy whose ICMP rule says no family: Felix 2.1.1 renders it for IPv6, too.
const PING: &str = "\
- apiVersion: v1
  kind: policy
  metadata: { name: ping }
  spec: { ingress: [{ action: allow, protocol: icmp, icmp: { type: 8 } }] }
- apiVersion: v1
  kind: hostEndpoint
  metadata: { name: outside, node: one }
  spec: { interfaceName: eth0 }
";

#[test]
fn rules_that_the_tools_refuse_are_printed_as_felix_writes_them() {
    let folder = folder_with(&[("mine.yaml", PING)]);
    let output = calidiff(
        folder.path(),
        &["render", "mine.yaml", "--only", "rules", "--layout", "seed"],
    );
    assert_eq!(output.status.code(), Some(1));
    let printed = String::from_utf8_lossy(&output.stdout);
    let headings = printed.lines().filter(|line| line.starts_with('#'));
    insta::assert_snapshot!(headings.collect::<Vec<_>>().join("\n"), @r"
    # one: iptables-restore
    # one: as Felix writes it, and ip6tables-restore refuses it
    ");
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stderr), @r"
    mine.yaml: not programmed: ip6tables-legacy-restore says: raw/cali-pi-ping rule 1: a match wants `-p 58`
    ");
    let alone = calidiff(
        folder.path(),
        &["render", "mine.yaml", "-4", "--layout", "seed"],
    );
    assert_eq!(alone.status.code(), Some(0), "IPv4's are taken");
}

#[test]
fn resources_of_several_nodes() {
    let two = format!(
        "{PING}{}",
        PING.replace("ping", "pong")
            .replace("node: one", "node: two")
    );
    let two = two.replacen("name: outside", "name: inside", 1);
    let folder = folder_with(&[("mine.yaml", &two)]);
    insta::assert_snapshot!(refusal(folder.path(), &["render", "mine.yaml"]), @r"
    × mine.yaml has endpoints of several nodes: one, two
    help: give one of them: --node one
    ");
}

#[test]
fn a_node_for_a_scenario_that_has_one() {
    let scenario = "name: mine\nnode: { name: mine, interfaces: [] }\n";
    let folder = folder_with(&[("mine.yaml", scenario)]);
    let arguments = ["render", "mine.yaml", "--node", "other"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
    × --node other: mine.yaml is a scenario, which says its node itself: mine
    help: --node is for files of resources alone
    ");
}

#[test]
fn resources_that_the_layouts_era_can_not_say() {
    let resources = "\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: { name: early }
spec: { preDNAT: true, applyOnForward: true, ingress: [{ action: Deny }] }
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: { name: outside }
spec: { node: one, interfaceName: eth0 }
";
    let folder = folder_with(&[("mine.yaml", resources)]);
    insta::assert_snapshot!(refusal(folder.path(), &["render", "mine.yaml", "--layout", "seed"]), @r"
    × mine.yaml: the policy `early` says `preDNAT`, which Calico 2.1 does not
    │ know; expected a policy without it
    ");
}

#[test]
fn a_scenario_whose_packet_comes_by_no_interface() {
    let scenario = "\
name: mine
node: { name: mine, interfaces: [{ name: eth0 }] }
packets:
  - in=eth1 tcp 10.0.0.9:40000 > 10.0.0.1:22
";
    let folder = folder_with(&[("mine.yaml", scenario)]);
    insta::assert_snapshot!(refusal(folder.path(), &["render", "mine.yaml"]), @r"
     × mine.yaml:4:5: the node has no interface `eth1` for this packet; expected
     │ eth0 or lo
      ╭─[mine.yaml:4:5]
    3 │ packets:
    4 │   - in=eth1 tcp 10.0.0.9:40000 > 10.0.0.1:22
      ·     ───┬───
      ·        ╰── here
      ╰────
    ");
}

#[test]
fn an_unknown_layout() {
    let folder = folder_with(&[]);
    let arguments = ["render", "mine.yaml", "--layout", "medieval"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
    error: invalid value 'medieval' for '--layout <NAME>'
      [possible values: seed, modern]

    For more information, try '--help'.
    ");
}

/// What the layouts make other rules of: IP in IP from a workload is let out by seed's, and by modern's is not.
#[test]
fn a_scenario_of_either_layout_is_judged() {
    let back = "  routes: [{ destination: 10.65.0.1/32, to: { unicast: { interface: cali1 } } }, ";
    let scenario = TUNNELLED.replace("  routes: [", back)
        + "  - in=cali1 proto=4 10.65.0.1 > 10.0.0.9 ttl=9\n";
    let folder = folder_with(&[("one.yaml", &scenario)]);
    let here = folder.path();
    for layout in ["seed", "modern"] {
        let of_layout = here.join(layout);
        std::fs::create_dir(&of_layout).expect("a folder");
        std::fs::write(of_layout.join("one.yaml"), &scenario).expect("a file");
        let replay = |file: &str, more: &[&str]| {
            let arguments = [&["replay", file, "--arms", "model"], more].concat();
            let output = calidiff(here, &arguments);
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let told = replay("one.yaml", &["--layout", layout]);
        let lost = told.contains("model, legacy  dropped");
        assert_eq!(lost, layout == "modern", "{told}");
        let file = format!("{layout}/one.yaml");
        assert_eq!(replay(&file, &[]), told, "its folder tells the layout");
        let other = if lost { "seed" } else { "modern" };
        assert_ne!(
            replay(&file, &["--layout", other]),
            told,
            "who says it is heard"
        );
    }
}

/// The reader is gone before anything is written.
#[test]
fn nobody_who_reads_on() {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output = Command::new(env!("CARGO_BIN_EXE_calidiff"))
        .arg("schema")
        .stdout(writer)
        .stderr(std::process::Stdio::piped())
        .output()
        .expect("calidiff can be started");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn no_packet_to_explain() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["explain"]), @r"
    × there is no packet to be explained
    help: give one: --packet 'in=eth0 tcp 10.0.0.9:40000 > 172.16.1.1:80'
    ");
}

#[test]
fn a_scenario_beside_a_dump() {
    let scenario = "name: mine\nnode: { name: mine, interfaces: [] }\n";
    let folder = folder_with(&[("mine.yaml", scenario), ("mine.save", "*filter\nCOMMIT\n")]);
    let arguments = ["check", "mine.yaml", "mine.save"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
    × mine.yaml stands beside other files; expected it alone
    help: a scenario has its node, rules and sets itself
    ");
}

/// A workload that sends IP in IP, which the intent denies and Felix 2.1.1 lets out; and a plain packet.
const TUNNELLED: &str = "\
name: tunnelled
node:
  name: one
  interfaces: [{ name: eth0 }, { name: cali1 }]
  routes: [{ destination: 0.0.0.0/0, to: { unicast: { interface: eth0 } } }]
resources:
  - apiVersion: v1
    kind: profile
    metadata: { name: open }
    spec: { egress: [{ action: allow }] }
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { name: eth0, workload: w, orchestrator: k8s, node: one }
    spec: { interfaceName: cali1, ipNetworks: [10.65.0.1/32], profiles: [open] }
packets:
  - in=cali1 tcp 10.65.0.1:40000 > 10.0.0.9:80
";

#[test]
fn a_scenario_that_agrees_is_replayed_and_not_shrunk() {
    let folder = folder_with(&[("one.yaml", TUNNELLED)]);
    let output = calidiff(
        folder.path(),
        &["replay", "one.yaml", "--arms", "model", "--layout", "seed"],
    );
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r"
    tunnelled

    in=cali1 tcp 10.65.0.1:40000 > 10.0.0.9:80
      intent         allow
                     if it comes through: out of eth0 as 10.65.0.1 > 10.0.0.9
                     I3.profile-allows: egress rule 1 of profile `open`, at the workload `k8s/w/eth0`
      model, legacy  sent out of eth0, as tcp 10.65.0.1:40000 > 10.0.0.9:80 ttl=63
      model, nft     sent out of eth0, as tcp 10.65.0.1:40000 > 10.0.0.9:80 ttl=63
      all agree
    ");
    let arguments = ["shrink", "one.yaml", "--arms", "model", "--layout", "seed"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
      × the judges agree on every packet of one.yaml: there is nothing to keep
    ");
}

#[test]
fn a_divergence_is_replayed_shrunk_and_saved() {
    let scenario = TUNNELLED.to_owned() + "  - in=cali1 proto=4 10.65.0.1 > 10.0.0.9 ttl=9\n";
    let folder = folder_with(&[("one.yaml", &scenario)]);
    let here = folder.path();
    let output = calidiff(
        here,
        &[
            "replay", "one.yaml", "--arms", "model", "--json", "--layout", "seed",
        ],
    );
    assert_eq!(output.status.code(), Some(1), "it is not in the ledger");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let divergence = &found[0]["packets"][1]["divergence"];
    assert_eq!(divergence["division"], "intent | model");
    assert_eq!(divergence["known"], false);
    let id = divergence["id"].as_str().expect("an id");

    let arguments = [
        "shrink", "one.yaml", "--arms", "model", "--layout", "seed", "--save", "--class", id,
    ];
    let output = calidiff(here, &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let ledger = here.join("snapshots/divergence/seed");
    let saved = std::fs::read_to_string(ledger.join(format!("{id}.yaml"))).expect("a scenario");
    assert!(
        saved.contains("- in=cali1 proto=4 10.65.0.1 > 10.0.0.9\n"),
        "{saved}"
    );
    let pending = ledger.join(format!("{id}.snap.new"));
    let pending = pending.to_str().expect("a path");
    let output = calidiff(here, &["replay", pending, "--arms", "model"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        output.status.code(),
        Some(1),
        "nobody has accepted it: {said}"
    );
    assert!(said.contains(&format!("new: {id} ")), "{said}");
}

#[test]
fn a_divergence_behind_a_change_is_shrunk_as_a_scenario_of_its_own() {
    let (_, resources) = TUNNELLED.split_once("resources:\n").expect("resources");
    let (resources, _) = resources.split_once("packets:\n").expect("packets");
    let indented: Vec<String> = resources
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let scenario = format!(
        "{TUNNELLED}order: in-sequence\nchanged:\n  resources:\n{}  packets:\n\
         \x20   - in=eth0 tcp 10.0.0.9:80 > 10.65.0.1:40000 flags=SYN,ACK\n\
         \x20   - in=cali1 proto=4 10.65.0.1 > 10.0.0.9\n",
        indented.concat(),
    );
    let folder = folder_with(&[("one.yaml", &scenario)]);
    let arguments = ["shrink", "one.yaml", "--arms", "model", "--layout", "seed"];
    let output = calidiff(folder.path(), &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let small = String::from_utf8_lossy(&output.stdout);
    assert!(
        small.contains("- in=cali1 proto=4 10.65.0.1 > 10.0.0.9\n"),
        "{small}"
    );
    assert!(
        !small.contains("changed:") && !small.contains("tcp"),
        "{small}"
    );
}

#[test]
fn a_class_that_a_scenario_does_not_show() {
    let folder = folder_with(&[("one.yaml", TUNNELLED)]);
    let arguments = [
        "shrink", "one.yaml", "--arms", "model", "--layout", "seed", "--class", "I1-0",
    ];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
      × no packet of one.yaml is of the class I1-0
    ");
}

#[test]
fn nothing_to_replay() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["replay"]), @r"
    error: the following required arguments were not provided:
      <FILE>...

    Usage: calidiff replay <FILE>...

    For more information, try '--help'.
    ");
    insta::assert_snapshot!(refusal(folder.path(), &["replay", "one.snap"]), @r"
      × cannot read one.yaml: No such file or directory (os error 2)
    ");
}

#[test]
fn a_ledger_with_a_class_that_nobody_explained() {
    let scenario = "name: a\nnode: { name: a, interfaces: [] }\n";
    let folder = folder_with(&[
        ("a.yaml", scenario),
        ("a.snap", "---\nsource: x\n---\ntext\n"),
    ]);
    let arguments = ["replay", "a.yaml", "--arms", "model", "--ledger", "."];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r"
    × `./a.yaml` is accepted and not explained; expected a `why` that says who
    │ is right
    ");
}
