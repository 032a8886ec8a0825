//! SCTP's chunks: the one that a packet has, and what its payload says when it is read as more of them.

use super::traveller::Traveller;
use crate::packet::{Payload, Transport};
use crate::xtables::matches::{ChunkScope, ChunkTest, Chunks};

const INIT: u8 = 1;
const INIT_ACK: u8 = 2;
const SHUTDOWN_COMPLETE: u8 = 14;
const COOKIE_ECHO: u8 = 10;
const COOKIE_ACK: u8 = 11;

/// A chunk's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Chunk {
    kind: u8,
    flags: u8,
    /// With its header, without padding; 0 where it says so, which no reader accepts.
    length: usize,
    /// Where it starts, behind the common header.
    start: usize,
}

/// Reads one chunk after the other; `None` in the end for one whose header is cut short.
struct Reader<'p> {
    packet: &'p Traveller<'p>,
    next: usize,
}

impl Iterator for Reader<'_> {
    type Item = Option<Chunk>;

    fn next(&mut self) -> Option<Option<Chunk>> {
        let start = self.next;
        let end = self.packet.body.bytes.saturating_sub(12);
        if start >= end {
            return None;
        }
        if start + 4 > end {
            self.next = end;
            return Some(None);
        }
        let length = usize::from(u16::from_be_bytes([
            self.byte(start + 2),
            self.byte(start + 3),
        ]));
        let chunk = Chunk {
            kind: self.byte(start),
            flags: self.byte(start + 1),
            length,
            start,
        };
        // Padded to whole fours; one without a length would be read for ever.
        self.next = if length == 0 {
            end
        } else {
            start + length.next_multiple_of(4)
        };
        Some(Some(chunk))
    }
}

impl<'p> Reader<'p> {
    fn new(packet: &'p Traveller<'_>) -> Self {
        Self { packet, next: 0 }
    }

    /// A byte behind the common header, as [`crate::packet::wire::build`] writes it.
    fn byte(&self, at: usize) -> u8 {
        let Transport::Sctp { chunk, .. } = self.packet.packet.transport else {
            return 0;
        };
        const INIT_CHUNK: [u8; 20] = [
            INIT, 0, 0, 20, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0, 1, 0, 1, 0, 0, 0, 1,
        ];
        let other = [chunk, 0, 0, 4];
        let first: &[u8] = if chunk == INIT { &INIT_CHUNK } else { &other };
        match (first.get(at), &self.packet.packet.payload) {
            (Some(byte), _) => *byte,
            (None, Payload::Zeros(_)) => 0,
            (None, Payload::Bytes(bytes)) => bytes.get(at - first.len()).copied().unwrap_or(0),
        }
    }
}

/// Whether connection tracking accepts a packet, for a connection that exists or a new one
/// (nf_conntrack_proto_sctp.c: `do_basic_checks`, `sctp_new` and the checks of the verification tag,
/// which is right in every packet here).
///
/// INIT, HEARTBEAT, HEARTBEAT ACK and SHUTDOWN ACK may begin a connection. Of one that exists every chunk
/// is a part but an INIT or INIT ACK without its parameters; from COOKIE WAIT and ESTABLISHED, the states
/// of entries here, no chunk leads nowhere.
pub(super) fn suits(packet: &Traveller<'_>, exists: bool) -> bool {
    const PARAMETERS: usize = 16;
    let end = packet.body.bytes.saturating_sub(12);
    let mut alone = false;
    let mut count = 0;
    // A header cut short ends the list of chunks and is no fault.
    for chunk in Reader::new(packet).map_while(|chunk| chunk) {
        let Chunk { kind, .. } = chunk;
        alone |= matches!(kind, INIT | INIT_ACK | SHUTDOWN_COMPLETE);
        let must_be_first = alone || matches!(kind, COOKIE_ACK | COOKIE_ECHO);
        if chunk.length == 0 || count > 0 && must_be_first {
            return false;
        }
        let complete = chunk.start + 4 + PARAMETERS <= end;
        let accepted = match kind {
            INIT => complete,
            INIT_ACK => complete && exists,
            _ if exists => true,
            _ => matches!(kind, 4 | 5 | 8),
        };
        if !accepted {
            return false;
        }
        count += 1;
    }
    count > 0
}

/// `match_packet` in xt_sctp.c; `None` where it drops the packet.
pub(super) fn has_chunks(test: &ChunkTest, packet: &Traveller<'_>) -> Option<bool> {
    let mut missing: Vec<u8> = match &test.chunks {
        Chunks::All => (0..=u8::MAX).collect(),
        Chunks::These(list) => list.iter().map(|(kind, _)| *kind).collect(),
    };
    let mut chunks = Reader::new(packet).peekable();
    chunks.peek()?;
    for chunk in chunks {
        let chunk = chunk.filter(|chunk| chunk.length > 0)?;
        let named = wanted_flags(&test.chunks, chunk.kind);
        let fits = named.is_some_and(|flags| flags_fit(flags, chunk));
        match test.scope {
            ChunkScope::Any if fits => return Some(true),
            ChunkScope::Only if !fits => return Some(false),
            ChunkScope::All if fits => missing.retain(|kind| *kind != chunk.kind),
            _ => {}
        }
    }
    Some(match test.scope {
        ChunkScope::Any => false,
        ChunkScope::Only => true,
        ChunkScope::All => missing.is_empty(),
    })
}

/// The flags with which a test names a chunk type; `None` where it does not.
fn wanted_flags(chunks: &Chunks, kind: u8) -> Option<&str> {
    match chunks {
        Chunks::All => Some(""),
        Chunks::These(list) => list
            .iter()
            .find(|(named, _)| *named == kind)
            .map(|(_, flags)| flags.as_str()),
    }
}

/// `match_flags`: of a chunk's flags, upper case must be set, lower case must not (extensions/libxt_sctp.c,
/// `sctp_chunk_names`: the last letter of each type's list is the lowest bit).
fn flags_fit(flags: &str, chunk: Chunk) -> bool {
    const LETTERS: [(u8, &str); 4] = [
        (0, "----IUBE"),
        (6, "-------T"),
        (14, "-------T"),
        (64, "----IUBE"),
    ];
    let letters = LETTERS
        .iter()
        .find(|(kind, _)| *kind == chunk.kind)
        .map_or("", |(_, letters)| letters);
    flags.chars().all(|flag| {
        let place = letters
            .chars()
            .position(|one| one == flag.to_ascii_uppercase());
        place.is_none_or(|place| (chunk.flags & (0x80 >> place) != 0) == flag.is_uppercase())
    })
}
