//! Packets aimed at rulesets: every rule is hit or explained, and every explanation is proved.

use std::collections::{BTreeMap, BTreeSet};

use calidiff::claims::seed;
use calidiff::generate::aim::{Aimed, Boundary, aim};
use calidiff::generate::batch::Batches;
use calidiff::generate::bits::Seeded;
use calidiff::generate::edit::Edit;
use calidiff::generate::ground::Ground;
use calidiff::generate::random::Stream;
use calidiff::generate::standing::Shot;
use calidiff::generate::unhit::{Explanation, Reason, explain_unhit};
use calidiff::journey::{Answer, Fate};
use calidiff::model::{Connections, Machine, Visited};
use calidiff::node::Node;
use calidiff::node::infer::{infer, infer_sets};
use calidiff::packet::Family;
use calidiff::xtables::save::parse;
use calidiff::xtables::{Backend, Firewall, RuleId};

use crate::corpus::each_dump;

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Whether the model says that a packet matches a rule.
fn hits(node: &Node, firewall: &Firewall, rule: &RuleId, shot: &Shot) -> Result<bool, String> {
    let mut machine =
        Machine::new(Backend::Legacy, node, firewall).map_err(|error| error.to_string())?;
    let mut visited = Visited::default();
    let connections = Connections::new(&shot.connections);
    machine.visit(&connections, &shot.packet, &mut visited);
    let mut matched = visited.visits.iter().filter(|visit| visit.failed.is_none());
    Ok(matched.any(|visit| machine.rule_id(visit.rule) == Some(rule)))
}

/// That the changes make the witness hit the rule, and that it does not without them.
fn prove(node: &Node, firewall: &Firewall, explanation: &Explanation) -> Outcome {
    let witness = explanation.witness.as_ref();
    let witness = witness.ok_or_else(|| format!("no proof: {explanation}"))?;
    let rule = &explanation.rule;
    let (changed_node, changed) = Edit::all(&explanation.edits, node, firewall);
    assert!(
        hits(&changed_node, &changed, rule, witness)?,
        "does not hit: {explanation}"
    );
    if !explanation.edits.is_empty() {
        assert!(
            !hits(node, firewall, rule, witness)?,
            "hits anyway: {explanation}"
        );
    }
    Ok(())
}

fn check(
    name: &str,
    node: &Node,
    firewall: &Firewall,
) -> Result<Aimed, Box<dyn std::error::Error>> {
    let ground = Ground::new(node, firewall);
    let mut machine = Machine::new(Backend::Legacy, node, firewall)?;
    let aimed = aim(&ground, &mut machine, 1);
    for rule in &aimed.missed {
        let explanation = explain_unhit(Backend::Legacy, node, firewall, rule, 1);
        assert_ne!(explanation.reason, Reason::Unknown, "{name}: {explanation}");
        assert_ne!(
            explanation.reason,
            Reason::Hit,
            "{name}: aiming missed what is easy: {explanation}"
        );
        prove(node, firewall, &explanation)?;
    }
    Ok(aimed)
}

#[test]
fn on_the_seed_every_rule_is_hit_or_its_shadow_is_named() -> Outcome {
    for scenario in seed::nodes()? {
        let aimed = check(&scenario.name, &scenario.node, &scenario.firewall)?;
        let rules = scenario
            .firewall
            .v4
            .rules()
            .chain(scenario.firewall.v6.rules());
        for (rule, _) in rules {
            let of_rule = || aimed.pairs.iter().filter(|pair| pair.rule == rule);
            let matched = of_rule().any(|pair| pair.boundary == Boundary::Match && pair.reached);
            assert!(matched || aimed.missed.contains(&rule), "{rule}");
            assert!(of_rule().count() >= 7, "{rule} has too few boundaries");
        }
    }
    Ok(())
}

#[test]
fn the_neighbours_of_a_port_and_a_prefix_are_sent() -> Outcome {
    let text = "*filter\n:FORWARD ACCEPT [0:0]\n\
                -A FORWARD -d 10.1.2.0/24 -p tcp -m tcp --dport 80:90 -j DROP\nCOMMIT\n";
    let firewall = Firewall {
        v4: parse("rules", text, Family::V4)?,
        ..Firewall::default()
    };
    let node = infer(&firewall).node;
    let aimed = check("rules", &node, &firewall)?;
    let reached = aimed.pairs.iter().filter(|pair| pair.reached);
    let packets: Vec<_> = reached.map(|pair| &aimed.shots[pair.shot].packet).collect();
    for port in [79, 80, 90, 91] {
        let sent = |port| {
            packets
                .iter()
                .any(|packet| packet.tuple().ports.destination == port)
        };
        assert!(sent(port), "{port}");
    }
    for address in ["10.1.1.255", "10.1.2.0", "10.1.2.255", "10.1.3.0"] {
        let address: std::net::IpAddr = address.parse()?;
        assert!(
            packets.iter().any(|packet| packet.destination == address),
            "{address}"
        );
    }
    Ok(())
}

#[test]
fn both_answers_of_the_reverse_path_are_sent() -> Outcome {
    let text = "*raw\n:PREROUTING ACCEPT [0:0]\n\
                -A PREROUTING -i eth1 -m rpfilter --invert -j DROP\n\
                -A PREROUTING -i eth0 -m rpfilter --loose -j DROP\nCOMMIT\n";
    let firewall = Firewall {
        v4: parse("rules", text, Family::V4)?,
        ..Firewall::default()
    };
    let node = infer(&firewall).node;
    let aimed = check("rules", &node, &firewall)?;
    assert_eq!(aimed.missed, []);
    let answers: BTreeSet<_> = aimed
        .pairs
        .iter()
        .filter(|pair| pair.reached)
        .filter_map(|pair| match &pair.boundary {
            Boundary::Near { question, inside } if question.starts_with("source from") => {
                Some((pair.rule.index, *inside))
            }
            _ => None,
        })
        .collect();
    let all = [(0, false), (0, true), (1, false), (1, true)];
    assert_eq!(answers, BTreeSet::from(all));
    Ok(())
}

#[test]
fn a_shadow_is_named() -> Outcome {
    let text = "*filter\n:INPUT ACCEPT [0:0]\n:web - [0:0]\n\
                -A INPUT -p tcp -j web\n-A INPUT -p tcp -m tcp --dport 80 -j DROP\n\
                -A web -m mark --mark 0x1/0x1 -j ACCEPT\n-A web -j ACCEPT\nCOMMIT\n";
    let firewall = Firewall {
        v4: parse("rules", text, Family::V4)?,
        ..Firewall::default()
    };
    let node = infer(&firewall).node;
    let rule = |chain: &str, index| RuleId {
        family: Family::V4,
        table: calidiff::xtables::TableName::Filter,
        chain: chain.to_owned(),
        index,
    };
    let explanation = explain_unhit(Backend::Legacy, &node, &firewall, &rule("INPUT", 1), 1);
    assert_eq!(explanation.reason, Reason::Shadowed);
    assert_eq!(explanation.edits, [Edit::Neutralise(rule("web", 1))]);
    prove(&node, &firewall, &explanation)
}

#[test]
fn the_same_seed_makes_the_same_packets() -> Outcome {
    let [one, _] = seed::nodes()?;
    let ground = Ground::new(&one.node, &one.firewall);
    let shots = |seed| -> Result<Vec<Shot>, Box<dyn std::error::Error>> {
        let mut machine = Machine::new(Backend::Legacy, &one.node, &one.firewall)?;
        let aimed = aim(&ground, &mut machine, seed);
        let mut stream = Stream::new(&ground, Seeded::new(seed), aimed.drafts);
        let random = (0..500).map(|_| stream.draft().shot);
        Ok(aimed.shots.into_iter().chain(random).collect())
    };
    assert_eq!(shots(7)?, shots(7)?);
    assert_ne!(shots(7)?, shots(8)?);
    Ok(())
}

#[test]
fn random_packets_on_the_seed_are_judged_and_mixed() -> Outcome {
    const PACKETS: usize = 5000;
    for scenario in seed::nodes()? {
        let ground = Ground::new(&scenario.node, &scenario.firewall);
        let mut machine = Machine::new(Backend::Legacy, &scenario.node, &scenario.firewall)?;
        let drafts = aim(&ground, &mut machine, 3).drafts;
        let mut stream = Stream::new(&ground, Seeded::new(3), drafts);
        let mut mix: BTreeMap<String, usize> = BTreeMap::new();
        for _ in 0..PACKETS {
            let shot = stream.draft().shot;
            let connections = Connections::new(&shot.connections);
            let outcome = match machine.judge(&connections, &shot.packet) {
                Answer::Unjudged(why) => return Err(format!("{why}: {}", shot.packet).into()),
                Answer::Judged(possible) => match possible.first().map(|one| one.journey.fate) {
                    Some(Fate::Sent(_)) => "sent".to_owned(),
                    Some(Fate::Dropped(_)) => "dropped".to_owned(),
                    other => format!("{other:?}"),
                },
            };
            *mix.entry(outcome).or_default() += 1;
        }
        let most = mix.values().max().copied().unwrap_or(PACKETS);
        assert!(most * 10 <= PACKETS * 7, "{mix:?}");
        assert!(mix.len() >= 4, "{mix:?}");
    }
    Ok(())
}

#[test]
fn batches_hold_every_packet_once() -> Outcome {
    let [one, _] = seed::nodes()?;
    let ground = Ground::new(&one.node, &one.firewall);
    let mut stream = Stream::new(&ground, Seeded::new(5), Vec::new());
    let shots: Vec<Shot> = (0..3000).map(|_| stream.draft().shot).collect();
    let mut seen = vec![0; shots.len()];
    let salvos: Vec<_> = Batches::new(&ground, shots.iter().cloned(), 200).collect();
    for salvo in &salvos {
        assert!(salvo.batch.packets.len() <= 200);
        for (packet, place) in salvo.batch.packets.iter().zip(&salvo.places) {
            assert_eq!(*packet, shots[*place].packet);
            seen[*place] += 1;
        }
    }
    assert!(seen.iter().all(|times| *times == 1));
    assert!(
        salvos.len() < 40,
        "{} batches for 15 full ones",
        salvos.len()
    );
    Ok(())
}

#[test]
fn in_published_dumps_every_rule_is_hit_or_explained() -> Outcome {
    each_dump(|name, family, ruleset| {
        let mut firewall = Firewall::default();
        *firewall.ruleset_mut(family) = ruleset;
        let node = infer(&firewall).node;
        firewall.sets = infer_sets(&firewall, &node).0;
        let loads = Machine::new(Backend::Legacy, &node, &firewall).is_ok();
        if loads {
            check(name, &node, &firewall)?;
        }
        Ok(loads)
    })
}
