//! Saved rules, spelt as Felix 2.1 wrote them, and their hashes recomputed.

use super::{ChainHasher, RULE_PREFIX};

/// A line of iptables-save that Felix 2.1 can't have written, or whose spelling is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Felix's spelling of `{word}` is not known; expected a rule as Felix 2.1 renders it")]
pub struct Unspelt {
    /// The word that stopped the reading.
    pub word: String,
}

/// A line `-A CHAIN …` of iptables-save, spelt as Felix 2.1 wrote it before iptables printed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRule {
    /// The chain that it is in.
    pub chain: String,
    /// The hash in its first comment, if it bears one.
    pub hash: Option<String>,
    /// Its other comments.
    pub comments: Vec<String>,
    /// Match and action, as hashed.
    pub fragments: String,
}

impl SavedRule {
    /// Reads one line.
    ///
    /// # Errors
    ///
    /// [`Unspelt`] where a word has no known spelling of Felix's.
    pub fn read(line: &str) -> Result<Self, Unspelt> {
        let words = split_words(line);
        let mut reader = Reader {
            words: words.iter().map(String::as_str).peekable(),
            spelling: Spelling::default(),
        };
        reader.read()
    }
}

/// The parts of a rule, in Felix's spelling. iptables-save prints `-s -d -i -o -p` before all
/// matches; Felix writes them where the policy's fields come.
#[derive(Default)]
struct Spelling {
    chain: String,
    comments: Vec<String>,
    interfaces: Vec<String>,
    protocol: Option<String>,
    source: Option<String>,
    destination: Option<String>,
    matches: Vec<String>,
    action: Vec<String>,
}

impl Spelling {
    fn into_rule(self) -> SavedRule {
        let mut comments = self.comments;
        let hash = comments
            .first()
            .and_then(|first| first.strip_prefix(RULE_PREFIX))
            .map(str::to_owned);
        if hash.is_some() {
            comments.remove(0);
        }
        // cali-fip-snat alone names the destination before the source (felix, rules/nat.go).
        let translates_source = self.action.iter().any(|word| word == "SNAT");
        let (first, second) = if translates_source {
            (self.destination, self.source)
        } else {
            (self.source, self.destination)
        };
        let receiver = self
            .matches
            .iter()
            .position(|one| one.contains("--destination-ports") || one.ends_with(" dst"))
            .unwrap_or(self.matches.len());
        let place = if translates_source { 0 } else { receiver };
        let mut parts = self.interfaces;
        parts.extend(self.protocol);
        parts.extend(first);
        parts.extend_from_slice(&self.matches[..place]);
        parts.extend(second);
        parts.extend_from_slice(&self.matches[place..]);
        parts.extend(self.action);
        SavedRule {
            chain: self.chain,
            hash,
            comments,
            fragments: parts.join(" "),
        }
    }
}

struct Reader<'a, I: Iterator<Item = &'a str>> {
    words: std::iter::Peekable<I>,
    spelling: Spelling,
}

impl<'a, I: Iterator<Item = &'a str>> Reader<'a, I> {
    fn read(&mut self) -> Result<SavedRule, Unspelt> {
        while let Some(word) = self.words.next() {
            match word {
                "-A" => self.spelling.chain = self.value(word)?.to_owned(),
                "-i" => {
                    let name = self.value(word)?;
                    self.spelling
                        .interfaces
                        .push(format!("--in-interface {name}"));
                }
                "-o" => {
                    let name = self.value(word)?;
                    self.spelling
                        .interfaces
                        .push(format!("--out-interface {name}"));
                }
                "-s" => self.spelling.source = Some(format!("--source {}", self.address(word)?)),
                "-d" => {
                    self.spelling.destination =
                        Some(format!("--destination {}", self.address(word)?));
                }
                "-p" => {
                    let protocol = protocol(self.value(word)?);
                    self.spelling.protocol = Some(format!("-p {protocol}"));
                }
                "-m" => self.module()?,
                "-j" => self.action("--jump")?,
                "-g" => self.action("--goto")?,
                _ => return Err(unspelt(word)),
            }
        }
        Ok(std::mem::take(&mut self.spelling).into_rule())
    }

    fn value(&mut self, option: &str) -> Result<&'a str, Unspelt> {
        self.words.next().ok_or_else(|| unspelt(option))
    }

    /// Felix hands over single addresses bare; iptables-save adds the full prefix length.
    fn address(&mut self, option: &str) -> Result<&'a str, Unspelt> {
        let text = self.value(option)?;
        let bare = text
            .strip_suffix("/32")
            .or_else(|| text.strip_suffix("/128"));
        Ok(bare.unwrap_or(text))
    }

    fn module(&mut self) -> Result<(), Unspelt> {
        let module = self.value("-m")?;
        if module == "comment" {
            self.value("-m comment")?;
            let comment = self.value("--comment")?.to_owned();
            self.spelling.comments.push(comment);
            return Ok(());
        }
        let mut fragment = format!("-m {module}");
        while let Some(word) = self
            .words
            .next_if(|word| !matches!(*word, "-m" | "-j" | "-g"))
        {
            fragment.push(' ');
            fragment.push_str(&match_word(module, word)?);
        }
        self.spelling.matches.push(fragment);
        Ok(())
    }

    fn action(&mut self, option: &str) -> Result<(), Unspelt> {
        let target = self.value(option)?;
        self.spelling.action.push(option.to_owned());
        self.spelling.action.push(target.to_owned());
        while let Some(word) = self.words.next() {
            let spelt = match word {
                "--set-xmark" => format!("--set-mark {}", mark(self.value(word)?)),
                "--log-prefix" => format!("--log-prefix \"{}\"", self.value(word)?),
                // iptables 1.8 prints the old target NOTRACK as what it became.
                "--notrack" if target == "CT" => {
                    self.spelling.action = vec![option.to_owned(), "NOTRACK".to_owned()];
                    continue;
                }
                _ => word.to_owned(),
            };
            self.spelling.action.push(spelt);
        }
        Ok(())
    }
}

fn match_word(module: &str, word: &str) -> Result<String, Unspelt> {
    match (module, word) {
        ("multiport", "--sports") => Ok("--source-ports".to_owned()),
        ("multiport", "--dports") => Ok("--destination-ports".to_owned()),
        ("mark", value) if value.starts_with("0x") => Ok(mark(value)),
        (
            "addrtype" | "conntrack" | "icmp" | "icmp6" | "limit" | "mark" | "multiport"
            | "rpfilter" | "set",
            _,
        ) => Ok(word.to_owned()),
        _ => Err(unspelt(module)),
    }
}

/// Felix writes a zero as `0`, iptables-save as `0x0`.
fn mark(value: &str) -> String {
    match value.strip_prefix("0x0/") {
        Some(mask) => format!("0/{mask}"),
        None => value.to_owned(),
    }
}

/// Felix names the protocols of its own static rules by number.
fn protocol(name: &str) -> &str {
    match name {
        "ipencap" => "4",
        "ipv6-icmp" => "58",
        other => other,
    }
}

fn unspelt(word: &str) -> Unspelt {
    Unspelt {
        word: word.to_owned(),
    }
}

/// Splits a line at white space; double quotes hold words together, a backslash keeps the next
/// character.
fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut begun = false;
    let mut quoted = false;
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                begun = true;
            }
            '\\' if quoted => word.extend(characters.next()),
            space if space.is_whitespace() && !quoted => {
                if std::mem::take(&mut begun) {
                    words.push(std::mem::take(&mut word));
                }
            }
            other => {
                word.push(other);
                begun = true;
            }
        }
    }
    if begun {
        words.push(word);
    }
    words
}

/// One rule of a saved ruleset that bears a hash of Felix's, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// The line, counted from 1.
    pub line: usize,
    /// The table.
    pub table: String,
    /// The chain.
    pub chain: String,
    /// Which rule of Felix's in the chain, from 0.
    pub index: usize,
    /// The hash in the rule's comment.
    pub found: Option<String>,
    /// The hash that the rule should bear where it stands.
    pub expected: String,
}

impl Checked {
    /// Whether the rule bears the hash that it should.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.found.as_deref() == Some(self.expected.as_str())
    }
}

/// A line of a saved ruleset that can't be checked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {unspelt}")]
pub struct Uncheckable {
    /// The line, counted from 1.
    pub line: usize,
    /// Why.
    pub unspelt: Unspelt,
}

/// Recomputes the hash of every rule of Felix's in iptables-save text: all rules of chains named
/// `cali-…`, and those in other chains that bear a hash.
///
/// # Errors
///
/// [`Uncheckable`] at the first such rule whose spelling of Felix's is not known.
pub fn check_saved(text: &str) -> Result<Vec<Checked>, Uncheckable> {
    let mut table = String::new();
    let mut chains: Vec<(String, String, ChainHasher, usize)> = Vec::new();
    let mut checked = Vec::new();
    for (place, line) in text.lines().enumerate() {
        let line_number = place + 1;
        if let Some(name) = line.strip_prefix('*') {
            name.trim().clone_into(&mut table);
        }
        let foreign = !line.starts_with("-A cali-") && !line.contains("\"cali:");
        if !line.starts_with("-A ") || foreign {
            continue;
        }
        let rule = SavedRule::read(line).map_err(|unspelt| Uncheckable {
            line: line_number,
            unspelt,
        })?;
        let known = chains
            .iter()
            .position(|(in_table, chain, _, _)| *in_table == table && *chain == rule.chain);
        let at = known.unwrap_or_else(|| {
            let hasher = ChainHasher::new(&rule.chain);
            chains.push((table.clone(), rule.chain.clone(), hasher, 0));
            chains.len() - 1
        });
        let (_, _, hasher, count) = &mut chains[at];
        let expected = hasher.next(rule.comments.iter().map(String::as_str), &rule.fragments);
        checked.push(Checked {
            line: line_number,
            table: table.clone(),
            chain: rule.chain,
            index: *count,
            found: rule.hash,
            expected,
        });
        *count += 1;
    }
    Ok(checked)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_saved_line_is_spelt_as_felix_wrote_it() {
        for (saved, felix) in [
            (
                "-A c -i cali+ -m comment --comment \"cali:x\" -j MARK --set-xmark 0x0/0x7000000",
                "--in-interface cali+ --jump MARK --set-mark 0/0x7000000",
            ),
            (
                "-A c -p udp -m multiport --sports 68 -m multiport --dports 67 -j ACCEPT",
                "-p udp -m multiport --source-ports 68 -m multiport --destination-ports 67 \
                 --jump ACCEPT",
            ),
            (
                "-A c -m mark --mark 0x0/0x4000000 -g d",
                "-m mark --mark 0/0x4000000 --goto d",
            ),
            (
                "-A c -s 10.0.0.0/8 -d 10.0.0.1/32 -p tcp -m set --match-set a src -m multiport \
                 --dports 1:2 -j DROP",
                "-p tcp --source 10.0.0.0/8 -m set --match-set a src --destination 10.0.0.1 \
                 -m multiport --destination-ports 1:2 --jump DROP",
            ),
            (
                "-A c -s 10.0.0.1/32 -d 10.0.0.1/32 -j SNAT --to-source 10.9.9.9",
                "--destination 10.0.0.1 --source 10.0.0.1 --jump SNAT --to-source 10.9.9.9",
            ),
            (
                "-A c -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
                "-p 58 -m icmp6 --icmpv6-type 135 --jump ACCEPT",
            ),
            ("-A c -j CT --notrack", "--jump NOTRACK"),
        ] {
            let rule = SavedRule::read(saved);
            assert_eq!(rule.map(|rule| rule.fragments), Ok(felix.to_owned()));
        }
    }

    #[test]
    fn comments_are_kept_but_for_the_hash() {
        let line = "-A c -m comment --comment \"cali:abc\" -m comment --comment \"Start of \
                    policies\" -j DROP";
        let rule = SavedRule::read(line).ok();
        let rule = rule.map(|rule| (rule.hash, rule.comments));
        let expected = (Some("abc".to_owned()), vec!["Start of policies".to_owned()]);
        assert_eq!(rule, Some(expected));
    }

    #[test]
    fn unknown_words_are_refused() {
        for line in ["-A c -m string --algo bm -j DROP", "-A c -f -j DROP", "-A"] {
            assert!(SavedRule::read(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_stops_the_reading(line in "\\PC*") {
            let _ = SavedRule::read(&line);
        }
    }
}
