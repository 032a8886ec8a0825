//! What is known of a packet and of its marks at one place, and what a rule's tests add to it.

use std::collections::BTreeMap;

use super::code::{Field, Step, Test, all};
use super::ranges::Ranges;
use crate::node::Node;
use crate::packet::Family;
use crate::xtables::matches::MaskedMark;
use crate::xtables::target::Xmark;

/// How many bits a mark has.
pub(super) const BITS: usize = 32;

/// One bit of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Bit {
    /// It is known.
    Is(bool),
    /// It is what this variable is, or its opposite.
    Like(u16, bool),
}

/// All bits of a packet's mark.
pub(super) type Marks = [Bit; BITS];

/// What is known of a packet. Of its marks: what is known of the variables.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    fields: Vec<Ranges>,
    atoms: BTreeMap<String, bool>,
    variables: BTreeMap<u16, bool>,
}

/// What a rule's tests come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// The rule matches.
    Yes,
    /// It does not.
    No,
    /// The packet ends in asking.
    Drop,
}

impl Facts {
    /// Nothing is known.
    pub(super) fn nothing(node: &Node, family: Family) -> Self {
        let fields = Field::ALL.map(|field| all(node, family, field));
        Self {
            fields: fields.to_vec(),
            atoms: BTreeMap::new(),
            variables: BTreeMap::new(),
        }
    }

    pub(super) fn of(&self, field: Field) -> &Ranges {
        &self.fields[field as usize]
    }

    /// With these values of a field at the most; `None` where it can have none of them.
    pub(super) fn within(&self, field: Field, values: &Ranges) -> Option<Self> {
        self.with(field, self.of(field).and(values))
    }

    fn beyond(&self, field: Field, values: &Ranges) -> Option<Self> {
        self.with(field, self.of(field).without(values))
    }

    pub(super) fn with(&self, field: Field, values: Ranges) -> Option<Self> {
        (!values.is_empty()).then(|| {
            let mut facts = self.clone();
            facts.fields[field as usize] = values;
            facts
        })
    }

    /// What is known of either.
    pub(super) fn or(&self, other: &Self) -> Self {
        let fields = self.fields.iter().zip(&other.fields);
        let mut joined = self.clone();
        joined.fields = fields.map(|(one, other)| one.or(other)).collect();
        joined
            .atoms
            .retain(|atom, answer| other.atoms.get(atom) == Some(answer));
        joined
            .variables
            .retain(|name, value| other.variables.get(name) == Some(value));
        joined
    }

    /// The same without what is known of the marks' variables, for marks that say it themselves.
    pub(super) fn forgetting_marks(mut self) -> Self {
        self.variables.clear();
        self
    }

    /// A bit, as far as it is known.
    pub(super) fn bit(&self, bit: Bit) -> Bit {
        match bit {
            Bit::Like(name, flipped) => match self.variables.get(&name) {
                Some(value) => Bit::Is(*value != flipped),
                None => bit,
            },
            Bit::Is(_) => bit,
        }
    }

    /// All bits, as far as they are known.
    pub(super) fn marks(&self, marks: &Marks) -> Marks {
        marks.map(|bit| self.bit(bit))
    }

    /// Every way in which a rule's tests can come out, and what is known then; `None` where that hangs on
    /// more than is followed.
    pub(super) fn ask(
        &self,
        step: &Step,
        marks: &Marks,
        state: Option<&Ranges>,
    ) -> Option<Vec<(Self, Reply)>> {
        let mut out = Vec::new();
        let mut open = vec![self.clone()];
        for test in &step.tests {
            let mut met = Vec::new();
            for facts in open {
                met.extend(facts.ask_one(test, marks, state, &mut out)?);
            }
            open = met;
        }
        out.extend(open.into_iter().map(|facts| (facts, Reply::Yes)));
        Some(out)
    }

    /// What is known where one test is met, in every way in which it can be.
    fn ask_one(
        self,
        test: &Test,
        marks: &Marks,
        state: Option<&Ranges>,
        out: &mut Vec<(Self, Reply)>,
    ) -> Option<Vec<Self>> {
        let met = match test {
            Test::Field(Field::State, values) if state.is_some() => {
                let met = state.is_some_and(|state| state.without(values).is_empty());
                match met {
                    true => Some(self),
                    false => {
                        out.push((self, Reply::No));
                        None
                    }
                }
            }
            Test::Field(field, values) => {
                let missed = self.beyond(*field, values);
                out.extend(missed.map(|missed| (missed, Reply::No)));
                self.within(*field, values)
            }
            Test::Header { none, short } => {
                let without = self.within(Field::Header, none);
                out.extend(without.map(|without| (without, Reply::No)));
                let broken = self.within(Field::Header, short);
                out.extend(broken.map(|broken| (broken, Reply::Drop)));
                self.beyond(Field::Header, &none.or(short))
            }
            Test::Atom(name, wanted) => self.ask_atom(name, *wanted, out),
            Test::Limit(name) => self.ask_atom(name, true, out),
            Test::Mark(mark, wanted) => return Some(self.ask_mark(*mark, *wanted, marks, out)),
            Test::Chance(_) => return None,
        };
        Some(met.into_iter().collect())
    }

    fn ask_atom(&self, name: &str, wanted: bool, out: &mut Vec<(Self, Reply)>) -> Option<Self> {
        let [met, missed] = self.suppose(name, wanted);
        out.extend(missed.map(|missed| (missed, Reply::No)));
        met
    }

    /// With an atom's answer as it is wanted, and otherwise.
    fn suppose(&self, name: &str, wanted: bool) -> [Option<Self>; 2] {
        match self.atoms.get(name) {
            Some(known) if *known == wanted => [Some(self.clone()), None],
            Some(_) => [None, Some(self.clone())],
            None => [wanted, !wanted].map(|answer| {
                let mut facts = self.clone();
                facts.atoms.insert(name.to_owned(), answer);
                Some(facts)
            }),
        }
    }

    /// Asks for marks bit by bit.
    fn ask_mark(
        self,
        test: MaskedMark,
        wanted: bool,
        marks: &Marks,
        out: &mut Vec<(Self, Reply)>,
    ) -> Vec<Self> {
        let mut equal = Some(self);
        let mut unequal = Vec::new();
        // Bits outside of the mask are never equal to one.
        if test.value & !test.mask != 0 {
            unequal.extend(equal.take());
        }
        for place in (0..BITS).filter(|place| test.mask >> place & 1 == 1) {
            let Some(facts) = equal.take() else { break };
            let asked = test.value >> place & 1 == 1;
            match facts.bit(marks[place]) {
                Bit::Is(known) if known == asked => equal = Some(facts),
                Bit::Is(_) => unequal.push(facts),
                Bit::Like(name, flipped) => {
                    let mut other = facts.clone();
                    other.variables.insert(name, asked == flipped);
                    unequal.push(other);
                    let mut same = facts;
                    same.variables.insert(name, asked != flipped);
                    equal = Some(same);
                }
            }
        }
        let equal = equal.into_iter().collect();
        let (met, missed) = match wanted {
            true => (equal, unequal),
            false => (unequal, equal),
        };
        out.extend(missed.into_iter().map(|facts| (facts, Reply::No)));
        met
    }
}

/// Marks after `-j MARK`.
pub(super) fn write(marks: &Marks, mark: Xmark) -> Marks {
    let mut written = *marks;
    for (place, bit) in written.iter_mut().enumerate() {
        if mark.mask >> place & 1 == 1 {
            *bit = Bit::Is(false);
        }
        if mark.value >> place & 1 == 1 {
            *bit = match *bit {
                Bit::Is(known) => Bit::Is(!known),
                Bit::Like(name, flipped) => Bit::Like(name, !flipped),
            };
        }
    }
    written
}
