//! The intent against the chains that Felix 2.1.1 makes of the same world, in the model: from policies to
//! verdicts, on packets aimed at every rule.

use std::collections::BTreeMap;
use std::error::Error;

use calidiff::calico::{World, read, resolve};
use calidiff::claims::seed;
use calidiff::diff::meaning::{End, is_meant, sure};
use calidiff::generate::aim;
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::intent::{self, Clause, Era, Judge, Opinion, Verdict};
use calidiff::model::{Connections, Machine};
use calidiff::node::Node;
use calidiff::packet::{Connection, Origin, Packet, Protocol};
use calidiff::render::seed::render;
use calidiff::xtables::{Backend, Firewall};

type Outcome = Result<(), Box<dyn Error>>;

/// Packets beside the aimed ones.
const RANDOM: usize = 20_000;

/// A difference between what is meant and what is done.
struct Difference<'a> {
    world: &'a World,
    packet: &'a Packet,
    connections: &'a [Connection],
    opinion: &'a Opinion,
    end: End,
}

/// Where Felix 2.1.1 does not do what the policies mean: no more than this.
struct Class {
    name: &'static str,
    /// Who is right, and why.
    why: &'static str,
    covers: fn(&Difference<'_>) -> bool,
}

/// One that is no longer found fails the test, as does a difference that none covers.
const KNOWN: [Class; 3] = [
    Class {
        name: "neighbour discovery from a foreign address",
        why: "What a workload sends from an address that is not its own ends in raw PREROUTING of ip6tables, \
              at `-m rpfilter --invert -j DROP`, before cali-wl-to-host would accept neighbour discovery. I7 \
              allows that always, I6 denies foreign sources always: the clauses don't say which goes first, \
              and Felix's order is the safer one.",
        covers: |found| {
            let workloads = found.world.workloads.iter();
            let mut own = workloads
                .filter(|one| found.packet.origin == Origin::Arrives(one.interface))
                .flat_map(|one| &one.addresses);
            found.opinion.verdict == Verdict::Allow
                && found.opinion.decision.clause == Clause::I7Neighbours
                && found.end == End::Lost
                && !own.any(|address| *address == found.packet.source)
        },
    },
    Class {
        name: "a workload's connection with itself",
        why: "By one address and one port both keys of a connection are the same; connection tracking finds \
              it by the reply's, and a later packet passes as ESTABLISHED though nobody has answered. The \
              intent is right; the kernel lets the packet pass.",
        covers: |found| {
            let itself = |one: &Connection| {
                one.original == one.reply && one.original == found.packet.tuple()
            };
            found.opinion.verdict == Verdict::Deny
                && found.opinion.decision.clause == Clause::I3PolicyDenies
                && found.connections.iter().any(itself)
        },
    },
    Class {
        name: "IP in IP from a workload",
        why: "Nothing in Felix 2.1.1 denies it, as later versions do. The intent is right.",
        covers: |found| {
            found.opinion.decision.clause == Clause::I6Encapsulated
                && found.packet.protocol() == Protocol::IPIP
                && found.end != End::Lost
        },
    },
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
                    let found = Difference {
                        world,
                        packet,
                        connections,
                        opinion: &opinion,
                        end: sure(&answer).ok_or("a difference without an end")?,
                    };
                    match KNOWN.iter().position(|class| (class.covers)(&found)) {
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
        assert!(count > 0, "{} is no longer found", class.name);
    }
    Ok(())
}
