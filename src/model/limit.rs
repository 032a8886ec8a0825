//! What `-m limit` counts in (net/netfilter/xt_limit.c; extensions/libxt_limit.c).

use crate::xtables::matches::{StatefulKind, StatefulTest};

/// `XT_LIMIT_SCALE`: parts of a second.
const SCALE: u32 = 10_000;

/// `XT_LIMIT_BURST`.
const USUAL_BURST: u32 = 5;

/// A limit, as the kernel is told it.
#[derive(Clone, Copy, Debug)]
struct Limit {
    /// How many parts of a second lie between two packets.
    average: u32,
    /// How many packets may come at once.
    burst: u32,
}

impl Limit {
    /// What a match says (`parse_rate`); `None` where it is no limit, or says no rate.
    fn of(test: &StatefulTest) -> Option<Self> {
        let after = |option: &str| {
            let place = test.words.iter().position(|word| word == option)?;
            test.words.get(place + 1)
        };
        let (times, unit) = after("--limit")?.split_once('/')?;
        let seconds = match unit.as_bytes().first() {
            Some(b'm') => 60,
            Some(b'h') => 60 * 60,
            Some(b'd') => 24 * 60 * 60,
            _ => 1,
        };
        let times: u32 = times.parse().ok().filter(|times| *times > 0)?;
        let burst = after("--limit-burst").and_then(|burst| burst.parse().ok());
        (test.kind == StatefulKind::Limit).then_some(Self {
            average: SCALE * seconds / times,
            burst: burst.unwrap_or(USUAL_BURST),
        })
    }
}

/// Whether the kernel finds that what a limit counts in overflows (`limit_mt_check`): all of it in 32 bits, which
/// wrap. iptables-nft says it by an expression of nftables' own, which counts in 64.
pub(super) fn overflows(test: &StatefulTest) -> bool {
    Limit::of(test).is_some_and(|limit| {
        let most = limit.average.wrapping_mul(limit.burst);
        credits(most) < credits(limit.average)
    })
}

/// Whether so many packets may come at once before a limit holds any back: it begins with its whole burst.
pub(super) fn begins_with(test: &StatefulTest, packets: u32) -> bool {
    Limit::of(test).is_some_and(|limit| {
        let most = u64::from(limit.average) * u64::from(limit.burst);
        let fits = most * u64::from(A_SECOND) / u64::from(SCALE) <= u64::from(u32::MAX);
        fits && limit.burst >= packets
    })
}

/// How many credits a second makes, of 250 or 1,000 jiffies.
const A_SECOND: u32 = 32_000;

/// `user2credits`: from parts of a second to credits.
fn credits(parts: u32) -> u32 {
    match parts > u32::MAX / A_SECOND {
        true => (parts / SCALE).wrapping_mul(A_SECOND),
        false => parts * A_SECOND / SCALE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(words: &str) -> StatefulTest {
        StatefulTest {
            kind: StatefulKind::Limit,
            words: words.split(' ').map(str::to_owned).collect(),
        }
    }

    /// What iptables-legacy 1.8.9 says on Linux 6.18.
    #[test]
    fn a_limit_overflows_where_the_kernel_counts_in_32_bits() {
        for (words, overflowing) in [
            ("--limit 1/day", true),
            ("--limit 1/day --limit-burst 4", true),
            ("--limit 1/day --limit-burst 1", false),
            ("--limit 1/hour --limit-burst 119", false),
            ("--limit 1/hour --limit-burst 120", true),
            ("--limit 1/hour --limit-burst 9999", false),
            ("--limit 1/sec --limit-burst 9999", false),
        ] {
            assert_eq!(overflows(&limit(words)), overflowing, "{words}");
        }
    }

    #[test]
    fn a_limit_begins_with_its_burst_unless_that_wraps() {
        for (words, begins) in [
            ("--limit 1/sec --limit-burst 10000", true),
            ("--limit 1/sec --limit-burst 9999", false),
            ("--limit 10000/sec --limit-burst 10000", true),
            ("--limit 1/min --limit-burst 10000", false),
            ("--limit 1/sec", false),
        ] {
            assert_eq!(begins_with(&limit(words), 10_000), begins, "{words}");
        }
    }
}
