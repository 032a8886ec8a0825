//! With what packets come to each chain: every way there, and what is known on it.

use std::collections::BTreeMap;

use ipnet::IpNet;

use super::code::{Action, Code, Field, UNTRACKED, interfaces, of_nets};
use super::facts::{Bit, Facts, Marks, Reply, write};
use super::ranges::Ranges;
use crate::node::Node;
use crate::packet::Family;
use crate::xtables::{Backend, Hook, TableName};

/// How many states are told apart at one place before they are taken together.
const APART: usize = 12;

/// A place to go on from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) chain: String,
    /// The next step of it.
    pub(super) next: usize,
}

/// A packet with its marks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct State {
    pub(super) facts: Facts,
    pub(super) marks: Marks,
}

/// One way to a chain.
#[derive(Clone, Debug)]
pub(super) struct Way {
    pub(super) hook: Hook,
    pub(super) table: TableName,
    /// Who waits for its return, the built-in chain first.
    pub(super) callers: Vec<Frame>,
    /// With what packets come.
    pub(super) states: Vec<State>,
}

/// All ways to each chain.
pub(super) struct Contexts {
    pub(super) ways: BTreeMap<(TableName, String), Vec<Way>>,
}

impl Contexts {
    /// Follows whatever can come through all hooks.
    pub(super) fn new(node: &Node, code: &Code, family: Family) -> Self {
        let mut follower = Follower {
            code,
            ways: BTreeMap::new(),
            hook: Hook::Prerouting,
            table: TableName::Raw,
            accepted: Vec::new(),
        };
        let nothing = Facts::nothing(node, family);
        let anywhere = Ranges::of(1, interfaces(node).count() as u128);
        let delivered = delivered(node, family);
        let here = |facts: &Facts, field, some: bool| {
            let values = match some {
                true => anywhere.clone(),
                false => Ranges::one(0),
            };
            facts.within(field, &values)
        };
        let any = State {
            facts: nothing.clone(),
            marks: unknown(),
        };
        let arriving =
            here(&nothing, Field::In, true).and_then(|facts| here(&facts, Field::Out, false));
        let leaving =
            here(&nothing, Field::In, false).and_then(|facts| here(&facts, Field::Out, true));
        let start = |facts: Option<Facts>| {
            facts.map(|facts| State {
                facts,
                marks: unknown(),
            })
        };
        let arrived = follower.pass(
            Hook::Prerouting,
            start(arriving).into_iter().collect(),
            &any,
        );
        let to_node = arrived
            .iter()
            .filter_map(|state| state.with_out(&Ranges::one(0)));
        let to_node = to_node.filter_map(|state| state.to(&delivered));
        let at_node = any.to(&delivered).unwrap_or_else(|| any.clone());
        follower.pass(Hook::Input, to_node.collect(), &at_node);
        let through = arrived.iter().filter_map(|state| state.with_out(&anywhere));
        let mut leaves = follower.pass(Hook::Forward, through.collect(), &any);
        leaves.extend(follower.pass(Hook::Output, start(leaving).into_iter().collect(), &any));
        // Which interface of arrival is shown there is left open.
        let leaves = leaves.iter().filter_map(|state| {
            let in_interface = any.facts.of(Field::In).clone();
            let facts = state.facts.with(Field::In, in_interface)?;
            Some(State {
                facts,
                ..state.clone()
            })
        });
        follower.pass(Hook::Postrouting, merged(leaves.collect()), &any);
        Self {
            ways: follower.ways,
        }
    }
}

impl State {
    fn with_out(&self, values: &Ranges) -> Option<Self> {
        let facts = self.facts.with(Field::Out, values.clone())?;
        Some(Self {
            facts,
            ..self.clone()
        })
    }

    fn to(&self, addresses: &Ranges) -> Option<Self> {
        let facts = self.facts.within(Field::Destination, addresses)?;
        Some(Self {
            facts,
            ..self.clone()
        })
    }

    /// What of it is still so in the next table: where it came from, its marks, and whether connection
    /// tracking leaves it alone.
    fn carried(&self, any: &Self) -> Option<Self> {
        let mut facts = any.facts.clone();
        for field in [Field::In, Field::Out] {
            facts = facts.with(field, self.facts.of(field).clone())?;
        }
        if *self.facts.of(Field::State) == Ranges::one(UNTRACKED) {
            facts = facts.with(Field::State, Ranges::one(UNTRACKED))?;
        }
        let marks = self.facts.marks(&self.marks);
        let marks = std::array::from_fn(|place| match marks[place] {
            Bit::Is(known) => Bit::Is(known),
            Bit::Like(..) => unknown()[place],
        });
        Some(Self { facts, marks })
    }
}

/// Every address that the node may take a packet for itself by: its own and those of loopback, and, by which
/// rules ever, those of its links' ends, of groups, of all and of nobody.
fn delivered(node: &Node, family: Family) -> Ranges {
    let ends = node
        .addresses()
        .flat_map(|(_, net)| [net.addr(), net.network(), net.broadcast()].map(IpNet::from));
    let own = ends.filter(|net| Family::of(net.addr()) == family);
    let always: &[&str] = match family {
        Family::V4 => &[
            "127.0.0.0/8",
            "224.0.0.0/4",
            "255.255.255.255/32",
            "0.0.0.0/8",
        ],
        Family::V6 => &["::/127", "fe80::/10", "ff00::/8"],
    };
    let always = always.iter().filter_map(|net| net.parse().ok());
    of_nets(&own.chain(always).collect::<Vec<IpNet>>())
}

/// Marks of which nothing is known.
pub(super) fn unknown() -> Marks {
    std::array::from_fn(|place| Bit::Like(u16::try_from(place).unwrap_or(u16::MAX), false))
}

struct Follower<'a> {
    code: &'a Code,
    ways: BTreeMap<(TableName, String), Vec<Way>>,
    hook: Hook,
    table: TableName,
    /// What the table lets through.
    accepted: Vec<State>,
}

impl Follower<'_> {
    /// Takes packets through the tables at a hook.
    fn pass(&mut self, hook: Hook, states: Vec<State>, any: &State) -> Vec<State> {
        let mut states = merged(states);
        for table in TableName::at(hook, Backend::Legacy) {
            let built_in = self.code.chains.get(&(table, hook.chain().to_owned()));
            if built_in.is_none() {
                continue;
            }
            (self.hook, self.table) = (hook, table);
            let returned = self.chain(hook.chain(), states, &[], 0);
            let mut through = std::mem::take(&mut self.accepted);
            through.extend(returned);
            states = merged(
                through
                    .iter()
                    .filter_map(|state| state.carried(any))
                    .collect(),
            );
        }
        states
    }

    /// Takes packets through a chain; gives those that return.
    fn chain(
        &mut self,
        name: &str,
        states: Vec<State>,
        callers: &[Frame],
        depth: usize,
    ) -> Vec<State> {
        // No rules that load call each other so deep; those that don't load are never asked.
        if states.is_empty() || depth > 64 {
            return Vec::new();
        }
        let code = self.code;
        let ways = self.ways.entry((self.table, name.to_owned())).or_default();
        ways.push(Way {
            hook: self.hook,
            table: self.table,
            callers: callers.to_vec(),
            states: states.clone(),
        });
        let mut here = states;
        let mut returned = Vec::new();
        for (place, step) in code.steps(self.table, name, 0).iter().enumerate() {
            let (mut fits, mut rest) = (Vec::new(), Vec::new());
            for state in &here {
                // What a limit says once it need not say again.
                let outcomes = match step.limits().next() {
                    None => state.facts.ask(step, &state.marks, None),
                    Some(_) => None,
                };
                let Some(outcomes) = outcomes else {
                    fits.push(state.clone());
                    rest.push(state.clone());
                    continue;
                };
                for (facts, reply) in outcomes {
                    let marks = state.marks;
                    match reply {
                        Reply::Yes => fits.push(State { facts, marks }),
                        Reply::No => rest.push(State { facts, marks }),
                        Reply::Drop => {}
                    }
                }
            }
            let mut waiting = callers.to_vec();
            let frame = |next| Frame {
                chain: name.to_owned(),
                next,
            };
            match &step.action {
                Action::Pass | Action::Class(_) => rest.extend(fits),
                Action::Accept | Action::Ends(_) => self.accepted.extend(fits),
                Action::Drop => {}
                Action::Return => returned.extend(fits),
                Action::Jump(chain) => {
                    waiting.push(frame(place + 1));
                    rest.extend(self.chain(chain, merged(fits), &waiting, depth + 1));
                }
                Action::Goto(chain) => {
                    if callers.is_empty() {
                        waiting.push(frame(usize::MAX));
                    }
                    returned.extend(self.chain(chain, merged(fits), &waiting, depth + 1));
                }
                Action::Mark(mark) => rest.extend(fits.into_iter().map(|state| State {
                    marks: write(&state.marks, *mark),
                    ..state
                })),
                Action::Notrack => rest.extend(fits.into_iter().filter_map(|state| {
                    let facts = state.facts.with(Field::State, Ranges::one(UNTRACKED))?;
                    Some(State { facts, ..state })
                })),
                Action::Opaque(_) => rest.extend(fits.into_iter().map(|state| State {
                    marks: unknown(),
                    ..state
                })),
            }
            here = merged(rest);
            if here.is_empty() {
                break;
            }
        }
        self.accepted = merged(std::mem::take(&mut self.accepted));
        returned.extend(here);
        merged(returned)
    }
}

/// States with the same marks and the same trust in connection tracking as one; all as one where there
/// are too many.
fn merged(states: Vec<State>) -> Vec<State> {
    let mut apart: Vec<(Marks, bool, State)> = Vec::new();
    for state in states {
        let marks = state.facts.marks(&state.marks);
        let untracked = *state.facts.of(Field::State) == Ranges::one(UNTRACKED);
        let like = apart
            .iter_mut()
            .find(|(known, also, _)| (known, *also) == (&marks, untracked));
        match like {
            Some((_, _, known)) => known.facts = known.facts.or(&state.facts.forgetting_marks()),
            // What is known of a mark stands in the marks now.
            None => {
                let facts = state.facts.forgetting_marks();
                apart.push((marks, untracked, State { facts, marks }));
            }
        }
    }
    let states = apart.into_iter().map(|(_, _, state)| state);
    if states.len() <= APART {
        return states.collect();
    }
    states.reduce(either).into_iter().collect()
}

/// What is known of either.
fn either(one: State, other: State) -> State {
    State {
        facts: one.facts.or(&other.facts),
        marks: std::array::from_fn(|place| match one.marks[place] == other.marks[place] {
            true => one.marks[place],
            false => unknown()[place],
        }),
    }
}
