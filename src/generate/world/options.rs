//! What Felix is told: every option of its seed-era release.

use super::site::{OWN_V4, TUNNEL};
use super::{Feature, Maker};
use crate::calico::configuration::modern::Failsafe;
use crate::calico::configuration::{EndpointToHost, InsertMode, InterfacePrefix};
use crate::calico::resources::Setting;
use crate::generate::bits::Bits;

/// Masks: Felix's own, the least that it takes at either end, bits apart, and all.
const MASKS: [u32; 7] = [
    0xff00_0000,
    0x0000_0007,
    0xe000_0000,
    0x8000_0101,
    0x0010_f000,
    0x5555_5555,
    0xffff_ffff,
];

/// The longest prefix for which `PREFIX: ` fits the 29 characters that the target LOG takes.
const LONGEST_LOG_PREFIX: usize = 27;

impl<B: Bits> Maker<'_, B> {
    /// The settings, each at most once.
    pub(super) fn settings(&mut self) -> Vec<Setting> {
        let mut settings = Vec::new();
        settings.extend(self.interface_prefixes());
        if self.has(Feature::MarkMask) {
            settings.push(Setting::MarkMask(self.mark_mask()));
        }
        if self.has(Feature::IpInIp) {
            settings.push(Setting::IpInIp(self.bits.chance(9, 10)));
            if self.bits.chance(3, 4) {
                settings.push(Setting::TunnelAddress(TUNNEL.into()));
            }
        }
        if self.has(Feature::EndpointToHost) {
            let actions = [EndpointToHost::Return, EndpointToHost::Accept];
            settings.push(Setting::EndpointToHost(self.bits.one(actions)));
        }
        if self.has(Feature::Append) {
            settings.push(Setting::InsertMode(InsertMode::Append));
        }
        if self.has(Feature::LogPrefix) {
            settings.push(Setting::LogPrefix(self.log_prefix()));
        }
        if self.has(Feature::Failsafes) {
            settings.push(Setting::FailsafeInbound(self.failsafe_ports()));
            settings.push(Setting::FailsafeOutbound(self.failsafe_ports()));
        }
        if self.has(Feature::V6Off) {
            settings.push(Setting::Ipv6(false));
        }
        if self.has(Feature::Metadata) {
            settings.extend(self.metadata());
        }
        if self.has(Feature::OpenStack) {
            settings.push(Setting::ClusterType(self.cluster_type()));
        }
        settings
    }

    /// What kind of cluster this is: words, OpenStack's among them or nearly.
    pub(super) fn cluster_type(&mut self) -> String {
        let kinds = [
            "openstack",
            "k8s,openstack",
            "OpenStack",
            "not-openstack",
            "k8s",
        ];
        self.bits.one(kinds).to_owned()
    }

    fn interface_prefixes(&mut self) -> Option<Setting> {
        let words: &[&str] = match (self.has(Feature::TapPrefix), self.has(Feature::TwoPrefixes)) {
            (false, false) => return None,
            (true, false) => &["tap"],
            (true, true) => self.bits.one([&["tap", "cali"], &["cali", "tap"]]),
            // With `+` behind it the longest is longer than iptables lets a name be: now and then.
            (false, true) if self.bits.chance(1, 16) => &["abcdefghijklmno", "c"],
            (false, true) => self.bits.one([
                &["cali", "cal"],
                &["cali", "cali-w"],
                &["veth", "cali"],
                &["abcdefghijklmn", "a"],
            ]),
        };
        let prefixes = words.iter().filter_map(|word| InterfacePrefix::new(word));
        Some(Setting::InterfacePrefixes(prefixes.collect()))
    }

    /// One of the known, or three bits from anywhere.
    fn mark_mask(&mut self) -> u32 {
        let known = self.bits.one(MASKS);
        if self.bits.chance(3, 4) {
            return known;
        }
        // Bits that are used up give the same bit for ever: then it is the next one.
        let mut mask = 0_u32;
        for _ in 0..3 {
            let drawn = 1_u32 << self.bits.below(32);
            let mut bits = (0..32).map(|step| drawn.rotate_left(step));
            mask |= bits.find(|bit| mask & bit == 0).unwrap_or(0);
        }
        mask
    }

    fn log_prefix(&mut self) -> String {
        let letters = "calico packets of one node, seen";
        let length = self
            .bits
            .one([0, 1, 8, LONGEST_LOG_PREFIX - 1, LONGEST_LOG_PREFIX]);
        letters.chars().take(length).collect()
    }

    fn failsafe_ports(&mut self) -> Vec<Failsafe> {
        let count = self.bits.one([0, 0, 1, 2, 4]);
        (0..count).map(|_| Failsafe::tcp(self.port())).collect()
    }

    /// Where OpenStack's metadata service listens: nowhere, on the node itself, or elsewhere.
    fn metadata(&mut self) -> Vec<Setting> {
        let own = OWN_V4.to_string();
        let address = match self.bits.below(16) {
            0..=3 => "127.0.0.1",
            4..=7 => "None",
            8..=11 => &own,
            // iptables takes none of IPv6, and Felix writes it all the same.
            12 => "fd00::80",
            _ => "192.0.2.80",
        };
        let mut settings = vec![Setting::MetadataAddress(address.to_owned())];
        if self.bits.chance(1, 2) {
            settings.push(Setting::MetadataPort(self.bits.one([0, 80, 8775, 65_535])));
        }
        settings
    }
}
