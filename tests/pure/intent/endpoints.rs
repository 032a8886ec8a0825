//! I14: which host endpoint an interface has.

use calidiff::calico::world::{HostEndpoint, HostInterface};
use calidiff::intent::Clause;

use super::stand::{FAR_TO_NODE, NODE_TO_FAR, Stand};

fn by_address(name: &str, addresses: &[&str]) -> HostEndpoint {
    HostEndpoint {
        name: name.to_owned(),
        of: HostInterface::ByAddress,
        expected_addresses: addresses
            .iter()
            .map(|text| text.parse().expect("an address"))
            .collect(),
        policies: Vec::new(),
        profiles: Vec::new(),
        dscp: None,
    }
}

#[test]
fn i14_an_expected_address_finds_the_interface() {
    let mut stand = Stand::new();
    stand.world.hosts = vec![by_address("h", &["192.168.1.2"])];
    assert_eq!(stand.says(FAR_TO_NODE), "defer I9.no-endpoint");
    stand.world.hosts = vec![by_address("h", &["192.168.1.2", "192.168.1.1"])];
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.no-profile");
    assert_eq!(stand.says(NODE_TO_FAR), "deny I3.no-profile");
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I14Expected));
    // One address is enough for all of the interface's traffic.
    assert_eq!(
        stand.says("in=eth0 tcp [fd00::8]:1 > [fd00:1::1]:2"),
        "deny I3.no-profile"
    );
    assert_eq!(
        stand.says("in=eth1 tcp 192.168.2.9:1 > 192.168.2.1:2"),
        "defer I9.no-endpoint"
    );
}

#[test]
fn i14_a_name_goes_before_an_address() {
    let mut stand = Stand::new();
    stand.world.hosts = vec![by_address("a", &["192.168.1.1"])];
    stand.host("b", "eth0", Vec::new());
    stand.world.hosts[1].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I14Named));
    assert!(!stand.takes_part(FAR_TO_NODE, Clause::I14First));
}

#[test]
fn i14_of_several_the_first_by_name() {
    let mut stand = Stand::new();
    stand.host("a", "eth0", Vec::new());
    stand.host("b", "eth0", Vec::new());
    stand.world.hosts[0].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(FAR_TO_NODE), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_NODE, Clause::I14First));
    stand.world.hosts = vec![
        by_address("a", &["192.168.1.1"]),
        by_address("b", &["fd00:1::1"]),
    ];
    stand.world.hosts[1].profiles = vec!["open".to_owned()];
    assert_eq!(stand.says(FAR_TO_NODE), "deny I3.no-profile");
}

#[test]
fn i14_one_that_names_an_interface_expects_its_addresses_there() {
    let mut stand = Stand::new();
    stand.host("h", "eth1", Vec::new());
    stand.world.hosts[0].expected_addresses = vec!["192.168.1.1".parse().expect("an address")];
    assert_eq!(stand.says(FAR_TO_NODE), "defer I9.no-endpoint");
}
