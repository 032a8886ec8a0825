//! No text makes the parser of sets panic, and what is read is read again from both prints.
#![no_main]

use calidiff::xtables::ipset::{parse, print_list, print_save};

libfuzzer_sys::fuzz_target!(|text: &str| {
    parse("text", text).into_iter().for_each(|sets| {
        let printed = print_save(&sets);
        let again = parse("saved", &printed).expect("the saved text reads back");
        assert_eq!(print_save(&again), printed);
        let again = parse("listed", &print_list(&sets)).expect("the listing reads back");
        assert_eq!(print_save(&again), printed);
    });
});
