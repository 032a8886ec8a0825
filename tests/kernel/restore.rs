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
    ]
}

/// The two programs behind the tables.
const BACKENDS: [&str; 2] = ["legacy", "nft"];

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
fn load(
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

/// Whether text and reprint are saved alike by both backends; what was compared, or what differs.
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
            let differing = original.lines().zip(again.lines());
            let first = differing.into_iter().find(|(one, other)| one != other);
            return Err(format!(
                "{backend} saves them differently, first {first:?}\n{original}\n---\n{again}"
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
