//! Policies and packets before intent and model, without privileges: where they differ there is a known reason.
#![no_main]

use calidiff::fuzz::{judges::Judges, mutate::mutate};
use calidiff_fuzz::{judge, start};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(init: start(), |input: &[u8]| -> Corpus {
    judge("intent", " --arms model", Judges::without_kernels, input)
});

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, size, most, seed)
});
