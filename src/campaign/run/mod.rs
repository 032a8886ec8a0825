//! A campaign: many scenarios, each made from the seed and its number alone, before all judges.
//!
//! * [`case`]: one of them; [`count`]: what is counted, [`unhit`]: what never is, and why;
//! * `fleet`: the kernels of one worker.
//!
//! A worker takes a handful of cases at a time: intent and model judge them all first, then every
//! kernel's rooms are programmed with them, the waiting of one overlapping with the work of another.
//! What is found hangs on the seed and the cases' numbers alone, never on who takes which.

pub mod case;
pub mod count;
#[cfg(target_os = "linux")]
mod fleet;
pub mod unhit;

use std::num::NonZeroU64;
use std::ops::Range;
use std::panic::resume_unwind;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

pub use case::Case;
pub use count::{Counts, Found, Place};

use super::Blind;
use crate::arm::Failure;
use crate::arm::plan::Unplanned;
use crate::diff::class::Class;
use crate::generate::world::Dials;
use crate::render::Layout;
use crate::xtables::Backend;

/// How many clusters' cases a worker takes at a time: enough that every room of a fleet has work.
const CLUSTERS: u64 = 16;

/// What a campaign does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where chance starts.
    pub seed: u64,
    /// How long it goes on.
    pub until: Until,
    /// Which share of the cases is this one's.
    pub shard: Shard,
    /// How many workers share the work.
    pub jobs: usize,
    /// Felix's way of writing chains.
    pub layout: Layout,
    /// What the scenarios are like.
    pub dials: Dials,
    /// How many packets a scenario is given.
    pub packets: usize,
    /// The backends by whose reading the rules are judged; at least one.
    pub backends: Vec<Backend>,
    /// Those of them whose kernels are asked.
    pub kernels: Vec<Backend>,
    /// Whether to end with the first divergence that is not known.
    pub fail_fast: bool,
}

/// How long a campaign goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// For so many cases, all shards together.
    Cases(u64),
    /// For so long.
    Time(Duration),
}

/// One of several equal shares of a campaign: the cases whose numbers leave its own rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    number: NonZeroU64,
    of: NonZeroU64,
}

impl Shard {
    /// All of it.
    pub const WHOLE: Self = Self {
        number: NonZeroU64::MIN,
        of: NonZeroU64::MIN,
    };

    /// The share of a number, counted from 1, of so many; `None` where there is no such one.
    #[must_use]
    pub fn new(number: u64, of: u64) -> Option<Self> {
        let (number, of) = (NonZeroU64::new(number)?, NonZeroU64::new(of)?);
        (number <= of).then_some(Self { number, of })
    }

    /// The number in the whole campaign of one of its cases, by its place in the shard.
    fn case(self, place: u64) -> u64 {
        place * self.of.get() + (self.number.get() - 1)
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// A text that names no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no share; expected one such as 1/2, from 1/2 to 2/2")]
pub struct NotAShard(String);

impl FromStr for Shard {
    type Err = NotAShard;

    fn from_str(text: &str) -> Result<Self, NotAShard> {
        let shard = || {
            let (number, of) = text.split_once('/')?;
            Self::new(number.parse().ok()?, of.parse().ok()?)
        };
        shard().ok_or_else(|| NotAShard(text.to_owned()))
    }
}

/// Watches a campaign go on, and may end it early. Called from every worker.
pub trait Watch: Sync {
    /// These cases have been judged since it was last called by this worker.
    fn judged(&self, counts: &Counts);

    /// Whether to end now, with what there is.
    fn stop(&self) -> bool;
}

impl Watch for Blind {
    fn judged(&self, _: &Counts) {}

    fn stop(&self) -> bool {
        false
    }
}

/// Why a campaign could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// An arm failed.
    #[error(transparent)]
    Arm(#[from] Failure),
    /// A scenario was made that can't be planned: a fault of its maker.
    #[error("case {number} can't be planned: {why}")]
    Unplanned {
        /// The case.
        number: u64,
        /// Why.
        why: Unplanned,
    },
}

/// What a campaign came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What was counted.
    pub counts: Counts,
    /// How long it took: no part of what the seed decides.
    pub took: Duration,
    /// Whether it was ended before its time.
    pub stopped: bool,
}

/// Runs a campaign. `known` says of a class whether it is accepted already.
///
/// # Errors
///
/// [`Broken`]: a fault of the machine or of this program, never a verdict.
pub fn run(
    options: &Options,
    known: &(dyn Fn(&Class) -> bool + Sync),
    watch: &dyn Watch,
) -> Result<Outcome, Broken> {
    let start = Instant::now();
    let course = Course {
        options,
        known,
        watch,
        next: AtomicU64::new(0),
        ended: AtomicBool::new(false),
        start,
    };
    let results: Vec<Result<Counts, Broken>> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..options.jobs.max(1))
            .map(|_| scope.spawn(|| course.work()))
            .collect();
        let workers = workers.into_iter();
        workers
            .map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            .collect()
    });
    let mut counts = Counts::default();
    for result in results {
        counts.add(result?);
    }
    Ok(Outcome {
        counts,
        took: start.elapsed(),
        stopped: watch.stop() || course.ended.load(Ordering::Relaxed),
    })
}

/// A campaign while it runs.
struct Course<'a> {
    options: &'a Options,
    known: &'a (dyn Fn(&Class) -> bool + Sync),
    watch: &'a dyn Watch,
    /// The first place in the shard that nobody has taken.
    next: AtomicU64,
    ended: AtomicBool,
    start: Instant,
}

impl Course<'_> {
    fn work(&self) -> Result<Counts, Broken> {
        // Nobody else need begin what is of no use any more.
        self.work_to_the_end()
            .inspect_err(|_| self.ended.store(true, Ordering::Relaxed))
    }

    fn work_to_the_end(&self) -> Result<Counts, Broken> {
        let mut kernels = Kernels::new(&self.options.kernels)?;
        let handful = self.handful();
        let mut counts = Counts::default();
        while !self.is_over() {
            let first = self.next.fetch_add(handful, Ordering::Relaxed);
            let mut cases = self.cases(first..first + handful)?;
            if cases.is_empty() {
                break;
            }
            kernels.judge(&mut cases)?;
            let mut new = Counts::default();
            for case in &mut cases {
                new.count(case, self.options.backends[0]);
            }
            self.watch.judged(&new);
            if self.options.fail_fast && self.has_news(&new) {
                self.ended.store(true, Ordering::Relaxed);
            }
            counts.add(new);
        }
        Ok(counts)
    }

    fn is_over(&self) -> bool {
        let late = match self.options.until {
            Until::Cases(_) => false,
            Until::Time(time) => self.start.elapsed() >= time,
        };
        late || self.watch.stop() || self.ended.load(Ordering::Relaxed)
    }

    fn has_news(&self, counts: &Counts) -> bool {
        !counts.loading.is_empty() || counts.classes.keys().any(|class| !(self.known)(class))
    }

    /// How many cases a worker takes at a time: whole clusters, and not all where others want work too.
    fn handful(&self) -> u64 {
        let rulesets = self.options.dials.rulesets.get();
        let share = match self.options.until {
            Until::Time(_) => u64::MAX,
            Until::Cases(cases) => cases / self.options.shard.of / self.options.jobs.max(1) as u64,
        };
        rulesets * share.div_ceil(rulesets).clamp(1, CLUSTERS)
    }

    /// The cases at some places of the shard, judged by intent and model.
    fn cases(&self, places: Range<u64>) -> Result<Vec<Case>, Broken> {
        let all = match self.options.until {
            Until::Cases(cases) => cases,
            Until::Time(_) => u64::MAX,
        };
        let numbers = places.map(|place| self.options.shard.case(place));
        let numbers = numbers.take_while(|number| *number < all);
        numbers.map(|number| self.case(number)).collect()
    }

    fn case(&self, number: u64) -> Result<Case, Broken> {
        let mut case = self.options.case(number)?;
        case.expect(&self.options.backends);
        Ok(case)
    }
}

impl Options {
    /// One of the campaign's cases, not judged yet.
    ///
    /// # Errors
    ///
    /// [`Broken::Unplanned`] where the maker of scenarios made one that can't be.
    pub fn case(&self, number: u64) -> Result<Case, Broken> {
        let case = Case::of(self.seed, number, &self.dials, self.layout, self.packets);
        case.map_err(|why| Broken::Unplanned { number, why })
    }
}

#[cfg(target_os = "linux")]
use fleet::Fleet as Kernels;

/// There are none on this system.
#[cfg(not(target_os = "linux"))]
struct Kernels;

#[cfg(not(target_os = "linux"))]
impl Kernels {
    fn new(backends: &[Backend]) -> Result<Self, Failure> {
        match backends.first() {
            None => Ok(Self),
            Some(backend) => Err(Failure::Broken {
                arm: (*backend).into(),
                message: "the kernel arms are Linux's".to_owned(),
            }),
        }
    }

    fn judge(&mut self, _: &mut [Case]) -> Result<(), Failure> {
        Ok(())
    }
}
