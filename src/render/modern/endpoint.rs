//! The chains of workloads and host endpoints (felix, rules/endpoints.go).
//!
//! A chain, in order: limits of packets (of a workload); what connection tracking knows, allowed, and what
//! it can make nothing of, denied; limits of connections; failsafe ports (of a host endpoint); both bits of
//! verdicts cleared; tunnels of a workload's own denied; then the tiers. Each tier clears the pass bit,
//! asks its policies while none has passed, and returns if one has accepted; what none has passed is denied
//! at its end, unless the tier's default action is to pass, or all its policies are staged. Behind the
//! tiers the profiles are asked and the rest is denied.
//!
//! What is forwarded is asked of no profile; where no policy of either direction is about forwarded
//! traffic, it is allowed. Before translation and before tracking there is neither an end of a tier nor a
//! profile: what no policy decides goes on.

use super::flow;
use super::ground::Ground;
use super::names::{self, Direction};
use super::tiers::{self, AskedTier, Point};
use crate::calico::configuration::Modern;
use crate::calico::rule::RuleProtocol;
use crate::calico::world::{
    Applied, DefaultAction, HostEndpoint, Limits, PacketRate, WorkloadEndpoint,
};
use crate::hash;
use crate::packet::InterfaceName;
use crate::render::fragment::{Action, End, Fragment, Limit};
use crate::render::pieces::{TCP, port, protocol};
use crate::render::table::{FelixChain, FelixRule};
use crate::xtables::Not;
use crate::xtables::matches::States;

/// Felix writes the protocols of tunnels as numbers.
const UDP_NUMBER: RuleProtocol = RuleProtocol::Number(17);
const IP_IN_IP: RuleProtocol = RuleProtocol::Number(4);

/// A chain to be.
struct Endpoint<'a> {
    name: String,
    point: Point,
    direction: Direction,
    /// What becomes of packets of known connections.
    allow: Action,
    limits: Limits,
    /// The chain asked before all policies.
    failsafe: Option<&'static str>,
    /// Whether it is of what a workload sends.
    from_workload: bool,
    policies: &'a [Applied],
    profiles: &'a [String],
}

impl Endpoint<'_> {
    /// The chain, and those of the groups that it asks.
    fn render(&self, ground: &Ground<'_>) -> Vec<FelixChain> {
        let bits = ground.bits;
        let tiers = tiers::asked(ground, self.policies, self.point, self.direction);
        let mut rules = Vec::new();
        self.limit_packets(ground, &mut rules);
        self.ask_connections(ground, &mut rules);
        self.limit_connections(&mut rules);
        let failsafe = self.failsafe.map(ToOwned::to_owned);
        rules.extend(failsafe.map(|chain| FelixRule::always(Action::Jump(chain))));
        rules.push(FelixRule::always(Action::ClearMark(bits.verdict())));
        if self.from_workload {
            rules.extend(deny_tunnels(ground));
        }
        for tier in &tiers {
            self.ask_tier(ground, tier, &mut rules);
        }
        match self.point {
            Point::Forward if self.forwards_freely(ground) => {
                let allow = FelixRule::always(Action::SetMark(bits.accept));
                rules.push(allow.saying("Allow forwarded traffic by default"));
                let allowed = FelixRule::always(Action::Return);
                rules.push(allowed.saying("Return for accepted forward traffic"));
            }
            Point::Normal => self.ask_profiles(ground, &mut rules),
            _ => {}
        }
        let groups = tiers
            .iter()
            .flat_map(|tier| tier.group_chains(bits, self.direction));
        let mut chains: Vec<FelixChain> = groups.collect();
        chains.push(FelixChain::new(self.name.clone(), rules));
        chains
    }

    fn word(&self) -> &'static str {
        match self.direction {
            Direction::Ingress => "ingress",
            Direction::Egress => "egress",
        }
    }

    /// Before connection tracking is asked: packets of known connections count, too.
    fn limit_packets(&self, ground: &Ground<'_>, rules: &mut Vec<FelixRule>) {
        let Some(PacketRate { per_second, burst }) = self.limits.packets else {
            return;
        };
        let within = ground.bits.scratch0;
        let word = self.word();
        let clear = || {
            let clear = FelixRule::always(Action::ClearMark(within));
            clear.saying(format!("Clear {word} packet rate limit mark"))
        };
        let limit = Fragment::Limit(Limit {
            times: per_second,
            unit: "sec",
            seconds: 1,
            burst: Some(burst),
        });
        let mark = FelixRule::when([limit], Action::SetMark(within));
        let over = [Fragment::Mark(Not::negated(within.bits()), within)];
        let over = FelixRule::when(over, Action::Drop);
        rules.extend([
            clear(),
            mark.saying(format!("Mark packets within {word} packet rate limit")),
            over.saying(format!("Drop packets over {word} packet rate limit")),
            clear(),
        ]);
    }

    fn ask_connections(&self, ground: &Ground<'_>, rules: &mut Vec<FelixRule>) {
        if self.point == Point::Untracked {
            return;
        }
        let known = [Fragment::States(States::RELATED.union(States::ESTABLISHED))];
        if self.allow != Action::Accept {
            let accept = Action::SetMark(ground.bits.accept);
            rules.push(FelixRule::when(known.clone(), accept));
        }
        rules.push(FelixRule::when(known, self.allow.clone()));
        let Modern {
            disable_invalid_check,
            ..
        } = ground.told;
        if !disable_invalid_check {
            let invalid = [Fragment::States(States::INVALID)];
            rules.push(FelixRule::when(invalid, ground.deny()));
        }
    }

    fn limit_connections(&self, rules: &mut Vec<FelixRule>) {
        let Some(most) = self.limits.connections else {
            return;
        };
        let begins = [
            protocol(TCP),
            Fragment::BeginsTcp,
            Fragment::ConnectionsAbove(most),
        ];
        let word = self.word();
        let over = FelixRule::when(begins, Action::Reset);
        rules.push(over.saying(format!("Reject connections over {word} connection limit")));
    }

    fn ask_tier(&self, ground: &Ground<'_>, tier: &AskedTier<'_>, rules: &mut Vec<FelixRule>) {
        let bits = ground.bits;
        let undecided = || [Fragment::Unmarked(bits.pass)];
        let accepted = [Fragment::Marked(bits.accept)];
        let start = FelixRule::always(Action::ClearMark(bits.pass));
        let says = names::comment(&format!("Start of tier {}", tier.name));
        rules.push(start.saying(says));
        for chain in tier.chains(self.direction) {
            rules.push(FelixRule::when(undecided(), Action::Jump(chain)));
            if self.point == Point::Untracked {
                rules.push(FelixRule::when(accepted.clone(), Action::Notrack));
            }
            let accepted = FelixRule::when(accepted.clone(), Action::Return);
            rules.push(accepted.saying("Return if policy accepted"));
        }
        if !matches!(self.point, Point::Normal | Point::Forward) {
            return;
        }
        let denies = tier.enforces() && tier.default_action != DefaultAction::Pass;
        let told = flow::of_tier(ground, denies, self.direction, tier.name);
        rules.extend(told.map(|told| FelixRule::when(undecided(), told)));
        if denies {
            let (name, denies) = (tier.name, ground.denies());
            let end = FelixRule::when(undecided(), ground.deny());
            let says = format!("End of tier {name}. {denies} if no policies passed packet");
            rules.push(end.saying(names::comment(&says)));
        }
    }

    /// Whether no policy of either direction is about forwarded traffic.
    fn forwards_freely(&self, ground: &Ground<'_>) -> bool {
        let mut directions = Direction::BOTH.iter();
        directions
            .all(|direction| tiers::asked(ground, self.policies, self.point, *direction).is_empty())
    }

    fn ask_profiles(&self, ground: &Ground<'_>, rules: &mut Vec<FelixRule>) {
        for profile in self.profiles {
            let chain = self.direction.profile_chain(profile);
            rules.push(FelixRule::always(Action::Jump(chain)));
            let accepted = [Fragment::Marked(ground.bits.accept)];
            let accepted = FelixRule::when(accepted, Action::Return);
            rules.push(accepted.saying("Return if profile accepted"));
        }
        let told = flow::of_profiles(ground, self.direction);
        rules.extend(told.map(FelixRule::always));
        let rest = FelixRule::always(ground.deny());
        rules.push(rest.saying(format!("{} if no profiles matched", ground.denies())));
    }
}

/// A workload that wraps packets itself could go round its policy.
fn deny_tunnels(ground: &Ground<'_>) -> Vec<FelixRule> {
    let mut rules = Vec::new();
    let denies = ground.denies();
    if !ground.told.allow_vxlan_from_workloads {
        let asks = [
            protocol(UDP_NUMBER),
            port(End::Destination, ground.told.vxlan_port),
        ];
        let rule = FelixRule::when(asks, ground.deny());
        let says = format!("{denies} VXLAN encapped packets originating in workloads");
        rules.push(rule.saying(says));
    }
    if !ground.told.allow_ip_in_ip_from_workloads {
        let rule = FelixRule::when([protocol(IP_IN_IP)], ground.deny());
        let says = format!("{denies} IPinIP encapped packets originating in workloads");
        rules.push(rule.saying(says));
    }
    rules
}

/// Both chains of a workload, for filter, and those of the groups that they ask.
pub(super) fn workload_chains(
    ground: &Ground<'_>,
    interface: InterfaceName,
    workload: &WorkloadEndpoint,
) -> Vec<FelixChain> {
    let chains = [
        (names::TO_WORKLOAD, Direction::Ingress, workload.qos.ingress),
        (names::FROM_WORKLOAD, Direction::Egress, workload.qos.egress),
    ];
    let chains = chains.into_iter().flat_map(|(prefix, direction, limits)| {
        let name = hash::chain_name(prefix, interface.as_str());
        if !workload.up {
            let rule = FelixRule::always(ground.deny()).saying("Endpoint admin disabled");
            return vec![FelixChain::new(name, vec![rule])];
        }
        let endpoint = Endpoint {
            name,
            point: Point::Normal,
            direction,
            allow: ground.filter_allow(),
            limits,
            failsafe: None,
            from_workload: direction == Direction::Egress,
            policies: &workload.policies,
            profiles: &workload.profiles,
        };
        endpoint.render(ground)
    });
    chains.collect()
}

/// A chain of a host endpoint's: at which point, for which direction, and what becomes there of packets
/// of known connections.
#[derive(Clone)]
pub(super) struct HostChain {
    pub prefix: &'static str,
    pub point: Point,
    pub direction: Direction,
    pub allow: Action,
}

/// A chain of a host endpoint, and those of the groups that it asks.
pub(super) fn host_chain(
    ground: &Ground<'_>,
    interface: &str,
    host: &HostEndpoint,
    chain: &HostChain,
) -> Vec<FelixChain> {
    let endpoint = Endpoint {
        name: hash::chain_name(chain.prefix, interface),
        point: chain.point,
        direction: chain.direction,
        allow: chain.allow.clone(),
        limits: Limits::default(),
        failsafe: match (chain.point, chain.direction) {
            (Point::Forward, _) => None,
            (_, Direction::Ingress) => Some(names::FAILSAFE_IN),
            (_, Direction::Egress) => Some(names::FAILSAFE_OUT),
        },
        from_workload: false,
        policies: &host.policies,
        profiles: &host.profiles,
    };
    endpoint.render(ground)
}

/// Whether a host endpoint has policies, if only staged ones, at a point.
pub(super) fn has_tiers(ground: &Ground<'_>, host: &HostEndpoint, point: Point) -> bool {
    let mut directions = Direction::BOTH.iter();
    directions.any(|direction| !tiers::asked(ground, &host.policies, point, *direction).is_empty())
}
