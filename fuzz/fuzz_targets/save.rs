//! No restore file makes the parser panic, and what is read is read again from its print.
#![no_main]

use calidiff::packet::Family;
use calidiff::xtables::save::{Style, parse, print};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let rulesets = Family::BOTH.iter().flat_map(|family| parse("text", text, *family));
    rulesets.for_each(|ruleset| {
        let printed = print(&ruleset, Style { counters: true });
        let again = parse("printed", &printed, ruleset.family).expect("the print reads back");
        assert_eq!(print(&again, Style { counters: true }), printed);
    });
});
