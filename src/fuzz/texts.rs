//! Texts of resources, selectors and scenarios: whatever is read must be read again as it is written.

use crate::calico::selector::Selector;
use crate::calico::{read, write};
use crate::scenario::text;

/// Reads a text as resources, as a selector and as a scenario; what it is must come back unchanged from
/// what is written of it. Returns how many of the three it is.
///
/// # Panics
///
/// Where it does not.
pub fn read_and_write(input: &str) -> usize {
    let read = [resources(input), selector(input), scenario(input)];
    read.into_iter().flatten().count()
}

fn resources(input: &str) -> Option<()> {
    let resources = read::read("input", input).ok()?;
    let written = write::write(&resources).expect("resources are written");
    match read::read("written", &written) {
        Ok(again) => assert_eq!(again, resources, "written as\n{written}"),
        Err(why) => panic!("what was written is not read: {why}\n{written}"),
    }
    Some(())
}

fn selector(input: &str) -> Option<()> {
    let selector = input.parse::<Selector>().ok()?;
    let again: Selector = selector.as_str().parse().expect("its canonical spelling");
    assert_eq!(again.expression(), selector.expression());
    assert_eq!(again.as_str(), selector.as_str());
    Some(())
}

fn scenario(input: &str) -> Option<()> {
    let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let scenario = text::read("input", input, &nothing).ok()?;
    let written = text::write(&scenario).expect("a scenario is written");
    match text::read("written", &written, &nothing) {
        // Not the values: of which line a rule was read is one of them.
        Ok(again) => assert_eq!(text::write(&again).ok(), Some(written)),
        Err(why) => panic!("what was written is not read: {why}\n{written}"),
    }
    Some(())
}
