//! Faults in one rule by itself: in what it asks, and in what it does.

use super::target;
use crate::mutants::Fault;
use crate::xtables::matches::{
    AddrtypeTest, IcmpTest, Match, Not, PortRange, PortSide, SetSide, TcpTest, UdpTest,
};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::{Rule, Target};

/// What a rule becomes by a fault, once for each of its questions that the fault fits. `chains` are the
/// names of its table's chains.
pub(in crate::mutants) fn variants(fault: Fault, rule: &Rule, chains: &[&str]) -> Vec<Rule> {
    let mut found = Vec::new();
    let mut add = |change: &dyn Fn(&mut Rule) -> Option<()>| {
        let mut changed = rule.clone();
        if change(&mut changed).is_some() && changed != *rule {
            found.push(changed);
        }
    };
    if is_of_target(fault) {
        add(&|rule| {
            rule.target = target::change(fault, &rule.target, chains)?;
            Some(())
        });
        return found;
    }
    add(&|rule| change_whole(fault, rule));
    add(&|rule| change_address(fault, &mut rule.source));
    add(&|rule| change_address(fault, &mut rule.destination));
    add(&|rule| change_interface(fault, &mut rule.in_interface));
    add(&|rule| change_interface(fault, &mut rule.out_interface));
    if needs_no_protocol(rule) {
        add(&|rule| change_protocol(fault, rule));
    }
    for place in 0..rule.matches.len() {
        if fault == Fault::LoseQuestion {
            let is_question = !matches!(rule.matches[place], Match::Comment(_));
            add(&|rule| is_question.then(|| drop(rule.matches.remove(place))));
        } else {
            add(&|rule| change_match(fault, &mut rule.matches[place]));
        }
    }
    found
}

fn is_of_target(fault: Fault) -> bool {
    matches!(
        fault,
        Fault::LoseXmarkMask
            | Fault::NextXmarkBit
            | Fault::LoseClear
            | Fault::ClearInsteadOfSet
            | Fault::SetInsteadOfClear
            | Fault::JumpToGoto
            | Fault::GotoToJump
            | Fault::WrongDirection
            | Fault::NextChain
            | Fault::LoseReturn
            | Fault::ReturnToAccept
            | Fault::ReturnToDrop
            | Fault::DropToAccept
            | Fault::DropToReturn
            | Fault::AcceptToDrop
            | Fault::AcceptToReturn
            | Fault::RejectToDrop
            | Fault::LoseTranslation
            | Fault::NextTranslation
    )
}

fn change_whole(fault: Fault, rule: &mut Rule) -> Option<()> {
    match fault {
        Fault::LoseQuestions => {
            let comments = |one: &Match| matches!(one, Match::Comment(_));
            *rule = Rule {
                counters: rule.counters,
                matches: rule
                    .matches
                    .iter()
                    .filter(|one| comments(one))
                    .cloned()
                    .collect(),
                target: rule.target.clone(),
                line: rule.line,
                ..Rule::default()
            };
        }
        Fault::SwapAddresses => std::mem::swap(&mut rule.source, &mut rule.destination),
        Fault::SwapInterfaces => std::mem::swap(&mut rule.in_interface, &mut rule.out_interface),
        _ => return None,
    }
    Some(())
}

fn change_address(fault: Fault, test: &mut Option<Not<AddressMask>>) -> Option<()> {
    match fault {
        Fault::LoseQuestion => test.take().map(drop),
        Fault::NegateAddress => flip(test.as_mut()?),
        Fault::WidenPrefix => resize(&mut test.as_mut()?.value, -1),
        Fault::NarrowPrefix => resize(&mut test.as_mut()?.value, 1),
        _ => None,
    }
}

fn change_interface(fault: Fault, test: &mut Option<Not<InterfacePattern>>) -> Option<()> {
    match fault {
        Fault::LoseQuestion => return test.take().map(drop),
        Fault::NegateInterface => return flip(test.as_mut()?),
        _ => {}
    }
    let pattern = &mut test.as_mut()?.value;
    *pattern = match (fault, &*pattern) {
        (Fault::LosePlus, InterfacePattern::Prefix(start)) => {
            InterfacePattern::Exactly(start.parse().ok()?)
        }
        (Fault::WidenInterface, InterfacePattern::Exactly(name)) => {
            let name = name.as_str();
            InterfacePattern::Prefix(name[..name.len() - 1].to_owned())
        }
        _ => return None,
    };
    Some(())
}

fn change_protocol(fault: Fault, rule: &mut Rule) -> Option<()> {
    match fault {
        Fault::LoseQuestion => return rule.protocol.take().map(drop),
        Fault::NegateProtocol => return flip(rule.protocol.as_mut()?),
        _ => {}
    }
    let protocol = &mut rule.protocol.as_mut()?.value;
    protocol.0 = match fault {
        Fault::NextProtocol => protocol.0.checked_add(1)?,
        Fault::EarlierProtocol => protocol.0.checked_sub(1).filter(|number| *number > 0)?,
        _ => return None,
    };
    Some(())
}

fn change_match(fault: Fault, one: &mut Match) -> Option<()> {
    match (fault, one) {
        (Fault::LoseMarkMask, Match::Mark(test)) => test.value.mask = u32::MAX,
        (Fault::NextMarkBit, Match::Mark(test)) => {
            test.value.value = test.value.value.rotate_left(1);
            test.value.mask = test.value.mask.rotate_left(1);
        }
        (Fault::NegateMark, Match::Mark(test)) => return flip(test),
        (Fault::NegateStates, Match::State(test)) => return flip(test),
        (Fault::NegateStates, Match::Conntrack(test)) => return flip(test.states.as_mut()?),
        (Fault::LoseState, Match::State(test)) => return lose_lowest_bit(&mut test.value.0),
        (Fault::LoseState, Match::Conntrack(test)) => {
            return lose_lowest_bit(&mut test.states.as_mut()?.value.0);
        }
        (_, Match::Multiport(side, test)) => return change_multiport(fault, side, test),
        (
            _,
            Match::Tcp(TcpTest {
                source,
                destination,
                ..
            })
            | Match::Udp(UdpTest {
                source,
                destination,
            }),
        ) => return change_ports(fault, destination.as_mut().or(source.as_mut())?),
        (_, Match::Icmp(test) | Match::Icmp6(test)) => return change_icmp(fault, test),
        (Fault::NegateSet, Match::Set(test)) => test.negated = !test.negated,
        (Fault::SwapSetSide, Match::Set(test)) => {
            for side in &mut test.sides {
                *side = match side {
                    SetSide::Source => SetSide::Destination,
                    SetSide::Destination => SetSide::Source,
                };
            }
        }
        (Fault::NegateAddressType, Match::Addrtype(test)) => return negate_type(test),
        (Fault::NegateReversePath, Match::Rpfilter(test)) => test.invert = !test.invert,
        _ => return None,
    }
    Some(())
}

fn change_multiport(
    fault: Fault,
    side: &mut PortSide,
    test: &mut Not<Vec<PortRange>>,
) -> Option<()> {
    match fault {
        Fault::NegatePorts => return flip(test),
        Fault::SwapPortSide => {
            *side = match side {
                PortSide::Source => PortSide::Destination,
                PortSide::Destination => PortSide::Source,
                PortSide::Either => return None,
            }
        }
        Fault::LosePort if test.value.len() > 1 => drop(test.value.pop()),
        Fault::LoseFirstPort if test.value.len() > 1 => drop(test.value.remove(0)),
        _ => return change_range(fault, test.value.last_mut()?),
    }
    Some(())
}

fn change_ports(fault: Fault, test: &mut Not<PortRange>) -> Option<()> {
    match fault {
        Fault::NegatePorts => flip(test),
        _ => change_range(fault, &mut test.value),
    }
}

/// Moves an end of a range by one. A range of one port moves as a whole.
fn change_range(fault: Fault, range: &mut PortRange) -> Option<()> {
    match fault {
        Fault::PortRangeFirst if range.first < range.last => range.first += 1,
        Fault::PortRangeFirst => {
            range.first = range.first.checked_add(1)?;
            range.last = range.first;
        }
        Fault::PortRangeBefore => range.first = range.first.checked_sub(1)?,
        Fault::PortRangeLast => range.last = range.last.checked_add(1)?,
        Fault::PortRangeShort if range.first < range.last => range.last -= 1,
        _ => return None,
    }
    Some(())
}

fn change_icmp(fault: Fault, test: &mut Not<IcmpTest>) -> Option<()> {
    let asked = &mut test.value;
    let has_code = asked.first_code == asked.last_code;
    match fault {
        Fault::NegateIcmp => return flip(test),
        Fault::NextIcmpType => asked.kind = asked.kind.checked_add(1)?,
        Fault::EarlierIcmpType => asked.kind = asked.kind.checked_sub(1)?,
        Fault::NextIcmpCode if has_code => asked.first_code = asked.first_code.checked_add(1)?,
        Fault::EarlierIcmpCode if has_code => {
            asked.first_code = asked.first_code.checked_sub(1)?;
        }
        Fault::LoseIcmpCode if has_code => {
            (asked.first_code, asked.last_code) = (0, u8::MAX);
            return Some(());
        }
        _ => return None,
    }
    if has_code {
        asked.last_code = asked.first_code;
    }
    Some(())
}

fn negate_type(test: &mut AddrtypeTest) -> Option<()> {
    flip(test.destination.as_mut().or(test.source.as_mut())?)
}

fn flip<T>(test: &mut Not<T>) -> Option<()> {
    test.negated = !test.negated;
    Some(())
}

fn lose_lowest_bit(bits: &mut u8) -> Option<()> {
    let rest = *bits & bits.wrapping_sub(1);
    (rest != 0).then(|| *bits = rest)
}

/// Whether the rule would still load without its `-p`, or with another.
fn needs_no_protocol(rule: &Rule) -> bool {
    let bound = |one: &Match| {
        matches!(
            one,
            Match::Tcp(_)
                | Match::Udp(_)
                | Match::Sctp(_)
                | Match::Icmp(_)
                | Match::Icmp6(_)
                | Match::Multiport(..)
                | Match::Opaque { .. }
        )
    };
    let ported = |target: &Target| match target {
        Target::Dnat(range)
        | Target::Snat(range)
        | Target::Masquerade(range)
        | Target::Redirect(range) => range.ports.is_some(),
        Target::Reject(_) | Target::TcpMss(_) | Target::Opaque { .. } => true,
        _ => false,
    };
    !rule.matches.iter().any(bound) && !ported(&rule.target)
}

/// Makes a prefix longer or shorter by a bit.
fn resize(test: &mut AddressMask, by: i16) -> Option<()> {
    let length = ipnet::ip_mask_to_prefix(test.mask).ok()?;
    let longer = u8::try_from(i16::from(length) + by).ok()?;
    let net = ipnet::IpNet::new(test.address, longer).ok()?;
    if longer == 0 {
        return None;
    }
    *test = AddressMask {
        address: net.network(),
        mask: net.netmask(),
    };
    Some(())
}
