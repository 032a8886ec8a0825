//! `-m string`: looks for bytes in a packet, from the internet header on (xt_string.c,
//! `skb_find_text` in net/core/skbuff.c).

use super::traveller::Traveller;
use crate::packet::wire::{self, Tag};
use crate::packet::{Family, Transport};
use crate::xtables::matches::StringTest;

/// Whether a packet holds the text. `None` where that hangs on bytes that the model does not know: the
/// identification and the checksums.
pub(super) fn contains(test: &StringTest, packet: &Traveller<'_>) -> Option<bool> {
    let bytes = bytes(packet)?;
    let known = known(packet, bytes.len());
    let first = usize::from(test.from).min(bytes.len());
    let end = usize::from(test.to).min(bytes.len()).max(first);
    let same = |one: u8, other: u8| {
        if test.ignore_case {
            one.eq_ignore_ascii_case(&other)
        } else {
            one == other
        }
    };
    let length = test.pattern.len();
    if length == 0 {
        return Some(true);
    }
    let mut perhaps = false;
    for start in first..=end {
        if start + length > end {
            break;
        }
        let window = start..start + length;
        let fits = |at: usize| same(bytes[at], test.pattern[at - start]);
        if !window.clone().all(|at| fits(at) || !known(at)) {
            continue;
        }
        if window.clone().all(&known) {
            return Some(true);
        }
        perhaps = true;
    }
    if perhaps { None } else { Some(false) }
}

/// The packet's bytes as they are now.
fn bytes(packet: &Traveller<'_>) -> Option<Vec<u8>> {
    let now = packet.as_packet();
    let mut bytes = Vec::new();
    wire::build(&now, Tag::NONE, &mut bytes).ok()?;
    Some(bytes)
}

/// Which bytes the model knows.
fn known(packet: &Traveller<'_>, length: usize) -> impl Fn(usize) -> bool + use<> {
    let head = length - packet.body.bytes;
    let is_v4 = packet.family == Family::V4;
    let later = packet.body.later;
    let sum = match packet.packet.transport {
        _ if later => None,
        Transport::Tcp(_) => Some((head + 16, 2)),
        Transport::Udp(_) | Transport::UdpLite(_) => Some((head + 6, 2)),
        Transport::Sctp { .. } => Some((head + 8, 4)),
        Transport::Icmp(_) => Some((head + 2, 2)),
        Transport::Other(_) => None,
    };
    let quotes = matches!(packet.packet.transport, Transport::Icmp(icmp) if icmp.quoted.is_some());
    move |at| {
        let tag = if is_v4 {
            matches!(at, 4 | 5 | 10 | 11)
        } else {
            matches!(at, 1..=3 | 44..=47)
        };
        let in_sum = sum.is_some_and(|(first, width)| (first..first + width).contains(&at));
        !(tag || in_sum || quotes && at >= head)
    }
}
