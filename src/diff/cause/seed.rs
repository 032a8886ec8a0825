//! What makes Felix 2.1.1 do what is not meant.

use std::net::{IpAddr, Ipv4Addr};

use super::facts::out_by;
use super::{Cause, Covers, shared};
use crate::calico::world::HostInterface;
use crate::diff::meaning::End;
use crate::intent::{Clause, Heading, Verdict};
use crate::mark::MarkBits;
use crate::node::routing::Way;
use crate::packet::{InterfaceName, Origin, Protocol};
use crate::xtables::{Hook, TableName};

/// Where OpenStack's workloads ask for their metadata (felix 2.1.1, rules/static.go).
pub(super) const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// The tunnel's interface.
const TUNNEL: &str = "tunl0";

/// In the order in which they are tried.
pub(super) const CAUSES: &[Cause] = &[
    Cause {
        id: "neighbour-discovery-from-a-foreign-address",
        why: "What a workload sends from an address that is not its own ends in raw PREROUTING of ip6tables, \
              at `-m rpfilter --invert -j DROP`, before cali-wl-to-host would accept neighbour discovery or \
              DHCP (from a link-local address, to which these interfaces have no route). I7 allows them always, I6 denies foreign sources always: the clauses don't say which goes first, \
              and Felix's order is the safer one.",
        covers: Covers::Unmeant(|found| {
            let workloads = found.world.workloads.iter();
            let mut own = workloads
                .filter(|one| found.packet.origin == Origin::Arrives(one.interface))
                .flat_map(|one| &one.addresses);
            found.opinion.verdict == Verdict::Allow
                && matches!(found.clause(), Clause::I7Neighbours | Clause::I7Dhcp)
                && found.is_lost()
                && !own.any(|address| *address == found.packet.source)
        }),
    },
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
    Cause {
        id: "an-established-connection-of-who-is-down-or-unknown",
        why: "Felix 2.1.1 accepts RELATED,ESTABLISHED at the top of cali-INPUT, cali-FORWARD and cali-OUTPUT, \
              before it looks at endpoints: a workload that is set down keeps its connections. I6 denies \
              everything of such an endpoint: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.is_shut() && found.by_established() && !found.is_lost()
        }),
    },
    Cause {
        id: "the-nodes-own-packets-to-who-is-down-or-unknown",
        why: "cali-OUTPUT returns whatever leaves by an interface with a workload's prefix, without asking \
              whose it is. I6 denies everything to an endpoint that is down and to an interface of none; the \
              intent is right, though I8 leaves the node's own packets to its workloads alone.",
        covers: Covers::Unmeant(|found| {
            found.packet.origin == Origin::Node
                && matches!(found.clause(), Clause::I6ToDown | Clause::I6ToUnknown)
                && !found.is_lost()
        }),
    },
    Cause {
        id: "what-is-always-allowed-from-who-is-down-or-unknown",
        why: "cali-wl-to-host accepts neighbour discovery and OpenStack's services before it asks from whom \
              they come. I6 denies everything from an endpoint that is down and from an interface of none: \
              the intent is right.",
        covers: Covers::Unmeant(|found| {
            matches!(found.clause(), Clause::I6FromDown | Clause::I6FromUnknown)
                && found.decided(TableName::Filter).0 == "cali-wl-to-host"
                && !found.is_lost()
        }),
    },
    Cause {
        id: "openstacks-metadata-service",
        why: "Felix lets every workload of OpenStack reach the metadata service on the node, and translates \
              169.254.169.254:80 to it. MetadataAddr and MetadataPort are there for that; the page on what \
              policies mean has only DHCP and DNS. Felix is right, the page is silent.",
        covers: Covers::Unmeant(|found| {
            let shape = found.decided(TableName::Filter).1;
            shape == "filter cali-wl-to-host: destination, protocol, destination ports -> ACCEPT"
                && found.is_to_metadata_service()
        }),
    },
    Cause {
        id: "the-metadata-services-address-translated",
        why: "cali-PREROUTING of nat translates 169.254.169.254:80 for whatever enters the node, not for \
              workloads alone, and whether or not somebody else has that address. No clause says so, and a \
              router's neighbours have no business with its workloads' metadata: the intent is right but for \
              workloads.",
        covers: Covers::Unmeant(|found| {
            let asks = found.packet.destination == METADATA && found.is_to_port(Protocol::TCP, 80);
            let fits = found.is_lost() || found.is_to_metadata_service();
            asks && fits && found.is_translated_by("cali-PREROUTING")
        }),
    },
    Cause {
        id: "taken-for-openstack",
        why: "Felix takes a node for one of OpenStack by its metadata service, by an interface prefix `tap`, or \
              by any word with openstack in it, and then accepts DHCP and DNS from workloads whatever the \
              policy. calico/node sets MetadataAddr to None everywhere, so this is so on every node of \
              Kubernetes: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let mut services = [67, 547, 53].into_iter();
            found.decided(TableName::Filter).0 == "cali-wl-to-host"
                && services.any(|port| found.is_to_port(Protocol::UDP, port))
                && !found.is_openstack()
                && !found.is_lost()
        }),
    },
    Cause {
        id: "a-workload-to-itself-seen-as-from-its-floating-address",
        why: "cali-fip-snat asks whether source and destination are the workload's, not whether it used its \
              floating address, nor whether it sent the packet: one to its own address, and one that comes \
              from elsewhere with its address, leave as from the floating one. I17 says so only \
              of the floating address: the intent is right, and little is lost.",
        covers: Covers::Unmeant(|found| {
            let inside = found.inside_of(found.packet.destination);
            let itself = found.packet.source == found.packet.destination;
            found.is_translated_by("cali-fip-snat")
                && found.is_seen_as_from_first_floating()
                && (itself || (inside.contains(&found.packet.source) && !found.is_from_own()))
        }),
    },
    Cause {
        id: "a-workload-that-reaches-itself-by-one-of-several-addresses",
        why: "cali-fip-snat knows one floating address for each of a workload's own, the first as text, and \
              nothing of a workload that reaches its second address from its first. I17 has it see the \
              address that it used: the intent is right.",
        covers: Covers::Unmeant(|found| {
            let by_another = !found
                .inside_of(found.packet.destination)
                .contains(&found.packet.source);
            let translated = found.is_translated_by("cali-fip-snat");
            found.opinion.clauses.has(Clause::I17Itself)
                && match translated {
                    true => found.is_seen_as_from_first_floating(),
                    false => by_another,
                }
        }),
    },
    Cause {
        id: "outgoing-nat-of-the-nodes-own",
        why: "cali-nat-outgoing asks for a source in a pool, which the node's own address (on its tunnel, or in \
              a pool that holds the nodes) is too. I17 says it of workloads: the intent is right; the packet \
              leaves as from another of the node's addresses.",
        covers: Covers::Unmeant(|found| {
            found.packet.origin == Origin::Node
                && found.decided(TableName::Nat).0 == "cali-nat-outgoing"
        }),
    },
    Cause {
        id: "the-nodes-own-packets-through-the-tunnel",
        why: "What leaves by tunl0 as from another address of the node's leaves as from the tunnel's, so that \
              the answer comes back through it; what the node forwards from such an address too. No clause \
              says so: Felix is right, the page is silent.",
        covers: Covers::Unmeant(|found| {
            let of_tunnel = |(name, net): (InterfaceName, ipnet::IpNet)| {
                name.as_str() == TUNNEL && net.addr() == found.packet.source
            };
            let by_tunnel = match found.end {
                End::Out {
                    way: Way::Out(by), ..
                } => by.as_str() == TUNNEL,
                _ => false,
            };
            let source = found.packet.source;
            let own =
                source.is_loopback() || found.node.addresses().any(|(_, net)| net.addr() == source);
            (found.packet.origin == Origin::Node || own)
                && found.decided(TableName::Nat).0 == "cali-POSTROUTING"
                && by_tunnel
                && !found.node.addresses().any(of_tunnel)
        }),
    },
    Cause {
        id: "a-rule-about-the-other-familys-icmp",
        why: "Felix 2.1.1 writes a rule about ICMPv6 that names no family into iptables too, as `-p 58`, and \
              IPv4 may carry that number, as IPv6 may carry ICMP's. By I15 a rule about an ICMP protocol of one \
              family is one about that family: the intent is right.",
        covers: Covers::Unmeant(|found| found.matches_icmp_of_other_family()),
    },
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
    Cause {
        id: "a-floating-address-as-a-source",
        why: "Felix routes a floating address to its workload's interface, and so the reverse path filter \
              takes it for the workload's own. I6 allows no other than the workload's own, and a floating \
              address is not one: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I6Spoofed && found.is_from_own_floating() && !found.is_lost()
        }),
    },
    Cause {
        id: "a-floating-address-that-two-claim",
        why: "Where two workloads have one floating address, Felix takes the workload's address that comes first \
              as text, the intent the workload that comes first by name. The API leaves it open.",
        covers: Covers::Unmeant(|found| {
            found.is_translated_by("cali-fip-dnat")
                && found.inside_of(found.packet.destination).len() > 1
        }),
    },
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
    Cause {
        id: "which-host-endpoint-is-an-interfaces",
        why: "Where one host endpoint names an interface and another expects its address, Felix 2.1.1 takes the \
              first by name; I14 takes the one that names it. The intent is right.",
        covers: Covers::Unmeant(|found| {
            let by = match found.packet.origin {
                Origin::Arrives(by) => Some(by),
                Origin::Node => None,
            };
            let mut touched = by.into_iter().chain(found.out()).chain(found.leaves());
            touched.any(|interface| found.is_of_two(interface))
        }),
    },
    Cause {
        id: "a-host-endpoint-of-an-interface-with-a-workloads-prefix",
        why: "Felix takes what an InterfacePrefix begins for a workload's, whoever names it; the intent takes \
              it for the host endpoint's that names it. I6 speaks of interfaces that belong to no endpoint: \
              the intent is right.",
        covers: Covers::Unmeant(|found| {
            let named = |name| {
                let mut hosts = found.world.hosts.iter();
                hosts.any(|host| host.of == HostInterface::Named(name))
            };
            let by = match found.packet.origin {
                Origin::Arrives(by) => Some(by),
                Origin::Node => None,
            };
            let mut touched = by.into_iter().chain(found.out());
            // Felix never asks what it takes for a workload's.
            let asked = |name: InterfaceName| {
                let chains = ["cali-fh-", "cali-th-"].map(|start| format!("{start}{name}"));
                found.steps.iter().any(|step| chains.contains(&step.chain))
            };
            touched.any(|name| named(name) && found.is_like_a_workloads(name) && !asked(name))
        }),
    },
    Cause {
        id: "a-workloads-own-address-without-its-route",
        why: "The reverse path match of raw asks for a route back to the workload's interface, which Felix \
              writes, and which is missing here. The intent is right; the node is not as Felix leaves it.",
        covers: Covers::Unmeant(|found| {
            let shape = found.decided(TableName::Raw).1;
            shape == "raw cali-PREROUTING: mark, reverse path -> DROP" && found.is_from_own()
        }),
    },
    Cause {
        id: "the-interface-before-translation",
        why: "The kernel's filter OUTPUT still sees the interface that the node's own packet would have left by \
              before its destination was translated, and so Felix 2.1.1 asks that one's host endpoint. I9 \
              judges it by where it really leaves: the intent is right, and later versions ask in mangle \
              POSTROUTING.",
        covers: Covers::Unmeant(|found| {
            let meant = found.opinion.exit.as_ref().map(|exit| exit.destination);
            let came = match found.end {
                End::Out { destination, .. } => Some(destination),
                End::Lost => None,
            };
            let translated = meant
                .or(came)
                .is_some_and(|to| to != found.packet.destination);
            found.packet.origin == Origin::Node && translated
        }),
    },
    Cause {
        id: "a-pass-that-another-profile-or-policy-left",
        why: "Felix writes a pass rule as `MATCH -j MARK` to set the pass bit and `-m mark … -j RETURN` behind \
              it, and clears that bit only where an endpoint has policies, before the first. Once something \
              has passed, every pass rule of the profiles asked later ends its profile, whether it matches or \
              not. I4 has a rule pass that matches: the intent is right, Felix 2.1.1 skips rules.",
        covers: Covers::Unmeant(|found| {
            let mut pairs = found.steps.windows(2);
            let bits = MarkBits::within(found.world.configuration.mark_mask);
            let pass = bits.ok().map(|bits| bits.pass);
            pairs.any(|pair| {
                let [before, step] = pair else { return false };
                let behind = before.rule.map(|rule| rule + 1) == step.rule;
                let of_profile =
                    step.chain.starts_with("cali-pri-") || step.chain.starts_with("cali-pro-");
                let passed = pass.is_some_and(|pass| step.before.0 & pass.bits() != 0);
                let stale =
                    before.chain == step.chain && behind && before.matched.is_err() && passed;
                of_profile && stale && step.matched.is_ok() && step.did == "RETURN"
            })
        }),
    },
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
    Cause {
        id: "donottrack-policies-of-lo",
        why: "What the node sends to itself has its entry in connection tracking since OUTPUT when it comes back \
              over lo, and NOTRACK leaves alone what has one: the host endpoint of lo allows it in raw, and then \
              its other policy is asked all the same. I12 says that it is not: the intent is right.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I12Allows
                && found.packet.origin == Origin::Node
                && found.out() == Some(InterfaceName::LOOPBACK)
                && found.is_lost()
                && found.decided(TableName::Filter).0.starts_with("cali-")
        }),
    },
    shared::OTHERS_SEE_THE_WORKLOAD,
    shared::TRANSLATED_TO_A_GROUP,
    shared::CUT_SHORT_AND_ASKED_FOR,
    Cause {
        id: "a-workload-without-the-interface-prefix",
        why: "Felix sends to the workloads' chains what comes by or leaves by an interface whose name begins with \
              one of InterfacePrefix, and to that alone; the datastore takes a workload with any interface. What \
              such a workload sends, or is sent, no policy of its own is asked about. The intent is right.",
        covers: Covers::Unmeant(|found| {
            let by = match found.packet.origin {
                Origin::Arrives(by) => Some(by),
                Origin::Node => None,
            };
            let meant = found
                .opinion
                .exit
                .as_ref()
                .and_then(|exit| out_by(exit.way));
            let workloads = found.world.workloads.iter().map(|one| one.interface);
            let mut strange = workloads.filter(|name| !found.is_like_a_workloads(*name));
            strange.any(|name| [by, found.leaves(), meant].contains(&Some(name)))
        }),
    },
    shared::CUT_SHORT_AND_TRANSLATED,
    Cause {
        id: "from-no-address-back-to-who-sent-it",
        why: "Felix refuses spoofed addresses of IPv6 by `rpfilter`, which leaves what comes from :: to the \
              forward path (net/ipv6/netfilter/ip6t_rpfilter.c, `rpfilter_mt`); and that looks at no source where \
              a packet leaves by the interface that it came in by (net/ipv6/ip6_output.c, `ip6_forward`). So a \
              workload that sends to itself reaches itself from no address. I6 denies what is not its own: the \
              intent is right, though nobody else is reached.",
        covers: Covers::Unmeant(|found| {
            let Origin::Arrives(by) = found.packet.origin else {
                return false;
            };
            let IpAddr::V6(source) = found.packet.source else {
                return false;
            };
            let back = matches!(found.end, End::Out { way: Way::Out(out), .. } if out == by);
            found.clause() == Clause::I6Spoofed && source.is_unspecified() && back
        }),
    },
    shared::NO_ADDRESS_TO_MASQUERADE_WITH,
    Cause {
        id: "a-foreign-address-to-which-a-route-leads",
        why: "Felix refuses spoofed addresses by the way back to them: of IPv4 by the kernel's filter, which it \
              switches on for the workload's interface, of IPv6 by rpfilter in raw. It sees to it that only \
              routes to the workload's own addresses lead there. Where somebody else's route leads there, or the \
              filter is off, other addresses pass. I6 denies them: the intent is right; the node is not as Felix \
              leaves it.",
        covers: Covers::Unmeant(|found| {
            found.clause() == Clause::I6Spoofed
                && !found.is_from_own()
                && !found.is_lost()
                && found.leads_back()
        }),
    },
];
