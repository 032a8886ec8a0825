//! What other programs' rules make of a packet's addresses, for an intent that knows no rules.
//!
//! Services behind other addresses, masquerading and the like are no policy of Calico's, and Calico judges
//! what they leave. So the others' own rules are asked, without Calico's and without what would end the
//! packet's way in filter: there Calico may have accepted it before.

use std::net::IpAddr;

use crate::intent::{Judge, Others};
use crate::journey::{Answer, Headers, Journey};
use crate::model::{Connections, Machine};
use crate::node::Node;
use crate::packet::{Packet, Transport};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, Ruleset, TableName};

/// The others' translations on one node.
#[derive(Clone, Debug)]
pub struct Translator {
    /// `None` where they have none.
    machine: Option<Machine>,
}

impl Translator {
    /// Of those who have loaded a firewall before Calico comes. Both backends read translations alike.
    ///
    /// # Errors
    ///
    /// [`NotProgrammed`] where the tools refuse it.
    pub fn new(node: &Node, foreign: &Firewall) -> Result<Self, NotProgrammed> {
        let translates = |ruleset: &Ruleset| {
            let nat = ruleset.table(TableName::Nat);
            nat.is_some_and(|nat| nat.chains.iter().any(|chain| !chain.rules.is_empty()))
        };
        if !translates(&foreign.v4) && !translates(&foreign.v6) {
            return Ok(Self { machine: None });
        }
        let mut alone = foreign.clone();
        for ruleset in [&mut alone.v4, &mut alone.v6] {
            ruleset
                .tables
                .retain(|table| table.name != TableName::Filter);
        }
        let machine = Machine::new(Backend::Legacy, node, &alone)?;
        Ok(Self {
            machine: Some(machine),
        })
    }

    /// What they make of a packet. One that is sent to a floating address comes to them with the address
    /// for which that stands, and keeps it.
    ///
    /// Where chance decides, this is one of the possible ways: the packet's own way is left to chance as
    /// well then, and nobody holds the two against each other.
    pub fn others(
        &mut self,
        judge: &Judge<'_>,
        packet: &Packet,
        connections: &Connections,
    ) -> Others {
        let Some(machine) = &mut self.machine else {
            return Others::NONE;
        };
        let Some(inside) = judge.floating(packet.destination) else {
            return changes(packet, &machine.judge(connections, packet));
        };
        let floated = Packet {
            destination: inside,
            ..packet.clone()
        };
        Others {
            destination: None,
            ..changes(&floated, &machine.judge(connections, &floated))
        }
    }
}

/// How a packet's addresses differ where it is seen last.
fn changes(packet: &Packet, answer: &Answer) -> Others {
    let Answer::Judged(possible) = answer else {
        return Others::NONE;
    };
    let last = possible.first().and_then(|one| last(&one.journey));
    let Some(last) = last else {
        return Others::NONE;
    };
    let port = match packet.transport {
        Transport::Icmp(_) => None,
        _ => packet
            .transport
            .ports()
            .map(|ports| ports.destination)
            .filter(|port| *port != last.ports.destination)
            .map(|_| last.ports.destination),
    };
    let moved = last.destination != packet.destination || port.is_some();
    let changed = |now: IpAddr, before: IpAddr| (now != before).then_some(now);
    Others {
        destination: moved.then_some((last.destination, port)),
        source: changed(last.source, packet.source),
    }
}

fn last(journey: &Journey) -> Option<Headers> {
    journey.sights.last().map(|sight| sight.headers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::World;
    use crate::intent::Era;
    use crate::node::text;
    use crate::packet::Family;
    use crate::xtables::save;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn others_translations_are_told_whatever_their_filter_drops() -> Outcome {
        let rules = "*nat\n:PREROUTING ACCEPT [0:0]\n:INPUT ACCEPT [0:0]\n:OUTPUT ACCEPT [0:0]\n\
            :POSTROUTING ACCEPT [0:0]\n\
            -A PREROUTING -d 10.96.0.1/32 -p tcp -m tcp --dport 80 -j DNAT --to-destination 10.0.1.9:8080\n\
            -A POSTROUTING -j SNAT --to-source 10.0.1.1\nCOMMIT\n\
            *filter\n:INPUT ACCEPT [0:0]\n:FORWARD DROP [0:0]\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n";
        let node = "name: one\ninterfaces:\n\
            - { name: eth0, addresses: [10.0.0.1/24] }\n\
            - { name: eth1, addresses: [10.0.1.1/24] }\n";
        let node = text::read("node.yaml", node)?;
        let foreign = Firewall {
            v4: save::parse("rules.save", rules, Family::V4)?,
            ..Firewall::default()
        };
        let world = World::default();
        let judge = Judge::new(&world, &node, Era::Modern)?;
        let packet: Packet = "in=eth0 tcp 10.0.0.7:1 > 10.96.0.1:80".parse()?;
        let none = Connections::new(&[]);
        let others = Translator::new(&node, &foreign)?.others(&judge, &packet, &none);
        assert_eq!(others.destination, Some(("10.0.1.9".parse()?, Some(8080))));
        assert_eq!(others.source, Some("10.0.1.1".parse()?));
        let others = Translator::new(&node, &Firewall::default())?.others(&judge, &packet, &none);
        assert_eq!(others, Others::NONE);
        Ok(())
    }
}
