//! The kernels of one worker: for each backend several rooms, so that the waiting of one overlaps with the
//! work of another.

use super::case::Case;
use crate::arm::Failure;
use crate::campaign::trial::Loading;
use crate::journey::{Answer, Journey};
use crate::kernel::{KernelError, Load, Room, Texts, in_rooms};
use crate::packet::Family;
use crate::render::table::Draft;
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, ipset};

/// How many rooms of nft's a worker keeps in flight: each waits most of the time.
const NFT_ROOMS: usize = 16;
/// How many of legacy's: while one's tool loads, packets are fired at another.
const LEGACY_ROOMS: usize = 3;

/// One backend's rooms.
pub(super) struct Fleet {
    backend: Backend,
    rooms: Vec<Room>,
}

impl Fleet {
    /// Rooms for a backend, which belong to the calling thread.
    pub(super) fn new(backend: Backend) -> Result<Self, Failure> {
        let count = match backend {
            Backend::Legacy => LEGACY_ROOMS,
            Backend::Nft => NFT_ROOMS,
        };
        let rooms = (0..count).map(|_| Room::new(backend));
        let rooms = rooms.collect::<Result<_, _>>();
        Ok(Self {
            backend,
            rooms: rooms.map_err(|error| broken(backend, &error))?,
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
        let loads = cases
            .iter()
            .map(|case| (&case.plan.node, &case.plan.firewall));
        let judged = in_rooms(&mut self.rooms, loads, |room, number, fate| {
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

    /// Puts the rules that plans leave out to the tools: where they do other than the model foretells.
    fn confirm_refusals(&mut self, cases: &[Case]) -> Result<Vec<(usize, Loading)>, Failure> {
        struct Foretold {
            case: usize,
            family: Family,
            text: String,
            sets: String,
        }
        let backend = self.backend;
        let foretold = cases.iter().enumerate().flat_map(|(number, case)| {
            let calico = case.plan.calico.as_ref();
            Family::BOTH.into_iter().filter_map(move |family| {
                let calico = calico?;
                let draft: &Draft = &calico.draft;
                calico.refused(family)?;
                Some(Foretold {
                    case: number,
                    family,
                    text: draft.text(family),
                    sets: ipset::print_save(&draft.sets),
                })
            })
        });
        let foretold: Vec<Foretold> = foretold.collect();
        let empty = Firewall::default();
        let loads = foretold.iter().map(|one| {
            let (v4, v6) = match one.family {
                Family::V4 => (one.text.as_str(), ""),
                Family::V6 => ("", one.text.as_str()),
            };
            Load {
                node: &cases[one.case].plan.node,
                // Nothing is fired at what is loaded here, so nothing of it need be known.
                firewall: &empty,
                texts: Some(Texts {
                    v4,
                    v6,
                    sets: &one.sets,
                }),
            }
        });
        let mut differing = Vec::new();
        let loaded = in_rooms(&mut self.rooms, loads, |_, number, fate| {
            let one = &foretold[number];
            let loading = Loading::of(&cases[one.case].plan, backend, one.family, fate.err());
            differing.extend(loading.map(|loading| (one.case, loading)));
            Ok(())
        });
        loaded.map_err(|error| broken(backend, &error))?;
        Ok(differing)
    }
}

fn broken(backend: Backend, error: &KernelError) -> Failure {
    Failure::Broken {
        arm: backend.into(),
        message: error.to_string(),
    }
}
