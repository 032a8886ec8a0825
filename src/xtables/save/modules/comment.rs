//! `-m comment` (extensions/libxt_comment.c).

use super::{Module, module};
use crate::xtables::matches::Match;
use crate::xtables::save::options::option;
use crate::xtables::save::text::{Quoted, Text};
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 1] =
    [module("comment", &[option("comment", 1)], |options| {
        let comment = options.required("comment", value::text)?;
        Ok(Match::Comment(comment.value))
    })];

pub(super) fn write(text: &mut Text, comment: &str) {
    text.module("comment");
    text.option("comment", Quoted(comment));
}
