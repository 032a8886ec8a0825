//! Felix's rule, chain and set hashes.
//!
//! Felix knows its own rules again by a hash in each rule's first comment, `cali:` and sixteen
//! characters. A rule's hash covers its own text and the hash of the rule before it, so it names the
//! rule, its place and everything above it in the chain; the table and the family are not in it. The
//! way has not changed from Felix 2.1 (2017) to 2026.
//!
//! What is hashed is Felix's own spelling of a rule, and iptables-save prints another one:
//! [`SavedRule`] spells a saved line the way Felix 2.1 wrote it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha224, Sha256};

/// What stands before the hash in a rule's first comment.
pub const RULE_PREFIX: &str = "cali:";

/// How many characters of the hash are printed.
const RULE_HASH_LENGTH: usize = 16;

/// How long a chain's name may be: `XT_EXTENSION_MAXNAMELEN` without its end
/// (include/uapi/linux/netfilter/x_tables.h).
const CHAIN_NAME_LENGTH: usize = 28;

/// How long a set's name may be: `IPSET_MAXNAMELEN` without its end
/// (include/uapi/linux/netfilter/ipset/ip_set.h).
const SET_NAME_LENGTH: usize = 31;

/// The hashes of one chain's rules, one after the other.
#[derive(Clone, Debug)]
pub struct ChainHasher {
    chain: String,
    previous: [u8; 28],
}

impl ChainHasher {
    /// Starts with a chain's name; of rules inserted in a built-in chain, that chain's.
    #[must_use]
    pub fn new(chain: &str) -> Self {
        Self {
            chain: chain.to_owned(),
            previous: Sha224::digest(chain).into(),
        }
    }

    /// The hash of the next rule: its comments without the hash's own, and its match and action in
    /// Felix's spelling (`--in-interface cali+ --jump cali-from-wl-dispatch`).
    pub fn next<'a>(
        &mut self,
        comments: impl IntoIterator<Item = &'a str>,
        fragments: &str,
    ) -> String {
        // The word HASH stands where the hash's own comment goes, so that every rule's text is the
        // same whatever its hash is (felix, iptables/table.go and rules.go, `RuleHashes`).
        let mut text = format!("-A {} HASH", self.chain);
        for comment in comments {
            text.push_str(" -m comment --comment \"");
            text.push_str(comment);
            text.push('"');
        }
        text.push(' ');
        text.push_str(fragments);
        let mut digest = Sha224::new();
        digest.update(self.previous);
        digest.update(text);
        self.previous = digest.finalize().into();
        let mut printed = URL_SAFE_NO_PAD.encode(self.previous);
        printed.truncate(RULE_HASH_LENGTH);
        printed
    }
}

/// A chain's name from its prefix and what it is about (an interface, a policy, a profile): joined,
/// or where that is too long, the prefix and as much of a hash as fits.
///
/// A suffix that begins with `_` is hashed even where it just fits, so that it can't be taken for a
/// hash (felix, hashutils, `GetLengthLimitedID`).
#[must_use]
pub fn chain_name(prefix: &str, suffix: &str) -> String {
    let length = prefix.len() + suffix.len();
    if length < CHAIN_NAME_LENGTH || (length == CHAIN_NAME_LENGTH && !suffix.starts_with('_')) {
        return format!("{prefix}{suffix}");
    }
    let mut name = format!(
        "{prefix}_{}",
        URL_SAFE_NO_PAD.encode(Sha256::digest(suffix))
    );
    name.truncate(CHAIN_NAME_LENGTH);
    name
}

/// A set's id: of kind `s` for a canonical selector, `n` for a named port, `svc` and `svcnoport` for a
/// service.
#[must_use]
pub fn set_id(kind: &str, content: &str) -> String {
    let digest = Sha224::digest(format!("{kind}:{content}"));
    format!("{kind}:{}", URL_SAFE_NO_PAD.encode(digest))
}

/// A set's name: `cali4` or `cali6`, a token (`-` up to Calico 3.0, `0` since), and as much of the
/// id as fits.
#[must_use]
pub fn set_name(family: &str, token: char, id: &str) -> String {
    let mut name = format!("{family}{token}{id}");
    name.truncate(SET_NAME_LENGTH);
    name
}

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

    fn hooked(chain: &str, fragments: &[&str]) -> Vec<String> {
        let mut hasher = ChainHasher::new(chain);
        fragments
            .iter()
            .map(|fragment| hasher.next([], fragment))
            .collect()
    }

    #[test]
    fn hooks_bear_the_hashes_of_every_version() {
        for (chain, hash) in [
            ("INPUT", "Cz_u1IQiXIMmKD4c"),
            ("FORWARD", "wUHhoiAYhphO9Mso"),
            ("OUTPUT", "tVnHkvAo15HuiPy0"),
            ("PREROUTING", "6gwbT8clXdHdC1b1"),
            ("POSTROUTING", "O3lYWMrLQYEMJtB5"),
        ] {
            assert_eq!(hooked(chain, &[&format!("--jump cali-{chain}")]), [hash]);
        }
    }

    #[test]
    fn appended_rules_bear_the_hashes_of_modern_versions() {
        let mut hasher = ChainHasher::new("FORWARD*appends*");
        let accept = "-m mark --mark 0x10000/0x10000 --jump ACCEPT";
        let comment = "Policy explicitly accepted packet.";
        assert_eq!(hasher.next([comment], accept), "S93hcgKJrXEqnTfs");
        let set = "--jump MARK --set-mark 0x10000/0x10000";
        assert_eq!(hasher.next([], set), "mp77cMpurHhyjLrM");
        assert_eq!(
            hooked("POSTROUTING*appends*", &["--jump cali-POSTROUTING"]),
            ["0i8pjzKKPyA34aQD"]
        );
    }

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

    #[test]
    fn chain_names_are_shortened_as_published_dumps_show() {
        for (prefix, suffix, name) in [
            (
                "cali-pro-",
                "ksa.kube-system.coredns",
                "cali-pro-_u2Tn2rSoAPffvE7JO6",
            ),
            (
                "cali-pro-",
                "ksa.aqua-sec.starboard-operator",
                "cali-pro-_MQC7iNJjo7HCQ5Nq9m",
            ),
            (
                "cali-po-",
                "kube-system/knp.default.konnectivity-agent",
                "cali-po-_rWDSk9LLgWIl_lpnJE2",
            ),
            ("cali-tw-", "cali0ef24b1", "cali-tw-cali0ef24b1"),
            (
                "cali-fh-",
                "any-interface-at-all",
                "cali-fh-any-interface-at-all",
            ),
        ] {
            assert_eq!(chain_name(prefix, suffix), name);
        }
        let looks_hashed = chain_name("cali-fh-", "_ny-interface-at-all");
        assert_ne!(looks_hashed, "cali-fh-_ny-interface-at-all");
        assert_eq!(looks_hashed.len(), CHAIN_NAME_LENGTH);
    }

    #[test]
    fn sets_of_the_seed_are_named_by_their_selectors() {
        let by_namespace = set_id("s", "namespace == \"default\"");
        assert_eq!(
            set_name("cali4", '-', &by_namespace),
            "cali4-s:CEmFgJFwDvohR01JKvOkO8D"
        );
        let frontends = set_id("s", "(namespace == \"default\" && service == \"frontend\")");
        assert_eq!(
            set_name("cali4", '-', &frontends),
            "cali4-s:i357Nlxxj3AMBTQ4WyOllNt"
        );
    }

    proptest! {
        #[test]
        fn no_line_stops_the_reading(line in "\\PC*") {
            let _ = SavedRule::read(&line);
        }

        #[test]
        fn a_changed_rule_changes_its_own_and_all_later_hashes_only(
            count in 2_usize..12, at in 0_usize..12
        ) {
            let at = at % count;
            let rules: Vec<String> = (0..count).map(|i| format!("--jump cali-{i}")).collect();
            let mut mutated = rules.clone();
            mutated[at] = "--jump DROP".to_owned();
            let texts = |rules: &[String]| {
                let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
                hooked("cali-x", &rules)
            };
            for (place, (before, after)) in texts(&rules).iter().zip(texts(&mutated)).enumerate() {
                prop_assert_eq!(*before == after, place < at);
            }
        }
    }
}
