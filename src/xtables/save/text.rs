//! Writing words as iptables-save writes them.

use std::fmt::{self, Display, Write};
use std::net::IpAddr;

use super::value;
use crate::xtables::matches::{Not, PortRange};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::scalar::{Address, write_range};

/// A line in the making: words, each with a space before it unless it is the first.
#[derive(Debug, Default)]
pub(super) struct Text(String);

impl Text {
    /// A line that begins with these characters, taken to the letter.
    pub fn beginning(start: String) -> Self {
        Self(start)
    }

    /// One word.
    pub fn word(&mut self, word: impl Display) {
        self.space();
        // Writing to a String does not fail.
        let _ = write!(self.0, "{word}");
    }

    fn space(&mut self) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
    }

    /// `-m NAME`.
    pub fn module(&mut self, name: &str) {
        self.word("-m");
        self.word(Bare(name));
    }

    /// `--NAME`.
    pub fn flag(&mut self, name: &str) {
        self.space();
        self.0.push_str("--");
        self.0.push_str(name);
    }

    /// `--NAME` where it is so.
    pub fn flag_if(&mut self, given: bool, name: &str) {
        if given {
            self.flag(name);
        }
    }

    /// `--NAME`, perhaps negated.
    pub fn negatable_flag(&mut self, not: &Option<Not<()>>, name: &str) {
        if let Some(not) = not {
            self.negation(not.negated);
            self.flag(name);
        }
    }

    /// `--NAME VALUE`.
    pub fn option(&mut self, name: &str, value: impl Display) {
        self.flag(name);
        self.word(value);
    }

    /// `--NAME VALUE`, perhaps negated.
    pub fn negatable(&mut self, name: &str, negated: bool, value: impl Display) {
        self.negation(negated);
        self.option(name, value);
    }

    /// `!` where it is so.
    pub fn negation(&mut self, negated: bool) {
        if negated {
            self.word("!");
        }
    }

    /// Words to the letter.
    pub fn words(&mut self, words: &[String]) {
        for word in words {
            self.word(Bare(word));
        }
    }

    /// What has been written.
    pub fn finish(self) -> String {
        self.0
    }
}

/// A text in the quotes that iptables-save gives it: none where it is letters, digits, `_` and `-`
/// only (libxtables/xtables.c, `xtables_save_string`).
pub(super) struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if !self.0.is_empty() && self.0.bytes().all(plain) {
            return f.write_str(self.0);
        }
        quote(f, self.0, &['"', '\\', '\''])
    }
}

/// A word in quotes only where it would be cut, or taken for a short option, otherwise.
pub(super) struct Bare<'a>(pub &'a str);

impl Display for Bare<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = |character: char| matches!(character, ' ' | '\t' | '\n' | '\r' | '"');
        let like_an_option = self.0.starts_with('-') && !self.0.starts_with("--");
        if self.0.is_empty() || self.0.contains(cut) || like_an_option {
            return quote(f, self.0, &['"', '\\']);
        }
        f.write_str(self.0)
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str, escaped: &[char]) -> fmt::Result {
    f.write_char('"')?;
    let mut written = 0;
    for (place, _) in text.match_indices(escaped) {
        f.write_str(&text[written..place])?;
        f.write_char('\\')?;
        written = place;
    }
    f.write_str(&text[written..])?;
    f.write_char('"')
}

/// `PORT` or `FIRST:LAST`.
pub(super) struct Ports(pub PortRange);

impl Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, self.0.first, self.0.last, ':')
    }
}

/// `NUMBER` or `FIRST:LAST`.
pub(super) struct Range<T>(pub T, pub T);

impl<T: Display + PartialEq> Display for Range<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_range(f, &self.0, &self.1, ':')
    }
}

/// An address with its mask always, as `-s` has it.
pub(super) struct Network(pub AddressMask);

impl Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", Address(self.0.address), Mask(self.0.mask))
    }
}

/// An address with its mask unless that is all ones, as `--ctorigsrc` has it.
pub(super) struct Host(pub AddressMask);

impl Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value::prefix_length(self.0.mask) {
            Some(32) if self.0.mask.is_ipv4() => write!(f, "{}", Address(self.0.address)),
            Some(128) => write!(f, "{}", Address(self.0.address)),
            _ => Network(self.0).fmt(f),
        }
    }
}

/// A mask as a length, or as an address where it is no prefix.
pub(super) struct Mask(pub IpAddr);

impl Display for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match value::prefix_length(self.0) {
            Some(length) => write!(f, "{length}"),
            None => write!(f, "{}", Address(self.0)),
        }
    }
}

/// An interface's name, or its beginning with `+`.
pub(super) struct Interface<'a>(pub &'a InterfacePattern);

impl Display for Interface<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            InterfacePattern::Exactly(name) => write!(f, "{name}"),
            InterfacePattern::Prefix(prefix) => Bare(&format!("{prefix}+")).fmt(f),
            InterfacePattern::Unnameable(name) => Bare(name).fmt(f),
        }
    }
}

/// Things parted by commas.
pub(super) struct Listed<I>(pub I);

impl<I> Display for Listed<I>
where
    I: Iterator + Clone,
    I::Item: Display,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, item) in self.0.clone().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{item}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_as_iptables_save_does() {
        assert_eq!(Quoted("cali-0123").to_string(), "cali-0123");
        assert_eq!(Quoted("cali:0123").to_string(), "\"cali:0123\"");
        assert_eq!(Quoted("it's \"x\"").to_string(), r#""it\'s \"x\"""#);
        assert_eq!(Quoted("").to_string(), "\"\"");
    }

    #[test]
    fn bare_words_are_quoted_only_to_stay_whole() {
        assert_eq!(Bare("10.0.0.0/8").to_string(), "10.0.0.0/8");
        assert_eq!(Bare("a b").to_string(), "\"a b\"");
        assert_eq!(Bare("").to_string(), "\"\"");
    }
}
