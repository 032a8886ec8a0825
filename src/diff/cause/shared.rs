//! Causes that lie in the kernel, in other programs or in the node, whichever Felix wrote the rules.
//!
//! Each layout lists those that its ledger shows, in its own order, and may explain one in its own words:
//! `Cause { why: "…", ..shared::ONE }`.

use std::net::IpAddr;

use super::{Cause, Covers};
use crate::diff::meaning::End;
use crate::intent::{Clause, Verdict};
use crate::packet::{Connection, Origin};
use crate::xtables::{Hook, TableName};

const GOES_FIRST: &str = "With ChainInsertMode append Felix's rules stand behind all others, and what these decide \
    it never sees. Whoever chose that mode asked for it; the intent knows no other programs.";

/// `a-workloads-connection-with-itself`.
pub(super) const WITH_ITSELF: Cause = Cause {
    id: "a-workloads-connection-with-itself",
    why: "By one address and one port both keys of a connection are the same; connection tracking finds \
          it by the reply's, and a later packet passes as ESTABLISHED though nobody has answered, whatever \
          policy or the rest of the node says; or, as nobody answers with a SYN, is INVALID. The intent is \
          right.",
    covers: Covers::Unmeant(|found| {
        let itself =
            |one: &Connection| one.original == one.reply && one.original == found.packet.tuple();
        (found.by_established() || found.is_dropped_as_invalid())
            && found.connections.iter().any(itself)
    }),
};

/// `another-programs-rule-goes-first-in-input`.
pub(super) const OTHERS_FIRST_IN_INPUT: Cause = Cause {
    id: "another-programs-rule-goes-first-in-input",
    why: GOES_FIRST,
    covers: Covers::Unmeant(|found| found.others_go_first(Hook::Input)),
};

/// `another-programs-rule-goes-first-in-forward`.
pub(super) const OTHERS_FIRST_IN_FORWARD: Cause = Cause {
    id: "another-programs-rule-goes-first-in-forward",
    why: GOES_FIRST,
    covers: Covers::Unmeant(|found| found.others_go_first(Hook::Forward)),
};

/// `another-programs-rule-goes-first-in-output`.
pub(super) const OTHERS_FIRST_IN_OUTPUT: Cause = Cause {
    id: "another-programs-rule-goes-first-in-output",
    why: GOES_FIRST,
    covers: Covers::Unmeant(|found| found.others_go_first(Hook::Output)),
};

/// `to-all-or-to-a-group-routed-again`.
pub(super) const ROUTED_AGAIN: Cause = Cause {
    id: "to-all-or-to-a-group-routed-again",
    why: "The node's own packet to all goes by the best route, and by the interface of its source address \
          once a table has changed its mark and the kernel routes it again (`ip_route_me_harder`). One to \
          :: is to the node only where the socket asks for its route (`rawv6_sendmsg`), and goes by the \
          default route the second time. That is routing's to say, of which the intent sees the first half \
          alone.",
    covers: Covers::Unmeant(|found| {
        let many = match found.packet.destination {
            IpAddr::V4(to) => to.is_broadcast() || to.is_multicast(),
            IpAddr::V6(to) => to.is_unspecified(),
        };
        found.packet.origin == Origin::Node && many
    }),
};

/// `the-nodes-packets-from-no-address`.
pub(super) const FROM_NO_ADDRESS: Cause = Cause {
    id: "the-nodes-packets-from-no-address",
    why: "A packet that the node sends from 0.0.0.0 gets its source from the kernel before any table sees it \
          (`raw_send_hdrinc`); the intent is shown none. The kernel is right: no such packet exists on the \
          way.",
    covers: Covers::Unmeant(|found| {
        found.packet.origin == Origin::Node && found.packet.source == IpAddr::from([0; 4])
    }),
};

/// `out-of-the-node-from-a-loopback-address`.
pub(super) const FROM_LOOPBACK: Cause = Cause {
    id: "out-of-the-node-from-a-loopback-address",
    why: "Where a table changes the mark or the destination of the node's own packet, the kernel routes it \
          again, and then refuses to send a loopback address out (`__mkroute_output`). That is routing's \
          to say, of which the intent sees the first half alone.",
    covers: Covers::Unmeant(|found| {
        let loopback = found.packet.source.is_loopback() && found.packet.source.is_ipv4();
        found.packet.origin == Origin::Node && loopback && found.is_lost()
    }),
};

/// `others-rules-see-the-floating-addresss-workload`.
pub(super) const OTHERS_SEE_THE_WORKLOAD: Cause = Cause {
    id: "others-rules-see-the-floating-addresss-workload",
    why: "Where Calico has no opinion the rest of the node decides, and other programs' rules in filter see \
          the workload's address in the place of the floating one. They were not written for it, and what \
          they would say of the floating address nobody knows: nobody is wrong.",
    covers: Covers::Unmeant(|found| {
        let (chain, _) = found.decided(TableName::Filter);
        let meant = found.opinion.exit.as_ref().map(|exit| exit.destination);
        let ends_well = match found.end {
            End::Lost => true,
            End::Out { destination, .. } => meant == Some(destination),
        };
        found.opinion.verdict == Verdict::Defer
            && found.is_translated_by("cali-fip-dnat")
            && ends_well
            && Hook::of_chain(&chain).is_some()
    }),
};

/// `translated-to-what-no-packet-may-bear`.
pub(super) const TRANSLATED_TO_A_GROUP: Cause = Cause {
    id: "translated-to-what-no-packet-may-bear",
    why: "A connection whose other end's address is a group's is answered, and the translation back gives the \
          answer that group for its source, which the kernel refuses on lo; and an answer from a group's \
          address gets another by the translation back. No such connection comes about by itself. The \
          kernel is right; the intent does not look at what a translation leaves behind.",
    covers: Covers::Unmeant(|found| {
        let from_group = |one: &Connection| {
            one.reply.source == found.packet.source && one.original.destination != one.reply.source
        };
        let refused = found.opinion.exit.is_none() && found.packet.source.is_multicast();
        if refused && found.connections.iter().any(from_group) {
            return true;
        }
        let group = |one: &Connection| one.original.destination.is_multicast();
        found.is_lost()
            && matches!(found.clause(), Clause::I5Original | Clause::I5Reply)
            && found.connections.iter().any(group)
    }),
};

/// `a-header-cut-short-that-a-rule-asks-for`.
pub(super) const CUT_SHORT_AND_ASKED_FOR: Cause = Cause {
    id: "a-header-cut-short-that-a-rule-asks-for",
    why: "A rule that asks for ports drops a packet whose header does not show them, whatever its target \
          (`hotdrop` in net/netfilter/xt_tcpudp.c and xt_multiport.c), so the failsafe ports that are asked \
          first drop what a rule behind them would allow. I15 has a rule about ports not match it, and \
          says nothing more: the kernel is right to let nothing through of which it can't be said what it \
          is. Only what is not tracked comes so far; of the others connection tracking says INVALID.",
    covers: Covers::Unmeant(|found| {
        found.opinion.verdict != Verdict::Deny && found.is_broken_off()
    }),
};

/// `a-header-cut-short-that-is-translated`.
pub(super) const CUT_SHORT_AND_TRANSLATED: Cause = Cause {
    id: "a-header-cut-short-that-is-translated",
    why: "To translate a packet of GRE the kernel needs the header whole, and drops what it can't translate \
          (net/netfilter/nf_nat_proto.c, `gre_manip_pkt`; other protocols that are cut short so are \
          INVALID). I17 has it leave with another address: the kernel is right, for with its own it must \
          not leave.",
    covers: Covers::Unmeant(|found| {
        found.opinion.verdict == Verdict::Allow && found.is_lost_in_translation()
    }),
};

/// `no-address-to-masquerade-with`.
pub(super) const NO_ADDRESS_TO_MASQUERADE_WITH: Cause = Cause {
    id: "no-address-to-masquerade-with",
    why: "MASQUERADE drops what leaves by an interface that has no address to speak with \
          (net/netfilter/nf_nat_masquerade.c, `nf_nat_masquerade_ipv4`). I17 has it leave as from the node, \
          which has none there: the kernel is right, for with its own address it must not leave.",
    covers: Covers::Unmeant(|found| {
        let ended = found
            .steps
            .last()
            .is_some_and(|step| step.matched.is_ok() && step.did.starts_with("MASQUERADE"));
        found.opinion.verdict != Verdict::Deny && found.is_lost() && ended
    }),
};
