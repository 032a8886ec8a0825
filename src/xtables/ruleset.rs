//! Tables, chains and rules.

use std::fmt;
use std::net::IpAddr;

use super::backend::Backend;
use super::matches::{Match, Not};
use super::set::Set;
use super::target::Target;
use crate::packet::{Family, InterfaceName, Protocol};

/// A place in the kernel's packet path where tables are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// On arrival, before routing.
    Prerouting,
    /// To this node, after routing.
    Input,
    /// Through this node, after routing.
    Forward,
    /// From this node, after its first routing.
    Output,
    /// On leaving, after all routing.
    Postrouting,
}

impl Hook {
    /// All five, in the order in which the kernel numbers them.
    pub const ALL: [Self; 5] = [
        Self::Prerouting,
        Self::Input,
        Self::Forward,
        Self::Output,
        Self::Postrouting,
    ];

    /// The built-in chain's name, such as `PREROUTING`.
    #[must_use]
    pub fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "PREROUTING",
            Self::Input => "INPUT",
            Self::Forward => "FORWARD",
            Self::Output => "OUTPUT",
            Self::Postrouting => "POSTROUTING",
        }
    }

    /// The hook of a built-in chain's name.
    #[must_use]
    pub fn of_chain(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| hook.chain() == name)
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.chain())
    }
}

/// The five tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TableName {
    /// Before connection tracking.
    Raw,
    /// Alters packets.
    Mangle,
    /// Translates addresses; asked for a connection's first packet only.
    Nat,
    /// Filters.
    Filter,
    /// Mandatory access control.
    Security,
}

impl TableName {
    /// All five, in the order in which most hooks ask them; see [`TableName::priority`].
    pub const ALL: [Self; 5] = [
        Self::Raw,
        Self::Mangle,
        Self::Nat,
        Self::Filter,
        Self::Security,
    ];

    /// The name that the tools use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Mangle => "mangle",
            Self::Nat => "nat",
            Self::Filter => "filter",
            Self::Security => "security",
        }
    }

    /// The table of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|table| table.as_str() == name)
    }

    /// Whether the table has a built-in chain at a hook (nat has INPUT since Linux 2.6.36).
    #[must_use]
    pub fn stands_at(self, hook: Hook) -> bool {
        self.priority(hook, Backend::Legacy).is_some()
    }

    /// At which priority a backend asks the table at a hook, lower first; `None` where it has no chain.
    /// The kernel's own are in include/uapi/linux/netfilter_ipv4.h; iptables-nft has the security table
    /// behind nat's source side (`xtables_ipv4` in iptables/nft.c).
    #[must_use]
    pub fn priority(self, hook: Hook, backend: Backend) -> Option<i32> {
        use Hook::{Forward, Input, Output, Postrouting, Prerouting};
        match (self, hook) {
            (Self::Raw, Prerouting | Output) => Some(-300),
            (Self::Mangle, _) => Some(-150),
            (Self::Nat, Prerouting | Output) => Some(-100),
            (Self::Nat, Input | Postrouting) => Some(100),
            (Self::Filter, Input | Forward | Output) => Some(0),
            (Self::Security, Input | Forward | Output) => Some(match backend {
                Backend::Legacy => 50,
                Backend::Nft => 150,
            }),
            _ => None,
        }
    }

    /// The tables that a backend asks at a hook, in order.
    #[must_use]
    pub fn at(hook: Hook, backend: Backend) -> Vec<Self> {
        let mut tables: Vec<(i32, Self)> = Self::ALL
            .into_iter()
            .filter_map(|table| Some((table.priority(hook, backend)?, table)))
            .collect();
        tables.sort_unstable();
        tables.into_iter().map(|(_, table)| table).collect()
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What happens at the end of a built-in chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Policy {
    /// The packet goes on.
    Accept,
    /// The packet ends.
    Drop,
}

/// What a rule or a chain's policy has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Counters {
    /// Packets.
    pub packets: u64,
    /// Bytes of their internet packets.
    pub bytes: u64,
}

/// An address under a mask, as `-s` and `--ctorigsrc` take it. The mask need not be a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressMask {
    /// The address. Bits outside the mask are zero in `-s` and `-d`; elsewhere they may be set, and the
    /// kernel ignores them (net/netfilter/xt_conntrack.c, `conntrack_addrcmp`).
    pub address: IpAddr,
    /// The mask, of the same family.
    pub mask: IpAddr,
}

/// An interface's name, or the beginning of one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum InterfacePattern {
    /// This very interface.
    Exactly(InterfaceName),
    /// Every interface whose name begins so: `cali+`; empty for `+`.
    Prefix(String),
    /// A name that the tools take and no interface can bear, such as `eth0:1`.
    Unnameable(String),
}

/// One rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// `-c` or `[packets:bytes]`, where the text gave them.
    pub counters: Option<Counters>,
    /// `-s`.
    pub source: Option<Not<AddressMask>>,
    /// `-d`.
    pub destination: Option<Not<AddressMask>>,
    /// `-i`.
    pub in_interface: Option<Not<InterfacePattern>>,
    /// `-o`.
    pub out_interface: Option<Not<InterfacePattern>>,
    /// `-p`; absent for `all`.
    pub protocol: Option<Not<Protocol>>,
    /// `-f`: second and later fragments (IPv4 only).
    pub fragment: Option<Not<()>>,
    /// The `-m` matches in the order written, which is the order in which they are asked.
    pub matches: Vec<Match>,
    /// What the rule does.
    pub target: Target,
    /// The line of the text that the rule was read from, counted from 1; 0 where it was not read.
    pub line: usize,
}

impl Rule {
    /// The texts of its comments, in order.
    pub fn comments(&self) -> impl Iterator<Item = &str> {
        self.matches.iter().filter_map(|one| match one {
            Match::Comment(text) => Some(text.as_str()),
            _ => None,
        })
    }
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: String,
    /// The policy of a built-in chain; `None` for a user's.
    pub policy: Option<Policy>,
    /// The counters printed beside it.
    pub counters: Option<Counters>,
    /// Its rules, first to last.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// The kernel's chain at a hook, empty and accepting.
    #[must_use]
    pub fn untouched(hook: Hook) -> Self {
        Self {
            name: hook.chain().to_owned(),
            policy: Some(Policy::Accept),
            counters: None,
            rules: Vec::new(),
        }
    }
}

/// One table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Which.
    pub name: TableName,
    /// Its chains in the order declared.
    pub chains: Vec<Chain>,
}

impl Table {
    /// A table that nobody has written to: the kernel's chains, empty and accepting.
    #[must_use]
    pub fn untouched(name: TableName) -> Self {
        let hooks = Hook::ALL.into_iter();
        Self {
            name,
            chains: hooks
                .filter(|hook| name.stands_at(*hook))
                .map(Chain::untouched)
                .collect(),
        }
    }

    /// The chain of a name.
    #[must_use]
    pub fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}

/// The tables of one family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ruleset {
    /// iptables' or ip6tables'.
    pub family: Family,
    /// The tables that are loaded, in the order of the text; each at most once.
    pub tables: Vec<Table>,
}

impl Ruleset {
    /// No tables at all.
    #[must_use]
    pub fn empty(family: Family) -> Self {
        Self {
            family,
            tables: Vec::new(),
        }
    }

    /// The table of a name.
    #[must_use]
    pub fn table(&self, name: TableName) -> Option<&Table> {
        self.tables.iter().find(|table| table.name == name)
    }

    /// The same, to be changed.
    pub fn table_mut(&mut self, name: TableName) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.name == name)
    }

    /// Every rule, in the order of tables, chains and rules, for those who need no place: that costs a
    /// copy of its chain's name.
    pub fn bare_rules(&self) -> impl Iterator<Item = &Rule> {
        let chains = self.tables.iter().flat_map(|table| &table.chains);
        chains.flat_map(|chain| &chain.rules)
    }

    /// Every rule with its place, in the order of tables, chains and rules.
    pub fn rules(&self) -> impl Iterator<Item = (RuleId, &Rule)> {
        self.tables.iter().flat_map(move |table| {
            table.chains.iter().flat_map(move |chain| {
                chain.rules.iter().enumerate().map(move |(index, rule)| {
                    let id = RuleId {
                        family: self.family,
                        table: table.name,
                        chain: chain.name.clone(),
                        index,
                    };
                    (id, rule)
                })
            })
        })
    }
}

/// A rule's place.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RuleId {
    /// Which world.
    pub family: Family,
    /// Which table.
    pub table: TableName,
    /// Which chain.
    pub chain: String,
    /// Which rule, counted from 0; the tools and [`fmt::Display`] count from 1.
    pub index: usize,
}

impl fmt::Display for RuleId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} rule {}", self.table, self.chain, self.index + 1)
    }
}

/// Everything that iptables-restore, ip6tables-restore and `ipset restore` load on one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firewall {
    /// iptables' tables.
    pub v4: Ruleset,
    /// ip6tables' tables.
    pub v6: Ruleset,
    /// The sets, in the order in which they are created.
    pub sets: Vec<Set>,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            v4: Ruleset::empty(Family::V4),
            v6: Ruleset::empty(Family::V6),
            sets: Vec::new(),
        }
    }
}

impl Firewall {
    /// The tables of one family.
    #[must_use]
    pub fn ruleset(&self, family: Family) -> &Ruleset {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }

    /// The same, to be changed.
    pub fn ruleset_mut(&mut self, family: Family) -> &mut Ruleset {
        match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        }
    }

    /// The rule at a place.
    #[must_use]
    pub fn rule(&self, id: &RuleId) -> Option<&Rule> {
        self.ruleset(id.family)
            .table(id.table)?
            .chain(&id.chain)?
            .rules
            .get(id.index)
    }
}
