//! The kernels of one worker: for each backend several rooms, so that the waiting of one overlaps with the
//! work of another, whichever backend's it is.

use rustc_hash::FxHashSet;

use super::case::Case;
use crate::arm::Failure;
use crate::campaign::trial::Loading;
use crate::journey::{Answer, Journey};
use crate::kernel::{Load, Room, Stopped, Texts, Tools, in_rooms};
use crate::node::Node;
use crate::packet::Family;
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, ipset};

/// How many rooms of nft's a worker keeps in flight: each waits most of the time.
const NFT_ROOMS: usize = 16;
/// How many of legacy's: while one's tool loads, packets are fired at another.
const LEGACY_ROOMS: usize = 3;
/// How many rooms take what is refused.
const REFUSALS: usize = 2;

/// The rooms of one worker.
pub(super) struct Fleet {
    rooms: Vec<Room>,
    /// Rooms for what is refused: after a refusal nobody knows what is loaded.
    spoiled: Vec<Room>,
    /// Rules that a backend's tools have refused.
    refused: FxHashSet<(Backend, Family, String)>,
}

impl Fleet {
    /// Rooms for these backends, which belong to the calling thread.
    pub(super) fn new(backends: &[Backend]) -> Result<Self, Failure> {
        let make = |count: fn(Backend) -> usize| {
            let rooms = backends
                .iter()
                .flat_map(|backend| std::iter::repeat_n(*backend, count(*backend)));
            let room = |backend| {
                let room = Room::with_tools(backend, Tools::Changes);
                room.map_err(|error| broken(Stopped { backend, error }))
            };
            rooms.map(room).collect::<Result<Vec<Room>, _>>()
        };
        let rooms = make(|backend| match backend {
            Backend::Legacy => LEGACY_ROOMS,
            Backend::Nft => NFT_ROOMS,
        });
        Ok(Self {
            rooms: rooms?,
            spoiled: make(|_| REFUSALS)?,
            refused: FxHashSet::default(),
        })
    }

    /// Puts every case before the kernels: their answers are written down in the cases.
    pub(super) fn judge(&mut self, cases: &mut [Case]) -> Result<(), Failure> {
        let refused = self.confirm_refusals(cases)?;
        let nothing = || vec![Vec::new(); cases.len()];
        let mut answers: [Vec<Vec<Vec<Answer>>>; 2] = [nothing(), nothing()];
        let mut loading: Vec<(usize, Backend, NotProgrammed)> = Vec::new();
        let mut journeys: Vec<Journey> = Vec::new();
        let mut clusters =
            Backend::BOTH.map(|_| cases.chunk_by(|one, next| one.cluster == next.cluster));
        let next = |backend: Backend| Some(clusters[backend.place()].next()?.iter().map(planned));
        let judged = in_rooms(&mut self.rooms, next, |room, number, fate| {
            if let Err(why) = fate {
                loading.push((number, room.backend(), why));
                return Ok(());
            }
            let answers = &mut answers[room.backend().place()][number];
            for salvo in &cases[number].salvos {
                room.fire(salvo, &mut journeys)?;
                answers.push(journeys.drain(..).map(Answer::one).collect());
            }
            Ok(())
        });
        judged.map_err(broken)?;
        for backend in self.backends() {
            let answers = std::mem::take(&mut answers[backend.place()]);
            for (case, answers) in cases.iter_mut().zip(answers) {
                case.kernels[backend.place()] = Some(answers);
            }
        }
        for (number, backend, why) in loading {
            cases[number].loading.push(Loading {
                backend,
                family: None,
                model: None,
                kernel: Some(why),
            });
        }
        for (number, loading) in refused {
            cases[number].loading.push(loading);
        }
        Ok(())
    }

    /// The backends that it has rooms of.
    fn backends(&self) -> Vec<Backend> {
        let mut backends: Vec<Backend> = self.rooms.iter().map(Room::backend).collect();
        backends.dedup();
        backends
    }

    /// Puts the rules that plans leave out to the tools: where they do other than the model foretells. What is
    /// refused for one rule, whatever stands around it, is asked once.
    fn confirm_refusals(&mut self, cases: &[Case]) -> Result<Vec<(usize, Loading)>, Failure> {
        let foretold = self.foretold(cases);
        // Nothing is fired at what is loaded here, so nothing of it need be known.
        let unknown = Firewall::default();
        let mut differing = Vec::new();
        let refused = &mut self.refused;
        let mut rows = foretold.each_ref().map(|foretold| foretold.iter());
        let next = |backend: Backend| {
            let one = rows[backend.place()].next()?;
            let node = &cases[one.cases[0]].plan.node;
            Some([one.load(node, &unknown)])
        };
        let loaded = in_rooms(&mut self.spoiled, next, |room, number, fate| {
            let backend = room.backend();
            let one = &foretold[backend.place()][number];
            if fate.is_err() {
                let rule = one.rule.clone();
                refused.extend(rule.map(|rule| (backend, one.family, rule)));
            }
            let fate = fate.err();
            for case in &one.cases {
                let plan = &cases[*case].plan;
                let loading = Loading::of(plan, backend, one.family, fate.clone());
                differing.extend(loading.map(|loading| (*case, loading)));
            }
            Ok(())
        });
        loaded.map_err(broken)?;
        Ok(differing)
    }

    /// What the model foretells to be refused, and each backend's tools have not refused yet.
    fn foretold(&self, cases: &[Case]) -> [Vec<Foretold>; 2] {
        Backend::BOTH.map(|backend| self.foretold_of(backend, cases))
    }

    fn foretold_of(&self, backend: Backend, cases: &[Case]) -> Vec<Foretold> {
        let mut foretold: Vec<Foretold> = Vec::new();
        let families = |case: usize| Family::BOTH.map(|family| (case, family));
        for (case, family) in (0..cases.len()).flat_map(families) {
            let Some(calico) = &cases[case].plan.calico else {
                continue;
            };
            if calico.refused(family).is_none() {
                continue;
            }
            let rule = calico.draft.refused_rule(family);
            let key = rule.map(|rule| (backend, family, rule));
            if key.as_ref().is_some_and(|key| self.refused.contains(key)) {
                continue;
            }
            let rule = key.map(|(_, _, rule)| rule);
            let same = |one: &&mut Foretold| {
                one.family == family && one.rule.is_some() && one.rule == rule
            };
            match foretold.iter_mut().find(same) {
                Some(one) => one.cases.push(case),
                None => foretold.push(Foretold {
                    cases: vec![case],
                    family,
                    rule,
                    text: calico.draft.text(family),
                    sets: ipset::print_save(&calico.draft.sets),
                }),
            }
        }
        foretold
    }
}

/// What a case's plan has programmed.
fn planned(case: &Case) -> Load<'_> {
    let [v4, v6, sets] = &case.texts;
    Load {
        node: &case.plan.node,
        firewall: &case.plan.firewall,
        texts: Some(Texts { v4, v6, sets }),
    }
}

/// A family's rules that the tools are foretold to refuse.
struct Foretold {
    /// In which cases; at least one.
    cases: Vec<usize>,
    family: Family,
    /// For which rule, if it is one by itself.
    rule: Option<String>,
    /// What the first of the cases has.
    text: String,
    sets: String,
}

impl Foretold {
    fn load<'a>(&'a self, node: &'a Node, firewall: &'a Firewall) -> Load<'a> {
        let (v4, v6) = match self.family {
            Family::V4 => (self.text.as_str(), ""),
            Family::V6 => ("", self.text.as_str()),
        };
        let sets = &self.sets;
        Load {
            node,
            firewall,
            texts: Some(Texts { v4, v6, sets }),
        }
    }
}

fn broken(stopped: Stopped) -> Failure {
    Failure::Broken {
        arm: stopped.backend.into(),
        message: stopped.error.to_string(),
    }
}
