//! Faults in what a rule does.

use super::next;
use crate::diff::chains::DIRECTIONS;
use crate::mutants::Fault;
use crate::xtables::Target;
use crate::xtables::target::{NatRange, Xmark};

/// What a target becomes; `None` where the fault does not apply to it. `chains` are those of its table.
pub(super) fn change(fault: Fault, target: &Target, chains: &[&str]) -> Option<Target> {
    Some(match (fault, target) {
        (_, Target::Mark(mark)) => Target::Mark(change_mark(fault, *mark)?),
        (Fault::LoseReturn, Target::Return)
        | (
            Fault::LoseTranslation,
            Target::Dnat(_) | Target::Snat(_) | Target::Masquerade(_) | Target::Redirect(_),
        ) => Target::None,
        (Fault::JumpToGoto, Target::Jump(chain)) => Target::Goto(chain.clone()),
        (Fault::GotoToJump, Target::Goto(chain)) => Target::Jump(chain.clone()),
        (Fault::WrongDirection | Fault::NextChain, Target::Jump(chain)) => {
            Target::Jump(elsewhere(fault, chain, chains)?)
        }
        (Fault::WrongDirection | Fault::NextChain, Target::Goto(chain)) => {
            Target::Goto(elsewhere(fault, chain, chains)?)
        }
        (Fault::ReturnToAccept, Target::Return) | (Fault::DropToAccept, Target::Drop) => {
            Target::Accept
        }
        (Fault::AcceptToDrop, Target::Accept)
        | (Fault::ReturnToDrop, Target::Return)
        | (Fault::RejectToDrop, Target::Reject(_)) => Target::Drop,
        (Fault::DropToReturn, Target::Drop) | (Fault::AcceptToReturn, Target::Accept) => {
            Target::Return
        }
        (Fault::NextTranslation, Target::Dnat(range)) => Target::Dnat(next_range(*range)),
        (Fault::NextTranslation, Target::Snat(range)) => Target::Snat(next_range(*range)),
        _ => return None,
    })
}

fn change_mark(fault: Fault, mark: Xmark) -> Option<Xmark> {
    let sets = mark.value != 0;
    Some(match fault {
        Fault::LoseXmarkMask => Xmark {
            mask: u32::MAX,
            ..mark
        },
        Fault::NextXmarkBit => Xmark {
            value: mark.value.rotate_left(1),
            mask: mark.mask.rotate_left(1),
        },
        Fault::LoseClear if !sets => Xmark { value: 0, mask: 0 },
        Fault::ClearInsteadOfSet if sets => Xmark { value: 0, ..mark },
        Fault::SetInsteadOfClear if !sets => Xmark {
            value: mark.mask,
            ..mark
        },
        _ => return None,
    })
}

fn elsewhere(fault: Fault, chain: &str, chains: &[&str]) -> Option<String> {
    let is_there = |name: &&str| chains.contains(name);
    if fault == Fault::WrongDirection {
        let opposite = DIRECTIONS.iter().find_map(|[one, other]| {
            let turn = |from: &str, to: &str| {
                let rest = chain.strip_prefix(from)?;
                Some(format!("{to}{rest}"))
            };
            turn(one, other).or_else(|| turn(other, one))
        })?;
        return is_there(&opposite.as_str()).then_some(opposite);
    }
    let beginning = DIRECTIONS
        .iter()
        .flatten()
        .find(|one| chain.starts_with(**one))?;
    let mut kind = chains
        .iter()
        .filter(|name| name.starts_with(beginning))
        .cycle();
    let behind = kind.by_ref().skip_while(|name| **name != chain).nth(1)?;
    (*behind != chain).then(|| (*behind).to_owned())
}

fn next_range(range: NatRange) -> NatRange {
    let addresses = range.addresses;
    NatRange {
        addresses: addresses.map(|(first, last)| (next(first), next(last))),
        ..range
    }
}
