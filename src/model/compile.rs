//! Turns a firewall into the machine's flat arrays.

use std::collections::BTreeMap;

use super::bits;
use super::conclude;
use super::native;
use super::program::{
    Action, Chain, ChainIndex, Masked, MaskedMark, Program, Question, Rule, SetQuestion, Span,
    Stage, Translation,
};
use super::refuse::Loader;
use super::sets::Sets;
use crate::journey::{Asked, Point, Points};
use crate::packet::{Family, InterfaceName};
use crate::verdict::NotProgrammed;
use crate::xtables::matches::{
    Conntrack, IprangeTest, Match, Not, SetSide, SetTest, StatefulTest, StatisticTest,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::target::Target;
use crate::xtables::{self, Backend, Firewall, Hook, RuleId, Ruleset, Table, TableName};

/// Compiles both families as a backend reads them.
///
/// # Errors
///
/// What the tools refuse and can be seen here.
pub(super) fn compile(
    backend: Backend,
    firewall: &Firewall,
    sets: &Sets,
) -> Result<Program, NotProgrammed> {
    let mut program = Program::default();
    let rulesets = Family::BOTH.map(|family| firewall.ruleset(family));
    let tables = rulesets.iter().flat_map(|ruleset| &ruleset.tables);
    let chains = tables.flat_map(|table| &table.chains);
    program.reserve(chains.map(|chain| chain.rules.len()).sum());
    let mut compiler = Compiler {
        program,
        sets,
        loader: Loader {
            backend,
            family: Family::V4,
        },
    };
    for family in Family::BOTH {
        compiler.loader.family = family;
        compiler.add_ruleset(firewall.ruleset(family))?;
    }
    Ok(compiler.program)
}

struct Compiler<'s> {
    program: Program,
    sets: &'s Sets,
    loader: Loader,
}

/// The chains of one table by name.
type Names = BTreeMap<String, ChainIndex>;

impl Compiler<'_> {
    fn add_ruleset(&mut self, ruleset: &Ruleset) -> Result<(), NotProgrammed> {
        let mut built_in = BTreeMap::new();
        for table in &ruleset.tables {
            let names = self.add_table(table)?;
            for hook in Hook::ALL {
                if let Some(chain) = names.get(hook.chain()) {
                    built_in.insert((table.name, hook), *chain);
                }
            }
        }
        self.loader
            .check_calls(&self.program, built_in.values().copied())?;
        self.plan(ruleset, &built_in);
        Ok(())
    }

    fn add_table(&mut self, table: &Table) -> Result<Names, NotProgrammed> {
        let mut names = Names::new();
        for chain in &table.chains {
            let index = ChainIndex(count(self.program.chains.len() + names.len()));
            if names.insert(chain.name.clone(), index).is_some() {
                let message = format!("chain `{}` is declared twice", chain.name);
                return Err(self.loader.refused(message));
            }
        }
        for chain in &table.chains {
            let first = count(self.program.rules.len());
            for (index, rule) in chain.rules.iter().enumerate() {
                let id = RuleId {
                    family: self.loader.family,
                    table: table.name,
                    chain: chain.name.clone(),
                    index,
                };
                self.loader.check_rule(&id, rule)?;
                self.add_rule(rule, &names, table.name)?;
                self.program.ids.push(id);
            }
            self.program.chains.push(Chain {
                first,
                end: count(self.program.rules.len()),
                policy: chain.policy,
                name: chain.name.clone(),
                table: table.name,
            });
        }
        self.loader.check_hooks(&self.program, table)?;
        Ok(names)
    }

    fn add_rule(
        &mut self,
        rule: &xtables::Rule,
        names: &Names,
        table: TableName,
    ) -> Result<(), NotProgrammed> {
        let first = count(self.program.questions.len());
        self.add_header_questions(rule);
        for (place, one) in rule.matches.iter().enumerate() {
            let asked = Asked::Match(u16::try_from(place).unwrap_or(u16::MAX));
            match self.native(rule, one) {
                Some(questions) => questions.into_iter().for_each(|one| self.push(asked, one)),
                None => self.add_match(one, asked)?,
            }
        }
        let action = self.action(&rule.target, names, table)?;
        self.program.rules.push(Rule {
            first,
            end: count(self.program.questions.len()),
            action,
        });
        Ok(())
    }

    fn push(&mut self, asked: Asked, question: Question) {
        self.program.questions.push(question);
        self.program.asked.push(asked);
    }

    /// The questions of the rule itself, in the order of `ip_packet_match` in ip_tables.c.
    fn add_header_questions(&mut self, rule: &xtables::Rule) {
        if let Some(source) = &rule.source {
            self.push(Asked::Source, Question::Source(masked_address(source)));
        }
        if let Some(destination) = &rule.destination {
            let test = masked_address(destination);
            self.push(Asked::Destination, Question::Destination(test));
        }
        if let Some(interface) = &rule.in_interface {
            let test = masked_interface(interface);
            self.push(Asked::InInterface, Question::InInterface(test));
        }
        if let Some(interface) = &rule.out_interface {
            let test = masked_interface(interface);
            self.push(Asked::OutInterface, Question::OutInterface(test));
        }
        if let Some(protocol) = &rule.protocol {
            self.push(
                Asked::Protocol,
                Question::Protocol {
                    protocol: protocol.value,
                    negated: protocol.negated,
                },
            );
        }
        if let Some(fragment) = &rule.fragment {
            let negated = fragment.negated;
            self.push(Asked::Fragment, Question::Fragment { negated });
        }
    }

    /// What iptables-nft asks by expressions of its own.
    fn native(&mut self, rule: &xtables::Rule, one: &Match) -> Option<Vec<Question>> {
        let questions = match one {
            _ if self.loader.backend == Backend::Legacy => None,
            Match::Tcp(test) => native::tcp(test),
            Match::Udp(test) => native::udp(test),
            _ => None,
        }?;
        // `! -p tcp -m tcp --dport 80` loads, and reads the bytes of whatever header is there.
        if rule.protocol.is_some_and(|protocol| protocol.negated) {
            return Some(vec![Question::Unknown(self.name("tcp or udp"))]);
        }
        Some(questions)
    }

    #[allow(clippy::too_many_lines, reason = "one arm a match, each a line or two")]
    fn add_match(&mut self, one: &Match, asked: Asked) -> Result<(), NotProgrammed> {
        let question = match one {
            Match::Comment(_) => return Ok(()),
            Match::Mark(test) => Question::Mark(masked_mark(test)),
            Match::Connmark(test) => Question::Connmark(masked_mark(test)),
            Match::State(states) => Question::States {
                states: states.value,
                negated: states.negated,
            },
            Match::Conntrack(test) => conntrack(test),
            Match::Multiport(side, ranges) => Question::Multiport {
                side: *side,
                ranges: ranges.value.clone().into(),
                negated: ranges.negated,
            },
            Match::Tcp(test) => Question::Tcp(test.clone()),
            Match::Udp(test) => Question::Udp(test.clone()),
            Match::Sctp(test) => Question::Sctp(Box::new(test.clone())),
            Match::Icmp(test) | Match::Icmp6(test) => Question::Icmp {
                test: test.value,
                negated: test.negated,
            },
            Match::Set(test) => self.set(test)?,
            Match::Addrtype(test) => Question::Addrtype(Box::new(test.clone())),
            Match::Rpfilter(test) => Question::Rpfilter(*test),
            Match::Owner(test) => Question::Owner(Box::new(test.clone())),
            Match::Pkttype(kind) => Question::Pkttype {
                kind: kind.value,
                negated: kind.negated,
            },
            Match::Iprange(test) => {
                self.add_iprange(test, asked);
                return Ok(());
            }
            Match::Hops(test) => Question::Hops(*test),
            Match::Dscp(test) => Question::TrafficClass {
                value: test.value << 2,
                mask: 0xfc,
                negated: test.negated,
            },
            Match::Tos(test) => Question::TrafficClass {
                value: test.value.0,
                mask: test.value.1,
                negated: test.negated,
            },
            Match::Length(test) => Question::Length {
                first: test.value.0,
                last: test.value.1,
                negated: test.negated,
            },
            Match::String(test) => Question::String(Box::new(test.clone()), self.name("string")),
            // No packet here has a routing header, and one without it matches nothing.
            Match::RoutingHeader(_) => Question::Fixed(false),
            // xt_mac.c wants an Ethernet device before it looks at `!`.
            Match::Mac(_) => Question::Fixed(false),
            Match::Physdev(test) => Question::Fixed(conclude::physdev(test)),
            Match::Statistic(test) => statistic(test),
            Match::Stateful(test) => stateful(test),
            Match::Opaque { module, .. } => Question::Unknown(self.name(module)),
        };
        self.push(asked, question);
        Ok(())
    }

    fn add_iprange(&mut self, test: &IprangeTest, asked: Asked) {
        let span = |range: &Not<(std::net::IpAddr, std::net::IpAddr)>| {
            Box::new(Span {
                first: bits::number(range.value.0),
                last: bits::number(range.value.1),
                negated: range.negated,
            })
        };
        if let Some(source) = &test.source {
            self.push(asked, Question::SourceSpan(span(source)));
        }
        if let Some(destination) = &test.destination {
            self.push(asked, Question::DestinationSpan(span(destination)));
        }
    }

    fn set(&mut self, test: &SetTest) -> Result<Question, NotProgrammed> {
        let Some(set) = self.sets.index(&test.name) else {
            let message = format!("Set {} doesn't exist.", test.name);
            return Err(self.loader.refused(message));
        };
        // extensions/libxt_set.h, `get_set_byname`: a set of addresses of the other family never serves.
        if self
            .sets
            .family(set)
            .is_some_and(|of| of != self.loader.family)
        {
            let message = format!("Set {} has addresses of the other family.", test.name);
            return Err(self.loader.refused(message));
        }
        if test.packets.is_some() || test.bytes.is_some() {
            // What an element has counted hangs on earlier packets.
            return Ok(Question::Chance);
        }
        let sources = test
            .sides
            .iter()
            .enumerate()
            .filter(|(_, side)| **side == SetSide::Source)
            .fold(0, |sources, (place, _)| sources | 1 << place.min(7));
        Ok(Question::Set(SetQuestion {
            set,
            sources,
            dimensions: u8::try_from(test.sides.len()).unwrap_or(u8::MAX),
            negated: test.negated,
            return_nomatch: test.return_nomatch,
        }))
    }

    fn name(&mut self, name: &str) -> u16 {
        let names = &mut self.program.unknown;
        let place = names.iter().position(|one| one == name);
        let place = place.unwrap_or_else(|| {
            names.push(name.to_owned());
            names.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn action(
        &mut self,
        target: &Target,
        names: &Names,
        table: TableName,
    ) -> Result<Action, NotProgrammed> {
        let loader = self.loader;
        let chain = |name: &str| {
            names.get(name).copied().ok_or_else(|| {
                let message = format!("no chain `{name}` in table {table}");
                loader.refused(message)
            })
        };
        Ok(match target {
            Target::None
            | Target::Log(_)
            | Target::Nflog(_)
            | Target::Trace
            | Target::Checksum
            | Target::TcpMss(_) => Action::Continue,
            Target::Accept => Action::Accept,
            Target::Drop => Action::Drop,
            Target::Return => Action::Return,
            Target::Jump(name) => Action::Jump(chain(name)?),
            Target::Goto(name) => Action::Goto(chain(name)?),
            Target::Mark(xmark) => Action::Mark {
                value: xmark.value,
                mask: xmark.mask,
            },
            Target::Connmark(connmark) => Action::Connmark(*connmark),
            Target::Reject(reject) => Action::Reject(*reject),
            Target::Dnat(range) => translate(Translation::Destination(*range)),
            Target::Snat(range) => translate(Translation::Source(*range)),
            Target::Masquerade(range) => translate(Translation::Masquerade(*range)),
            Target::Redirect(range) => translate(Translation::Redirect(*range)),
            Target::Netmap { address, mask } => translate(Translation::Netmap {
                address: *address,
                mask: *mask,
            }),
            Target::Notrack => Action::Notrack,
            Target::Ct(ct) => match conclude::ct(ct) {
                Some(action) => action,
                None => Action::Unknown(self.name("CT")),
            },
            Target::TrafficClass(change) => Action::TrafficClass(*change),
            Target::Hops(change) => Action::Hops(*change),
            Target::Opaque { name, .. } => Action::Unknown(self.name(name)),
        })
    }

    /// Lays out what happens at each hook, by priority. Connections are tracked and translated, and
    /// fragments held back, whatever the rules say: on a node that runs Calico some rule always asks for
    /// it, and the kernel arms see to it.
    fn plan(&mut self, ruleset: &Ruleset, built_in: &BTreeMap<(TableName, Hook), ChainIndex>) {
        let family = self.loader.family;
        let points = Points::of(ruleset, self.loader.backend);
        for hook in Hook::ALL {
            let chain_of = |table| built_in.get(&(table, hook)).copied();
            *self.program.plan_mut(family, hook) = plan(hook, &points, chain_of);
        }
        self.program.set_points(family, &points);
    }
}

/// What happens at one hook. The last look at INPUT and POSTROUTING is behind everything, translation
/// included: where packets leave the tables.
fn plan(
    hook: Hook,
    points: &Points,
    chain_of: impl Fn(TableName) -> Option<ChainIndex>,
) -> Vec<Stage> {
    let begins = matches!(hook, Hook::Prerouting | Hook::Output);
    let ends = matches!(hook, Hook::Input | Hook::Postrouting);
    let last = points.last(hook).filter(|_| ends);
    let look = |after| {
        let point = Point { hook, after };
        let there = points.has(point) && last != Some(point);
        there.then_some(Stage::Look(point))
    };
    let mut stages = Vec::new();
    stages.extend(look(None));
    if begins {
        stages.push(Stage::Defragment);
    }
    let mut tracked = !begins;
    for table in TableName::at(hook, points.backend()) {
        // Connection tracking stands at -200.
        if !tracked
            && table
                .priority(hook, points.backend())
                .is_some_and(|at| at > -200)
        {
            stages.push(Stage::Track);
            tracked = true;
        }
        let acts = points.has(Point {
            hook,
            after: Some(table),
        });
        let chain = chain_of(table).filter(|_| acts);
        match (table, chain) {
            (TableName::Nat, chain) => stages.push(Stage::Translate(chain)),
            (table, Some(chain)) => stages.push(Stage::Table(table, chain)),
            (_, None) => {}
        }
        stages.extend(look(Some(table)));
    }
    stages.extend(last.map(Stage::Look));
    stages
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn translate(translation: Translation) -> Action {
    Action::Translate(Box::new(translation))
}

fn masked_address(test: &Not<AddressMask>) -> Masked {
    let mask = bits::number(test.value.mask);
    Masked {
        value: bits::number(test.value.address) & mask,
        mask,
        negated: test.negated,
    }
}

fn masked_interface(test: &Not<InterfacePattern>) -> Masked {
    let (value, mask) = match &test.value {
        InterfacePattern::Exactly(name) => (name.number(), u128::MAX),
        InterfacePattern::Prefix(text) => beginning(text),
        // No interface bears the name; its letters end with a zero byte like any other.
        InterfacePattern::Unnameable(text) => (beginning(text).0, u128::MAX),
    };
    Masked {
        value,
        mask,
        negated: test.negated,
    }
}

/// The first letters of an interface's name as a number, and the mask over them.
fn beginning(text: &str) -> (u128, u128) {
    let letters = &text.as_bytes()[..text.len().min(size_of::<InterfaceName>())];
    let mut name = [0; size_of::<InterfaceName>()];
    let mut mask = name;
    name[..letters.len()].copy_from_slice(letters);
    mask[..letters.len()].fill(0xff);
    (u128::from_be_bytes(name), u128::from_be_bytes(mask))
}

fn masked_mark(test: &Not<xtables::matches::MaskedMark>) -> MaskedMark {
    MaskedMark {
        value: test.value.value,
        mask: test.value.mask,
        negated: test.negated,
    }
}

fn conntrack(test: &Conntrack) -> Question {
    match test.states {
        Some(states)
            if *test
                == Conntrack {
                    states: test.states,
                    ..Conntrack::default()
                } =>
        {
            Question::States {
                states: states.value,
                negated: states.negated,
            }
        }
        // How long an entry lives hangs on the clock.
        _ if test.expires.is_some() => Question::Chance,
        _ => Question::Connection(Box::new(test.clone())),
    }
}

fn statistic(test: &Not<StatisticTest>) -> Question {
    conclude::statistic(test.value).map_or(Question::Chance, |answer| {
        Question::Fixed(answer != test.negated)
    })
}

fn stateful(test: &StatefulTest) -> Question {
    conclude::stateful(test).map_or(Question::Chance, Question::Fixed)
}
