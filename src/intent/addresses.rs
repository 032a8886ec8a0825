//! Addresses as numbers, and sets of them: what matching, endpoints and pools ask.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::packet::Family;

/// An address, of a family that is known beside it.
pub(super) type Number = u128;

/// An address as a number.
pub(super) fn number(address: IpAddr) -> Number {
    match address {
        IpAddr::V4(address) => Number::from(u32::from(address)),
        IpAddr::V6(address) => Number::from(address),
    }
}

/// A set of addresses of both families.
#[derive(Clone, Debug)]
pub(super) struct Addresses {
    v4: Spans,
    v6: Spans,
}

/// Addresses from one to another, both included; sorted, and no two touch.
type Spans = Box<[(Number, Number)]>;

impl Addresses {
    /// The addresses in any of these prefixes.
    pub(super) fn of<'a>(nets: impl IntoIterator<Item = &'a IpNet>) -> Self {
        let mut v4 = Vec::new();
        let mut v6 = Vec::new();
        for net in nets {
            let span = (number(net.network()), number(net.broadcast()));
            match net {
                IpNet::V4(_) => v4.push(span),
                IpNet::V6(_) => v6.push(span),
            }
        }
        Self {
            v4: joined(v4),
            v6: joined(v6),
        }
    }

    /// Whether an address is one of them.
    pub(super) fn contains(&self, family: Family, address: Number) -> bool {
        let spans = self.spans(family);
        let at = spans.partition_point(|(_, last)| *last < address);
        spans.get(at).is_some_and(|(first, _)| *first <= address)
    }

    fn spans(&self, family: Family) -> &Spans {
        match family {
            Family::V4 => &self.v4,
            Family::V6 => &self.v6,
        }
    }
}

fn joined(mut spans: Vec<(Number, Number)>) -> Spans {
    spans.sort_unstable();
    let mut joined: Vec<(Number, Number)> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match joined.last_mut() {
            Some((_, before)) if first <= before.saturating_add(1) => *before = last.max(*before),
            _ => joined.push((first, last)),
        }
    }
    joined.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_has_what_lies_in_its_prefixes_and_nothing_beside() {
        let nets: Vec<IpNet> = ["10.0.0.0/24", "10.0.1.0/24", "10.0.0.7/32", "fd00::/64"]
            .iter()
            .map(|text| text.parse().expect("a net"))
            .collect();
        let set = Addresses::of(&nets);
        let has = |text: &str| {
            let address: IpAddr = text.parse().expect("an address");
            set.contains(Family::of(address), number(address))
        };
        assert_eq!(set.v4.len(), 1);
        assert!(has("10.0.0.0") && has("10.0.1.255") && has("fd00::ffff"));
        assert!(!has("9.255.255.255") && !has("10.0.2.0") && !has("fd00:0:0:1::"));
        let all = Addresses::of(&[
            "::/0".parse().expect("a net"),
            "::1/128".parse().expect("a net"),
        ]);
        assert!(all.contains(Family::V6, Number::MAX) && all.contains(Family::V6, 0));
    }
}
