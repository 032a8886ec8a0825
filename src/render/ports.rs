//! Port lists cut to what one `-m multiport` holds.

use std::fmt;

use crate::calico::rule::PortNumbers;

/// How many slots one match has: a port takes one, a range two (`XT_MULTI_PORTS`,
/// include/uapi/linux/netfilter/xt_multiport.h).
pub const SLOTS: usize = 15;

/// Ports that one match holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortList(Vec<PortNumbers>);

impl PortList {
    /// A single port.
    #[must_use]
    pub fn one(port: u16) -> Self {
        Self(vec![PortNumbers::one(port)])
    }

    /// The ports, in the order given.
    #[must_use]
    pub fn as_slice(&self) -> &[PortNumbers] {
        &self.0
    }

    /// How many slots they take.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.0.iter().map(|ports| slots(*ports)).sum()
    }
}

impl fmt::Display for PortList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, ports) in self.0.iter().enumerate() {
            let comma = if place == 0 { "" } else { "," };
            write!(f, "{comma}{ports}")?;
        }
        Ok(())
    }
}

fn slots(ports: PortNumbers) -> usize {
    if ports.first() == ports.last() { 1 } else { 2 }
}

/// Cuts a list: each piece takes as much as fits, in the order given; a range is never cut. Of an
/// empty list there is no piece (felix 2.1.1, rules/policy.go, `SplitPortList`).
#[must_use]
pub fn split(ports: &[PortNumbers]) -> Vec<PortList> {
    let mut pieces: Vec<PortList> = Vec::new();
    let mut left = 0;
    for one in ports {
        let needed = slots(*one);
        match pieces.last_mut().filter(|_| needed <= left) {
            Some(piece) => piece.0.push(*one),
            None => {
                pieces.push(PortList(vec![*one]));
                left = SLOTS;
            }
        }
        left -= needed;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ports() -> impl Strategy<Value = PortNumbers> {
        let edge = prop::sample::select(vec![0, 1, 2, 80, 1023, 65534, 65535]);
        let port = prop_oneof![edge, any::<u16>()];
        let range = (port.clone(), port.clone()).prop_filter_map("empty", |(first, last)| {
            PortNumbers::new(first.min(last), first.max(last))
        });
        prop_oneof![port.prop_map(PortNumbers::one), range]
    }

    proptest! {
        #[test]
        fn the_pieces_together_are_the_list(list in prop::collection::vec(ports(), 0..60)) {
            let pieces = split(&list);
            let together: Vec<_> = pieces.iter().flat_map(|piece| piece.0.clone()).collect();
            prop_assert_eq!(together, list);
        }

        #[test]
        fn every_piece_fits_and_takes_all_that_does(list in prop::collection::vec(ports(), 0..60)) {
            let pieces = split(&list);
            for (place, piece) in pieces.iter().enumerate() {
                prop_assert!((1..=SLOTS).contains(&piece.slots()));
                if let Some(next) = pieces.get(place + 1) {
                    prop_assert!(piece.slots() + slots(next.0[0]) > SLOTS);
                }
            }
        }
    }

    #[test]
    fn a_range_that_would_straddle_begins_a_piece() {
        let mut list: Vec<PortNumbers> = (1..=14).map(PortNumbers::one).collect();
        list.extend(PortNumbers::new(100, 200));
        list.push(PortNumbers::one(300));
        let texts: Vec<String> = split(&list).iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["1,2,3,4,5,6,7,8,9,10,11,12,13,14", "100:200,300"]);
        list.swap(0, 14);
        let counts: Vec<usize> = split(&list).iter().map(PortList::slots).collect();
        assert_eq!(counts, [15, 2]);
    }

    #[test]
    fn an_empty_list_has_no_piece() {
        assert_eq!(split(&[]), []);
    }
}
