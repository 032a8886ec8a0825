//! `calidiff hashes`, as people see it.

use calidiff::claims::seed;

use super::{calidiff, folder_with, refusal};

const START: &str = "-A cali-tw-cali0ef24b1 -m comment --comment \"cali:vE8JWROTKOuSK0cA\" -m \
     comment --comment \"Start of policies\" -j MARK --set-xmark 0x0/0x2000000\n";

fn dump() -> &'static str {
    seed::saved("slave1.v4.save").expect("a fixture")
}

#[test]
fn a_dump_as_felix_wrote_it() {
    let folder = folder_with(&[("mine.save", dump())]);
    let output = calidiff(folder.path(), &["hashes", "mine.save"]);
    assert_eq!(output.status.code(), Some(0));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r##"
    mine.save: 98 rules bear the hash that they should
    "##);
}

#[test]
fn a_rule_added_and_one_lost() {
    let changed = dump().replace(START, "");
    let added = "-A cali-INPUT -s 10.0.0.9/32 -j ACCEPT\nCOMMIT\n";
    let (before, after) = changed.rsplit_once("COMMIT\n").expect("an end");
    let changed = format!("{before}{added}{after}");
    let folder = folder_with(&[("mine.save", &changed)]);
    let output = calidiff(folder.path(), &["hashes", "mine.save"]);
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(String::from_utf8_lossy(&output.stdout), @r##"
    mine.save: 97 rules bear the hash that they should, 2 things are not as Felix wrote them
      mine.save:133: filter/cali-tw-cali0ef24b1 rule 2: lost: right before it Felix wrote `-A cali-tw-cali0ef24b1 -m comment --comment "Start of policies" --jump MARK --set-mark 0/0x2000000`
      mine.save:147: filter/cali-INPUT rule 8: added: it bears no hash of Felix's
    "##);
    let output = calidiff(folder.path(), &["hashes", "mine.save", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let [one] = found.as_array().expect("a list").as_slice() else {
        panic!("{found:#}");
    };
    assert_eq!(one["file"], "mine.save");
    let kinds = one["findings"].as_array().into_iter().flatten();
    let kinds: Vec<_> = kinds.map(|finding| finding["kind"].as_str()).collect();
    assert_eq!(kinds, [Some("lost"), Some("added")]);
    assert_eq!(one["findings"][0]["chain"], "cali-tw-cali0ef24b1");
    assert_eq!(one["findings"][0]["number"], 2);
}

#[test]
fn a_dump_that_an_old_reader_printed() {
    let lost = dump().replace(" -m mark --mark 0x1000000/0x1000000", "");
    let folder = folder_with(&[("mine.save", &lost)]);
    let output = calidiff(folder.path(), &["hashes", "mine.save"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout);
    let few: Vec<&str> = said.lines().take(4).collect();
    insta::assert_snapshot!(few.join("\n"), @r##"
    mine.save: 82 rules bear the hash that they should, 16 things are not as Felix wrote them
      16 rules lost their `-m mark` match: an old iptables-nft (1.8.7 does so) printed the rules of a newer one. Take the dump again with the iptables that Felix uses: without the matches these rules say something else.
      mine.save:16: raw/cali-OUTPUT rule 3: altered: it lost `-m mark --mark 0x1000000/0x1000000`
      mine.save:20: raw/cali-PREROUTING rule 4: altered: it lost `-m mark --mark 0x1000000/0x1000000`
    "##);
}

#[test]
fn no_dump() {
    let folder = folder_with(&[]);
    insta::assert_snapshot!(refusal(folder.path(), &["hashes"]), @r##"
    error: the following required arguments were not provided:
      <FILE>...

    Usage: calidiff hashes <FILE>...

    For more information, try '--help'.
    "##);
}
