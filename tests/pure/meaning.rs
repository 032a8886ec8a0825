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

type Outcome = Result<(), Box<dyn Error>>;

/// Packets beside the aimed ones.
const RANDOM: usize = 20_000;

/// Where Felix 2.1.1 does not do what the policies mean, by what the intent says and by which clause: each
/// with who is right. One that is no longer found fails the test, as does one that is new.
const KNOWN: [(&str, &str); 3] = [
    (
        "allow I7.neighbours",
        "A neighbour discovery message that a workload sends from an address that is not its own ends in \
         raw PREROUTING of ip6tables, at `-m rpfilter --invert -j DROP`, before cali-wl-to-host would accept \
         it. I7 allows such messages always, I6 denies foreign sources always: the clauses don't say which \
         goes first, and Felix's order is the safer one.",
    ),
    (
        "deny I3.policy-denies",
        "The later packet of a connection that a workload has with itself, by one address and one port: both \
         of its keys are the same, connection tracking finds it by the reply's, and the packet passes as \
         ESTABLISHED though nobody has answered. The intent is right; the kernel lets it pass.",
    ),
    (
        "deny I6.encapsulated",
        "IP in IP that a workload sends to its own node: nothing in Felix 2.1.1 denies it, as later versions do. \
         The intent is right.",
    ),
];

/// What the packets of one world came to.
#[derive(Debug, Default)]
struct Tally {
    judged: usize,
    unjudged: usize,
    /// By who decided, how many, and the first packet.
    differ: BTreeMap<String, (usize, String)>,
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
                    let text = || {
                        let end = sure(&answer).map(|end| end.to_string());
                        let words = judge.words(opinion.decision);
                        let end = end.unwrap_or_default();
                        format!("{packet}: {words}; meant {:?}; {end}", opinion.exit)
                    };
                    let kind = format!("{} {clause}", opinion.verdict);
                    let kind = tally.differ.entry(kind).or_insert_with(|| (0, text()));
                    kind.0 += 1;
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
    let mut found = BTreeMap::new();
    for scenario in seed::nodes()? {
        let world = resolve(&resources, &scenario.node.name);
        let tally = hold(&world, &scenario.node)?;
        println!("{}: {tally:#?}", scenario.name);
        assert!(tally.judged > RANDOM && tally.unjudged < tally.judged / 20);
        found.extend(tally.differ);
    }
    let known: Vec<&str> = KNOWN.iter().map(|(class, _)| *class).collect();
    let classes: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(classes, known, "{found:#?}");
    Ok(())
}
