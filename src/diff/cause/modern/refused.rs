//! Combinations of options and rules of which the tools refuse the whole of what Felix writes.

use super::super::{Cause, Covers};

/// `refused-reject-outside-of-filter`.
pub(super) const REJECT_OUTSIDE_OF_FILTER: Cause = Cause {
    id: "refused-reject-outside-of-filter",
    why: "iptablesFilterDenyAction Reject is written into raw and mangle too, and REJECT is a target of filter \
          alone (net/ipv4/netfilter/ipt_REJECT.c): the tools refuse the whole of it, and no policy holds. \
          The intent is right: no option takes all policies away.",
    covers: Covers::Refused("a match or target does not belong into this table"),
};

/// `refused-address-of-the-other-family`.
pub(super) const ADDRESS_OF_THE_OTHER_FAMILY: Cause = Cause {
    id: "refused-address-of-the-other-family",
    why: "natOutgoingAddress, and the metadata service's address, are written into both families' rules, and \
          each tool takes addresses of its own alone: the other family's rules are refused as a whole. \
          The intent is right: no option takes all policies away.",
    covers: Covers::Refused("host/network `…' not found"),
};

/// `refused-translation-to-the-other-family`.
pub(super) const TRANSLATION_TO_THE_OTHER_FAMILY: Cause = Cause {
    id: "refused-translation-to-the-other-family",
    why: "natOutgoingAddress is written into both families' rules of outgoing NAT, and SNAT takes addresses of its own \
          family alone: the other family's rules are refused as a whole. The intent is right: no option takes \
          all policies away.",
    covers: Covers::Refused("an address of the other family to translate to"),
};

/// `refused-icmp-by-number-of-the-other-family`.
pub(super) const ICMP_BY_NUMBER_OF_THE_OTHER_FAMILY: Cause = Cause {
    id: "refused-icmp-by-number-of-the-other-family",
    why: "A rule about ICMP that names its protocol by number, not by name, is written into both families' \
          rules, and `-m icmp` wants its own protocol's number: the tools refuse the whole of it. By I15 a \
          rule about an ICMP protocol of one family is one about that family: the intent is right.",
    covers: Covers::Refused("a match wants `…`"),
};

/// `refused-interface-prefix-of-fifteen-letters`.
pub(super) const INTERFACE_PREFIX_OF_FIFTEEN_LETTERS: Cause = Cause {
    id: "refused-interface-prefix-of-fifteen-letters",
    why: "An interfacePrefix may be as long as an interface's name, 15 letters, and Felix writes a + behind it, \
          which iptables counts as one more. The intent is right: the prefix means the one interface that \
          is called so.",
    covers: Covers::Refused("interface name `…' must be shorter than IFNAMSIZ (15)"),
};

/// `refused-rate-of-the-log`.
pub(super) const RATE_OF_THE_LOG: Cause = Cause {
    id: "refused-rate-of-the-log",
    why: "logActionRateLimit may be as fast as it likes, and `-m limit` takes at most 10,000 a second: the \
          tools refuse the whole of it. The intent is right: no option takes all policies away.",
    covers: Covers::Refused("Rate too fast `…'"),
};

/// `refused-limit-too-slow-for-its-burst`.
pub(super) const LIMIT_TOO_SLOW: Cause = Cause {
    id: "refused-limit-too-slow-for-its-burst",
    why: "logActionRateLimit may be as slow as it likes, and of a rate a day or an hour with its burst the kernel \
          says that it overflows (net/netfilter/xt_limit.c): iptables-legacy refuses the whole of it, \
          iptables-nft does not ask. The intent is right: no option takes all policies away.",
    covers: Covers::Refused("a limit is too slow for its burst"),
};

/// `refused-protocol-and-its-negation`.
pub(super) const PROTOCOL_AND_ITS_NEGATION: Cause = Cause {
    id: "refused-protocol-and-its-negation",
    why: "A rule may have `protocol` and `notProtocol` at once, which iptables says by one option that may \
          stand once. All fields of a rule must hold (I15): the intent is right.",
    covers: Covers::Refused("multiple -p flags not allowed"),
};
