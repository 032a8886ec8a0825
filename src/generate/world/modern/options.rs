//! What Felix of August 2026 is told: every parameter that changes what it renders.

use std::net::IpAddr;

use super::super::{Feature, Maker};
use crate::calico::configuration::modern::{
    AllowAction, DenyAction, Failsafe, NatExclusions, Rate, RateUnit, ServiceLoops,
};
use crate::calico::configuration::{EndpointToHost, InsertMode, InterfacePrefix};
use crate::calico::resources::Setting;
use crate::calico::resources::setting::ModernSetting;
use crate::calico::resources::setting::modern::{Number, Switch, Text};
use crate::calico::rule::{NamedProtocol, PortNumbers};
use crate::generate::bits::Bits;

/// Masks of more bits than anything needs: Felix's own, that of the seed's era, bits apart, and all.
const WIDE_MASKS: [u32; 6] = [
    0xffff_0000,
    0xff00_0000,
    0x0fff_0000,
    0x5555_5555,
    0x8421_1842,
    0xffff_ffff,
];
/// Masks of the least bits that do without WireGuard and IPVS: five.
const NARROW_MASKS: [u32; 4] = [0x1f, 0xf800_0000, 0x8111_0002, 0x003e_0000];

/// The bits of the mark by which kube-proxy tells what it drops and what it masquerades.
const KUBE_PROXY_BITS: u32 = 0xc000;

/// Prefixes of the kernel's log, of the letters that the API takes: the longest for which `PREFIX: ` fits
/// the 29 characters that the target LOG takes, the one before, what is filled in, and what looks so.
const LOG_PREFIXES: [&str; 6] = [
    "calico packets of one node-",
    "calico packets of one node",
    "x",
    "%k in %t",
    "100% of all",
    "a/b_c:d",
];

/// How many may come at once unless Felix is told.
const DEFAULT_BURST: u16 = 5;

/// The ports of VXLAN: the usual ones, and the ends.
const VXLAN_PORTS: [u16; 5] = [4789, 8472, 1, 1024, 65_535];

impl<B: Bits> Maker<'_, B> {
    /// The settings, each at most once.
    pub(super) fn modern_settings(&mut self) -> Vec<Setting> {
        let mut settings = Vec::new();
        settings.extend(self.modern_prefixes());
        if self.has(Feature::MarkMask) {
            settings.push(Setting::MarkMask(self.modern_mark_mask()));
        }
        if self.at_times(Feature::IpInIp, 1, 3) {
            settings.push(Setting::IpInIp(self.bits.chance(2, 3)));
        }
        if self.has(Feature::EndpointToHost) {
            let actions = [EndpointToHost::Return, EndpointToHost::Accept];
            settings.push(Setting::EndpointToHost(self.bits.one(actions)));
        }
        if self.has(Feature::Append) {
            settings.push(Setting::InsertMode(InsertMode::Append));
        }
        if self.has(Feature::LogPrefix) {
            settings.push(Setting::LogPrefix(self.modern_log_prefix()));
        }
        if self.has(Feature::Failsafes) {
            settings.push(Setting::FailsafeInbound(self.modern_failsafes()));
            settings.push(Setting::FailsafeOutbound(self.modern_failsafes()));
        }
        if self.has(Feature::V6Off) {
            settings.push(Setting::Ipv6(false));
        }
        if self.has(Feature::Metadata) {
            settings.extend(self.modern_metadata());
        }
        let mut modern = Vec::new();
        self.actions(&mut modern);
        self.tunnels(&mut modern);
        self.nat_options(&mut modern);
        self.logs(&mut modern);
        if self.has(Feature::Floating) {
            modern.push(switch(Switch::FloatingAddresses, self.bits.chance(7, 8)));
        }
        if self.has(Feature::Istio) {
            modern.push(switch(Switch::Istio, true));
            if self.bits.chance(1, 2) {
                let dscp = self.bits.one([0, 23, 63]);
                modern.push(ModernSetting::Number(Number::IstioDscp, dscp));
            }
        }
        if self.has(Feature::ServiceLoops) {
            let loops = [
                ServiceLoops::Drop,
                ServiceLoops::Reject,
                ServiceLoops::Disabled,
            ];
            modern.push(ModernSetting::ServiceLoops(self.bits.one(loops)));
        }
        if self.at_times(Feature::Ipvs, 1, 2) {
            modern.push(ModernSetting::NodePorts(self.node_ports()));
        }
        settings.extend(modern.into_iter().map(Setting::Modern));
        settings
    }

    fn modern_prefixes(&mut self) -> Option<Setting> {
        let words: &[&str] = match (self.has(Feature::TapPrefix), self.has(Feature::TwoPrefixes)) {
            // With `+` behind it, it is longer than iptables lets a name be.
            _ if self.at_times(Feature::Refusals, 1, 8) => &["abcdefghijklmno", "c"],
            (false, false) => return None,
            (true, false) => &["tap"],
            (true, true) => self.bits.one([&["tap", "cali"], &["cali", "tap"]]),
            (false, true) => self.bits.one([
                &["cali", "cal"][..],
                &["cali", "cali-w"],
                &["veth", "cali", "azv"],
                &["abcdefghijklmn", "a"],
            ]),
        };
        let prefixes = words.iter().filter_map(|word| InterfacePrefix::new(word));
        Some(Setting::InterfacePrefixes(prefixes.collect()))
    }

    /// A mask with as many bits as are needed at least; seldom one that takes kube-proxy's.
    fn modern_mark_mask(&mut self) -> u32 {
        let bits_for_more = self.has(Feature::Wireguard) || self.has(Feature::Ipvs);
        let mask = match bits_for_more || self.bits.chance(1, 2) {
            true => self.bits.one(WIDE_MASKS),
            false => self.bits.one(NARROW_MASKS),
        };
        match self.has(Feature::KubeProxy) && !self.has(Feature::Refusals) {
            true => mask & !KUBE_PROXY_BITS,
            false => mask,
        }
    }

    /// Where OpenStack's metadata service listens: nowhere, on the node itself, or elsewhere.
    fn modern_metadata(&mut self) -> Vec<Setting> {
        let address = match self.at_times(Feature::Refusals, 1, 2) {
            // iptables takes none of IPv6, and Felix writes it all the same.
            true => "fd00::80",
            false => self
                .bits
                .one(["127.0.0.1", "None", "192.168.40.11", "192.0.2.80"]),
        };
        let mut settings = vec![Setting::MetadataAddress(address.to_owned())];
        if self.bits.chance(1, 2) {
            settings.push(Setting::MetadataPort(self.bits.one([0, 80, 8775, 65_535])));
        }
        settings
    }

    fn modern_log_prefix(&mut self) -> String {
        let refused = self.at_times(Feature::Refusals, 1, 2);
        let prefix = match refused || self.bits.chance(1, 6) && !self.has(Feature::LongNames) {
            // Names may make it longer than the target takes.
            true => self.bits.one(["%p", "%n"]),
            false => self.bits.one(LOG_PREFIXES),
        };
        prefix.to_owned()
    }

    fn modern_failsafes(&mut self) -> Vec<Failsafe> {
        let count = self.bits.one([0, 0, 1, 2, 4]);
        (0..count).map(|_| self.modern_failsafe()).collect()
    }

    fn modern_failsafe(&mut self) -> Failsafe {
        let protocol = self.bits.one([NamedProtocol::Tcp, NamedProtocol::Udp]);
        let nets = ["192.168.40.0/24", "0.0.0.0/0", "fd00::/8", "10.65.0.1/32"];
        let net = self.bits.chance(1, 3).then(|| self.bits.one(nets));
        Failsafe {
            net: net.and_then(|net| net.parse().ok()),
            ..Failsafe::new(protocol, self.port())
        }
    }

    fn actions(&mut self, settings: &mut Vec<ModernSetting>) {
        let allow = [AllowAction::Accept, AllowAction::Return];
        if self.has(Feature::AllowActions) {
            let (filter, mangle) = (self.bits.one(allow), self.bits.one(allow));
            settings.push(ModernSetting::FilterAllow(filter));
            settings.push(ModernSetting::MangleAllow(mangle));
        }
        if self.has(Feature::DenyAction) {
            settings.push(ModernSetting::FilterDeny(DenyAction::Reject));
        }
        if self.has(Feature::InvalidCheck) {
            settings.push(switch(Switch::DisableInvalidCheck, true));
        }
    }

    fn tunnels(&mut self, settings: &mut Vec<ModernSetting>) {
        if self.has(Feature::Vxlan) {
            if self.bits.chance(1, 4) {
                settings.push(switch(Switch::Vxlan, self.bits.chance(2, 3)));
            }
            if self.bits.chance(1, 3) {
                let port = self.bits.one(VXLAN_PORTS);
                settings.push(ModernSetting::Number(Number::VxlanPort, port));
            }
        }
        if self.has(Feature::WorkloadTunnels) {
            let [vxlan, ip_in_ip] = self.bits.one([[true, true], [true, false], [false, true]]);
            settings.push(switch(Switch::AllowVxlanFromWorkloads, vxlan));
            settings.push(switch(Switch::AllowIpInIpFromWorkloads, ip_in_ip));
        }
        if self.has(Feature::Wireguard) {
            self.wireguard(settings);
        }
    }

    fn wireguard(&mut self, settings: &mut Vec<ModernSetting>) {
        let [v4, v6] = self.bits.one([[true, false], [true, true], [false, true]]);
        settings.push(switch(Switch::Wireguard, v4));
        settings.push(switch(Switch::WireguardV6, v6));
        if self.bits.chance(1, 2) {
            settings.push(switch(Switch::WireguardHostEncryption, true));
        }
        if self.bits.chance(1, 4) {
            let port = self.bits.one([1, 51_821, 65_535]);
            settings.push(ModernSetting::Number(Number::WireguardPort, port));
        }
        if self.bits.chance(1, 4) {
            let name = self.bits.one(["wg0", "wireguard-calic"]).to_owned();
            settings.push(ModernSetting::Text(Text::WireguardInterface, name));
        }
    }

    fn nat_options(&mut self, settings: &mut Vec<ModernSetting>) {
        if !self.has(Feature::NatOptions) {
            return;
        }
        if self.bits.chance(1, 2) {
            let ranges = [(32_768, 65_535), (1024, 1024), (1, 65_535)];
            let (first, last) = self.bits.one(ranges);
            settings.extend(PortNumbers::new(first, last).map(ModernSetting::NatPorts));
        }
        if self.bits.chance(1, 3) {
            let address = IpAddr::from([192, 168, 40, 11]);
            settings.push(ModernSetting::NatAddress(address));
        }
        if self.bits.chance(1, 2) {
            settings.push(ModernSetting::NatExclusions(NatExclusions::PoolsAndHosts));
        }
        if self.bits.chance(1, 3) {
            let name = self.bits.one(["eth0", "eth+", "missing0"]).to_owned();
            settings.push(ModernSetting::Text(Text::NatInterface, name));
        }
    }

    fn logs(&mut self, settings: &mut Vec<ModernSetting>) {
        if self.has(Feature::LogRate) {
            let units = [
                RateUnit::Second,
                RateUnit::Minute,
                RateUnit::Hour,
                RateUnit::Day,
            ];
            let rate = Rate {
                times: self.bits.one([1, 10, 9999]),
                unit: self.bits.one(units),
            };
            settings.push(ModernSetting::LogRate(rate));
            let burst = match self.bits.one([DEFAULT_BURST, 1, 100, 9999]) {
                // iptables-legacy refuses what overflows.
                large if overflows(rate, large) && !self.has(Feature::Refusals) => 1,
                other => other,
            };
            if burst != DEFAULT_BURST {
                settings.push(ModernSetting::Number(Number::LogBurst, burst));
            }
        }
        if self.has(Feature::FlowLogs) {
            settings.push(match self.bits.chance(1, 2) {
                true => switch(Switch::FlowReporter, true),
                false => ModernSetting::Text(Text::FlowServer, "goldmane:7443".to_owned()),
            });
        }
    }

    /// None, the usual range in two, or more than one rule can ask.
    fn node_ports(&mut self) -> Vec<PortNumbers> {
        let ranges = match self.bits.below(3) {
            0 => vec![(30_000, 31_000), (31_001, 32_767)],
            1 => vec![(80, 80)],
            _ => (0..9)
                .map(|place| (30_000 + place * 10, 30_001 + place * 10))
                .collect(),
        };
        let ranges = ranges.into_iter();
        ranges
            .filter_map(|(first, last)| PortNumbers::new(first, last))
            .collect()
    }
}

/// Whether a rate with so many at once is more than 32 bits hold: the kernel counts in parts of 1/10,000
/// second (net/netfilter/xt_limit.c, `limit_mt_check`).
fn overflows(rate: Rate, burst: u16) -> bool {
    let each = 10_000 * u64::from(rate.unit.seconds()) / u64::from(rate.times);
    each * u64::from(burst) > u64::from(u32::MAX)
}

fn switch(switch: Switch, on: bool) -> ModernSetting {
    ModernSetting::Switch(switch, on)
}
