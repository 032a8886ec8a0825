//! What Felix is told, written.

use super::Document;
use super::tree::{Map, Node};
use crate::calico::configuration::InterfacePrefix;
use crate::calico::configuration::modern::Failsafe;
use crate::calico::resources::setting::ModernSetting;
use crate::calico::resources::{Api, FelixConfiguration, Setting};
use crate::calico::rule::{PortNumbers, RuleProtocol};
use crate::calico::words::{self, Kind, word_for};

pub(super) fn configuration(api: Api, configuration: &FelixConfiguration) -> Document {
    let node = configuration.node.as_deref();
    let metadata = match (api, node) {
        (Api::V1, node) => Map::default().maybe("node", node),
        (Api::V3, None) => super::named("default"),
        (Api::V3, Some(node)) => super::named(&format!("node.{node}")),
    };
    let spec = configuration.settings.iter();
    let spec = spec.fold(Map::default(), |spec, setting| {
        match word_for(words::parameters(api), &setting.parameter()) {
            "" => spec,
            name => spec.with(name, value(api, setting)),
        }
    });
    super::document(api, Kind::Configuration, metadata, spec)
}

fn value(api: Api, setting: &Setting) -> Node {
    match setting {
        Setting::InterfacePrefixes(prefixes) => {
            let prefixes: Vec<&str> = prefixes.iter().map(InterfacePrefix::as_str).collect();
            Node::text(prefixes.join(","))
        }
        Setting::MarkMask(mask) => match api {
            Api::V1 => Node::text(format_args!("{mask:#x}")),
            Api::V3 => Node::Whole((*mask).into()),
        },
        Setting::IpInIp(enabled) | Setting::Ipv6(enabled) => (*enabled).into(),
        Setting::TunnelAddress(address) => Node::text(address),
        Setting::EndpointToHost(action) => word_for(words::endpoint_to_host(api), action).into(),
        Setting::InsertMode(mode) => word_for(words::insert_modes(api), mode).into(),
        Setting::LogPrefix(text) | Setting::MetadataAddress(text) | Setting::ClusterType(text) => {
            Node::text(text)
        }
        Setting::FailsafeInbound(ports) | Setting::FailsafeOutbound(ports) => {
            failsafe_ports(api, ports)
        }
        Setting::MetadataPort(port) => (*port).into(),
        Setting::Modern(setting) => modern(setting),
    }
}

fn modern(setting: &ModernSetting) -> Node {
    match setting {
        ModernSetting::Switch(switch, on) if switch.is_worded() => {
            word_for(words::SWITCHES, on).into()
        }
        ModernSetting::Switch(_, on) => (*on).into(),
        ModernSetting::Number(_, number) => (*number).into(),
        ModernSetting::Text(_, text) => Node::text(text),
        ModernSetting::FilterAllow(action) | ModernSetting::MangleAllow(action) => {
            word_for(words::ALLOW_ACTIONS, action).into()
        }
        ModernSetting::FilterDeny(action) => word_for(words::DENY_ACTIONS, action).into(),
        ModernSetting::NatPorts(ports) => port_numbers(ports),
        ModernSetting::NatAddress(address) => Node::text(address),
        ModernSetting::NatExclusions(exclusions) => {
            word_for(words::NAT_EXCLUSIONS, exclusions).into()
        }
        ModernSetting::ServiceLoops(loops) => word_for(words::SERVICE_LOOPS, loops).into(),
        ModernSetting::NodePorts(ports) => ports.iter().map(port_numbers).collect(),
        ModernSetting::LogRate(rate) => Node::text(rate),
    }
}

fn port_numbers(ports: &PortNumbers) -> Node {
    match ports.first() == ports.last() {
        true => ports.first().into(),
        false => Node::text(ports),
    }
}

fn failsafe_ports(api: Api, ports: &[Failsafe]) -> Node {
    match api {
        Api::V1 if ports.is_empty() => "none".into(),
        Api::V1 => {
            let words = ports.iter().filter_map(Failsafe::plain_tcp);
            let words: Vec<String> = words.map(|port| port.to_string()).collect();
            Node::text(words.join(","))
        }
        Api::V3 => {
            let one = |port: &Failsafe| {
                let protocol = match port.protocol {
                    RuleProtocol::Named(named) => word_for(words::protocols(api), &named).into(),
                    RuleProtocol::Number(number) => Node::from(number),
                };
                Node::from(
                    Map::default()
                        .with("protocol", protocol)
                        .with("port", port.port)
                        .maybe("net", port.net.map(Node::text)),
                )
            };
            ports.iter().map(one).collect()
        }
    }
}
