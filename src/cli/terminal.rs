//! What the place that is written to can show.

use std::env;
use std::io::{self, IsTerminal};

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
