//! Names, labels, addresses, ports, protocols, selectors: what stands in a single value.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_saphyr::{Location, Spanned};

use super::tree::{Fields, Read, Reader, Tree, Value, alternatives};
use crate::calico::Selector;
use crate::calico::resources::{Api, Labels, Order};
use crate::calico::rule::{PortNumbers, Ports, RuleProtocol};
use crate::calico::selector::{
    Expression, LONGEST_KEY, NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX, WrongSelector,
    is_key_character,
};
use crate::calico::words;
use crate::packet::InterfaceName;

/// How long names and tags of API v1 may be (libcalico-go 1.x, lib/validator, `nameRegex`).
const LONGEST_NAME_V1: usize = 128;
/// How long names of API v3 may be (RFC 1123, as Kubernetes has it).
pub(super) const LONGEST_NAME_V3: usize = 253;
/// How long the value of a label may be, and in API v3 its key without its domain.
const LONGEST_LABEL: usize = 63;

fn is_word_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '.' | '-')
}

/// Whether a text is a label of RFC 1123, or several with dots between.
fn is_subdomain(text: &str) -> bool {
    let small = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    let is_label = |label: &str| {
        label.starts_with(small)
            && label.ends_with(small)
            && label
                .chars()
                .all(|character| small(character) || character == '-')
    };
    text.len() <= LONGEST_NAME_V3 && text.split('.').all(is_label)
}

/// Whether a text begins and ends with a letter or digit, with `_`, `.` and `-` inside, 63 at most.
fn is_label_word(text: &str) -> bool {
    let alphanumeric = |character: char| character.is_ascii_alphanumeric();
    text.len() <= LONGEST_LABEL
        && text.starts_with(alphanumeric)
        && text.ends_with(alphanumeric)
        && text.chars().all(is_word_character)
}

fn is_name(api: Api, text: &str) -> bool {
    match api {
        Api::V1 => {
            (1..=LONGEST_NAME_V1).contains(&text.len()) && text.chars().all(is_word_character)
        }
        Api::V3 => is_subdomain(text),
    }
}

/// A label's key without what Calico puts before those of namespaces and service accounts: the limits
/// are of what people write.
fn own_key(key: &str) -> &str {
    let prefixes = [NAMESPACE_PREFIX, SERVICE_ACCOUNT_PREFIX];
    let own = prefixes.iter().find_map(|prefix| key.strip_prefix(prefix));
    own.unwrap_or(key)
}

fn names_are(api: Api) -> &'static str {
    match api {
        Api::V1 => "1 to 128 letters, digits, `_`, `.` and `-`",
        Api::V3 => "up to 253 small letters, digits, `-` and `.`, a letter or digit at each end",
    }
}

impl Reader<'_> {
    pub(super) fn refused<T>(&self, tree: &Tree, what: &str, expected: &str) -> Read<T> {
        let text = self.text(tree)?;
        let problem = format!("`{text}` is no {what}; expected {expected}");
        Err(self.wrong(tree.referenced, problem))
    }

    /// The name of a resource, a namespace, a node, …
    pub(super) fn name(&self, tree: &Tree) -> Read<String> {
        let text = self.text(tree)?;
        if is_name(self.api, text) {
            return Ok(text.to_owned());
        }
        self.refused(tree, "name", names_are(self.api))
    }

    /// A name that must be there.
    pub(super) fn name_in(&self, fields: &Fields<'_>, field: &str) -> Read<String> {
        self.name(self.required(fields, field)?)
    }

    /// What orchestrators call workloads and their endpoints: a name in which they may put a `/` and
    /// capitals.
    pub(super) fn workload_name(&self, tree: &Tree) -> Read<String> {
        let text = self.text(tree)?;
        let fits = (1..=LONGEST_NAME_V3).contains(&text.len());
        if fits && text.chars().all(is_key_character) {
            return Ok(text.to_owned());
        }
        let expected = "1 to 253 letters, digits, `_`, `.`, `/` and `-`";
        self.refused(tree, "name of a workload", expected)
    }

    /// A tag (v1).
    pub(super) fn tag(&self, tree: &Tree) -> Read<String> {
        let text = self.text(tree)?;
        if is_name(Api::V1, text) {
            return Ok(text.to_owned());
        }
        self.refused(tree, "tag", names_are(Api::V1))
    }

    /// Labels.
    pub(super) fn labels(&self, tree: Option<&Tree>) -> Read<Labels> {
        let Some(tree) = tree else {
            return Ok(Labels::new());
        };
        let fields = self.any_fields(tree, "labels")?;
        let read = |(key, value): (&Spanned<String>, &Tree)| {
            self.label_key(&key.value, key.referenced)?;
            Ok((key.value.clone(), self.label_value(value)?))
        };
        fields.all().map(read).collect()
    }

    pub(super) fn label_key(&self, key: &str, place: Location) -> Read<()> {
        let (fits, expected) = match self.api {
            Api::V1 => (
                (1..=LONGEST_KEY).contains(&key.len()) && key.chars().all(is_key_character),
                "1 to 512 letters, digits, `_`, `.`, `/` and `-`",
            ),
            Api::V3 => (
                match own_key(key).split_once('/') {
                    None => is_label_word(own_key(key)),
                    Some((domain, word)) => is_subdomain(domain) && is_label_word(word),
                },
                "up to 63 letters, digits, `_`, `.` and `-`, a letter or digit at each end, \
                 perhaps behind a domain and `/`",
            ),
        };
        if fits {
            return Ok(());
        }
        let problem = format!("`{key}` is no key of a label; expected {expected}");
        Err(self.wrong(place, problem))
    }

    pub(super) fn label_value(&self, tree: &Tree) -> Read<String> {
        let text = self.text(tree)?;
        if text.is_empty() || is_label_word(text) {
            return Ok(text.to_owned());
        }
        let expected = "up to 63 letters, digits, `_`, `.` and `-`, a letter or digit at each end";
        self.refused(tree, "value of a label", expected)
    }

    /// A selector; `None` where the text is empty. `global()` is for the ends of rules
    /// (libcalico-go, lib/validator/v3, `globalSelectorEntRule`).
    pub(super) fn selector(&self, tree: Option<&Tree>) -> Read<Option<Selector>> {
        let problem = "`global()` here; expected it in a rule's namespaceSelector only";
        self.selector_unless(tree, problem, Expression::says_global)
    }

    /// A selector that may say `global()`, but nothing with it (libcalico-go, lib/validator/v3,
    /// `globalSelectorOnly`).
    pub(super) fn namespace_selector(&self, tree: Option<&Tree>) -> Read<Option<Selector>> {
        let problem = "`global()` beside other terms; expected it alone";
        self.selector_unless(tree, problem, |said| {
            *said != Expression::Global && said.says_global()
        })
    }

    fn selector_unless(
        &self,
        tree: Option<&Tree>,
        problem: &str,
        is_wrong: impl Fn(&Expression) -> bool,
    ) -> Read<Option<Selector>> {
        let selector = self.any_selector(tree)?;
        let said = selector.as_ref().map(Selector::expression);
        match tree.filter(|_| said.is_some_and(is_wrong)) {
            None => Ok(selector),
            Some(tree) => Err(self.wrong(tree.referenced, problem)),
        }
    }

    fn any_selector(&self, tree: Option<&Tree>) -> Read<Option<Selector>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        let text = self.text(tree)?;
        if text.trim().is_empty() {
            return Ok(None);
        }
        let wrong = |error: WrongSelector| {
            let (found, expected) = (error.found(), error.expected());
            let problem = format!("found {found} in a selector; expected {expected}");
            self.wrong_inside(tree, text, error.offset(), problem)
        };
        text.parse().map(Some).map_err(wrong)
    }

    /// Where something stands among others.
    pub(super) fn order(&self, tree: Option<&Tree>) -> Read<Option<Order>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        Ok(Order::new(self.number(tree)?))
    }

    /// An address.
    pub(super) fn address(&self, tree: &Tree) -> Read<IpAddr> {
        match self.text(tree)?.parse() {
            Ok(address) => Ok(address),
            Err(_) => self.refused(tree, "address", "one as 10.0.0.1 or fd00::1"),
        }
    }

    /// A prefix, or a single address, as it is written.
    pub(super) fn written_net(&self, tree: &Tree) -> Read<IpNet> {
        let text = self.text(tree)?;
        let single = |_| text.parse::<IpAddr>().map(IpNet::from);
        match text.parse::<IpNet>().or_else(single) {
            Ok(net) => Ok(net),
            Err(_) => self.refused(tree, "prefix", "one as 10.0.0.0/8 or fd00::/64"),
        }
    }

    /// A prefix without the bits behind it, which the API ignores.
    pub(super) fn net(&self, tree: &Tree) -> Read<IpNet> {
        Ok(self.written_net(tree)?.trunc())
    }

    /// An address, written alone or as a prefix of full length; other prefixes hold several.
    pub(super) fn single_address(&self, tree: &Tree) -> Read<IpAddr> {
        let net = self.written_net(tree)?;
        if net.prefix_len() == net.max_prefix_len() {
            return Ok(net.addr());
        }
        let expected = format!("one address, {}/{}", net.addr(), net.max_prefix_len());
        self.refused(tree, "single address", &expected)
    }

    /// The name of an interface.
    pub(super) fn interface(&self, tree: &Tree) -> Read<InterfaceName> {
        let text = self.text(tree)?;
        // libcalico-go, lib/validator, `interfaceRegex`: API v1 had no dot in it.
        let allowed = |character: char| {
            is_word_character(character) && (character != '.' || self.api == Api::V3)
        };
        let name = text.chars().all(allowed).then(|| text.parse().ok());
        if let Some(name) = name.flatten() {
            return Ok(name);
        }
        let expected = match self.api {
            Api::V1 => "1 to 15 letters, digits, `_` and `-`",
            Api::V3 => "1 to 15 letters, digits, `_`, `.` and `-`",
        };
        self.refused(tree, "interface", expected)
    }

    /// A protocol, by name or by number.
    pub(super) fn protocol(&self, tree: Option<&Tree>) -> Read<Option<RuleProtocol>> {
        let Some(tree) = tree else {
            return Ok(None);
        };
        if let Value::Whole(_) = tree.value {
            let number = self.whole(tree, "a protocol's number", [1_u8, 255])?;
            return Ok(Some(RuleProtocol::Number(number)));
        }
        let names = words::protocols(self.api);
        let text = self.text(tree)?;
        if let Some((_, named)) = names.iter().find(|(name, _)| *name == text) {
            return Ok(Some(RuleProtocol::Named(*named)));
        }
        match text.parse() {
            Ok(number) if number != 0 => Ok(Some(RuleProtocol::Number(number))),
            _ => {
                let names = names.iter().map(|(name, _)| *name).chain(["1 to 255"]);
                let expected = alternatives(names);
                self.refused(tree, "protocol", &expected)
            }
        }
    }

    /// Ports as a rule names them: a number, a range, in v3 a name.
    pub(super) fn ports(&self, tree: &Tree) -> Read<Ports> {
        if let Value::Whole(_) = tree.value {
            let port = self.whole(tree, "a port", [0, u16::MAX])?;
            return Ok(Ports::Numbers(PortNumbers::one(port)));
        }
        let text = self.text(tree)?;
        let (first, last) = text.split_once(':').unwrap_or((text, text));
        let digits = |part: &str| part.starts_with(|digit: char| digit.is_ascii_digit());
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) => match PortNumbers::new(first, last) {
                Some(numbers) => Ok(Ports::Numbers(numbers)),
                None => self.refused(tree, "range of ports", "the lower port first"),
            },
            _ if self.api == Api::V3 && is_name(Api::V1, text) && !digits(text) => {
                Ok(Ports::Named(text.to_owned()))
            }
            _ => {
                let expected = match self.api {
                    Api::V1 => "0 to 65535, or a range as 8000:8080",
                    Api::V3 => "0 to 65535, a range as 8000:8080, or a port's name",
                };
                self.refused(tree, "port", expected)
            }
        }
    }
}
