//! No YAML makes the readers of resources, selectors and scenarios panic, and what is read is written as the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|text: &str| {
    calidiff::fuzz::texts::read_and_write(text);
});
