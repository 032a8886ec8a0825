//! What the fuzz targets do, so that they are a few lines each.
//!
//! * [`input`]: bytes taken for a scenario: the generator's, or an envelope that keeps one;
//! * [`mod@mutate`]: one input made of another; `alter`: one thing changed in a scenario;
//! * [`judges`]: a scenario before the judges, and what is a finding; [`trail`]: which rules and clauses it
//!   reached, for the fuzzer to be guided by;
//! * `memory`: the scenarios read last, for reading takes long under the fuzzer's instruments;
//! * [`texts`]: texts of resources, selectors and scenarios, read and written.

mod alter;
pub mod input;
pub mod judges;
mod memory;
pub mod mutate;
pub mod texts;
pub mod trail;
