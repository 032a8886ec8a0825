//! A node's dump beside the resources of its cluster: one that Felix wrote does what they mean, and of one
//! that was changed it is said which policy's meaning it breaks, and where.

use std::error::Error;

use calidiff::arm::plan::Plan;
use calidiff::calico::{Resources, read};
use calidiff::campaign::meant::{Meaning, hold, layout_of};
use calidiff::campaign::{Blind, Options, Subject};
use calidiff::import::{Finding, Names, verify};
use calidiff::packet::{Batch, Family};
use calidiff::render::Layout;
use calidiff::report;
use calidiff::scenario::Scenario;
use calidiff::xtables::{Backend, Firewall, ipset, save};

type Outcome = Result<(), Box<dyn Error>>;

const NODE: &str = "
name: here
interfaces:
- {name: eth0, addresses: [192.168.1.1/24]}
- {name: cali1, route_localnet: true}
- {name: cali2, route_localnet: true}
routes:
- {destination: 10.65.0.1/32, to: !unicast {interface: cali1}}
- {destination: 10.65.0.2/32, to: !unicast {interface: cali2}}
- {destination: 0.0.0.0/0, to: !unicast {interface: eth0, via: 192.168.1.254}}
";

const RESOURCES: &str = "
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default}
spec: {ipv6Support: false}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: db-from-web}
spec:
  order: 1
  selector: role == 'db'
  types: [Ingress, Egress]
  ingress:
  - {action: Deny, protocol: TCP, destination: {ports: [5433]}}
  - {action: Allow, protocol: TCP, source: {selector: role == 'web'}, destination: {ports: ['5432:5434']}}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web-to-all}
spec: {order: 2, selector: role == 'web', types: [Ingress, Egress], egress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: here-k8s-web-eth0, namespace: shop, labels: {role: web}}
spec: {node: here, orchestrator: k8s, pod: web, endpoint: eth0, interfaceName: cali1, ipNetworks: [10.65.0.1/32]}
---
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: here-k8s-db-eth0, namespace: shop, labels: {role: db}}
spec: {node: here, orchestrator: k8s, pod: db, endpoint: eth0, interfaceName: cali2, ipNetworks: [10.65.0.2/32]}
";

/// What was dumped on a node where Felix wrote rules for the resources.
struct Dump {
    rules: String,
    sets: String,
    resources: Resources,
}

impl Dump {
    fn of(layout: Layout) -> Result<Self, Box<dyn Error>> {
        let resources = read::read("resources.yaml", RESOURCES)?;
        let scenario = Scenario {
            name: "here".to_owned(),
            why: None,
            node: calidiff::node::text::read("node.yaml", NODE)?,
            firewall: Firewall::default(),
            resources: Some(resources.clone()),
            completed: Vec::new(),
            batch: Batch::default(),
            changed: None,
        };
        let plan = Plan::new(layout, &scenario)?;
        Ok(Self {
            rules: save::print(&plan.firewall.v4, save::Style::default()),
            sets: ipset::print_save(&plan.firewall.sets),
            resources,
        })
    }

    /// Changes the one rule in which this stands; an empty text removes it.
    fn change(&mut self, with: &[&str], into: impl Fn(&str) -> String) -> Outcome {
        let rules = self.rules.clone();
        let mut found = rules
            .lines()
            .filter(|line| with.iter().all(|text| line.contains(text)));
        let (Some(rule), None) = (found.next(), found.next()) else {
            return Err(format!("not one rule with {with:?} in\n{rules}").into());
        };
        let changed = into(rule);
        let changed = if changed.is_empty() {
            changed
        } else {
            changed + "\n"
        };
        self.rules = rules.replace(&format!("{rule}\n"), &changed);
        Ok(())
    }

    fn judged(&self) -> Result<(Meaning, String), Box<dyn Error>> {
        let subject = Subject {
            name: "mine.save".to_owned(),
            node: calidiff::node::text::read("node.yaml", NODE)?,
            firewall: Firewall {
                v4: save::parse("mine.save", &self.rules, Family::V4)?,
                sets: ipset::parse("mine.ipset", &self.sets)?,
                ..Firewall::default()
            },
            assumptions: Vec::new(),
            planted: None,
        };
        let options = Options {
            backends: Backend::BOTH.to_vec(),
            packets: 3000,
            seed: 1,
            jobs: 1,
            explain: false,
        };
        let layout = layout_of(&subject, &self.resources)?;
        let meaning = hold(&subject, &self.resources, layout, &options, &Blind)?;
        let names = Names::of([&subject.firewall.v4], Some(&self.resources));
        let hashes = verify(&subject.firewall.v4);
        let findings: Vec<&Finding> = hashes.findings.iter().collect();
        let text = report::meant::text(&meaning, &names, &findings);
        Ok((meaning, text))
    }
}

/// What is told of a changed dump of the modern layout, whose first finding is the dump's own fault.
fn told(change: impl Fn(&mut Dump) -> Outcome) -> Result<String, Box<dyn Error>> {
    let mut dump = Dump::of(Layout::Modern)?;
    change(&mut dump)?;
    let (meaning, text) = dump.judged()?;
    let first = meaning.findings.first().ok_or("nothing is found")?;
    assert!(!first.as_written(), "{text}");
    Ok(text)
}

fn expect(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no `{word}` in\n{text}");
    }
}

#[test]
fn a_dump_as_felix_wrote_it_does_what_is_meant() -> Outcome {
    for layout in Layout::ALL {
        let dump = Dump::of(layout)?;
        let (meaning, text) = dump.judged()?;
        assert_eq!(meaning.layout, layout);
        assert_eq!(meaning.families, [Family::V4]);
        assert!(meaning.packets > 2000, "{text}");
        let own = meaning.findings.iter().filter(|one| !one.as_written());
        assert_eq!(own.count(), 0, "{text}");
    }
    Ok(())
}

#[test]
fn a_lost_rule_is_told_with_the_policy_whose_it_is() -> Outcome {
    let text = told(|dump| {
        let deny = ["-A cali-pi-", "--dports 5433 "];
        dump.change(&deny, |_| String::new())
    })?;
    expect(
        &text,
        &[
            "meant    deny",
            "ingress rule 1 of policy `db-from-web`",
            "(ingress of policy `db-from-web`)",
            "--dports 5433 ",
            "  hash     filter/cali-pi-",
        ],
    );
    Ok(())
}

#[test]
fn a_lost_mark_match_is_told_with_what_the_rule_was() -> Outcome {
    let text = told(|dump| {
        let accepted = ["-A cali-tw-cali2", "Return if policy accepted"];
        dump.change(&accepted, |rule| {
            rule.replace("-m mark --mark 0x10000/0x10000 ", "")
        })
    })?;
    expect(
        &text,
        &[
            "no ingress rule of tier `default` matches",
            "by Felix  filter/cali-tw-cali2",
            "(to the workload",
            "altered: it lost `-m mark --mark 0x10000/0x10000`",
        ],
    );
    Ok(())
}

#[test]
fn a_lost_member_of_a_set_is_told() -> Outcome {
    let text = told(|dump| {
        let sets = dump.sets.clone();
        let member = sets
            .lines()
            .find(|line| line.starts_with("add cali40s:") && line.ends_with(" 10.65.0.1"))
            .ok_or("no member")?;
        dump.sets = sets.replace(&format!("{member}\n"), "");
        Ok(())
    })?;
    expect(
        &text,
        &[
            "meant    allow: sent out of cali2",
            "ingress rule 2 of policy `db-from-web`",
            "of the dump; lacks 10.65.0.1",
        ],
    );
    Ok(())
}

#[test]
fn a_rule_of_somebody_elses_behind_felixs_is_no_fault_of_the_dumps() -> Outcome {
    let mut dump = Dump::of(Layout::Modern)?;
    let hook = ["-A FORWARD", "-j cali-FORWARD"];
    dump.change(&hook, |rule| {
        format!("{rule}\n-A FORWARD -s 10.65.0.1/32 -p udp -j DROP")
    })?;
    let (meaning, text) = dump.judged()?;
    assert!(
        meaning.findings.iter().all(|one| one.as_written()),
        "{text}"
    );
    Ok(())
}
