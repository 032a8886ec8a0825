//! A firewall's rules as what a proof follows: tests of fields, and steps.
//!
//! What can't change where a packet goes is left out: comments, counters, what is logged. What the room
//! does not follow stands for itself, as an atom: the same question has the same answer.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

use super::ranges::Ranges;
use crate::generate::ground::number;
use crate::node::Node;
use crate::packet::{Family, InterfaceName};
use crate::xtables::matches::{
    AddressTypes, AddrtypeTest, Conntrack, IcmpTest, MaskedMark, Match, Not, PortRange, PortSide,
    SetSide, SetTest, StatefulKind, States,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::set::{Dimension, Method, Part, Set};
use crate::xtables::target::{TrafficClass, Xmark};
use crate::xtables::{Firewall, Policy, Rule, TableName, Target};

/// A field of a packet whose values are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Field {
    /// The source address, as a number.
    Source,
    /// The destination address.
    Destination,
    /// The interface of arrival: 0 for none, then the node's in their order.
    In,
    /// The interface of departure.
    Out,
    /// The protocol's number.
    Protocol,
    /// The source port, where the packet has one; ICMP's type and code are read apart.
    SourcePort,
    /// The destination port.
    DestinationPort,
    /// ICMP's type, then its code, as one number.
    Message,
    /// How much of a transport header there is ([`HEADERS`]).
    Header,
    /// What connection tracking says: the place in [`States::NAMES`], translations apart.
    State,
}

impl Field {
    /// All of them, in order.
    pub(super) const ALL: [Self; 10] = [
        Self::Source,
        Self::Destination,
        Self::In,
        Self::Out,
        Self::Protocol,
        Self::SourcePort,
        Self::DestinationPort,
        Self::Message,
        Self::Header,
        Self::State,
    ];
}

/// How much of a transport header there is: 0 nothing, in a later fragment; 1 the same, and the fragment
/// would overwrite a header; then, of a first or only part, less than 4, 8, 12, 20, 24 bytes; 7 all.
pub(super) const HEADERS: u128 = 7;
/// Of [`Field::State`]: the last value.
pub(super) const STATES: u128 = 4;
/// Of [`Field::State`]: UNTRACKED.
pub(super) const UNTRACKED: u128 = 4;

/// The place of LOCAL in [`AddressTypes::NAMES`].
const LOCAL: usize = 2;

/// One test of a rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Test {
    /// The field has one of these values.
    Field(Field, Ranges),
    /// There is enough of a header: with these values of [`Field::Header`] there is none, with those the
    /// packet ends here.
    Header {
        /// No answer: the rule does not match.
        none: Ranges,
        /// The packet is dropped.
        short: Ranges,
    },
    /// The marks under a mask are a value, or are not.
    Mark(MaskedMark, bool),
    /// What is not followed: the same name has the same answer. And the answer that is wanted.
    Atom(String, bool),
    /// A limit, by a name that no other limit has: it answers as many packets before have used it up, and what
    /// it answers one packet that asks once is one thing.
    Limit(String),
    /// What hangs on more than the packet, and what that is: no proof goes past it.
    Chance(String),
}

/// What a rule does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    /// Nothing.
    Pass,
    /// Ends the table.
    Accept,
    /// Ends the packet.
    Drop,
    /// Ends the table in its own way.
    Ends(String),
    /// Goes back.
    Return,
    /// Calls a chain.
    Jump(String),
    /// Goes on in a chain.
    Goto(String),
    /// Writes marks.
    Mark(Xmark),
    /// Keeps connection tracking away.
    Notrack,
    /// Writes a traffic class.
    Class(TrafficClass),
    /// What is not followed: what it is.
    Opaque(String),
}

impl Action {
    /// What it is, in words.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Pass => "goes on".to_owned(),
            Self::Accept => "ACCEPT".to_owned(),
            Self::Drop => "DROP".to_owned(),
            Self::Ends(how) => {
                let word = how.split(['(', ' ']).next();
                word.unwrap_or_default().to_uppercase()
            }
            Self::Return => "RETURN".to_owned(),
            Self::Jump(chain) => format!("jump {chain}"),
            Self::Goto(chain) => format!("goto {chain}"),
            Self::Mark(_) => "MARK".to_owned(),
            Self::Notrack => "NOTRACK".to_owned(),
            Self::Class(_) => "DSCP".to_owned(),
            Self::Opaque(_) => "another target".to_owned(),
        }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) tests: Vec<Test>,
    pub(super) action: Action,
}

/// One chain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Chain {
    pub(super) policy: Option<Policy>,
    pub(super) steps: Vec<Step>,
}

/// All chains of one family.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub(super) chains: BTreeMap<(TableName, String), Chain>,
    /// Whether some rule may ask for a packet's traffic class.
    pub(super) asks_class: bool,
}

impl Code {
    /// The rules of a family, on a node.
    pub(super) fn new(node: &Node, firewall: &Firewall, family: Family) -> Self {
        let ruleset = firewall.ruleset(family);
        let reader = Reader {
            node,
            sets: &firewall.sets,
            family,
        };
        let tables = ruleset.tables.iter();
        let chains = tables.flat_map(|table| {
            table.chains.iter().map(|chain| {
                let steps = chain.rules.iter().filter_map(|rule| reader.step(rule));
                let mut steps: Vec<Step> = steps.collect();
                name_limits(&chain.name, &mut steps);
                let read = Chain {
                    policy: chain.policy,
                    steps,
                };
                ((table.name, chain.name.clone()), read)
            })
        });
        Self {
            chains: chains.collect(),
            asks_class: ruleset.rules().any(|(_, rule)| asks_class(rule)),
        }
    }

    /// The same, and nobody writes traffic classes.
    pub(super) fn without_classes(&self) -> Self {
        let mut plain = self.clone();
        for chain in plain.chains.values_mut() {
            for step in &mut chain.steps {
                if let Action::Class(_) = step.action {
                    step.action = Action::Pass;
                }
            }
            chain.steps.retain(Step::may_do_something);
        }
        plain
    }

    /// Whether a chain leads to itself: no tool loads that.
    pub(super) fn has_loop(&self) -> bool {
        let mut sound = BTreeSet::new();
        let mut chains = self.chains.keys();
        chains.any(|(table, chain)| self.leads_back(*table, chain, &mut Vec::new(), &mut sound))
    }

    /// Whether a chain leads to itself or to one that waits for it.
    fn leads_back<'c>(
        &'c self,
        table: TableName,
        chain: &'c str,
        waiting: &mut Vec<&'c str>,
        sound: &mut BTreeSet<(TableName, &'c str)>,
    ) -> bool {
        if waiting.contains(&chain) {
            return true;
        }
        if sound.contains(&(table, chain)) {
            return false;
        }
        waiting.push(chain);
        let steps = self.steps(table, chain, 0).iter();
        let mut called = steps.filter_map(|step| match &step.action {
            Action::Jump(called) | Action::Goto(called) => Some(called.as_str()),
            _ => None,
        });
        let loops = called.any(|called| self.leads_back(table, called, waiting, sound));
        waiting.pop();
        sound.insert((table, chain));
        loops
    }

    /// The steps of a chain from one on; none where there is no such chain.
    pub(super) fn steps(&self, table: TableName, chain: &str, from: usize) -> &[Step] {
        let chain = self.chains.get(&(table, chain.to_owned()));
        chain.map_or(&[], |chain| chain.steps.get(from..).unwrap_or(&[]))
    }
}

impl Step {
    /// The limits that it asks.
    pub(super) fn limits(&self) -> impl Iterator<Item = &str> {
        self.tests.iter().filter_map(|test| match test {
            Test::Limit(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether it can change anything: by what it does, or in asking.
    fn may_do_something(&self) -> bool {
        let mut tests = self.tests.iter();
        self.action != Action::Pass
            || tests.any(|test| matches!(test, Test::Header { .. } | Test::Chance(_)))
    }
}

struct Reader<'a> {
    node: &'a Node,
    sets: &'a [Set],
    family: Family,
}

impl Reader<'_> {
    /// A rule; `None` where it can't change anything.
    fn step(&self, rule: &Rule) -> Option<Step> {
        let mut tests = Vec::new();
        self.header(rule, &mut tests);
        for one in &rule.matches {
            self.test(one, rule.out_interface.as_ref(), &mut tests);
        }
        let action = action(&rule.target);
        Some(Step { tests, action }).filter(Step::may_do_something)
    }

    fn header(&self, rule: &Rule, tests: &mut Vec<Test>) {
        let addresses = [
            (Field::Source, &rule.source),
            (Field::Destination, &rule.destination),
        ];
        for (field, asked) in addresses {
            if let Some(asked) = asked {
                tests.push(match prefix(&asked.value) {
                    Some(net) => self.field(field, of_nets(&[net]), asked.negated),
                    None => atom(&(field, asked.value), asked.negated),
                });
            }
        }
        let interfaces = [
            (Field::In, &rule.in_interface),
            (Field::Out, &rule.out_interface),
        ];
        for (field, asked) in interfaces {
            if let Some(asked) = asked {
                tests.push(self.field(field, self.interfaces(&asked.value), asked.negated));
            }
        }
        if let Some(asked) = rule.protocol {
            let number = Ranges::one(asked.value.0.into());
            tests.push(self.field(Field::Protocol, number, asked.negated));
        }
        if let Some(asked) = rule.fragment {
            tests.push(self.field(Field::Header, Ranges::of(0, 1), asked.negated));
        }
    }

    /// The values of a field that are met: those asked for, or all others.
    fn field(&self, field: Field, values: Ranges, negated: bool) -> Test {
        let values = match negated {
            true => self.all(field).without(&values),
            false => values,
        };
        Test::Field(field, values)
    }

    /// All values of a field.
    fn all(&self, field: Field) -> Ranges {
        all(self.node, self.family, field)
    }

    fn interfaces(&self, pattern: &InterfacePattern) -> Ranges {
        let names = interfaces(self.node);
        let names = std::iter::once("").chain(names).zip(0_u128..);
        let fitting = names.filter(|(name, _)| fits(pattern, name));
        Ranges::new(fitting.map(|(_, place)| (place, place)).collect())
    }

    fn test(&self, one: &Match, leaves_by: Option<&Not<InterfacePattern>>, tests: &mut Vec<Test>) {
        match one {
            Match::Comment(_) => {}
            Match::Mark(test) => tests.push(Test::Mark(test.value, !test.negated)),
            Match::State(test) => tests.push(self.states(*test)),
            Match::Conntrack(test) => self.connection(test, tests),
            Match::Multiport(side, asked) => {
                tests.push(header(2));
                tests.push(match side {
                    PortSide::Source => self.ports(Field::SourcePort, &asked.value, asked.negated),
                    PortSide::Destination => {
                        self.ports(Field::DestinationPort, &asked.value, asked.negated)
                    }
                    PortSide::Either => atom(&(side, &asked.value), asked.negated),
                });
            }
            Match::Tcp(test) if test.option.is_none() => {
                let short = Ranges::new(vec![(1, 5)]);
                let none = Ranges::one(0);
                tests.push(Test::Header { none, short });
                self.both_ports(test.source, test.destination, tests);
                tests.extend(test.flags.map(|flags| atom(&("flags", flags), false)));
            }
            Match::Udp(test) => {
                tests.push(header(3));
                self.both_ports(test.source, test.destination, tests);
            }
            Match::Icmp(asked) | Match::Icmp6(asked) => {
                tests.push(header(3));
                tests.push(self.message(asked.value, asked.negated));
            }
            Match::Set(test) => tests.push(self.set(test)),
            Match::Addrtype(test) => self.types(test, leaves_by, tests),
            // Neither ends a packet (xt_limit.c; xt_connlimit.c but where memory is short).
            Match::Stateful(test)
                if matches!(test.kind, StatefulKind::Limit | StatefulKind::Connlimit) =>
            {
                tests.push(Test::Limit(format!("{test:?}")));
            }
            Match::Pkttype(_) | Match::Iprange(_) | Match::Rpfilter(_) | Match::Length(_) => {
                tests.push(atom(one, false))
            }
            _ => tests.push(Test::Chance(format!("{one:?}"))),
        }
    }

    fn states(&self, asked: Not<States>) -> Test {
        let translated = States::SNAT.union(States::DNAT);
        if asked.value.intersects(translated) {
            return atom(&("states", asked.value), asked.negated);
        }
        let bits = [
            States::INVALID,
            States::NEW,
            States::ESTABLISHED,
            States::RELATED,
            States::UNTRACKED,
        ];
        let asked_for = (0_u128..)
            .zip(bits)
            .filter(|(_, bit)| bit.intersects(asked.value));
        let values = Ranges::new(asked_for.map(|(place, _)| (place, place)).collect());
        self.field(Field::State, values, asked.negated)
    }

    /// What has a translated destination is known to connection tracking besides.
    fn connection(&self, test: &Conntrack, tests: &mut Vec<Test>) {
        let states_alone = Conntrack {
            states: test.states,
            ..Conntrack::default()
        };
        match test.states {
            Some(states) if *test == states_alone => {
                tests.push(self.states(states));
                let translated = [States::SNAT, States::DNAT].map(Not::is);
                if translated.contains(&states) {
                    tests.push(self.states(Not::negated(States::INVALID.union(States::UNTRACKED))));
                }
            }
            _ => tests.push(atom(test, false)),
        }
    }

    fn ports(&self, field: Field, asked: &[PortRange], negated: bool) -> Test {
        let ranges = asked
            .iter()
            .map(|range| (range.first.into(), range.last.into()));
        self.field(field, Ranges::new(ranges.collect()), negated)
    }

    fn both_ports(
        &self,
        source: Option<Not<PortRange>>,
        destination: Option<Not<PortRange>>,
        tests: &mut Vec<Test>,
    ) {
        let both = [
            (Field::SourcePort, source),
            (Field::DestinationPort, destination),
        ];
        for (field, asked) in both {
            tests.extend(asked.map(|asked| self.ports(field, &[asked.value], asked.negated)));
        }
    }

    /// Each end by itself: one may be asked for in a rule of both. What is LOCAL is besides an address of the
    /// node's, and what is not LOCAL where it leaves none of that interface's.
    fn types(
        &self,
        test: &AddrtypeTest,
        leaves_by: Option<&Not<InterfacePattern>>,
        tests: &mut Vec<Test>,
    ) {
        let limits = (test.limit_in, test.limit_out);
        let ends = [
            (Field::Source, test.source),
            (Field::Destination, test.destination),
        ];
        for (field, asked) in ends {
            let Some(asked) = asked else { continue };
            tests.push(atom(&(field, asked.value, limits), asked.negated));
            if self.family == Family::V4 && asked == Not::is(AddressTypes::one(LOCAL)) {
                tests.push(Test::Field(field, self.own_addresses()));
            }
            let others = asked == Not::negated(AddressTypes::one(LOCAL)) && test.limit_out;
            if let (Family::V4, true, Some(by)) = (self.family, others, leaves_by) {
                let own = self.addresses_of(by);
                tests.push(Test::Field(field, self.all(field).without(&own)));
            }
        }
    }

    /// The addresses of IPv4 that the one interface has that a pattern fits, and no other; none where it fits
    /// more.
    fn addresses_of(&self, interface: &Not<InterfacePattern>) -> Ranges {
        let mut fitting = interfaces(self.node).filter(|name| fits(&interface.value, name));
        let only = match (fitting.next(), fitting.next(), interface.negated) {
            (Some(name), None, false) => name,
            _ => return Ranges::new(Vec::new()),
        };
        let is_it = |name: InterfaceName| name.as_str() == only;
        let all = || self.node.addresses().map(|(name, net)| (name, net.addr()));
        let alone = all().filter(|(_, own)| {
            let mut holders = all().filter(|(_, one)| one == own);
            own.is_ipv4() && holders.all(|(name, _)| is_it(name))
        });
        let alone: Vec<IpNet> = alone.map(|(_, own)| IpNet::from(own)).collect();
        of_nets(&alone)
    }

    /// Every address of IPv4 that is the node's, and perhaps others of loopback.
    fn own_addresses(&self) -> Ranges {
        let own = self.node.addresses().map(|(_, net)| net.addr());
        let own = own.filter(IpAddr::is_ipv4).map(IpNet::from);
        let loopback = IpNet::new(Ipv4Addr::new(127, 0, 0, 0).into(), 8);
        of_nets(&own.chain(loopback).collect::<Vec<_>>())
    }

    fn message(&self, test: IcmpTest, negated: bool) -> Test {
        let number = |code: u8| u128::from(test.kind) << 8 | u128::from(code);
        let values = match self.family == Family::V4 && test.kind == u8::MAX {
            true => self.all(Field::Message),
            false => Ranges::of(number(test.first_code), number(test.last_code)),
        };
        self.field(Field::Message, values, negated)
    }

    fn set(&self, test: &SetTest) -> Test {
        let set = self.sets.iter().find(|set| set.name == test.name);
        let counts = test.packets.is_some() || test.bytes.is_some();
        let Some(set) = set.filter(|_| !counts) else {
            return Test::Chance(format!("{test:?}"));
        };
        match (members(set, self.family), test.sides.as_slice()) {
            (Some(members), [side]) => {
                let field = match side {
                    SetSide::Source => Field::Source,
                    SetSide::Destination => Field::Destination,
                };
                self.field(field, members, test.negated)
            }
            _ => atom(&(set, &test.sides, test.return_nomatch), test.negated),
        }
    }
}

fn fits(pattern: &InterfacePattern, name: &str) -> bool {
    match pattern {
        InterfacePattern::Exactly(own) => own.as_str() == name,
        InterfacePattern::Prefix(start) => name.starts_with(start.as_str()),
        InterfacePattern::Unnameable(_) => false,
    }
}

/// Each limit is another one, though it asks for the same.
fn name_limits(chain: &str, steps: &mut [Step]) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for test in steps.iter_mut().flat_map(|step| &mut step.tests) {
        if let Test::Limit(name) = test {
            let number = known.entry(name.clone()).or_default();
            *number += 1;
            *name = format!("{chain} {name} {number}");
        }
    }
}

/// Whether a rule may ask for a packet's traffic class.
fn asks_class(rule: &Rule) -> bool {
    rule.matches.iter().any(|one| {
        matches!(
            one,
            Match::Dscp(_) | Match::Tos(_) | Match::String(_) | Match::Opaque { .. }
        )
    })
}

/// The names of a node's interfaces, `lo` among them.
pub(super) fn interfaces(node: &Node) -> impl Iterator<Item = &str> {
    let names = node.interfaces.iter().map(|one| one.name.as_str());
    let others = names.filter(|name| *name != "lo");
    others.chain(std::iter::once("lo"))
}

/// All values of a field, on a node.
pub(super) fn all(node: &Node, family: Family, field: Field) -> Ranges {
    let last = match field {
        Field::Source | Field::Destination => match family {
            Family::V4 => u32::MAX.into(),
            Family::V6 => u128::MAX,
        },
        Field::In | Field::Out => interfaces(node).count() as u128,
        Field::Protocol => u8::MAX.into(),
        Field::SourcePort | Field::DestinationPort | Field::Message => u16::MAX.into(),
        Field::Header => HEADERS,
        Field::State => STATES,
    };
    Ranges::of(0, last)
}

/// The members of a set of addresses; `None` where there is more to it.
fn members(set: &Set, family: Family) -> Option<Ranges> {
    let simple = set.method == Method::Hash
        && matches!(set.dimensions[..], [Dimension::Net | Dimension::Ip])
        && set.family == family
        && set.netmask.is_none();
    if !simple {
        return None;
    }
    let nets = set.elements.iter().map(|element| match &element.parts[..] {
        [Part::Net(net)] if !element.nomatch && element.extensions.is_empty() => Some(*net),
        _ => None,
    });
    let nets: Option<Vec<IpNet>> = nets.collect();
    nets.map(|nets| of_nets(&nets))
}

/// All addresses of some prefixes.
pub(super) fn of_nets(nets: &[IpNet]) -> Ranges {
    let ends = nets.iter().map(|net| {
        let [first, last] = [net.network(), net.broadcast()].map(number);
        (first, last)
    });
    Ranges::new(ends.collect())
}

fn prefix(mask: &AddressMask) -> Option<IpNet> {
    IpNet::with_netmask(mask.address, mask.mask).ok()
}

/// Enough of a header, for a match that drops what has less, up to a value of [`Field::Header`].
fn header(short: u128) -> Test {
    Test::Header {
        none: Ranges::of(0, 1),
        short: Ranges::of(2, short),
    }
}

fn atom(what: &impl std::fmt::Debug, negated: bool) -> Test {
    Test::Atom(format!("{what:?}"), !negated)
}

fn action(target: &Target) -> Action {
    match target {
        Target::None
        | Target::Log(_)
        | Target::Nflog(_)
        | Target::Trace
        | Target::Checksum
        | Target::TcpMss(_) => Action::Pass,
        Target::Accept => Action::Accept,
        // What is refused is lost, whether its sender is told or not.
        Target::Drop | Target::Reject(_) => Action::Drop,
        Target::Return => Action::Return,
        Target::Jump(chain) => Action::Jump(chain.clone()),
        Target::Goto(chain) => Action::Goto(chain.clone()),
        Target::Mark(mark) => Action::Mark(*mark),
        Target::Notrack => Action::Notrack,
        Target::TrafficClass(class) => Action::Class(*class),
        Target::Dnat(_) | Target::Snat(_) | Target::Masquerade(_) | Target::Redirect(_) => {
            Action::Ends(format!("{target:?}"))
        }
        other => Action::Opaque(format!("{other:?}")),
    }
}
