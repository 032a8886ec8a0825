//! The rules of the house, read off the sources: which room may know which, where the dangerous
//! words stand, how long a file may be, and what the documents promise.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

/// Every room, and the rooms that it may know besides itself.
const MAY_KNOW: [(&str, &[&str]); 23] = [
    ("verdict", &[]),
    ("mark", &[]),
    ("hash", &[]),
    ("packet", &["verdict", "mark"]),
    ("xtables", &["verdict", "mark", "hash", "packet"]),
    ("node", &["verdict", "mark", "hash", "packet", "xtables"]),
    ("calico", &["verdict", "packet", "node"]),
    ("intent", &["verdict", "packet", "node", "calico"]),
    ("import", &["mark", "hash", "packet", "xtables", "calico"]),
    (
        "render",
        &[
            "verdict", "mark", "hash", "packet", "xtables", "node", "calico",
        ],
    ),
    (
        "journey",
        &["verdict", "mark", "hash", "packet", "xtables", "node"],
    ),
    (
        "model",
        &["verdict", "mark", "packet", "xtables", "node", "journey"],
    ),
    (
        "scenario",
        &["verdict", "mark", "packet", "xtables", "node", "calico"],
    ),
    (
        "generate",
        &[
            "verdict", "mark", "packet", "xtables", "node", "journey", "calico", "scenario",
            "model",
        ],
    ),
    (
        "kernel",
        &["verdict", "mark", "packet", "xtables", "node", "journey"],
    ),
    (
        "arm",
        &[
            "verdict", "mark", "packet", "xtables", "node", "journey", "scenario", "generate",
            "model", "kernel", "calico", "intent", "render",
        ],
    ),
    (
        "diff",
        &[
            "verdict", "mark", "packet", "xtables", "node", "journey", "scenario", "generate",
            "model", "kernel", "arm", "calico", "intent", "render",
        ],
    ),
    (
        "campaign",
        &[
            "verdict", "mark", "packet", "xtables", "node", "journey", "scenario", "generate",
            "model", "kernel", "arm", "diff", "calico", "intent", "render", "import",
        ],
    ),
    (
        "mutants",
        &[
            "verdict", "mark", "packet", "xtables", "node", "journey", "scenario", "generate",
            "model", "kernel", "arm", "diff", "campaign", "calico", "intent", "render",
        ],
    ),
    (
        "claims",
        &[
            "verdict", "mark", "hash", "packet", "xtables", "node", "journey", "scenario",
            "generate", "model", "kernel", "arm", "diff", "campaign", "calico", "intent", "render",
            "import",
        ],
    ),
    (
        "report",
        &[
            "verdict", "mark", "hash", "packet", "xtables", "node", "journey", "scenario",
            "generate", "model", "kernel", "arm", "diff", "campaign", "mutants", "claims",
            "calico", "intent", "render", "import",
        ],
    ),
    (
        "fuzz",
        &[
            "verdict", "packet", "xtables", "node", "journey", "scenario", "generate", "model",
            "arm", "diff", "campaign", "report", "calico", "intent", "render",
        ],
    ),
    (
        "cli",
        &[
            "verdict", "mark", "hash", "packet", "xtables", "node", "journey", "scenario",
            "generate", "model", "kernel", "arm", "diff", "campaign", "mutants", "claims",
            "report", "fuzz", "calico", "intent", "render", "import",
        ],
    ),
];

/// Words that only the kernel room may say.
const KERNEL_WORDS: [&str; 5] = [
    "unsafe",
    "process::Command",
    "nix::",
    "libc::",
    "CommandExt",
];

/// The most lines that a source file may have.
const LONGEST: usize = 700;

/// Beginnings of paths that exist on somebody's machine only.
const MACHINE_PATHS: [&str; 4] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every file under a folder of the repository, sorted; nothing where the folder is missing.
fn files_under(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn sources(folder: &str) -> Vec<PathBuf> {
    let mut files = files_under(folder);
    files.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root())
        .unwrap_or(path)
        .display()
        .to_string()
}

/// A source without its comment lines.
fn code(text: &str) -> String {
    text.lines()
        .map(|line| {
            if line.trim_start().starts_with("//") {
                ""
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

/// The room of a file in src: its folder, or its own name.
fn room(path: &Path) -> String {
    let inside = path
        .strip_prefix(root().join("src"))
        .expect("a file of src");
    let first = inside.components().next().expect("a name").as_os_str();
    Path::new(first)
        .file_stem()
        .expect("a name")
        .to_string_lossy()
        .into_owned()
}

/// The rooms that a source names by `crate::room` or `crate::{room, …}`.
fn rooms_named(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for (start, path) in code.match_indices("crate::") {
        let rest = &code[start + path.len()..];
        match rest.strip_prefix('{') {
            Some(group) => rooms.extend(heads_of_group(group)),
            None => rooms.extend(head(rest)),
        }
    }
    rooms
}

/// The leading name of a path, if it is a module's.
fn head(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|c| c.is_ascii_lowercase() || *c == '_' || c.is_ascii_digit())
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The leading name of each path of an import group whose `{` has been read.
fn heads_of_group(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut depth = 0;
    let mut begin = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                heads.extend(head(&group[begin..at]));
                return heads;
            }
            ',' if depth == 0 => {
                heads.extend(head(&group[begin..at]));
                begin = at + 1;
            }
            _ => {}
        }
    }
    heads
}

/// Whether a word stands in a text with no letter, digit or underscore before or behind it.
fn says(text: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let behind = text[start + word.len()..].chars().next();
        !before.is_some_and(part_of_name)
            && (word.ends_with(':') || !behind.is_some_and(part_of_name))
    })
}

#[test]
fn import_groups_are_understood() {
    let code =
        "use crate::{mark::Mark, packet::{Family, Packet}, node};\nlet x = crate::hash::of(1);";
    let rooms: Vec<String> = rooms_named(code).into_iter().collect();
    assert_eq!(rooms, ["hash", "mark", "node", "packet"]);
}

#[test]
fn every_room_is_in_the_list() {
    let listed: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
    for path in sources("src") {
        let room = room(&path);
        assert!(
            matches!(room.as_str(), "lib" | "main") || listed.contains(room.as_str()),
            "{}: the room `{room}` is not in the list of rooms and what they may know",
            shown(&path)
        );
    }
}

#[test]
fn rooms_know_only_what_is_below_them() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let own = room(&path);
        let Some((_, allowed)) = MAY_KNOW.iter().find(|(room, _)| *room == own) else {
            continue;
        };
        let known: BTreeSet<&str> = MAY_KNOW.iter().map(|(room, _)| *room).collect();
        for named in rooms_named(&code(&read(&path))) {
            if named != own && known.contains(named.as_str()) && !allowed.contains(&named.as_str())
            {
                wrong.push(format!("{}: {own} may not know {named}", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_rooms_may_know_has_no_circle() {
    for (at, (room, allowed)) in MAY_KNOW.iter().enumerate() {
        for below in *allowed {
            assert!(
                MAY_KNOW[..at].iter().any(|(earlier, _)| earlier == below),
                "{room} may know {below}, which does not stand above it in the list"
            );
        }
    }
}

#[test]
fn only_the_kernel_room_touches_the_system() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        if room(&path) == "kernel" {
            continue;
        }
        let code = code(&read(&path));
        for word in KERNEL_WORDS {
            if says(&code, word) {
                wrong.push(format!("{}: `{word}` belongs to src/kernel", shown(&path)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_generate_and_tests_know_the_makers_of_random_values() {
    let mut wrong = Vec::new();
    for path in sources("src") {
        let of_tests = path.file_stem().is_some_and(|stem| stem == "tests")
            || path
                .parent()
                .is_some_and(|folder| folder.ends_with("tests"));
        if room(&path) == "generate" || of_tests {
            continue;
        }
        let code = code(&read(&path));
        let shipped = code.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["proptest::", "arbitrary::"] {
            if says(shipped, word) {
                wrong.push(format!(
                    "{}: `{word}` belongs to src/generate",
                    shown(&path)
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_file_is_too_long_to_be_read_in_one_sitting() {
    let mut wrong = Vec::new();
    for path in ["src", "tests", "benches", "fuzz/fuzz_targets"]
        .into_iter()
        .flat_map(sources)
    {
        let lines = read(&path).lines().count();
        if lines > LONGEST {
            wrong.push(format!("{}: {lines} lines", shown(&path)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fuzz_targets_decide_nothing() {
    for path in sources("fuzz/fuzz_targets") {
        let code = code(&read(&path));
        assert!(!says(&code, "if"), "{}: says `if`", shown(&path));
    }
}

#[test]
fn the_readme_shows_every_command() {
    let readme = read(&root().join("README.md"));
    for command in calidiff::cli::Cli::command().get_subcommands() {
        let shown = format!("calidiff {}", command.get_name());
        assert!(readme.contains(&shown), "README.md does not show `{shown}`");
    }
}

#[test]
fn every_command_has_examples_in_its_help() {
    for command in calidiff::cli::Cli::command().get_subcommands() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert!(
            help.contains(&format!("calidiff {}", command.get_name())),
            "`calidiff {} --help` shows no example",
            command.get_name()
        );
    }
}

#[test]
fn nothing_names_a_path_of_somebodys_machine() {
    let mut wrong = Vec::new();
    let folders = [
        "src",
        "tests",
        "benches",
        "fuzz/fuzz_targets",
        "netns-scripts",
        "snapshots",
        ".ci",
    ];
    let documents = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Cargo.toml"];
    for path in folders
        .into_iter()
        .flat_map(files_under)
        .chain(documents.map(|name| root().join(name)))
    {
        let text = String::from_utf8_lossy(&fs::read(&path).expect("a readable file")).into_owned();
        for (number, line) in text.lines().enumerate() {
            if MACHINE_PATHS.iter().any(|start| line.contains(start)) {
                wrong.push(format!("{}:{}: {line}", shown(&path), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
