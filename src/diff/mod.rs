//! Journeys compared point by point; the first difference found.
//!
//! A comparison has three outcomes, never two: the arms agree, they differ, or one of them could not
//! judge the packet. The last is no agreement. [`meaning`] holds a way through the chains against the
//! intent; [`class`] tells what divergences have in common, and [`ledger`] keeps the known ones. [`shrink`]
//! makes what differs small: [`cut`] says what a scenario can do without, [`touched`] what a packet needs.
//! [`chains`] knows the layouts' chains by name, [`cause`] why divergences are there.

pub mod cause;
pub mod chains;
pub mod class;
pub mod cut;
pub mod judgement;
pub mod ledger;
pub mod meaning;
pub mod shape;
pub mod shrink;
pub mod touched;

use std::fmt;

use crate::journey::{Answer, Fate, Headers, Journey, Open, Point, Possible, Sight, Unjudged};
use crate::mark::Mark;
use crate::packet::InterfaceName;

/// What came of comparing two answers about one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// What the kernel did is one of the ways that the model gives.
    Agree,
    /// It is none of them; this is where the nearest way parts.
    Differ(Box<Difference>),
    /// One of the arms could not judge the packet.
    Unjudged(Unjudged),
}

/// The first place where two journeys part. `expected` is the model's, `found` the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which answering packet's journey parts, from 0, where it is not the packet's own.
    pub answer: Option<usize>,
    /// What parts there.
    pub parting: Parting,
}

/// How two journeys part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// One is seen at a point where the other is not (another point, or its journey has ended).
    Point {
        /// Where the model sees it next.
        expected: Option<Point>,
        /// Where the kernel shows it next.
        found: Option<Point>,
    },
    /// The marks differ at a point.
    Mark {
        /// Where.
        point: Point,
        /// The model's.
        expected: Mark,
        /// The kernel's.
        found: Mark,
    },
    /// The headers differ at a point.
    Headers {
        /// Where.
        point: Point,
        /// The model's.
        expected: Headers,
        /// The kernel's.
        found: Headers,
    },
    /// The interfaces differ at a point: in, out.
    Interfaces {
        /// Where.
        point: Point,
        /// The model's.
        expected: (Option<InterfaceName>, Option<InterfaceName>),
        /// The kernel's.
        found: (Option<InterfaceName>, Option<InterfaceName>),
    },
    /// Both were seen at the same points, and ended differently.
    Fate {
        /// The model's.
        expected: Fate,
        /// The kernel's.
        found: Fate,
    },
    /// The node answered more often, or less.
    Answers {
        /// How often in the model.
        expected: usize,
        /// How often in the kernel.
        found: usize,
    },
}

/// Holds what the kernel did against what the model says it may do.
///
/// The kernel's answer is a single journey; where it gives more, each must be possible.
#[must_use]
pub fn compare(model: &Answer, kernel: &Answer) -> Comparison {
    let (possible, found) = match (model, kernel) {
        (Answer::Unjudged(why), _) | (_, Answer::Unjudged(why)) => {
            return Comparison::Unjudged(why.clone());
        }
        (Answer::Judged(possible), Answer::Judged(found)) => (possible, found),
    };
    for one in found {
        if let Some(difference) = nearest_difference(possible, &one.journey) {
            return Comparison::Differ(Box::new(difference));
        }
    }
    Comparison::Agree
}

/// `None` where the journey is one of the possible ones; else where the possible one that goes along
/// with it the longest parts from it.
fn nearest_difference(possible: &[Possible], found: &Journey) -> Option<Difference> {
    let mut nearest: Option<(usize, Difference)> = None;
    for one in possible {
        let (depth, difference) = first_difference(&one.journey, &one.open, found)?;
        if nearest.as_ref().is_none_or(|(deepest, _)| depth > *deepest) {
            nearest = Some((depth, difference));
        }
    }
    nearest.map(|(_, difference)| difference)
}

/// Where two journeys part, and how far they went together: two for each sight in common, and one
/// more where both are seen at the next point.
fn first_difference(
    expected: &Journey,
    open: &[Open],
    found: &Journey,
) -> Option<(usize, Difference)> {
    let own = |depth, parting| {
        Some((
            depth,
            Difference {
                answer: None,
                parting,
            },
        ))
    };
    for (index, (left, right)) in expected.sights.iter().zip(&found.sights).enumerate() {
        if let Some(parting) = sights_part(left, right, |headers| fill(headers, open, index, right))
        {
            let together = usize::from(left.point == right.point);
            return own(2 * index + together, parting);
        }
    }
    let common = expected.sights.len().min(found.sights.len());
    if expected.sights.len() != found.sights.len() {
        let next = |journey: &Journey| journey.sights.get(common).map(|sight| sight.point);
        return own(
            2 * common,
            Parting::Point {
                expected: next(expected),
                found: next(found),
            },
        );
    }
    if expected.fate != found.fate {
        return own(
            common,
            Parting::Fate {
                expected: expected.fate,
                found: found.fate,
            },
        );
    }
    for (index, (left, right)) in expected.answers.iter().zip(&found.answers).enumerate() {
        if let Some((depth, difference)) = first_difference(left, &[], right) {
            return Some((
                common + depth,
                Difference {
                    answer: Some(index),
                    ..difference
                },
            ));
        }
    }
    if expected.answers.len() != found.answers.len() {
        let (expected, found) = (expected.answers.len(), found.answers.len());
        return own(common, Parting::Answers { expected, found });
    }
    None
}

/// The model's headers with the kernel's choice in every open place that allows it.
fn fill(mut headers: Headers, open: &[Open], index: usize, found: &Sight) -> Headers {
    for place in open.iter().filter(|place| place.since <= index) {
        let (mine, theirs) = if place.source {
            (&mut headers.ports.source, found.headers.ports.source)
        } else {
            (
                &mut headers.ports.destination,
                found.headers.ports.destination,
            )
        };
        if (place.first..=place.last).contains(&theirs) {
            *mine = theirs;
        }
    }
    headers
}

fn sights_part(left: &Sight, right: &Sight, fill: impl Fn(Headers) -> Headers) -> Option<Parting> {
    let point = left.point;
    if point != right.point {
        return Some(Parting::Point {
            expected: Some(point),
            found: Some(right.point),
        });
    }
    if left.mark != right.mark {
        return Some(Parting::Mark {
            point,
            expected: left.mark,
            found: right.mark,
        });
    }
    if left.headers != right.headers && fill(left.headers) != right.headers {
        return Some(Parting::Headers {
            point,
            expected: left.headers,
            found: right.headers,
        });
    }
    let interfaces = |sight: &Sight| (sight.in_interface, sight.out_interface);
    if interfaces(left) != interfaces(right) {
        let (expected, found) = (interfaces(left), interfaces(right));
        return Some(Parting::Interfaces {
            point,
            expected,
            found,
        });
    }
    None
}

impl Difference {
    /// The difference without its values: what is compared, and where. Divergences of one cause share it.
    #[must_use]
    pub fn kind(&self) -> String {
        let whose = if self.answer.is_some() {
            "answer's "
        } else {
            ""
        };
        match &self.parting {
            Parting::Point { expected, found } => {
                format!("{whose}way: {} / {}", place(*expected), place(*found))
            }
            Parting::Mark { point, .. } => format!("{whose}mark at {point}"),
            Parting::Headers { point, .. } => format!("{whose}headers at {point}"),
            Parting::Interfaces { point, .. } => format!("{whose}interfaces at {point}"),
            Parting::Fate { expected, found } => format!("{whose}fate: {expected} / {found}"),
            Parting::Answers { expected, found } => format!("{whose}answers: {expected} / {found}"),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(index) = self.answer {
            write!(f, "in the node's answer {}: ", index + 1)?;
        }
        self.parting.fmt(f)
    }
}

impl fmt::Display for Parting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Point { expected, found } => {
                write!(
                    f,
                    "next seen at {} (model) / {} (kernel)",
                    place(*expected),
                    place(*found)
                )
            }
            Self::Mark {
                point,
                expected,
                found,
            } => {
                write!(
                    f,
                    "at {point} the mark is {expected} (model) / {found} (kernel)"
                )
            }
            Self::Headers {
                point,
                expected,
                found,
            } => {
                write!(
                    f,
                    "at {point} the packet is {expected} (model) / {found} (kernel)"
                )
            }
            Self::Interfaces {
                point,
                expected,
                found,
            } => {
                write!(
                    f,
                    "at {point} it goes {} (model) / {} (kernel)",
                    ways(*expected),
                    ways(*found)
                )
            }
            Self::Fate { expected, found } => {
                write!(f, "it ends {expected} (model) / {found} (kernel)")
            }
            Self::Answers { expected, found } => {
                write!(
                    f,
                    "the node answers {expected} times (model) / {found} times (kernel)"
                )
            }
        }
    }
}

fn place(point: Option<Point>) -> String {
    point.map_or_else(|| "no further point".to_owned(), |point| point.to_string())
}

fn ways((inward, outward): (Option<InterfaceName>, Option<InterfaceName>)) -> String {
    let name = |interface: Option<InterfaceName>| {
        interface.map_or_else(|| "-".to_owned(), |interface| interface.to_string())
    };
    format!("in={} out={}", name(inward), name(outward))
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local => f.write_str("delivered to the node"),
            Self::Sent(interface) => write!(f, "sent out of {interface}"),
            Self::Dropped(point) => write!(f, "dropped by a table after {point}"),
            Self::Unrouted(Some(point)) => write!(f, "dropped by routing after {point}"),
            Self::Unrouted(None) => f.write_str("not routed: the node could not send it"),
            Self::Unhooked => f.write_str("refused before any hook"),
        }
    }
}

#[cfg(test)]
mod tests;
