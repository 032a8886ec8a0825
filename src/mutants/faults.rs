//! The kinds of fault in rules.

use std::fmt;

use super::change;
use crate::xtables::{Firewall, RuleId};

/// Makes the list of faults once: the enumeration, and its order.
macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One way in which a rule, a chain or a set can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Fault {
            $($(#[$doc])* $name,)*
        }

        impl Fault {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

faults! {
    /// The rule is lost.
    LoseRule,
    /// The rule stands twice.
    RepeatRule,
    /// The rule changes places with the next one.
    SwapWithNext,
    /// The rule stands at the start of its chain.
    MoveToStart,
    /// The rule stands at the end of its chain.
    MoveToEnd,
    /// The rules of one kind in a chain lead where the others do, in the opposite order.
    ReverseTargets,
    /// Of several rules that differ in their ports alone, for one can't hold them all, the later are lost.
    LosePortSplit,
    /// The chain has no rules.
    EmptyChain,
    /// The built-in chain's policy is the other one.
    FlipPolicy,
    /// All of the rule's questions are lost.
    LoseQuestions,
    /// One of the rule's questions is lost.
    LoseQuestion,
    /// `-p` names the next protocol.
    NextProtocol,
    /// `-p` names the protocol before.
    EarlierProtocol,
    /// `-p` is negated.
    NegateProtocol,
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
    /// A MARK target writes, or clears, the neighbouring bit.
    NextXmarkBit,
    /// A MARK target that clears writes nothing.
    LoseClear,
    /// A MARK target that sets clears instead.
    ClearInsteadOfSet,
    /// A MARK target that clears sets instead.
    SetInsteadOfClear,
    /// The states of a conntrack match are negated.
    NegateStates,
    /// A conntrack match loses one of its states.
    LoseState,
    /// The last port range begins one later.
    PortRangeFirst,
    /// The last port range begins one earlier.
    PortRangeBefore,
    /// The last port range ends one later.
    PortRangeLast,
    /// The last port range ends one earlier.
    PortRangeShort,
    /// The last of several ports is lost.
    LosePort,
    /// The first of several ports is lost.
    LoseFirstPort,
    /// A port match is negated.
    NegatePorts,
    /// A port match looks at the other side.
    SwapPortSide,
    /// An ICMP type is the next one.
    NextIcmpType,
    /// An ICMP type is the one before.
    EarlierIcmpType,
    /// An ICMP code is the next one.
    NextIcmpCode,
    /// An ICMP code is the one before.
    EarlierIcmpCode,
    /// An ICMP match forgets the code.
    LoseIcmpCode,
    /// An ICMP match is negated.
    NegateIcmp,
    /// A set match is negated.
    NegateSet,
    /// A set match looks at the other side.
    SwapSetSide,
    /// A member of the set that the rule asks for is lost.
    LoseMember,
    /// The set that the rule asks for has a member more, the last one's neighbour.
    GainMember,
    /// An address-type match is negated.
    NegateAddressType,
    /// A reverse-path match asks for the opposite.
    NegateReversePath,
    /// A jump becomes a goto.
    JumpToGoto,
    /// A goto becomes a jump.
    GotoToJump,
    /// A jump leads to the chain of the other direction.
    WrongDirection,
    /// A jump leads to the next chain of its kind.
    NextChain,
    /// A RETURN is lost.
    LoseReturn,
    /// A RETURN becomes an ACCEPT.
    ReturnToAccept,
    /// A RETURN becomes a DROP.
    ReturnToDrop,
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
}

impl Fault {
    /// The firewall with this fault at a rule, at the first of its questions that it fits; `None` where it
    /// does not apply to it.
    #[must_use]
    pub fn plant(self, firewall: &Firewall, id: &RuleId) -> Option<Firewall> {
        let mut mutated = firewall.clone();
        match self.wants() {
            Wants::Chain => change::chain::change(self, &mut mutated, id, &[id.index])?,
            Wants::Set => {
                let set = change::set::asked(firewall.rule(id)?).next()?;
                change::set::change(self, &mut mutated, set)?;
            }
            Wants::Rule => {
                let names = change::chain_names(firewall, id);
                let changed = change::rule::variants(self, firewall.rule(id)?, &names);
                *change::rule_mut(&mut mutated, id)? = changed.into_iter().next()?;
            }
        }
        (mutated != *firewall).then_some(mutated)
    }

    /// What it changes.
    pub(super) fn wants(self) -> Wants {
        match self {
            Self::LoseRule
            | Self::RepeatRule
            | Self::SwapWithNext
            | Self::MoveToStart
            | Self::MoveToEnd
            | Self::ReverseTargets
            | Self::LosePortSplit
            | Self::EmptyChain
            | Self::FlipPolicy => Wants::Chain,
            Self::LoseMember | Self::GainMember => Wants::Set,
            _ => Wants::Rule,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{self:?}"))
    }
}

/// What a fault changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    /// One rule by itself.
    Rule,
    /// The order of a chain's rules, or which there are.
    Chain,
    /// A set that a rule asks for.
    Set,
}
