//! Ports: single ones from the ends, ranges, and lists around the 15 slots of `-m multiport`.

use super::{Feature, Maker};
use crate::calico::rule::{PortNumbers, Ports};
use crate::generate::bits::Bits;

/// Ports that packets are sent to: the ends, those with a meaning of their own for Felix, and
/// everyday ones.
pub(in crate::generate) const PORTS: [u16; 14] = [
    0, 1, 22, 53, 67, 80, 443, 546, 2379, 8080, 8775, 32_768, 65_534, 65_535,
];

/// How many slots a list has: `-m multiport` takes 15, and Felix splits longer lists.
const SLOTS: [usize; 7] = [13, 14, 15, 16, 17, 30, 31];

impl<B: Bits> Maker<'_, B> {
    /// A port.
    pub(super) fn port(&mut self) -> u16 {
        if self.bits.chance(1, 8) {
            return u16::try_from(self.bits.below(65_536)).unwrap_or(u16::MAX);
        }
        self.bits.one(PORTS)
    }

    /// What a field of ports has in it: never nothing.
    pub(super) fn ports(&mut self) -> Vec<Ports> {
        let numbers = match self.at_times(Feature::ManyPorts, 1, 2) {
            true => self.many_ports(),
            false => {
                let count = self.bits.one([1, 1, 1, 2, 3]);
                (0..count).map(|_| self.port_numbers()).collect()
            }
        };
        numbers.into_iter().map(Ports::Numbers).collect()
    }

    fn port_numbers(&mut self) -> PortNumbers {
        let one = self.port();
        if self.bits.chance(2, 3) {
            return PortNumbers::one(one);
        }
        let wide = [1, 2, 10, 1000, 65_535];
        let last = match self.bits.chance(1, 2) {
            true => one.saturating_add(self.bits.one(wide)),
            false => self.port(),
        };
        let (first, last) = (one.min(last), one.max(last));
        PortNumbers::new(first, last).unwrap_or(PortNumbers::one(one))
    }

    /// A list of so many slots, of which a range takes two and a single port one: ranges stand at the
    /// end of the fifteen, across it, and everywhere.
    fn many_ports(&mut self) -> Vec<PortNumbers> {
        let slots = self.bits.one(SLOTS);
        let start = self.bits.one([1_u16, 1000, 65_000]);
        let mut numbers = Vec::new();
        let mut taken = 0;
        while taken < slots {
            let first = start + u16::try_from(taken * 4).unwrap_or(0);
            let across = taken % 15 == 14;
            let range =
                taken + 2 <= slots && (self.bits.chance(1, 6) || across && self.bits.chance(1, 2));
            let last = if range { first + 1 } else { first };
            numbers.extend(PortNumbers::new(first, last));
            taken += if range { 2 } else { 1 };
        }
        numbers
    }
}
