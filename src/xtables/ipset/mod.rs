//! `ipset save` and `ipset list` text, read and written; restore files that people write by hand read
//! as well.
//!
//! * [`words`]: lines and words;
//! * [`header`]: kinds of sets and their options;
//! * [`element`]: elements and their extensions;
//! * [`orders`]: `create`, `add` and their kin, as `ipset restore` obeys them;
//! * [`listing`]: the blocks of `ipset list`.

mod element;
mod header;
mod listing;
mod orders;
mod words;

pub use listing::print_list;
pub use orders::print_save;

use super::error::ParseError;
use super::set::Set;

/// Reads the text of `ipset save` or of `ipset list`, whichever it is; `source_name` stands for it in
/// errors.
///
/// Addresses are cut to their set's netmask and prefixes to their length, as the kernel does on
/// adding.
///
/// # Errors
///
/// The first place that `ipset restore` would refuse for the text alone, or where a listing is none.
pub fn parse(source_name: &str, text: &str) -> Result<Vec<Set>, ParseError> {
    let is_listing = words::lines(text)
        .find(|line| !line.is_empty())
        .is_some_and(|line| line.text.starts_with("Name:"));
    let sets = match is_listing {
        true => listing::read(text),
        false => orders::read(text),
    };
    sets.map_err(|problem| ParseError::new(source_name, text, problem))
}
