//! Chance, and matches that the model does not know.

use calidiff::journey::{Answer, Unjudged};

use super::{Case, end};

const TRANSIT: &str = "in=eth0 tcp 10.99.0.9:1 > 10.65.0.2:80";

fn ends(rules: &str) -> Vec<String> {
    let possible = Case::v4(rules).possible(TRANSIT);
    possible.iter().map(|one| end(&one.journey)).collect()
}

#[test]
fn chance_opens_both_ways() {
    let rules = "*filter\n-A FORWARD -m statistic --mode random --probability 0.5 -j DROP\n\
        -A FORWARD -m limit --limit 1/s -j MARK --set-mark 0x1\nCOMMIT\n";
    assert_eq!(
        ends(rules),
        [
            "dropped FORWARD entry 0x0",
            "sent cali1 0x1",
            "sent cali1 0x0"
        ]
    );
}

#[test]
fn certain_chances_are_none() {
    let never = "*filter\n-A FORWARD -m statistic --mode random --probability 0 -j DROP\nCOMMIT\n";
    assert_eq!(ends(never), ["sent cali1 0x0"]);
    let always = "*filter\n-A FORWARD -m statistic --mode random --probability 1 -j DROP\nCOMMIT\n";
    assert_eq!(ends(always), ["dropped FORWARD entry 0x0"]);
}

#[test]
fn too_many_ways_are_not_followed() {
    let rule = "-A FORWARD -m limit --limit 1/s -j MARK --xor-mark 0x1\n".repeat(7);
    let answer = Case::v4(&format!("*filter\n{rule}COMMIT\n")).answer(TRANSIT);
    assert_eq!(answer, Answer::Unjudged(Unjudged::Possibilities(64)));
}

#[test]
fn an_unknown_match_is_judged_where_it_does_not_matter() {
    let harmless = "*filter\n-A FORWARD -m bpf --bytecode \"1,6 0 0 0\" -j LOG\nCOMMIT\n";
    assert_eq!(ends(harmless), ["sent cali1 0x0"]);
    let deciding = "*filter\n-A FORWARD -m bpf --bytecode \"1,6 0 0 0\" -j DROP\nCOMMIT\n";
    let answer = Case::v4(deciding).answer(TRANSIT);
    assert_eq!(answer, Answer::Unjudged(Unjudged::Match("bpf".to_owned())));
}

#[test]
fn an_unknown_target_is_not_judged() {
    let rules = "*filter\n-A FORWARD -j AUDIT --type drop\nCOMMIT\n";
    let answer = Case::v4(rules).answer(TRANSIT);
    assert_eq!(
        answer,
        Answer::Unjudged(Unjudged::Target("AUDIT".to_owned()))
    );
}
