//! Parameters that the seed's era has not, made at random.

use calidiff::calico::configuration::modern::{
    AllowAction, DenyAction, NatExclusions, Rate, RateUnit, ServiceLoops,
};
use calidiff::calico::resources::setting::ModernSetting;
use calidiff::calico::resources::setting::modern::{Number, Switch, Text};
use calidiff::calico::rule::PortNumbers;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

const SWITCHES: [Switch; 10] = [
    Switch::DisableInvalidCheck,
    Switch::Vxlan,
    Switch::AllowVxlanFromWorkloads,
    Switch::AllowIpInIpFromWorkloads,
    Switch::Wireguard,
    Switch::WireguardV6,
    Switch::WireguardHostEncryption,
    Switch::FloatingAddresses,
    Switch::FlowReporter,
    Switch::Istio,
];

const NUMBERS: [Number; 5] = [
    Number::VxlanPort,
    Number::WireguardPort,
    Number::WireguardPortV6,
    Number::LogBurst,
    Number::IstioDscp,
];

const TEXTS: [Text; 4] = [
    Text::NatInterface,
    Text::WireguardInterface,
    Text::WireguardInterfaceV6,
    Text::FlowServer,
];

fn port_numbers() -> impl Strategy<Value = PortNumbers> {
    (any::<u16>(), any::<u16>()).prop_map(|(one, other)| {
        PortNumbers::new(one.min(other), one.max(other)).expect("the lower first")
    })
}

fn number() -> impl Strategy<Value = ModernSetting> {
    select(NUMBERS.to_vec()).prop_flat_map(|number| {
        let [least, most] = number.bounds();
        (least..=most).prop_map(move |value| ModernSetting::Number(number, value))
    })
}

fn rate() -> impl Strategy<Value = Rate> {
    let units = RateUnit::NAMES.map(|(_, unit)| unit);
    (1..=9999_u16, select(units.to_vec())).prop_map(|(times, unit)| Rate { times, unit })
}

/// One of them.
pub fn setting() -> impl Strategy<Value = ModernSetting> {
    let allow = || select(vec![AllowAction::Accept, AllowAction::Return]);
    let deny = select(vec![DenyAction::Drop, DenyAction::Reject]);
    let exclusions = select(vec![NatExclusions::Pools, NatExclusions::PoolsAndHosts]);
    let loops = [
        ServiceLoops::Drop,
        ServiceLoops::Reject,
        ServiceLoops::Disabled,
    ];
    prop_oneof![
        4 => (select(SWITCHES.to_vec()), any::<bool>())
            .prop_map(|(switch, on)| ModernSetting::Switch(switch, on)),
        2 => number(),
        2 => (select(TEXTS.to_vec()), "[a-z]{1,5}")
            .prop_map(|(text, value)| ModernSetting::Text(text, value)),
        1 => allow().prop_map(ModernSetting::FilterAllow),
        1 => allow().prop_map(ModernSetting::MangleAllow),
        1 => deny.prop_map(ModernSetting::FilterDeny),
        1 => port_numbers().prop_map(ModernSetting::NatPorts),
        1 => any::<u32>().prop_map(|bits| {
            ModernSetting::NatAddress(std::net::Ipv4Addr::from(bits).into())
        }),
        1 => exclusions.prop_map(ModernSetting::NatExclusions),
        1 => select(loops.to_vec()).prop_map(ModernSetting::ServiceLoops),
        1 => vec(port_numbers(), 0..3).prop_map(ModernSetting::NodePorts),
        1 => rate().prop_map(ModernSetting::LogRate),
    ]
}
