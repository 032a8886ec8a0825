//! Rulesets that the tools may refuse: model and kernel refuse the same ones, behind either backend.

use std::error::Error;

use calidiff::arm::kernel::KernelArm;
use calidiff::arm::model::ModelArm;
use calidiff::arm::{Arm, Failure};
use calidiff::packet::Family;
use calidiff::xtables::{Backend, Firewall, ipset, save};

/// What ipset refuses, the model refuses.
pub fn sets() -> super::Outcome {
    let node = super::node()?;
    let backend = Backend::Legacy;
    let mut kernel = KernelArm::new(backend)?;
    let mut problems = Vec::new();
    for (kind, element) in PERHAPS_REFUSED_ELEMENTS {
        let text = format!("create x {kind}\nadd x {element}\n");
        let firewall = Firewall {
            sets: ipset::parse("sets", &text)?,
            ..Firewall::default()
        };
        let by_kernel = is_refused(kernel.program(&node, &firewall))?;
        let by_model = is_refused(ModelArm::new(backend).program(&node, &firewall))?;
        if by_kernel != by_model {
            problems.push(format!(
                "ipset refuses: {by_kernel}, the model: {by_model}: {text}"
            ));
        }
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

fn is_refused(outcome: Result<(), Failure>) -> Result<bool, Failure> {
    match outcome {
        Ok(()) => Ok(false),
        Err(Failure::Refused(_)) => Ok(true),
        Err(broken) => Err(broken),
    }
}

/// Prefixes of no bits and of one, in the kinds of sets with prefixes that every kernel has.
const PERHAPS_REFUSED_ELEMENTS: &[(&str, &str)] = &[
    ("hash:net family inet", "0.0.0.0/0"),
    ("hash:net family inet", "0.0.0.0/1"),
    ("hash:net family inet6", "::/0"),
    ("hash:net family inet6", "8000::/1"),
    ("hash:net,port family inet", "0.0.0.0/0,tcp:80"),
    ("hash:net,iface family inet", "0.0.0.0/0,eth0"),
    ("hash:ip,port,net family inet", "10.0.0.1,tcp:80,0.0.0.0/0"),
    (
        "hash:ip,port,net family inet",
        "10.0.0.1,tcp:80,128.0.0.0/1",
    ),
];

/// What a backend's tools refuse, the model refuses in its reading; what they take, it takes.
pub fn agree() -> super::Outcome {
    let mut problems = Vec::new();
    for backend in Backend::BOTH {
        problems.extend(refused_differently(backend)?);
    }
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.join("\n").into())
    }
}

fn refused_differently(backend: Backend) -> Result<Vec<String>, Box<dyn Error>> {
    let node = super::node()?;
    let mut kernel = KernelArm::new(backend)?;
    let mut problems = Vec::new();
    let nested = [15, 16].map(nested);
    let rulesets = PERHAPS_REFUSED.iter().copied();
    for v4 in rulesets.chain(nested.iter().map(String::as_str)) {
        let firewall = Firewall {
            v4: save::parse("v4", v4, Family::V4)?,
            ..Firewall::default()
        };
        let by_kernel = is_refused(kernel.program(&node, &firewall))?;
        let by_model = is_refused(ModelArm::new(backend).program(&node, &firewall))?;
        if by_kernel != by_model {
            problems.push(format!(
                "{backend} refuses: {by_kernel}, the model: {by_model}: {v4}"
            ));
        }
    }
    Ok(problems)
}

/// Rulesets of which the tools may refuse some.
const PERHAPS_REFUSED: &[&str] = &[
    "*filter\n:a -\n:b -\n-A FORWARD -j a\n-A a -j b\n-A b -g a\nCOMMIT\n",
    "*filter\n:a -\n-A a -j a\nCOMMIT\n",
    "*filter\n:a -\n-A FORWARD -j ACCEPT\n-A FORWARD -j a\n-A a -j a\nCOMMIT\n",
    "*mangle\n-A FORWARD -j REJECT\nCOMMIT\n",
    "*filter\n-A FORWARD -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
    "*nat\n-A POSTROUTING -j DNAT --to-destination 10.0.0.1\nCOMMIT\n",
    "*nat\n:a -\n-A PREROUTING -j a\n-A a -j MASQUERADE\nCOMMIT\n",
    "*nat\n:a -\n-A a -j MASQUERADE\nCOMMIT\n",
    "*nat\n-A INPUT -j SNAT --to-source 10.0.0.1\nCOMMIT\n",
    "*nat\n-A OUTPUT -j REDIRECT\nCOMMIT\n",
    "*nat\n-A INPUT -j REDIRECT\nCOMMIT\n",
    "*nat\n-A INPUT -j NETMAP --to 10.0.0.0/8\nCOMMIT\n",
    "*filter\n-A FORWARD -j CT --notrack\nCOMMIT\n",
    "*filter\n-A FORWARD -j NOTRACK\nCOMMIT\n",
    "*filter\n-A FORWARD -j TRACE\nCOMMIT\n",
    "*filter\n-A FORWARD -j TTL --ttl-set 5\nCOMMIT\n",
    "*filter\n-A FORWARD -j DSCP --set-dscp 5\nCOMMIT\n",
    "*filter\n-A FORWARD -j CHECKSUM --checksum-fill\nCOMMIT\n",
    "*filter\n-A FORWARD -m rpfilter -j DROP\nCOMMIT\n",
    "*mangle\n-A FORWARD -m rpfilter -j DROP\nCOMMIT\n",
    "*mangle\n-A PREROUTING -m rpfilter -j DROP\nCOMMIT\n",
    "*filter\n-A INPUT -m owner --uid-owner 0 -j DROP\nCOMMIT\n",
    "*filter\n-A OUTPUT -m mac --mac-source 00:00:00:00:00:01 -j DROP\nCOMMIT\n",
    "*mangle\n-A POSTROUTING -m mac --mac-source 00:00:00:00:00:01 -j DROP\nCOMMIT\n",
    "*filter\n-A INPUT -m addrtype --dst-type LOCAL --limit-iface-out -j DROP\nCOMMIT\n",
    "*filter\n-A OUTPUT -m addrtype --dst-type LOCAL --limit-iface-in -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD -j REJECT --reject-with tcp-reset\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p tcp -j REJECT --reject-with tcp-reset\nCOMMIT\n",
    "*filter\n-A FORWARD -m physdev --physdev-out eth0 -j DROP\nCOMMIT\n",
    "*filter\n-A OUTPUT -m physdev --physdev-out eth0 -j DROP\nCOMMIT\n",
    "*filter\n-A OUTPUT -m policy --dir in --pol none -j DROP\nCOMMIT\n",
    "*filter\n-A INPUT -p tcp -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n",
    "*mangle\n-A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu\nCOMMIT\n",
    "*nat\n:PREROUTING DROP\nCOMMIT\n",
    "*mangle\n-A FORWARD -p tcp -j TCPMSS --set-mss 1000\nCOMMIT\n",
    "*filter\n-A INPUT -m policy --dir out --pol none -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD -p udplite -m udp --dport 5 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p tcp -m tcp --dport 5 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p tcp -m tcp -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p tcp -m tcp --tcp-option 5 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p udp -m udp --sport 5 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -p icmp -m icmp --icmp-type 8 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD -m tcp --dport 5 -j DROP\nCOMMIT\n",
    "*mangle\n-A FORWARD -j TCPMSS --set-mss 1000\nCOMMIT\n",
    "*mangle\n-A FORWARD ! -p tcp -j TCPMSS --set-mss 1000\nCOMMIT\n",
    "*filter\n-A FORWARD ! -s 0.0.0.0/0 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD ! -d 0.0.0.0/0 -j DROP\nCOMMIT\n",
    "*filter\n-A FORWARD -s 0.0.0.0/0 -j DROP\nCOMMIT\n",
    "*filter\n:a -\n-A OUTPUT -j ACCEPT\n-A OUTPUT -j a\n-A a -m mac --mac-source 00:00:00:00:00:01 -j DROP\nCOMMIT\n",
    "*filter\n:a -\n-A a -m rpfilter -j DROP\nCOMMIT\n",
];

/// Chains that call each other, so many below the built-in one.
fn nested(depth: usize) -> String {
    let chains: String = (1..=depth).map(|level| format!(":c{level} -\n")).collect();
    let calls: String = (1..depth)
        .map(|level| format!("-A c{level} -j c{}\n", level + 1))
        .collect();
    format!("*filter\n{chains}-A FORWARD -g c1\n{calls}COMMIT\n")
}
