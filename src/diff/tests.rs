use smallvec::smallvec;

use super::*;
use crate::packet::{Ports, Protocol};
use crate::xtables::{Hook, TableName};

const ENTRY: Point = Point {
    hook: Hook::Prerouting,
    after: None,
};
const RAW: Point = Point {
    hook: Hook::Prerouting,
    after: Some(TableName::Raw),
};

fn sight(point: Point, mark: u32, source_port: u16) -> Sight {
    let headers = Headers {
        source: "10.0.0.1".parse().unwrap(),
        destination: "10.0.0.2".parse().unwrap(),
        protocol: Protocol::TCP,
        ports: Ports {
            source: source_port,
            destination: 80,
        },
        hops: 64,
        traffic_class: 0,
    };
    let interface = Some("eth0".parse().unwrap());
    Sight {
        point,
        mark: Mark(mark),
        headers,
        in_interface: interface,
        out_interface: None,
    }
}

fn journey(sights: &[Sight], fate: Fate) -> Journey {
    Journey {
        sights: sights.iter().copied().collect(),
        fate,
        answers: Vec::new(),
    }
}

fn parting(model: &Answer, kernel: &Journey) -> Parting {
    match compare(model, &Answer::one(kernel.clone())) {
        Comparison::Differ(difference) => difference.parting,
        other => panic!("expected a difference, got {other:?}"),
    }
}

#[test]
fn the_same_journey_agrees() {
    let one = journey(&[sight(ENTRY, 0, 1), sight(RAW, 4, 1)], Fate::Local);
    assert_eq!(
        compare(&Answer::one(one.clone()), &Answer::one(one)),
        Comparison::Agree
    );
}

#[test]
fn the_first_difference_is_named_and_later_ones_are_not() {
    let model = Answer::one(journey(
        &[sight(ENTRY, 0, 1), sight(RAW, 4, 1)],
        Fate::Local,
    ));
    let kernel = journey(&[sight(ENTRY, 0, 1), sight(RAW, 5, 2)], Fate::Unhooked);
    let expected = Parting::Mark {
        point: RAW,
        expected: Mark(4),
        found: Mark(5),
    };
    assert_eq!(parting(&model, &kernel), expected);
}

#[test]
fn headers_and_interfaces_and_fates_and_answers_are_compared() {
    let model = Answer::one(journey(&[sight(ENTRY, 0, 1)], Fate::Local));
    let kernel = journey(&[sight(ENTRY, 0, 2)], Fate::Local);
    assert!(matches!(
        parting(&model, &kernel),
        Parting::Headers { point: ENTRY, .. }
    ));

    let mut away = sight(ENTRY, 0, 1);
    away.out_interface = Some("eth1".parse().unwrap());
    let kernel = journey(&[away], Fate::Local);
    assert!(matches!(
        parting(&model, &kernel),
        Parting::Interfaces { point: ENTRY, .. }
    ));

    let kernel = journey(&[sight(ENTRY, 0, 1)], Fate::Dropped(ENTRY));
    let expected = Parting::Fate {
        expected: Fate::Local,
        found: Fate::Dropped(ENTRY),
    };
    assert_eq!(parting(&model, &kernel), expected);

    let mut kernel = journey(&[sight(ENTRY, 0, 1)], Fate::Local);
    kernel
        .answers
        .push(journey(&[sight(RAW, 0, 1)], Fate::Local));
    assert_eq!(
        parting(&model, &kernel),
        Parting::Answers {
            expected: 0,
            found: 1
        }
    );
}

#[test]
fn a_journey_that_ends_early_is_a_difference_in_both_directions() {
    let short = journey(&[sight(ENTRY, 0, 1)], Fate::Local);
    let long = journey(&[sight(ENTRY, 0, 1), sight(RAW, 0, 1)], Fate::Local);
    let expected = Parting::Point {
        expected: None,
        found: Some(RAW),
    };
    assert_eq!(parting(&Answer::one(short.clone()), &long), expected);
    let expected = Parting::Point {
        expected: Some(RAW),
        found: None,
    };
    assert_eq!(parting(&Answer::one(long), &short), expected);
}

#[test]
fn answers_are_compared_as_journeys_of_their_own() {
    let with = |mark| {
        let mut journey = journey(&[sight(ENTRY, 0, 1)], Fate::Local);
        journey
            .answers
            .push(super::tests::journey(&[sight(RAW, mark, 1)], Fate::Local));
        journey
    };
    let comparison = compare(&Answer::one(with(0)), &Answer::one(with(1)));
    let Comparison::Differ(difference) = comparison else {
        panic!("{comparison:?}")
    };
    assert_eq!(difference.answer, Some(0));
    assert!(matches!(
        difference.parting,
        Parting::Mark { point: RAW, .. }
    ));
}

#[test]
fn any_possible_journey_will_do_and_the_nearest_is_shown() {
    let dropped = journey(&[sight(ENTRY, 0, 1)], Fate::Dropped(ENTRY));
    let passed = journey(&[sight(ENTRY, 0, 1), sight(RAW, 4, 1)], Fate::Local);
    let possible = |journey: &Journey| Possible {
        journey: journey.clone(),
        open: smallvec![],
    };
    let model = Answer::Judged(
        [possible(&dropped), possible(&passed)]
            .into_iter()
            .collect(),
    );
    assert_eq!(compare(&model, &Answer::one(dropped)), Comparison::Agree);
    assert_eq!(compare(&model, &Answer::one(passed)), Comparison::Agree);
    let kernel = journey(&[sight(ENTRY, 0, 1), sight(RAW, 5, 1)], Fate::Local);
    assert!(matches!(
        parting(&model, &kernel),
        Parting::Mark { point: RAW, .. }
    ));
}

#[test]
fn an_open_port_takes_any_value_of_its_range_and_no_other() {
    let open = Open {
        since: 1,
        source: true,
        first: 1024,
        last: 2048,
    };
    let one = Possible {
        journey: journey(&[sight(ENTRY, 0, 1), sight(RAW, 0, 1024)], Fate::Local),
        open: smallvec![open],
    };
    let model = Answer::Judged(smallvec![one]);
    let kernel = |first, second| {
        Answer::one(journey(
            &[sight(ENTRY, 0, first), sight(RAW, 0, second)],
            Fate::Local,
        ))
    };
    assert_eq!(compare(&model, &kernel(1, 2048)), Comparison::Agree);
    assert!(matches!(
        compare(&model, &kernel(1, 2049)),
        Comparison::Differ(_)
    ));
    assert!(matches!(
        compare(&model, &kernel(1500, 1500)),
        Comparison::Differ(_)
    ));
}

#[test]
fn what_an_arm_cannot_judge_is_no_agreement() {
    let judged = Answer::one(journey(&[], Fate::Unhooked));
    let unjudged = Answer::Unjudged(Unjudged::Match("x".to_owned()));
    for (left, right) in [
        (&judged, &unjudged),
        (&unjudged, &judged),
        (&unjudged, &unjudged),
    ] {
        assert!(matches!(compare(left, right), Comparison::Unjudged(_)));
    }
}
