//! Policies and packets before intent, model and the kernels: whoever differs has a known reason.
#![no_main]

use calidiff::cli::machine::enter_or_exit;
use calidiff::fuzz::{judges::Judges, mutate::mutate};
use calidiff_fuzz::{judge, start};
use libfuzzer_sys::{Corpus, fuzz_mutator, fuzz_target};

fuzz_target!(init: { start(); enter_or_exit() }, |input: &[u8]| -> Corpus {
    judge("policy", "", Judges::with_kernels, input)
});

fuzz_mutator!(|data: &mut [u8], size: usize, most: usize, seed: u32| {
    mutate(data, size, most, seed)
});
