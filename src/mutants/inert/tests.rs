use std::error::Error;

use super::*;
use crate::xtables::save;

fn firewall(text: &str) -> Result<Firewall, Box<dyn Error>> {
    Ok(Firewall {
        v4: save::parse("v4", text, Family::V4)?,
        ..Firewall::default()
    })
}

/// Why the second of two rulesets does with every packet what the first does.
fn shown(usual: &str, faulty: &str) -> Result<Option<Inert>, Box<dyn Error>> {
    let node = Node {
        name: "node".to_owned(),
        interfaces: Vec::new(),
        routes: Vec::new(),
        forwards_v4: true,
        forwards_v6: true,
    };
    Ok(Sound::new(&node, &firewall(usual)?).inert(&firewall(faulty)?))
}

const CLASSES: &str = "*mangle\n:POSTROUTING ACCEPT [0:0]\n:cali-egress-dscp - [0:0]\n\
    -A POSTROUTING -j cali-egress-dscp\n\
    -A cali-egress-dscp -s 10.65.0.2/32 -j DSCP --set-dscp 0x2e\nCOMMIT\n";

/// Somebody asks for the class behind the one who writes it.
const READ: &str = "*mangle\n:POSTROUTING ACCEPT [0:0]\n:cali-egress-dscp - [0:0]\n\
    -A POSTROUTING -j cali-egress-dscp\n\
    -A POSTROUTING -m dscp --dscp 0x2e -j DROP\n\
    -A cali-egress-dscp -s 10.65.0.2/32 -j DSCP --set-dscp 0x2e\nCOMMIT\n";

#[test]
fn a_traffic_class_that_no_rule_asks_for_changes_nothing() -> Result<(), Box<dyn Error>> {
    let others = [
        CLASSES.replace("0x2e", "0x00"),
        CLASSES.replace(" -s 10.65.0.2/32", ""),
        CLASSES.replace("-A cali-egress-dscp", "-A cali-egress-dscp -p tcp"),
    ];
    for faulty in others {
        assert_eq!(shown(CLASSES, &faulty)?, Some(Inert::Classed), "{faulty}");
    }
    Ok(())
}

#[test]
fn the_way_to_a_class_changes_no_more_than_the_class() -> Result<(), Box<dyn Error>> {
    let faulty = CLASSES.replace("POSTROUTING -j", "POSTROUTING ! -s 10.0.0.0/8 -j");
    assert!(shown(CLASSES, &faulty)?.is_some());
    let faulty = CLASSES.replace("-j DSCP --set-dscp 0x2e", "-j DROP");
    assert_eq!(shown(CLASSES, &faulty)?, None);
    Ok(())
}

#[test]
fn a_traffic_class_that_a_rule_asks_for_may_change_everything() -> Result<(), Box<dyn Error>> {
    let others = [
        READ.replace("--set-dscp 0x2e", "--set-dscp 0x00"),
        READ.replace(" -s 10.65.0.2/32", ""),
        READ.replace("-m dscp --dscp 0x2e -j DROP", "-m dscp --dscp 0x2d -j DROP"),
    ];
    for faulty in others {
        assert_eq!(shown(READ, &faulty)?, None, "{faulty}");
    }
    Ok(())
}

/// What stands behind a written class leaves marks alone: they are nobody's any more.
#[test]
fn marks_that_nobody_reads_any_more_change_nothing() -> Result<(), Box<dyn Error>> {
    let usual = CLASSES.replace(
        "-A POSTROUTING",
        "-A POSTROUTING -j MARK --set-xmark 0x1/0x1\n-A POSTROUTING",
    );
    let faulty = usual.replace("0x1/0x1", "0x0/0x1");
    assert!(shown(&usual, &faulty)?.is_some());
    Ok(())
}

/// A limit that drops what it does not let through, before or behind what drops invalid packets.
fn limited(rules: [&str; 4]) -> String {
    let rules = rules.map(|rule| format!("-A cali-fw-one {rule}\n"));
    format!(
        "*filter\n:FORWARD ACCEPT [0:0]\n:cali-fw-one - [0:0]\n-A FORWARD -j cali-fw-one\n{}COMMIT\n",
        rules.concat()
    )
}

const SETS: &str = "-m limit --limit 10/sec -j MARK --set-xmark 0x1/0x1";
const DROPS: &str = "-m mark ! --mark 0x1/0x1 -j DROP";
const CLEARS: &str = "-j MARK --set-xmark 0x0/0x1";
const INVALID: &str = "-m conntrack --ctstate INVALID -j DROP";

#[test]
fn who_uses_up_a_limit_may_be_all_that_changes() -> Result<(), Box<dyn Error>> {
    let usual = limited([CLEARS, SETS, DROPS, INVALID]);
    let faulty = limited([INVALID, CLEARS, SETS, DROPS]);
    assert_eq!(shown(&usual, &faulty)?, Some(Inert::Spent));
    Ok(())
}

#[test]
fn what_a_limit_lets_through_is_no_matter_of_who_uses_it_up() -> Result<(), Box<dyn Error>> {
    let usual = limited([CLEARS, SETS, DROPS, INVALID]);
    let others = [
        limited([CLEARS, DROPS, SETS, INVALID]),
        limited([CLEARS, SETS, SETS, DROPS]),
        usual.replace("-m limit --limit 10/sec ", ""),
        usual.replace("10/sec", "20/sec"),
    ];
    for faulty in others {
        assert_eq!(shown(&usual, &faulty)?, None, "{faulty}");
    }
    Ok(())
}

/// Two limits that ask for the same are two all the same.
#[test]
fn one_limit_does_not_answer_for_another() -> Result<(), Box<dyn Error>> {
    let twice = "-m limit --limit 10/sec -j MARK --set-xmark 0x2/0x2";
    let both = "-m mark --mark 0x3/0x3 -j ACCEPT";
    let either = "-m mark --mark 0x1/0x1 -j ACCEPT";
    let usual = limited([SETS, twice, both, "-j DROP"]);
    let faulty = limited([SETS, twice, either, "-j DROP"]);
    assert_eq!(shown(&usual, &faulty)?, None);
    Ok(())
}

#[test]
fn a_limited_log_changes_nothing() -> Result<(), Box<dyn Error>> {
    let log = "-m limit --limit 1/sec -j LOG";
    let usual = limited([log, SETS, DROPS, INVALID]);
    let faulty = limited(["-j LOG", SETS, DROPS, INVALID]);
    assert_eq!(shown(&usual, &faulty)?, Some(Inert::Told));
    Ok(())
}

/// Any bit of a mark is one way to bear it, and each is followed by itself.
#[test]
fn who_bears_any_of_several_bits_is_still_known_to_do_so() -> Result<(), Box<dyn Error>> {
    let bears = "-m mark ! --mark 0x0/0x3 -j RETURN";
    let usual = limited(["-j LOG", bears, "-d 10.0.0.1/32 -j ACCEPT", "-j DROP"]);
    let faulty = limited([bears, bears, "-d 10.0.0.1/32 -j ACCEPT", "-j DROP"]);
    assert!(shown(&usual, &faulty)?.is_some());
    let faulty = faulty.replace("0x0/0x3", "0x0/0x1");
    assert_eq!(shown(&usual, &faulty)?, None);
    Ok(())
}

#[test]
fn whether_a_sender_is_told_of_its_loss_changes_nothing() -> Result<(), Box<dyn Error>> {
    let usual = limited([
        CLEARS,
        SETS,
        "-p tcp -j REJECT --reject-with tcp-reset",
        INVALID,
    ]);
    let faulty = usual.replace("REJECT --reject-with tcp-reset", "DROP");
    assert_eq!(shown(&usual, &faulty)?, Some(Inert::Told));
    let faulty = usual.replace("REJECT --reject-with tcp-reset", "ACCEPT");
    assert_eq!(shown(&usual, &faulty)?, None);
    Ok(())
}

/// What one table leaves on the mark, and what the next does with it; what comes back over lo is cleared of it.
fn passed_on(left: &str, asked: &str) -> String {
    format!(
        "*raw\n:PREROUTING ACCEPT [0:0]\n-A PREROUTING {CLEARS}\nCOMMIT\n\
         *filter\n:OUTPUT ACCEPT [0:0]\n-A OUTPUT {left}\nCOMMIT\n\
         *mangle\n:POSTROUTING ACCEPT [0:0]\n{asked}COMMIT\n"
    )
}

#[test]
fn a_mark_that_the_next_table_makes_nothing_of_changes_nothing() -> Result<(), Box<dyn Error>> {
    let either = "-A POSTROUTING -m mark --mark 0x1/0x1 -j ACCEPT\n\
                  -A POSTROUTING -j MARK --set-xmark 0x0/0x1\n";
    let usual = passed_on("-j MARK --set-xmark 0x1/0x1", either);
    let faulty = usual.replacen("0x1/0x1", "0x0/0x1", 1);
    assert!(shown(&usual, &faulty)?.is_some());
    let dropping = format!("{either}-A POSTROUTING -j DROP\n");
    let usual = passed_on("-j MARK --set-xmark 0x1/0x1", &dropping);
    let faulty = usual.replacen("0x1/0x1", "0x0/0x1", 1);
    assert_eq!(shown(&usual, &faulty)?, None);
    Ok(())
}

#[test]
fn only_what_goes_to_the_node_comes_to_input() -> Result<(), Box<dyn Error>> {
    let rule =
        |to: &str| format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT ! -d {to} -j DROP\nCOMMIT\n");
    let usual = rule("127.0.0.0/8");
    assert!(shown(&usual, &usual.replace("127.0.0.0/8", "126.0.0.0/7"))?.is_some());
    assert_eq!(
        shown(&usual, &usual.replace("127.0.0.0/8", "127.0.0.1/32"))?,
        None
    );
    Ok(())
}

#[test]
fn what_has_a_translated_destination_is_not_invalid() -> Result<(), Box<dyn Error>> {
    let usual = limited([
        "-m conntrack --ctstate DNAT -j cali-fw-two",
        "-j ACCEPT",
        "-j ACCEPT",
        "-j ACCEPT",
    ])
    .replace(":cali-fw-one", ":cali-fw-two - [0:0]\n:cali-fw-one")
    .replace("COMMIT", &format!("-A cali-fw-two {INVALID}\nCOMMIT"));
    let faulty = usual.replace(&format!("-A cali-fw-two {INVALID}\n"), "");
    assert!(shown(&usual, &faulty)?.is_some());
    let usual = usual.replace("--ctstate DNAT", "--ctstate INVALID");
    let faulty = usual.replace(&format!("-A cali-fw-two {INVALID}\n"), "");
    assert_eq!(shown(&usual, &faulty)?, None);
    Ok(())
}
