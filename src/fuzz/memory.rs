//! The scenarios read last, kept as they were read.
//!
//! The same envelope is read when it is made, when it is judged and whenever another is made of it, and under the
//! fuzzer's instruments reading a scenario takes longer than judging it.

use std::cell::RefCell;
use std::collections::VecDeque;

use super::input::{self, Input, NotAnInput};
use crate::arm::plan::Plan;
use crate::generate::world::Dials;
use crate::render::Layout;
use crate::scenario::Scenario;

/// How many are kept: libFuzzer makes most of its inputs of the youngest in its corpus.
const KEPT: usize = 64;

/// An input, read, without its bytes for the generator.
struct Read {
    layout: Layout,
    scenario: Scenario,
    plan: Plan,
    /// Where the generator's bytes begin.
    bytes: usize,
    seed: u64,
}

thread_local! {
    /// The youngest last. LibFuzzer gives a mutator nothing but bytes, so what it has read is kept here.
    static READ: RefCell<VecDeque<(Box<[u8]>, Read)>> = const { RefCell::new(VecDeque::new()) };
}

/// As [`input::read`], which it asks for what it does not remember.
///
/// # Errors
///
/// As [`input::read`].
pub(super) fn read<'a>(input: &'a [u8], dials: &Dials) -> Result<Input<'a>, NotAnInput> {
    if let Some(read) = READ.with_borrow(|kept| recalled(kept, input)) {
        return Ok(read);
    }
    let read = input::read(input, dials)?;
    if input::is_envelope(input) {
        READ.with_borrow_mut(|kept| keep(kept, input, &read));
    }
    Ok(read)
}

fn recalled<'a>(kept: &VecDeque<(Box<[u8]>, Read)>, input: &'a [u8]) -> Option<Input<'a>> {
    let (_, read) = kept.iter().rev().find(|(bytes, _)| **bytes == *input)?;
    Some(Input {
        layout: read.layout,
        scenario: read.scenario.clone(),
        plan: read.plan.clone(),
        bytes: &input[read.bytes..],
        seed: read.seed,
    })
}

fn keep(kept: &mut VecDeque<(Box<[u8]>, Read)>, input: &[u8], read: &Input<'_>) {
    if kept.len() == KEPT {
        kept.pop_front();
    }
    let read = Read {
        layout: read.layout,
        scenario: read.scenario.clone(),
        plan: read.plan.clone(),
        bytes: input.len() - read.bytes.len(),
        seed: read.seed,
    };
    kept.push_back((input.into(), read));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_what_was_read() -> Result<(), Box<dyn std::error::Error>> {
        let dials = Dials::default();
        let envelopes = (0..=u8::try_from(KEPT)?).map(|byte| {
            let bytes = [byte; 9];
            let made = input::make(&bytes, &dials)?;
            Ok(input::wrap(made.layout, &made.scenario, &[byte, 1, 2])?)
        });
        let envelopes: Vec<Vec<u8>> =
            envelopes.collect::<Result<_, Box<dyn std::error::Error>>>()?;
        // The first is forgotten for the last, and read again.
        for envelope in envelopes.iter().chain(&envelopes) {
            let (read, remembered) = (input::read(envelope, &dials)?, read(envelope, &dials)?);
            assert_eq!(remembered.scenario, read.scenario);
            assert_eq!(remembered.layout, read.layout);
            assert_eq!(remembered.bytes, read.bytes);
            assert_eq!(remembered.judged(), read.judged());
            assert!(READ.with_borrow(VecDeque::len) <= KEPT);
        }
        Ok(())
    }
}
