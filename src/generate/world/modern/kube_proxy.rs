//! What kube-proxy and others translate beside Calico (kubernetes, pkg/proxy/iptables/proxier.go).

use std::fmt::Write as _;
use std::net::IpAddr;

use super::super::{Feature, Maker};
use super::site::{SERVICES_V4, SERVICES_V6};
use crate::calico::resources::WorkloadEndpoint;
use crate::generate::bits::Bits;
use crate::packet::Family;
use crate::xtables::{Firewall, Ruleset, Table, save};

/// The most endpoints behind a service.
const MOST_BEHIND: usize = 3;

impl<B: Bits> Maker<'_, B> {
    /// Adds kube-proxy's rules and others' translations.
    pub(super) fn translations(&mut self, firewall: &mut Firewall, workloads: &[WorkloadEndpoint]) {
        for family in Family::BOTH {
            if self.has(Feature::KubeProxy) {
                let text = self.kube_proxy(family, workloads);
                merge(firewall.ruleset_mut(family), &text, family);
            }
            if self.has(Feature::OtherNat) {
                let text = self.other_nat(family);
                merge(firewall.ruleset_mut(family), &text, family);
            }
        }
    }

    fn kube_proxy(&mut self, family: Family, workloads: &[WorkloadEndpoint]) -> String {
        let addresses = workloads
            .iter()
            .flat_map(|one| one.addresses.iter().copied());
        let backends: Vec<IpAddr> = addresses.filter(|one| Family::of(*one) == family).collect();
        let mut nat = String::from(NAT_HEAD);
        let mut filter = String::from(FILTER_HEAD);
        let services: Vec<Service> = (0..self.bits.one([1, 2, 2]))
            .map(|number| self.service_rules(number, family, &backends))
            .collect();
        for service in &services {
            service.write_chains(&mut nat);
        }
        nat.push_str(NAT_RULES);
        for service in &services {
            service.write_nat(&mut nat, family);
            service.write_filter(&mut filter);
        }
        nat.push_str("-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\nCOMMIT\n");
        filter.push_str("COMMIT\n");
        nat + &filter
    }

    fn service_rules(&mut self, number: usize, family: Family, backends: &[IpAddr]) -> Service {
        let address: IpAddr = match family {
            Family::V4 => SERVICES_V4[number].into(),
            Family::V6 => SERVICES_V6[number].into(),
        };
        let count = self.bits.one([0, 1, 1, 2, MOST_BEHIND]);
        let backends = (0..count).filter_map(|_| self.bits.pick(backends).copied());
        let backends: Vec<IpAddr> = backends.collect();
        let protocol = self.bits.one(["tcp", "tcp", "udp"]);
        Service {
            number,
            address,
            protocol,
            port: self.bits.one([80, 443, 53]),
            target: self.bits.one([80, 8080, 53]),
            node_port: self
                .bits
                .chance(1, 2)
                .then(|| self.bits.one([30_000, 30_080, 32_767])),
            // An address outside that is the cluster's business, too.
            external: match family {
                Family::V4 => self.bits.chance(1, 3).then_some(SERVICES_V4[2].into()),
                Family::V6 => self.bits.chance(1, 3).then_some(SERVICES_V6[2].into()),
            },
            backends,
        }
    }

    fn other_nat(&mut self, family: Family) -> String {
        let (own, all) = match family {
            Family::V4 => ("10.65.0.0/24", "10.0.0.0/8"),
            Family::V6 => ("fd65::/120", "fd00::/8"),
        };
        let mut text = String::from("*nat\n");
        if self.bits.chance(1, 2) {
            let rule = format!("-A POSTROUTING -s {own} ! -d {all} -j MASQUERADE\n");
            text.push_str(&rule);
        }
        if self.bits.chance(1, 2) {
            let rule = self.bits.one([
                "-A PREROUTING -i eth0 -p tcp -m tcp --dport 80 -j REDIRECT --to-ports 8080\n",
                "-A PREROUTING -p udp -m udp --dport 53 -j REDIRECT\n",
                "-A OUTPUT -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 8443\n",
            ]);
            text.push_str(rule);
        }
        if self.bits.chance(1, 4) {
            text.push_str("-A POSTROUTING -o eth0 -p udp -j MASQUERADE --to-ports 1024-65535\n");
        }
        text.push_str("COMMIT\n");
        text
    }
}

/// One service.
struct Service {
    number: usize,
    address: IpAddr,
    protocol: &'static str,
    port: u16,
    target: u16,
    node_port: Option<u16>,
    external: Option<IpAddr>,
    backends: Vec<IpAddr>,
}

/// The chains that are always there, and their hooks.
const NAT_HEAD: &str = "*nat\n:KUBE-SERVICES - [0:0]\n:KUBE-NODEPORTS - [0:0]\n\
    :KUBE-POSTROUTING - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n";
const NAT_RULES: &str = "\
-A PREROUTING -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A OUTPUT -m comment --comment \"kubernetes service portals\" -j KUBE-SERVICES
-A POSTROUTING -m comment --comment \"kubernetes postrouting rules\" -j KUBE-POSTROUTING
-A KUBE-MARK-MASQ -j MARK --set-xmark 0x4000/0x4000
-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN
-A KUBE-POSTROUTING -j MARK --set-xmark 0x4000/0x0
-A KUBE-POSTROUTING -j MASQUERADE
";
const FILTER_HEAD: &str = "\
*filter
:KUBE-FORWARD - [0:0]
:KUBE-SERVICES - [0:0]
:KUBE-FIREWALL - [0:0]
-A INPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
-A INPUT -j KUBE-FIREWALL
-A FORWARD -j KUBE-FORWARD
-A FORWARD -m conntrack --ctstate NEW -j KUBE-SERVICES
-A OUTPUT -m conntrack --ctstate NEW -j KUBE-SERVICES
-A OUTPUT -j KUBE-FIREWALL
-A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP
-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP
-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT
-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
";

impl Service {
    fn chain(&self) -> String {
        format!("KUBE-SVC-{}", self.number)
    }

    fn endpoint_chain(&self, place: usize) -> String {
        format!("KUBE-SEP-{}-{place}", self.number)
    }

    fn write_chains(&self, text: &mut String) {
        let chains = (0..self.backends.len()).map(|place| self.endpoint_chain(place));
        for chain in std::iter::once(self.chain()).chain(chains) {
            let _ = writeln!(text, ":{chain} - [0:0]");
        }
    }

    fn write_nat(&self, text: &mut String, family: Family) {
        if self.backends.is_empty() {
            return;
        }
        let (chain, protocol) = (self.chain(), self.protocol);
        let (pods, bits) = match family {
            Family::V4 => ("10.65.0.0/16", 32),
            Family::V6 => ("fd65::/64", 128),
        };
        let asks = |address: IpAddr| {
            let port = self.port;
            format!("-d {address}/{bits} -p {protocol} -m {protocol} --dport {port}")
        };
        let own = asks(self.address);
        let _ = writeln!(text, "-A KUBE-SERVICES ! -s {pods} {own} -j KUBE-MARK-MASQ");
        let _ = writeln!(text, "-A KUBE-SERVICES {own} -j {chain}");
        if let Some(external) = self.external {
            let asks = asks(external);
            let _ = writeln!(text, "-A KUBE-SERVICES {asks} -j KUBE-MARK-MASQ");
            let _ = writeln!(text, "-A KUBE-SERVICES {asks} -j {chain}");
        }
        if let Some(port) = self.node_port {
            let asks = format!("-p {protocol} -m {protocol} --dport {port}");
            let _ = writeln!(text, "-A KUBE-NODEPORTS {asks} -j KUBE-MARK-MASQ");
            let _ = writeln!(text, "-A KUBE-NODEPORTS {asks} -j {chain}");
        }
        let last = self.backends.len() - 1;
        for (place, backend) in self.backends.iter().enumerate() {
            let endpoint = self.endpoint_chain(place);
            let chance = match last - place {
                0 => "",
                1 => "-m statistic --mode random --probability 0.50000000000 ",
                _ => "-m statistic --mode random --probability 0.33333333349 ",
            };
            let _ = writeln!(text, "-A {chain} {chance}-j {endpoint}");
            let _ = writeln!(text, "-A {endpoint} -s {backend}/{bits} -j KUBE-MARK-MASQ");
            let to = std::net::SocketAddr::new(*backend, self.target);
            let _ = writeln!(
                text,
                "-A {endpoint} -p {protocol} -m {protocol} -j DNAT --to-destination {to}"
            );
        }
    }

    /// Nobody is behind it: its clients are told.
    fn write_filter(&self, text: &mut String) {
        if self.backends.is_empty() {
            let (protocol, port) = (self.protocol, self.port);
            let _ = writeln!(
                text,
                "-A KUBE-SERVICES -d {} -p {protocol} -m {protocol} --dport {port} -j REJECT",
                self.address
            );
        }
    }
}

/// Adds tables' chains and rules to those that are there.
fn merge(ruleset: &mut Ruleset, text: &str, family: Family) {
    let Ok(parsed) = save::parse("kube-proxy", text, family) else {
        debug_assert!(false, "what is written here is what the tools read: {text}");
        return;
    };
    for table in parsed.tables {
        match ruleset.table_mut(table.name) {
            None => ruleset.tables.push(table),
            Some(own) => add(own, table),
        }
    }
}

fn add(own: &mut Table, table: Table) {
    for chain in table.chains {
        let known = own.chains.iter_mut().find(|one| one.name == chain.name);
        match known {
            None => own.chains.push(chain),
            Some(known) => known.rules.extend(chain.rules),
        }
    }
}
