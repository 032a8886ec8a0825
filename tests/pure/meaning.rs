//! The intent against the chains that Felix 2.1.1 makes of the same world, in the model: from policies to
//! verdicts, on packets aimed at every rule.
//!
//! Where they differ, the ledger knows the class; one that it does not know fails the test, and is saved
//! there to be explained and reviewed.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;

use calidiff::arm;
use calidiff::arm::plan::Plan;
use calidiff::calico::read;
use calidiff::campaign::shrink::Questions;
use calidiff::campaign::trial::Panel;
use calidiff::claims::seed;
use calidiff::diff::judgement::Outcome as Judged;
use calidiff::diff::ledger::{Ledger, folder};
use calidiff::generate::aim;
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::packet::Batch;
use calidiff::render::Layout;
use calidiff::report::keep::{info, save, understand};
use calidiff::scenario::{Scenario, text};
use calidiff::xtables::{Backend, Firewall};

type Outcome = Result<(), Box<dyn Error>>;

/// Packets beside the aimed ones.
const RANDOM: usize = 20_000;

/// The known divergences of the seed's nodes: each is found.
const FOUND: [&str; 3] = [
    "a-workloads-connection-with-itself",
    "ip-in-ip-from-a-workload",
    "neighbour-discovery-from-a-foreign-address",
];

/// What the packets of one node came to.
#[derive(Debug, Default)]
struct Tally {
    judged: usize,
    unjudged: usize,
    /// How often each known class was found, by its id.
    known: BTreeMap<String, usize>,
    /// The classes that the ledger lacks, by their ids.
    unknown: BTreeMap<String, String>,
}

fn hold(scenario: &Scenario, ledger: &Ledger) -> Result<Tally, Box<dyn Error>> {
    let layout = Layout::Seed;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder(layout));
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    let mut plan = Plan::new(layout, scenario)?;
    let firewall = plan.firewall.clone();
    let ground = Ground::new(&scenario.node, &firewall);
    let aimed = aim::aim(&ground, plan.machine(Backend::Legacy), 1);
    let mut stream = Stream::new(&ground, Seeded::new(1), aimed.drafts);
    let random = std::iter::repeat_with(|| stream.draft().shot).take(RANDOM);
    let shots = aimed.shots.into_iter().chain(random);
    let mut tally = Tally::default();
    for salvo in Batches::new(&ground, shots, 500) {
        let batch = &salvo.batch;
        let trial = panel.judge(&mut plan, batch)?;
        for packet in 0..batch.packets.len() {
            match trial.outcome(&scenario.node, packet) {
                Judged::Unjudged(_) => tally.unjudged += 1,
                Judged::Agree | Judged::Differ(_) => tally.judged += 1,
            }
        }
        for (packet, class) in trial.classes(&mut plan, batch) {
            if ledger.has(&class) {
                *tally.known.entry(class.id()).or_default() += 1;
                continue;
            }
            if tally.unknown.contains_key(&class.id()) {
                continue;
            }
            tally.unknown.insert(class.id(), class.to_string());
            let found = Scenario {
                batch: batch.clone(),
                ..scenario.clone()
            };
            let questions = Questions::default();
            let kept = understand(&mut panel, layout, &found, packet, &class, questions)?;
            save(&mut panel, layout, &kept, &folder, &info(layout, Some(1)))?;
        }
    }
    Ok(tally)
}

#[test]
fn the_seeds_nodes_do_what_their_policies_mean_but_for_what_is_known() -> Outcome {
    let resources = read::read(
        "seed.yaml",
        include_str!("../../src/calico/fixtures/seed.yaml"),
    )?;
    let ledger = Ledger::read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder(Layout::Seed)))?;
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for node in seed::nodes()? {
        let scenario = Scenario {
            firewall: Firewall::default(),
            resources: Some(resources.clone()),
            completed: Vec::new(),
            batch: Batch::default(),
            ..node
        };
        let tally = hold(&scenario, &ledger)?;
        assert!(tally.unknown.is_empty(), "{}: {tally:#?}", scenario.name);
        assert!(tally.judged > RANDOM && tally.unjudged < tally.judged / 20);
        for (id, count) in tally.known {
            *known.entry(id).or_default() += count;
        }
    }
    for (id, count) in &known {
        println!("{count} of {id}");
    }
    for id in FOUND {
        assert!(known.contains_key(id), "{id} is no longer found");
    }
    Ok(())
}

/// What a `doNotTrack` policy allows is untracked for whoever comes behind Calico: nobody translates it, though its
/// connection is there, and so nobody sends it another way.
#[test]
fn what_do_not_track_leaves_to_the_rest_is_untracked_there() -> Outcome {
    let scenario = text::read(
        "untracked.yaml",
        "
name: untracked
node:
  name: node
  interfaces:
  - {name: eth0}
  routes:
  - {destination: 0.0.0.0/0, to: {unicast: {interface: eth0}}}
resources:
- apiVersion: projectcalico.org/v3
  kind: FelixConfiguration
  metadata: {name: default}
  spec: {iptablesFilterAllowAction: Return}
- apiVersion: projectcalico.org/v3
  kind: GlobalNetworkPolicy
  metadata: {name: policy-1}
  spec: {selector: all(), applyOnForward: true, doNotTrack: true, egress: [{action: Allow}]}
- apiVersion: projectcalico.org/v3
  kind: HostEndpoint
  metadata: {name: host-9}
  spec: {node: node, interfaceName: eth0}
connections:
- tcp 127.0.0.2:5474 > 203.0.113.201:8080 answers=(tcp 10.65.0.65:8080 > 127.0.0.2:5474) replied
packets:
- from=node tcp 127.0.0.2:5474 > 203.0.113.201:8080
",
        &|name| Err(std::io::Error::other(name.to_owned())),
    )?;
    let mut panel = Panel::new(&Backend::BOTH, &[], &arm::make)?;
    let mut plan = Plan::new(Layout::Modern, &scenario)?;
    let trial = panel.judge(&mut plan, &scenario.batch)?;
    let outcome = trial.outcome(&scenario.node, 0);
    assert!(matches!(outcome, Judged::Agree), "{outcome:?}");
    Ok(())
}
