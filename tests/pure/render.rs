//! What the renderer writes is what Felix writes.

mod modern;
mod options;
mod refused;
mod seed;
mod shapes;
mod spelling;
pub mod worlds;

use calidiff::packet::Family;
use calidiff::render::table::Rendered;
use calidiff::xtables::save::{self, Style, print_rule};
use calidiff::xtables::{Firewall, Ruleset, TableName};

/// A firewall with nothing but what is rendered.
fn alone(rendered: Rendered) -> Firewall {
    let mut firewall = Firewall::default();
    rendered.install(&mut firewall);
    firewall
}

/// A ruleset as iptables-save prints it.
fn print(ruleset: &Ruleset) -> String {
    save::print(ruleset, Style::default())
}

/// The lines of a chain, with their hashes.
fn lines(firewall: &Firewall, family: Family, table: TableName, chain: &str) -> Vec<String> {
    let found = firewall.ruleset(family).table(table);
    let found = found.and_then(|table| table.chain(chain));
    let rules = found.into_iter().flat_map(|chain| &chain.rules);
    rules.map(|rule| print_rule(chain, rule, family)).collect()
}

/// Both families' rulesets.
fn both(firewall: &Firewall) -> [&Ruleset; 2] {
    Family::BOTH.map(|family| firewall.ruleset(family))
}

/// Runs a snapshot's assertion in the renderer's folder.
fn in_folder(assertion: impl FnOnce()) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/render"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(assertion);
}
