//! Nothing outside is touched, and nothing is left behind, however a run ends.
//!
//! The runs are this very test binary, started with a role to play.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use calidiff::kernel::{Namespace, Programmer, Room, Texts, Tools};
use calidiff::node::Node;
use calidiff::packet::{Batch, Family, Order};
use calidiff::xtables::Backend;
use calidiff::xtables::{Firewall, ipset, save};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "safety::a_hundred_kills_leave_nothing",
            a_hundred_kills_leave_nothing,
        ),
        trial(
            "safety::tools_die_with_their_thread",
            tools_die_with_their_thread,
        ),
        trial("safety::two_runs_don_t_disturb_each_other", two_runs),
    ]
}

/// In the environment of this binary: which role to play instead of testing.
const ROLE: &str = "CALIDIFF_TEST_ROLE";

/// In the environment of a run and, by inheriting, of all it starts: a word that only they have.
const TOKEN: &str = "CALIDIFF_TEST_TOKEN";

const KILLS: usize = 100;

/// Plays the role that the environment asks for, if any.
pub fn play() -> Option<ExitCode> {
    let role = env::var(ROLE).ok()?;
    let outcome = match role.as_str() {
        "endless" => work_for_ever(),
        "finite" => work(0, 12).map(|seen| print!("{seen}")),
        other => Err(format!("no such role: {other}").into()),
    };
    Some(match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    })
}

fn start(role: &str, token: &str) -> Result<Child, std::io::Error> {
    Command::new(env::current_exe()?)
        .env(ROLE, role)
        .env(TOKEN, token)
        .stdout(Stdio::piped())
        .spawn()
}

/// Two workers, one a backend, program and fire until they are killed.
fn work_for_ever() -> Result<(), Box<dyn Error>> {
    let workers = [0, 1].map(|first| {
        thread::spawn(move || {
            let outcome = work(first, usize::MAX).map_err(|error| error.to_string());
            println!("stopped: {outcome:?}");
        })
    });
    for worker in workers {
        worker.join().map_err(|_| "a worker panicked")?;
    }
    Ok(())
}

/// Programs and fires so many times, on the backends in turn or, without end, on the first alone; says
/// what it saw.
fn work(first: usize, rounds: usize) -> Result<String, Box<dyn Error>> {
    const BACKENDS: [Backend; 2] = Backend::BOTH;
    let node: Node = serde_json::from_str(
        r#"{"name": "n", "interfaces": [
            {"name": "eth0", "addresses": ["10.0.0.1/24", "fd00::1/64"], "reverse_path": "strict"},
            {"name": "cali1", "route_localnet": true}
        ], "routes": [{"destination": "10.65.0.2/32", "to": {"unicast": {"interface": "cali1"}}}]}"#,
    )?;
    let batch = Batch {
        order: Order::Apart,
        connections: Vec::new(),
        packets: [
            "in=eth0 tcp 10.0.0.9:40000 > 10.65.0.2:80",
            "in=eth0 udp 10.0.0.9:40000 > 10.0.0.1:53",
            "in=cali1 tcp 10.65.0.2:40000 > 10.0.0.9:443",
        ]
        .iter()
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?,
    };
    let backends = if rounds == usize::MAX {
        &BACKENDS[first..=first]
    } else {
        &BACKENDS
    };
    let mut rooms = Vec::new();
    for backend in backends {
        rooms.push(Room::new(*backend)?);
    }
    let mut seen = String::new();
    let mut journeys = Vec::new();
    for round in 0..rounds {
        for room in &mut rooms {
            let sets = format!(
                "create own hash:net\nadd own 10.{}.0.0/16\n",
                64 + round % 2
            );
            let v4 = format!(
                "*filter\n:FORWARD ACCEPT [0:0]\n:own - [0:0]\n-A FORWARD -m set --match-set own dst -j own\n-A own -p tcp -m mark --mark {}/0xff -j DROP\n-A own -j MARK --set-xmark 0x7/0x7\nCOMMIT\n",
                round / 2 % 2
            );
            let firewall = Firewall {
                v4: save::parse("v4", &v4, Family::V4)?,
                sets: ipset::parse("sets", &sets)?,
                ..Firewall::default()
            };
            room.program(&node, &firewall)??;
            room.fire(&batch, &mut journeys)?;
            if rounds == usize::MAX {
                if round < 2 {
                    println!("working");
                }
            } else {
                write!(seen, "{:?} {round}:", room.backend())?;
                for journey in &journeys {
                    let mark = journey.sights.last().map(|sight| sight.mark);
                    write!(seen, " {:?} {mark:?}", journey.fate)?;
                }
                seen.push('\n');
            }
        }
    }
    Ok(seen)
}

/// Everything about the place where the tests were started that a run could change.
fn host() -> Result<BTreeMap<String, String>, Box<dyn Error>> {
    let mut host = BTreeMap::new();
    for (tool, arguments) in [
        ("iptables-legacy-save", &[][..]),
        ("ip6tables-legacy-save", &[]),
        ("iptables-nft-save", &[]),
        ("ip6tables-nft-save", &[]),
        ("ipset", &["save"]),
        ("nft", &["list", "ruleset"]),
    ] {
        // Without root the tools say so, before as after.
        let output = Command::new(tool).args(arguments).output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        let text = text.unwrap_or_default();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        host.insert(tool.to_owned(), lines.collect::<Vec<_>>().join("\n"));
    }
    let devices = fs::read_to_string("/proc/thread-self/net/dev")?;
    let names = devices
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()));
    host.insert("interfaces".to_owned(), names.collect::<Vec<_>>().join(" "));
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
    host.insert("mounts".to_owned(), mounts);
    read_settings(Path::new("/proc/sys/net"), &mut host)?;
    for path in ["/sys/kernel/rcu_expedited", "/proc/sys/kernel/printk"] {
        host.insert(
            path.to_owned(),
            fs::read_to_string(path).unwrap_or_default(),
        );
    }
    Ok(host)
}

/// Every setting that can be read, but the one that counts connections.
fn read_settings(folder: &Path, into: &mut BTreeMap<String, String>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_settings(&path, into)?;
        } else if let Ok(value) = fs::read_to_string(&path)
            && !path.ends_with("nf_conntrack_count")
        {
            into.insert(path.display().to_string(), value);
        }
    }
    Ok(())
}

fn assert_same(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) {
    for (what, value) in before {
        assert_eq!(
            Some(value),
            after.get(what),
            "{what} of the host has changed"
        );
    }
}

/// The processes, this one apart, whose environment has the token: a run and all that it started.
fn processes(token: &str) -> Vec<String> {
    let wanted = format!("{TOKEN}={token}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let path = entry.path();
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|one| one == wanted.as_bytes())
        {
            let command = fs::read_to_string(path.join("comm")).unwrap_or_default();
            found.push(format!("{} {}", path.display(), command.trim()));
        }
    }
    found
}

/// How many network namespaces the kernel holds; `None` where it does not tell.
fn namespaces() -> Option<usize> {
    let slabs = fs::read_to_string("/proc/slabinfo").ok()?;
    let line = slabs
        .lines()
        .find(|line| line.starts_with("net_namespace "))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Waits, for a bounded time, until a question is answered with yes.
fn eventually(seconds: u64, mut question: impl FnMut() -> bool) -> bool {
    let give_up = Instant::now() + Duration::from_secs(seconds);
    while !question() {
        if Instant::now() > give_up {
            return false;
        }
        thread::sleep(Duration::from_millis(5));
    }
    true
}

fn a_hundred_kills_leave_nothing() -> Result<(), Box<dyn Error>> {
    let before = host()?;
    let namespaces_before = namespaces();
    for kill in 0..KILLS {
        let token = format!("{}-{kill}", std::process::id());
        let mut run = start("endless", &token)?;
        let output = run.stdout.take().ok_or("no standard output")?;
        let mut lines = BufReader::new(output).lines();
        // One line a worker and round: both are at work, in namespaces with rules in them.
        for _ in 0..if kill % 2 == 0 { 4 } else { 1 } {
            let line = lines.next().ok_or("the run ended by itself")??;
            assert_eq!(line, "working");
        }
        if kill % 10 == 0 {
            let started = processes(&token);
            assert!(started.len() > 1, "a run without tools: {started:?}");
        }
        // Somewhere in the middle of whatever comes next, another place each time.
        thread::sleep(Duration::from_micros(kill as u64 * 137 % 9_000));
        run.kill()?;
        run.wait()?;
        let gone = eventually(20, || processes(&token).is_empty());
        assert!(gone, "kill {kill} left {:?}", processes(&token));
    }
    assert_same(&before, &host()?);
    // Each run made two namespaces. Other trials have some of their own meanwhile, but far fewer than
    // the runs would have left.
    match namespaces_before {
        Some(before) => assert!(
            eventually(60, || namespaces()
                .is_some_and(|now| now < before + KILLS / 2)),
            "{before} namespaces before, {:?} after",
            namespaces()
        ),
        None => eprintln!("this kernel does not tell how many namespaces there are"),
    }
    Ok(())
}

fn tools_die_with_their_thread() -> Result<(), Box<dyn Error>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    let children = || -> Vec<String> {
        let parent = std::process::id().to_string();
        let mut children = Vec::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
            let is_child = status
                .lines()
                .any(|line| line == format!("PPid:\t{parent}"));
            // A zombie has died, and waits for somebody to ask how.
            if is_child && !status.contains("State:\tZ") {
                children.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        children
    };
    let worker = thread::spawn(move || -> Result<(), String> {
        let namespace = Namespace::create().map_err(|error| error.to_string())?;
        let mut programmer = Programmer::new(Backend::Legacy, Tools::LongLived);
        let place = fs::read_link("/proc/thread-self/ns/net").map_err(|error| error.to_string())?;
        let texts = Texts {
            v4: "*filter\nCOMMIT\n",
            v6: "",
            sets: "create a hash:ip\n",
        };
        programmer
            .begin(&namespace, &texts)
            .map_err(|error| error.to_string())?;
        let outcome = programmer
            .finish(&namespace)
            .map_err(|error| error.to_string())?;
        outcome.map_err(|error| error.to_string())?;
        sender.send(place).map_err(|error| error.to_string())?;
        // What a crash does: nothing is dropped.
        std::mem::forget(programmer);
        std::mem::forget(namespace);
        Ok(())
    });
    let place = receiver.recv_timeout(Duration::from_secs(20));
    worker.join().map_err(|_| "the worker panicked")??;
    let place = place?;
    let inside = || -> usize {
        let inside = children().into_iter().filter(|process| {
            fs::read_link(format!("/proc/{process}/ns/net")).is_ok_and(|link| link == place)
        });
        inside.count()
    };
    assert!(
        eventually(10, || inside() == 0),
        "tools outlive their thread"
    );
    Ok(())
}

fn two_runs() -> Result<(), Box<dyn Error>> {
    let token = format!("{}-two", std::process::id());
    let finish = |run: Child| -> Result<String, Box<dyn Error>> {
        let output = run.wait_with_output()?;
        assert!(output.status.success());
        Ok(String::from_utf8(output.stdout)?)
    };
    let alone = finish(start("finite", &token)?)?;
    assert_eq!(alone.lines().count(), 24, "{alone}");
    assert!(
        alone.contains("Dropped") && alone.contains("Mark(7)"),
        "no packet met the rules in\n{alone}"
    );
    let together = [start("finite", &token)?, start("finite", &token)?];
    for run in together {
        assert_eq!(finish(run)?, alone);
    }
    assert!(eventually(20, || processes(&token).is_empty()));
    Ok(())
}
