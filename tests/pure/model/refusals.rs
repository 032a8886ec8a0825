//! Rulesets that the tools refuse.

use super::Case;

fn refusal(rules: &str) -> String {
    Case::v4(rules).machine().unwrap_err().to_string()
}

#[test]
fn what_is_not_there_or_goes_round() {
    for (rules, expected) in [
        (
            "*filter\n-A FORWARD -m set --match-set gone src\nCOMMIT\n",
            "gone",
        ),
        (
            "*filter\n:a -\n:b -\n-A FORWARD -j a\n-A a -j b\n-A b -g a\nCOMMIT\n",
            "calls itself",
        ),
    ] {
        let refusal = refusal(rules);
        assert!(refusal.contains(expected), "{refusal}");
    }
    // The parser refuses a jump to nowhere itself; rules made by hand may have one.
    let mut by_hand = Case::v4("*filter\n:a -\n-A FORWARD -j a\nCOMMIT\n");
    by_hand.firewall.v4.tables[0].chains.pop();
    assert!(by_hand.machine().is_err());
    // `mark_source_chains` only looks at what the built-in chains reach.
    let unreached = Case::v4("*filter\n:a -\n-A a -j a\nCOMMIT\n");
    assert!(unreached.machine().is_ok());
}

#[test]
fn what_stands_in_the_wrong_place() {
    for rules in [
        "*mangle\n-A FORWARD -j REJECT\nCOMMIT\n",
        "*filter\n-A FORWARD -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
        "*nat\n-A POSTROUTING -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
        "*nat\n:a -\n-A PREROUTING -j a\n-A a -j MASQUERADE\nCOMMIT\n",
        "*filter\n-A FORWARD -j CT --notrack\nCOMMIT\n",
        "*filter\n-A FORWARD -m rpfilter\nCOMMIT\n",
        "*filter\n-A INPUT -m owner --uid-owner 0\nCOMMIT\n",
        "*filter\n-A FORWARD -j REJECT --reject-with tcp-reset\nCOMMIT\n",
    ] {
        assert!(Case::v4(rules).machine().is_err(), "{rules}");
    }
    let unreached = Case::v4("*nat\n:a -\n-A a -j MASQUERADE\nCOMMIT\n");
    assert!(unreached.machine().is_ok());
}
