//! One input made of another: changes of the scenario itself, or other bytes for its generator.
//!
//! What comes out is an envelope, so that it means tomorrow what it means today; only where none fits in
//! the room that there is, it is the generator's bytes.

use rustc_hash::FxHasher;
use std::hash::{Hash as _, Hasher as _};

use super::alter::alter;
use super::input::{self, Input};
use super::memory;
use crate::generate::bits::{Bits, Seeded};
use crate::generate::world::Dials;
use crate::render::Layout;
use crate::scenario::Scenario;

/// How often changes are tried before the generator is asked for another scenario: what is changed may
/// come to something that the API would refuse.
const ATTEMPTS: usize = 4;

/// The most changes that are made at once.
const CHANGES: usize = 4;

/// One input of so many is the generator's. From an empty corpus an off-by-one planted in the ports of rules was found
/// after 121 inputs on the average of five seeds with one of six, and after 94 on that of ten with one of two.
const AFRESH: usize = 2;

/// How many bytes the generator is given at most where it begins afresh, behind those that name its stream.
const FRESH: usize = 48;

/// Changes the input in `data[..size]` in its place, to one of at most `max_size` bytes, and gives its
/// length: libFuzzer's contract for a mutator of its own. The same data and seed give the same.
#[must_use]
pub fn mutate(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    let most = max_size.min(data.len());
    let size = size.min(data.len());
    let mut hasher = FxHasher::default();
    (&data[..size], seed).hash(&mut hasher);
    let mut bits = Seeded::new(hasher.finish());
    let made = another(&data[..size], most, &mut bits);
    data[..made.len()].copy_from_slice(&made);
    made.len()
}

/// An input of at most so many bytes, made of another.
fn another(input: &[u8], most: usize, bits: &mut Seeded) -> Vec<u8> {
    let dials = Dials::default();
    let read = memory::read(input, &dials).ok();
    if let Some(input) = &read
        && !bits.chance(1, AFRESH)
    {
        let mut altered = (0..ATTEMPTS).filter_map(|_| altered(input, most, bits));
        if let Some(altered) = altered.next() {
            return altered;
        }
    }
    let mut bytes = match &read {
        Some(input) if bits.chance(1, 2) => changed(input.bytes, bits),
        _ => fresh(bits),
    };
    bytes.truncate(most);
    let made = input::make(&bytes, &dials).ok();
    let wrapped = made.and_then(|made| fitting(made.layout, &made.scenario, &bytes, most));
    wrapped.unwrap_or(bytes)
}

/// The scenario with a few things changed, where that can be read again.
fn altered(input: &Input<'_>, most: usize, bits: &mut Seeded) -> Option<Vec<u8>> {
    let mut scenario = input.scenario.clone();
    for _ in 0..=bits.below(CHANGES) {
        scenario = alter(input.layout, scenario, bits);
    }
    let wrapped = fitting(input.layout, &scenario, input.bytes, most)?;
    let read = memory::read(&wrapped, &Dials::default()).is_ok();
    read.then_some(wrapped)
}

/// The envelope of a scenario that has at most so many bytes: without the generator's bytes, and with fewer
/// packets, if need be.
fn fitting(layout: Layout, scenario: &Scenario, bytes: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut scenario = scenario.clone();
    let wrapped = input::wrap(layout, &scenario, bytes).ok()?;
    if wrapped.len() <= most {
        return Some(wrapped);
    }
    loop {
        let wrapped = input::wrap(layout, &scenario, &[]).ok()?;
        let packets = scenario.batch.packets.len();
        if wrapped.len() <= most {
            return Some(wrapped);
        }
        if packets <= 1 {
            return None;
        }
        scenario.batch.packets.truncate(packets / 2);
    }
}

/// Bytes for the generator to begin with.
fn fresh(bits: &mut Seeded) -> Vec<u8> {
    let count = size_of::<u64>() + bits.below(FRESH);
    (0..count).map(|_| byte(bits)).collect()
}

/// The generator's bytes with one thing changed.
fn changed(bytes: &[u8], bits: &mut Seeded) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let place = bits.below(bytes.len());
    match bits.below(4) {
        _ if bytes.is_empty() => return fresh(bits),
        0 => bytes[place] = byte(bits),
        1 => bytes[place] ^= 1 << bits.below(8),
        2 => bytes.insert(place, byte(bits)),
        _ => drop(bytes.remove(place)),
    }
    bytes
}

fn byte(bits: &mut Seeded) -> u8 {
    let [byte, ..] = bits.next().to_le_bytes();
    byte
}
