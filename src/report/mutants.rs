//! Which mutants a campaign noticed, for people and for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::check::{grouped, share};
use crate::mutants::hunt::{Bag, By, Hunt, Noticed, Trail};
use crate::mutants::inert::Inert;

/// How many of a hundred mutants a campaign has to notice.
const SHARP: usize = 98;

/// What a hunt is reported by.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// What was asked.
    pub hunt: &'a Hunt,
    /// What came of it.
    pub bag: &'a Bag,
}

impl Report<'_> {
    fn noticed(&self) -> impl Iterator<Item = (&Trail, &Noticed)> {
        let trails = self.bag.trails.iter();
        trails.filter_map(|trail| Some((trail, trail.noticed.as_ref()?)))
    }

    /// Those that are shown to change nothing, with the reason that holds most often.
    fn inert(&self) -> impl Iterator<Item = (&Trail, &Inert)> {
        let open = self.bag.trails.iter();
        let open = open.filter(|trail| trail.noticed.is_none() && trail.shown.is_inert());
        open.filter_map(|trail| Some((trail, trail.shown.reason()?)))
    }

    /// Those that nobody noticed, and that may change something.
    fn holes(&self) -> impl Iterator<Item = &Trail> {
        let open = self.bag.trails.iter();
        open.filter(|trail| trail.noticed.is_none() && !trail.shown.is_inert())
    }

    /// How many mutants there are that change anything.
    fn counted(&self) -> usize {
        self.noticed().count() + self.holes().count()
    }

    /// Whether the campaign is as sharp as it has to be: of the mutants that are not shown to change nothing
    /// it notices nearly all, and the others change only what is known to differ.
    #[must_use]
    pub fn is_sharp(&self) -> bool {
        self.noticed().count() * 100 >= self.counted() * SHARP && self.holes().all(Trail::is_masked)
    }

    /// As text, times apart. `all` adds the mutants that were noticed.
    #[must_use]
    pub fn text(&self, all: bool) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write(&mut out, all);
        out
    }

    fn write(&self, out: &mut String, all: bool) -> std::fmt::Result {
        let (hunt, bag) = (self.hunt, self.bag);
        let trails = &bag.trails;
        writeln!(
            out,
            "seed       {}, layout {}; {} cases at the most, {} packets each",
            hunt.campaign.seed,
            hunt.campaign.layout,
            grouped(hunt.cases),
            hunt.campaign.packets
        )?;
        writeln!(
            out,
            "mutants    {}: {} of those that the rules of {} cases and the intent allow",
            grouped(trails.len() as u64),
            share(trails.len() as u64, bag.all as u64),
            grouped(hunt.sample),
        )?;
        self.write_inert(out, all)?;
        let (noticed, counted) = (self.noticed().count() as u64, self.counted() as u64);
        let by_ledger = self.noticed().filter(|(_, one)| is_by_ledger(one)).count();
        let in_cases = self.noticed().filter(|(_, one)| !is_by_ledger(one));
        let mut cases: Vec<u64> = in_cases.map(|(_, one)| one.cases).collect();
        cases.sort_unstable();
        writeln!(
            out,
            "noticed    {} of {}: {}; the half of them after {} cases, the last after {}, {} by the ledger's tests",
            grouped(noticed),
            grouped(counted),
            share(noticed, counted),
            cases.get(cases.len() / 2).copied().unwrap_or(0),
            cases.last().copied().unwrap_or(0),
            grouped(by_ledger as u64),
        )?;
        for trail in self.holes() {
            let seen = &trail.seen;
            let kind = match trail {
                _ if trail.mends() => "mends",
                _ if trail.is_masked() => "masked",
                _ => "HOLE",
            };
            writeln!(out, "{kind:<10} {}", trail.mutant)?;
            writeln!(
                out,
                "           planted in {} cases with {} packets; {}",
                grouped(seen.planted),
                grouped(seen.packets),
                hole(trail),
            )?;
        }
        for (trail, noticed) in self.noticed().filter(|_| all) {
            writeln!(
                out,
                "noticed    {}: after {} cases by {}",
                trail.mutant,
                noticed.cases,
                by(&noticed.by),
            )?;
        }
        Ok(())
    }

    /// What changes nothing, by reason; `all` adds what.
    fn write_inert(&self, out: &mut String, all: bool) -> std::fmt::Result {
        let mut reasons: BTreeMap<&str, (u64, String)> = BTreeMap::new();
        for (_, reason) in self.inert() {
            let (count, first) = reasons.entry(reason.kind()).or_default();
            *count += 1;
            if first.is_empty() {
                *first = reason.to_string();
            }
        }
        let count = self.inert().count() as u64;
        writeln!(
            out,
            "inert      {} of them change nothing, shown from the rules of every case that they are made from:",
            grouped(count)
        )?;
        for (kind, (count, first)) in &reasons {
            writeln!(
                out,
                "           {} × {kind} (as where {first})",
                grouped(*count)
            )?;
        }
        for (trail, reason) in self.inert().filter(|_| all) {
            writeln!(out, "inert      {}: {reason}", trail.mutant)?;
        }
        Ok(())
    }

    /// How long it took, as text.
    #[must_use]
    pub fn times(&self) -> String {
        let mut times: Vec<Duration> = self.noticed().map(|(trail, _)| trail.took).collect();
        times.sort_unstable();
        let seconds = |place: usize| times.get(place).map_or(0.0, Duration::as_secs_f64);
        format!(
            "times      a mutant is noticed after {:.3} s (median), {:.1} s (most), on one core; {:.1} s in all\n",
            seconds(times.len() / 2),
            seconds(times.len().saturating_sub(1)),
            self.bag.took.as_secs_f64(),
        )
    }

    /// As JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        let (hunt, bag) = (self.hunt, self.bag);
        let trails = bag.trails.iter().map(|trail| {
            let noticed = trail.noticed.as_ref();
            json!({
                "mutant": trail.mutant.to_string(),
                "noticed": noticed.map(|noticed| json!({
                    "cases": noticed.cases,
                    "packets": noticed.packets,
                    "by": by(&noticed.by),
                })),
                "planted_in_cases": trail.seen.planted,
                "packets_unseen": trail.seen.unseen,
                "packets_in_known_classes": trail.seen.known,
                "inert": trail.shown.reason().filter(|_| trail.shown.is_inert()).map(ToString::to_string),
                "not_shown_inert_in_case": trail.shown.open,
                "times": { "seconds": trail.took.as_secs_f64() },
            })
        });
        json!({
            "seed": hunt.campaign.seed,
            "layout": hunt.campaign.layout.to_string(),
            "cases": hunt.cases,
            "packets_a_case": hunt.campaign.packets,
            "mutants_possible": bag.all,
            "mutants": bag.trails.len(),
            "inert": self.inert().count(),
            "noticed": self.noticed().count(),
            "trails": trails.collect::<Vec<_>>(),
            "times": { "seconds": bag.took.as_secs_f64() },
        })
    }
}

fn by(by: &By) -> String {
    match by {
        By::Divergence(place, class) => format!(
            "packet {} of case {}: {class}",
            place.packet + 1,
            place.case
        ),
        By::Refusal(why) => format!("the tools' refusal: {why}"),
        By::Ledger(id) => format!("the ledger's tests: {id} does not show any more"),
    }
}

fn is_by_ledger(noticed: &Noticed) -> bool {
    matches!(noticed.by, By::Ledger(_))
}

/// What is known of a mutant that nobody noticed.
fn hole(trail: &Trail) -> String {
    let seen = &trail.seen;
    let mut known = Vec::new();
    if let Some(class) = &seen.first_mended {
        known.push(format!(
            "{} of {} packets that end otherwise do what is meant, and did not before: {class}",
            grouped(seen.mended),
            grouped(seen.changed),
        ));
    }
    if seen.differed > 0 {
        known.push(format!(
            "on {} of {} packets that end otherwise the judges differ for known reasons, without it or with it",
            grouped(seen.differed),
            grouped(seen.changed),
        ));
    }
    if let Some(place) = seen.first_unseen {
        known.push(format!(
            "{} packets fare otherwise and nobody differs, first packet {} of case {}",
            grouped(seen.unseen),
            place.packet + 1,
            place.case,
        ));
    }
    if let Some(class) = &seen.first_known {
        known.push(format!("it shows in a known class, {class}"));
    }
    if let Some(case) = trail.shown.open {
        known.push(format!("may change something in case {case}"));
    }
    known.join("; ")
}
