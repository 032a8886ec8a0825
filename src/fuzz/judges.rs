//! An input before the judges.
//!
//! A divergence of a class that its layout's ledger does not have is a finding, and so is a ruleset that model and
//! tools don't both take. A class that it has is none, and neither is a packet that nobody could judge.

use super::input::NotAnInput;
use super::memory;
use super::trail::Trail;
use crate::arm::{self, Failure};
use crate::campaign::trial::Panel;
use crate::diff::ledger::Ledgers;
use crate::generate::world::Dials;
use crate::report::palette::Palette;
use crate::report::replay::tell;
use crate::xtables::Backend;

/// One input of so many, always the same, is put before nft as well, whose commits take many times as long as legacy's.
const SAMPLE: u64 = 16;

/// The judges of one process, made once: a kernel's are of the thread that makes them.
pub struct Judges {
    ledgers: Ledgers,
    dials: Dials,
    panel: Panel,
    /// The same with nft's kernel.
    sample: Option<Panel>,
}

/// What became of an input.
#[derive(Debug)]
pub enum Judged {
    /// It is none.
    NoInput(NotAnInput),
    /// Everybody agrees, or the ledger knows why not.
    Agreed(Trail),
}

/// What the judges differ on, and nobody has explained.
#[derive(Debug, thiserror::Error)]
pub enum Finding {
    /// A divergence, told in words.
    #[error("the judges differ, and the ledger does not know why\n\n{0}")]
    Divergence(String),
    /// An arm is broken.
    #[error(transparent)]
    Broken(#[from] Failure),
}

impl Judges {
    /// Intent and both readings of the rules, and no kernel.
    ///
    /// # Errors
    ///
    /// None: these lack nothing.
    pub fn without_kernels(ledgers: Ledgers) -> Result<Self, Failure> {
        Ok(Self {
            ledgers,
            dials: Dials::default(),
            panel: Panel::new(&Backend::BOTH, &[], &arm::make)?,
            sample: None,
        })
    }

    /// All of them, nft's kernel on a sample.
    ///
    /// # Errors
    ///
    /// What the machine lacks.
    pub fn with_kernels(ledgers: Ledgers) -> Result<Self, Failure> {
        let panel = |kernels: &[Backend]| Panel::new(&Backend::BOTH, kernels, &arm::make);
        Ok(Self {
            ledgers,
            dials: Dials::default(),
            panel: panel(&[Backend::Legacy])?,
            sample: Some(panel(&Backend::BOTH)?),
        })
    }

    /// Puts an input before the judges.
    ///
    /// # Errors
    ///
    /// [`Finding`]: what the fuzzer looks for.
    pub fn judge(&mut self, bytes: &[u8]) -> Result<Judged, Finding> {
        let mut input = match memory::read(bytes, &self.dials) {
            Ok(input) => input,
            Err(why) => return Ok(Judged::NoInput(why)),
        };
        let panel = match &mut self.sample {
            Some(sample) if input.seed.is_multiple_of(SAMPLE) => sample,
            _ => &mut self.panel,
        };
        let ledger = self.ledgers.of(input.layout);
        let scenario = &input.judged();
        let plan = &mut input.plan;
        let trial = panel.judge(plan, &scenario.batch)?;
        let classes = trial.classes(plan, &scenario.batch);
        let known = classes.iter().all(|(_, class)| ledger.has(class));
        if known && trial.loading.is_empty() {
            return Ok(Judged::Agreed(Trail::of(plan, &trial)));
        }
        let told = tell(&trial, plan, scenario, ledger);
        Err(Finding::Divergence(told.news().text(&Palette::plain())))
    }
}
