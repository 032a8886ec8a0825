//! Rules and sets through the real tools: whatever was loaded before, a namespace holds what a fresh
//! one would.

use std::error::Error;
use std::fmt::Write;
use std::process::Command;

use calidiff::kernel::{Namespace, Programmer, Room, Texts, Tools, in_rooms};
use calidiff::mark::Mark;
use calidiff::node::Node;
use calidiff::packet::{Batch, Family, Order};
use calidiff::verdict::NotProgrammed;
use calidiff::xtables::{Backend, Firewall, save};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("programming::legacy_history_leaves_no_trace", || {
            history_leaves_no_trace(Backend::Legacy, Tools::LongLived, 120)
        }),
        trial("programming::nft_history_leaves_no_trace", || {
            history_leaves_no_trace(Backend::Nft, Tools::LongLived, 25)
        }),
        trial("programming::legacy_changes_leave_no_trace", || {
            history_leaves_no_trace(Backend::Legacy, Tools::Changes, 120)
        }),
        trial("programming::nft_changes_leave_no_trace", || {
            history_leaves_no_trace(Backend::Nft, Tools::Changes, 40)
        }),
        trial("programming::legacy_refuses_and_goes_on", || {
            refuses_and_goes_on(Backend::Legacy, Tools::LongLived)?;
            refuses_and_goes_on(Backend::Legacy, Tools::Changes)
        }),
        trial("programming::nft_refuses_and_goes_on", || {
            refuses_and_goes_on(Backend::Nft, Tools::LongLived)?;
            refuses_and_goes_on(Backend::Nft, Tools::Changes)
        }),
        trial("programming::legacy_sets_change_under_rules", || {
            sets_change_under_rules(Backend::Legacy, Tools::LongLived)?;
            sets_change_under_rules(Backend::Legacy, Tools::Changes)
        }),
        trial("programming::nft_sets_change_under_rules", || {
            sets_change_under_rules(Backend::Nft, Tools::LongLived)?;
            sets_change_under_rules(Backend::Nft, Tools::Changes)
        }),
        trial("programming::a_large_ruleset_fits", a_large_ruleset_fits),
        trial("programming::a_pool_on_one_thread", a_pool_on_one_thread),
        trial(
            "programming::each_case_is_judged_once",
            each_case_is_judged_once,
        ),
    ]
}

/// A source of choices that is the same every time (xorshift64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

const TABLES: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    (
        "mangle",
        &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"],
    ),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

/// Rules that any table and both families take; `{set}` is replaced by a set's name.
const RULES: [&str; 6] = [
    "-i cali+ -m mark --mark 0x10000/0x10000 -j ACCEPT",
    "-p tcp -m comment --comment \"cali:6gwbT8clXdHdC1b1 # x\" -m multiport --dports 80,443,1000:2000 -j RETURN",
    "-m set --match-set {set} src -j MARK --set-xmark 0x0/0xf0000",
    "-m set ! --match-set {set} dst -g {chain}",
    "-m conntrack --ctstate RELATED,ESTABLISHED -j {chain}",
    "-o eth0 -j DROP",
];

/// A firewall that the choices make: some tables, policies, chains, rules, and sets.
fn random_firewall(choices: &mut Choices) -> [String; 3] {
    let mut sets = String::new();
    let mut names = [Vec::new(), Vec::new()];
    for (index, (kind, elements)) in [
        (
            "hash:net family inet maxelem 1024",
            ["10.0.0.0/8", "172.16.1.2"],
        ),
        (
            "hash:net family inet maxelem 2048",
            ["10.1.0.0/16", "1.1.1.1"],
        ),
        ("hash:ip family inet", ["10.0.0.1", "10.0.0.2"]),
        ("hash:net family inet6", ["fd00::/64", "fd01::1"]),
    ]
    .into_iter()
    .enumerate()
    {
        if choices.below(3) == 0 {
            continue;
        }
        // Two numbers, so that a name comes back with another type or other options.
        let name = format!(
            "cali40s:{}",
            choices.below(2) + if index == 3 { 7 } else { 0 }
        );
        if sets.contains(&format!("create {name} ")) {
            continue;
        }
        let _ = writeln!(sets, "create {name} {kind}");
        for element in elements.iter().take(choices.below(3) as usize) {
            let _ = writeln!(sets, "add {name} {element}");
        }
        names[usize::from(index == 3)].push(name);
    }
    let v4 = random_tables(choices, &names[0]);
    let v6 = random_tables(choices, &names[1]);
    [v4, v6, sets]
}

fn random_tables(choices: &mut Choices, sets: &[String]) -> String {
    let mut text = String::new();
    for (table, hooks) in TABLES {
        if choices.below(3) == 0 {
            continue;
        }
        let _ = writeln!(text, "*{table}");
        for hook in hooks {
            let policy = if table != "nat" && choices.below(4) == 0 {
                "DROP"
            } else {
                "ACCEPT"
            };
            let _ = writeln!(text, ":{hook} {policy} [0:0]");
        }
        let chains: Vec<String> = (0..choices.below(4))
            .map(|index| format!("cali-{index}"))
            .collect();
        for chain in &chains {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
        let all: Vec<&str> = hooks
            .iter()
            .copied()
            .chain(chains.iter().map(String::as_str))
            .collect();
        for (index, chain) in all.iter().enumerate() {
            for _ in 0..choices.below(4) {
                let rule = RULES[choices.below(6) as usize];
                // Only later chains are jumped to, so nothing loops.
                let target = all.get(hooks.len().max(index + 1));
                let set = sets.first();
                if (rule.contains("{chain}") && target.is_none())
                    || (rule.contains("{set}") && set.is_none())
                    || (rule.contains("-i cali+") && matches!(*chain, "OUTPUT" | "POSTROUTING"))
                    || (rule.contains("-o eth0")
                        && (table == "nat" || matches!(*chain, "PREROUTING" | "INPUT")))
                {
                    continue;
                }
                let rule = rule
                    .replace("{chain}", target.copied().unwrap_or_default())
                    .replace("{set}", set.map_or("", String::as_str));
                let _ = writeln!(text, "-A {chain} {rule}");
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}

fn texts(firewall: &[String; 3]) -> Texts<'_> {
    Texts {
        v4: &firewall[0],
        v6: &firewall[1],
        sets: &firewall[2],
    }
}

/// Everything the save tools say of a namespace, without counters, comments, and tables in which
/// there is nothing (which a namespace that once held something in them keeps).
fn saved(namespace: &Namespace, programmer: &Programmer) -> Result<String, Box<dyn Error>> {
    let mut seen = String::new();
    for family in Family::BOTH {
        let text = programmer.saved(namespace, family)?;
        let text = text.replace("[0:0] ", "");
        for block in text.split_inclusive("COMMIT\n") {
            let lines = block.lines().filter(|line| !line.starts_with('#'));
            let mut lines: Vec<&str> = lines.collect();
            // Chains are saved in the order in which they were made too.
            lines.sort_by_key(|line| {
                let mut words = line.split(' ');
                match words.next() {
                    Some("-A") => (1, words.next()),
                    Some(chain) if chain.starts_with(':') => (0, Some(chain)),
                    Some("COMMIT") => (2, None),
                    table => (0, table),
                }
            });
            let block = lines.join("\n");
            let nothing =
                !block.contains("\n-A") && !block.contains(" DROP") && !block.contains(" - ");
            if !nothing {
                seen.push_str(&block);
                seen.push('\n');
            }
        }
        // Tables are saved in the order in which they were made.
        let mut blocks: Vec<&str> = seen.split_inclusive("COMMIT\n").collect();
        blocks.sort_unstable();
        seen = blocks.concat();
    }
    let sets = Command::new("ipset").args(["save", "-sorted"]).output()?;
    assert!(sets.status.success());
    let sets = String::from_utf8(sets.stdout)?;
    let mut sets: Vec<String> = sets
        .lines()
        // A random number that each hash is seeded with.
        .map(|line| line.split(" initval ").next().unwrap_or(line).to_owned())
        .collect();
    sets.sort();
    seen.push_str(&sets.join("\n"));
    Ok(seen.trim_end().to_owned())
}

fn program(
    namespace: &Namespace,
    programmer: &mut Programmer,
    texts: &Texts<'_>,
) -> Result<Result<(), NotProgrammed>, Box<dyn Error>> {
    programmer.begin(namespace, texts)?;
    Ok(programmer.finish(namespace)?)
}

fn fresh(backend: Backend, texts: &Texts<'_>) -> Result<String, Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut programmer = Programmer::new(backend, Tools::Spawned);
    program(&namespace, &mut programmer, texts)??;
    saved(&namespace, &programmer)
}

/// Sets that nothing names may outlive their firewall; the comparison is about those asked for.
fn without_leftovers(seen: &str, sets: &str) -> String {
    let asked = |line: &&str| match line.split(' ').collect::<Vec<_>>()[..] {
        ["create" | "add", name, ..] => sets.contains(&format!("create {name} ")),
        _ => true,
    };
    seen.lines().filter(asked).collect::<Vec<_>>().join("\n")
}

/// A firewall that has much in common with another: some rules are gone, some stand twice.
fn changed(choices: &mut Choices, [v4, v6, sets]: &[String; 3]) -> [String; 3] {
    let [v4, v6] = [v4, v6].map(|text| {
        let lines = text.lines().map(|line| {
            let times = match choices.below(8) {
                0 if line.starts_with("-A") => 0,
                1 if line.starts_with("-A") => 2,
                _ => 1,
            };
            format!("{line}\n").repeat(times)
        });
        lines.collect()
    });
    let elements = sets
        .lines()
        .filter(|line| line.starts_with("create") || choices.below(4) > 0);
    let sets = elements.map(|line| format!("{line}\n")).collect();
    [v4, v6, sets]
}

fn history_leaves_no_trace(
    backend: Backend,
    tools: Tools,
    cases: u32,
) -> Result<(), Box<dyn Error>> {
    let namespace = Namespace::create()?;
    let mut programmer = Programmer::new(backend, tools);
    let mut choices = Choices(0x5eed_1234_5678_9abc);
    let mut firewall = random_firewall(&mut choices);
    for case in 0..cases {
        firewall = match choices.below(3) {
            0 => random_firewall(&mut choices),
            _ => changed(&mut choices, &firewall),
        };
        let texts = texts(&firewall);
        program(&namespace, &mut programmer, &texts)?
            .map_err(|refused| format!("case {case}: {refused}\n{}", firewall.join("\n")))?;
        let seen = without_leftovers(&saved(&namespace, &programmer)?, &firewall[2]);
        let expected = fresh(backend, &texts)?;
        namespace.enter()?;
        assert_eq!(seen, expected, "case {case} of {}", firewall.join("\n"));
    }
    Ok(())
}

fn refuses_and_goes_on(backend: Backend, tools: Tools) -> Result<(), Box<dyn Error>> {
    const GOOD: &str = "*filter\n:INPUT DROP [0:0]\n:own - [0:0]\n-A INPUT -j own\nCOMMIT\n";
    let namespace = Namespace::create()?;
    let mut programmer = Programmer::new(backend, tools);
    let load = |programmer: &mut Programmer, v4: &str| {
        let texts = Texts {
            v4,
            ..Texts::default()
        };
        program(&namespace, programmer, &texts)
    };
    load(&mut programmer, GOOD)??;
    let good = saved(&namespace, &programmer)?;
    for (bad, shown) in [
        (
            "*raw\n:PREROUTING DROP [0:0]\nCOMMIT\n*filter\n-A INPUT -m nonsense\nCOMMIT\n",
            "nonsense",
        ),
        (
            "*raw\n:PREROUTING DROP [0:0]\nCOMMIT\n*nat\n-A INPUT -j nowhere\nCOMMIT\n",
            "nowhere",
        ),
        (
            "*filter\n-A INPUT -m set --match-set absent src -j DROP\nCOMMIT\n",
            "absent",
        ),
        // REJECT is known in filter only; the kernel refuses the whole table.
        (
            "*raw\n-A PREROUTING -j REJECT --reject-with icmp-port-unreachable\nCOMMIT\n",
            match backend {
                Backend::Legacy => "`COMMIT of raw` failed",
                Backend::Nft => "`-A PREROUTING -j REJECT --reject-with icmp-port-unreachable`",
            },
        ),
    ] {
        for tools in [Tools::LongLived, Tools::Changes, Tools::Spawned] {
            let mut other = Programmer::new(backend, tools);
            let elsewhere = Namespace::create()?;
            let texts = Texts {
                v4: bad,
                ..Texts::default()
            };
            let alone = program(&elsewhere, &mut other, &texts)?.expect_err("refused alone");
            let refused = load(&mut programmer, bad)?.expect_err("refused");
            assert_eq!(refused, alone, "history changes the refusal of\n{bad}");
            assert_eq!(refused.tool, backend.restore(Family::V4));
            assert!(refused.message.contains(shown), "{refused}");
            load(&mut programmer, GOOD)??;
            assert_eq!(
                saved(&namespace, &programmer)?,
                good,
                "after refusing\n{bad}"
            );
        }
    }
    let long = format!(
        "*raw\n-A OUTPUT -m comment --comment {}\nCOMMIT\n",
        "x".repeat(10_300)
    );
    let refused = load(&mut programmer, &long)?.expect_err("refused");
    assert!(refused.message.contains("line 2"), "{refused}");
    Ok(())
}

fn sets_change_under_rules(backend: Backend, tools: Tools) -> Result<(), Box<dyn Error>> {
    const RULES: &str = "*filter\n-A INPUT -m set --match-set one src -j DROP\nCOMMIT\n";
    let namespace = Namespace::create()?;
    let mut programmer = Programmer::new(backend, tools);
    let mut load = |v4: &str, sets: &str| {
        let texts = Texts { v4, sets, v6: "" };
        let outcome = program(&namespace, &mut programmer, &texts)?;
        let seen = saved(&namespace, &programmer)?;
        Ok::<_, Box<dyn Error>>((outcome, seen))
    };
    let refused = load(RULES, "")?.0;
    assert!(refused.is_err(), "a rule names a set that is not there");
    let steps = [
        (
            "create one hash:net\nadd one 10.0.0.0/8\n",
            "add one 10.0.0.0/8",
        ),
        (
            "create one hash:net\nadd one 11.0.0.0/8\n",
            "add one 11.0.0.0/8",
        ),
        (
            "create one hash:net maxelem 7\nadd one 11.0.0.0/8\n",
            "maxelem 7",
        ),
        ("create one hash:ip\nadd one 12.0.0.1\n", "add one 12.0.0.1"),
        (
            "create one hash:net\ncreate all list:set\nadd all one\n",
            "add all one",
        ),
        (
            "create one hash:ip,port\nadd one 1.1.1.1,tcp:80\n",
            "add one 1.1.1.1,tcp:80",
        ),
    ];
    for (sets, expected) in steps {
        let (outcome, seen) = load(RULES, sets)?;
        outcome?;
        assert!(seen.contains(expected), "{expected} is missing in\n{seen}");
        assert_eq!(
            seen.matches("add one").count(),
            sets.matches("add one").count()
        );
    }
    let (outcome, _) = load(RULES, "create other hash:net\n")?;
    assert!(outcome.is_err(), "the set went, so the rule can't load");
    let (outcome, _) = load("", "create one hash:nonsense\n")?;
    assert_eq!(outcome.expect_err("no such type").tool, "ipset");
    let (outcome, seen) = load(RULES, "create one hash:net\n")?;
    outcome?;
    assert!(seen.contains("create one hash:net"), "{seen}");
    Ok(())
}

/// Larger than every pipe, with as much to say back: neither side may wait for the other for ever.
fn a_large_ruleset_fits() -> Result<(), Box<dyn Error>> {
    let mut text = "*filter\n".to_owned();
    for chain in 0..3_000 {
        let _ = writeln!(text, ":cali-tw-{chain} - [0:0]");
    }
    for rule in 0..12_000 {
        let chain = rule % 3_000;
        let _ = writeln!(
            text,
            "-A cali-tw-{chain} -s 10.0.0.0/8 -m comment --comment \"rule {rule}\" -j DROP"
        );
    }
    text.push_str("COMMIT\n");
    assert!(text.len() > 900_000);
    let namespace = Namespace::create()?;
    let mut programmer = Programmer::new(Backend::Legacy, Tools::LongLived);
    let texts = Texts {
        v4: &text,
        ..Texts::default()
    };
    for _ in 0..2 {
        program(&namespace, &mut programmer, &texts)??;
    }
    let seen = programmer.saved(&namespace, Family::V4)?;
    assert_eq!(seen.matches("\n[0:0] -A").count(), 12_000);
    program(&namespace, &mut programmer, &Texts::default())??;
    assert!(!programmer.saved(&namespace, Family::V4)?.contains("cali"));
    Ok(())
}

fn a_pool_on_one_thread() -> Result<(), Box<dyn Error>> {
    let mut pool = Vec::new();
    for _ in 0..6 {
        pool.push((
            Namespace::create()?,
            Programmer::new(Backend::Nft, Tools::LongLived),
        ));
    }
    for round in 0..3 {
        let firewalls: Vec<[String; 3]> = (0..pool.len())
            .map(|index| {
                [
                    format!("*filter\n-A INPUT -m set --match-set own src -m mark --mark {round} -j DROP\n-A INPUT -s 10.0.{round}.{index} -j DROP\nCOMMIT\n"),
                    String::new(),
                    // Every round another type, so that every round must flush first.
                    format!("create own {}\n", ["hash:net", "hash:ip", "bitmap:port range 1-9"][round]),
                ]
            })
            .collect();
        for ((namespace, programmer), firewall) in pool.iter_mut().zip(&firewalls) {
            programmer.begin(namespace, &texts(firewall))?;
        }
        for (namespace, programmer) in &mut pool {
            programmer.advance(namespace)?;
        }
        for (index, (namespace, programmer)) in pool.iter_mut().enumerate() {
            programmer.finish(namespace)??;
            let seen = programmer.saved(namespace, Family::V4)?;
            let own = format!("-s 10.0.{round}.{index}/32");
            assert_eq!(seen.matches("-s 10.0.").count(), 1, "{seen}");
            assert!(seen.contains(&own), "{own} is missing in {seen}");
        }
    }
    Ok(())
}

fn each_case_is_judged_once() -> Result<(), Box<dyn Error>> {
    const REFUSED: usize = 5;
    let node: Node = serde_json::from_str(
        r#"{"name": "n", "interfaces": [{"name": "eth0", "addresses": ["10.0.0.1/24"]}], "routes": []}"#,
    )?;
    let batch = Batch {
        order: Order::Apart,
        connections: Vec::new(),
        packets: vec!["in=eth0 udp 10.0.0.2:1 > 10.0.0.1:2".parse()?],
    };
    let case = |number: usize| {
        let table = |rule: &str| format!("*mangle\n:PREROUTING ACCEPT [0:0]\n{rule}\nCOMMIT\n");
        let v4 = table(&format!("-A PREROUTING -j MARK --set-mark {number}"));
        // Some have rules of both families, so that two tools have something to do.
        let v6 = match number {
            REFUSED => table("-A PREROUTING -m set --match-set absent src -j DROP"),
            _ if number.is_multiple_of(3) => v4.clone(),
            _ => String::new(),
        };
        Ok(Firewall {
            v4: save::parse("v4", &v4, Family::V4)?,
            v6: save::parse("v6", &v6, Family::V6)?,
            sets: Vec::new(),
        })
    };
    let cases: Vec<Firewall> = (0..11).map(case).collect::<Result<_, Box<dyn Error>>>()?;
    for backend in [Backend::Legacy, Backend::Nft] {
        let mut rooms = vec![
            Room::new(backend)?,
            Room::new(backend)?,
            Room::new(backend)?,
        ];
        let mut journeys = Vec::new();
        let mut judged = vec![None; cases.len()];
        let mut pairs = cases.iter().map(|firewall| [(&node, firewall)]);
        in_rooms(
            &mut rooms,
            |_| pairs.next(),
            |room, number, fate| {
                assert_eq!(judged[number], None, "case {number} twice");
                judged[number] = Some(match fate {
                    Ok(()) => {
                        room.fire(&batch, &mut journeys)?;
                        journeys[0].sights.last().map(|sight| sight.mark)
                    }
                    Err(_) => None,
                });
                Ok(())
            },
        )?;
        for (number, mark) in judged.into_iter().enumerate() {
            let own = u32::try_from(number).ok().filter(|_| number != REFUSED);
            assert_eq!(mark, Some(own.map(Mark)), "case {number} on {backend:?}");
        }
    }
    Ok(())
}
