//! What the seed's era can't say is refused by name.

use calidiff::calico::era::check_seed;
use calidiff::calico::{read, resolve};

fn refusal(kind: &str, metadata: &str, spec: &str) -> String {
    let text = format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n\
         ---\napiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {{name: ops}}\n\
         ---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\n\
         metadata: {{name: s, labels: {{wide: x}}}}\nspec: {{nets: [10.0.0.0/8]}}\n"
    );
    let resources =
        read::read("here.yaml", &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    match check_seed(&resolve(&resources, "here")) {
        Ok(()) => panic!("not refused:\n{text}"),
        Err(refused) => refused.to_string(),
    }
}

#[test]
fn what_calico_2_1_can_t_say_is_refused_by_name() {
    let policy = |spec: &str| refusal("GlobalNetworkPolicy", "name: p", spec);
    let both = "types: [Ingress, Egress]";
    let rule = |rule: &str| {
        policy(&format!(
            "{both}, ingress: [{{action: Log}}, {{action: Allow, {rule}}}]"
        ))
    };
    let workload = "node: here, orchestrator: k8s, pod: p, endpoint: eth0, interfaceName: cali1";
    let refusals = [
        policy(&format!("{both}, tier: ops")),
        policy(""),
        policy("egress: [{action: Allow}]"),
        policy(&format!("{both}, applyOnForward: true")),
        policy("applyOnForward: true, preDNAT: true"),
        refusal("NetworkPolicy", "name: p, namespace: n", both),
        rule("source: {nets: [10.0.0.0/8, 11.0.0.0/8]}"),
        rule("destination: {notNets: [10.0.0.0/8, 11.0.0.0/8]}"),
        rule("destination: {ports: [http]}"),
        rule("source: {selector: has(wide)}"),
        refusal(
            "Profile",
            "name: p",
            "egress: [{action: Deny, source: {notPorts: [dns]}}]",
        ),
        refusal(
            "WorkloadEndpoint",
            "namespace: n",
            &format!("{workload}, allowSpoofedSourcePrefixes: [10.0.0.0/8]"),
        ),
        refusal("HostEndpoint", "name: h", "node: here, interfaceName: '*'"),
    ];
    super::assert_page("refused-for-the-seeds-era", &refusals.join("\n"));
}
