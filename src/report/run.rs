//! What a campaign came to, for people and for machines.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::check::{grouped, share};
use crate::arm::plan::era_of;
use crate::campaign::run::count::{Use, Weight};
use crate::campaign::run::{Counts, Options, Outcome, Until, unhit};
use crate::diff::class::Class;
use crate::diff::shape::Shape;
use crate::intent::Clause;
use crate::xtables::Backend;

/// The largest share of one outcome that a mix may have, in percent: beyond it the campaign asks too
/// little.
const ONE_SIDED: u64 = 70;
/// From how many packets on a mix says something.
const ENOUGH: u64 = 10_000;

/// What a campaign is reported by.
#[derive(Clone, Copy)]
pub struct Report<'a> {
    /// What was asked.
    pub options: &'a Options,
    /// What came of it.
    pub outcome: &'a Outcome,
    /// Whether a class is accepted already.
    pub known: &'a dyn Fn(&Class) -> bool,
    /// What the machine and the program call themselves: kernel, iptables' versions.
    pub versions: &'a [String],
}

impl Report<'_> {
    fn counts(&self) -> &Counts {
        &self.outcome.counts
    }

    /// The classes that nobody has accepted yet.
    pub fn news(&self) -> impl Iterator<Item = &Class> {
        let classes = self.counts().classes.keys();
        classes.filter(|class| !(self.known)(class))
    }

    /// What is wrong with the campaign itself: one outcome has nearly all, or what is said to be never hit is.
    #[must_use]
    pub fn defects(&self) -> Vec<String> {
        let mut defects = self.one_sided();
        let shapes = self.counts().shapes.iter();
        let hit = shapes.filter(|(shape, used)| used.hits > 0 && self.never(shape).is_some());
        defects.extend(hit.map(|(shape, _)| format!("hit, though said to be never: {shape}")));
        defects
    }

    /// Why no rule of a shape is ever hit, where that is known.
    fn never(&self, shape: &Shape) -> Option<&'static str> {
        unhit::why(self.options.layout, shape)
    }

    fn one_sided(&self) -> Vec<String> {
        let counts = self.counts();
        let verdicts = counts.verdicts.iter();
        let verdicts = verdicts.map(|(verdict, count)| (format!("the verdict {verdict}"), *count));
        let endings = counts.endings.iter();
        let endings =
            endings.map(|(ending, count)| (format!("packets {}", ending.words()), *count));
        let all = counts.packets;
        let one_sided = move |count: u64| all >= ENOUGH && count * 100 > all * ONE_SIDED;
        verdicts
            .chain(endings)
            .filter(|(_, count)| one_sided(*count))
            .map(|(what, count)| format!("one-sided: {what} have {}", share(count, all)))
            .collect()
    }

    /// Whether everything is as it should be: no class that is not accepted, nothing that model and
    /// tools load differently.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.news().next().is_none()
            && self.counts().loading.is_empty()
            && self.defects().is_empty()
    }

    /// As text. `coverage` adds the tables of everything that was exercised.
    #[must_use]
    pub fn text(&self, coverage: bool) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = self.write_totals(&mut out);
        let _ = self.write_mix(&mut out);
        let _ = self.write_clauses(&mut out);
        let _ = self.write_shapes(&mut out, coverage);
        let _ = self.write_features(&mut out);
        let _ = self.write_classes(&mut out);
        for defect in self.defects() {
            let _ = writeln!(out, "DEFECT     {defect}");
        }
        if self.outcome.stopped {
            let _ = writeln!(
                out,
                "stopped    before its time: this is what there is so far"
            );
        }
        out
    }

    fn write_totals(&self, out: &mut String) -> std::fmt::Result {
        let (options, counts) = (self.options, self.counts());
        let shard = match options.shard.to_string().as_str() {
            "1/1" => String::new(),
            shard => format!(", shard {shard}"),
        };
        let layout = options.layout;
        writeln!(
            out,
            "seed       {}, layout {layout}{shard}; {}",
            options.seed,
            self.versions.join(", ")
        )?;
        writeln!(
            out,
            "cases      {}: {} distinct rulesets, {} rules in all",
            grouped(counts.cases),
            grouped(counts.rulesets.len() as u64),
            grouped(counts.rules),
        )?;
        writeln!(
            out,
            "packets    {} before {}: {} agree, {} differ, {} unjudged",
            grouped(counts.packets),
            self.judges().join(", "),
            grouped(counts.agreed),
            grouped(counts.diverged()),
            grouped(counts.unjudged.values().sum()),
        )?;
        let sequences = counts.sequences;
        if sequences.rows > 0 {
            writeln!(
                out,
                "           {} of them in {} sequences, of which {} began under other policies",
                grouped(sequences.packets),
                grouped(sequences.rows),
                grouped(sequences.changed),
            )?;
        }
        for (why, count) in &counts.unjudged {
            writeln!(out, "           not judged: {why} ({})", grouped(*count))?;
        }
        if counts.parted > 0 {
            writeln!(
                out,
                "part       {} packets go different ways behind legacy and nft, as the model reads either",
                grouped(counts.parted)
            )?;
        }
        for (reason, count) in &counts.refused {
            let families = grouped(*count);
            writeln!(
                out,
                "refused    by the tools, {families} families' rules: {reason}"
            )?;
        }
        for (words, (cases, first)) in &counts.loading {
            writeln!(
                out,
                "LOADING    {words} ({cases} cases, the first is {first})"
            )?;
        }
        Ok(())
    }

    fn judges(&self) -> Vec<String> {
        let readings: Vec<String> = self
            .options
            .backends
            .iter()
            .map(Backend::to_string)
            .collect();
        let kernels = self
            .options
            .kernels
            .iter()
            .map(|backend| format!("kernel ({backend})"));
        let model = format!("model ({})", readings.join(", "));
        ["intent".to_owned(), model]
            .into_iter()
            .chain(kernels)
            .collect()
    }

    fn write_mix(&self, out: &mut String) -> std::fmt::Result {
        let counts = self.counts();
        let verdicts = counts.verdicts.iter();
        let verdicts =
            verdicts.map(|(verdict, count)| format!("{verdict} {}", share(*count, counts.packets)));
        let endings = counts.endings.iter();
        let endings = endings
            .map(|(ending, count)| format!("{} {}", ending.words(), share(*count, counts.packets)));
        writeln!(
            out,
            "meant      {}",
            verdicts.collect::<Vec<_>>().join(", ")
        )?;
        writeln!(out, "ends       {}", endings.collect::<Vec<_>>().join(", "))
    }

    /// The branches of clauses that can come up in the layout's era.
    fn clauses_of_era(&self) -> Vec<Clause> {
        let era = era_of(self.options.layout);
        let all = Clause::ALL.iter().copied();
        all.filter(|clause| era.has(*clause)).collect()
    }

    fn write_clauses(&self, out: &mut String) -> std::fmt::Result {
        let clauses = &self.counts().clauses;
        let of_era = self.clauses_of_era();
        let never: Vec<String> = of_era
            .iter()
            .filter(|clause| !clauses.contains_key(clause))
            .map(Clause::to_string)
            .collect();
        writeln!(
            out,
            "clauses    {} of {}, each with how often it decided / took part",
            clauses.len(),
            of_era.len()
        )?;
        let cells = clauses.iter().map(|(clause, weight)| {
            let Weight { decided, took_part } = weight;
            let counts = match decided {
                0 => format!("- / {}", grouped(*took_part)),
                _ => format!("{} / {}", grouped(*decided), grouped(*took_part)),
            };
            (clause.to_string(), counts)
        });
        write_columns(out, cells)?;
        if !never.is_empty() {
            writeln!(out, "  never    {}", never.join(", "))?;
        }
        Ok(())
    }

    fn write_shapes(&self, out: &mut String, all: bool) -> std::fmt::Result {
        let shapes = &self.counts().shapes;
        let unhit = shapes.values().filter(|used| used.hits == 0).count();
        let explained = shapes.keys().filter(|one| self.never(one).is_some());
        let none_can = match explained.count() {
            0 => String::new(),
            count => format!(", {count} that none can hit"),
        };
        let least = shapes.values().map(|used| used.rendered).min().unwrap_or(0);
        writeln!(
            out,
            "rules      {} shapes, each rendered {} times or more; {} of them hit by packets{none_can}",
            shapes.len(),
            grouped(least),
            shapes.len() - unhit
        )?;
        for (shape, used) in shapes.iter().filter(|(_, used)| all || used.hits == 0) {
            let (rules, hits) = (grouped(used.rendered), self.hits(shape, *used));
            writeln!(out, "  {shape}: {rules} rules, {hits}")?;
        }
        Ok(())
    }

    fn hits(&self, shape: &Shape, used: Use) -> String {
        match (used.hits, self.never(shape)) {
            (0, None) => "never hit".to_owned(),
            (0, Some(why)) => format!("never hit: {why}"),
            (hits, _) => format!("hit {} times", grouped(hits)),
        }
    }

    fn write_features(&self, out: &mut String) -> std::fmt::Result {
        let counts = self.counts();
        writeln!(out, "features   in how many cases each was on / off")?;
        let features = counts.features.iter();
        let cells = features.map(|(feature, on)| {
            let off = counts.cases - on;
            (
                feature.to_string(),
                format!("{} / {}", grouped(*on), grouped(off)),
            )
        });
        write_columns(out, cells)
    }

    fn write_classes(&self, out: &mut String) -> std::fmt::Result {
        let counts = self.counts();
        let known: u64 = counts
            .classes
            .iter()
            .filter(|(class, _)| (self.known)(class))
            .map(|(_, found)| found.packets)
            .sum();
        let news = self.news().count();
        writeln!(
            out,
            "classes    {} of divergences: {} known, which cover {} of all packets; {news} new",
            counts.classes.len(),
            counts.classes.len() - news,
            share(known, counts.packets),
        )?;
        for (class, found) in &counts.classes {
            let known = match (self.known)(class) {
                true => "known",
                false => "NEW  ",
            };
            let place = found.first;
            writeln!(
                out,
                "  {known} {}: {} packets, first in case {}",
                class.id(),
                grouped(found.packets),
                place.case
            )?;
            writeln!(out, "        {class}")?;
        }
        Ok(())
    }

    /// How fast it was, as text: what hangs on the machine's mood.
    #[must_use]
    pub fn rates(&self) -> String {
        let counts = self.counts();
        let seconds = self.outcome.took.as_secs_f64().max(0.001);
        let a_second = |count: u64| grouped((count as f64 / seconds) as u64);
        format!(
            "took       {seconds:.1} s: {} rulesets and {} packets a second, each before all judges",
            a_second(counts.rulesets.len() as u64),
            a_second(counts.packets),
        )
    }

    /// As JSON. Times stand apart, under `times`.
    #[must_use]
    pub fn json(&self) -> Value {
        let (options, counts) = (self.options, self.counts());
        let seconds = self.outcome.took.as_secs_f64();
        let of_era = self.clauses_of_era();
        let clauses = of_era.iter().map(|clause| {
            let weight = counts.clauses.get(clause).copied().unwrap_or_default();
            json!({
                "clause": clause.to_string(),
                "decided": weight.decided,
                "tookPart": weight.took_part,
            })
        });
        let shapes = counts.shapes.iter().map(|(shape, used)| {
            json!({
                "shape": shape.as_str(),
                "rendered": used.rendered,
                "hits": used.hits,
                "never": self.never(shape),
            })
        });
        let classes = counts.classes.iter().map(|(class, found)| {
            json!({
                "id": class.id(),
                "known": (self.known)(class),
                "class": class,
                "packets": found.packets,
                "firstCase": found.first.case,
            })
        });
        let features = counts.features.iter();
        let features = features.map(|(feature, on)| (feature.to_string(), json!(on)));
        let named = |counts: Vec<(String, u64)>| -> Value {
            counts
                .into_iter()
                .map(|(name, count)| (name, json!(count)))
                .collect::<serde_json::Map<_, _>>()
                .into()
        };
        let verdicts = counts.verdicts.iter();
        let endings = counts.endings.iter();
        let loading = counts.loading.iter().map(
            |(words, (cases, first))| json!({ "what": words, "cases": cases, "firstCase": first }),
        );
        json!({
            "seed": options.seed,
            "layout": options.layout.to_string(),
            "shard": options.shard.to_string(),
            "judges": self.judges(),
            "versions": self.versions,
            "stopped": self.outcome.stopped,
            "cases": counts.cases,
            "casesAsked": match options.until { Until::Cases(cases) => json!(cases), Until::Time(_) => Value::Null },
            "rulesets": counts.rulesets.len(),
            "rules": counts.rules,
            "packets": counts.packets,
            "sequences": {
                "rows": counts.sequences.rows,
                "changed": counts.sequences.changed,
                "packets": counts.sequences.packets,
            },
            "agreed": counts.agreed,
            "diverged": counts.diverged(),
            "parted": counts.parted,
            "unjudged": counts.unjudged,
            "refused": counts.refused,
            "loading": loading.collect::<Vec<_>>(),
            "verdicts": named(verdicts.map(|(verdict, count)| (verdict.to_string(), *count)).collect()),
            "endings": named(endings.map(|(ending, count)| (ending.words().to_owned(), *count)).collect()),
            "clauses": clauses.collect::<Vec<_>>(),
            "shapes": shapes.collect::<Vec<_>>(),
            "features": features.collect::<serde_json::Map<_, _>>(),
            "classes": classes.collect::<Vec<_>>(),
            "defects": self.defects(),
            "times": {
                "seconds": seconds,
                "rulesetsASecond": counts.rulesets.len() as f64 / seconds.max(0.001),
                "packetsASecond": counts.packets as f64 / seconds.max(0.001),
            },
        })
    }
}

/// Names and counts, three beside each other.
fn write_columns(
    out: &mut String,
    cells: impl Iterator<Item = (String, String)>,
) -> std::fmt::Result {
    let cells: Vec<(String, String)> = cells.collect();
    for row in cells.chunks(3) {
        let row = row
            .iter()
            .map(|(name, count)| format!("{name:<28} {count:>18}"));
        writeln!(out, "  {}", row.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
