//! Saved rules, spelt as Felix 2.1 wrote them, and their hashes recomputed.
//!
//! iptables-save does not keep how a rule was written: it puts addresses and protocol before all else,
//! names protocols its own way, and leaves out an address that asks nothing. So one saved rule may
//! stand for several of Felix's; the hash that it bears tells which.

use std::iter;
use std::net::IpAddr;

use super::{ChainHasher, RULE_PREFIX};

/// A line of iptables-save that Felix 2.1 can't have written, or whose spelling is not known here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Felix's spelling of `{word}` is not known; expected a rule as Felix 2.1 renders it")]
pub struct Unspelt {
    /// The word that stopped the reading.
    pub word: String,
}

/// A line `-A CHAIN …` of iptables-save, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedRule {
    /// The chain that it is in.
    pub chain: String,
    /// The hash in its first comment, if it bears one.
    pub hash: Option<String>,
    /// Its other comments.
    pub comments: Vec<String>,
    interfaces: Vec<String>,
    protocol: Option<Said>,
    source: Option<Said>,
    destination: Option<Said>,
    matches: Vec<String>,
    action: Vec<String>,
}

/// The value of an option, perhaps negated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    negated: bool,
    value: String,
}

impl Said {
    fn spell(&self, option: &str, value: &str) -> String {
        let bang = if self.negated { "! " } else { "" };
        format!("{bang}{option} {value}")
    }
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
            negated: false,
            rule: Self {
                chain: String::new(),
                hash: None,
                comments: Vec::new(),
                interfaces: Vec::new(),
                protocol: None,
                source: None,
                destination: None,
                matches: Vec::new(),
                action: Vec::new(),
            },
        };
        reader.read()?;
        Ok(reader.rule)
    }

    /// Match and action as Felix may have written them, the likeliest first.
    pub fn spellings(&self) -> impl Iterator<Item = String> + '_ {
        let protocols = protocol_spellings(self.protocol.as_ref());
        protocols.flat_map(move |protocol| {
            self.address_spellings("--source", self.source.as_ref())
                .flat_map(move |source| {
                    let protocol = protocol.clone();
                    self.address_spellings("--destination", self.destination.as_ref())
                        .map(move |destination| {
                            self.spell(protocol.clone(), source.clone(), destination)
                        })
                })
        })
    }

    /// Felix's policies hand over prefixes with their length, even that of a single address; the
    /// static chains for floating addresses and OpenStack have bare ones (felix, rules/policy.go,
    /// rules/nat.go, rules/static.go). A prefix that holds every address is not printed.
    fn address_spellings<'s>(
        &'s self,
        option: &'s str,
        said: Option<&'s Said>,
    ) -> impl Iterator<Item = Option<String>> + 's {
        let of_policy = POLICY_CHAINS.iter().any(|one| self.chain.starts_with(one));
        let all = ["0.0.0.0/0", "::/0"].into_iter().map(move |all| {
            let nothing_printed = of_policy && said.is_none();
            nothing_printed.then(|| format!("{option} {all}"))
        });
        let printed = said.map(|said| {
            let bare = BARE_CHAINS.contains(&self.chain.as_str());
            said.spell(option, &address(&said.value, bare))
        });
        iter::once(printed).chain(all.filter(Option::is_some))
    }

    /// Puts protocol and addresses where Felix has them.
    fn spell(
        &self,
        protocol: Option<String>,
        source: Option<String>,
        destination: Option<String>,
    ) -> String {
        let mut parts = self.matches.clone();
        let insert = |parts: &mut Vec<String>, part: Option<String>| {
            let Some(part) = part else { return };
            let place = place(&part);
            let behind = parts.iter().position(|one| place < self::place(one));
            parts.insert(behind.unwrap_or(parts.len()), part);
        };
        insert(&mut parts, protocol);
        insert(&mut parts, source);
        // Felix names the destination before the source where it translates the source, and last
        // where it translates the destination (felix, rules/nat.go and rules/static.go).
        match self.action.get(1).map(String::as_str) {
            Some("SNAT") => parts.splice(0..0, destination).for_each(drop),
            Some("DNAT") => parts.extend(destination),
            _ => insert(&mut parts, destination),
        }
        let parts = self.interfaces.iter().chain(&parts).chain(&self.action);
        let parts: Vec<&str> = parts.map(String::as_str).collect();
        parts.join(" ")
    }
}

/// How the names of chains with a policy's or profile's rules begin.
const POLICY_CHAINS: [&str; 4] = ["cali-pi-", "cali-po-", "cali-pri-", "cali-pro-"];

/// The chains whose single addresses Felix writes without a length.
const BARE_CHAINS: [&str; 3] = ["cali-fip-dnat", "cali-fip-snat", "cali-wl-to-host"];

/// The order of a policy's rule (felix, rules/policy.go): what is to hold, then what is not to; of the
/// source, then of the destination.
const ORDER: [&str; 16] = [
    "-p ",
    "--source ",
    "-m set --match-set * src",
    "-m multiport --source-ports ",
    "--destination ",
    "-m set --match-set * dst",
    "-m multiport --destination-ports ",
    "-m icmp",
    "! -p ",
    "! --source ",
    "-m set ! --match-set * src",
    "-m multiport ! --source-ports ",
    "! --destination ",
    "-m set ! --match-set * dst",
    "-m multiport ! --destination-ports ",
    "-m icmp* !",
];

/// Where in [`ORDER`] a fragment stands; whatever is not there comes behind.
fn place(fragment: &str) -> usize {
    let fits = |pattern: &str| match pattern.split_once('*') {
        None => fragment.starts_with(pattern),
        Some((start, "")) => fragment.starts_with(start),
        Some((start, " !")) => fragment.starts_with(start) && fragment.contains(" ! "),
        Some((start, end)) => fragment.starts_with(start) && fragment.ends_with(end),
    };
    let last = ORDER.iter().rposition(|pattern| fits(pattern));
    last.unwrap_or(ORDER.len())
}

/// Felix writes a protocol as it was configured, by name or by number, and its own tunnels' and
/// ICMPv6's by number.
fn protocol_spellings(said: Option<&Said>) -> impl Iterator<Item = Option<String>> + '_ {
    let own = said.map(|said| match said.value.as_str() {
        "ipencap" => said.spell("-p", "4"),
        "ipv6-icmp" => said.spell("-p", "58"),
        other => said.spell("-p", other),
    });
    let named = said.filter(|said| said.value == "ipv6-icmp");
    let named = named.map(|said| said.spell("-p", "icmpv6"));
    let numbered = said
        .into_iter()
        .flat_map(|said| (1..=u8::MAX).map(|number| Some(said.spell("-p", &number.to_string()))));
    iter::once(own).chain(named.map(Some)).chain(numbered)
}

/// An address as Go writes it, with its length or bare.
fn address(saved: &str, bare: bool) -> String {
    let (address, length) = saved.split_once('/').unwrap_or((saved, ""));
    let address = match address.parse::<IpAddr>() {
        Ok(address) => address.to_string(),
        Err(_) => address.to_owned(),
    };
    match length {
        "" | "32" | "128" if bare => address,
        _ => format!("{address}/{length}"),
    }
}

struct Reader<'a, I: Iterator<Item = &'a str>> {
    words: std::iter::Peekable<I>,
    /// Whether a `!` stands before what comes.
    negated: bool,
    rule: SavedRule,
}

impl<'a, I: Iterator<Item = &'a str>> Reader<'a, I> {
    fn read(&mut self) -> Result<(), Unspelt> {
        while let Some(word) = self.words.next() {
            match word {
                "!" => self.negated = true,
                "-s" => self.rule.source = Some(self.said(word)?),
                "-d" => self.rule.destination = Some(self.said(word)?),
                "-p" => self.rule.protocol = Some(self.said(word)?),
                // Felix 2.1 negates nothing else.
                _ if self.negated => return Err(unspelt(word)),
                "-A" => self.rule.chain = self.value(word)?.to_owned(),
                "-i" => {
                    let name = self.value(word)?;
                    let spelt = format!("--in-interface {name}");
                    self.rule.interfaces.push(spelt);
                }
                "-o" => {
                    let name = self.value(word)?;
                    let spelt = format!("--out-interface {name}");
                    self.rule.interfaces.push(spelt);
                }
                "-m" => self.module()?,
                "-j" => self.action("--jump")?,
                "-g" => self.action("--goto")?,
                _ => return Err(unspelt(word)),
            }
        }
        match self.negated {
            true => Err(unspelt("!")),
            false => Ok(()),
        }
    }

    fn said(&mut self, option: &str) -> Result<Said, Unspelt> {
        Ok(Said {
            negated: std::mem::take(&mut self.negated),
            value: self.value(option)?.to_owned(),
        })
    }

    fn value(&mut self, option: &str) -> Result<&'a str, Unspelt> {
        self.words.next().ok_or_else(|| unspelt(option))
    }

    fn module(&mut self) -> Result<(), Unspelt> {
        let module = self.value("-m")?;
        if module == "comment" {
            self.value("-m comment")?;
            let comment = self.value("--comment")?;
            let first = self.rule.hash.is_none() && self.rule.comments.is_empty();
            match comment.strip_prefix(RULE_PREFIX).filter(|_| first) {
                Some(hash) => self.rule.hash = Some(hash.to_owned()),
                None => self.rule.comments.push(comment.to_owned()),
            }
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
        self.rule.matches.push(fragment);
        Ok(())
    }

    fn action(&mut self, option: &str) -> Result<(), Unspelt> {
        let target = self.value(option)?;
        self.rule.action.push(option.to_owned());
        self.rule.action.push(target.to_owned());
        while let Some(word) = self.words.next() {
            let spelt = match word {
                "--set-xmark" => format!("--set-mark {}", mark(self.value(word)?)),
                "--log-prefix" => format!("--log-prefix \"{}\"", self.value(word)?),
                // iptables 1.8 prints the old target NOTRACK as what it became.
                "--notrack" if target == "CT" => {
                    self.rule.action = vec![option.to_owned(), "NOTRACK".to_owned()];
                    continue;
                }
                _ => word.to_owned(),
            };
            self.rule.action.push(spelt);
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
        let expected = next(hasher, &rule);
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

/// The hash of the next rule: the one that it bears if one of its spellings has it, else that of the
/// likeliest.
fn next(hasher: &mut ChainHasher, rule: &SavedRule) -> String {
    let hashes = rule.spellings().map(|spelling| {
        let mut hasher = hasher.clone();
        let hash = hasher.next(rule.comments.iter().map(String::as_str), &spelling);
        (hash, hasher)
    });
    let mut hashes = hashes.peekable();
    let likeliest = hashes.peek().cloned();
    let borne = rule.hash.as_ref();
    let borne = borne.and_then(|borne| hashes.find(|(hash, _)| hash == borne));
    let Some((hash, then)) = borne.or(likeliest) else {
        return String::new();
    };
    *hasher = then;
    hash
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
                "-p tcp --source 10.0.0.0/8 -m set --match-set a src --destination 10.0.0.1/32 \
                 -m multiport --destination-ports 1:2 --jump DROP",
            ),
            (
                "-A c ! -s 10.0.0.1/32 ! -d 10.0.0.0/8 ! -p tcp -m set --match-set a dst -m icmp \
                 --icmp-type 8 -m set ! --match-set a src -m multiport ! --sports 1 -m multiport \
                 ! --dports 2 -m icmp ! --icmp-type 8/1 -j DROP",
                "-m set --match-set a dst -m icmp --icmp-type 8 ! -p tcp ! --source 10.0.0.1/32 \
                 -m set ! --match-set a src -m multiport ! --source-ports 1 ! --destination \
                 10.0.0.0/8 -m multiport ! --destination-ports 2 -m icmp ! --icmp-type 8/1 \
                 --jump DROP",
            ),
            (
                "-A cali-wl-to-host -d 10.0.0.1/32 -p tcp -m multiport --dports 80 -j ACCEPT",
                "-p tcp --destination 10.0.0.1 -m multiport --destination-ports 80 --jump ACCEPT",
            ),
            (
                "-A c -d 10.0.0.1/32 -p tcp -m multiport --dports 80 -j DNAT --to-destination \
                 10.0.0.2:81",
                "-p tcp -m multiport --destination-ports 80 --destination 10.0.0.1/32 --jump DNAT \
                 --to-destination 10.0.0.2:81",
            ),
            (
                "-A cali-fip-dnat -d ::1.2.3.4/128 -j DNAT --to-destination fd00::1",
                "--destination ::102:304 --jump DNAT --to-destination fd00::1",
            ),
            (
                "-A cali-fip-snat -s 10.0.0.1/32 -d 10.0.0.1/32 -j SNAT --to-source 10.9.9.9",
                "--destination 10.0.0.1 --source 10.0.0.1 --jump SNAT --to-source 10.9.9.9",
            ),
            (
                "-A c -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT",
                "-p 58 -m icmp6 --icmpv6-type 135 --jump ACCEPT",
            ),
            ("-A c -j CT --notrack", "--jump NOTRACK"),
        ] {
            let rule = SavedRule::read(saved);
            let likeliest = rule.map(|rule| rule.spellings().next());
            assert_eq!(likeliest, Ok(Some(felix.to_owned())));
        }
    }

    #[test]
    fn what_is_not_printed_is_guessed() -> Result<(), Unspelt> {
        let rule = SavedRule::read("-A cali-pi-x -d 10.0.0.0/8 ! -p ipv6-icmp -j DROP")?;
        let spellings: Vec<String> = rule.spellings().collect();
        for wanted in [
            "--destination 10.0.0.0/8 ! -p 58 --jump DROP",
            "--destination 10.0.0.0/8 ! -p icmpv6 --jump DROP",
            "--source 0.0.0.0/0 --destination 10.0.0.0/8 ! -p 58 --jump DROP",
        ] {
            assert!(spellings.iter().any(|one| one == wanted), "{wanted}");
        }
        let plain = SavedRule::read("-A cali-INPUT -j DROP")?;
        assert_eq!(plain.spellings().count(), 1);
        Ok(())
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
        for line in [
            "-A c -m string --algo bm -j DROP",
            "-A c -f -j DROP",
            "-A",
            "-A c ! -i a",
        ] {
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
