//! Where a check's packets come from: the aimed ones first, then as many random ones as are wanted.

use super::check::Pairs;
use super::{Options, Subject};
use crate::generate::aim::{self, Aimed};
use crate::generate::batch::{Batches, Salvo};
use crate::generate::bits::Seeded;
use crate::generate::ground::Ground;
use crate::generate::random::Stream;
use crate::model::Machine;
use crate::packet::Batch;
use crate::xtables::Backend;

/// How many packets are put together at the most: what the kernel room takes at once.
const SIZE: usize = 4000;

/// The packets of a check, in numbered units. A unit is made anew by whoever takes it, from the seed
/// and its number alone.
pub struct Source<'a> {
    ground: Ground<'a>,
    aimed: Aimed,
    salvos: Vec<Salvo>,
    seed: u64,
    random: u64,
}

impl<'a> Source<'a> {
    /// The packets for a subject, aimed at its rules as the first of the backends reads them that loads
    /// them; none where none does.
    pub fn new(subject: &'a Subject, options: &Options) -> Self {
        let ground = Ground::new(&subject.node, &subject.firewall);
        let load =
            |backend: &Backend| Machine::new(*backend, &subject.node, &subject.firewall).ok();
        let machine = options.backends.iter().find_map(load);
        let loaded = machine.is_some();
        let aimed = machine.map_or_else(Aimed::default, |mut machine| {
            aim::aim(&ground, &mut machine, options.seed)
        });
        let mut salvos: Vec<Salvo> =
            Batches::new(&ground, aimed.shots.iter().cloned(), SIZE).collect();
        let mut left = usize::try_from(options.packets).unwrap_or(usize::MAX);
        for salvo in &mut salvos {
            let keep = left.min(salvo.places.len());
            salvo.batch.packets.truncate(keep);
            salvo.places.truncate(keep);
            left -= keep;
        }
        salvos.retain(|salvo| !salvo.places.is_empty());
        let random = if loaded { left as u64 } else { 0 };
        Self {
            ground,
            aimed,
            salvos,
            seed: options.seed,
            random,
        }
    }

    /// The batches of a unit, to be sent one after the other; `None` behind the last unit.
    pub fn unit(&self, number: u64) -> Option<Vec<Batch>> {
        let index = usize::try_from(number).ok()?;
        if let Some(salvo) = self.salvos.get(index) {
            return Some(vec![salvo.batch.clone()]);
        }
        let before = (index - self.salvos.len()) as u64 * SIZE as u64;
        let wanted = self.random.checked_sub(before).filter(|left| *left > 0)?;
        let count = usize::try_from(wanted).map_or(SIZE, |left| left.min(SIZE));
        // A golden-ratio stride keeps the seeds of neighbouring units far apart.
        let bits = Seeded::new(self.seed ^ (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut stream = Stream::new(&self.ground, bits, self.aimed.drafts.clone());
        let shots = std::iter::repeat_with(|| stream.draft().shot).take(count);
        Some(
            Batches::new(&self.ground, shots, SIZE)
                .map(|salvo| salvo.batch)
                .collect(),
        )
    }

    /// How many boundaries there are, and how many packets for them are sent.
    pub fn pairs(&self) -> Pairs {
        let mut sent = vec![false; self.aimed.shots.len()];
        for place in self.salvos.iter().flat_map(|salvo| &salvo.places) {
            sent[*place] = true;
        }
        let pairs = &self.aimed.pairs;
        Pairs {
            all: pairs.len(),
            sent: pairs.iter().filter(|pair| sent[pair.shot]).count(),
            reached: pairs
                .iter()
                .filter(|pair| sent[pair.shot] && pair.reached)
                .count(),
        }
    }
}
