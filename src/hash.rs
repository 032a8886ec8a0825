//! Felix's rule, chain and set hashes.
//!
//! Felix knows its own rules again by a hash in each rule's first comment, `cali:` and sixteen
//! characters. A rule's hash covers its own text and the hash of the rule before it, so it names the
//! rule, its place and everything above it in the chain; the table and the family are not in it. The
//! way has not changed from Felix 2.1 (2017) to 2026.
//!
//! What is hashed is Felix's own spelling of a rule; iptables-save prints another one.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha224, Sha256};
use sha3::Sha3_224;

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
    /// Felix's spelling (`--in-interface cali+ --jump cali-from-wl-dispatch`), empty where it has
    /// neither.
    pub fn next<'a>(
        &mut self,
        comments: impl IntoIterator<Item = &'a str>,
        fragments: &str,
    ) -> String {
        // The word HASH stands where the hash's own comment goes, so that every rule's text is the
        // same whatever its hash is (felix, iptables/table.go and rules.go, `RuleHashes`).
        let mut digest = Sha224::new();
        digest.update(self.previous);
        digest.update("-A ");
        digest.update(&self.chain);
        digest.update(" HASH");
        for comment in comments {
            digest.update(" -m comment --comment \"");
            digest.update(comment);
            digest.update("\"");
        }
        if !fragments.is_empty() {
            digest.update(" ");
            digest.update(fragments);
        }
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

/// The name under which rules are hashed that Felix appends to one of the kernel's chains
/// (felix, iptables/table.go).
#[must_use]
pub fn appended_to(chain: &str) -> String {
    format!("{chain}*appends*")
}

/// The id of a group of policies: a hash over lines, the first characters of which end the name of the
/// group's chain (felix, rules/endpoints.go, `PolicyGroup.UniqueID`).
#[must_use]
pub fn group_id<'a>(lines: impl IntoIterator<Item = &'a str>) -> String {
    let text: String = lines.into_iter().flat_map(|line| [line, "\n"]).collect();
    URL_SAFE_NO_PAD.encode(Sha3_224::digest(text))
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
