//! What a packet costs the model, what text costs its parsers, and what packets cost to make, on the
//! seed's node slave1; then, where this machine lets it, model and kernel side by side, which is what
//! `calidiff bench` prints.

use std::fmt::Write;
use std::hint::black_box;

use calidiff::campaign::Subject;
use calidiff::campaign::load::Load;
use calidiff::campaign::run::Case;
use calidiff::claims::seed;
use calidiff::generate::bits::Seeded;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::generate::world::Dials;
use calidiff::model::Connections;
use calidiff::packet::{Batch, Family};
use calidiff::render::Layout;
use calidiff::xtables::{Backend, ipset, save};
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};

const SEED: u64 = 1;
/// How many elements the set has that is parsed.
const ELEMENTS: u32 = 10_000;
/// How many packets are made at a time.
const MADE: usize = 1_000;

fn main() {
    // Before the first thread: without privileges this moves into a user namespace.
    #[cfg(target_os = "linux")]
    let right = calidiff::kernel::privilege();
    divan::main();
    // Some of the functions above were asked for by name, or only their list.
    if std::env::args()
        .skip(1)
        .any(|argument| argument != "--bench")
    {
        return;
    }
    #[cfg(target_os = "linux")]
    let outcome = right
        .map_err(|error| error.to_string())
        .and_then(|_| beside_the_kernel());
    #[cfg(not(target_os = "linux"))]
    let outcome = Err("it takes a Linux".to_owned());
    match outcome {
        Ok(figures) => print!("\n{figures}"),
        Err(why) => println!("\nLeft out: the kernel beside the model: {why}"),
    }
}

#[cfg(target_os = "linux")]
fn beside_the_kernel() -> Result<String, String> {
    let figures = calidiff::campaign::bench::measure(&slave1(), &Backend::BOTH, SEED);
    figures
        .map(|figures| calidiff::report::bench::text(&figures))
        .map_err(|failure| failure.to_string())
}

fn slave1() -> Subject {
    let [slave1, _] = seed::nodes().expect("the seed's fixtures are right");
    Subject {
        name: slave1.name,
        node: slave1.node,
        firewall: slave1.firewall,
        assumptions: Vec::new(),
        planted: None,
    }
}

/// The model on one packet of these after the other.
fn judge(bencher: Bencher<'_, '_>, choose: fn(Load) -> (calidiff::model::Machine, Vec<Batch>)) {
    let load =
        Load::new(Backend::Legacy, &slave1(), SEED).expect("the model takes the seed's rules");
    let (mut machine, batches) = choose(load);
    let connections: Vec<Connections> = batches
        .iter()
        .map(|batch| Connections::new(&batch.connections))
        .collect();
    let each = batches.iter().zip(&connections);
    let mut packets = each
        .flat_map(|(batch, connections)| {
            batch
                .packets
                .iter()
                .map(move |packet| (connections, packet))
        })
        .cycle();
    bencher.counter(ItemsCount::new(1_u8)).bench_local(|| {
        packets
            .next()
            .map(|(connections, packet)| machine.judge(connections, packet))
    });
}

#[divan::bench(sample_size = 1_000)]
fn model_forwarded(bencher: Bencher<'_, '_>) {
    judge(bencher, |load| (load.machine, vec![load.forwarded]));
}

#[divan::bench(sample_size = 8_000)]
fn model_mixed(bencher: Bencher<'_, '_>) {
    judge(bencher, |load| (load.machine, load.mixed));
}

/// How many of a campaign's cases intent and model are measured on.
const CASES: u64 = 64;

/// Intent and model on all packets of some of a campaign's cases, each made and planned before, and whether
/// they agree: by one backend's reading, and by both.
#[divan::bench(args = [1, 2])]
fn intent_and_model(bencher: Bencher<'_, '_>, readings: usize) {
    let backends = &Backend::BOTH[..readings];
    let case = |number| Case::of(SEED, number, &Dials::default(), Layout::Seed, 60);
    let cases: Result<Vec<Case>, _> = (0..CASES).map(|number| case(number * 8)).collect();
    let mut cases = cases.expect("what is generated can be planned");
    let packets = |case: &Case| case.salvos.iter().map(|salvo| salvo.packets.len()).sum();
    let count: Vec<usize> = cases.iter().map(packets).collect();
    let count = ItemsCount::new(count.iter().sum::<usize>());
    bencher.counter(count).bench_local(|| {
        for case in &mut cases {
            case.expect(backends);
            for (salvo, batch) in case.salvos.iter().enumerate() {
                for packet in 0..batch.packets.len() {
                    black_box(case.said(salvo, packet).outcome());
                }
            }
        }
    });
}

#[divan::bench]
fn parse_save(bencher: Bencher<'_, '_>) {
    let text = save::print(&slave1().firewall.v4, save::Style::default());
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| save::parse("slave1", black_box(&text), Family::V4));
}

#[divan::bench]
fn print_save(bencher: Bencher<'_, '_>) {
    let slave1 = slave1();
    let print = || save::print(&slave1.firewall.v4, save::Style::default());
    bencher
        .counter(BytesCount::of_str(&print()))
        .bench_local(print);
}

/// The rulesets of a cluster, one after the other in one room, whose tools are told of what changes.
#[cfg(target_os = "linux")]
#[divan::bench(args = Backend::BOTH, max_time = 2)]
fn change_rules(bencher: Bencher<'_, '_>, backend: Backend) {
    use calidiff::kernel::{KernelError, Room, Texts, Tools};
    let dials = Dials::default();
    let case = |number| Case::of(SEED, number, &dials, Layout::Seed, 0);
    let cases: Result<Vec<Case>, _> = (0..dials.rulesets.get()).map(case).collect();
    let cases = cases.expect("what is generated can be planned");
    let mut room = match Room::with_tools(backend, Tools::Changes) {
        Ok(room) => room,
        Err(why) => return println!("Left out: {why}"),
    };
    let mut change = |case: &Case| -> Result<(), KernelError> {
        let [v4, v6, sets] = &case.texts;
        let texts = Texts { v4, v6, sets };
        room.begin_texts(&case.plan.node, &case.plan.firewall, &texts)?;
        let fate = room.finish()?;
        fate.expect("what the model takes is taken");
        Ok(())
    };
    let count = ItemsCount::new(cases.len());
    bencher.counter(count).bench_local(|| {
        for case in &cases {
            change(case).expect("a room that can be programmed");
        }
    });
}

#[divan::bench]
fn parse_ipset(bencher: Bencher<'_, '_>) {
    let mut text = "create large hash:net family inet hashsize 1024 maxelem 65536\n".to_owned();
    for number in 0..ELEMENTS {
        let [_, a, b, c] = number.to_be_bytes();
        // Writing to a String can't fail.
        let _ = writeln!(text, "add large 10.{a}.{b}.{c}");
    }
    bencher
        .counter(BytesCount::of_str(&text))
        .bench(|| ipset::parse("large", black_box(&text)));
}

#[divan::bench]
fn make_packets(bencher: Bencher<'_, '_>) {
    let slave1 = slave1();
    let ground = Ground::new(&slave1.node, &slave1.firewall);
    let mut stream = Stream::new(&ground, Seeded::new(SEED), Vec::new());
    bencher.counter(ItemsCount::new(MADE)).bench_local(|| {
        for _ in 0..MADE {
            black_box(stream.draft());
        }
    });
}
