//! What can be concluded from a rule alone, before any packet comes.

use super::limit;
use super::program::Action;
use crate::xtables::matches::{PhysdevTest, StatefulKind, StatefulTest, StatisticTest};
use crate::xtables::target::Ct;

/// `-m physdev` of a packet that crosses no bridge: only negations hold (xt_physdev.c).
pub(super) fn physdev(test: &PhysdevTest) -> bool {
    let holds = |negated: Option<bool>| negated.unwrap_or(true);
    holds(test.in_port.as_ref().map(|one| one.negated))
        && holds(test.out_port.as_ref().map(|one| one.negated))
        && holds(test.is_in.map(|one| one.negated))
        && holds(test.is_out.map(|one| one.negated))
        && holds(test.is_bridged.map(|one| one.negated))
}

/// What `-m statistic` says where chance has no say (xt_statistic.c).
pub(super) fn statistic(test: StatisticTest) -> Option<bool> {
    match test {
        StatisticTest::Random { probability: 0 } => Some(false),
        StatisticTest::Random { probability } if probability >= 1 << 31 => Some(true),
        StatisticTest::Nth { every: 1, .. } => Some(true),
        _ => None,
    }
}

/// More packets than any batch has, so that no such burst is ever used up.
const MORE_THAN_COME: u32 = 10_000;

/// What a match about time or earlier packets says where neither has a say.
pub(super) fn stateful(test: &StatefulTest) -> Option<bool> {
    let says = |word: &str| test.words.iter().any(|one| one == word);
    match test.kind {
        // No packet here goes through IPsec: `match_policy_in` and `_out` find none, and only
        // `--pol none` holds then (xt_policy.c).
        StatefulKind::Policy => Some(says("none")),
        // `recent_mt` in xt_recent.c: setting always holds.
        StatefulKind::Recent if says("--set") => Some(!says("!")),
        // A limit begins with its whole burst (xt_limit.c, `limit_mt_check`; nft_limit.c).
        StatefulKind::Limit if limit::begins_with(test, MORE_THAN_COME) => Some(true),
        _ => None,
    }
}

/// What `-j CT` does, where the model follows it.
pub(super) fn ct(ct: &Ct) -> Option<Action> {
    if ct.notrack {
        return Some(Action::Notrack);
    }
    let mut action = Action::Continue;
    let mut words = ct.words.iter().map(String::as_str);
    while let Some(word) = words.next() {
        match (word, words.next()) {
            ("--zone", Some("0"))
            | ("--helper" | "--ctevents" | "--expevents" | "--timeout", _) => {}
            ("--zone", Some(_)) => action = Action::Zone,
            _ => return None,
        }
    }
    Some(action)
}
