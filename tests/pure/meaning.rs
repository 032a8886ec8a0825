//! The intent against the chains that Felix 2.1.1 makes of the same world, in the model: from policies to
//! verdicts, on packets aimed at every rule.

use std::collections::BTreeMap;
use std::error::Error;

use calidiff::calico::{World, read, resolve};
use calidiff::claims::seed;
use calidiff::diff::meaning::{is_meant, sure};
use calidiff::generate::aim;
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::intent::{self, Era, Judge};
use calidiff::model::{Connections, Machine};
use calidiff::node::Node;
use calidiff::render::seed::render;
use calidiff::xtables::{Backend, Firewall};

use crate::known::{self, Difference, KNOWN};

type Outcome = Result<(), Box<dyn Error>>;

/// Packets beside the aimed ones.
const RANDOM: usize = 20_000;

/// The classes that the seed's nodes show; one that is no longer found fails the test, as does a
/// difference that none covers.
const SHOWN: [&str; 3] = [
    "neighbour discovery from a foreign address",
    "a workload's connection with itself",
    "IP in IP from a workload",
];

/// What the packets of one world came to.
#[derive(Debug, Default)]
struct Tally {
    judged: usize,
    unjudged: usize,
    /// How often each known class was found.
    known: [usize; KNOWN.len()],
    /// By who decided, how many that no class covers, and the first packet.
    unknown: BTreeMap<String, (usize, String)>,
    /// How often each branch of a clause decided.
    clauses: BTreeMap<String, usize>,
}

fn hold(world: &World, node: &Node) -> Result<Tally, Box<dyn Error>> {
    let mut firewall = Firewall::default();
    let mut without = Machine::new(Backend::Legacy, node, &firewall)?;
    render(world, node)?.install(&mut firewall);
    let mut with = Machine::new(Backend::Legacy, node, &firewall)?;
    let ground = Ground::new(node, &firewall);
    let aimed = aim::aim(&ground, &mut with, 1);
    let mut stream = Stream::new(&ground, Seeded::new(1), aimed.drafts);
    let random = std::iter::repeat_with(|| stream.draft().shot).take(RANDOM);
    let shots = aimed.shots.into_iter().chain(random);
    let judge = Judge::new(world, node, Era::Seed)?;
    let mut tally = Tally::default();
    for salvo in Batches::new(&ground, shots, 500) {
        let connections = &salvo.batch.connections;
        let (known, meant) = (
            Connections::new(connections),
            intent::Connections::new(connections),
        );
        for packet in &salvo.batch.packets {
            let opinion = judge.judge(packet, &meant);
            let (answer, base) = (with.judge(&known, packet), without.judge(&known, packet));
            let clause = opinion.decision.clause.to_string();
            *tally.clauses.entry(clause.clone()).or_default() += 1;
            match is_meant(&opinion, node, &answer, &base) {
                None => tally.unjudged += 1,
                Some(true) => tally.judged += 1,
                Some(false) => {
                    let (_, steps) = with.trace(&known, packet);
                    let found = Difference {
                        world,
                        node,
                        firewall: &firewall,
                        packet,
                        connections,
                        opinion: &opinion,
                        end: sure(&answer).ok_or("a difference without an end")?,
                        steps: &steps,
                    };
                    match known::class_of(&found) {
                        Some(class) => tally.known[class] += 1,
                        None => {
                            let words = judge.words(opinion.decision);
                            let text =
                                format!("{packet}: {} by {words}; {}", opinion.verdict, found.end);
                            let kind = format!("{} {clause}", opinion.verdict);
                            tally.unknown.entry(kind).or_insert((0, text)).0 += 1;
                        }
                    }
                }
            }
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
    let mut found = [0; KNOWN.len()];
    for scenario in seed::nodes()? {
        let world = resolve(&resources, &scenario.node.name);
        let tally = hold(&world, &scenario.node)?;
        assert!(tally.unknown.is_empty(), "{}: {tally:#?}", scenario.name);
        assert!(tally.judged > RANDOM && tally.unjudged < tally.judged / 20);
        for (sum, count) in found.iter_mut().zip(tally.known) {
            *sum += count;
        }
    }
    for (class, count) in KNOWN.iter().zip(found) {
        println!("{count} of {}: {}", class.name, class.why);
    }
    for name in SHOWN {
        let place = KNOWN.iter().position(|class| class.name == name);
        let count = place.map_or(0, |place| found[place]);
        assert!(count > 0, "{name} is no longer found");
    }
    Ok(())
}
