//! What makes Felix 2.1.1 do what is not meant.

use std::net::IpAddr;

use super::{Cause, Covers, shared};
use crate::intent::{Clause, Heading, Verdict};
use crate::packet::Protocol;
use crate::xtables::{Hook, TableName};

/// In the order in which they are tried.
pub(super) const CAUSES: &[Cause] = &[
    shared::NEIGHBOURS_FROM_A_FOREIGN_ADDRESS,
    shared::WITH_ITSELF,
    Cause {
        id: "ip-in-ip-from-a-workload",
        why: "Nothing in Felix 2.1.1 denies it, as later versions do. The intent is right.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I6Encapsulated
                && found.packet.protocol() == Protocol::IPIP
                && !found.is_lost()
        }),
    },
    shared::OTHERS_FIRST_IN_INPUT,
    shared::OTHERS_FIRST_IN_FORWARD,
    shared::OTHERS_FIRST_IN_OUTPUT,
    shared::ESTABLISHED_OF_WHO_IS_SHUT,
    shared::NODE_TO_WHO_IS_SHUT,
    shared::ALWAYS_ALLOWED_FROM_WHO_IS_SHUT,
    shared::METADATA_SERVICE,
    shared::METADATA_TRANSLATED,
    shared::TAKEN_FOR_OPENSTACK,
    shared::ITSELF_AS_FLOATING,
    shared::ITSELF_BY_ONE_OF_SEVERAL,
    shared::OUTGOING_NAT_OF_THE_NODE,
    shared::THROUGH_THE_TUNNEL,
    shared::OTHER_FAMILYS_ICMP,
    Cause {
        id: "donottrack-policies-speak-for-workloads",
        why: "What a doNotTrack policy of a host endpoint accepts, cali-FORWARD accepts before it asks the \
              workload's policy (or whether anybody is behind the interface). I12 spares it other *host \
              endpoint* policy only: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.decided(TableName::Filter).1 == "filter cali-FORWARD: mark, UNTRACKED -> ACCEPT"
                && (found.opinion.clauses.has(Clause::I12Allows) || found.is_shut())
                && !found.is_lost()
        }),
    },
    Cause {
        id: "answers-of-failsafe-ports-and-donottrack-policies",
        why: "Felix 2.1.1 has no failsafe rules for answers in raw, as later versions do: doNotTrack policies \
              judge them. I12 counts failsafes' replies too: the intent is right.",
        covers: Covers::Unmeant(|found| found.opinion.clauses.has(Clause::I12FailsafeReply)),
    },
    Cause {
        id: "failsafe-ports-of-others",
        why: "The chains of a host endpoint begin with the failsafe ports, for what is forwarded too: port 22 of \
              everybody behind the node is open. I9 has failsafes for what begins or ends at the node: the \
              intent is right.",
        covers: Covers::Unmeant(|found| {
            let (chain, _) = found.decided(TableName::Filter);
            let forwarded = found.steps.iter().any(|step| step.hook == Hook::Forward);
            // The ports for what leaves open nothing that is denied where it enters.
            let in_time = chain == "cali-failsafe-in"
                || chain == "cali-failsafe-out" && found.denied() != Some(Heading::Ingress);
            forwarded && in_time && !found.is_lost()
        }),
    },
    shared::FLOATING_AS_A_SOURCE,
    shared::FLOATING_THAT_TWO_CLAIM,
    Cause {
        id: "ip-in-ip-from-no-node-of-calicos-in-a-connection",
        why: "With IpInIpEnabled cali-INPUT drops IP in IP from who is no node of Calico's before it asks for \
              connections. By I5 what belongs to a connection is allowed: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let kept = [Clause::I5Original, Clause::I5Reply, Clause::I5Related];
            found.is_dropped_as_ip_in_ip() && kept.contains(&found.clause())
        }),
    },
    Cause {
        id: "ip-in-ip-from-no-node-of-calicos",
        why: "With IpInIpEnabled cali-INPUT drops IP in IP from who is no node of Calico's before it asks for \
              connections or host endpoints. No clause has that: where there is no host endpoint the intent \
              defers, where there is one its policy decides. The page is silent about the tunnel; by its \
              clauses the intent is right, and Felix the safer one.",
        covers: Covers::Unmeant(|found| found.is_dropped_as_ip_in_ip()),
    },
    Cause {
        id: "from-no-address-to-all",
        why: "What comes from 0.0.0.0 and goes to 255.255.255.255 the kernel's reverse path filter lets pass \
              (`ip_route_input_slow`), and Felix trusts in that filter for IPv4. I6 denies it unless it is \
              OpenStack's DHCP: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I6Spoofed
                && found.packet.source == IpAddr::from([0; 4])
                && !found.is_lost()
        }),
    },
    shared::WHICH_HOST_ENDPOINT,
    shared::HOST_ENDPOINT_WITH_THE_PREFIX,
    shared::OWN_ADDRESS_WITHOUT_ROUTE,
    shared::INTERFACE_BEFORE_TRANSLATION,
    shared::PASS_LEFT,
    shared::ROUTED_AGAIN,
    Cause {
        id: "another-program-sets-felixs-bit",
        why: "Felix trusts that its bits of the mark are as raw left them when filter sees them. A rule of \
              another program in mangle that sets the accept bit opens the node to what is UNTRACKED. I18 has \
              the verdict depend on nothing of the kind: the intent is right, and the mask is documented as \
              Felix's alone.",
        covers: Covers::Unmeant(|found| {
            let mask = found.world.configuration.mark_mask;
            let foreign = found.steps.iter().any(|step| {
                step.table == TableName::Mangle && (step.before.0 ^ step.after.0) & mask != 0
            });
            foreign && found.is_accepted_untracked()
        }),
    },
    Cause {
        id: "another-program-reads-felixs-bit",
        why: "Felix clears its bits of the mark on every packet, and a rule of another program in filter that \
              asks for one of them no longer sees what the packet came with. I18 leaves what other programs \
              keep on the packet as it came; but the mask is documented as Felix's alone: Felix is right, and \
              nobody else may keep anything there.",
        covers: Covers::Unmeant(|found| {
            found.opinion.verdict == Verdict::Defer && found.others_read_marks()
        }),
    },
    shared::FROM_NO_ADDRESS,
    shared::FROM_LOOPBACK,
    Cause {
        id: "refused-icmp-of-no-family",
        why: "Felix 2.1.1 writes a rule about ICMP that names no family into ip6tables too, which takes no `-m icmp6` \
              of protocol 1: the tool refuses the whole table, and none of the node's policies holds for IPv6. \
              A rule about an ICMP protocol of one family is one about that family (I15): the intent is right.",
        covers: Covers::Refused("a match wants `…`"),
    },
    Cause {
        id: "refused-not-all-addresses",
        why: "A rule that says `notNet` 0.0.0.0/0 asks for what no packet has, and iptables-nft (1.8.9) takes no \
              negated prefix of length 0, which iptables-legacy does take. The API allows it, and by I15 the rule \
              never matches: the intent is right, and later Felixes leave such a rule out.",
        covers: Covers::Refused("a negated address without a mask is an invalid argument"),
    },
    Cause {
        id: "refused-metadata-address-of-ipv6",
        why: "Felix 2.1.1 writes MetadataAddr into iptables' rules whatever its family is, and iptables takes no \
              address of IPv6. No clause speaks of the metadata service; that all of the node's policies are lost \
              by it is nobody's meaning: the intent is right.",
        covers: Covers::Refused("host/network `…' not found"),
    },
    Cause {
        id: "refused-interface-prefix-of-fifteen-letters",
        why: "InterfacePrefix may be as long as an interface's name, 15 letters, and Felix writes a + behind it, \
              which iptables counts as one more. The intent is right: the prefix means the one interface that is \
              called so.",
        covers: Covers::Refused("interface name `…' must be shorter than IFNAMSIZ (15)"),
    },
    Cause {
        id: "refused-destination-and-its-negation",
        why: "A rule may have `net` and `notNet` of the destination at once, which iptables says by one option \
              that may stand once. All fields of a rule must hold (I15): the intent is right, and later Felixes \
              write such a rule as a block of several.",
        covers: Covers::Refused("multiple -d flags not allowed"),
    },
    Cause {
        id: "refused-protocol-and-its-negation",
        why: "A rule may have `protocol` and `notProtocol` at once, which iptables says by one option that may \
              stand once. All fields of a rule must hold (I15): the intent is right, and later Felixes write \
              such a rule as a block of several.",
        covers: Covers::Refused("multiple -p flags not allowed"),
    },
    Cause {
        id: "refused-source-and-its-negation",
        why: "A rule may have `net` and `notNet` of the source at once, which iptables says by one option that \
              may stand once. All fields of a rule must hold (I15): the intent is right, and later Felixes write \
              such a rule as a block of several.",
        covers: Covers::Refused("multiple -s flags not allowed"),
    },
    shared::DONOTTRACK_OF_LO,
    shared::OTHERS_SEE_THE_WORKLOAD,
    shared::CUT_SHORT_AND_ASKED_FOR,
    shared::WORKLOAD_WITHOUT_THE_PREFIX,
    shared::CUT_SHORT_AND_TRANSLATED,
    shared::FROM_NO_ADDRESS_BACK,
    shared::NO_ADDRESS_TO_MASQUERADE_WITH,
    shared::FOREIGN_WITH_A_ROUTE,
];
