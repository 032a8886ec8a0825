//! The kinds of fault.

use std::fmt;
use std::net::IpAddr;

use crate::xtables::matches::{Match, Not, PortRange, SetSide, TcpTest, UdpTest};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::target::Xmark;
use crate::xtables::{Firewall, Policy, Rule, RuleId, Target};

/// One way in which a rule can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The rule is lost.
    LoseRule,
    /// The rule stands twice.
    RepeatRule,
    /// The rule changes places with the next one.
    SwapWithNext,
    /// All of the rule's questions are lost.
    LoseQuestions,
    /// The last of the rule's matches is lost.
    LoseLastMatch,
    /// `-p` is lost.
    LoseProtocol,
    /// `-p` names the next protocol.
    NextProtocol,
    /// `-s` and `-d` change places.
    SwapAddresses,
    /// `-s` or `-d` is negated.
    NegateAddress,
    /// The prefix of `-s` or `-d` is one bit shorter.
    WidenPrefix,
    /// The prefix of `-s` or `-d` is one bit longer.
    NarrowPrefix,
    /// `-i` and `-o` change places.
    SwapInterfaces,
    /// `-i` or `-o` is negated.
    NegateInterface,
    /// A `+` behind an interface is lost.
    LosePlus,
    /// An interface's last letter becomes a `+`.
    WidenInterface,
    /// The mask of a mark match is lost: all bits count.
    LoseMarkMask,
    /// A mark match is negated.
    NegateMark,
    /// A mark match asks for the neighbouring bit.
    NextMarkBit,
    /// The mask of a MARK target is lost: all bits are cleared first.
    LoseXmarkMask,
    /// A MARK target writes the neighbouring bit.
    NextXmarkBit,
    /// A MARK target that clears writes nothing.
    LoseClear,
    /// A MARK target that sets clears instead.
    ClearInsteadOfSet,
    /// The states of a conntrack match are negated.
    NegateStates,
    /// A conntrack match loses one of its states.
    LoseState,
    /// A port range begins one later.
    PortRangeFirst,
    /// A port range ends one later.
    PortRangeLast,
    /// One of several ports is lost.
    LosePort,
    /// A port match is negated.
    NegatePorts,
    /// A set match is negated.
    NegateSet,
    /// A set match looks at the other side.
    SwapSetSide,
    /// An address-type match is negated.
    NegateAddressType,
    /// A jump becomes a goto.
    JumpToGoto,
    /// A goto becomes a jump.
    GotoToJump,
    /// A RETURN is lost.
    LoseReturn,
    /// A RETURN becomes an ACCEPT.
    ReturnToAccept,
    /// A DROP becomes an ACCEPT.
    DropToAccept,
    /// A DROP becomes a RETURN.
    DropToReturn,
    /// An ACCEPT becomes a DROP.
    AcceptToDrop,
    /// An ACCEPT becomes a RETURN.
    AcceptToReturn,
    /// A REJECT becomes a silent DROP.
    RejectToDrop,
    /// A translation is lost.
    LoseTranslation,
    /// A translation leads to the next address.
    NextTranslation,
    /// The built-in chain's policy is the other one.
    FlipPolicy,
    /// A member of the set that the rule asks for is lost.
    LoseMember,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 44] = [
        Self::LoseRule,
        Self::RepeatRule,
        Self::SwapWithNext,
        Self::LoseQuestions,
        Self::LoseLastMatch,
        Self::LoseProtocol,
        Self::NextProtocol,
        Self::SwapAddresses,
        Self::NegateAddress,
        Self::WidenPrefix,
        Self::NarrowPrefix,
        Self::SwapInterfaces,
        Self::NegateInterface,
        Self::LosePlus,
        Self::WidenInterface,
        Self::LoseMarkMask,
        Self::NegateMark,
        Self::NextMarkBit,
        Self::LoseXmarkMask,
        Self::NextXmarkBit,
        Self::LoseClear,
        Self::ClearInsteadOfSet,
        Self::NegateStates,
        Self::LoseState,
        Self::PortRangeFirst,
        Self::PortRangeLast,
        Self::LosePort,
        Self::NegatePorts,
        Self::NegateSet,
        Self::SwapSetSide,
        Self::NegateAddressType,
        Self::JumpToGoto,
        Self::GotoToJump,
        Self::LoseReturn,
        Self::ReturnToAccept,
        Self::DropToAccept,
        Self::DropToReturn,
        Self::AcceptToDrop,
        Self::AcceptToReturn,
        Self::RejectToDrop,
        Self::LoseTranslation,
        Self::NextTranslation,
        Self::FlipPolicy,
        Self::LoseMember,
    ];

    /// The firewall with this fault at a rule; `None` where the fault does not apply to it.
    #[must_use]
    pub fn plant(self, firewall: &Firewall, id: &RuleId) -> Option<Firewall> {
        let mut mutated = firewall.clone();
        match self {
            Self::LoseMember => lose_member(&mut mutated, firewall.rule(id)?)?,
            Self::LoseRule | Self::RepeatRule | Self::SwapWithNext | Self::FlipPolicy => {
                self.change_chain(&mut mutated, id)?;
            }
            _ => self.change_rule(rule_mut(&mut mutated, id)?)?,
        }
        (mutated != *firewall).then_some(mutated)
    }

    fn change_chain(self, firewall: &mut Firewall, id: &RuleId) -> Option<()> {
        let table = firewall.ruleset_mut(id.family).table_mut(id.table)?;
        let chain = table
            .chains
            .iter_mut()
            .find(|chain| chain.name == id.chain)?;
        match self {
            Self::LoseRule => drop(chain.rules.remove(id.index)),
            Self::RepeatRule => chain
                .rules
                .insert(id.index, chain.rules.get(id.index)?.clone()),
            Self::SwapWithNext if id.index + 1 < chain.rules.len() => {
                chain.rules.swap(id.index, id.index + 1);
            }
            Self::FlipPolicy if id.index == 0 => {
                chain.policy = Some(match chain.policy? {
                    Policy::Accept => Policy::Drop,
                    Policy::Drop => Policy::Accept,
                });
            }
            _ => return None,
        }
        Some(())
    }

    fn change_rule(self, rule: &mut Rule) -> Option<()> {
        match self {
            Self::LoseQuestions => {
                let Rule {
                    counters,
                    target,
                    line,
                    ..
                } = rule.clone();
                *rule = Rule {
                    counters,
                    target,
                    line,
                    ..Rule::default()
                };
                Some(())
            }
            Self::LoseLastMatch => rule.matches.pop().map(drop),
            Self::LoseProtocol if needs_no_protocol(rule) => rule.protocol.take().map(drop),
            Self::NextProtocol if needs_no_protocol(rule) => {
                let protocol = &mut rule.protocol.as_mut()?.value;
                protocol.0 = protocol.0.checked_add(1)?;
                Some(())
            }
            Self::SwapAddresses => {
                std::mem::swap(&mut rule.source, &mut rule.destination);
                Some(())
            }
            Self::SwapInterfaces => {
                std::mem::swap(&mut rule.in_interface, &mut rule.out_interface);
                Some(())
            }
            Self::NegateAddress => flip(rule.source.as_mut().or(rule.destination.as_mut())?),
            Self::NegateInterface => flip(interface(rule)?),
            Self::WidenPrefix => resize(rule, -1),
            Self::NarrowPrefix => resize(rule, 1),
            Self::LosePlus | Self::WidenInterface => {
                self.change_interface(&mut interface(rule)?.value)
            }
            _ => self.change_target(rule).or_else(|| {
                rule.matches
                    .iter_mut()
                    .find_map(|one| self.change_match(one))
            }),
        }
    }

    fn change_interface(self, pattern: &mut InterfacePattern) -> Option<()> {
        *pattern = match (self, &*pattern) {
            (Self::LosePlus, InterfacePattern::Prefix(start)) => {
                InterfacePattern::Exactly(start.parse().ok()?)
            }
            (Self::WidenInterface, InterfacePattern::Exactly(name)) => {
                let name = name.as_str();
                InterfacePattern::Prefix(name[..name.len() - 1].to_owned())
            }
            _ => return None,
        };
        Some(())
    }

    fn change_match(self, one: &mut Match) -> Option<()> {
        match (self, one) {
            (Self::LoseMarkMask, Match::Mark(test)) => {
                test.value.mask = u32::MAX;
                Some(())
            }
            (Self::NextMarkBit, Match::Mark(test)) => {
                test.value.value = test.value.value.rotate_left(1);
                test.value.mask = test.value.mask.rotate_left(1);
                Some(())
            }
            (Self::NegateMark, Match::Mark(test)) => flip(test),
            (Self::NegateStates, Match::State(test)) => flip(test),
            (Self::NegateStates, Match::Conntrack(test)) => flip(test.states.as_mut()?),
            (Self::LoseState, Match::State(test)) => lose_lowest_bit(&mut test.value.0),
            (Self::LoseState, Match::Conntrack(test)) => {
                lose_lowest_bit(&mut test.states.as_mut()?.value.0)
            }
            (Self::NegatePorts, Match::Multiport(_, test)) => flip(test),
            (Self::LosePort, Match::Multiport(_, test)) if test.value.len() > 1 => {
                test.value.pop().map(drop)
            }
            (Self::PortRangeFirst | Self::PortRangeLast, Match::Multiport(_, test)) => {
                self.change_range(test.value.last_mut()?)
            }
            (
                Self::PortRangeFirst | Self::PortRangeLast | Self::NegatePorts,
                Match::Tcp(TcpTest {
                    source,
                    destination,
                    ..
                })
                | Match::Udp(UdpTest {
                    source,
                    destination,
                }),
            ) => {
                let test = destination.as_mut().or(source.as_mut())?;
                if self == Self::NegatePorts {
                    flip(test)
                } else {
                    self.change_range(&mut test.value)
                }
            }
            (Self::NegateSet, Match::Set(test)) => {
                test.negated = !test.negated;
                Some(())
            }
            (Self::SwapSetSide, Match::Set(test)) => {
                for side in &mut test.sides {
                    *side = match side {
                        SetSide::Source => SetSide::Destination,
                        SetSide::Destination => SetSide::Source,
                    };
                }
                Some(())
            }
            (Self::NegateAddressType, Match::Addrtype(test)) => {
                flip(test.destination.as_mut().or(test.source.as_mut())?)
            }
            _ => None,
        }
    }

    fn change_range(self, range: &mut PortRange) -> Option<()> {
        match self {
            Self::PortRangeFirst if range.first < range.last => range.first += 1,
            Self::PortRangeFirst => {
                range.first = range.first.checked_add(1)?;
                range.last = range.first;
            }
            _ => range.last = range.last.checked_add(1)?,
        }
        Some(())
    }

    fn change_target(self, rule: &mut Rule) -> Option<()> {
        rule.target = match (self, &rule.target) {
            (Self::LoseXmarkMask, Target::Mark(mark)) => Target::Mark(Xmark {
                mask: u32::MAX,
                ..*mark
            }),
            (Self::NextXmarkBit, Target::Mark(mark)) if mark.value != 0 => Target::Mark(Xmark {
                value: mark.value.rotate_left(1),
                mask: mark.mask.rotate_left(1),
            }),
            (Self::LoseClear, Target::Mark(Xmark { value: 0, .. }))
            | (Self::LoseReturn, Target::Return)
            | (
                Self::LoseTranslation,
                Target::Dnat(_) | Target::Snat(_) | Target::Masquerade(_) | Target::Redirect(_),
            ) => Target::None,
            (Self::ClearInsteadOfSet, Target::Mark(mark)) if mark.value != 0 => {
                Target::Mark(Xmark {
                    value: 0,
                    mask: mark.mask,
                })
            }
            (Self::JumpToGoto, Target::Jump(chain)) => Target::Goto(chain.clone()),
            (Self::GotoToJump, Target::Goto(chain)) => Target::Jump(chain.clone()),
            (Self::ReturnToAccept, Target::Return) | (Self::DropToAccept, Target::Drop) => {
                Target::Accept
            }
            (Self::AcceptToDrop, Target::Accept) | (Self::RejectToDrop, Target::Reject(_)) => {
                Target::Drop
            }
            (Self::DropToReturn, Target::Drop) | (Self::AcceptToReturn, Target::Accept) => {
                Target::Return
            }
            (Self::NextTranslation, Target::Dnat(range)) => {
                let mut range = *range;
                range.addresses = range
                    .addresses
                    .map(|(first, last)| (next(first), next(last)));
                Target::Dnat(range)
            }
            (Self::NextTranslation, Target::Snat(range)) => {
                let mut range = *range;
                range.addresses = range
                    .addresses
                    .map(|(first, last)| (next(first), next(last)));
                Target::Snat(range)
            }
            _ => return None,
        };
        Some(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

fn rule_mut<'a>(firewall: &'a mut Firewall, id: &RuleId) -> Option<&'a mut Rule> {
    let table = firewall.ruleset_mut(id.family).table_mut(id.table)?;
    table
        .chains
        .iter_mut()
        .find(|chain| chain.name == id.chain)?
        .rules
        .get_mut(id.index)
}

fn lose_member(firewall: &mut Firewall, rule: &Rule) -> Option<()> {
    let name = rule.matches.iter().find_map(|one| match one {
        Match::Set(test) => Some(&test.name),
        _ => None,
    })?;
    firewall
        .sets
        .iter_mut()
        .find(|set| set.name == *name)?
        .elements
        .pop()
        .map(drop)
}

fn flip<T>(test: &mut Not<T>) -> Option<()> {
    test.negated = !test.negated;
    Some(())
}

fn interface(rule: &mut Rule) -> Option<&mut Not<InterfacePattern>> {
    rule.in_interface.as_mut().or(rule.out_interface.as_mut())
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

/// Makes the prefix of `-s` (or `-d`) longer or shorter by a bit.
fn resize(rule: &mut Rule, by: i16) -> Option<()> {
    let test = &mut rule.source.as_mut().or(rule.destination.as_mut())?.value;
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

fn next(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(v4) => IpAddr::V4((u32::from(v4).wrapping_add(1)).into()),
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6).wrapping_add(1)).into()),
    }
}
