//! A packet that meets many conditions at once, by local search.
//!
//! One unmet condition after the other is mended by that neighbour of the packet which leaves the
//! fewest others unmet; now and then by any, so that the search does not stay in a hollow.

use super::bits::Bits;
use super::draft::Draft;
use super::edges::edges;
use super::ground::{Constants, Ground};
use super::question::{Condition, Question};

/// How many repairs are tried before the search gives up.
const STEPS: usize = 60;
/// How many known values are tried beside a question's own edges.
const SAMPLES: usize = 48;

/// Conditions of which one must be met.
pub type Clause<'a> = Vec<Condition<'a>>;

/// Whether a draft meets a condition of a clause.
fn met(clause: &Clause<'_>, draft: &Draft, ground: &Ground<'_>) -> bool {
    clause
        .iter()
        .any(|condition| draft.meets(condition, ground))
}

fn unmet(clauses: &[Clause<'_>], draft: &Draft, ground: &Ground<'_>) -> usize {
    clauses
        .iter()
        .filter(|clause| !met(clause, draft, ground))
        .count()
}

/// A draft that meets all clauses, from one that need not; `None` where none was found.
pub fn solve<B: Bits>(
    clauses: &[Clause<'_>],
    start: Draft,
    ground: &Ground<'_>,
    bits: &mut B,
) -> Option<Draft> {
    let mut draft = start;
    for _ in 0..STEPS {
        let open: Vec<&Clause<'_>> = clauses
            .iter()
            .filter(|clause| !met(clause, &draft, ground))
            .collect();
        let Some(clause) = bits.pick(&open) else {
            return Some(draft);
        };
        let condition = bits.pick(clause)?;
        let repairs = repairs(condition, &draft, ground, bits);
        let by_chance = bits.chance(1, 12);
        let chosen = if by_chance {
            bits.pick(&repairs).cloned()
        } else {
            best(repairs, clauses, ground, bits)
        };
        draft = chosen.unwrap_or(draft);
    }
    (unmet(clauses, &draft, ground) == 0).then_some(draft)
}

fn best<B: Bits>(
    mut drafts: Vec<Draft>,
    clauses: &[Clause<'_>],
    ground: &Ground<'_>,
    bits: &mut B,
) -> Option<Draft> {
    let open = drafts.iter().map(|draft| unmet(clauses, draft, ground));
    let open: Vec<usize> = open.collect();
    let least = open.iter().copied().min()?;
    let places = 0..open.len();
    let equals: Vec<usize> = places.filter(|place| open[*place] == least).collect();
    let place = *bits.pick(&equals)?;
    Some(drafts.swap_remove(place))
}

/// Neighbours of a draft that meet a condition.
fn repairs<B: Bits>(
    condition: &Condition<'_>,
    draft: &Draft,
    ground: &Ground<'_>,
    bits: &mut B,
) -> Vec<Draft> {
    let mut drafts = edges(condition.question, draft, ground);
    let constants = ground.constants(draft.shot.packet.family());
    let from = bits.below(constants.addresses.len().max(1));
    match condition.question {
        Question::Source(_) | Question::SourceRange(..) | Question::SourceType(_) => {
            drafts.extend(addresses(constants, from, draft, true));
        }
        Question::Destination(_)
        | Question::DestinationRange(..)
        | Question::DestinationType(_)
        | Question::Out(_)
        | Question::At(_) => {
            drafts.extend(addresses(constants, from, draft, false));
        }
        Question::Set(_) => {
            drafts.extend(addresses(constants, from, draft, true));
            drafts.extend(addresses(constants, from, draft, false));
        }
        _ => {}
    }
    drafts.retain(|draft| draft.meets(condition, ground));
    drafts
}

/// Drafts with some known addresses, from one on.
fn addresses<'s>(
    constants: &'s Constants,
    from: usize,
    draft: &'s Draft,
    source: bool,
) -> impl Iterator<Item = Draft> + 's {
    let known = constants.addresses.iter().cycle().skip(from);
    let some = known.take(SAMPLES.min(constants.addresses.len()));
    some.filter_map(move |address| {
        draft.with(|packet| {
            if source {
                packet.source = *address;
            } else {
                packet.destination = *address;
            }
        })
    })
}
