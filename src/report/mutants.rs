//! Which mutants a campaign noticed, for people and for machines.

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::check::{grouped, share};
use crate::mutants::hunt::{Bag, By, Hunt, Noticed, Trail};

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

    fn survivors(&self) -> impl Iterator<Item = &Trail> {
        let trails = self.bag.trails.iter();
        trails.filter(|trail| trail.noticed.is_none())
    }

    /// Whether the campaign is as sharp as it has to be, and shows of what it missed that there is nothing
    /// to be noticed.
    #[must_use]
    pub fn is_sharp(&self) -> bool {
        let explained = |trail: &Trail| trail.shown.is_inert();
        self.noticed().count() * 100 >= self.bag.trails.len() * SHARP
            && self.survivors().all(explained)
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
        let noticed = self.noticed().count() as u64;
        let mut cases: Vec<u64> = self.noticed().map(|(_, noticed)| noticed.cases).collect();
        cases.sort_unstable();
        writeln!(
            out,
            "noticed    {}: {}; the half of them after {} cases, the last after {}",
            grouped(noticed),
            share(noticed, trails.len() as u64),
            cases.get(cases.len() / 2).copied().unwrap_or(0),
            cases.last().copied().unwrap_or(0),
        )?;
        for trail in self.survivors() {
            let seen = &trail.seen;
            writeln!(out, "survivor   {}", trail.mutant)?;
            writeln!(
                out,
                "           planted in {} cases with {} packets; {}",
                grouped(seen.planted),
                grouped(seen.packets),
                match trail.shown.open {
                    _ if trail.shown.is_inert() => trail.shown.reason().map(|r| format!("INERT {r}")).unwrap_or_default(),
                    open => format!("OPEN {open:?} {:?}", trail.shown.inert),
                },
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
    }
}
