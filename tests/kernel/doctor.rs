//! The doctor finds what the other trials use, and leaves no trace.

use std::error::Error;
use std::fs;

use calidiff::kernel::doctor::{Finding, examine};
use calidiff::kernel::{KernelError, Privilege};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial(
            "doctor::nothing_essential_is_missing",
            nothing_essential_is_missing,
        ),
        trial(
            "doctor::what_is_missing_has_a_remedy",
            what_is_missing_has_a_remedy,
        ),
    ]
}

fn nothing_essential_is_missing() -> Result<(), Box<dyn Error>> {
    let place = fs::read_link("/proc/thread-self/ns/net")?;
    let checks = examine(&Ok(Privilege::Capable));
    for check in &checks {
        assert!(!check.is_fatal(), "{check:?}");
    }
    for subject in [
        "kernel",
        "iptables-nft-restore",
        "ipset",
        "TUN devices",
        "nf_tables",
        "set types",
    ] {
        assert_eq!(
            checks
                .iter()
                .filter(|check| check.subject == subject)
                .count(),
            1,
            "{subject}"
        );
    }
    let version = checks
        .iter()
        .find(|check| check.subject == "iptables-legacy-restore");
    let found = version.map(|check| check.finding.clone());
    assert!(
        matches!(&found, Some(Finding::Present(version)) if version.starts_with("v1.")),
        "{found:?}"
    );
    assert_eq!(fs::read_link("/proc/thread-self/ns/net")?, place);
    Ok(())
}

fn what_is_missing_has_a_remedy() -> Result<(), Box<dyn Error>> {
    let checks = examine(&Err(KernelError::Lacks {
        what: "rights".to_owned(),
        remedy: "run as root".to_owned(),
    }));
    let fatal: Vec<_> = checks.iter().filter(|check| check.is_fatal()).collect();
    assert_eq!(fatal.len(), 1, "{fatal:?}");
    match &fatal[0].finding {
        Finding::Missing { why, remedy, .. } => {
            assert!(why.contains("rights"));
            assert_eq!(remedy, "run as root");
        }
        Finding::Present(_) => return Err("no rights, and yet".into()),
    }
    Ok(())
}
