//! Several rooms that one thread drives, so that the waiting of their commits overlaps.
//!
//! Nearly all the time that nft takes for a ruleset is waiting: each commit waits until the one before
//! it in its namespace has let go of its matches, which takes a grace period of the whole machine
//! (net/netfilter/nft_compat.c, `nft_compat_wait_for_destructors`). Commits of other namespaces go on
//! meanwhile.

use nix::poll::PollFd;

use super::dialogue::await_any;
use super::error::KernelError;
use super::program::Texts;
use super::room::Room;
use crate::node::Node;
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall};

/// What a room is to load.
#[derive(Clone, Copy, Debug)]
pub struct Load<'a> {
    /// The node.
    pub node: &'a Node,
    /// What the texts say.
    pub firewall: &'a Firewall,
    /// What the tools are told, if it is not the firewall as it is printed.
    pub texts: Option<Texts<'a>>,
}

impl<'a> From<(&'a Node, &'a Firewall)> for Load<'a> {
    fn from((node, firewall): (&'a Node, &'a Firewall)) -> Self {
        Self {
            node,
            firewall,
            texts: None,
        }
    }
}

/// A fault of the machine, in a room of this backend.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Stopped {
    /// The room's backend.
    pub backend: Backend,
    /// What is wrong.
    #[source]
    pub error: KernelError,
}

/// The cases that a room has still to load, with their numbers.
type Left<Case> = std::iter::Zip<std::ops::RangeFrom<usize>, std::vec::IntoIter<Case>>;

/// What a room has left, and the case that it loads.
type Work<T> = (Option<Left<T>>, Option<usize>);

/// Programs one case after the other, and hands the room to `judge` as soon as it has loaded its case, with
/// the case's number and its fate. Cases come in rows, which `next` gives to rooms of a backend that are free,
/// until there are none: a room loads a row's cases, which have much in common, one after the other. They are
/// counted on from row to row, of each backend by itself.
///
/// # Errors
///
/// A fault of the machine, or what `judge` returns. Cases that were begun are then finished by the next
/// that is begun in their room.
pub fn in_rooms<'a, Row: IntoIterator<Item: Into<Load<'a>>>>(
    rooms: &mut [Room],
    mut next: impl FnMut(Backend) -> Option<Row>,
    mut judge: impl FnMut(&mut Room, usize, Result<(), NotProgrammed>) -> Result<(), KernelError>,
) -> Result<(), Stopped> {
    let mut counts = [0; 2];
    let mut next = |backend: Backend| {
        let count = &mut counts[backend.place()];
        let row: Vec<Row::Item> = next(backend)?.into_iter().collect();
        let first = *count;
        *count += row.len();
        Some((first..).zip(row))
    };
    let mut begin = |room: &mut Room, left: &mut Option<Left<Row::Item>>| {
        while let Some(cases) = left {
            if let Some((number, load)) = cases.next() {
                let load: Load<'_> = load.into();
                match &load.texts {
                    Some(texts) => room.begin_texts(load.node, load.firewall, texts)?,
                    None => room.begin(load.node, load.firewall)?,
                }
                return Ok(Some(number));
            }
            *left = next(room.backend());
        }
        Ok(None)
    };
    let stopped = |room: &Room| {
        let backend = room.backend();
        move |error| Stopped { backend, error }
    };
    let mut work: Vec<Work<Row::Item>> = Vec::with_capacity(rooms.len());
    for room in &mut *rooms {
        let mut left = Some((0..).zip(Vec::new()));
        let case = begin(room, &mut left).map_err(stopped(room))?;
        work.push((left, case));
    }
    let mut spoken = vec![true; rooms.len()];
    while work.iter().any(|(_, case)| case.is_some()) {
        for ((room, (left, case)), spoken) in rooms.iter_mut().zip(&mut work).zip(&spoken) {
            let Some(number) = case.filter(|_| *spoken) else {
                continue;
            };
            if room.advance().map_err(stopped(room))? {
                let fate = room.finish().map_err(stopped(room))?;
                judge(room, number, fate).map_err(stopped(room))?;
                *case = begin(room, left).map_err(stopped(room))?;
            }
        }
        let busy = work.iter().map(|(_, case)| case.is_some());
        await_one(rooms.iter().zip(busy).zip(&mut spoken))?;
    }
    Ok(())
}

/// Waits until the tool of a busy room speaks or listens, and notes in which rooms one does: only those can go on.
/// One that waits for no tool can too.
fn await_one<'r>(
    rooms: impl Iterator<Item = ((&'r Room, bool), &'r mut bool)>,
) -> Result<(), Stopped> {
    let mut ends: Vec<PollFd<'r>> = Vec::new();
    let mut asked: Vec<(&Room, &mut bool, usize)> = Vec::new();
    let mut is_one_free = false;
    for ((room, is_busy), spoken) in rooms {
        *spoken = false;
        if is_busy {
            let before = ends.len();
            ends.extend(room.ends());
            *spoken = ends.len() == before;
            is_one_free |= *spoken;
            asked.push((room, spoken, ends.len() - before));
        }
    }
    let Some((first, ..)) = asked.first() else {
        return Ok(());
    };
    let backend = first.backend();
    let stopped = |error| Stopped { backend, error };
    if !is_one_free && !await_any(&mut ends).map_err(stopped)? {
        return Err(stopped(KernelError::Tool {
            tool: "each of the restore tools".to_owned(),
            doing: "answer".to_owned(),
            message: "they have said nothing for as long as one may take".to_owned(),
        }));
    }
    let mut ends = ends.iter();
    for (_, spoken, count) in asked {
        let spoke = |end: &PollFd<'_>| end.any().unwrap_or(true);
        *spoken |= ends.by_ref().take(count).filter(|end| spoke(end)).count() > 0;
    }
    Ok(())
}
