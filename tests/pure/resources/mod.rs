//! Resources as people write them: what is refused, what they come to on a node, and that what is
//! written is read back.

mod era;
pub mod kubernetes;
pub mod made;
mod mistakes;
mod modern;
mod world;
mod written;

/// Holds a page against its snapshot.
fn assert_page(name: &str, page: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(concat!(env!("CARGO_MANIFEST_DIR"), "/snapshots/resources"));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, page));
}
