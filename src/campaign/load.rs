//! The packets that speed is measured with.

use super::source::Source;
use super::{Options, Subject};
use crate::journey::{Answer, Fate};
use crate::mark::Mark;
use crate::model::{Connections, Machine};
use crate::packet::{Batch, Origin, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::Backend;

/// How many packets the model judges; those of them that are forwarded are sent through the kernel.
const PACKETS: u64 = 8_000;

/// What is measured with: packets, and the machine that has judged them.
pub struct Load {
    /// The chain machine with the subject's rules.
    pub machine: Machine,
    /// All kinds of packets, as a check sends them.
    pub mixed: Vec<Batch>,
    /// Those that are forwarded, plain, and each of a connection of its own.
    pub forwarded: Batch,
}

impl Load {
    /// The first packets of a check of a subject, whose rules are read as a backend does.
    ///
    /// # Errors
    ///
    /// Where the model refuses the subject's rules.
    pub fn new(reading: Backend, subject: &Subject, seed: u64) -> Result<Self, NotProgrammed> {
        let mut machine = Machine::new(reading, &subject.node, &subject.firewall)?;
        let options = Options {
            backends: vec![reading],
            packets: PACKETS,
            seed,
            jobs: 1,
            explain: false,
        };
        let source = Source::new(subject, &options);
        let units = (0..).map_while(|number| source.unit(number));
        let mixed: Vec<Batch> = units.flatten().collect();
        let forwarded = Batch {
            packets: forwarded(&mut machine, &mixed),
            ..Batch::default()
        };
        Ok(Self {
            machine,
            mixed,
            forwarded,
        })
    }
}

/// Plain packets that go through the node, each of a connection of its own.
fn forwarded(machine: &mut Machine, batches: &[Batch]) -> Vec<Packet> {
    let mut seen = rustc_hash::FxHashSet::default();
    let mut through = |packet: &&Packet| {
        let plain = packet.mark == Mark::NONE && !packet.untracked && packet.fragment.is_none();
        let answer = machine.judge(&Connections::new(&[]), packet);
        let sent = match answer {
            Answer::Judged(possible) => {
                matches!(possible.as_slice(), [one] if matches!(one.journey.fate, Fate::Sent(_)))
            }
            Answer::Unjudged(_) => false,
        };
        plain
            && sent
            && matches!(packet.origin, Origin::Arrives(_))
            && packet
                .tuple()
                .inverse()
                .is_some_and(|inverse| !seen.contains(&inverse))
            && seen.insert(packet.tuple())
    };
    let packets = batches.iter().flat_map(|batch| &batch.packets);
    let kept: Vec<Packet> = packets.filter(&mut through).cloned().collect();
    kept
}
