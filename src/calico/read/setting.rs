//! What Felix is told: in API v1 by its configuration file and environment, in v3 by a resource.

use std::net::IpAddr;

use super::tree::{Read, Reader, Tree, Value};
use super::{Parts, known};
use crate::calico::configuration::InterfacePrefix;
use crate::calico::configuration::modern::{Failsafe, Rate};
use crate::calico::resources::setting::modern::{Switch, Text};
use crate::calico::resources::setting::{ModernParameter, ModernSetting, Parameter};
use crate::calico::resources::{Api, FelixConfiguration, Setting};
use crate::calico::rule::{NamedProtocol, PortNumbers, Ports, RuleProtocol};
use crate::calico::words;

/// How many bits Felix 2.1 takes from its mask: accept, pass, from a workload.
const FEWEST_MARK_BITS: u32 = 3;

impl Reader<'_> {
    /// Felix's parameters. In v3 the name says for which node they are, in v1 the metadata.
    pub(super) fn configuration(&self, parts: &Parts<'_>, name: &str) -> Read<FelixConfiguration> {
        let node = match self.api {
            Api::V1 => parts
                .metadata
                .get("node")
                .map(|node| self.name(node))
                .transpose()?,
            Api::V3 => self.node_of_configuration(parts, name)?,
        };
        let what = "Felix's configuration";
        let names: Vec<&str> = self.parameters().iter().map(|(name, _)| *name).collect();
        let spec = self.spec(parts, what, &[&names])?;
        let parameter = |name: &str| {
            let known = self.parameters().iter();
            let mut named = known.filter(|(word, _)| *word == name);
            Some(named.next()?.1)
        };
        let there = spec.all().filter_map(|(key, value)| {
            let parameter = parameter(&key.value)?;
            (!self.is_unset(parameter, value)).then_some((parameter, value))
        });
        let settings = there.map(|(parameter, value)| self.setting(parameter, value));
        Ok(FelixConfiguration {
            node,
            settings: settings.collect::<Read<_>>()?,
        })
    }

    /// Whether a parameter's value says nothing. Felix takes an empty string of v3's for none (felix,
    /// config/, `UpdateFrom`), which only the prefix of logs lets the API pass.
    fn is_unset(&self, parameter: Parameter, value: &Tree) -> bool {
        let is_empty = matches!(&value.value, Value::Nothing)
            || self.text(value).is_ok_and(str::is_empty) && parameter == Parameter::LogPrefix;
        is_empty && (self.api == Api::V3 || matches!(value.value, Value::Nothing))
    }

    fn parameters(&self) -> words::Words<Parameter> {
        words::parameters(self.api)
    }

    fn node_of_configuration(&self, parts: &Parts<'_>, name: &str) -> Read<Option<String>> {
        match name.strip_prefix("node.") {
            Some(node) => Ok(Some(node.to_owned())),
            None if name == "default" => Ok(None),
            None => {
                let place = parts
                    .metadata
                    .get("name")
                    .map_or(parts.place, |tree| tree.referenced);
                let problem =
                    format!("Felix does not read `{name}`; expected default or node.NODE");
                Err(self.wrong(place, problem))
            }
        }
    }

    fn setting(&self, parameter: Parameter, value: &Tree) -> Read<Setting> {
        Ok(match parameter {
            Parameter::InterfacePrefixes => Setting::InterfacePrefixes(self.prefixes(value)?),
            Parameter::MarkMask => Setting::MarkMask(self.mark_mask(value)?),
            Parameter::IpInIp => Setting::IpInIp(self.switch(value)?),
            Parameter::TunnelAddress => Setting::TunnelAddress(self.tunnel_address(value)?),
            Parameter::EndpointToHost => {
                let words = words::endpoint_to_host(self.api);
                Setting::EndpointToHost(self.word(value, "action", words)?)
            }
            Parameter::InsertMode => {
                let words = words::insert_modes(self.api);
                Setting::InsertMode(self.word(value, "mode of insertion", words)?)
            }
            Parameter::LogPrefix => Setting::LogPrefix(self.text(value)?.to_owned()),
            Parameter::FailsafeInbound => Setting::FailsafeInbound(self.failsafe_ports(value)?),
            Parameter::FailsafeOutbound => Setting::FailsafeOutbound(self.failsafe_ports(value)?),
            Parameter::Ipv6 => Setting::Ipv6(self.switch(value)?),
            Parameter::MetadataAddress => Setting::MetadataAddress(self.text(value)?.to_owned()),
            Parameter::MetadataPort => {
                Setting::MetadataPort(self.whole(value, "a port", [0, u16::MAX])?)
            }
            Parameter::ClusterType => Setting::ClusterType(self.text(value)?.to_owned()),
            Parameter::Modern(parameter) => Setting::Modern(self.modern(parameter, value)?),
        })
    }

    /// A parameter that v1 has not.
    fn modern(&self, parameter: ModernParameter, value: &Tree) -> Read<ModernSetting> {
        let allow = || self.word(value, "action", words::ALLOW_ACTIONS);
        Ok(match parameter {
            ModernParameter::Switch(switch) => {
                ModernSetting::Switch(switch, self.modern_switch(switch, value)?)
            }
            ModernParameter::Number(number) => {
                ModernSetting::Number(number, self.whole(value, "a number", number.bounds())?)
            }
            ModernParameter::Text(text) => {
                ModernSetting::Text(text, self.modern_text(text, value)?)
            }
            ModernParameter::FilterAllow => ModernSetting::FilterAllow(allow()?),
            ModernParameter::MangleAllow => ModernSetting::MangleAllow(allow()?),
            ModernParameter::FilterDeny => {
                ModernSetting::FilterDeny(self.word(value, "action", words::DENY_ACTIONS)?)
            }
            ModernParameter::NatPorts => ModernSetting::NatPorts(self.port_numbers(value)?),
            ModernParameter::NatAddress => ModernSetting::NatAddress(self.address(value)?),
            ModernParameter::NatExclusions => ModernSetting::NatExclusions(self.word(
                value,
                "exclusion",
                words::NAT_EXCLUSIONS,
            )?),
            ModernParameter::ServiceLoops => {
                ModernSetting::ServiceLoops(self.word(value, "prevention", words::SERVICE_LOOPS)?)
            }
            ModernParameter::NodePorts => {
                ModernSetting::NodePorts(self.list(Some(value), |one| self.port_numbers(one))?)
            }
            ModernParameter::LogRate => ModernSetting::LogRate(self.rate(value)?),
        })
    }

    fn modern_switch(&self, switch: Switch, value: &Tree) -> Read<bool> {
        match switch.is_worded() {
            true => self.word(value, "setting", words::SWITCHES),
            false => self.truth(Some(value)),
        }
    }

    fn modern_text(&self, text: Text, value: &Tree) -> Read<String> {
        let said = self.text(value)?;
        let name = said.strip_suffix('+').unwrap_or(said);
        let is_name = InterfacePrefix::new(name).is_some();
        if !text.is_interface() || is_name {
            return Ok(said.to_owned());
        }
        let problem = format!("`{said}` names no interface; expected up to 15 characters");
        Err(self.wrong(value.referenced, problem))
    }

    fn port_numbers(&self, value: &Tree) -> Read<PortNumbers> {
        match self.ports(value)? {
            Ports::Numbers(numbers) => Ok(numbers),
            Ports::Named(name) => {
                let problem = format!("`{name}` is no number; expected ports such as 30000:32767");
                Err(self.wrong(value.referenced, problem))
            }
        }
    }

    fn rate(&self, value: &Tree) -> Read<Rate> {
        let text = self.text(value)?;
        Rate::parse(text).ok_or_else(|| {
            let problem = format!(
                "`{text}` is no rate; expected 1 to 9999 in a second, minute, hour or day, such as \
                 10/minute"
            );
            self.wrong(value.referenced, problem)
        })
    }

    /// The words between commas.
    fn prefixes(&self, tree: &Tree) -> Read<Vec<InterfacePrefix>> {
        let text = self.text(tree)?;
        let read = |word: &str| {
            InterfacePrefix::new(word.trim()).ok_or_else(|| {
                let problem = format!(
                    "`{word}` begins no interface's name; expected 1 to 15 characters without \
                     space or `/`, several with commas between"
                );
                self.wrong(tree.referenced, problem)
            })
        };
        text.split(',').map(read).collect()
    }

    fn mark_mask(&self, tree: &Tree) -> Read<u32> {
        let mask = match &tree.value {
            Value::Text(text) => {
                let digits = text.strip_prefix("0x").unwrap_or(text);
                u32::from_str_radix(digits, 16).map_err(|_| {
                    let problem = format!("`{text}` is no mask; expected one as 0xff000000");
                    self.wrong(tree.referenced, problem)
                })?
            }
            _ => self.whole(tree, "a mask of bits", [0, u32::MAX])?,
        };
        if mask.count_ones() >= FEWEST_MARK_BITS {
            return Ok(mask);
        }
        let problem = format!(
            "the mask {mask:#x} has {} bits; expected {FEWEST_MARK_BITS} or more",
            mask.count_ones()
        );
        Err(self.wrong(tree.referenced, problem))
    }

    /// A truth value; felix.cfg's are texts.
    fn switch(&self, tree: &Tree) -> Read<bool> {
        match &tree.value {
            Value::Text(_) if self.api == Api::V1 => {
                self.word(tree, "truth value", &[("true", true), ("false", false)])
            }
            _ => self.truth(Some(tree)),
        }
    }

    fn tunnel_address(&self, tree: &Tree) -> Read<IpAddr> {
        let address = self.address(tree)?;
        if address.is_ipv4() {
            return Ok(address);
        }
        let problem = format!("the tunnel address {address} is of IPv6; expected one of IPv4");
        Err(self.wrong(tree.referenced, problem))
    }

    /// Ports: in felix.cfg numbers of TCP between commas or `none`, in v3 a list.
    fn failsafe_ports(&self, tree: &Tree) -> Read<Vec<Failsafe>> {
        if self.api == Api::V3 {
            return self.list(Some(tree), |port| self.failsafe_port(port));
        }
        if let Value::Whole(_) = tree.value {
            let port = self.whole(tree, "a port", [0, u16::MAX])?;
            return Ok(vec![Failsafe::tcp(port)]);
        }
        let text = self.text(tree)?;
        if text.eq_ignore_ascii_case("none") {
            return Ok(Vec::new());
        }
        let read = |word: &str| {
            word.trim().parse().map(Failsafe::tcp).map_err(|_| {
                let problem = format!(
                    "`{word}` is no port; expected 0 to 65535, several with commas between, or none"
                );
                self.wrong(tree.referenced, problem)
            })
        };
        text.split(',').map(read).collect()
    }

    fn failsafe_port(&self, tree: &Tree) -> Read<Failsafe> {
        let fields = self.fields(tree, "a failsafe port", known::FAILSAFE_PORT)?;
        let protocol = self.protocol(fields.get("protocol"))?;
        let net = fields.get("net").map(|net| self.net(net));
        let failsafe = Failsafe {
            protocol: protocol.unwrap_or(RuleProtocol::Named(NamedProtocol::Tcp)),
            port: self.whole(self.required(&fields, "port")?, "a port", [0, u16::MAX])?,
            net: net.transpose()?,
        };
        let known = [NamedProtocol::Tcp, NamedProtocol::Udp].map(RuleProtocol::Named);
        match known.contains(&failsafe.protocol) {
            true => Ok(failsafe),
            false => {
                let problem = format!(
                    "a failsafe port of `{}`; expected one of TCP or UDP",
                    failsafe.protocol
                );
                Err(self.wrong(tree.referenced, problem))
            }
        }
    }
}
