//! Explanations of hand-made traces.

use super::*;
use crate::import::Names;
use crate::journey::{Point, Sight, Unjudged};
use crate::packet::Family;
use crate::xtables::save;
use crate::xtables::{Hook, TableName};

const RULES: &str = "\
*filter
:INPUT ACCEPT [0:0]
:cali-INPUT - [0:0]
-A INPUT -j cali-INPUT
-A cali-INPUT -p udp -j ACCEPT
-A cali-INPUT -j MARK --set-xmark 0x1000000/0x1000000
-A cali-INPUT -p tcp -j DROP
COMMIT
";

fn firewall() -> Firewall {
    Firewall {
        v4: save::parse("rules", RULES, Family::V4).expect("rules that parse"),
        ..Firewall::default()
    }
}

fn packet() -> Packet {
    "in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22"
        .parse()
        .expect("a packet")
}

fn step(chain: &str, rule: Option<usize>, did: &str, before: u32, after: u32) -> Step {
    Step {
        family: Family::V4,
        hook: Hook::Input,
        table: TableName::Filter,
        chain: chain.to_owned(),
        rule,
        matched: Ok(()),
        did: did.to_owned(),
        before: Mark(before),
        after: Mark(after),
    }
}

/// The model's trace: a jump, a miss, a mark, a drop.
fn steps() -> Vec<Step> {
    vec![
        step("INPUT", Some(0), "jump cali-INPUT", 0, 0),
        Step {
            matched: Err(Asked::Protocol),
            ..step("cali-INPUT", Some(0), "", 0, 0)
        },
        step("cali-INPUT", Some(1), "MARK", 0, 0x100_0000),
        step("cali-INPUT", Some(2), "DROP", 0x100_0000, 0x100_0000),
    ]
}

fn point() -> Point {
    Point {
        hook: Hook::Input,
        after: None,
    }
}

fn dropped() -> Answer {
    let sight = Sight {
        point: point(),
        mark: Mark(0),
        headers: packet().headers(),
        in_interface: "eth0".parse().ok(),
        out_interface: None,
    };
    Answer::one(Journey {
        sights: [sight].into_iter().collect(),
        fate: Fate::Dropped(point()),
        answers: Vec::new(),
    })
}

fn telling(arm: ArmName, answer: Answer, steps: Vec<Step>) -> Telling {
    Telling { arm, answer, steps }
}

fn explain(kernels: Vec<Telling>) -> (String, bool) {
    let (firewall, packet) = (firewall(), packet());
    let explanation = Explanation {
        reason: None,
        node: "here",
        firewall: &firewall,
        names: &Names::default(),
        packet: &packet,
        connections: &[],
        model: telling(ArmName::Model, dropped(), steps()),
        otherwise: None,
        kernels,
    };
    (explanation.text(&Palette::plain()), explanation.agreed())
}

/// A kernel's trace: what the model has, without the rules that did not match.
fn traced() -> Vec<Step> {
    steps()
        .into_iter()
        .filter(|step| step.matched.is_ok())
        .collect()
}

#[test]
fn the_models_way_alone() {
    let (text, agreed) = explain(Vec::new());
    assert!(agreed);
    insta::assert_snapshot!(text, @r"
    in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22
    on here

    INPUT filter, mark 0x0
      INPUT
          1 yes -j cali-INPUT
      cali-INPUT
          1  no -p udp -j ACCEPT  (not -p udp)
          2 yes -j MARK --set-xmark 0x1000000/0x1000000  mark 0x0 -> 0x1000000
          3 yes -p tcp -j DROP

    Seen at each point
      INPUT entry              0x0         tcp 10.0.0.9:40000 > 10.0.0.1:22 ttl=64 in=eth0

    The end
      model   dropped at INPUT by filter/cali-INPUT rule 3
    ");
}

#[test]
fn a_kernel_that_agrees_stands_beside_every_rule_that_matched() {
    let (text, agreed) = explain(vec![telling(ArmName::Legacy, dropped(), traced())]);
    assert!(agreed);
    let beside = text.lines().filter(|line| line.starts_with("legacy"));
    assert_eq!(beside.count(), traced().len());
    assert!(
        text.contains("\n  legacy  the same, point by point\n"),
        "{text}"
    );
    assert!(!text.contains("parts from"), "{text}");
}

#[test]
fn a_kernel_that_parts_is_followed_from_there() {
    let mut own = traced();
    own[2] = step("cali-INPUT", Some(0), "ACCEPT", 0x100_0000, 0x100_0000);
    let Answer::Judged(mut ways) = dropped() else {
        unreachable!("dropped() is judged")
    };
    ways[0].journey.fate = Fate::Local;
    let (text, agreed) = explain(vec![telling(ArmName::Nft, Answer::Judged(ways), own)]);
    assert!(!agreed);
    let beside = text.lines().filter(|line| line.starts_with("nft  "));
    assert_eq!(beside.count(), 2, "{text}");
    assert!(
        text.contains(
            "nft parts from the model after filter/cali-INPUT rule 2\n  \
             INPUT filter/cali-INPUT rule 1: -p udp -j ACCEPT\n"
        ),
        "{text}"
    );
    assert!(
        text.contains("  nft     delivered to the node; first difference: it ends dropped"),
        "{text}"
    );
}

#[test]
fn a_mark_that_differs_parts_the_traces() {
    let mut own = traced();
    own[2].before = Mark(0);
    let (text, _) = explain(vec![telling(ArmName::Legacy, dropped(), own)]);
    assert!(
        text.contains("legacy parts from the model after filter/cali-INPUT rule 2\n"),
        "{text}"
    );
}

#[test]
fn what_is_not_judged_is_said_to_be() {
    let unjudged = Answer::Unjudged(Unjudged::Match("bpf".to_owned()));
    let (text, agreed) = explain(vec![telling(ArmName::Legacy, unjudged, traced())]);
    assert!(!agreed, "an arm that can't judge does not agree");
    assert!(
        text.contains("  legacy  not judged: the match `-m bpf` is unknown here\n"),
        "{text}"
    );
}

#[test]
fn colour_is_an_addition_only() {
    let (firewall, packet) = (firewall(), packet());
    let explanation = Explanation {
        reason: None,
        node: "here",
        firewall: &firewall,
        names: &Names::default(),
        packet: &packet,
        connections: &[],
        model: telling(ArmName::Model, dropped(), steps()),
        otherwise: None,
        kernels: Vec::new(),
    };
    let coloured = explanation.text(&Palette::coloured());
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.split_once('m').map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    assert_eq!(plain, explanation.text(&Palette::plain()));
    assert!(coloured.contains('\u{1b}'));
}

#[test]
fn what_the_other_backend_makes_of_it_is_said() {
    let (firewall, packet) = (firewall(), packet());
    let Answer::Judged(mut ways) = dropped() else {
        unreachable!("dropped() is judged")
    };
    ways[0].journey.fate = Fate::Local;
    let mut own = steps();
    own[3] = step("cali-INPUT", Some(0), "ACCEPT", 0x100_0000, 0x100_0000);
    let nft = telling(ArmName::Model, Answer::Judged(ways.clone()), own.clone());
    let parts = Otherwise::Parts {
        model: Box::new(nft),
        cause: Parting::EveryPort,
        rule: Some(place_of(&steps()[3])),
    };
    let mut explanation = Explanation {
        reason: None,
        node: "here",
        firewall: &firewall,
        names: &Names::default(),
        packet: &packet,
        connections: &[],
        model: telling(ArmName::Model, dropped(), steps()),
        otherwise: Some((Backend::Nft, parts)),
        kernels: vec![
            telling(ArmName::Legacy, dropped(), traced()),
            telling(ArmName::Nft, Answer::Judged(ways), own),
        ],
    };
    assert!(explanation.agreed(), "each kernel does as its own reading");
    let text = explanation.text(&Palette::plain());
    for said in [
        "nft reads the rules differently at filter/cali-INPUT rule 3\n  `! --sport 0:65535`",
        "so always does\n  INPUT filter/cali-INPUT rule 1: -p udp -j ACCEPT\n",
        "  model   delivered to the node, as nft reads the rules\n",
        "  nft     the same, point by point\n",
    ] {
        assert!(text.contains(said), "{said}\n{text}");
    }
    assert!(!text.contains("parts from the model"), "{text}");
    explanation.kernels.truncate(1);
    explanation.otherwise = Some((
        Backend::Nft,
        Otherwise::Refuses(NotProgrammed {
            tool: "iptables-nft-restore".to_owned(),
            message: "invalid argument".to_owned(),
        }),
    ));
    let text = explanation.text(&Palette::plain());
    assert!(
        text.contains("nft does not load these rules\n  invalid argument\n"),
        "{text}"
    );
}
