//! What the place that is written to can show.

use std::env;
use std::fmt::Display;
use std::io::{self, IsTerminal, Write as _};
use std::process;

use crate::report::palette::Palette;

/// The colours for standard output: none unless it is a terminal that has them, none where
/// `NO_COLOR` is set (no-color.org).
#[must_use]
pub fn palette() -> Palette {
    let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_none_or(|value| value == "dumb");
    if refused || dumb || !io::stdout().is_terminal() {
        return Palette::plain();
    }
    Palette::coloured()
}

/// What a shell shows of a process that a broken pipe ended: 128 and the number of SIGPIPE.
const BROKEN_PIPE: i32 = 141;

/// Prints to standard output. Where nobody reads it any more (`calidiff schema | head`), the process ends
/// without a word: Rust's own `print!` would panic, for it has SIGPIPE ignored.
///
/// # Panics
///
/// Where standard output can't be written for another reason, a full disk say.
pub fn print(text: impl Display) {
    let mut out = io::stdout().lock();
    match write!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => {}
        Err(why) if why.kind() == io::ErrorKind::BrokenPipe => process::exit(BROKEN_PIPE),
        Err(why) => panic!("can't write to standard output: {why}"),
    }
}
