//! What the parser makes of a restore file is what the real tools make of it: a text and its
//! reprint, loaded into fresh namespaces, are saved alike, byte for byte.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

use calidiff::kernel::Namespace;
use calidiff::packet::Family;
use calidiff::xtables::save::{self, Style};
use calidiff::xtables::{Match, Ruleset};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("restore::the_corpus_prints_alike", the_corpus_prints_alike),
        trial(
            "restore::the_reference_prints_alike",
            the_reference_prints_alike,
        ),
        trial(
            "restore::every_spelling_prints_alike",
            every_spelling_prints_alike,
        ),
        trial(
            "restore::refusals_are_the_tools_own",
            refusals_are_the_tools_own,
        ),
    ]
}

/// The two programs behind the tables.
pub const BACKENDS: [&str; 2] = ["legacy", "nft"];

/// The corpus of dumps that other people published, where this machine has it.
pub fn corpus() -> Option<PathBuf> {
    let corpus = env::var_os("CALIDIFF_CORPUS").map(PathBuf::from);
    if corpus.is_none() {
        eprintln!("CALIDIFF_CORPUS is not set: the dumps of other people are not tried");
    }
    corpus
}

/// Runs a program in this thread's namespace.
pub fn run(program: &str, arguments: &[&str], input: &str) -> Result<String, String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let mut stdin = child.stdin.take().ok_or("no standard input")?;
    let input = input.to_owned();
    // A program that refuses early closes its end, which is no fault of the writer.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child
        .wait_with_output()
        .map_err(|error| format!("{program}: {error}"))?;
    writer.join().map_err(|_| "the writer panicked")?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// Loads a text into a fresh namespace with these sets, and saves what is there.
pub fn load(
    backend: &str,
    family: Family,
    sets: &str,
    text: &str,
    counters: bool,
) -> Result<String, String> {
    let _namespace = Namespace::create().map_err(|error| error.to_string())?;
    run("ipset", &["restore"], sets)?;
    let tool = match family {
        Family::V4 => "iptables",
        Family::V6 => "ip6tables",
    };
    let counted: &[&str] = if counters { &["-c"] } else { &[] };
    let restore: &[&str] = match backend {
        "legacy" => &["-w", "60"],
        _ => &[],
    };
    let arguments = [restore, counted].concat();
    run(&format!("{tool}-{backend}-restore"), &arguments, text)?;
    let saved = run(&format!("{tool}-{backend}-save"), counted, "")?;
    let plain = saved.lines().filter(|line| !line.starts_with('#'));
    Ok(plain.map(|line| format!("{line}\n")).collect())
}

/// Orders that make the sets that a ruleset asks.
fn sets_of(ruleset: &Ruleset) -> String {
    let family = match ruleset.family {
        Family::V4 => "inet",
        Family::V6 => "inet6",
    };
    let matches = ruleset.rules().flat_map(|(_, rule)| &rule.matches);
    let sets = matches.filter_map(|one| match one {
        Match::Set(test) => Some((&test.name, test.sides.len())),
        _ => None,
    });
    sets.map(|(name, sides)| {
        let kind = ["hash:net", "hash:ip,port", "hash:ip,port,ip"][(sides - 1).min(2)];
        format!("create {name} {kind} family {family} counters -exist\n")
    })
    .collect()
}

/// The first lines that differ.
fn first_difference(one: &str, other: &str) -> String {
    let mut lines = one.lines().zip(other.lines());
    match lines.find(|(one, other)| one != other) {
        Some((one, other)) => format!("first\n{one}\n{other}"),
        None => "one ends earlier".to_owned(),
    }
}

/// By how many of the backends text and reprint are saved alike, or what differs.
fn compare(text: &str, ruleset: &Ruleset, sets: &str, counters: bool) -> Result<usize, String> {
    let reprint = save::print(ruleset, Style { counters });
    let mut compared = 0;
    for backend in BACKENDS {
        let original = match load(backend, ruleset.family, sets, text, counters) {
            Ok(saved) => saved,
            Err(message) => {
                eprintln!("{backend} refuses the original: {message}");
                continue;
            }
        };
        let again = load(backend, ruleset.family, sets, &reprint, counters)
            .map_err(|message| format!("{backend} refuses the reprint: {message}\n{reprint}"))?;
        if original != again {
            return Err(format!(
                "{backend} saves them differently, {}",
                first_difference(&original, &again)
            ));
        }
        let reread = save::parse("saved", &original, ruleset.family)
            .map_err(|error| format!("what {backend} saves is refused: {error}"))?;
        let ours = save::print(&reread, Style { counters });
        if ours != original {
            return Err(format!(
                "{backend}'s own text is printed otherwise, {}",
                first_difference(&original, &ours)
            ));
        }
        compared += 1;
    }
    Ok(compared)
}

fn the_corpus_prints_alike() -> Result<(), Box<dyn Error>> {
    let Some(corpus) = corpus() else {
        return Ok(());
    };
    let mut paths: Vec<PathBuf> = fs::read_dir(corpus)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    paths.sort();
    let mut compared = 0;
    let mut failures = Vec::new();
    for path in paths {
        let family = match path.extension().and_then(|extension| extension.to_str()) {
            Some("save") => Family::V4,
            Some("save6") => Family::V6,
            _ => continue,
        };
        match compare_file(&path, family) {
            Ok(count) => compared += count,
            Err(failure) => failures.push(format!("{}: {failure}", path.display())),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(compared > 0, "the corpus holds no dump that loads");
    Ok(())
}

/// A file that the parser refuses must be one that a tool refuses too.
fn compare_file(path: &Path, family: Family) -> Result<usize, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    let name = path.display().to_string();
    match save::parse(&name, &text, family) {
        Ok(ruleset) => {
            let sets = sets_of(&ruleset);
            let plain = compare(&text, &ruleset, &sets, false)?;
            if plain != BACKENDS.len() {
                return Err("a tool refuses what the parser takes".to_owned());
            }
            Ok(plain + compare(&text, &ruleset, &sets, true)?)
        }
        Err(error) => {
            for backend in BACKENDS {
                if load(backend, family, "", &text, false).is_ok() {
                    return Err(format!("{backend} takes what the parser refuses: {error}"));
                }
            }
            eprintln!("refused by all: {error}");
            Ok(0)
        }
    }
}

fn the_reference_prints_alike() -> Result<(), Box<dyn Error>> {
    let Some(reference) = corpus().map(|corpus| corpus.join("../reference")) else {
        return Ok(());
    };
    let path = reference.join("reference.save");
    let Ok(text) = fs::read_to_string(&path) else {
        eprintln!("{} is not there", path.display());
        return Ok(());
    };
    let sets = fs::read_to_string(reference.join("reference.ipset"))?;
    let ruleset = save::parse("reference.save", &text, Family::V4)?;
    assert_eq!(compare(&text, &ruleset, &sets, false)?, BACKENDS.len());
    Ok(())
}

fn every_spelling_prints_alike() -> Result<(), Box<dyn Error>> {
    for (name, text, family) in [
        ("v4.rules", include_str!("spellings/v4.rules"), Family::V4),
        ("v6.rules", include_str!("spellings/v6.rules"), Family::V6),
    ] {
        let ruleset = save::parse(name, text, family)?;
        let sets = sets_of(&ruleset);
        assert_eq!(compare(text, &ruleset, &sets, false)?, BACKENDS.len());
        assert_eq!(compare(text, &ruleset, &sets, true)?, BACKENDS.len());
    }
    let text = include_str!("spellings/legacy.rules");
    let ruleset = save::parse("legacy.rules", text, Family::V4)?;
    let reprint = save::print(&ruleset, Style::default());
    assert_eq!(
        load("legacy", Family::V4, "", text, false)?,
        load("legacy", Family::V4, "", &reprint, false)?
    );
    Ok(())
}

/// Rules of the filter table's INPUT that iptables refuses for their text alone, and where and why the
/// parser does.
const REFUSED: [(&str, &str); 63] = [
    (
        "-A INPUT -s www.example.invalid",
        ":2:13: `www.example.invalid` is a host's name",
    ),
    ("-A INPUT -s 10.0.0.0/33", "a length from 0 to 32"),
    ("-A INPUT -s ! 10.0.0.1", "`!` stands behind `-s`"),
    (
        "-A INPUT ! -s 10.0.0.1,10.0.0.2",
        "negates several addresses",
    ),
    ("-A INPUT -s10.0.0.1", "has its value attached"),
    ("-A INPUT -s 1.1.1.1 -s 2.2.2.2", "is given twice"),
    ("-A INPUT -s", "ends too early"),
    (
        "-A INPUT -o eth0",
        "packets in INPUT have no such interface",
    ),
    (
        "-A INPUT -i abcdefghijklmnop",
        "an interface's name of 1 to 15 bytes",
    ),
    ("-A INPUT -p nonesuch", "a protocol"),
    ("-A INPUT ! -p all", "negated never matches"),
    ("-A INPUT 10.0.0.1", "an option such as"),
    ("-A INPUT ! ! -s 10.0.0.1", "one `!`"),
    ("-A INPUT !", "`!` negates nothing"),
    ("-A INPUT ! -m tcp", "can't be negated"),
    ("-A INPUT -j", "ends too early"),
    (
        "-A INPUT -j NOSUCHCHAIN",
        ":2:13: `NOSUCHCHAIN` is no target, and table filter has no such chain",
    ),
    ("-A INPUT -g ACCEPT", "is no target"),
    ("-A NOSUCHCHAIN -j ACCEPT", "is no chain of table filter"),
    ("-A INPUT -j ACCEPT -j DROP", "is given twice"),
    ("-t filter -A INPUT", "can't stand in a restore file"),
    ("-j ACCEPT", "the line orders nothing"),
    (
        "-A INPUT --dport 80",
        "is an option that no module of this rule knows",
    ),
    (
        "-A INPUT -p tcp --nonesuch 80",
        "is an option that no module of this rule knows",
    ),
    (
        "-A INPUT -p tcp --dport 65536",
        "a port: a number from 0 to 65535",
    ),
    ("-A INPUT -p tcp --dport 80:70", "is an empty range"),
    (
        "-A INPUT -p tcp --dport nonesuch",
        "a well-known service's name",
    ),
    (
        "-A INPUT -p tcp --syn --tcp-flags ALL SYN",
        "`--syn` excludes",
    ),
    ("-A INPUT -p tcp --tcp-flags ALL", "2 words behind it"),
    (
        "-A INPUT -p tcp --tcp-flags ALL,NONESUCH SYN",
        "FIN, SYN, RST",
    ),
    ("-A INPUT -p tcp --tcp-option 0", "a number from 1 to 255"),
    (
        "-A INPUT -m multiport --dports 80",
        "needs a protocol that has ports",
    ),
    (
        "-A INPUT -p tcp -m multiport --dports 1:2,3:4,5:6,7:8,9:10,11:12,13:14,15:16",
        "too many ports",
    ),
    ("-A INPUT -p icmp --icmp-type nonesuch", "a type such as"),
    ("-A INPUT -p icmp --icmp-type 256", "numbers up to 255"),
    ("-A INPUT -p icmp -m icmp", "`--icmp-type` behind it"),
    ("-A INPUT -m mark --mark 4294967296", "a mark such as"),
    ("-A INPUT -m mark", "`--mark` behind it"),
    ("-A INPUT -m conntrack", "is incomplete"),
    (
        "-A INPUT -m conntrack --ctstate OLD",
        "INVALID, NEW, ESTABLISHED",
    ),
    ("-A INPUT -m conntrack ! --ctdir REPLY", "can't be negated"),
    (
        "-A INPUT -m state --state SNAT",
        "INVALID, NEW, ESTABLISHED, RELATED, UNTRACKED",
    ),
    (
        "-A INPUT -m addrtype --limit-iface-in",
        "`--src-type` or `--dst-type` behind it",
    ),
    ("-A INPUT -m addrtype --dst-type WRONG", "UNSPEC, UNICAST"),
    ("-A INPUT -m limit --limit 20000/second", "a rate such as"),
    (
        "-A INPUT -m statistic --mode random --probability 1.1",
        "a probability from 0 to 1",
    ),
    (
        "-A INPUT -m statistic --mode nth --every 2 --packet 2",
        "`--packet` below `--every`",
    ),
    (
        "-A INPUT -m string --algo bm",
        "`--string` or `--hex-string` behind it",
    ),
    (
        "-A INPUT -m string --algo bm --hex-string |0g|",
        "pairs of digits",
    ),
    ("-A INPUT -m dscp --dscp 64", "a number from 0 to 63"),
    (
        "-A INPUT -m mac --mac-source 00:11:22:33:44",
        "a hardware address",
    ),
    (
        "-A INPUT -m recent --rcheck --update",
        "`--rcheck` excludes `--update`",
    ),
    ("-A INPUT -m hl --hl-eq 1", "is ip6tables'"),
    ("-A INPUT -j MARK", "is incomplete"),
    ("-A INPUT -j MARK --set-mark 1 --and-mark 2", "excludes"),
    (
        "-A INPUT -j REJECT --reject-with nonesuch",
        "one of icmp-net-unreachable",
    ),
    ("-A INPUT -j LOG --log-level 8", "a level from 0 to 7"),
    (
        "-A INPUT -j DNAT --to-destination 10.0.0.1:80",
        "has ports, and the rule's protocol has none",
    ),
    ("-A INPUT -c 1 x -j DROP", "a counter"),
    ("[1:x] -A INPUT -j DROP", "these are no counters"),
    ("-N INPUT", "is there already"),
    ("-N ACCEPT", "is a target's name"),
    (":user DROP [0:0]", "can't be a user's chain's policy"),
];

fn refusals_are_the_tools_own() -> Result<(), Box<dyn Error>> {
    // The frame around each rule is no reason to refuse.
    load(
        "legacy",
        Family::V4,
        "",
        "*filter\n-A INPUT\nCOMMIT\n",
        true,
    )?;
    let mut failures = Vec::new();
    for (line, words) in REFUSED {
        let text = format!("*filter\n{line}\nCOMMIT\n");
        match save::parse("rules", &text, Family::V4) {
            Ok(_) => failures.push(format!("the parser takes {line}")),
            Err(error) if !error.to_string().contains(words) => {
                failures.push(format!("{line}: {error}"));
            }
            Err(_) => {}
        }
        // iptables-nft forgives more, such as a policy of a user's chain.
        if load("legacy", Family::V4, "", &text, true).is_ok() {
            failures.push(format!("iptables-legacy takes {line}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    Ok(())
}
