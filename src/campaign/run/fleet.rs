//! The kernels of one worker: for each backend several rooms, so that the waiting of one overlaps with the
//! work of another.

use rustc_hash::FxHashSet;

use super::case::Case;
use crate::arm::Failure;
use crate::campaign::trial::Loading;
use crate::journey::{Answer, Journey};
use crate::kernel::{KernelError, Load, Room, Texts, Tools, in_rooms};
use crate::packet::Family;
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, ipset};

/// How many rooms of nft's a worker keeps in flight: each waits most of the time.
const NFT_ROOMS: usize = 16;
/// How many of legacy's: while one's tool loads, packets are fired at another.
const LEGACY_ROOMS: usize = 3;
/// How many rooms take what is refused.
const REFUSALS: usize = 2;

/// One backend's rooms.
pub(super) struct Fleet {
    backend: Backend,
    rooms: Vec<Room>,
    /// Rooms for what is refused: after a refusal nobody knows what is loaded.
    spoiled: Vec<Room>,
    /// Rules that the tools have refused.
    refused: FxHashSet<(Family, String)>,
}

impl Fleet {
    /// Rooms for a backend, which belong to the calling thread.
    pub(super) fn new(backend: Backend) -> Result<Self, Failure> {
        let count = match backend {
            Backend::Legacy => LEGACY_ROOMS,
            Backend::Nft => NFT_ROOMS,
        };
        let make = |count| {
            let rooms = (0..count).map(|_| Room::with_tools(backend, Tools::Changes));
            let rooms = rooms.collect::<Result<_, _>>();
            rooms.map_err(|error| broken(backend, &error))
        };
        Ok(Self {
            backend,
            rooms: make(count)?,
            spoiled: make(REFUSALS)?,
            refused: FxHashSet::default(),
        })
    }

    /// Puts every case before the kernel: its answers are written down in the cases.
    pub(super) fn judge(&mut self, cases: &mut [Case]) -> Result<(), Failure> {
        let refused = self.confirm_refusals(cases)?;
        let backend = self.backend;
        let mut answers: Vec<Vec<Vec<Answer>>> = Vec::new();
        answers.resize_with(cases.len(), Vec::new);
        let mut loading: Vec<(usize, NotProgrammed)> = Vec::new();
        let mut journeys: Vec<Journey> = Vec::new();
        let clusters = cases.chunk_by(|one, next| one.cluster == next.cluster);
        let rows = clusters.map(|cases| {
            cases.iter().map(|case| {
                let [v4, v6, sets] = &case.texts;
                Load {
                    node: &case.plan.node,
                    firewall: &case.plan.firewall,
                    texts: Some(Texts { v4, v6, sets }),
                }
            })
        });
        let judged = in_rooms(&mut self.rooms, rows, |room, number, fate| {
            if let Err(why) = fate {
                loading.push((number, why));
                return Ok(());
            }
            for salvo in &cases[number].salvos {
                room.fire(salvo, &mut journeys)?;
                answers[number].push(journeys.drain(..).map(Answer::one).collect());
            }
            Ok(())
        });
        judged.map_err(|error| broken(backend, &error))?;
        for (case, answers) in cases.iter_mut().zip(answers) {
            case.kernels[backend.place()] = Some(answers);
        }
        for (number, why) in loading {
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

    /// Puts the rules that plans leave out to the tools: where they do other than the model foretells. What is
    /// refused for one rule, whatever stands around it, is asked once.
    fn confirm_refusals(&mut self, cases: &[Case]) -> Result<Vec<(usize, Loading)>, Failure> {
        let backend = self.backend;
        let foretold = self.foretold(cases);
        let empty = Firewall::default();
        let rows = foretold.iter().map(|one| {
            let (v4, v6) = match one.family {
                Family::V4 => (one.text.as_str(), ""),
                Family::V6 => ("", one.text.as_str()),
            };
            [Load {
                node: &cases[one.cases[0]].plan.node,
                // Nothing is fired at what is loaded here, so nothing of it need be known.
                firewall: &empty,
                texts: Some(Texts {
                    v4,
                    v6,
                    sets: &one.sets,
                }),
            }]
        });
        let mut differing = Vec::new();
        let confirmed = &mut self.refused;
        let loaded = in_rooms(&mut self.spoiled, rows, |_, number, fate| {
            let one = &foretold[number];
            if fate.is_err() {
                confirmed.extend(one.rule.clone().map(|rule| (one.family, rule)));
            }
            let fate = fate.err();
            for case in &one.cases {
                let plan = &cases[*case].plan;
                let loading = Loading::of(plan, backend, one.family, fate.clone());
                differing.extend(loading.map(|loading| (*case, loading)));
            }
            Ok(())
        });
        loaded.map_err(|error| broken(backend, &error))?;
        Ok(differing)
    }

    /// What the model foretells to be refused, and the tools have not refused yet.
    fn foretold(&self, cases: &[Case]) -> Vec<Foretold> {
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
            let key = rule.map(|rule| (family, rule));
            if key.as_ref().is_some_and(|key| self.refused.contains(key)) {
                continue;
            }
            let rule = key.map(|(_, rule)| rule);
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

fn broken(backend: Backend, error: &KernelError) -> Failure {
    Failure::Broken {
        arm: backend.into(),
        message: error.to_string(),
    }
}
