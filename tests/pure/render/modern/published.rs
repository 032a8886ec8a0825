//! Rules of dumps that other people published: those that all versions since 3.8 write alike bear the
//! hashes that the renderer makes.

use std::collections::BTreeSet;
use std::error::Error;

use calidiff::calico::resources::Resources;
use calidiff::calico::{read, resolve};
use calidiff::render::modern::draft;

use super::worlds;

/// A dump by the end of its file's name, its workload's interface and its beginning, and how many of its
/// rules all versions write alike at least: the jump from FORWARD (if it is shown), and in both of the
/// workload's chains what is asked of connection tracking. Of dispatch chains parts are shown only.
const DUMPS: [(&str, &str, &str, usize); 3] = [
    ("cali-aks-azurecni-2024.save", "azve0cf0fbcf9f", "azv", 4),
    ("cali-gke-2019-a-deny.save", "cali92d634f8f03", "cali", 5),
    (
        "cali-gke-2019-b-allow-set.save",
        "cali92d634f8f03",
        "cali",
        5,
    ),
];

/// One workload behind an interface.
fn resources(interface: &str, prefix: &str) -> Result<Resources, Box<dyn Error>> {
    let text = format!(
        "apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {{name: default}}
spec: {{interfacePrefix: {prefix}}}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {{namespace: demo}}
spec: {{node: here, orchestrator: k8s, pod: demo, endpoint: eth0, interfaceName: {interface},
  profiles: [kns.demo, ksa.demo.default]}}
"
    );
    Ok(read::read("made", &text)?)
}

/// Each rule's chain and hash.
fn hashes(text: &str) -> BTreeSet<(String, String)> {
    let rules = text.lines().filter_map(|line| {
        let chain = line.strip_prefix("-A ")?.split(' ').next()?;
        let hash = line.split("\"cali:").nth(1)?.split('"').next()?;
        Some((chain.to_owned(), hash.to_owned()))
    });
    rules.collect()
}

#[test]
fn rules_that_all_versions_write_bear_the_published_hashes() -> Result<(), Box<dyn Error>> {
    let Some(folder) = std::env::var_os("CALIDIFF_CORPUS") else {
        eprintln!("CALIDIFF_CORPUS is not set: the published dumps are not looked at");
        return Ok(());
    };
    for (file, interface, prefix, alike) in DUMPS {
        let world = resolve(&resources(interface, prefix)?, "here");
        let draft = draft(&world, &worlds::node(false))?;
        let ours = hashes(&draft.text(calidiff::packet::Family::V4));
        let path = std::path::Path::new(&folder).join(file);
        let theirs = hashes(&std::fs::read_to_string(path)?);
        let both: Vec<_> = theirs.intersection(&ours).collect();
        assert!(both.len() >= alike, "{file}: {both:?}");
    }
    Ok(())
}
