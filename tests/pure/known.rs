//! Where Felix 2.1.1 does not do what the policies mean: what is known of it, and who is right.

use std::net::IpAddr;

use calidiff::calico::World;
use calidiff::calico::configuration::InsertMode;
use calidiff::calico::world::HostInterface;
use calidiff::diff::meaning::End;
use calidiff::diff::shape::Shape;
use calidiff::intent::{Clause, Opinion, Verdict};
use calidiff::journey::Step;
use calidiff::node::Node;
use calidiff::node::routing::{Routing, Way};
use calidiff::packet::{Connection, InterfaceName, Origin, Packet, Protocol};
use calidiff::xtables::{Firewall, Hook, TableName};

/// A difference between what is meant and what is done.
pub struct Difference<'a> {
    pub world: &'a World,
    pub node: &'a Node,
    /// All that is programmed.
    pub firewall: &'a Firewall,
    pub packet: &'a Packet,
    pub connections: &'a [Connection],
    pub opinion: &'a Opinion,
    pub end: End,
    /// The packet's way through the chains.
    pub steps: &'a [Step],
}

/// A class of differences: no more than this.
pub struct Class {
    pub name: &'static str,
    /// Who is right, and why.
    pub why: &'static str,
    pub covers: fn(&Difference<'_>) -> bool,
}

/// The class that covers a difference, by its place in [`KNOWN`].
pub fn class_of(found: &Difference<'_>) -> Option<usize> {
    KNOWN.iter().position(|class| (class.covers)(found))
}

impl Difference<'_> {
    fn clause(&self) -> Clause {
        self.opinion.decision.clause
    }

    fn is_lost(&self) -> bool {
        self.end == End::Lost
    }

    /// The last rule, or end of a kernel's chain, that decided in a table: its chain and its shape.
    pub fn decided(&self, table: TableName) -> (String, String) {
        let in_table = self.steps.iter().rev().filter(|step| step.table == table);
        let mut ends = in_table.filter(|step| {
            let ends = ["ACCEPT", "DROP", "DNAT", "SNAT", "MASQUERADE", "policy"];
            step.matched.is_ok() && ends.iter().any(|end| step.did.starts_with(end))
        });
        let Some(step) = ends.next() else {
            return (String::new(), String::new());
        };
        let rule = step.rule_id().and_then(|id| self.firewall.rule(&id));
        let shape = match rule {
            Some(rule) => Shape::of(table, &step.chain, rule),
            None => Shape::of_policy(table, &step.chain),
        };
        (step.chain.clone(), shape.to_string())
    }

    fn by_established(&self) -> bool {
        self.decided(TableName::Filter)
            .1
            .contains("RELATED+ESTABLISHED -> ACCEPT")
    }

    /// Whether it is about an endpoint that is down, or an interface of none.
    fn is_shut(&self) -> bool {
        matches!(
            self.clause(),
            Clause::I6FromDown | Clause::I6ToDown | Clause::I6FromUnknown | Clause::I6ToUnknown
        )
    }

    /// Whether the cluster says that it is OpenStack's.
    fn is_openstack(&self) -> bool {
        let mut words = self
            .world
            .configuration
            .cluster_type
            .split(',')
            .map(str::trim);
        words.any(|word| word == "openstack")
    }

    /// Whether somebody's floating address is the packet's source, of whose interface it comes.
    fn is_from_own_floating(&self) -> bool {
        let mut own = self
            .world
            .workloads
            .iter()
            .filter(|one| self.packet.origin == Origin::Arrives(one.interface))
            .flat_map(|one| &one.floating);
        own.any(|floating| floating.outside == self.packet.source)
    }

    /// Whether a rule of a chain of nat translated it.
    fn is_translated_by(&self, chain: &str) -> bool {
        let mut steps = self.steps.iter();
        let translates = ["DNAT", "SNAT", "MASQUERADE"];
        steps.any(|step| {
            step.table == TableName::Nat
                && step.chain == chain
                && step.matched.is_ok()
                && translates.iter().any(|target| step.did.starts_with(target))
        })
    }

    /// By which interface its node's routing sends it.
    fn out(&self) -> Option<InterfaceName> {
        let routing = Routing::new(self.node);
        let way = match (&self.opinion.exit, self.packet.origin) {
            (Some(exit), _) => exit.way,
            (None, Origin::Node) => routing.sent(self.packet.source, self.packet.destination),
            (None, Origin::Arrives(by)) => {
                routing.arriving(by, self.packet, self.packet.destination)
            }
        };
        match way {
            Way::Out(out) => Some(out),
            Way::Local => Some(InterfaceName::LOOPBACK),
            Way::Nowhere(_) => None,
        }
    }

    /// Whether an interface is named by one host endpoint, and another that expects its address comes
    /// first by name.
    fn is_of_two(&self, interface: InterfaceName) -> bool {
        let own: Vec<IpAddr> = self
            .node
            .addresses()
            .filter(|(at, _)| *at == interface)
            .map(|(_, net)| net.addr())
            .collect();
        let mut hosts = self.world.hosts.iter();
        let named = hosts
            .clone()
            .position(|host| host.of == HostInterface::Named(interface));
        let by_address = hosts.position(|host| {
            let mut expected = host.expected_addresses.iter();
            host.of == HostInterface::ByAddress && expected.any(|one| own.contains(one))
        });
        matches!((named, by_address), (Some(named), Some(by_address)) if by_address < named)
    }

    /// Whether its source is the address of the workload of whose interface it comes.
    fn is_from_own(&self) -> bool {
        let mut workloads = self.world.workloads.iter();
        workloads.any(|one| {
            self.packet.origin == Origin::Arrives(one.interface)
                && one.addresses.contains(&self.packet.source)
        })
    }

    fn inside_of(&self, outside: IpAddr) -> Vec<IpAddr> {
        let floating = self.world.workloads.iter().flat_map(|one| &one.floating);
        let inside = floating.filter(|one| one.outside == outside);
        inside.map(|one| one.inside).collect()
    }
}

const METADATA: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(169, 254, 169, 254));

pub const KNOWN: [Class; 30] = [
    Class {
        name: "neighbour discovery from a foreign address",
        why: "What a workload sends from an address that is not its own ends in raw PREROUTING of ip6tables, \
              at `-m rpfilter --invert -j DROP`, before cali-wl-to-host would accept neighbour discovery or \
              DHCP (from a link-local address, to which these interfaces have no route). I7 allows them always, I6 denies foreign sources always: the clauses don't say which goes first, \
              and Felix's order is the safer one.",
        covers: |found| {
            let workloads = found.world.workloads.iter();
            let mut own = workloads
                .filter(|one| found.packet.origin == Origin::Arrives(one.interface))
                .flat_map(|one| &one.addresses);
            found.opinion.verdict == Verdict::Allow
                && matches!(found.clause(), Clause::I7Neighbours | Clause::I7Dhcp)
                && found.is_lost()
                && !own.any(|address| *address == found.packet.source)
        },
    },
    Class {
        name: "a workload's connection with itself",
        why: "By one address and one port both keys of a connection are the same; connection tracking finds \
              it by the reply's, and a later packet passes as ESTABLISHED though nobody has answered, whatever \
              policy or the rest of the node says. The intent is right; the kernel lets the packet pass.",
        covers: |found| {
            let itself = |one: &Connection| {
                one.original == one.reply && one.original == found.packet.tuple()
            };
            found.by_established() && found.connections.iter().any(itself)
        },
    },
    Class {
        name: "IP in IP from a workload",
        why: "Nothing in Felix 2.1.1 denies it, as later versions do. The intent is right.",
        covers: |found| {
            found.clause() == Clause::I6Encapsulated
                && found.packet.protocol() == Protocol::IPIP
                && !found.is_lost()
        },
    },
    Class {
        name: "another program's rule goes first",
        why: "With ChainInsertMode append Felix's rules stand behind all others, and what these decide it \
              never sees. Whoever chose that mode asked for it; the intent knows no other programs.",
        covers: |found| {
            let (chain, shape) = found.decided(TableName::Filter);
            let foreign = Hook::of_chain(&chain).is_some() && !shape.contains("policy");
            found.world.configuration.insert_mode == InsertMode::Append
                && foreign
                && found.is_lost() == shape.ends_with("-> DROP")
        },
    },
    Class {
        name: "an established connection of who is down or unknown",
        why: "Felix 2.1.1 accepts RELATED,ESTABLISHED at the top of cali-INPUT, cali-FORWARD and cali-OUTPUT, \
              before it looks at endpoints: a workload that is set down keeps its connections. I6 denies \
              everything of such an endpoint: the intent is right.",
        covers: |found| found.is_shut() && found.by_established() && !found.is_lost(),
    },
    Class {
        name: "the node's own packets to who is down or unknown",
        why: "cali-OUTPUT returns whatever leaves by an interface with a workload's prefix, without asking \
              whose it is. I6 denies everything to an endpoint that is down and to an interface of none; the \
              intent is right, though I8 leaves the node's own packets to its workloads alone.",
        covers: |found| {
            found.packet.origin == Origin::Node
                && matches!(found.clause(), Clause::I6ToDown | Clause::I6ToUnknown)
                && !found.is_lost()
        },
    },
    Class {
        name: "what is always allowed, from who is down or unknown",
        why: "cali-wl-to-host accepts neighbour discovery and OpenStack's services before it asks from whom \
              they come. I6 denies everything from an endpoint that is down and from an interface of none: \
              the intent is right.",
        covers: |found| {
            matches!(found.clause(), Clause::I6FromDown | Clause::I6FromUnknown)
                && found.decided(TableName::Filter).0 == "cali-wl-to-host"
                && !found.is_lost()
        },
    },
    Class {
        name: "OpenStack's metadata service",
        why: "Felix lets every workload of OpenStack reach the metadata service on the node, and translates \
              169.254.169.254:80 to it. MetadataAddr and MetadataPort are there for that; the page on what \
              policies mean has only DHCP and DNS. Felix is right, the page is silent.",
        covers: |found| {
            let shape = found.decided(TableName::Filter).1;
            shape == "filter cali-wl-to-host: destination, protocol, destination ports -> ACCEPT"
                && !found.is_lost()
        },
    },
    Class {
        name: "the metadata service's address, translated",
        why: "cali-PREROUTING of nat translates 169.254.169.254:80 for whatever enters the node, not for \
              workloads alone, and whether or not somebody else has that address. No clause says so, and a \
              router's neighbours have no business with its workloads' metadata: the intent is right but for \
              workloads.",
        covers: |found| {
            found.packet.destination == METADATA && found.is_translated_by("cali-PREROUTING")
        },
    },
    Class {
        name: "taken for OpenStack",
        why: "Felix takes a node for one of OpenStack by its metadata service, by an interface prefix `tap`, or \
              by any word with openstack in it, and then accepts DHCP and DNS from workloads whatever the \
              policy. calico/node sets MetadataAddr to None everywhere, so this is so on every node of \
              Kubernetes: the intent is right.",
        covers: |found| {
            found.decided(TableName::Filter).0 == "cali-wl-to-host"
                && found.packet.protocol() == Protocol::UDP
                && !found.is_openstack()
                && !found.is_lost()
        },
    },
    Class {
        name: "a workload to itself, seen as from its floating address",
        why: "cali-fip-snat asks whether source and destination are the workload's, not whether it used its \
              floating address, nor whether it sent the packet: one to its own address, and one that comes \
              from elsewhere with its address, leave as from the floating one. I17 says so only \
              of the floating address: the intent is right, and little is lost.",
        covers: |found| {
            let inside = found.inside_of(found.packet.destination);
            let itself = found.packet.source == found.packet.destination;
            found.is_translated_by("cali-fip-snat")
                && (itself || (inside.contains(&found.packet.source) && !found.is_from_own()))
        },
    },
    Class {
        name: "a workload that reaches itself by one of several addresses",
        why: "cali-fip-snat knows one floating address for each of a workload's own, the first as text, and               nothing of a workload that reaches its second address from its first. I17 has it see the               address that it used: the intent is right.",
        covers: |found| {
            found.opinion.clauses.has(Clause::I17Itself)
                && (found.is_translated_by("cali-fip-snat")
                    || !found
                        .inside_of(found.packet.destination)
                        .contains(&found.packet.source))
        },
    },
    Class {
        name: "outgoing NAT of the node's own",
        why: "cali-nat-outgoing asks for a source in a pool, which the node's own address (on its tunnel, or in \
              a pool that holds the nodes) is too. I17 says it of workloads: the intent is right; the packet \
              leaves as from another of the node's addresses.",
        covers: |found| {
            found.packet.origin == Origin::Node
                && found.decided(TableName::Nat).0 == "cali-nat-outgoing"
        },
    },
    Class {
        name: "the node's own packets through the tunnel",
        why: "What the node sends into tunl0 leaves as from the tunnel's address, so that the answer comes \
              back through it. No clause says so: Felix is right, the page is silent.",
        covers: |found| {
            found.packet.origin == Origin::Node
                && found.decided(TableName::Nat).0 == "cali-POSTROUTING"
        },
    },
    Class {
        name: "doNotTrack policies speak for workloads",
        why: "What a doNotTrack policy of a host endpoint accepts, cali-FORWARD accepts before it asks the \
              workload's policy (or whether anybody is behind the interface). I12 spares it other *host \
              endpoint* policy only: the intent is right.",
        covers: |found| {
            found.decided(TableName::Filter).1 == "filter cali-FORWARD: mark, UNTRACKED -> ACCEPT"
                && !found.is_lost()
        },
    },
    Class {
        name: "answers of failsafe ports and doNotTrack policies",
        why: "Felix 2.1.1 has no failsafe rules for answers in raw, as later versions do: doNotTrack policies \
              judge them. I12 counts failsafes' replies too: the intent is right.",
        covers: |found| found.opinion.clauses.has(Clause::I12FailsafeReply),
    },
    Class {
        name: "failsafe ports of others",
        why: "The chains of a host endpoint begin with the failsafe ports, for what is forwarded too: port 22 of \
              everybody behind the node is open. I9 has failsafes for what begins or ends at the node: the \
              intent is right.",
        covers: |found| {
            let (chain, _) = found.decided(TableName::Filter);
            let forwarded = found.steps.iter().any(|step| step.hook == Hook::Forward);
            forwarded && chain.starts_with("cali-failsafe-") && !found.is_lost()
        },
    },
    Class {
        name: "a floating address as a source",
        why: "Felix routes a floating address to its workload's interface, and so the reverse path filter \
              takes it for the workload's own. I6 allows no other than the workload's own, and a floating \
              address is not one: the intent is right.",
        covers: |found| {
            found.clause() == Clause::I6Spoofed && found.is_from_own_floating() && !found.is_lost()
        },
    },
    Class {
        name: "a floating address that two claim",
        why: "Where two workloads have one floating address, Felix takes the workload's address that comes first \
              as text, the intent the workload that comes first by name. The API leaves it open.",
        covers: |found| {
            found.is_translated_by("cali-fip-dnat")
                && found.inside_of(found.packet.destination).len() > 1
        },
    },
    Class {
        name: "IP in IP from no node of Calico's",
        why: "With IpInIpEnabled cali-INPUT drops IP in IP from who is no node of Calico's before it asks for               connections or host endpoints. No clause has that: where there is no host endpoint the intent               defers, where there is one its policy decides. The page is silent about the tunnel; by its               clauses the intent is right, and Felix the safer one.",
        covers: |found| {
            let shape = found.decided(TableName::Filter).1;
            shape == "filter cali-INPUT: protocol, not set source -> DROP" && found.is_lost()
        },
    },
    Class {
        name: "from no address to all",
        why: "What comes from 0.0.0.0 and goes to 255.255.255.255 the kernel's reverse path filter lets pass               (`ip_route_input_slow`), and Felix trusts in that filter for IPv4. I6 denies it unless it is               OpenStack's DHCP: the intent is right.",
        covers: |found| {
            found.clause() == Clause::I6Spoofed
                && found.packet.source == IpAddr::from([0; 4])
                && !found.is_lost()
        },
    },
    Class {
        name: "which host endpoint is an interface's",
        why: "Where one host endpoint names an interface and another expects its address, Felix 2.1.1 takes the               first by name; I14 takes the one that names it. The intent is right.",
        covers: |found| {
            let by = match found.packet.origin {
                Origin::Arrives(by) => Some(by),
                Origin::Node => None,
            };
            let mut touched = by.into_iter().chain(found.out());
            touched.any(|interface| found.is_of_two(interface))
        },
    },
    Class {
        name: "a host endpoint of an interface with a workload's prefix",
        why: "Felix takes what an InterfacePrefix begins for a workload's, whoever names it; the intent takes               it for the host endpoint's that names it. I6 speaks of interfaces that belong to no endpoint:               the intent is right.",
        covers: |found| {
            let named = |name| {
                let mut hosts = found.world.hosts.iter();
                hosts.any(|host| host.of == HostInterface::Named(name))
            };
            let like_a_workloads = |name: InterfaceName| {
                let mut prefixes = found.world.configuration.interface_prefixes.iter();
                prefixes.any(|prefix| prefix.begins(name.as_str()))
            };
            let by = match found.packet.origin {
                Origin::Arrives(by) => Some(by),
                Origin::Node => None,
            };
            let mut touched = by.into_iter().chain(found.out());
            touched.any(|name| named(name) && like_a_workloads(name))
        },
    },
    Class {
        name: "a workload's own address without its route",
        why: "The reverse path match of raw asks for a route back to the workload's interface, which Felix               writes, and which is missing here. The intent is right; the node is not as Felix leaves it.",
        covers: |found| {
            let shape = found.decided(TableName::Raw).1;
            shape == "raw cali-PREROUTING: mark, reverse path -> DROP" && found.is_from_own()
        },
    },
    Class {
        name: "the interface before translation",
        why: "The kernel's filter OUTPUT still sees the interface that the node's own packet would have left by               before its destination was translated, and so Felix 2.1.1 asks that one's host endpoint. I9               judges it by where it really leaves: the intent is right, and later versions ask in mangle               POSTROUTING.",
        covers: |found| {
            let meant = found.opinion.exit.as_ref().map(|exit| exit.destination);
            let came = match found.end {
                End::Out { destination, .. } => Some(destination),
                End::Lost => None,
            };
            let translated = meant
                .or(came)
                .is_some_and(|to| to != found.packet.destination);
            found.packet.origin == Origin::Node && translated
        },
    },
    Class {
        name: "a pass that another profile or policy left",
        why: "Felix writes a pass rule as `MATCH -j MARK` to set the pass bit and `-m mark … -j RETURN` behind               it, and clears that bit only where an endpoint has policies, before the first. Once something               has passed, every pass rule of the profiles asked later ends its profile, whether it matches or               not. I4 has a rule pass that matches: the intent is right, Felix 2.1.1 skips rules.",
        covers: |found| {
            let mut pairs = found.steps.windows(2);
            pairs.any(|pair| {
                let [before, step] = pair else { return false };
                let behind = before.rule.map(|rule| rule + 1) == step.rule;
                let of_profile =
                    step.chain.starts_with("cali-pri-") || step.chain.starts_with("cali-pro-");
                let stale = before.chain == step.chain && behind && before.matched.is_err();
                of_profile && stale && step.matched.is_ok() && step.did == "RETURN"
            })
        },
    },
    Class {
        name: "to all or to a group, routed again",
        why: "The node's own packet to all goes by the best route, and by the interface of its source address               once a table has changed its mark and the kernel routes it again (`ip_route_me_harder`). That is               routing's to say, of which the intent sees the first half alone.",
        covers: |found| match found.packet.destination {
            IpAddr::V4(to) => {
                found.packet.origin == Origin::Node && (to.is_broadcast() || to.is_multicast())
            }
            IpAddr::V6(_) => false,
        },
    },
    Class {
        name: "another program sets Felix's bit",
        why: "Felix trusts that its bits of the mark are as raw left them when filter sees them. A rule of               another program in mangle that sets the accept bit opens the node to what is UNTRACKED. I18 has               the verdict depend on nothing of the kind: the intent is right, and the mask is documented as               Felix's alone.",
        covers: |found| {
            let mask = found.world.configuration.mark_mask;
            let foreign = found.steps.iter().any(|step| {
                step.table == TableName::Mangle && (step.before.0 ^ step.after.0) & mask != 0
            });
            foreign
                && found
                    .decided(TableName::Filter)
                    .1
                    .contains("UNTRACKED -> ACCEPT")
        },
    },
    Class {
        name: "the node's packets from no address",
        why: "A packet that the node sends from 0.0.0.0 gets its source from the kernel before any table sees it               (`raw_send_hdrinc`); the intent is shown none. The kernel is right: no such packet exists on the               way.",
        covers: |found| {
            found.packet.origin == Origin::Node && found.packet.source == IpAddr::from([0; 4])
        },
    },
    Class {
        name: "out of the node from a loopback address",
        why: "Where a table changes the mark or the destination of the node's own packet, the kernel routes it               again, and then refuses to send a loopback address out (`__mkroute_output`). That is routing's               to say, of which the intent sees the first half alone.",
        covers: |found| {
            let loopback = found.packet.source.is_loopback() && found.packet.source.is_ipv4();
            found.packet.origin == Origin::Node && loopback && found.is_lost()
        },
    },
];
