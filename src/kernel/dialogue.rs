//! A tool that runs as a child process, is told things line by line, and is listened to.
//!
//! Writing never waits for the tool: what its pipe doesn't take is kept and sent while listening, so
//! neither side can block the other. Listening is bounded in time.
//!
//! Every child dies with the thread that started it, however that ends (`PR_SET_PDEATHSIG`), so a
//! worker must be the thread that starts its tools. `setpriv` arranges that, and not this process between
//! fork and exec: a fork copies the page tables of all that a campaign has in memory, milliseconds each
//! time, which the standard library's spawning without a hook does not.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, Signal, signal};

use super::error::KernelError;

/// How long a tool may take for one thing. The slowest that is known, a commit of 5,000 rules through
/// nft, takes a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much of a tool's input its pipe should hold: most rulesets whole, so that the tool can work
/// while nobody listens (`F_SETPIPE_SZ`; the default is 64 KiB).
const PIPE_BYTES: i32 = 256 * 1024;

/// Where a tool says that it has come to the end of what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    /// Its standard output.
    Output,
    /// Its standard error.
    Errors,
}

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The line that was waited for.
    Line,
    /// The tool has ended, with this exit status (`None`: by a signal).
    End(Option<i32>),
}

/// A running tool.
pub(super) struct Dialogue {
    tool: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    unsent: Vec<u8>,
    sent: usize,
    /// What came on standard output since [`Dialogue::forget`].
    heard: Vec<u8>,
    /// The same of standard error.
    complaints: Vec<u8>,
    lines_said: usize,
}

impl Dialogue {
    /// Starts a tool in the namespace of the calling thread.
    ///
    /// # Errors
    ///
    /// [`KernelError::Lacks`] where there is no such tool, [`KernelError::System`] otherwise.
    pub(super) fn start(tool: &'static str, arguments: &[&str]) -> Result<Self, KernelError> {
        outlive_tools();
        let mut command = Command::new(find("setpriv")?);
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(find(tool)?)
            .args(arguments)
            // Each process its own lock: the default is one for the whole machine, and would make
            // workers wait for each other (iptables/xshared.c, `xtables_lock`).
            .env("XTABLES_LOCKFILE", "/proc/self/comm")
            .env("LC_ALL", "C")
            // A terminal's Ctrl-C goes to its whole process group; this process ends in order and
            // needs its tools to the end.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(|error| KernelError::system(format!("start {tool}"), error))?;
        let (input, output, errors) =
            (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let prepared = prepare(&[
            input.as_ref().map(AsFd::as_fd),
            output.as_ref().map(AsFd::as_fd),
            errors.as_ref().map(AsFd::as_fd),
        ]);
        let dialogue = Self {
            tool,
            child,
            input,
            output,
            errors,
            unsent: Vec::new(),
            sent: 0,
            heard: Vec::new(),
            complaints: Vec::new(),
            lines_said: 0,
        };
        prepared.map_err(|error| KernelError::system(format!("talk to {tool}"), error))?;
        Ok(dialogue)
    }

    /// How many lines it has been told in its life.
    pub(super) fn lines_said(&self) -> usize {
        self.lines_said
    }

    /// Forgets what was heard.
    pub(super) fn forget(&mut self) {
        self.heard.clear();
        self.complaints.clear();
    }

    /// What the tool has complained of since [`Dialogue::forget`].
    pub(super) fn complaints(&self) -> String {
        String::from_utf8_lossy(&self.complaints).into_owned()
    }

    /// Tells the tool something, all in one go, without waiting for it to listen.
    pub(super) fn say(&mut self, texts: &[&str]) -> Result<(), KernelError> {
        for text in texts {
            self.lines_said += memchr::memchr_iter(b'\n', text.as_bytes()).count();
            self.unsent.extend_from_slice(text.as_bytes());
        }
        self.send()
    }

    /// Says that there is nothing more to come, once all is sent.
    pub(super) fn hang_up(&mut self) -> Result<(), KernelError> {
        while self.sent < self.unsent.len() && self.input.is_some() {
            self.wait()?;
            self.exchange()?;
        }
        self.input = None;
        Ok(())
    }

    /// Listens until a line comes on a stream, or the tool ends.
    pub(super) fn listen_for(&mut self, stream: Stream, line: &str) -> Result<Heard, KernelError> {
        loop {
            if let Some(heard) = self.heard(stream, line)? {
                return Ok(heard);
            }
            self.wait()?;
        }
    }

    /// What came of a line that is waited for, without waiting: `None` while the tool has not come so
    /// far.
    pub(super) fn heard(
        &mut self,
        stream: Stream,
        line: &str,
    ) -> Result<Option<Heard>, KernelError> {
        self.exchange()?;
        let said = match stream {
            Stream::Output => &self.heard,
            Stream::Errors => &self.complaints,
        };
        if contains_line(said, line.as_bytes()) {
            return Ok(Some(Heard::Line));
        }
        if self.has_fallen_silent() {
            return self.end().map(|status| Some(Heard::End(status)));
        }
        Ok(None)
    }

    fn has_fallen_silent(&self) -> bool {
        self.output.is_none() && self.errors.is_none()
    }

    /// Listens until the tool ends, and returns its exit status (`None`: by a signal).
    fn listen_to_the_end(&mut self) -> Result<Option<i32>, KernelError> {
        while !self.has_fallen_silent() {
            self.wait()?;
            self.exchange()?;
        }
        self.end()
    }

    fn end(&mut self) -> Result<Option<i32>, KernelError> {
        self.input = None;
        let status = self
            .child
            .wait()
            .map_err(|error| KernelError::system(format!("wait for {}", self.tool), error))?;
        Ok(status.code())
    }

    /// What to poll for the tool's next word, or its next readiness to listen.
    pub(super) fn ends(&self) -> impl Iterator<Item = PollFd<'_>> {
        let sending = self.sent < self.unsent.len();
        let input = self.input.as_ref().filter(|_| sending);
        let output = self.output.as_ref();
        let errors = self.errors.as_ref();
        [
            output.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)),
            errors.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLIN)),
            input.map(|end| PollFd::new(end.as_fd(), PollFlags::POLLOUT)),
        ]
        .into_iter()
        .flatten()
    }

    /// Waits until the tool speaks or listens.
    pub(super) fn wait(&self) -> Result<(), KernelError> {
        let mut ends: smallvec::SmallVec<[PollFd<'_>; 3]> = self.ends().collect();
        if await_any(&mut ends)? {
            return Ok(());
        }
        let complaints = self.complaints();
        Err(KernelError::Tool {
            tool: self.tool.to_owned(),
            doing: "answer".to_owned(),
            message: format!(
                "it said nothing for {} s; its complaints so far: {}",
                PATIENCE.as_secs(),
                complaints.trim()
            ),
        })
    }

    /// Hears what has been said, and sends what is taken, without waiting.
    fn exchange(&mut self) -> Result<(), KernelError> {
        hear(&mut self.output, &mut self.heard);
        hear(&mut self.errors, &mut self.complaints);
        self.send()
    }

    fn send(&mut self) -> Result<(), KernelError> {
        while let (Some(input), true) = (self.input.as_mut(), self.sent < self.unsent.len()) {
            match input.write(&self.unsent[self.sent..]) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // The tool has ended; why, listening will tell.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => self.input = None,
                Err(error) => {
                    return Err(KernelError::system(
                        format!("write to {}", self.tool),
                        error,
                    ));
                }
            }
        }
        self.unsent.clear();
        self.sent = 0;
        Ok(())
    }
}

impl Drop for Dialogue {
    fn drop(&mut self) {
        self.input = None;
        // Either may fail only because the child has ended already, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a tool has done that ran to its end.
pub(super) struct Ended {
    /// Its exit status; `None`: it was ended by a signal.
    pub(super) status: Option<i32>,
    /// What came on standard output.
    pub(super) output: String,
    /// What came on standard error.
    pub(super) complaints: String,
}

/// Runs a tool to its end in the namespace of the calling thread.
///
/// # Errors
///
/// As [`Dialogue::start`]; an exit status is none.
pub(super) fn run(
    tool: &'static str,
    arguments: &[&str],
    input: &str,
) -> Result<Ended, KernelError> {
    let mut dialogue = Dialogue::start(tool, arguments)?;
    dialogue.say(&[input])?;
    dialogue.hang_up()?;
    let status = dialogue.listen_to_the_end()?;
    Ok(Ended {
        status,
        output: String::from_utf8_lossy(&dialogue.heard).into_owned(),
        complaints: dialogue.complaints(),
    })
}

/// Waits until one of several tools speaks or listens; `false`: none did in all the time that a tool may
/// take for one thing.
pub(super) fn await_any(ends: &mut [PollFd<'_>]) -> Result<bool, KernelError> {
    let timeout = PollTimeout::try_from(PATIENCE).unwrap_or(PollTimeout::MAX);
    match poll(ends, timeout) {
        Ok(ready) => Ok(ready > 0),
        Err(Errno::EINTR) => Ok(true),
        Err(error) => Err(KernelError::system("listen to the tools", error)),
    }
}

/// Reads what is there; closes the stream at its end. What comes, or that it ends, after a reading that found less
/// than there was room for, the next poll tells.
fn hear<R: Read>(stream: &mut Option<R>, into: &mut Vec<u8>) {
    let mut buffer = [0; 4096];
    while let Some(open) = stream.as_mut() {
        match open.read(&mut buffer) {
            Ok(0) => *stream = None,
            Ok(bytes) => {
                into.extend_from_slice(&buffer[..bytes]);
                if bytes < buffer.len() {
                    return;
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            Err(_) => *stream = None,
        }
    }
}

fn contains_line(said: &[u8], line: &[u8]) -> bool {
    said.split_inclusive(|byte| *byte == b'\n').any(|found| {
        found
            .strip_suffix(b"\n")
            .is_some_and(|found| found.ends_with(line))
    })
}

/// Where a program is: in the user's own places first, then in the system's folders, which are not on every
/// user's path.
fn find(program: &str) -> Result<PathBuf, KernelError> {
    let mut path = std::env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/local/sbin:/usr/sbin:/sbin");
    let mut places = std::env::split_paths(&path).map(|place| place.join(program));
    places.find(|place| place.is_file()).ok_or_else(|| {
        let package = match program {
            "ipset" => "ipset",
            "setpriv" => "util-linux",
            _ => "iptables",
        };
        KernelError::Lacks {
            what: format!("the program {program}"),
            remedy: format!("apt-get install {package} (and see that /usr/sbin is in PATH)"),
        }
    })
}

/// Makes the ends of pipes non-blocking, and the first, the tool's input, large.
fn prepare(ends: &[Option<std::os::fd::BorrowedFd<'_>>]) -> nix::Result<()> {
    for end in ends.iter().flatten() {
        let flags = OFlag::from_bits_retain(fcntl(*end, FcntlArg::F_GETFL)?);
        fcntl(*end, FcntlArg::F_SETFL(flags | OFlag::O_NONBLOCK))?;
    }
    if let Some(input) = ends.first().copied().flatten() {
        // A user without privileges may have used up what the system allows; then it stays small.
        let _ = fcntl(input, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES));
    }
    Ok(())
}

/// Makes writing to a tool that has ended an error, and not this process's end. Rust's own `main` has done
/// so, but not every process begins with one: the fuzzer's is libFuzzer's.
fn outlive_tools() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: a signal that is ignored has no handler that could run at a wrong time.
        let _ = unsafe { signal(Signal::SIGPIPE, SigHandler::SigIgn) };
    });
}
