//! A line taken apart into words that know their column, and its errors.

use std::net::IpAddr;
use std::str::FromStr;

use miette::{Diagnostic, SourceSpan};

use super::address_and_port;
use crate::packet::Family;

/// Options that have no value.
const FLAGS: [&str; 5] = ["untracked", "unreplied", "answered", "replied", "settled"];

/// A text that is no packet: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Diagnostic)]
#[error("column {}: found {found}, expected {expected}", self.column())]
pub struct NotAPacket {
    #[source_code]
    text: String,
    #[label("expected {expected}")]
    span: SourceSpan,
    found: String,
    expected: String,
}

impl NotAPacket {
    fn at(text: &str, start: usize, length: usize, expected: &str) -> Self {
        let found = match text.get(start..start + length) {
            Some("") | None => "the end".to_owned(),
            Some(word) => format!("`{word}`"),
        };
        Self {
            text: text.to_owned(),
            span: (start, length).into(),
            found,
            expected: expected.to_owned(),
        }
    }

    /// The byte at which the wrong word begins.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.span.offset()
    }

    /// What stands there, for a sentence.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What was expected instead, for a sentence.
    #[must_use]
    pub fn expected(&self) -> &str {
        &self.expected
    }

    /// The column of the wrong word, in characters from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        let before = self.text.get(..self.span.offset());
        before.map_or(1, |before| before.chars().count() + 1)
    }

    /// The error of a text that stands inside a word of a longer one, `deeper` bytes into it.
    pub(super) fn inside(self, word: Word<'_>, deeper: usize) -> Self {
        let start = word.start + deeper + self.span.offset();
        Self {
            text: word.line.to_owned(),
            span: (start, self.span.len()).into(),
            ..self
        }
    }
}

/// A word, or the value behind a word's `=`.
#[derive(Clone, Copy)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    line: &'a str,
    start: usize,
}

impl<'a> Word<'a> {
    pub fn wrong(self, expected: &str) -> NotAPacket {
        NotAPacket::at(self.line, self.start, self.text.len(), expected)
    }

    pub fn parse<T: FromStr>(self, expected: &str) -> Result<T, NotAPacket> {
        self.text.parse().map_err(|_| self.wrong(expected))
    }

    fn split(self) -> Option<(&'a str, Word<'a>)> {
        let (key, value) = self.text.split_once('=')?;
        let value = Word {
            text: value,
            line: self.line,
            start: self.start + key.len() + 1,
        };
        Some((key, value))
    }
}

/// One end of a packet.
#[derive(Clone, Copy)]
pub(super) struct End<'a> {
    pub address: IpAddr,
    pub port: Option<u16>,
    word: Word<'a>,
}

impl End<'_> {
    pub fn port(self) -> Result<u16, NotAPacket> {
        let expected = "an address with a port, such as 10.0.0.1:80 or [fd00::1]:80";
        self.port.ok_or_else(|| self.word.wrong(expected))
    }

    pub fn no_port(self) -> Result<(), NotAPacket> {
        match self.port {
            None => Ok(()),
            Some(_) => Err(self
                .word
                .wrong("an address without a port for this protocol")),
        }
    }
}

/// The words of a line, those taken being gone.
pub(super) struct Line<'a> {
    text: &'a str,
    plain: Vec<Word<'a>>,
    options: Vec<(&'a str, Word<'a>, Word<'a>)>,
}

impl<'a> Line<'a> {
    pub fn read(text: &'a str) -> Result<Self, NotAPacket> {
        let mut line = Self {
            text,
            plain: Vec::new(),
            options: Vec::new(),
        };
        for word in words(text)? {
            let flag = FLAGS.contains(&word.text).then_some((word.text, word));
            let Some((key, value)) = flag.or_else(|| word.split()) else {
                line.plain.push(word);
                continue;
            };
            if line.options.iter().any(|(known, ..)| *known == key) {
                return Err(word.wrong("each option once"));
            }
            line.options.push((key, word, value));
        }
        Ok(line)
    }

    /// The value of an option, taken away and read.
    pub fn take<T>(
        &mut self,
        key: &str,
        read: impl FnOnce(Word<'a>) -> Result<T, NotAPacket>,
    ) -> Result<Option<T>, NotAPacket> {
        let Some(place) = self.options.iter().position(|(known, ..)| *known == key) else {
            return Ok(None);
        };
        let (_, _, value) = self.options.remove(place);
        read(value).map(Some)
    }

    pub fn number<T: FromStr>(
        &mut self,
        key: &str,
        expected: &str,
    ) -> Result<Option<T>, NotAPacket> {
        self.take(key, |word| word.parse(expected))
    }

    /// Whether one of [`FLAGS`] is there; it is taken away.
    pub fn flag(&mut self, name: &str) -> bool {
        matches!(self.take(name, |_| Ok(())), Ok(Some(())))
    }

    /// `SOURCE > DESTINATION`, taken away.
    pub fn ends(&mut self) -> Result<(End<'a>, End<'a>), NotAPacket> {
        let Some(arrow) = self.plain.iter().position(|word| word.text == ">") else {
            return Err(self.lacks("`SOURCE > DESTINATION`"));
        };
        if arrow == 0 {
            return Err(self.plain[0].wrong("a source address before `>`"));
        }
        if arrow + 1 >= self.plain.len() {
            return Err(self.lacks("a destination address behind `>`"));
        }
        let source = end(self.plain[arrow - 1])?;
        let destination = end(self.plain[arrow + 1])?;
        self.plain.drain(arrow - 1..=arrow + 1);
        if source.address.is_ipv4() == destination.address.is_ipv4() {
            Ok((source, destination))
        } else {
            Err(destination.word.wrong("an address of the source's family"))
        }
    }

    /// The word that names the protocol, or the number behind `proto=`, taken away.
    pub fn protocol(&mut self, family: Family) -> Result<Word<'a>, NotAPacket> {
        if let Some(number) = self.take("proto", Ok)? {
            return match number.text.parse::<u8>() {
                Ok(_) => Ok(number),
                Err(_) => Err(number.wrong("a protocol's number up to 255")),
            };
        }
        let expected = match family {
            Family::V4 => "tcp, udp, udplite, sctp, icmp or proto=NUMBER",
            Family::V6 => "tcp, udp, udplite, sctp, icmp6 or proto=NUMBER",
        };
        if self.plain.is_empty() {
            return Err(self.lacks(expected));
        }
        let word = self.plain.remove(0);
        let fits = match word.text {
            "tcp" | "udp" | "udplite" | "sctp" => true,
            "icmp" => family == Family::V4,
            "icmp6" => family == Family::V6,
            _ => false,
        };
        if fits {
            Ok(word)
        } else {
            Err(word.wrong(expected))
        }
    }

    /// That every word was taken.
    pub fn end(&self) -> Result<(), NotAPacket> {
        if let Some((_, word, _)) = self.options.first() {
            return Err(word.wrong("an option that this protocol has"));
        }
        match self.plain.first() {
            Some(word) => Err(word.wrong("no such word here")),
            None => Ok(()),
        }
    }

    /// The error of a line in which something is not there, or is there twice over.
    pub fn lacks(&self, expected: &str) -> NotAPacket {
        NotAPacket::at(self.text, self.text.len(), 0, expected)
    }
}

fn end(word: Word<'_>) -> Result<End<'_>, NotAPacket> {
    let expected = "an address such as 10.0.0.1, 10.0.0.1:80, fd00::1 or [fd00::1]:80";
    let (address, port) = address_and_port(word.text).ok_or_else(|| word.wrong(expected))?;
    Ok(End {
        address,
        port,
        word,
    })
}

/// Words end at white space, but not inside the parentheses of a quoted packet.
fn words(line: &str) -> Result<Vec<Word<'_>>, NotAPacket> {
    let mut words = Vec::new();
    let mut start = None;
    let mut quoting = false;
    for (at, character) in line.char_indices().chain([(line.len(), ' ')]) {
        let before = start.and_then(|start| line.get(start..at));
        match character {
            '(' if matches!(before, Some("quotes=" | "answers=")) => quoting = true,
            ')' => quoting = false,
            _ => {}
        }
        if at == line.len() && quoting {
            return Err(NotAPacket::at(line, at, 0, "a closing parenthesis"));
        }
        if !character.is_ascii_whitespace() || quoting {
            start.get_or_insert(at);
        } else if let Some(start) = start.take() {
            words.push(Word {
                text: &line[start..at],
                line,
                start,
            });
        }
    }
    Ok(words)
}
