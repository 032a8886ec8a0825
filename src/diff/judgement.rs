//! One packet before all judges: what each says, and who agrees with whom.

use std::fmt;

use super::meaning::is_meant;
use super::{Comparison, Difference, compare};
use crate::intent::Opinion;
use crate::journey::{Answer, Unjudged};
use crate::node::Node;
use crate::xtables::Backend;

/// What everybody says of one packet.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// The node that it is sent at.
    pub node: &'a Node,
    /// The intent's opinion, where Calico runs on the node.
    pub opinion: Option<&'a Opinion>,
    /// One reading of the rules for each backend that is asked about, in the order of
    /// [`Backend::BOTH`].
    pub readings: [Option<Reading<'a>>; 2],
}

/// A backend's rules as the model reads them, and what the kernel behind it did.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    /// The model's answer.
    pub model: &'a Answer,
    /// The model's answer without Calico's rules, where the intent defers.
    pub without: Option<&'a Answer>,
    /// The kernel's answer, where it was asked.
    pub kernel: Option<&'a Answer>,
}

/// Who agrees with whom on one packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All who were asked.
    Agree,
    /// Not all: between whom the lines run.
    Differ(Division),
    /// Nobody differs, but somebody could not judge it.
    Unjudged(Unjudged),
}

/// Between whom the lines run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// By which backends' reading the rules don't do what is meant, in the order of [`Backend::BOTH`].
    pub unmeant: [bool; 2],
    /// Where each backend's kernel parts from the reading of its rules.
    pub unfollowed: [Option<Box<Difference>>; 2],
    /// Which backends were asked about.
    pub asked: [bool; 2],
    /// Which backends' kernels were asked.
    pub kernels: [bool; 2],
}

impl Division {
    /// The first backend that somebody differs on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        let differs = |backend: &Backend| {
            self.unmeant[backend.place()] || self.unfollowed[backend.place()].is_some()
        };
        let mut backends = Backend::BOTH.into_iter();
        backends.find(differs).unwrap_or(Backend::Legacy)
    }

    /// The lines alone, without the kernels that do as their rules are read: the same whether those were
    /// asked or not.
    #[must_use]
    pub fn lines(&self) -> String {
        let alone = Self {
            kernels: [false, false],
            ..self.clone()
        };
        alone.to_string()
    }

    /// Where the first kernel parts that does.
    #[must_use]
    pub fn parting(&self) -> Option<&Difference> {
        self.unfollowed.iter().flatten().next().map(AsRef::as_ref)
    }
}

impl fmt::Display for Division {
    /// The parties, those who agree together: `intent | model legacy nft`. Where the rules are read
    /// differently behind the backends, and only one reading is what is meant, it has the backend's name:
    /// `intent model(legacy) legacy | model(nft) nft`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let both = self.asked == [true, true];
        let apart = both && self.unmeant[0] != self.unmeant[1];
        let mut meant = vec!["intent".to_owned()];
        let mut unmeant = Vec::new();
        let mut alone = Vec::new();
        for backend in Backend::BOTH {
            let place = backend.place();
            if !self.asked[place] {
                continue;
            }
            let party = match self.unmeant[place] {
                true => &mut unmeant,
                false => &mut meant,
            };
            let model = match apart {
                true => format!("model({backend})"),
                false => "model".to_owned(),
            };
            if !party.contains(&model) {
                party.push(model);
            }
        }
        for backend in Backend::BOTH {
            let place = backend.place();
            if self.asked[place] && self.unfollowed[place].is_some() {
                alone.push(backend.to_string());
            } else if self.asked[place] && self.kernels[place] {
                match self.unmeant[place] {
                    true => unmeant.push(backend.to_string()),
                    false => meant.push(backend.to_string()),
                }
            }
        }
        let parties = [meant, unmeant, alone];
        let parties = parties.iter().filter(|party| !party.is_empty());
        let parties: Vec<String> = parties.map(|party| party.join(" ")).collect();
        f.pad(&parties.join(" | "))
    }
}

impl Said<'_> {
    /// Who agrees with whom.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        let mut division = Division::default();
        let mut unjudged = None;
        for backend in Backend::BOTH {
            let place = backend.place();
            let Some(reading) = self.readings[place] else {
                continue;
            };
            division.asked[place] = true;
            division.kernels[place] = reading.kernel.is_some();
            if let Some(opinion) = self.opinion {
                let without = reading.without.unwrap_or(reading.model);
                match is_meant(opinion, self.node, reading.model, without) {
                    Some(meant) => division.unmeant[place] = !meant,
                    None => unjudged = unjudged.or_else(|| Some(by_chance(reading.model))),
                }
            }
            match reading.kernel.map(|kernel| compare(reading.model, kernel)) {
                None | Some(Comparison::Agree) => {}
                Some(Comparison::Differ(difference)) => {
                    division.unfollowed[place] = Some(difference);
                }
                Some(Comparison::Unjudged(why)) => unjudged = Some(why),
            }
        }
        if division.unmeant != [false, false] || division.unfollowed.iter().any(Option::is_some) {
            return Outcome::Differ(division);
        }
        unjudged.map_or(Outcome::Agree, Outcome::Unjudged)
    }
}

/// Why an answer can't be held against what is meant.
fn by_chance(answer: &Answer) -> Unjudged {
    match answer {
        Answer::Unjudged(why) => why.clone(),
        Answer::Judged(_) => Unjudged::Other("chance decides how it ends".to_owned()),
    }
}
