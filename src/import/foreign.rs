//! What of a dump other programs have written.

use super::verify::{CHAIN_PREFIX, hash_of};
use crate::xtables::{Firewall, Rule, Ruleset, Target};

/// How the names of Felix's sets begin, of IPv4 and of IPv6; its temporary ones too.
const SET_PREFIXES: [&str; 2] = ["cali4", "cali6"];

/// The firewall without what Felix has written: its chains, its rules in the kernel's own chains, and its
/// sets.
#[must_use]
pub fn without_felix(firewall: &Firewall) -> Firewall {
    let is_felixs = |name: &str| SET_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    let sets = firewall.sets.iter().filter(|set| !is_felixs(&set.name));
    Firewall {
        v4: rules_of_others(&firewall.v4),
        v6: rules_of_others(&firewall.v6),
        sets: sets.cloned().collect(),
    }
}

fn rules_of_others(ruleset: &Ruleset) -> Ruleset {
    let mut others = ruleset.clone();
    for table in &mut others.tables {
        table
            .chains
            .retain(|chain| !chain.name.starts_with(CHAIN_PREFIX));
        for chain in &mut table.chains {
            chain.rules.retain(|rule| !is_of_felix(rule));
        }
    }
    others
}

/// Whether a rule in a chain of others' is Felix's: it bears a hash, or leads into Felix's chains.
fn is_of_felix(rule: &Rule) -> bool {
    let leads_to_felix = matches!(
        &rule.target,
        Target::Jump(chain) | Target::Goto(chain) if chain.starts_with(CHAIN_PREFIX)
    );
    leads_to_felix || hash_of(rule).is_some()
}

/// Whether Felix has written rules of this family.
#[must_use]
pub fn has_felix(ruleset: &Ruleset) -> bool {
    let mut chains = ruleset.tables.iter().flat_map(|table| &table.chains);
    chains.any(|chain| chain.name.starts_with(CHAIN_PREFIX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Family;
    use crate::xtables::{ipset, save};

    #[test]
    fn what_felix_wrote_is_told_from_what_others_did() -> Result<(), Box<dyn std::error::Error>> {
        let dump = "*filter\n:FORWARD DROP [0:0]\n:cali-FORWARD - [0:0]\n:DOCKER - [0:0]\n\
             -A FORWARD -m comment --comment \"cali:wUHhoiAYhphO9Mso\" -j cali-FORWARD\n\
             -A FORWARD -j DOCKER\n\
             -A FORWARD -m comment --comment \"cali:S93hcgKJrXEqnTfs\" -m mark --mark 0x10000/0x10000 \
             -j ACCEPT\n-A FORWARD -g cali-FORWARD\n\
             -A cali-FORWARD -j ACCEPT\n-A DOCKER -j RETURN\nCOMMIT\n";
        let sets = "create cali40all-hosts-net hash:net family inet\n\
             create cali6t0x hash:net family inet6\ncreate mine hash:net family inet\n";
        let firewall = Firewall {
            v4: save::parse("dump", dump, Family::V4)?,
            v6: Ruleset::empty(Family::V6),
            sets: ipset::parse("sets", sets)?,
        };
        let others = without_felix(&firewall);
        let rules: Vec<String> = others
            .v4
            .rules()
            .map(|(id, rule)| save::print_rule(&id.chain, rule, Family::V4))
            .collect();
        assert_eq!(rules, ["-A FORWARD -j DOCKER", "-A DOCKER -j RETURN"]);
        let sets: Vec<&str> = others.sets.iter().map(|set| set.name.as_str()).collect();
        assert_eq!(sets, ["mine"]);
        assert!(has_felix(&firewall.v4) && !has_felix(&others.v4) && !has_felix(&firewall.v6));
        Ok(())
    }
}
