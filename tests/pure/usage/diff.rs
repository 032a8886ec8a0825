//! `calidiff diff`, as people see it.

use std::path::Path;

use calidiff::claims::seed;
use serde_json::Value;

use super::{TUNNELLED, calidiff, folder_with, refusal};

/// The rule by which the seed's policy denies all that comes in.
const DENIES: &str = "-A cali-pi-namespace-default -m comment --comment \"cali:K4jTheFcVvdYaw0q\" \
     -j DROP\n";

fn dump() -> &'static str {
    seed::saved("slave1.v4.save").expect("a fixture")
}

/// What it prints, and its exit status.
fn said(folder: &Path, arguments: &[&str]) -> (String, Option<i32>) {
    let output = calidiff(folder, &[&["diff"], arguments].concat());
    let told = String::from_utf8_lossy(&output.stderr);
    // On a slow machine it says how far it is.
    let is_progress = |line: &&str| line.contains(" verdicts, ") && line.contains(" of ");
    let errors: Vec<&str> = told.lines().filter(|line| !is_progress(line)).collect();
    assert_eq!(errors, [""; 0]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (said, output.status.code())
}

#[test]
fn a_dump_against_itself() {
    let sets = seed::saved("slave1.ipset").expect("a fixture");
    let folder = folder_with(&[("old.save", dump()), ("new.save", dump()), ("sets", sets)]);
    let node = ["--sets", "sets", "--node", "slave1", "--packets", "2000"];
    let (said, status) = said(
        folder.path(),
        &[&["old.save", "new.save"], &node[..]].concat(),
    );
    assert_eq!(status, Some(0), "{said}");
    assert!(said.starts_with("old.save against new.save\n"), "{said}");
    assert!(said.contains(": 0 end differently, 0 unjudged\n"), "{said}");
    assert_eq!(said.lines().count(), 2, "{said}");
}

#[test]
fn a_dump_that_lost_a_rule() {
    let sets = seed::saved("slave1.ipset").expect("a fixture");
    let lost = dump().replace(DENIES, "");
    assert_ne!(lost, dump());
    let folder = folder_with(&[("old.save", dump()), ("new.save", &lost), ("sets", sets)]);
    let files = ["old.save", "new.save"];
    let node = ["--sets", "sets", "--node", "slave1", "--packets", "2000"];
    let arguments = [&files, &node[..]].concat();
    let (text, status) = said(folder.path(), &arguments);
    assert_eq!(status, Some(1), "{text}");
    assert!(
        text.contains("\nCHANGE dropped -> sent on (packets: model "),
        "{text}"
    );
    let of_policy = |line: &&str| line.contains("cali-pi-namespace-default");
    let shown: Vec<&str> = text.lines().filter(of_policy).collect();
    let [path, _, by_old, by_new] = shown.as_slice() else {
        panic!("{text}");
    };
    let (old, new) = path.split_once("  | ").expect("two columns");
    let place = "FORWARD filter/cali-pi-namespace-default rule 1";
    assert!(
        old.trim().starts_with(&format!("{place}: DROP mark ")),
        "{path}"
    );
    assert!(
        new.trim().starts_with(&format!("{place}: MARK mark ")),
        "{path}"
    );
    assert_eq!(
        *by_old,
        format!("  old.save: line 124: {}", DENIES.trim_end())
    );
    assert!(
        by_new.starts_with("  new.save: line 123: -A cali-pi-"),
        "{by_new}"
    );
    let (json, status) = said(folder.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(status, Some(1), "{json}");
    let found: Value = serde_json::from_str(&json).expect("JSON");
    let [change] = found["changes"].as_array().expect("changes").as_slice() else {
        panic!("{json}");
    };
    assert_eq!(change["first"]["ending"], "dropped");
    assert_eq!(change["second"]["ending"], "sent");
    assert_eq!(change["packets"]["model"], found["judges"][0]["changed"]);
    let same = change["same_steps"].as_u64().expect("a number") as usize;
    let parting = &change["first"]["path"][same];
    assert_eq!(parting["chain"], "cali-pi-namespace-default");
    assert_eq!(parting["rule"], DENIES.trim_end());
}

#[test]
fn the_address_of_what_goes_on_counts_and_its_mark_does_not() {
    let translated = "*nat\n-A POSTROUTING -o eth0 -p udp -j SNAT --to-source 192.0.2.1\nCOMMIT\n";
    let marked = "*mangle\n-A FORWARD -j MARK --set-xmark 0x1/0x1\nCOMMIT\n";
    let both = format!("{translated}{marked}");
    let folder = folder_with(&[("nat", translated), ("both", &both), ("mark", marked)]);
    let few = ["--packets", "400"];
    let (same, status) = said(folder.path(), &[&["nat", "both"], &few[..]].concat());
    assert_eq!(status, Some(0), "{same}");
    let (changed, status) = said(folder.path(), &[&["both", "mark"], &few[..]].concat());
    assert_eq!(status, Some(1), "{changed}");
    let changes = changed.lines().filter(|line| line.starts_with("CHANGE"));
    let changes: Vec<&str> = changes.collect();
    assert!(!changes.is_empty(), "{changed}");
    let of_address = |line: &&str| line.starts_with("CHANGE sent on -> sent on");
    assert!(changes.iter().all(of_address), "{changed}");
}

#[test]
fn a_policy_changed() {
    let closed = TUNNELLED.replace("action: allow", "action: deny");
    let folder = folder_with(&[("old.yaml", TUNNELLED), ("new.yaml", &closed)]);
    let arguments = [
        "old.yaml",
        "new.yaml",
        "--packets",
        "500",
        "--layout",
        "seed",
    ];
    let (text, status) = said(folder.path(), &arguments);
    assert_eq!(status, Some(1), "{text}");
    let partings = text.lines().filter(|line| line.contains("cali-pro-open -"));
    let partings: Vec<&str> = partings.collect();
    insta::assert_snapshot!(partings.join("\n"), @r#"
      old.yaml: -A cali-pro-open -m comment --comment "cali:w2ltlHsO68_4vYOO" -j MARK --set-xmark 0x1000000/0x1000000
      new.yaml: -A cali-pro-open -m comment --comment "cali:v4DTLC_HDGdNbRtM" -j DROP
    "#);
}

#[test]
fn one_ruleset_alone() {
    let folder = folder_with(&[("old.save", dump())]);
    insta::assert_snapshot!(refusal(folder.path(), &["diff", "old.save"]), @r#"
    error: 2 values required for '<FILE> <FILE>...' but 1 was provided

    Usage: calidiff diff [OPTIONS] <FILE> <FILE>...

    For more information, try '--help'.
    "#);
    let arguments = ["diff", "old.save", "new.save"];
    insta::assert_snapshot!(refusal(folder.path(), &arguments), @r#"
      × cannot read new.save: No such file or directory (os error 2)
    "#);
}
