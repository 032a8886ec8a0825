//! How many nanoseconds the model takes for a packet: `model_speed NODE RULES PACKET…`, a node file,
//! an iptables-save file, and packets in the one-line form. Prints a line a packet; asserts nothing.

use std::time::Instant;

use calidiff::model::{Connections, Machine};
use calidiff::packet::{Family, Packet};
use calidiff::xtables::{Firewall, save};

const ROUNDS: u32 = 300_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut file = || arguments.next().ok_or("expected NODE RULES PACKET…");
    let (node, rules) = (file()?, file()?);
    let node = calidiff::node::text::read(&node, &std::fs::read_to_string(&node)?)?;
    let firewall = Firewall {
        v4: save::parse(&rules, &std::fs::read_to_string(&rules)?, Family::V4)?,
        ..Firewall::default()
    };
    let mut machine = Machine::new(&node, &firewall)?;
    let connections = Connections::default();
    for line in arguments {
        let packet: Packet = line.parse()?;
        println!("{:?}", machine.judge(&connections, &packet));
        let start = Instant::now();
        for _ in 0..ROUNDS {
            std::hint::black_box(machine.judge(&connections, std::hint::black_box(&packet)));
        }
        println!(
            "{} ns: {line}",
            start.elapsed().as_nanos() / u128::from(ROUNDS)
        );
    }
    Ok(())
}
