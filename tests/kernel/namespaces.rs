//! Namespaces are ours alone, and the host's is refused.

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use calidiff::kernel::{KernelError, Namespace};
use libtest_mimic::Trial;

use crate::trial;

/// The trials of this module.
pub fn trials() -> Vec<Trial> {
    vec![
        trial("namespaces::the_hosts_is_refused", the_hosts_is_refused),
        trial(
            "namespaces::a_thread_goes_back_and_forth",
            a_thread_goes_back_and_forth,
        ),
        trial(
            "namespaces::settings_are_those_of_the_thread",
            settings_are_those_of_the_thread,
        ),
    ]
}

/// Where the calling thread is, as the kernel says it.
pub fn here() -> Result<PathBuf, std::io::Error> {
    fs::read_link("/proc/thread-self/ns/net")
}

fn the_hosts_is_refused() -> Result<(), Box<dyn Error>> {
    match Namespace::of_this_thread() {
        Err(KernelError::Refused(_)) => Ok(()),
        other => Err(format!("expected a refusal, found {other:?}").into()),
    }
}

fn a_thread_goes_back_and_forth() -> Result<(), Box<dyn Error>> {
    let host = fs::read_link("/proc/self/ns/net")?;
    let first = Namespace::create()?;
    let first_place = here()?;
    let second = Namespace::create()?;
    let second_place = here()?;
    assert_ne!(first_place, host);
    assert_ne!(second_place, host);
    assert_ne!(first_place, second_place);
    first.enter()?;
    assert_eq!(here()?, first_place);
    second.enter()?;
    assert_eq!(here()?, second_place);
    Ok(())
}

fn settings_are_those_of_the_thread() -> Result<(), Box<dyn Error>> {
    const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
    let first = Namespace::create()?;
    fs::write(FORWARD, "1")?;
    let second = Namespace::create()?;
    fs::write(FORWARD, "0")?;
    first.enter()?;
    assert_eq!(fs::read_to_string(FORWARD)?, "1\n");
    second.enter()?;
    assert_eq!(fs::read_to_string(FORWARD)?, "0\n");
    Ok(())
}
