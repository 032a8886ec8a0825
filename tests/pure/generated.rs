//! Generated scenarios: that the API takes them; what Felix makes of them against what they mean; and of
//! what kinds they and their packets are.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::{Duration, Instant};

use calidiff::arm::plan::Plan;
use calidiff::calico::{read, resolve, write};
use calidiff::campaign::finding::Divergence;
use calidiff::campaign::trial::Expected;
use calidiff::diff::judgement::Outcome as Judged;
use calidiff::diff::meaning::sure;
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::{Given, Seeded};
use calidiff::generate::traffic::Traffic;
use calidiff::generate::world::{Dials, Features, scenario, scenario_with};
use calidiff::intent::Clause;
use calidiff::model::Connections;
use calidiff::node;
use calidiff::render::{Layout, seed};
use calidiff::scenario::Scenario;
use calidiff::xtables::{Backend, TableName};
use proptest::prelude::*;

use crate::known::{self, Difference, KNOWN};

type Outcome = Result<(), Box<dyn Error>>;

/// How many packets each world gets.
const PACKETS: usize = 40;

fn holds(made: &Scenario) -> Outcome {
    let resources = made.resources.as_ref().ok_or("no resources")?;
    let text = write::write(resources)?;
    let read = read::read("generated.yaml", &text).map_err(|error| format!("{error}\n{text}"))?;
    assert_eq!(&read, resources, "{text}");
    let text = node::text::write(&made.node)?;
    assert_eq!(node::text::read("node.yaml", &text)?, made.node);
    seed::draft(&resolve(resources, &made.node.name), &made.node)?;
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_a_scenario_that_the_api_takes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        holds(&scenario(&mut Given::new(&bytes), &Dials::default())).map_err(|error| TestCaseError::fail(error.to_string()))?;
    }

    #[test]
    fn any_seed_is_a_scenario_that_the_api_takes(seed: u64) {
        holds(&scenario(&mut Seeded::new(seed), &Dials::default())).map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
}

/// What many worlds came to.
#[derive(Debug, Default)]
struct Tally {
    worlds: usize,
    rules: usize,
    packets: usize,
    unjudged: usize,
    verdicts: BTreeMap<String, usize>,
    deciding: BTreeMap<Clause, usize>,
    taking_part: BTreeMap<Clause, usize>,
    features: BTreeMap<String, usize>,
    refused: BTreeMap<String, usize>,
    unplanned: BTreeMap<String, (usize, u64)>,
    /// How often each known class was found.
    known: [usize; KNOWN.len()],
    /// Classes that none covers: how many, and the first packet with its world's seed.
    unknown: BTreeMap<String, (usize, String)>,
    making: Duration,
    aiming: Duration,
}

impl Tally {
    fn hold(&mut self, seed: u64, packets: usize) -> Outcome {
        let mut bits = Seeded::new(seed);
        let dials = Dials::default();
        let start = Instant::now();
        let features = Features::draw(&mut bits, &dials);
        let made = scenario_with(&mut bits, &dials, features);
        self.making += start.elapsed();
        self.worlds += 1;
        for feature in features.iter() {
            *self.features.entry(feature.to_string()).or_default() += 1;
        }
        let mut plan = match Plan::new(Layout::Seed, &made) {
            Ok(plan) => plan,
            Err(why) => {
                let entry = self.unplanned.entry(why.to_string()).or_insert((0, seed));
                entry.0 += 1;
                return Ok(());
            }
        };
        for family in calidiff::packet::Family::BOTH {
            self.rules += plan.firewall.ruleset(family).rules().count();
        }
        let calico = plan.calico.clone().ok_or("no Calico")?;
        let (node, firewall) = (plan.node.clone(), plan.firewall.clone());
        let start = Instant::now();
        let traffic = Traffic::new(&calico.world, &node, &firewall);
        let shots = traffic.shots(&mut bits, packets);
        let salvos: Vec<_> = Batches::new(traffic.ground(), shots.into_iter(), 500).collect();
        self.aiming += start.elapsed();
        for salvo in salvos {
            let expected = Expected::of(&mut plan.bench()?, &[Backend::Legacy], &salvo.batch);
            for (place, packet) in salvo.batch.packets.iter().enumerate() {
                if let Some(why) = calico.refused(packet.family()) {
                    let reason = why
                        .message
                        .split_once(": ")
                        .map_or("", |(_, reason)| reason);
                    *self.refused.entry(reason.to_owned()).or_default() += 1;
                    continue;
                }
                self.packets += 1;
                let said = expected.said(&node, [None, None], place);
                let opinion = said.opinion.ok_or("no opinion")?;
                let deciding = opinion.decision.clause;
                *self.deciding.entry(deciding).or_default() += 1;
                for clause in opinion.clauses.iter().filter(|clause| *clause != deciding) {
                    *self.taking_part.entry(clause).or_default() += 1;
                }
                *self
                    .verdicts
                    .entry(opinion.verdict.to_string())
                    .or_default() += 1;
                match said.outcome() {
                    Judged::Agree => continue,
                    Judged::Unjudged(_) => {
                        self.unjudged += 1;
                        continue;
                    }
                    Judged::Differ(_) => {}
                }
                let model = &expected.models[Backend::Legacy.place()][place];
                let end = sure(model).ok_or("a difference without an end")?;
                let connections = Divergence::connections_of(&salvo.batch, packet);
                let machine = plan.machine(Backend::Legacy);
                let (_, steps) = machine.trace(&Connections::new(&connections), packet);
                let found = Difference {
                    world: &calico.world,
                    node: &node,
                    firewall: &firewall,
                    packet,
                    connections: &connections,
                    opinion,
                    end,
                    steps: &steps,
                };
                match known::class_of(&found) {
                    Some(class) => self.known[class] += 1,
                    None => {
                        let judge = calico.judge(&node)?;
                        let words = judge.words(opinion.decision);
                        let [filter, nat] =
                            [TableName::Filter, TableName::Nat].map(|table| found.decided(table).1);
                        let clause = opinion.decision.clause;
                        let known: Vec<String> =
                            connections.iter().map(ToString::to_string).collect();
                        let known = known.join(", ");
                        let text = format!(
                            "seed {seed}: {packet} ({known}): {} by {words}, {:?}; {end}",
                            opinion.verdict, opinion.exit
                        );
                        let kind = format!("{} by {clause}: {filter}; {nat}", opinion.verdict);
                        self.unknown.entry(kind).or_insert((0, text)).0 += 1;
                    }
                }
            }
        }
        Ok(())
    }

    fn print(&self) {
        let share = |count: usize| 100.0 * count as f64 / self.packets as f64;
        println!(
            "{} worlds, {} packets, {} unjudged, {} rules a world",
            self.worlds,
            self.packets,
            self.unjudged,
            self.rules / self.worlds.max(1)
        );
        println!(
            "making {:?} a world, aiming {:?}",
            self.making / self.worlds as u32,
            self.aiming / self.worlds as u32
        );
        for (verdict, count) in &self.verdicts {
            println!("{verdict}: {:.1} %", share(*count));
        }
        for clause in Clause::ALL {
            let of = |counts: &BTreeMap<Clause, usize>| counts.get(clause).copied().unwrap_or(0);
            println!(
                "{clause}: decided {}, took part {}",
                of(&self.deciding),
                of(&self.taking_part)
            );
        }
        for (feature, count) in &self.features {
            print!("{feature} {count}, ");
        }
        println!();
        for (why, count) in &self.refused {
            println!("refused {count}: {why}");
        }
        for (why, (count, seed)) in &self.unplanned {
            println!("unplanned {count}: {why} (seed {seed})");
        }
        for (class, count) in KNOWN.iter().zip(self.known) {
            println!("known {count}: {}: {}", class.name, class.why);
        }
        let mut unknown: Vec<_> = self.unknown.iter().collect();
        unknown.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        for (class, (count, text)) in unknown {
            println!("UNKNOWN {count}: {class}\n    {text}");
        }
    }
}

/// `CALIDIFF_WORLDS` says how many, from which seed on.
fn wanted() -> (u64, u64) {
    let text = std::env::var("CALIDIFF_WORLDS").unwrap_or_default();
    let (count, first) = text.split_once('@').unwrap_or((&text, "0"));
    (count.parse().unwrap_or(300), first.parse().unwrap_or(0))
}

#[test]
fn what_felix_makes_of_generated_worlds_is_what_they_mean_but_for_what_is_known() -> Outcome {
    let (count, first) = wanted();
    let mut tally = Tally::default();
    for seed in first..first + count {
        tally.hold(seed, PACKETS)?;
    }
    tally.print();
    for (verdict, count) in &tally.verdicts {
        assert!(
            count * 10 < tally.packets * 7,
            "{verdict} is nearly all there is"
        );
    }
    assert!(tally.unplanned.is_empty(), "{:?}", tally.unplanned);
    assert!(tally.unknown.is_empty(), "{:#?}", tally.unknown);
    Ok(())
}
