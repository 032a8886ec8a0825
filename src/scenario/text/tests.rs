use proptest::prelude::*;

use super::*;

const SCENARIO: &str = "\
name: small
node:
  name: small
  interfaces:
    - name: eth0
      addresses: [10.0.0.1/24]
sets: { file: small.ipset }
rules:
  v4:
    text: |
      *filter
      :INPUT ACCEPT [0:0]
      -A INPUT -m set --match-set friends src -j ACCEPT
      COMMIT
completed:
  - { family: v4, table: filter, chain: INPUT, rules: [1], why: it was missing }
connections:
  - tcp 10.0.0.9:40001 > 10.0.0.1:22 replied
packets:
  - in=eth0 tcp 10.0.0.9:40000 > 10.0.0.1:22
  - from=node udp 10.0.0.1:53 > 10.0.0.9:4000
";

const SETS: &str = "create friends hash:ip family inet\nadd friends 10.0.0.9\n";

fn read_with(text: &str, sets: &str) -> Result<Scenario, NotAScenario> {
    read("small.yaml", text, &|name| match name {
        "small.ipset" => Ok(sets.to_owned()),
        _ => Err(std::io::ErrorKind::NotFound.into()),
    })
}

fn complaint(text: &str, sets: &str) -> String {
    match read_with(text, sets) {
        Ok(scenario) => format!("read as {scenario:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_scenario_is_read_as_it_is_written() -> Result<(), Box<dyn std::error::Error>> {
    let scenario = read_with(SCENARIO, SETS)?;
    assert_eq!(scenario.firewall.sets[0].elements.len(), 1);
    assert_eq!(scenario.firewall.v4.rules().count(), 1);
    assert_eq!(scenario.firewall.v6, Ruleset::empty(Family::V6));
    assert_eq!(scenario.batch.packets.len(), 2);
    assert_eq!(scenario.batch.connections.len(), 1);
    let again = read_with(&write(&scenario)?, "")?;
    assert_eq!(write(&again)?, write(&scenario)?);
    assert_eq!(again.batch, scenario.batch);
    assert_eq!(again.node, scenario.node);
    Ok(())
}

#[test]
fn errors_point_at_file_line_and_column() {
    for (found, replaced, place) in [
        ("addresses:", "adresses:", "small.yaml:6:7: "),
        ("10.0.0.1/24", "10.0.0.1/240", "small.yaml:6:19: "),
        ("    - name: eth0", "    - name: lo", "small.yaml:5:13: "),
        ("small.ipset", "other.ipset", "small.yaml:7:15: "),
        ("-j ACCEPT", "-j", "small.yaml:13:"),
        ("table: filter", "table: filtre", "small.yaml:16:"),
        ("> 10.0.0.9:4000", "> 10.0.0.9.1:4000", "small.yaml:21:33: "),
    ] {
        let complaint = complaint(&SCENARIO.replace(found, replaced), SETS);
        assert!(complaint.starts_with(place), "{replaced}: {complaint}");
    }
    let complaint = complaint(SCENARIO, "add friends 10.0.0.9\n");
    assert!(complaint.starts_with("small.ipset:1:"), "{complaint}");
}

proptest! {
    #[test]
    fn no_change_to_a_file_stops_the_reading(
        start in 0..SCENARIO.len(), length in 0_usize..20, inserted in "[ -~\n]{0,12}"
    ) {
        let end = (start + length).min(SCENARIO.len());
        let mut text = SCENARIO.to_owned();
        text.replace_range(start..end, &inserted);
        if let Err(error) = read_with(&text, SETS) {
            let message = error.to_string();
            prop_assert!(message.starts_with("small."), "{}", message);
        }
    }
}
