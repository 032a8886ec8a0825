//! `calidiff schema`.

use super::args::Schema;
use super::status::Status;
use super::terminal;
use crate::scenario::text;

/// Prints the JSON Schema of scenario files.
#[must_use]
pub fn run(Schema {}: &Schema) -> Status {
    terminal::print(format_args!("{:#}\n", text::schema().as_value()));
    Status::Agreed
}
