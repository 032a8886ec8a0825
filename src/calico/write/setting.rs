//! What Felix is told, written.

use super::Document;
use super::tree::{Map, Node};
use crate::calico::configuration::InterfacePrefix;
use crate::calico::resources::{Api, FelixConfiguration, Setting};
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
    }
}

fn failsafe_ports(api: Api, ports: &[u16]) -> Node {
    match api {
        Api::V1 if ports.is_empty() => "none".into(),
        Api::V1 => {
            let words: Vec<String> = ports.iter().map(u16::to_string).collect();
            Node::text(words.join(","))
        }
        Api::V3 => {
            let one =
                |port: &u16| Node::from(Map::default().with("protocol", "TCP").with("port", *port));
            ports.iter().map(one).collect()
        }
    }
}
