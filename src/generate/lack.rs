//! What a node or its sets lack for a rule, and what could be added.

use std::net::IpAddr;

use ipnet::IpNet;

use super::draft::named;
use super::edit::Edit;
use super::ground::Ground;
use super::paths::{Path, conditions_of};
use super::question::Question;
use crate::node::{Interface, ReversePath};
use crate::packet::{Family, InterfaceName, Protocol};
use crate::xtables::RuleId;
use crate::xtables::matches::PortRange;
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::set::{Dimension, Element, Method, Part};

/// What the node or its sets lack for a path to a rule, whatever the packet.
#[must_use]
pub fn lacks(ground: &Ground<'_>, path: &Path, rule: &RuleId) -> Option<Edit> {
    let asked = conditions_of(ground.firewall, path, rule);
    asked
        .iter()
        .filter(|condition| condition.wanted)
        .find_map(|condition| match condition.question {
            Question::Set(test) => {
                let set = ground.set(&test.name)?;
                let empty = set.elements.iter().all(|element| element.nomatch);
                (empty && set.method != Method::List).then(|| Edit::Fill {
                    set: set.name.clone(),
                    element: member(&set.dimensions, rule.family),
                })
            }
            Question::In(pattern) | Question::Out(pattern) => {
                let mut names = ground.interfaces().chain([InterfaceName::LOOPBACK]);
                if names.any(|name| named(pattern, name)) {
                    return None;
                }
                let name = match pattern {
                    InterfacePattern::Exactly(name) => *name,
                    InterfacePattern::Prefix(prefix) => format!("{prefix}0").parse().ok()?,
                    InterfacePattern::Unnameable(_) => return None,
                };
                Some(Edit::Connect(newcomer(name, rule.family)))
            }
            _ => None,
        })
}

/// An element for a set that had none: of the last prefix for documentation (RFC 5737, RFC 3849).
fn member(dimensions: &[Dimension], family: Family) -> Element {
    let host = match family {
        Family::V4 => IpNet::from(IpAddr::from([203, 0, 113, 77])),
        Family::V6 => IpNet::from(IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77])),
    };
    let part = |dimension: &Dimension| match dimension {
        Dimension::Ip | Dimension::Net | Dimension::Set => Part::Net(host),
        Dimension::Port => Part::Port(
            Some(Protocol::TCP),
            PortRange {
                first: 8080,
                last: 8080,
            },
        ),
        Dimension::Mac => Part::Mac([2, 0, 0, 0, 0, 1]),
        Dimension::Interface => Part::Interface {
            name: InterfaceName::ETH0,
            physdev: false,
        },
        Dimension::Mark => Part::Mark(1),
    };
    Element {
        parts: dimensions.iter().map(part).collect(),
        nomatch: false,
        extensions: Vec::new(),
    }
}

/// An interface that is added.
#[must_use]
pub fn newcomer(name: InterfaceName, family: Family) -> Interface {
    Interface {
        name,
        addresses: vec![spare(family)],
        reverse_path: ReversePath::Off,
        route_localnet: false,
    }
}

/// A network for an interface that is added: of the same prefixes.
fn spare(family: Family) -> IpNet {
    let net = match family {
        Family::V4 => IpNet::new(IpAddr::from([203, 0, 113, 129]), 25),
        Family::V6 => IpNet::new(IpAddr::from([0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 1]), 64),
    };
    net.unwrap_or_default()
}
