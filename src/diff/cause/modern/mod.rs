//! What makes Felix of August 2026 do what is not meant.

mod facts;
mod refused;

use std::net::IpAddr;

use facts::{
    came_with_the_drop_bit, is_name, is_nobodys, is_of_connection, left_by_an_earlier_block,
    names_other_ports, others_set_its_bits, translates,
};

use super::facts::is_felixs;
use super::{Cause, Covers, shared};
use crate::calico::Rule;
use crate::calico::configuration::modern::AllowAction;
use crate::calico::world::Stage;
use crate::diff::chains::is_of_endpoint;
use crate::intent::{Clause, Verdict};
use crate::packet::{Connection, Defect, InterfaceName, Origin, Protocol, Transport};
use crate::xtables::{Hook, TableName, Target};

/// In the order in which they are tried.
pub(super) const CAUSES: &[Cause] = &[
    Cause {
        covers: Covers::Unmeant(|found| {
            let itself = |one: &Connection| {
                one.original == one.reply && one.original == found.packet.tuple()
            };
            found.is_taken_for_established() && found.connections.iter().any(itself)
        }),
        ..shared::WITH_ITSELF
    },
    Cause {
        covers: Covers::Unmeant(|found| {
            let lease = found.is_openstack() && found.asks_for_a_lease_or_a_name();
            let always = matches!(found.clause(), Clause::I7Neighbours | Clause::I7Dhcp)
                || (is_of_connection(found.clause()) && lease);
            always
                && found.is_lost()
                && found.ended_in(TableName::Raw, "cali-PREROUTING")
                && !found.asks_for_its_first_lease()
        }),
        ..shared::NEIGHBOURS_FROM_A_FOREIGN_ADDRESS
    },
    Cause {
        id: "another-program-sets-felixs-bit",
        why: "Felix trusts that its bits of the mark are as its own chains left them. A rule of another program \
              that sets one is taken for Felix's word by whatever chain is asked next. I18 has the verdict \
              depend on nothing of the kind: the intent is right, and the mask is documented as Felix's alone.",
        covers: Covers::Unmeant(others_set_its_bits),
    },
    Cause {
        id: "another-program-reads-felixs-bit",
        why: "Felix sets and clears its bits of the mark on every packet, and a rule of another program that asks \
              for one of them does not see what the packet came with. I18 leaves what other programs keep on \
              the packet as it came; but the mask is documented as Felix's alone: Felix is right, and nobody \
              else may keep anything there.",
        covers: Covers::Unmeant(|found| {
            found.opinion.verdict == Verdict::Defer && found.others_ask_for_its_bits()
        }),
    },
    shared::OTHERS_FIRST_IN_INPUT,
    shared::OTHERS_FIRST_IN_FORWARD,
    shared::OTHERS_FIRST_IN_OUTPUT,
    shared::CUT_SHORT_AND_ASKED_FOR,
    shared::CUT_SHORT_AND_TRANSLATED,
    shared::FROM_NO_ADDRESS,
    shared::ROUTED_AGAIN,
    shared::FROM_LOOPBACK,
    Cause {
        id: "translated-to-what-no-packet-may-bear",
        why: "What the node sends and somebody translates to a group, to all or to :: is routed again: in IPv4 it \
              leaves by the interface whose address it bears, in IPv6 by the one that it had, and to :: by the \
              default route (`ip_route_me_harder`, `ip6_route_me_harder`). The kernel is right; the intent \
              looks at the routes alone.",
        covers: Covers::Unmeant(|found| {
            let to = found.real_destination();
            found.packet.origin == Origin::Node && to != found.packet.destination && is_nobodys(to)
        }),
    },
    Cause {
        id: "a-drop-bit-that-the-packet-came-with",
        why: "A deny rule is written as `MATCH -j MARK` to set the drop bit and `-m mark … -j DROP` behind it \
              (since 3.30), and nothing ever clears that bit: whatever comes with it, from another program, is \
              dropped at the first deny rule that it meets, matching or not. I18 has the verdict depend on \
              headers, connections and policies alone, and the mask is documented as Felix's: the intent is \
              right, one bit more in the rules that clear would do.",
        covers: Covers::Unmeant(came_with_the_drop_bit),
    },
    Cause {
        id: "a-scratch-bit-that-an-earlier-block-left",
        why: "A rule that asks for several lists is written as blocks: each later one sets the second scratch bit \
              where it matches, and where that bit is not set the first is cleared. Nothing clears the second \
              between blocks, so that a third block or later is taken to match because the one before \
              it did. By I15 all fields must hold: the intent is right.",
        covers: Covers::Unmeant(left_by_an_earlier_block),
    },
    Cause {
        id: "a-known-connection-at-any-pace",
        why: "The first endpoint's chain that is asked accepts RELATED,ESTABLISHED, and the packet is done with FORWARD \
              before the other's chain counts it: that of the workload that it goes to, if it comes from one or \
              by a host endpoint. A packet rate of the API is of packets, whatever their connections; so it counts \
              none but those that begin one. The intent is right.",
        covers: Covers::Unmeant(|found| {
            found.goes_at_any_pace()
                && is_of_connection(found.clause())
                && found.is_accepted_as_established_by_who_counts_nothing()
        }),
    },
    Cause {
        id: "ipvs-takes-for-a-service-what-is-not-this-hosts",
        why: "With IPVS on the node cali-forward-check takes whatever comes to INPUT for an address that is not in \
              the set of this host's for a service's, gives it an endpoint's mark, and cali-INPUT then lets it \
              go by without asking anybody: loopback, broadcast and multicast addresses and those of interfaces \
              that Felix does not count among them. IPVS itself would send a service's packets on, and \
              OUTPUT would ask; nothing sends these. I7 and I9 have policy asked: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.is_to_no_address_of_the_host() && found.is_taken_for_a_services()
        }),
    },
    Cause {
        id: "ipvs-takes-every-node-port-for-a-services",
        why: "With IPVS on the node cali-forward-check takes whatever comes to INPUT for one of this host's addresses \
              and a port of kubeNodePortRanges for a service's, gives it an endpoint's mark, and cali-INPUT then \
              lets it go by without asking anybody. Where no service has that port, IPVS sends nothing on, and a \
              program of the node's own answers. I7 and I9 have policy asked: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.is_to_a_node_port() && found.is_taken_for_a_services()
        }),
    },
    Cause {
        id: "ipvs-takes-the-nodes-own-for-a-services",
        why: "With IPVS on the node cali-OUTPUT takes whatever bears a bit of the endpoints' part of the mark for a \
              packet that IPVS sends on, and asks the endpoint that the mark stands for, or drops it as \
              from none. What the node itself sends with another program's mark is no such packet. I18 leaves \
              such marks alone: the intent is right, though the mask is documented as Felix's.",
        covers: Covers::Unmeant(|found| {
            found.packet.origin == Origin::Node
                && found.visits(TableName::Filter, "cali-forward-endpoint-mark")
                && found.is_as_sent_on()
        }),
    },
    Cause {
        id: "allowed-and-left-to-the-rest-in-wl-to-host",
        why: "With iptablesFilterAllowAction Return, what belongs to a connection of a workload with its node \
              returns from the workload's chain to cali-wl-to-host, whose last rule is the action for \
              everything else: by default it drops it. By I5 the connection is allowed, and the option leaves \
              it to the node's other rules: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.told().filter_allow == AllowAction::Return
                && is_of_connection(found.clause())
                && found.is_lost()
                && found.ended_in(TableName::Filter, "cali-wl-to-host")
        }),
    },
    Cause {
        why: "The endpoint's own chain accepts RELATED,ESTABLISHED first, the sender's before anybody looks at \
              whom the packet goes to, and a host endpoint's before anybody looks at the workload. I6 denies \
              everything of an endpoint that is down and of an interface of none: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.is_shut() && found.is_taken_for_established() && !found.is_lost()
        }),
        ..shared::ESTABLISHED_OF_WHO_IS_SHUT
    },
    Cause {
        covers: Covers::Unmeant(|found| {
            matches!(found.clause(), Clause::I6ToDown | Clause::I6ToUnknown)
                && found.packet.origin == Origin::Node
                && !found.is_lost()
                && !found.is_accepted_as_a_tunnels()
        }),
        ..shared::NODE_TO_WHO_IS_SHUT
    },
    Cause {
        covers: Covers::Unmeant(|found| {
            matches!(found.clause(), Clause::I6FromDown | Clause::I6FromUnknown)
                && found.is_always_taken()
                && !found.is_spared_the_way_back()
                && !found.is_lost()
        }),
        ..shared::ALWAYS_ALLOWED_FROM_WHO_IS_SHUT
    },
    Cause {
        covers: Covers::Unmeant(|found| found.is_always_taken() && found.is_to_metadata_service()),
        ..shared::METADATA_SERVICE
    },
    Cause {
        id: "what-openstack-always-allows-though-invalid",
        why: "cali-wl-to-host accepts what OpenStack's machines may always ask of the node before it asks anybody, \
              connection tracking among them. I7 allows it whatever the policy; I5 denies, of all that an endpoint \
              is asked about, what connection tracking can make nothing of: no policy, and it comes first. The \
              intent is right, and little is lost.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I5Invalid
                && found.is_always_taken()
                && found.is_openstack()
                && found.asks_for_a_lease_or_a_name()
                && !found.is_lost()
        }),
    },
    shared::METADATA_TRANSLATED,
    Cause {
        why: "Felix takes a node for one of OpenStack by its metadata service, by an interface prefix `tap`, or \
              by any word with openstack in the cluster's type, and then accepts DHCP and DNS from workloads \
              whatever the policy. The intent is right: no clause has it on other clusters.",
        covers: Covers::Unmeant(|found| {
            // What is spoofed raw drops before.
            let spoofed =
                found.clause() == Clause::I6Spoofed && !found.packet.source.is_unspecified();
            found.is_always_taken()
                && !spoofed
                && found.asks_for_a_lease_or_a_name()
                && !found.is_openstack()
                && !found.is_lost()
        }),
        ..shared::TAKEN_FOR_OPENSTACK
    },
    Cause {
        id: "what-is-always-allowed-at-any-pace",
        why: "cali-wl-to-host accepts neighbour discovery and OpenStack's services before it asks the workload's chain, \
              which would count the packets. egressPacketRate is a limit of packets, whatever they are for: the \
              intent is right, and little is lost.",
        covers: Covers::Unmeant(|found| found.goes_at_any_pace() && found.is_always_taken()),
    },
    shared::PASS_LEFT,
    shared::FLOATING_AS_A_SOURCE,
    shared::FLOATING_THAT_TWO_CLAIM,
    Cause {
        covers: Covers::Unmeant(|found| {
            let inside = found.inside_of(found.packet.destination);
            let itself = found.packet.source == found.packet.destination;
            found.is_translated_by("cali-fip-snat")
                && (found.is_lost() || found.is_seen_as_from_first_floating())
                && (itself || (inside.contains(&found.packet.source) && !found.is_from_own()))
        }),
        ..shared::ITSELF_AS_FLOATING
    },
    shared::ITSELF_BY_ONE_OF_SEVERAL,
    Cause {
        covers: Covers::Unmeant(|found| {
            // What is not tracked is not translated.
            let untracked = found.world.wraps_in_vxlan(found.packet.family())
                && found.is_to_port(Protocol::UDP, found.told().vxlan_port);
            found.packet.origin == Origin::Node
                && found.ended_in(TableName::Nat, "cali-nat-outgoing")
                && !untracked
        }),
        ..shared::OUTGOING_NAT_OF_THE_NODE
    },
    Cause {
        id: "ip-in-ip-to-nodes",
        why: "What the node wraps in IP for another Felix accepts in OUTPUT before it asks the host endpoint that it \
              leaves by. No clause speaks of the tunnels: Felix is right, for without them the cluster's \
              network would fall apart, and the page is silent.",
        covers: Covers::Unmeant(|found| {
            let sent = found.deciding(TableName::Filter);
            found.packet.protocol() == Protocol::IPIP
                && found.is_accepted_as_between_nodes()
                && sent.is_some_and(|step| step.hook == Hook::Output)
        }),
    },
    Cause {
        id: "ip-in-ip-between-nodes",
        why: "What nodes wrap in IP for each other Felix accepts in INPUT before it asks a host \
              endpoint. No clause speaks of the tunnels: Felix is right, for without them the cluster's \
              network would fall apart, and the page is silent.",
        covers: Covers::Unmeant(|found| {
            found.packet.protocol() == Protocol::IPIP && found.is_accepted_as_between_nodes()
        }),
    },
    Cause {
        id: "ip-in-ip-from-strangers",
        why: "With IP in IP enabled cali-INPUT drops what is no node's, before it asks for connections or host \
              endpoints. No clause has that: where there is no host endpoint the intent defers, where there is \
              one its policy decides. By the page the intent is right, and Felix the safer one.",
        covers: Covers::Unmeant(|found| {
            found.packet.protocol() == Protocol::IPIP && found.is_dropped_as_a_strangers()
        }),
    },
    Cause {
        id: "vxlan-between-nodes",
        why: "What nodes wrap in VXLAN for each other Felix accepts in INPUT and OUTPUT before it asks a host \
              endpoint. No clause speaks of the tunnels: Felix is right, the page is silent.",
        covers: Covers::Unmeant(|found| {
            found.may_be_vxlan() && found.is_accepted_as_between_nodes()
        }),
    },
    Cause {
        id: "vxlan-from-strangers",
        why: "With VXLAN enabled cali-INPUT drops what comes to its port and is no node's, whatever policy says. No \
              clause has that: by the page the intent is right, and Felix the safer one.",
        covers: Covers::Unmeant(|found| found.may_be_vxlan() && found.is_dropped_as_a_strangers()),
    },
    Cause {
        id: "wireguards-port-is-open-to-everybody",
        why: "With WireGuard enabled its port is open to whoever asks, the node's workloads among them, and the \
              node may send to it, before any policy is asked. No clause speaks of it: between nodes Felix is \
              right and the page is silent; of workloads I7 has their policy asked, and the intent is right.",
        covers: Covers::Unmeant(|found| {
            let told = &found.told().wireguard;
            let mut ports = [told.port, told.port_v6].into_iter();
            ports.any(|port| found.is_to_port(Protocol::UDP, port))
                && found.is_accepted_as_a_tunnels()
        }),
    },
    Cause {
        id: "vxlan-is-not-tracked",
        why: "What goes to the port of VXLAN is taken out of connection tracking in raw, for whomever it is and \
              from whomever it comes. No clause says so: to I5 and I17 its connection is one like any other. \
              Between nodes Felix is right, the page is silent; for everybody else the intent is.",
        covers: Covers::Unmeant(|found| {
            let untracked = found.matched_in(TableName::Raw, |step| {
                is_felixs(&step.chain) && step.did == "NOTRACK" && !is_of_endpoint(&step.chain)
            });
            untracked
                && found.is_to_port(Protocol::UDP, found.told().vxlan_port)
                && found.hangs_on_tracking()
                && !found.is_refused_between_nodes()
        }),
    },
    Cause {
        id: "through-the-tunnel-as-from-it",
        why: "What leaves by a tunnel as from another address of the node's leaves as from the tunnel's, so that \
              the answer comes back through it. No clause says so: Felix is right, the page is silent.",
        covers: Covers::Unmeant(|found| {
            found.is_translated_by("cali-POSTROUTING") && found.leaves_as_the_tunnel()
        }),
    },
    Cause {
        id: "the-wildcard-endpoint-judges-workloads",
        why: "The endpoint of all interfaces (`*`) is the last rule of the host endpoints' dispatch in mangle and \
              for what is forwarded, and nothing there leaves out interfaces that are a workload's or look like \
              one. I14 has it stand for the node's interfaces: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let from = found
                .arrives_by()
                .is_some_and(|by| found.is_like_a_workloads(by));
            let to = found
                .out()
                .is_some_and(|out| found.is_like_a_workloads(out));
            let comes = |table, dispatch| found.comes_to_the_wildcard(table, dispatch);
            let entered = comes(TableName::Mangle, "cali-from-host-endpoint")
                || comes(TableName::Filter, "cali-from-hep-forward");
            (from && entered) || (to && comes(TableName::Filter, "cali-to-hep-forward"))
        }),
    },
    Cause {
        id: "the-wildcard-endpoint-judges-before-translation-for-others",
        why: "The dispatch of preDNAT policies knows the endpoints that have such policies, and the wildcard \
              endpoint behind them: an interface whose own endpoint has none is judged by the wildcard's. By \
              I14 an interface has one endpoint: the intent is right.",
        covers: Covers::Unmeant(|found| {
            // What the node sends to itself is asked about when it comes back over lo.
            let by = found.arrives_by().unwrap_or(InterfaceName::LOOPBACK);
            found.has_its_own_endpoint(by)
                && found.comes_to_the_wildcard(TableName::Mangle, "cali-from-host-endpoint")
        }),
    },
    Cause {
        id: "accepted-only-behind-the-others",
        why: "What policy allows of forwarded traffic Felix only marks, and accepts in a rule behind all others of \
              FORWARD, so that their rules may still drop it. The option says Accept, and that is what it means for \
              what the node receives and sends; to the page an allowed packet comes through. The intent is right \
              by the option's word.",
        covers: Covers::Unmeant(|found| {
            found.opinion.verdict == Verdict::Allow
                && found.is_dropped_by_others(Hook::Forward)
                && found.told().filter_allow == AllowAction::Accept
                && found.is_marked_accepted()
        }),
    },
    Cause {
        id: "forwarded-and-only-the-other-direction-has-policies",
        why: "A host endpoint's chain for forwarded traffic allows by default only where no policy of either \
              direction is there; where one has, the other's chain is left without a verdict, and the node's \
              other rules or the base policy decide. I10 has it allowed where no such policy is there *in that \
              direction*: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let clauses = found.opinion.clauses;
            clauses.has(Clause::I10Default)
                && found.has_policies_of(Stage::Forward)
                && found.is_left_to_others(Hook::Forward)
        }),
    },
    Cause {
        id: "forwarded-and-passed-by-every-tier",
        why: "Where every tier passes what is forwarded the chain ends without a verdict, and the node's other \
              rules or the base policy decide; there are no profiles to be asked. The page does not say what \
              becomes of it; as I10 allows what no policy is about, the intent does so too.",
        covers: Covers::Unmeant(|found| {
            found.opinion.clauses.has(Clause::I10Passed) && found.is_left_to_others(Hook::Forward)
        }),
    },
    Cause {
        id: "translated-and-left-to-the-rest-in-output",
        why: "cali-OUTPUT asks no host endpoint about what belongs to a connection with a translated destination, \
              for whom it leaves by is known in mangle POSTROUTING alone. Until then the node's other rules and \
              the base policy of filter OUTPUT decide, and what policy would allow may be dropped. I5 and I9 \
              allow it: the intent is right, where others drop.",
        covers: Covers::Unmeant(|found| {
            let skipped = found.steps.iter().any(|step| {
                let rule = found.rule_of(step);
                let asks = Target::Jump("cali-to-host-endpoint".to_owned());
                step.chain == "cali-OUTPUT"
                    && step.table == TableName::Filter
                    && step.matched.is_err()
                    && rule.is_some_and(|rule| rule.target == asks)
            });
            skipped && found.is_dropped_by_others(Hook::Output)
        }),
    },
    Cause {
        id: "a-service-loop-in-a-connection",
        why: "With iptablesFilterAllowAction Return, what belongs to a connection is marked and goes on to \
              cali-cidr-block, which drops whatever goes to a service's address. By I5 the connection is \
              allowed, and the option leaves it to the node's other rules: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.told().filter_allow == AllowAction::Return
                && is_of_connection(found.clause())
                && found.is_lost()
                && found.ended_in(TableName::Filter, "cali-cidr-block")
        }),
    },
    Cause {
        id: "translated-to-a-services-address",
        why: "cali-cidr-block drops whatever is forwarded to a service's address, translated or not: \
              serviceLoopPrevention is about what nothing translated. No clause speaks of it, and by the option's \
              words the intent is right; a translation from one service's address to another's is no loop.",
        covers: Covers::Unmeant(|found| {
            found.real_destination() != found.packet.destination
                && found.is_lost()
                && found.ended_in(TableName::Filter, "cali-cidr-block")
        }),
    },
    Cause {
        id: "failsafe-ports-are-accepted-whatever-the-option",
        why: "The failsafe chains accept by themselves, and iptablesFilterAllowAction Return, which leaves what is \
              allowed to the node's other rules, does not count for them. No clause speaks of the option; a \
              failsafe port is there to stay open: Felix is right.",
        covers: Covers::Unmeant(|found| {
            found.told().filter_allow == AllowAction::Return
                && found.matched_in(TableName::Filter, |step| {
                    step.chain.starts_with("cali-failsafe-") && step.did == "ACCEPT"
                })
        }),
    },
    Cause {
        id: "failsafe-ports-go-before-prednat-policies",
        why: "A host endpoint's chain of preDNAT policies begins with the failsafe ports, asked by the port to \
              which the packet was sent: what is then translated, or forwarded, is not denied by them, nor \
              allowed. I9 has failsafe ports for what begins or ends at the node, by its real destination: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let clauses = found.opinion.clauses;
            (clauses.has(Clause::I11Denies) || clauses.has(Clause::I11Allows))
                && found.matched_in(TableName::Mangle, |step| {
                    step.chain == "cali-failsafe-in" && step.did == "ACCEPT"
                })
        }),
    },
    Cause {
        id: "forwarded-and-judged-as-the-nodes-own",
        why: "cali-POSTROUTING of mangle asks a host endpoint's policy for what the node sends about whatever has a \
              translated destination and no mark of having been accepted, and so about forwarded traffic too that \
              another program's rule accepts in FORWARD, before the last rule there sets that mark. \
              I10 has only applyOnForward policies judge that: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.arrives_by().is_some()
                && found.opinion.verdict != Verdict::Deny
                && found.others_accept_forwarded()
                && found.visits(TableName::Mangle, "cali-to-host-endpoint")
                && found.is_dropped_by_felix(TableName::Mangle, Hook::Postrouting)
                && !found.leaves_as_ipvs_sends_it()
        }),
    },
    Cause {
        id: "donottrack-and-the-endpoint-that-it-leaves-by",
        why: "What a doNotTrack policy accepts is spared the endpoint that it enters by; where it is forwarded, the \
              endpoint that it leaves by is asked all the same. I12 says that other host endpoint policy is not \
              asked: the intent is right by the letter, and Felix the safer one.",
        covers: Covers::Unmeant(|found| {
            found.opinion.clauses.has(Clause::I12Allows)
                && found.visits(TableName::Filter, "cali-to-hep-forward")
                && found.is_lost()
        }),
    },
    Cause {
        id: "another-program-translates-first",
        why: "Felix's rule in POSTROUTING of nat stands behind all others, and those in PREROUTING and OUTPUT where \
              its jumps are appended (chainInsertMode); a translation is the first one's: what another program gives an \
              address keeps that. I17 has the address of the node, or the floating one or what that stands \
              for: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let clauses = found.opinion.clauses;
            let sources = clauses.has(Clause::I17OutgoingNat) || clauses.has(Clause::I17Itself);
            let others_at = |hook| {
                found.matched_in(TableName::Nat, |step| {
                    step.hook == hook && !is_felixs(&step.chain) && translates(step)
                })
            };
            (sources && others_at(Hook::Postrouting))
                || (clauses.has(Clause::I17Floating)
                    && (others_at(Hook::Prerouting) || others_at(Hook::Output)))
        }),
    },
    Cause {
        id: "accepted-in-mangle-before-the-others",
        why: "cali-PREROUTING of mangle accepts whatever belongs to a connection before it looks whether any \
              endpoint has preDNAT policies, and other programs' rules behind it in that table are not asked: a mark \
              that they would set is not there when their rules in filter ask for it. Where there is no host endpoint \
              I9 leaves a packet to the node's other rules, all of them: the intent is right. \
              iptablesMangleAllowAction, which would spare them, is by its words about what policy accepts.",
        covers: Covers::Unmeant(|found| {
            found.opinion.verdict == Verdict::Defer && found.is_spared_others_in_mangle()
        }),
    },
    Cause {
        id: "outgoing-nat-to-a-pool-of-services",
        why: "Pools whose addresses are for services alone are left out of the set that outgoing NAT spares (since \
              3.31). I17 says an address in no pool, and makes no difference between pools: the page is silent \
              about such pools, and Felix right, for no workload has such an address.",
        covers: Covers::Unmeant(|found| {
            let to = found.opinion.exit.as_ref().map(|exit| exit.destination);
            let mut pools = found.world.pools.iter();
            found.is_translated_by("cali-nat-outgoing")
                && to
                    .is_some_and(|to| pools.any(|pool| pool.for_services && pool.net.contains(&to)))
        }),
    },
    Cause {
        why: "Where one host endpoint names an interface and another expects its address, Felix takes the first by \
              name; I14 takes the one that names it. The intent is right.",
        ..shared::WHICH_HOST_ENDPOINT
    },
    shared::HOST_ENDPOINT_WITH_THE_PREFIX,
    shared::OWN_ADDRESS_WITHOUT_ROUTE,
    Cause {
        why: "Felix refuses spoofed addresses by the way back to them (`rpfilter` in raw). It sees to it that only \
              routes to the workload's own addresses lead to its interface; where somebody else's route leads \
              there, other addresses pass. I6 denies them: the intent is right; the node is not as Felix leaves \
              it.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I6Spoofed
                && !found.is_from_own()
                && !found.is_lost()
                && found.leads_back()
                && !found.ended_in(TableName::Raw, "cali-rpf-skip")
        }),
        ..shared::FOREIGN_WITH_A_ROUTE
    },
    Cause {
        id: "from-no-address",
        why: "Felix refuses spoofed addresses by `rpfilter` in raw, which lets pass what comes from ::, for there is \
              nothing to look up (net/ipv6/netfilter/ip6t_rpfilter.c, `rpfilter_mt`), and what comes from 0.0.0.0 \
              and goes to all (ipt_rpfilter.c); the kernel forwards such packets no further than back. I6 denies what is not the workload's own: the intent is \
              right, but for neighbour discovery.",
        covers: Covers::Unmeant(|found| {
            let to_all = match found.packet.destination {
                IpAddr::V4(to) => to.is_broadcast() || to.octets()[..3] == [224, 0, 0],
                IpAddr::V6(_) => true,
            };
            found.clause() == Clause::I6Spoofed
                && found.packet.source.is_unspecified()
                && to_all
                && !found.is_lost()
        }),
    },
    Cause {
        id: "lost-in-another-programs-translation",
        why: "REDIRECT drops what enters by an interface that has no address of the family \
              (net/netfilter/nf_nat_redirect.c), and what is translated may have no route then, or a source that \
              may not go there. It is another program's rule, and no policy of Calico's: the kernel is right, \
              the intent is told of translations alone that come to something.",
        covers: Covers::Unmeant(|found| {
            let last = found.steps.iter().rev().find(|step| step.matched.is_ok());
            found.is_lost() && last.is_some_and(|step| translates(step) && !is_felixs(&step.chain))
        }),
    },
    Cause {
        id: "a-redirect-about-a-connection",
        why: "Where the nat table looks at packets, the kernel drops an ICMP redirect about a connection of which it \
              does not know that nobody translates it (net/netfilter/nf_nat_core.c, \
              `nf_nat_icmp_reply_translation`): one that was there before the table was. I5 allows errors about \
              connections: the kernel is the safer one, and no rule has a part in it.",
        covers: Covers::Unmeant(|found| {
            let redirect =
                matches!(found.packet.transport, Transport::Icmp(icmp) if icmp.kind == 5);
            found.clause() == Clause::I5Related && redirect && found.is_lost()
        }),
    },
    Cause {
        id: "a-port-by-name-of-who-is-not-selected",
        why: "Where one side of a rule has a selector and a port by name, Felix makes a single set of the ports that \
              those call so whom the selector selects. Who has its address in common with somebody selected, a \
              network set among them, and calls a port so is not in it. The rule's fields hold each by itself \
              (I15): the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.has_side(|side, has| {
                let named = side.ports.iter().chain(&side.not_ports).any(is_name);
                named && side.selector.is_some() && side.peers.iter().all(has)
            })
        }),
    },
    Cause {
        id: "a-selector-and-its-negation-in-one-set",
        why: "Where one side of a rule has a selector and a negated one, Felix makes a single set of those that the \
              first selects and the second does not. Who has an address in common with somebody whom the \
              second selects is in it. A negated selector stands for every other *address* (I15): the intent \
              is right.",
        covers: Covers::Unmeant(|found| {
            found.has_side(|side, has| {
                side.selector.is_some()
                    && side.not_selector.is_some()
                    && side.peers.iter().any(has)
                    && side.not_peers.iter().any(has)
            })
        }),
    },
    Cause {
        id: "a-port-by-name-without-a-protocol",
        why: "A port's name in a rule without a protocol stands for TCP's ports of that name alone: Felix asks for \
              the set of TCP. I15 has names among ports, and ports of four protocols: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.packet.protocol() != Protocol::TCP
                && found.has_rule(|rule| rule.protocol.is_none() && found.is_named_by(rule))
        }),
    },
    Cause {
        id: "not-a-port-by-name-of-what-has-no-ports",
        why: "A negated port by name is a negated set of addresses and ports, and what has no ports is in none \
              (net/netfilter/ipset/ip_set_getport.c), nor is one whose header is cut short before them: the \
              rule matches it. By I15 ports belong to four \
              protocols, and a rule about ports is about them: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let later_piece = found.packet.fragment.is_some_and(|piece| piece.offset > 0);
            let cut_short =
                later_piece || matches!(found.packet.defect, Some(Defect::Truncated(_)));
            let shows_ports = found.packet.transport.ports().is_some() && !cut_short;
            let asks = |rule: &Rule| cut_short || rule.protocol.is_none();
            !shows_ports && found.has_rule(|rule| asks(rule) && names_other_ports(rule))
        }),
    },
    Cause {
        why: "The kernel's filter OUTPUT still sees the interface that the node's own packet would have left by \
              before its destination was translated, and cali-OUTPUT returns what would leave by a workload's: \
              the node's other rules and the base policy decide, and may drop what policy allows. So may the host \
              endpoint of that interface accept what goes to a workload then, of which I8 leaves the rest to those \
              rules. I9 judges it by where it really leaves: the intent is right. What leaves by a host endpoint \
              after its translation is asked about in mangle POSTROUTING.",
        covers: Covers::Unmeant(|found| {
            let returned = found.matched_in(TableName::Filter, |step| {
                let rule = found.rule_of(step);
                step.chain == "cali-OUTPUT"
                    && step.did == "RETURN"
                    && rule.is_some_and(|rule| rule.out_interface.is_some())
            });
            let accepted = found.matched_in(TableName::Filter, |step| {
                step.hook == Hook::Output && is_felixs(&step.chain) && step.did == "ACCEPT"
            });
            let elsewhere = found.leaves().is_some() && found.leaves() != found.would_leave();
            found.real_destination() != found.packet.destination
                && match found.opinion.verdict {
                    Verdict::Allow => returned && found.is_dropped_by_others(Hook::Output),
                    Verdict::Defer => accepted && elsewhere,
                    Verdict::Deny => false,
                }
        }),
        ..shared::INTERFACE_BEFORE_TRANSLATION
    },
    shared::OTHERS_SEE_THE_WORKLOAD,
    Cause {
        id: "a-negated-icmp-type-of-a-later-fragment",
        why: "No match about ICMP's type holds of a later fragment, negated or not (net/ipv4/netfilter/ip_tables.c, \
              `icmp_match`), which shows none. Only what is not tracked comes so far: others are put together. To \
              I15 all fields of the rule hold, for nothing shows that it has that type: the page does not say what \
              holds of what is not there, and the kernel is the safer one.",
        covers: Covers::Unmeant(|found| {
            let later = found.packet.fragment.is_some_and(|piece| piece.offset > 0);
            let is_icmp = [Protocol::ICMP, Protocol::ICMP6].contains(&found.packet.protocol());
            later && is_icmp && found.has_rule(|rule| rule.not_icmp.is_some())
        }),
    },
    Cause {
        why: "A rule about ICMP that names its protocol by number, not by name, and no family is written into both \
              families' rules, and IPv4 may carry the number of ICMPv6, as IPv6 may carry ICMP's. By I15 a rule \
              about an ICMP protocol of one family is one about that family: the intent is right.",
        ..shared::OTHER_FAMILYS_ICMP
    },
    shared::WORKLOAD_WITHOUT_THE_PREFIX,
    refused::REJECT_OUTSIDE_OF_FILTER,
    refused::ADDRESS_OF_THE_OTHER_FAMILY,
    refused::TRANSLATION_TO_THE_OTHER_FAMILY,
    refused::ICMP_BY_NUMBER_OF_THE_OTHER_FAMILY,
    refused::INTERFACE_PREFIX_OF_FIFTEEN_LETTERS,
    refused::RATE_OF_THE_LOG,
    refused::LIMIT_TOO_SLOW,
    refused::PROTOCOL_AND_ITS_NEGATION,
];
