//! Anonymous network namespaces, and the proof that one is not the host's.
//!
//! A namespace belongs to a thread (`unshare(CLONE_NEWNET)`), not to the process; a file descriptor
//! of it lets one thread go back and forth between several ([`Namespace::enter`]). Nothing names it
//! in the file system, so the kernel takes it back when its last thread, child and descriptor are
//! gone, however the process ends.
//!
//! Whatever acts in a namespace takes a [`&Namespace`](Namespace) and enters it first. Such a value
//! can't be had for the namespace that the process was started in, nor for that of process 1.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::sync::OnceLock;

use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{getegid, geteuid};

use super::error::KernelError;

/// Which namespace a descriptor or a link in /proc leads to: device and inode of nsfs, which no two
/// living namespaces share (namespaces(7)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Identity {
    fn of_path(path: &str) -> io::Result<Self> {
        std::fs::metadata(path).map(|metadata| Self::of(&metadata))
    }

    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
        }
    }
}

/// The network namespaces that are not ours: the one in which the process was started, and that of
/// process 1 where it may be looked at.
fn foreign() -> Result<&'static [Identity], KernelError> {
    static FOREIGN: OnceLock<Vec<Identity>> = OnceLock::new();
    if let Some(known) = FOREIGN.get() {
        return Ok(known);
    }
    // /proc/self is the main thread's: it stays where the process was started, because the main
    // thread enters a namespace only through `Namespace::create`, which comes here first.
    let start = Identity::of_path("/proc/self/ns/net")
        .map_err(|error| KernelError::system("look at the starting network namespace", error))?;
    let mut foreign = vec![start];
    foreign.extend(Identity::of_path("/proc/1/ns/net"));
    Ok(FOREIGN.get_or_init(|| foreign))
}

thread_local! {
    /// Where this thread is, as far as this module has moved it.
    static CURRENT: Cell<Option<Identity>> = const { Cell::new(None) };
}

/// A network namespace that this process has made.
#[derive(Debug)]
pub struct Namespace {
    file: File,
    identity: Identity,
}

impl Namespace {
    /// Makes a new namespace and moves the calling thread into it.
    ///
    /// # Errors
    ///
    /// [`KernelError::System`] where the process lacks the right to (`CAP_SYS_ADMIN`; see
    /// [`super::privilege`]).
    pub fn create() -> Result<Self, KernelError> {
        foreign()?;
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| KernelError::system("make a network namespace", error))?;
        Self::of_this_thread()
    }

    /// The namespace in which the calling thread is.
    ///
    /// # Errors
    ///
    /// [`KernelError::Refused`] in the namespace of the host.
    pub fn of_this_thread() -> Result<Self, KernelError> {
        let foreign = foreign()?;
        let doing = "open this thread's network namespace";
        let file = File::open("/proc/thread-self/ns/net")
            .map_err(|error| KernelError::system(doing, error))?;
        let metadata = file
            .metadata()
            .map_err(|error| KernelError::system(doing, error))?;
        let identity = Identity::of(&metadata);
        if foreign.contains(&identity) {
            return Err(KernelError::Refused(
                "nothing is programmed in a namespace that calidiff did not make",
            ));
        }
        CURRENT.set(Some(identity));
        Ok(Self { file, identity })
    }

    /// Moves the calling thread into this namespace; costs nothing where it already is.
    ///
    /// # Errors
    ///
    /// [`KernelError::System`] where the kernel refuses.
    pub fn enter(&self) -> Result<(), KernelError> {
        if CURRENT.get() == Some(self.identity) {
            return Ok(());
        }
        setns(&self.file, CloneFlags::CLONE_NEWNET)
            .map_err(|error| KernelError::system("enter a network namespace", error))?;
        CURRENT.set(Some(self.identity));
        Ok(())
    }
}

/// By what right namespaces are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privilege {
    /// The process has `CAP_SYS_ADMIN`, `CAP_NET_ADMIN` and `CAP_NET_RAW`.
    Capable,
    /// It has them in a user namespace of its own only.
    UserNamespace,
}

/// The bits of `CapEff` in /proc/self/status that the room needs
/// (include/uapi/linux/capability.h): `CAP_NET_ADMIN` 12, `CAP_NET_RAW` 13, `CAP_SYS_ADMIN` 21.
const NEEDED_CAPABILITIES: u64 = 1 << 12 | 1 << 13 | 1 << 21;

/// Sees to it that the process may make network namespaces, by entering a user namespace where it
/// has not the right already. Call it first in `main`: the kernel refuses it to a process with more
/// than one thread.
///
/// # Errors
///
/// [`KernelError::Lacks`] where neither way is open.
pub fn privilege() -> Result<Privilege, KernelError> {
    foreign()?;
    if effective_capabilities() & NEEDED_CAPABILITIES == NEEDED_CAPABILITIES {
        return Ok(Privilege::Capable);
    }
    enter_user_namespace().map_err(|error| KernelError::Lacks {
        what: format!("the right to make network namespaces ({error})"),
        remedy: "run as root, or allow user namespaces: sysctl -w user.max_user_namespaces=1000 \
                 kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0 \
                 (those that exist)"
            .to_owned(),
    })?;
    Ok(Privilege::UserNamespace)
}

fn effective_capabilities() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}

/// Enters a user namespace in which this user is root (`user_namespaces(7)`: a process without
/// privileges may map its own user and group only, the group once `setgroups` is denied).
fn enter_user_namespace() -> io::Result<()> {
    let (user, group) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER)?;
    let write = |path: &str, text: &str| {
        File::options()
            .write(true)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()))
    };
    write("/proc/self/setgroups", "deny")?;
    write("/proc/self/uid_map", &format!("0 {user} 1"))?;
    write("/proc/self/gid_map", &format!("0 {group} 1"))
}
