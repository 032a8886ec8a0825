//! What is written is read back.

use calidiff::calico::{read, resolve, write};
use proptest::prelude::*;

use super::made::resources;

/// Every kind of resource and most of what they can say, in both versions, and Kubernetes' own.
const EVERYTHING: [&str; 3] = [
    include_str!("../../../src/calico/fixtures/seed.yaml"),
    include_str!("../../../src/calico/fixtures/seed-v3.yaml"),
    super::kubernetes::POLICIES,
];

proptest! {
    #[test]
    fn resources_are_read_as_they_were_written(resources in resources()) {
        let text = write::write(&resources).expect("YAML");
        match read::read("written.yaml", &text) {
            Ok(again) => prop_assert_eq!(again, resources, "{}", text),
            Err(error) => prop_assert!(false, "{}\n{}", error, text),
        }
    }

    #[test]
    fn every_value_has_a_world(resources in resources()) {
        let nodes = resources.workloads.iter().map(|one| one.id.node.as_str());
        for node in nodes.chain(["nowhere"]) {
            let world = resolve(&resources, node);
            prop_assert!(world.peers.is_sorted_by(|a, b| a.by < b.by));
            prop_assert!(world.peers.iter().all(|peers| peers.members.is_sorted_by(|a, b| a < b)));
            prop_assert!(world.workloads.is_sorted_by(|a, b| a.name <= b.name));
            let here = resources.workloads.iter().filter(|one| one.id.node == node).count();
            prop_assert_eq!(world.workloads.len(), here);
            let policies: usize = world.tiers.iter().map(|tier| tier.policies.len()).sum();
            prop_assert_eq!(policies, resources.policies.len());
        }
    }

    #[test]
    fn no_change_to_a_file_stops_the_reading(
        which in 0..EVERYTHING.len(), start in 0_usize..12_000, length in 0_usize..20,
        inserted in "[ -~\n]{0,12}"
    ) {
        let mut text = EVERYTHING[which].to_owned();
        let start = start % text.len();
        let end = (start + length).min(text.len());
        prop_assume!(text.is_ascii());
        text.replace_range(start..end, &inserted);
        match read::read("changed.yaml", &text) {
            Ok(resources) => {
                let written = write::write(&resources).expect("YAML");
                match read::read("written.yaml", &written) {
                    Ok(again) => prop_assert_eq!(again, resources, "{}", text),
                    Err(error) => prop_assert!(false, "{}\n{}", error, text),
                }
            }
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.starts_with("changed.yaml:"), "{}", message);
            }
        }
    }
}

#[test]
fn the_seed_s_resources_are_read_as_they_were_written() {
    for text in EVERYTHING {
        let resources = read::read("seed.yaml", text).expect("resources");
        let written = write::write(&resources).expect("YAML");
        let again = read::read("again.yaml", &written).expect("what was written");
        assert_eq!(again, resources);
        assert_eq!(write::write(&again).expect("YAML"), written);
    }
}
