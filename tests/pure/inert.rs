//! That a fault which is shown to change nothing does so: no packet fares otherwise.

use std::error::Error;

use calidiff::campaign::run::{Options, Shard, Until};
use calidiff::diff::meaning::sure;
use calidiff::generate::aim::aim;
use calidiff::generate::ground::Ground;
use calidiff::generate::world::Dials;
use calidiff::model::{Connections, Machine};
use calidiff::mutants::inert::Sound;
use calidiff::mutants::{self, Planted};
use calidiff::packet::{Batch, Family};
use calidiff::render::Layout;
use calidiff::xtables::Backend;

/// How many cases are looked at.
const CASES: u64 = 24;
/// Of so many faults one is taken.
const STRIDE: usize = 17;
/// How many packets each case has.
const PACKETS: usize = 600;
/// In every so manyth case packets are aimed at every rule besides.
const AIMED: u64 = 8;

fn campaign(layout: Layout) -> Options {
    Options {
        seed: 11,
        until: Until::Cases(CASES),
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
    nothing_inert_changes(Layout::Seed)
}

#[test]
fn what_is_shown_to_change_nothing_in_the_modern_layout_changes_nothing()
-> Result<(), Box<dyn Error>> {
    nothing_inert_changes(Layout::Modern)
}

fn nothing_inert_changes(layout: Layout) -> Result<(), Box<dyn Error>> {
    let campaign = campaign(layout);
    let (mut inert, mut others, mut judged) = (0, 0, 0_usize);
    for number in 0..CASES {
        let case = campaign.case(number)?;
        let (node, firewall) = (&case.plan.node, &case.plan.firewall);
        let sound = Sound::new(node, firewall);
        let mut usual = Machine::new(Backend::Legacy, node, firewall)?;
        let mut batches = case.salvos.clone();
        if number % AIMED == 0 {
            let aimed = aim(&Ground::new(node, firewall), &mut usual, number);
            batches.extend(aimed.shots.into_iter().map(|shot| Batch {
                order: calidiff::packet::Order::Apart,
                connections: shot.connections,
                packets: vec![shot.packet],
            }));
        }
        let all = Family::BOTH.map(|family| mutants::all(firewall, family));
        let all = all.into_iter().flatten().skip(number as usize % STRIDE);
        for Planted {
            fault,
            rule,
            firewall: faulty,
        } in all.step_by(STRIDE)
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
                    judged += 1;
                    let ends = [&mut usual, &mut machine]
                        .map(|machine| sure(&machine.judge(&connections, packet)));
                    assert_eq!(
                        ends[0], ends[1],
                        "case {number}: {fault} at {rule} is said to change nothing ({why}): {packet}"
                    );
                }
            }
        }
    }
    // Neither everything nor nothing.
    assert!(inert > 200, "{inert} are inert, {others} are not");
    assert!(others > inert / 2, "{inert} are inert, {others} are not");
    assert!(judged > 100_000, "{judged}");
    Ok(())
}
