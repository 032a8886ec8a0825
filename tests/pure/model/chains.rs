//! Chains, jumps, returns, policies and marks.

use super::Case;

const TRANSIT: &str = "in=eth0 tcp 10.99.0.9:1 > 10.65.0.2:80";

#[test]
fn a_policy_decides_what_no_rule_does() {
    let accept = Case::v4("*filter\n:FORWARD ACCEPT\nCOMMIT\n");
    assert_eq!(accept.end(TRANSIT), "sent cali1 0x0");
    let drop = Case::v4("*filter\n:FORWARD DROP\nCOMMIT\n");
    assert_eq!(drop.end(TRANSIT), "dropped FORWARD entry 0x0");
}

// `ipt_do_table`: RETURN with an empty stack goes to the policy, and a goto pushes nothing.
#[test]
fn goto_returns_to_the_caller_and_return_to_the_policy() {
    let rules = "*filter\n:FORWARD DROP\n:a -\n:b -\n\
        -A FORWARD -j a\n-A FORWARD -j MARK --or-mark 0x1\n-A FORWARD -j ACCEPT\n\
        -A a -g b\n-A a -j MARK --or-mark 0x2\n\
        -A b -j MARK --or-mark 0x4\nCOMMIT\n";
    assert_eq!(Case::v4(rules).end(TRANSIT), "sent cali1 0x5");
    let base = "*filter\n:FORWARD DROP\n:b -\n-A FORWARD -g b\n-A FORWARD -j ACCEPT\nCOMMIT\n";
    assert_eq!(Case::v4(base).end(TRANSIT), "dropped FORWARD entry 0x0");
    let back = "*filter\n:FORWARD DROP\n-A FORWARD -j RETURN\n-A FORWARD -j ACCEPT\nCOMMIT\n";
    assert_eq!(Case::v4(back).end(TRANSIT), "dropped FORWARD entry 0x0");
}

#[test]
fn accept_in_a_users_chain_ends_the_table_only() {
    let rules = "*mangle\n:FORWARD ACCEPT\n:a -\n-A FORWARD -j a\n-A FORWARD -j DROP\n\
        -A a -j MARK --set-mark 0x1\n-A a -j ACCEPT\nCOMMIT\n\
        *filter\n:FORWARD DROP\n-A FORWARD -m mark --mark 0x1 -j ACCEPT\nCOMMIT\n";
    assert_eq!(Case::v4(rules).end(TRANSIT), "sent cali1 0x1");
}

#[test]
fn tables_come_in_the_order_of_their_priorities() {
    let rules = "*raw\n-A PREROUTING -j MARK --set-mark 0x1\nCOMMIT\n\
        *mangle\n-A PREROUTING -m mark --mark 0x1 -j MARK --set-mark 0x12\n\
        -A FORWARD -m mark --mark 0x12 -j MARK --set-mark 0x123\n\
        -A POSTROUTING -m mark --mark 0x1234 -j MARK --set-mark 0x12345\nCOMMIT\n\
        *filter\n-A FORWARD -m mark --mark 0x123 -j MARK --set-mark 0x1234\nCOMMIT\n\
        *security\n-A FORWARD -m mark ! --mark 0x1234 -j DROP\nCOMMIT\n";
    assert_eq!(Case::v4(rules).end(TRANSIT), "sent cali1 0x12345");
}

#[test]
fn chains_that_call_each_other_too_often_are_not_followed_to_the_end() {
    let mut rules = String::from("*filter\n");
    for level in 0..40 {
        rules += &format!(":c{level} -\n");
    }
    rules += "-A FORWARD -j c0\n";
    for level in 0..39 {
        let called = level + 1;
        rules += &format!("-A c{level} -j c{called}\n-A c{level} -j c{called}\n");
    }
    rules += "COMMIT\n";
    let answer = Case::v4(&rules).answer(TRANSIT);
    assert!(
        matches!(answer, calidiff::journey::Answer::Unjudged(_)),
        "{answer:?}"
    );
}

#[test]
fn hits_and_visits_name_the_rules() {
    let case = Case::v4(
        "*filter\n:a -\n-A FORWARD -p udp -j DROP\n-A FORWARD -j a\n-A a -m comment --comment x \
         -p tcp --dport 81 -j DROP\nCOMMIT\n",
    );
    let mut machine = case.machine().unwrap();
    let mut visited = calidiff::model::Visited::default();
    let packet = TRANSIT.parse().unwrap();
    machine.visit(
        &calidiff::model::Connections::default(),
        &packet,
        &mut visited,
    );
    let seen: Vec<String> = visited
        .visits
        .iter()
        .map(|visit| {
            format!(
                "{} {:?}",
                machine.rule_id(visit.rule).unwrap(),
                visit.failed
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            "filter/FORWARD rule 1 Some(Protocol)",
            "filter/FORWARD rule 2 None",
            // The comment is the first match and asks nothing; tcp is the second.
            "filter/a rule 1 Some(Match(1))",
        ]
    );
    let hits: Vec<u64> = machine.hits().into_iter().map(|(_, hits)| hits).collect();
    assert_eq!(hits, [0, 1, 0]);
}

#[test]
fn a_trace_tells_every_step() {
    let case = Case::v4(
        "*filter\n:FORWARD DROP\n:a -\n-A FORWARD -j a\n-A a -j MARK --set-mark 0x7\nCOMMIT\n",
    );
    let packet = TRANSIT.parse().unwrap();
    let (_, steps) = case
        .machine()
        .unwrap()
        .trace(&calidiff::model::Connections::default(), &packet);
    let told: Vec<String> = steps
        .iter()
        .map(|step| format!("{} {:?} {} {}", step.chain, step.rule, step.did, step.after))
        .collect();
    assert_eq!(
        told,
        [
            "FORWARD Some(0) jump a 0x0",
            "a Some(0) MARK 0x7",
            "a None return 0x7",
            "FORWARD None policy DROP 0x7",
        ]
    );
}
