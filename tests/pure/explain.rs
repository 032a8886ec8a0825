//! What `calidiff explain` says of packets on the seed's nodes and in the example scenarios, by the model alone.

use std::process::Command;

/// Explains a packet that all agree on, and compares the text with the accepted one.
fn explain(name: &str, arguments: &[&str]) {
    explain_and_end(name, arguments, 0);
}

/// What is said of a packet, where it ends so.
fn said(arguments: &[&str], status: i32) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_calidiff"))
        .args(["explain", "--layout", "seed"])
        .args(arguments)
        .output()
        .expect("calidiff can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(status), "{errors}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn explain_and_end(name: &str, arguments: &[&str], status: i32) {
    let said = said(arguments, status);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/explain"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_info(&arguments);
    settings.bind(|| insta::assert_snapshot!(name, said));
}

#[test]
fn a_workload_opens_a_connection_to_elsewhere() {
    explain(
        "workload-to-elsewhere",
        &[
            "--packet",
            "in=cali0ef24b1 tcp 172.16.1.1:40000 > 10.0.0.9:443",
        ],
    );
}

#[test]
fn elsewhere_opens_a_connection_to_a_workload() {
    explain(
        "elsewhere-to-workload",
        &["--packet", "in=eth0 tcp 10.0.0.9:40000 > 172.16.1.1:80"],
    );
}

#[test]
fn elsewhere_answers_a_workload() {
    explain(
        "answer-to-workload",
        &[
            "--packet",
            "in=eth0 tcp 10.0.0.9:443 > 172.16.1.1:40000 flags=ACK",
            "--connection",
            "tcp 172.16.1.1:40000 > 10.0.0.9:443 replied",
        ],
    );
}

#[test]
fn a_workload_asks_its_node_for_an_address() {
    explain(
        "workload-asks-dhcp",
        &[
            "--packet",
            "in=cali0ef24b1 udp 0.0.0.0:68 > 255.255.255.255:67",
        ],
    );
}

#[test]
fn a_node_speaks_to_its_own_workload() {
    explain(
        "node-to-workload",
        &[
            "--node",
            "slave2",
            "--packet",
            "from=node tcp 192.168.40.12:40000 > 172.16.1.3:3306",
        ],
    );
}

#[test]
fn a_profile_lets_out_and_a_policy_lets_in() {
    explain(
        "reason-profile-and-policy",
        &[
            "tests/scenarios/workload-policy.yaml",
            "--packet",
            "in=cali-admin tcp 10.65.0.2:40002 > 10.65.0.1:22",
        ],
    );
}

#[test]
fn an_untracked_policy_denies() {
    explain(
        "reason-untracked-denies",
        &[
            "tests/scenarios/do-not-track.yaml",
            "--packet",
            "in=eth0 tcp 203.0.113.7:40001 > 192.168.0.1:80",
        ],
    );
}

#[test]
fn the_answer_of_a_scenarios_connection() {
    explain(
        "reason-answer",
        &[
            "tests/scenarios/workload-policy.yaml",
            "--packet",
            "in=eth0 tcp 10.65.1.1:5432 > 10.65.0.1:40009 flags=ACK",
        ],
    );
}

#[test]
fn what_felix_lets_through_against_what_is_meant() {
    let packet = "in=cali-web proto=4 10.65.0.1 > 203.0.113.7";
    let arguments = ["tests/scenarios/nat.yaml", "--packet", packet];
    explain_and_end("reason-against-the-rules", &arguments, 1);
}

#[test]
fn a_sequence_through_a_change_of_the_policies() {
    let said = said(&["tests/scenarios/connection.yaml"], 0);
    let decides = |line: &&str| line.starts_with("  I") || *line == "the resources change";
    let decided: Vec<&str> = said.lines().filter(decides).collect();
    let web = "at the workload `k8s/shop.web/eth0`";
    assert_eq!(
        decided,
        [
            "  I5.invalid: connection tracking",
            &format!("  I3.policy-allows: ingress rule 1 of policy `web` in tier `default`, {web}"),
            "  I5.reply: connection tracking",
            "  I5.original: connection tracking",
            "  I5.related: connection tracking",
            "  I5.invalid: connection tracking",
            &format!("  I3.tier-default: no ingress rule of tier `default` matches, {web}"),
            "the resources change",
            "  I5.original: connection tracking",
            "  I5.reply: connection tracking",
            &format!("  I3.policy-denies: ingress rule 1 of policy `web` in tier `default`, {web}"),
        ]
    );
}

#[test]
fn every_packet_of_a_scenario() {
    explain("reason-every-packet", &["tests/scenarios/raw-rules.yaml"]);
}
