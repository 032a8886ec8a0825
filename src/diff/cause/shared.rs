//! Causes that lie in the kernel, in other programs or in the node, whichever Felix wrote the rules.
//!
//! Each layout lists those that its ledger shows, in its own order, and may explain one in its own words:
//! `Cause { why: "…", ..shared::ONE }`.

use std::net::{IpAddr, Ipv4Addr};

use super::facts::{is_felixs, out_by, stands_behind};
use super::{Cause, Covers};
use crate::calico::world::HostInterface;
use crate::diff::meaning::End;
use crate::intent::{Clause, Verdict};
use crate::journey::Step;
use crate::node::routing::Way;
use crate::packet::{Connection, InterfaceName, Origin, Protocol};
use crate::xtables::{Hook, TableName};

/// Where OpenStack's workloads ask for their metadata (felix 2.1.1, rules/static.go).
pub(super) const METADATA: IpAddr = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
/// The tunnel's interface.
const TUNNEL: &str = "tunl0";

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
            && !is_felixs(&chain)
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

/// `neighbour-discovery-from-a-foreign-address`.
pub(super) const NEIGHBOURS_FROM_A_FOREIGN_ADDRESS: Cause = Cause {
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
};

/// `an-established-connection-of-who-is-down-or-unknown`.
pub(super) const ESTABLISHED_OF_WHO_IS_SHUT: Cause = Cause {
    id: "an-established-connection-of-who-is-down-or-unknown",
    why: "Felix 2.1.1 accepts RELATED,ESTABLISHED at the top of cali-INPUT, cali-FORWARD and cali-OUTPUT, \
          before it looks at endpoints: a workload that is set down keeps its connections. I6 denies \
          everything of such an endpoint: the intent is right.",
    covers: Covers::Unmeant(|found| found.is_shut() && found.by_established() && !found.is_lost()),
};

/// `the-nodes-own-packets-to-who-is-down-or-unknown`.
pub(super) const NODE_TO_WHO_IS_SHUT: Cause = Cause {
    id: "the-nodes-own-packets-to-who-is-down-or-unknown",
    why: "cali-OUTPUT returns whatever leaves by an interface with a workload's prefix, without asking \
          whose it is. I6 denies everything to an endpoint that is down and to an interface of none; the \
          intent is right, though I8 leaves the node's own packets to its workloads alone.",
    covers: Covers::Unmeant(|found| {
        found.packet.origin == Origin::Node
            && matches!(found.clause(), Clause::I6ToDown | Clause::I6ToUnknown)
            && !found.is_lost()
    }),
};

/// `what-is-always-allowed-from-who-is-down-or-unknown`.
pub(super) const ALWAYS_ALLOWED_FROM_WHO_IS_SHUT: Cause = Cause {
    id: "what-is-always-allowed-from-who-is-down-or-unknown",
    why: "cali-wl-to-host accepts neighbour discovery and OpenStack's services before it asks from whom \
          they come. I6 denies everything from an endpoint that is down and from an interface of none: \
          the intent is right.",
    covers: Covers::Unmeant(|found| {
        matches!(found.clause(), Clause::I6FromDown | Clause::I6FromUnknown)
            && found.decided(TableName::Filter).0 == "cali-wl-to-host"
            && !found.is_lost()
    }),
};

/// `openstacks-metadata-service`.
pub(super) const METADATA_SERVICE: Cause = Cause {
    id: "openstacks-metadata-service",
    why: "Felix lets every workload of OpenStack reach the metadata service on the node, and translates \
          169.254.169.254:80 to it. MetadataAddr and MetadataPort are there for that; the page on what \
          policies mean has only DHCP and DNS. Felix is right, the page is silent.",
    covers: Covers::Unmeant(|found| {
        let shape = found.decided(TableName::Filter).1;
        shape == "filter cali-wl-to-host: destination, protocol, destination ports -> ACCEPT"
            && found.is_to_metadata_service()
    }),
};

/// `the-metadata-services-address-translated`.
pub(super) const METADATA_TRANSLATED: Cause = Cause {
    id: "the-metadata-services-address-translated",
    why: "cali-PREROUTING of nat translates 169.254.169.254:80 for whatever enters the node, not for \
          workloads alone, and whether or not somebody else has that address. No clause says so, and a \
          router's neighbours have no business with its workloads' metadata: the intent is right but for \
          workloads.",
    covers: Covers::Unmeant(|found| {
        let asks = found.packet.destination == METADATA && found.is_to_port(Protocol::TCP, 80);
        let fits = found.is_lost() || found.is_to_metadata_service();
        asks && fits
            && found.is_translated_by("cali-PREROUTING")
            && !found.is_translated_by_who_goes_first()
    }),
};

/// `taken-for-openstack`.
pub(super) const TAKEN_FOR_OPENSTACK: Cause = Cause {
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
};

/// `a-workload-to-itself-seen-as-from-its-floating-address`.
pub(super) const ITSELF_AS_FLOATING: Cause = Cause {
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
};

/// `a-workload-that-reaches-itself-by-one-of-several-addresses`.
pub(super) const ITSELF_BY_ONE_OF_SEVERAL: Cause = Cause {
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
};

/// `outgoing-nat-of-the-nodes-own`.
pub(super) const OUTGOING_NAT_OF_THE_NODE: Cause = Cause {
    id: "outgoing-nat-of-the-nodes-own",
    why: "cali-nat-outgoing asks for a source in a pool, which the node's own address (on its tunnel, or in \
          a pool that holds the nodes) is too. I17 says it of workloads: the intent is right; the packet \
          leaves as from another of the node's addresses.",
    covers: Covers::Unmeant(|found| {
        found.packet.origin == Origin::Node
            && found.decided(TableName::Nat).0 == "cali-nat-outgoing"
    }),
};

/// `the-nodes-own-packets-through-the-tunnel`.
pub(super) const THROUGH_THE_TUNNEL: Cause = Cause {
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
};

/// `a-floating-address-as-a-source`.
pub(super) const FLOATING_AS_A_SOURCE: Cause = Cause {
    id: "a-floating-address-as-a-source",
    why: "Felix routes a floating address to its workload's interface, and so the reverse path filter \
          takes it for the workload's own. I6 allows no other than the workload's own, and a floating \
          address is not one: the intent is right.",
    covers: Covers::Unmeant(|found| {
        found.clause() == Clause::I6Spoofed && found.is_from_own_floating() && !found.is_lost()
    }),
};

/// `a-floating-address-that-two-claim`.
pub(super) const FLOATING_THAT_TWO_CLAIM: Cause = Cause {
    id: "a-floating-address-that-two-claim",
    why: "Where two workloads have one floating address, Felix takes the workload's address that comes first \
          as text, the intent the workload that comes first by name. The API leaves it open.",
    covers: Covers::Unmeant(|found| {
        found.is_translated_by("cali-fip-dnat")
            && found.inside_of(found.packet.destination).len() > 1
    }),
};

/// `which-host-endpoint-is-an-interfaces`.
pub(super) const WHICH_HOST_ENDPOINT: Cause = Cause {
    id: "which-host-endpoint-is-an-interfaces",
    why: "Where one host endpoint names an interface and another expects its address, Felix 2.1.1 takes the \
          first by name; I14 takes the one that names it. The intent is right.",
    covers: Covers::Unmeant(|found| {
        let by = match found.packet.origin {
            Origin::Arrives(by) => Some(by),
            Origin::Node => None,
        };
        let leaves = found.out().into_iter().chain(found.leaves());
        let mut touched = by.into_iter().chain(leaves).chain(found.would_leave());
        touched.any(|interface| found.is_of_two(interface))
    }),
};

/// `a-host-endpoint-of-an-interface-with-a-workloads-prefix`.
pub(super) const HOST_ENDPOINT_WITH_THE_PREFIX: Cause = Cause {
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
        let mut touched = by.into_iter().chain(found.out()).chain(found.leaves());
        // Felix never asks what it takes for a workload's.
        let asked = |name: InterfaceName| {
            let chains = ["cali-fh-", "cali-th-"].map(|start| format!("{start}{name}"));
            found.steps.iter().any(|step| chains.contains(&step.chain))
        };
        touched.any(|name| named(name) && found.is_like_a_workloads(name) && !asked(name))
    }),
};

/// `a-workloads-own-address-without-its-route`.
pub(super) const OWN_ADDRESS_WITHOUT_ROUTE: Cause = Cause {
    id: "a-workloads-own-address-without-its-route",
    why: "The reverse path match of raw asks for a route back to the workload's interface, which Felix \
          writes, and which is missing here. The intent is right; the node is not as Felix leaves it.",
    covers: Covers::Unmeant(|found| {
        let shape = found.decided(TableName::Raw).1;
        shape == "raw cali-PREROUTING: mark, reverse path -> DROP" && found.is_from_own()
    }),
};

/// `the-interface-before-translation`.
pub(super) const INTERFACE_BEFORE_TRANSLATION: Cause = Cause {
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
};

/// `donottrack-policies-of-lo`.
pub(super) const DONOTTRACK_OF_LO: Cause = Cause {
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
};

/// `a-workload-without-the-interface-prefix`.
pub(super) const WORKLOAD_WITHOUT_THE_PREFIX: Cause = Cause {
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
};

/// `from-no-address-back-to-who-sent-it`.
pub(super) const FROM_NO_ADDRESS_BACK: Cause = Cause {
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
};

/// `a-foreign-address-to-which-a-route-leads`.
pub(super) const FOREIGN_WITH_A_ROUTE: Cause = Cause {
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
            && (found.is_unfiltered() || found.leads_back())
    }),
};

/// `a-pass-that-another-profile-or-policy-left`.
pub(super) const PASS_LEFT: Cause = Cause {
    id: "a-pass-that-another-profile-or-policy-left",
    why: "Felix writes a pass rule as `MATCH -j MARK` to set the pass bit and `-m mark … -j RETURN` behind \
          it, and clears that bit only where an endpoint has policies, before the first. Once something \
          has passed, every pass rule of the profiles asked later ends its profile, whether it matches or \
          not. I4 has a rule pass that matches: the intent is right, Felix 2.1.1 skips rules.",
    covers: Covers::Unmeant(|found| {
        // Between the two may stand what tells the log of flows.
        let steps: Vec<&Step> = found
            .steps
            .iter()
            .filter(|step| step.did != "goes on")
            .collect();
        let mut pairs = steps.windows(2);
        let pass = found.pass_bit();
        pairs.any(|pair| {
            let [before, step] = pair else { return false };
            let behind = stands_behind(step, before);
            let of_profile =
                step.chain.starts_with("cali-pri-") || step.chain.starts_with("cali-pro-");
            let passed = pass.is_some_and(|pass| step.before.0 & pass.bits() != 0);
            let stale = before.chain == step.chain && behind && before.matched.is_err() && passed;
            of_profile && stale && step.matched.is_ok() && step.did == "RETURN"
        })
    }),
};

/// `a-rule-about-the-other-familys-icmp`.
pub(super) const OTHER_FAMILYS_ICMP: Cause = Cause {
    id: "a-rule-about-the-other-familys-icmp",
    why: "Felix 2.1.1 writes a rule about ICMPv6 that names no family into iptables too, as `-p 58`, and \
          IPv4 may carry that number, as IPv6 may carry ICMP's. By I15 a rule about an ICMP protocol of one \
          family is one about that family: the intent is right.",
    covers: Covers::Unmeant(|found| found.matches_icmp_of_other_family()),
};
