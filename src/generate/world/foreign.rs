//! What else is on the node: other programs' rules, and the policies of the kernel's chains.

use std::net::IpAddr;

use super::site::Site;
use super::{Feature, Maker};
use crate::generate::bits::Bits;
use crate::packet::{Family, Protocol};
use crate::xtables::matches::{MaskedMark, PortRange, TcpTest};
use crate::xtables::ruleset::{AddressMask, InterfacePattern};
use crate::xtables::target::Xmark;
use crate::xtables::{Firewall, Hook, Match, Not, Policy, Rule, Ruleset, Table, TableName, Target};

impl<B: Bits> Maker<'_, B> {
    /// The firewall before Calico comes.
    pub(super) fn firewall(&mut self, site: &Site) -> Firewall {
        let mut firewall = Firewall::default();
        if self.has(Feature::Foreign) || self.has(Feature::BaseDrop) {
            for family in Family::BOTH {
                self.fill(firewall.ruleset_mut(family), site);
            }
        }
        firewall
    }

    fn fill(&mut self, ruleset: &mut Ruleset, site: &Site) {
        let mut filter = Table::untouched(TableName::Filter);
        for chain in &mut filter.chains {
            if self.at_times(Feature::BaseDrop, 1, 2) {
                chain.policy = Some(Policy::Drop);
            }
            let count = if self.has(Feature::Foreign) {
                self.bits.below(3)
            } else {
                0
            };
            for _ in 0..count {
                chain
                    .rules
                    .push(self.foreign_rule(&chain.name, ruleset.family, site));
            }
        }
        ruleset.tables.push(filter);
        if self.at_times(Feature::Foreign, 1, 3) {
            let mut mangle = Table::untouched(TableName::Mangle);
            for chain in &mut mangle.chains {
                if self.bits.chance(1, 3) {
                    chain.rules.push(self.marking());
                }
            }
            ruleset.tables.push(mangle);
        }
    }

    fn foreign_rule(&mut self, chain: &str, family: Family, site: &Site) -> Rule {
        let targets = [Target::Accept, Target::Drop];
        let target = self.bits.pick(&targets).cloned();
        let mut rule = Rule {
            target: target.unwrap_or(Target::Accept),
            ..Rule::default()
        };
        let out = chain == Hook::Output.chain();
        match self.bits.below(6) {
            4 | 5 => {
                let bit = 1_u32 << self.bits.below(32);
                let test = Not {
                    negated: self.bits.chance(1, 2),
                    value: MaskedMark {
                        value: bit,
                        mask: bit,
                    },
                };
                rule.matches = vec![Match::Mark(test)];
            }
            0 => {
                let port = self.port();
                rule.protocol = Some(Not::is(Protocol::TCP));
                rule.matches = vec![Match::Tcp(TcpTest {
                    destination: Some(Not::is(PortRange {
                        first: port,
                        last: port,
                    })),
                    ..TcpTest::default()
                })];
            }
            1 => {
                let address = self.anyone(site, family);
                rule.destination = Some(Not::is(whole(address)));
            }
            2 => {
                let address = self.anyone(site, family);
                rule.source = Some(Not::is(whole(address)));
            }
            _ => {
                let uplink = self.bits.pick(&site.uplinks).copied();
                let pattern = uplink.map(|name| Not::is(InterfacePattern::Exactly(name)));
                if out {
                    rule.out_interface = pattern;
                } else {
                    rule.in_interface = pattern;
                }
            }
        }
        rule
    }

    fn marking(&mut self) -> Rule {
        let bit = 1_u32 << self.bits.below(32);
        Rule {
            target: Target::Mark(Xmark {
                value: bit,
                mask: bit,
            }),
            ..Rule::default()
        }
    }
}

fn whole(address: IpAddr) -> AddressMask {
    AddressMask {
        address,
        mask: match address {
            IpAddr::V4(_) => IpAddr::from([u8::MAX; 4]),
            IpAddr::V6(_) => IpAddr::from([u8::MAX; 16]),
        },
    }
}
