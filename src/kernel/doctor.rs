//! What this machine can do for the kernel arms, what it lacks, and how to get it.
//!
//! Everything is tried, in a throwaway namespace of a thread of its own; nothing is concluded from
//! names of modules or options.

use super::dialogue::{self, Ended};
use super::error::KernelError;
use super::link::Links;
use super::namespace::{Namespace, Privilege};
use super::probe::{MATCHES, SET_TYPES, Subsystem, TARGETS};
use crate::node::{Interface, Node, ReversePath};
use crate::packet::Family;
use crate::xtables::{Backend, TableName};

/// How much it matters that something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// Without it no kernel arm runs.
    Essential,
    /// Without it rulesets that need it are refused, as on any such machine.
    Useful,
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// It is there: a version, or a few words.
    Present(String),
    /// It is not.
    Missing {
        /// How much that matters.
        weight: Weight,
        /// What was tried and failed.
        why: String,
        /// How to get it.
        remedy: String,
    },
}

/// One thing that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub subject: String,
    /// Whether it is there.
    pub finding: Finding,
}

impl Check {
    /// Whether it is missing, and no kernel arm runs without it.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(
            self.finding,
            Finding::Missing {
                weight: Weight::Essential,
                ..
            }
        )
    }

    fn present(subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            finding: Finding::Present(found.into()),
        }
    }

    fn missing(
        subject: impl Into<String>,
        weight: Weight,
        why: impl ToString,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            subject: subject.into(),
            finding: Finding::Missing {
                weight,
                why: why.to_string(),
                remedy: remedy.into(),
            },
        }
    }

    /// Something essential that failed; the error may know the remedy itself.
    fn failed(subject: &str, error: &KernelError, remedy: &str) -> Self {
        match error {
            KernelError::Lacks { what, remedy } => {
                Self::missing(subject, Weight::Essential, what, remedy)
            }
            _ => Self::missing(subject, Weight::Essential, error, remedy),
        }
    }

    fn of<E: ToString>(
        subject: &str,
        weight: Weight,
        outcome: Result<String, E>,
        remedy: &str,
    ) -> Self {
        match outcome {
            Ok(found) => Self::present(subject, found),
            Err(why) => Self::missing(subject, weight, why, remedy),
        }
    }
}

/// Looks for everything; `privilege` is what [`super::privilege`] answered, first thing in `main`.
#[must_use]
pub fn examine(privilege: &Result<Privilege, KernelError>) -> Vec<Check> {
    let mut checks = vec![Check::present("kernel", release())];
    checks.extend(tools());
    checks.push(protocols());
    match privilege {
        Ok(by) => {
            let found = match by {
                Privilege::Capable => "as it is",
                Privilege::UserNamespace => "in a user namespace",
            };
            checks.push(Check::present("network namespaces", found));
            // The thread takes the namespaces that it enters with it.
            let inside = std::thread::spawn(examine_inside).join();
            checks.extend(inside.unwrap_or_default());
        }
        Err(error) => {
            let remedy = match error {
                KernelError::Lacks { remedy, .. } => remedy.as_str(),
                _ => "run as root",
            };
            checks.push(Check::missing(
                "network namespaces",
                Weight::Essential,
                error,
                remedy,
            ));
        }
    }
    checks
}

/// The release of the running kernel.
#[must_use]
pub fn release() -> String {
    nix::sys::utsname::uname().map_or_else(
        |_| "unknown".to_owned(),
        |name| name.release().to_string_lossy().into_owned(),
    )
}

/// The version that a tool says it has; for reports.
///
/// # Errors
///
/// [`KernelError::Lacks`] where there is no such tool.
pub fn version(tool: &'static str) -> Result<String, KernelError> {
    let ended = dialogue::run(tool, &["--version"], "")?;
    let text = if ended.output.is_empty() {
        ended.complaints
    } else {
        ended.output
    };
    let first = text.lines().next().unwrap_or_default();
    let version = first.split_whitespace().find(|word| word.starts_with('v'));
    Ok(version.unwrap_or(first).trim_end_matches(',').to_owned())
}

fn tools() -> Vec<Check> {
    let mut tools: Vec<(&'static str, &str, Weight)> = Vec::new();
    for backend in Backend::BOTH {
        for family in Family::BOTH {
            for tool in [backend.restore(family), backend.save(family)] {
                tools.push((tool, "iptables", Weight::Essential));
            }
        }
    }
    tools.push(("ipset", "ipset", Weight::Essential));
    tools
        .into_iter()
        .map(|(tool, package, weight)| {
            let remedy =
                format!("apt-get install {package}, or your system's package of that name");
            Check::of(tool, weight, version(tool), &remedy)
        })
        .collect()
}

/// Without the names of protocols the tools print and read other texts (`-p 4` for `-p ipencap`).
fn protocols() -> Check {
    let names = std::fs::read_to_string("/etc/protocols").map(|text| {
        let names = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        format!("{} names", names.count())
    });
    Check::of(
        "/etc/protocols",
        Weight::Essential,
        names,
        "apt-get install netbase, or your system's package with /etc/protocols",
    )
}

fn examine_inside() -> Vec<Check> {
    let mut checks = vec![match try_tun() {
        Ok(()) => Check::present("TUN devices", "made and shaped"),
        Err(error) => Check::failed("TUN devices", &error, "modprobe tun"),
    }];
    for (subsystem, subject, module) in [
        (Subsystem::Tables, "nf_tables", "nf_tables"),
        (
            Subsystem::Connections,
            "conntrack over netlink",
            "nf_conntrack_netlink",
        ),
        (Subsystem::Log, "NFLOG over netlink", "nfnetlink_log"),
        (Subsystem::Sets, "sets over netlink", "ip_set"),
    ] {
        let asked = in_new_namespace(|| subsystem.ask().map_err(|error| error.to_string()));
        let remedy = format!("modprobe {module}, or a kernel that has it");
        let asked = asked.map(|()| "answers".to_owned());
        checks.push(Check::of(subject, Weight::Essential, asked, &remedy));
    }
    for backend in Backend::BOTH {
        for family in Family::BOTH {
            checks.extend(tables(backend, family));
        }
        checks.push(extensions(backend));
    }
    checks.push(set_types());
    checks
}

fn in_new_namespace<T>(ask: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    let _namespace = Namespace::create().map_err(|error| error.to_string())?;
    ask()
}

fn try_tun() -> Result<(), KernelError> {
    let namespace = Namespace::create()?;
    let interface = |name: &str| {
        name.parse().ok().map(|name| Interface {
            name,
            addresses: Vec::new(),
            reverse_path: ReversePath::Strict,
            route_localnet: true,
        })
    };
    Links::prepare(&namespace)?.shape(
        &namespace,
        &Node {
            name: "doctor".to_owned(),
            interfaces: interface("eth0").into_iter().collect(),
            routes: Vec::new(),
            forwards_v4: true,
            forwards_v6: true,
        },
    )
}

/// Which tables can be loaded.
fn tables(backend: Backend, family: Family) -> Vec<Check> {
    let tool = backend.restore(family);
    let mut found = Vec::new();
    let mut checks = Vec::new();
    for table in TableName::ALL {
        let loaded = in_new_namespace(|| load(tool, &format!("*{table}\nCOMMIT\n")));
        let weight = match table {
            TableName::Security => Weight::Useful,
            _ => Weight::Essential,
        };
        match loaded {
            Ok(()) => found.push(table.as_str()),
            Err(why) => checks.push(Check::missing(
                format!("{table} of {tool}"),
                weight,
                why,
                "a kernel with that table: for legacy, CONFIG_IP_NF_IPTABLES_LEGACY and its tables",
            )),
        }
    }
    checks.insert(
        0,
        Check::present(format!("tables of {tool}"), found.join(" ")),
    );
    checks
}

/// Which matches and targets can be loaded, all in the IPv4 tables.
fn extensions(backend: Backend) -> Check {
    let tool = backend.restore(Family::V4);
    let matches = MATCHES.iter().map(|(name, rule)| {
        (
            *name,
            format!("*mangle\n-A PREROUTING {rule} -j ACCEPT\nCOMMIT\n"),
        )
    });
    let targets = TARGETS
        .iter()
        .map(|(name, table, rule)| (*name, format!("*{table}\n-A {rule}\nCOMMIT\n")));
    let tried: Vec<(&str, String)> = matches.chain(targets).collect();
    let missing = in_new_namespace(|| {
        run("ipset", &["create", "calidiff", "hash:ip"], "")?;
        let missing = tried.iter().filter(|(_, text)| load(tool, text).is_err());
        Ok(missing.map(|(name, _)| *name).collect::<Vec<_>>())
    });
    summary(
        format!("matches and targets of {tool}"),
        tried.len(),
        missing,
        "modprobe xt_NAME (or ipt_NAME), or a kernel that has it",
    )
}

fn set_types() -> Check {
    let missing = in_new_namespace(|| {
        let refused = SET_TYPES.iter().filter(|(kind, options)| {
            let arguments = ["create", kind, kind]
                .into_iter()
                .chain(options.iter().copied());
            run("ipset", &arguments.collect::<Vec<_>>(), "").is_err()
        });
        Ok(refused.map(|(kind, _)| *kind).collect::<Vec<_>>())
    });
    let remedy = "modprobe ip_set_TYPE, or a kernel that has it";
    summary("set types".to_owned(), SET_TYPES.len(), missing, remedy)
}

fn summary(
    subject: String,
    tried: usize,
    missing: Result<Vec<&str>, String>,
    remedy: &str,
) -> Check {
    match missing {
        Ok(missing) if missing.is_empty() => Check::present(subject, format!("all {tried}")),
        Ok(missing) => {
            let why = format!(
                "{} of {tried} are refused: {}",
                missing.len(),
                missing.join(" ")
            );
            Check::missing(subject, Weight::Useful, why, remedy)
        }
        Err(why) => Check::missing(subject, Weight::Useful, why, remedy),
    }
}

fn load(tool: &'static str, text: &str) -> Result<(), String> {
    run(tool, &["--noflush"], text)
}

fn run(tool: &'static str, arguments: &[&str], input: &str) -> Result<(), String> {
    match dialogue::run(tool, arguments, input) {
        Ok(Ended {
            status: Some(0), ..
        }) => Ok(()),
        Ok(ended) => Err(ended.complaints.trim().to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
