//! Sets of every kind.

use std::collections::BTreeSet;

use calidiff::packet::{Family, Protocol};
use calidiff::xtables::matches::PortRange;
use calidiff::xtables::set::{Dimension, Element, Method, Part, Set};
use ipnet::IpNet;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::{address, interface_name, ports};

const KINDS: [(Method, &[Dimension]); 15] = {
    use Dimension::{Interface, Ip, Mac, Mark, Net, Port};
    use Method::{Bitmap, Hash};
    [
        (Bitmap, &[Ip]),
        (Bitmap, &[Ip, Mac]),
        (Bitmap, &[Port]),
        (Hash, &[Ip]),
        (Hash, &[Ip, Mac]),
        (Hash, &[Ip, Mark]),
        (Hash, &[Ip, Port]),
        (Hash, &[Ip, Port, Ip]),
        (Hash, &[Ip, Port, Net]),
        (Hash, &[Mac]),
        (Hash, &[Net]),
        (Hash, &[Net, Interface]),
        (Hash, &[Net, Net]),
        (Hash, &[Net, Port]),
        (Hash, &[Net, Port, Net]),
    ]
};

/// Some sets, each of a name of its own, and a list of them.
pub fn sets() -> impl Strategy<Value = Vec<Set>> {
    vec(set(), 0..4).prop_map(|mut sets| {
        for (index, set) in sets.iter_mut().enumerate() {
            set.name = format!("set:{index}");
        }
        let members = sets.iter().map(|set| Element {
            parts: vec![Part::Set(set.name.clone())],
            nomatch: false,
            extensions: Vec::new(),
        });
        let list = Set {
            name: "list".to_owned(),
            method: Method::List,
            dimensions: vec![Dimension::Set],
            family: Family::V4,
            netmask: None,
            markmask: None,
            range: None,
            options: vec!["size".to_owned(), "16".to_owned()],
            elements: members.collect(),
        };
        sets.push(list);
        sets
    })
}

fn set() -> impl Strategy<Value = Set> {
    (select(&KINDS[..]), any::<bool>()).prop_flat_map(|((method, dimensions), is_v6)| {
        let has_addresses = dimensions != [Dimension::Mac];
        let family = match is_v6 && method == Method::Hash && has_addresses {
            true => Family::V6,
            false => Family::V4,
        };
        let parts: Vec<_> = dimensions
            .iter()
            .map(|one| part(method, *one, family))
            .collect();
        let elements = vec((parts, any::<bool>(), extensions()), 0..5);
        elements.prop_map(move |elements| Set {
            name: String::new(),
            method,
            dimensions: dimensions.to_vec(),
            family,
            netmask: None,
            markmask: None,
            range: range(method, dimensions),
            options: vec!["timeout".to_owned(), "0".to_owned(), "comment".to_owned()],
            elements: distinct(elements),
        })
    })
}

fn range(method: Method, dimensions: &[Dimension]) -> Option<Part> {
    let ends = ("10.0.0.0".parse(), "10.0.255.255".parse());
    match (method, dimensions, ends) {
        (Method::Bitmap, [Dimension::Port], _) => Some(Part::Port(
            None,
            PortRange {
                first: 0,
                last: 65535,
            },
        )),
        (Method::Bitmap, _, (Ok(first), Ok(last))) => Some(Part::Addresses(first, last)),
        _ => None,
    }
}

fn distinct(elements: Vec<(Vec<Part>, bool, Vec<String>)>) -> Vec<Element> {
    let mut seen = BTreeSet::new();
    let elements = elements
        .into_iter()
        .map(|(parts, nomatch, extensions)| Element {
            parts,
            nomatch,
            extensions,
        });
    elements
        .filter(|element| seen.insert(format!("{:?}", element.parts)))
        .collect()
}

fn extensions() -> impl Strategy<Value = Vec<String>> {
    let word = |word: &str| word.to_owned();
    prop_oneof![
        Just(Vec::new()),
        Just(vec![word("timeout"), word("30")]),
        "[a-z\\\\ ]{0,8}x".prop_map(move |text| vec![word("comment"), text]),
        Just(vec![
            word("timeout"),
            word("0"),
            word("packets"),
            word("1"),
            word("bytes"),
            word("2")
        ]),
    ]
}

fn part(method: Method, dimension: Dimension, family: Family) -> BoxedStrategy<Part> {
    let net = (address(family), 0..=family.bits()).prop_map(|(address, length)| {
        Part::Net(
            IpNet::new(address, length)
                .expect("a length of the family")
                .trunc(),
        )
    });
    let single = address(family).prop_map(|address| Part::Net(address.into()));
    let range = (address(family), address(family))
        .prop_map(|(one, other)| Part::Addresses(one.min(other), one.max(other)));
    match (dimension, method) {
        (Dimension::Ip, _) => prop_oneof![single, range].boxed(),
        (Dimension::Net, _) => prop_oneof![net, range].boxed(),
        (Dimension::Port, Method::Bitmap) => {
            ports().prop_map(|ports| Part::Port(None, ports)).boxed()
        }
        (Dimension::Port, _) => port(family).boxed(),
        (Dimension::Mac, _) => any::<[u8; 6]>().prop_map(Part::Mac).boxed(),
        (Dimension::Mark, _) => any::<u32>().prop_map(Part::Mark).boxed(),
        (Dimension::Interface, _) => (interface_name(), any::<bool>())
            .prop_map(|(name, physdev)| Part::Interface { name, physdev })
            .boxed(),
        (Dimension::Set, _) => Just(Part::Set("set:0".to_owned())).boxed(),
    }
}

fn port(family: Family) -> impl Strategy<Value = Part> {
    let with_ports = [
        Protocol::TCP,
        Protocol::UDP,
        Protocol::SCTP,
        Protocol::UDP_LITE,
    ];
    let icmp = match family {
        Family::V4 => Protocol::ICMP,
        Family::V6 => Protocol::ICMP6,
    };
    let none = PortRange { first: 0, last: 0 };
    prop_oneof![
        (select(with_ports.to_vec()), ports())
            .prop_map(|(protocol, ports)| Part::Port(Some(protocol), ports)),
        any::<(u8, u8)>().prop_map(move |(kind, code)| Part::Icmp(icmp, kind, code)),
        Just(Part::Port(Some(Protocol::GRE), none)),
        Just(Part::Port(Some(Protocol(255)), none)),
    ]
}
