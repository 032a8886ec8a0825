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
use crate::xtables::Firewall;

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

/// Programs one case after the other, and hands the room to `judge` as soon as it has loaded its case, with
/// the case's number and its fate. Cases come in rows, counted on from row to row: a room that is free takes
/// the next row, and a row's cases, which have much in common, one after the other.
///
/// # Errors
///
/// A fault of the machine, or what `judge` returns. Cases that were begun are then finished by the next
/// that is begun in their room.
pub fn in_rooms<'a, Row: IntoIterator<Item: Into<Load<'a>>>>(
    rooms: &mut [Room],
    rows: impl IntoIterator<Item = Row>,
    mut judge: impl FnMut(&mut Room, usize, Result<(), NotProgrammed>) -> Result<(), KernelError>,
) -> Result<(), KernelError> {
    let mut rows = rows.into_iter().scan(0, |count, row| {
        let row: Vec<_> = (*count..).zip(row).collect();
        *count += row.len();
        Some(row.into_iter())
    });
    let mut taken: Vec<_> = rooms.iter().map(|_| rows.next()).collect();
    let mut begin = |room: &mut Room, row: &mut Option<std::vec::IntoIter<(usize, Row::Item)>>| {
        while let Some(cases) = row {
            if let Some((number, load)) = cases.next() {
                let load: Load<'_> = load.into();
                match &load.texts {
                    Some(texts) => room.begin_texts(load.node, load.firewall, texts)?,
                    None => room.begin(load.node, load.firewall)?,
                }
                return Ok(Some(number));
            }
            *row = rows.next();
        }
        Ok(None)
    };
    // The case that each room loads.
    let mut loading: Vec<Option<usize>> = Vec::with_capacity(rooms.len());
    for (room, row) in rooms.iter_mut().zip(&mut taken) {
        loading.push(begin(room, row)?);
    }
    while loading.iter().any(Option::is_some) {
        for ((room, row), case) in rooms.iter_mut().zip(&mut taken).zip(&mut loading) {
            if let Some(number) = *case
                && room.advance()?
            {
                let fate = room.finish()?;
                judge(room, number, fate)?;
                *case = begin(room, row)?;
            }
        }
        await_one(rooms, &loading)?;
    }
    Ok(())
}

/// Waits until the tool of a room that loads something speaks or listens.
fn await_one(rooms: &[Room], loading: &[Option<usize>]) -> Result<(), KernelError> {
    let busy = rooms.iter().zip(loading).filter(|(_, case)| case.is_some());
    let mut ends: Vec<PollFd<'_>> = busy.flat_map(|(room, _)| room.ends()).collect();
    if ends.is_empty() || await_any(&mut ends)? {
        return Ok(());
    }
    Err(KernelError::Tool {
        tool: "each of the restore tools".to_owned(),
        doing: "answer".to_owned(),
        message: "they have said nothing for as long as one may take".to_owned(),
    })
}
