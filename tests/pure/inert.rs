//! That a fault which is shown to change nothing does so: no packet fares otherwise.

use std::error::Error;

use calidiff::campaign::run::{Options, Shard, Until};
use calidiff::diff::meaning::sure;
use calidiff::generate::aim::aim;
use calidiff::generate::ground::Ground;
use calidiff::generate::world::Dials;
use calidiff::journey::Answer;
use calidiff::model::{Connections, Machine};
use calidiff::mutants::inert::Sound;
use calidiff::mutants::{self, Planted};
use calidiff::packet::{Batch, Family, Order};
use calidiff::render::Layout;
use calidiff::xtables::Backend;

/// How many cases are looked at.
const CASES: u64 = 24;
/// The same of the modern layout, whose rules are more.
const CASES_OF_MODERN: u64 = 3;
/// Of so many faults one is taken.
const STRIDE: usize = 17;
const STRIDE_OF_MODERN: usize = 41;
/// How many packets each case has.
const PACKETS: usize = 600;
/// In every so manyth case packets are aimed at every rule besides; those of the modern layout, whose traffic is
/// aimed at its rules anyway, would take minutes to be found.
const AIMED: u64 = 8;

fn campaign(layout: Layout, cases: u64) -> Options {
    Options {
        seed: 11,
        until: Until::Cases(cases),
        shard: Shard::WHOLE,
        jobs: 1,
        layout,
        dials: Dials::default(),
        packets: PACKETS,
        backends: Backend::BOTH.to_vec(),
        kernels: Vec::new(),
        fail_fast: false,
    }
}

#[test]
fn what_is_shown_to_change_nothing_changes_nothing() -> Result<(), Box<dyn Error>> {
    nothing_inert_changes(Layout::Seed, CASES, STRIDE)
}

#[test]
fn what_is_shown_to_change_nothing_in_the_modern_layout_changes_nothing()
-> Result<(), Box<dyn Error>> {
    nothing_inert_changes(Layout::Modern, CASES_OF_MODERN, STRIDE_OF_MODERN)
}

fn nothing_inert_changes(layout: Layout, cases: u64, stride: usize) -> Result<(), Box<dyn Error>> {
    let campaign = campaign(layout, cases);
    let (mut inert, mut others, mut judged) = (0, 0, 0_usize);
    for number in 0..cases {
        let case = campaign.case(number)?;
        let (node, firewall) = (&case.plan.node, &case.plan.firewall);
        let sound = Sound::new(node, firewall);
        let mut usual = Machine::new(Backend::Legacy, node, firewall)?;
        let mut batches = case.salvos.clone();
        batches.retain(|batch| batch.order == Order::Apart);
        if layout == Layout::Seed && number % AIMED == 0 {
            let aimed = aim(&Ground::new(node, firewall), &mut usual, number);
            batches.extend(aimed.shots.into_iter().map(|shot| Batch {
                order: Order::Apart,
                connections: shot.connections,
                packets: vec![shot.packet],
            }));
        }
        let all = Family::BOTH.map(|family| mutants::all(firewall, family));
        let all = all.into_iter().flatten().skip(number as usize % stride);
        for Planted {
            fault,
            rule,
            firewall: faulty,
        } in all.step_by(stride)
        {
            let Some(why) = sound.inert(&faulty) else {
                others += 1;
                continue;
            };
            inert += 1;
            let mut machine = Machine::new(Backend::Legacy, node, &faulty)?;
            for batch in &batches {
                let connections = Connections::new(&batch.connections);
                for packet in &batch.packets {
                    let answers = [&mut usual, &mut machine]
                        .map(|machine| machine.judge(&connections, packet));
                    // Whether the model can judge a packet may hang on what any rule asks.
                    if answers.iter().any(|one| matches!(one, Answer::Unjudged(_))) {
                        continue;
                    }
                    judged += 1;
                    let ends = answers.each_ref().map(sure);
                    assert_eq!(
                        ends[0], ends[1],
                        "case {number}: {fault} at {rule} is said to change nothing ({why}): {packet}"
                    );
                }
            }
        }
    }
    // Neither everything nor nothing.
    let few = usize::try_from(cases)? * 8;
    assert!(inert > few, "{inert} are inert, {others} are not");
    assert!(others > inert / 2, "{inert} are inert, {others} are not");
    assert!(judged > few * 500, "{judged}");
    Ok(())
}
