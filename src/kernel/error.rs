//! What can go wrong between this program and the machine.

use std::io;

/// Why the kernel room could not do what it was asked. Never a verdict on a ruleset: that is
/// [`crate::verdict::NotProgrammed`].
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// It would have acted in a namespace that this process did not make.
    #[error("refused: inside the host's namespace ({0})")]
    Refused(&'static str),
    /// A system call failed.
    #[error("could not {doing}: {source}")]
    System {
        /// What was being done.
        doing: String,
        /// What the system said.
        source: io::Error,
    },
    /// The kernel answered a netlink request with an error.
    #[error("could not {doing}: {source}")]
    Netlink {
        /// What was being done.
        doing: String,
        /// What the kernel said.
        source: rtnetlink::Error,
    },
    /// A tool did not do what it is known to do.
    #[error("{tool} failed while it had to {doing}: {message}")]
    Tool {
        /// Which tool.
        tool: String,
        /// What it was to do.
        doing: String,
        /// What it said, or did instead.
        message: String,
    },
    /// The machine lacks something.
    #[error("this machine lacks {what}: {remedy}")]
    Lacks {
        /// What.
        what: String,
        /// How to get it.
        remedy: String,
    },
}

impl KernelError {
    /// A failed system call, from anything that nix or the standard library returns.
    pub(super) fn system(doing: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self::System {
            doing: doing.into(),
            source: source.into(),
        }
    }
}
