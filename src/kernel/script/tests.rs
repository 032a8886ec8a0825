//! What is told of a changed program, and in which order.

use super::*;

const TEXT: &str = "*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n";

#[test]
fn what_is_new_is_said_whole() {
    let script = Script::load(TEXT, &Script::default()).expect("short lines");
    assert_eq!(
        script.text(),
        "*filter\n-F\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n"
    );
}

#[test]
fn all_tables_are_emptied_before_any_is_filled() {
    let raw = "*raw\n:OUTPUT ACCEPT [0:0]\n:PREROUTING DROP [0:0]\nCOMMIT\n";
    let first = Script::load(&format!("{raw}{TEXT}"), &Script::default()).expect("short lines");
    let second = Script::load(raw, &first).expect("short lines");
    assert_eq!(
        second.text(),
        "*raw\n-F\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n\
         *filter\n-F\n-X own\n:INPUT ACCEPT [0:0]\nCOMMIT\n\
         *raw\n-F\n:PREROUTING DROP [0:0]\nCOMMIT\n"
    );
    let third = Script::load("", &second).expect("short lines");
    assert!(!third.text().contains("filter"), "{}", third.text());
    assert!(Script::empty(&Script::default()).is_empty());
}

fn change(text: &str, before: &Script, backend: Backend) -> Script {
    Script::change(text, before, backend).expect("short lines")
}

#[test]
fn only_what_changes_is_said() {
    let first = change(TEXT, &Script::default(), Backend::Legacy);
    assert_eq!(
        first.text(),
        "*filter\n-F\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
         :INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n"
    );
    assert!(change(TEXT, &first, Backend::Legacy).is_empty());
    let more = TEXT.replace("COMMIT", "-A own -j DROP\nCOMMIT");
    let second = change(&more, &first, Backend::Legacy);
    assert_eq!(second.text(), "*filter\n-A own -j DROP\nCOMMIT\n");
    let other = more
        .replace("own", "other")
        .replace("INPUT DROP", "INPUT ACCEPT");
    assert_eq!(
        change(&other, &second, Backend::Legacy).text(),
        "*filter\n-F INPUT\n-F own\n-X own\n:INPUT ACCEPT [0:0]\n\
         :other - [0:0]\n-A other -j DROP\n-A INPUT -j other\nCOMMIT\n"
    );
    assert_eq!(
        change("", &second, Backend::Nft).text(),
        "*filter\n-F INPUT\n-F own\n-X own\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
    );
}

#[test]
fn nft_is_told_of_each_table_once_unless_rules_remember() {
    let both =
        |rule: &str| format!("*raw\n-A OUTPUT {rule}\nCOMMIT\n*filter\n-A OUTPUT {rule}\nCOMMIT\n");
    let first = change(&both("-j DROP"), &Script::default(), Backend::Nft);
    let limited = change(&both("-m limit -j DROP"), &first, Backend::Nft);
    assert_eq!(
        limited.text(),
        "*raw\n-F OUTPUT\n-A OUTPUT -m limit -j DROP\nCOMMIT\n\
         *filter\n-F OUTPUT\n-A OUTPUT -m limit -j DROP\nCOMMIT\n"
    );
    assert_eq!(
        change(&both("-j ACCEPT"), &limited, Backend::Nft).text(),
        "*raw\n-F OUTPUT\nCOMMIT\n*filter\n-F OUTPUT\nCOMMIT\n\
         *raw\n-A OUTPUT -j ACCEPT\nCOMMIT\n*filter\n-A OUTPUT -j ACCEPT\nCOMMIT\n"
    );
}

#[test]
fn rules_that_keep_state_are_loaded_anew() {
    let limited = TEXT.replace("-j own", "-m limit --limit 1/hour -j own");
    let first = change(&limited, &Script::default(), Backend::Legacy);
    assert_eq!(
        change(&limited, &first, Backend::Legacy).text(),
        "*filter\n-F INPUT\n-A INPUT -m limit --limit 1/hour -j own\nCOMMIT\n"
    );
}

#[test]
fn beside_rules_that_keep_state_others_stay() {
    let limited = TEXT.replace("-j own", "-m limit --limit 1/hour -j own");
    let text = limited.replace("COMMIT", "-A own -j DROP\nCOMMIT");
    for backend in Backend::BOTH {
        let first = change(&text, &Script::default(), backend);
        let second = change(&text, &first, backend);
        assert!(second.text().contains("-m limit"), "{}", second.text());
        assert!(!second.text().contains("-A own"), "{}", second.text());
        assert!(first.text().contains("-A own"), "{}", first.text());
    }
}

#[test]
fn chains_are_found_in_whatever_order_they_come() {
    let block = |rules: [&str; 3]| {
        let rules = rules.map(|rule| format!("-A {rule}\n")).concat();
        format!("*filter\n:a - [0:0]\n:b - [0:0]\n:c - [0:0]\n{rules}COMMIT\n")
    };
    let first = block(["c -j DROP", "a -j DROP", "c -j ACCEPT"]);
    let first = change(&first, &Script::default(), Backend::Legacy);
    let second = block(["a -j DROP", "c -j DROP", "c -j ACCEPT"]);
    assert!(change(&second, &first, Backend::Legacy).is_empty());
    let third = block(["a -j DROP", "c -j ACCEPT", "c -j DROP"]);
    assert_eq!(
        change(&third, &first, Backend::Legacy).text(),
        "*filter\n-F c\n-A c -j ACCEPT\n-A c -j DROP\nCOMMIT\n"
    );
}

#[test]
fn what_is_not_known_is_loaded_whole() {
    let first = change(TEXT, &Script::default(), Backend::Legacy);
    for text in [
        format!("{TEXT}{TEXT}"),
        "*filter\n-N other\nCOMMIT\n".to_owned(),
        "*filter\n-A nowhere -j DROP\nCOMMIT\n".to_owned(),
        "*filter\n:INPUT DROP [0:0]\n:INPUT ACCEPT [0:0]\nCOMMIT\n".to_owned(),
    ] {
        let whole = Script::load(&text, &first).expect("short lines");
        assert_eq!(change(&text, &first, Backend::Legacy), whole);
    }
    let mut refused = first.clone();
    refused.may_hold(&first);
    let whole = Script::load(TEXT, &refused).expect("short lines");
    assert_eq!(change(TEXT, &refused, Backend::Legacy), whole);
}

#[test]
fn the_second_block_of_a_table_undoes_the_first() {
    let script = Script::load(&format!("{TEXT}{TEXT}"), &Script::default());
    let script = script.expect("short lines");
    let second = script.text().rsplit("*filter\n").next();
    let second = second.expect("a second block");
    assert!(second.starts_with("-F\n-X\n:INPUT ACCEPT"), "{second}");
    let next = Script::load("", &script).expect("short lines");
    assert_eq!(
        next.text(),
        "*filter\n-F\n-X own\n:INPUT ACCEPT [0:0]\nCOMMIT\n"
    );
}

#[test]
fn what_is_not_known_is_emptied_whole() {
    const WHOLE: &str = "*filter\n-F\n-X\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
    for line in ["-N other", ":a\"b - [0:0]", "-P INPUT DROP"] {
        let text = format!("*filter\n{line}\nCOMMIT\n");
        let script = Script::load(&text, &Script::default()).expect("short lines");
        assert_eq!(Script::empty(&script).text(), WHOLE, "after {line}");
    }
    let first = Script::load(TEXT, &Script::default()).expect("short lines");
    let mut refused = Script::load("*raw\nCOMMIT\n", &first).expect("short lines");
    refused.may_hold(&first);
    let empty = Script::empty(&refused);
    assert!(empty.text().ends_with(WHOLE), "{}", empty.text());
    assert!(
        empty.text().starts_with("*raw\n-F\n-X\n"),
        "{}",
        empty.text()
    );
}

#[test]
fn a_tool_of_its_own_empties_what_it_is_told_of() {
    let first = Script::load_alone(TEXT, &Script::default()).expect("short lines");
    let second = Script::load_alone("*raw\nCOMMIT\n", &first).expect("short lines");
    assert_eq!(
        second.text(),
        "*raw\n:PREROUTING ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n\
         *filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
    );
}

#[test]
fn a_line_that_the_tool_would_split_is_refused() {
    let text = format!(
        "*raw\n-A PREROUTING -m comment --comment {}\nCOMMIT\n",
        "x".repeat(10_239)
    );
    let refused = Script::load(&text, &Script::default()).expect_err("too long");
    assert!(
        refused.to_string().starts_with("line 2 has 102"),
        "{refused}"
    );
}

#[test]
fn a_complaint_shows_the_line() {
    let script = Script::load(TEXT, &Script::default()).expect("short lines");
    assert_eq!(
        script.explain("iptables-restore: line 108 failed\n", 100),
        "iptables-restore: `-A INPUT -j own` failed"
    );
    assert_eq!(
        script.explain("Error occurred at line: 109", 100),
        "Error occurred at `COMMIT of filter`"
    );
    assert_eq!(
        script.explain("the line is long, line 7", 100),
        "the line is long, line 7"
    );
}
