//! Generated scenarios: that the API takes them, and reads what is written of them; what they reach.

use std::collections::BTreeSet;
use std::error::Error;

use calidiff::arm::plan::Plan;
use calidiff::calico::resources::{Api, Resources};
use calidiff::calico::{read, resolve, write};
use calidiff::generate::bits::{Given, Seeded};
use calidiff::generate::traffic::Traffic;
use calidiff::generate::world::{Cluster, Dials, Feature, scenario};
use calidiff::node;
use calidiff::packet::{Family, Progress, Protocol};
use calidiff::render::{Layout, modern, seed};
use calidiff::scenario::Scenario;
use calidiff::xtables::{ipset, save};
use proptest::prelude::*;

type Outcome = Result<(), Box<dyn Error>>;

fn holds(made: &Scenario) -> Outcome {
    let resources = made.resources.as_ref().ok_or("no resources")?;
    let text = write::write(resources)?;
    let read = read::read("generated.yaml", &text).map_err(|error| format!("{error}\n{text}"))?;
    assert_eq!(&read, resources, "{text}");
    let text = node::text::write(&made.node)?;
    assert_eq!(node::text::read("node.yaml", &text)?, made.node);
    let world = resolve(resources, &made.node.name);
    match resources.api {
        Api::V1 => drop(seed::draft(&world, &made.node)?),
        Api::V3 => drop(modern::draft(&world, &made.node)?),
    }
    Ok(())
}

const ERAS: [Api; 2] = [Api::V1, Api::V3];

proptest! {
    #[test]
    fn any_bytes_are_a_scenario_that_the_api_takes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        for api in ERAS {
            let made = scenario(&mut Given::new(&bytes), &Dials::default(), api);
            holds(&made).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }

    #[test]
    fn any_seed_is_a_scenario_that_the_api_takes(seed: u64) {
        for api in ERAS {
            let made = scenario(&mut Seeded::new(seed), &Dials::default(), api);
            holds(&made).map_err(|error| TestCaseError::fail(error.to_string()))?;
        }
    }
}

/// How many clusters the tests about what they reach look at.
const CLUSTERS: u64 = 400;

#[test]
fn every_feature_is_in_some_clusters_and_not_in_others() {
    for api in ERAS {
        let made = (0..CLUSTERS)
            .map(|seed| Cluster::make(&mut Seeded::new(seed), &Dials::default(), api).features());
        let made: Vec<_> = made.collect();
        for feature in Feature::of(api) {
            let on = made.iter().filter(|features| features.has(feature)).count();
            assert!((1..made.len()).contains(&on), "{feature}: {on} of {api}");
        }
    }
}

fn of_v3(seed: u64) -> Scenario {
    scenario(&mut Seeded::new(seed), &Dials::default(), Api::V3)
}

/// What resources of API v3 must be able to say, each with whether some do.
fn says(resources: &Resources) -> Vec<(&'static str, bool)> {
    use calidiff::calico::resources::{Order, Setting, Types};
    use calidiff::calico::rule::Ports;
    use calidiff::calico::world::{DefaultAction, HostInterface, Stage};
    let policies = &resources.policies;
    let policy =
        |asks: &dyn Fn(&calidiff::calico::resources::Policy) -> bool| policies.iter().any(asks);
    let rules = || {
        policies
            .iter()
            .flat_map(|one| one.ingress.iter().chain(&one.egress))
    };
    let rule = |asks: &dyn Fn(&calidiff::calico::resources::Rule) -> bool| rules().any(asks);
    let side = |asks: &dyn Fn(&calidiff::calico::resources::Entity) -> bool| {
        rules().any(|rule| asks(&rule.source) || asks(&rule.destination))
    };
    let stage = |stage| policy(&|one| one.stage == stage);
    let order = |one: &Option<Order>| one.is_none();
    let named = |ports: &Ports| matches!(ports, Ports::Named(_));
    let numbers = |ports: &Ports| !named(ports);
    vec![
        (
            "a tier without order",
            resources.tiers.iter().any(|one| order(&one.order)),
        ),
        (
            "a tier that passes",
            resources
                .tiers
                .iter()
                .any(|one| one.default_action == DefaultAction::Pass),
        ),
        ("a policy of a tier", policy(&|one| one.tier != "default")),
        ("a policy without types", policy(&|one| one.types.is_none())),
        (
            "a policy of egress alone",
            policy(&|one| one.types == Some(Types::Egress)),
        ),
        (
            "a staged policy",
            policy(&|one| one.staged && one.namespace.is_none()),
        ),
        (
            "a staged policy of a namespace",
            policy(&|one| one.staged && one.namespace.is_some()),
        ),
        ("applyOnForward", stage(Stage::Forward)),
        ("preDNAT", stage(Stage::PreDnat)),
        ("doNotTrack", stage(Stage::Untracked)),
        (
            "a namespaceSelector of a policy",
            policy(&|one| one.namespace_selector.is_some()),
        ),
        (
            "a serviceAccountSelector",
            policy(&|one| one.service_account_selector.is_some()),
        ),
        ("several prefixes", side(&|one| one.nets.len() > 1)),
        (
            "several excluded prefixes",
            side(&|one| one.not_nets.len() > 1),
        ),
        (
            "prefixes and excluded ones",
            side(&|one| !one.nets.is_empty() && !one.not_nets.is_empty()),
        ),
        (
            "a named port alone",
            side(&|one| one.ports.len() == 1 && one.ports.iter().all(named)),
        ),
        (
            "a named port beside numbers",
            side(&|one| one.ports.iter().any(named) && one.ports.iter().any(numbers)),
        ),
        (
            "an excluded named port",
            side(&|one| one.not_ports.iter().any(named)),
        ),
        (
            "more ports than a rule asks",
            side(&|one| one.ports.len() > 15),
        ),
        (
            "ports without protocol",
            rule(&|one| one.protocol.is_none() && !one.destination.ports.is_empty()),
        ),
        (
            "a namespaceSelector of a rule",
            side(&|one| one.namespace_selector.is_some()),
        ),
        (
            "service accounts",
            side(&|one| one.service_accounts.is_some()),
        ),
        ("a service", side(&|one| one.service.is_some())),
        ("notes", rule(&|one| !one.notes.is_empty())),
        (
            "the highest ICMP type",
            rule(&|one| one.icmp.is_some_and(|icmp| icmp.kind == 254)),
        ),
        (
            "a wildcard host endpoint",
            resources
                .hosts
                .iter()
                .any(|one| one.of == HostInterface::All),
        ),
        (
            "a host endpoint by address",
            resources
                .hosts
                .iter()
                .any(|one| one.of == HostInterface::ByAddress),
        ),
        (
            "ports of a host endpoint",
            resources.hosts.iter().any(|one| !one.ports.is_empty()),
        ),
        (
            "a network set of a namespace",
            resources.sets.iter().any(|one| one.namespace.is_some()),
        ),
        (
            "a global network set",
            resources.sets.iter().any(|one| one.namespace.is_none()),
        ),
        (
            "an interface of 15 letters",
            resources
                .workloads
                .iter()
                .any(|one| one.interface.as_str().len() == 15),
        ),
        (
            "two settings of one node",
            resources
                .configurations
                .iter()
                .any(|one| one.node.is_some()),
        ),
        (
            "three prefixes of interfaces",
            resources
                .configurations
                .iter()
                .flat_map(|one| &one.settings)
                .any(
                    |one| matches!(one, Setting::InterfacePrefixes(prefixes) if prefixes.len() > 2),
                ),
        ),
    ]
}

/// What rendered rules must have in them.
const RENDERED: [&str; 54] = [
    "cali-gi-",
    "cali-go-",
    "Return on verdict",
    "End of tier",
    "Start of tier security",
    "Endpoint admin disabled",
    "Return if profile accepted",
    "-A cali-rpf-skip",
    "rpfilter",
    "--jump NOTRACK",
    "cali-wireguard-incoming-mark",
    "Wireguard packets",
    "VXLAN packets",
    "IPIP packets",
    "cali-set-endpoint-mark",
    "cali-forward-check",
    "cali-from-endpoint-mark",
    "cali-egress-dscp",
    "DSCP",
    "NFLOG",
    "--match-set cali40all-istio-weps",
    "-m limit",
    "-m connlimit",
    "--reject-with tcp-reset",
    "-A cali-cidr-block",
    "any-interface-at-all",
    "cali-fhfw-",
    "cali-thfw-",
    "-p udp -m multiport --destination-ports 68",
    "Allow forwarded traffic by default",
    "--jump DNAT --to-destination",
    "cali-fip-snat",
    "cali-nat-outgoing",
    "--jump SNAT",
    "--to-ports",
    "addrtype",
    "--jump LOG",
    "--jump REJECT",
    "-j REDIRECT",
    "cali40n:",
    "cali40s:",
    "cali40svc:",
    "cali40svcnoport:",
    "! --match-set",
    "! --destination-ports",
    "cali-pi-_",
    "cali-pri-_",
    "hash:ip,port",
    "169.254.169.254",
    "KUBE-SVC-0",
    "-m statistic",
    "KUBE-MARK-MASQ",
    ":FORWARD DROP",
    "0x55",
];

#[test]
fn every_shape_of_policy_and_rule_is_made() {
    let mut said: std::collections::BTreeMap<&str, u64> = std::collections::BTreeMap::new();
    let mut rendered = RENDERED.map(|words| (words, 0_u64));
    for seed in 0..CLUSTERS {
        let made = of_v3(seed);
        let Some(resources) = &made.resources else {
            continue;
        };
        for (what, is_said) in says(resources) {
            *said.entry(what).or_default() += u64::from(is_said);
        }
        let world = resolve(resources, &made.node.name);
        let Ok(draft) = modern::draft(&world, &made.node) else {
            continue;
        };
        let foreign = Family::BOTH
            .map(|family| save::print(made.firewall.ruleset(family), save::Style::default()));
        let mut text = Family::BOTH.map(|family| draft.text(family)).concat();
        text += &foreign.concat();
        text += &ipset::print_save(&draft.sets);
        for (words, count) in &mut rendered {
            *count += u64::from(text.contains(*words));
        }
    }
    let never = said.iter().filter(|(_, count)| **count == 0);
    let never: Vec<_> = never.map(|(what, _)| what).collect();
    assert!(never.is_empty(), "never said: {never:?}");
    let never = rendered.iter().filter(|(_, count)| *count == 0);
    let never: Vec<_> = never.map(|(words, _)| words).collect();
    assert!(never.is_empty(), "never rendered: {never:?}");
}

/// What leaves by a host endpoint's interface comes with a translated destination, too, and of many protocols: Felix
/// asks about that in another table.
#[test]
fn first_packets_of_translated_connections_are_of_many_protocols() -> Outcome {
    let mut protocols = BTreeSet::new();
    for seed in 0..CLUSTERS / 4 {
        let made = of_v3(seed);
        let plan = Plan::new(Layout::Modern, &made)?;
        let calico = plan.calico.as_ref().ok_or("no Calico")?;
        let traffic = Traffic::new(&calico.world, Api::V3, &plan.node, &plan.firewall);
        let shots = traffic.shots(&mut Seeded::new(seed), 60).into_iter();
        let begins_translated = shots.filter(|shot| {
            shot.connections.iter().any(|one| {
                one.progress == Progress::Unreplied
                    && one.original == shot.packet.tuple()
                    && one.original.destination != one.reply.source
            })
        });
        protocols.extend(begins_translated.map(|shot| shot.packet.protocol()));
    }
    for protocol in [Protocol::TCP, Protocol::UDP, Protocol::SCTP] {
        assert!(protocols.contains(&protocol), "{protocol}: {protocols:?}");
    }
    Ok(())
}

#[test]
fn scenarios_stay_small_and_few_are_refused() -> Outcome {
    let mut sizes = Vec::new();
    let mut policies = Vec::new();
    let mut refused = Vec::new();
    for seed in 0..CLUSTERS {
        let made = of_v3(seed);
        let plan = Plan::new(Layout::Modern, &made)?;
        let calico = plan.calico.as_ref().ok_or("no Calico")?;
        let refusals = Family::BOTH
            .into_iter()
            .filter_map(|family| calico.refused(family));
        refused.extend(refusals.map(|why| format!("{seed}: {why}")));
        let rules = Family::BOTH.map(|family| plan.firewall.ruleset(family).bare_rules().count());
        sizes.push(rules[0] + rules[1]);
        policies.push(
            made.resources
                .map_or(0, |resources| resources.policies.len()),
        );
        let packets = Traffic::new(&calico.world, Api::V3, &plan.node, &plan.firewall);
        assert_eq!(packets.shots(&mut Seeded::new(seed), 20).len(), 20);
    }
    sizes.sort_unstable();
    policies.sort_unstable();
    let [rules, policies] = [sizes[sizes.len() / 2], policies[policies.len() / 2]];
    assert!((150..450).contains(&rules), "{rules} rules in the median");
    assert!(
        (3..8).contains(&policies),
        "{policies} policies in the median"
    );
    let most = usize::try_from(CLUSTERS)? * 2 / 25;
    assert!(
        (1..most).contains(&refused.len()),
        "{} refused:\n{}",
        refused.len(),
        refused.join("\n")
    );
    Ok(())
}
