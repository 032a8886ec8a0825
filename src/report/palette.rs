//! Colours, sparingly: what agrees, what differs, what may be passed over.

use anstyle::{AnsiColor, Style};

/// The styles of a report; each writes nothing where there is no colour.
#[derive(Clone, Copy, Debug, Default)]
pub struct Palette {
    /// Headings.
    pub title: Style,
    /// Where the arms agree.
    pub agrees: Style,
    /// Where they differ.
    pub differs: Style,
    /// Marks, and their changes.
    pub mark: Style,
    /// What may be passed over: rules that did not match.
    pub quiet: Style,
}

impl Palette {
    /// No colour at all.
    #[must_use]
    pub fn plain() -> Self {
        Self::default()
    }

    /// The sixteen colours that every terminal has.
    #[must_use]
    pub fn coloured() -> Self {
        Self {
            title: Style::new().bold(),
            agrees: AnsiColor::Green.on_default(),
            differs: AnsiColor::Red.on_default().bold(),
            mark: AnsiColor::Cyan.on_default(),
            quiet: Style::new().dimmed(),
        }
    }
}
