//! I1 to I4: order, directions, tiers, profiles.

use calidiff::calico::world::{DefaultAction, Profile, Stage};
use calidiff::intent::Clause;

use super::stand::{FAR_TO_W1, Stand, W1_TO_FAR, allow, deny, log, pass, tier, to_port};

/// With these policies at the first workload.
fn governed(policies: &[(&str, Vec<calidiff::calico::Rule>)]) -> Stand {
    let mut stand = Stand::new();
    for (name, ingress) in policies {
        let applied = stand.policy(name, ingress.clone(), vec![allow()]);
        stand.world.workloads[0].policies.push(applied);
    }
    stand
}

#[test]
fn i1_the_first_rule_that_matches_decides() {
    let stand = governed(&[("a", vec![to_port(deny(), 81), to_port(allow(), 80), deny()])]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.policy-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I1LaterRule));
    assert_eq!(
        stand.words(FAR_TO_W1),
        ["I3.policy-allows: ingress rule 2 of policy `a` in tier `default`, at the workload `w1`"]
    );
    let stand = governed(&[("a", vec![deny(), allow()])]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert!(!stand.takes_part(FAR_TO_W1, Clause::I1LaterRule));
}

#[test]
fn i1_the_first_policy_that_matches_decides() {
    let first = ("a", vec![to_port(allow(), 80)]);
    let second = ("b", vec![to_port(deny(), 80)]);
    let stand = governed(&[first.clone(), second.clone()]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.policy-allows");
    let stand = governed(&[second, first]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    let stand = governed(&[("a", vec![to_port(deny(), 81)]), ("b", vec![allow()])]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.policy-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I1LaterPolicy));
}

#[test]
fn i1_a_log_rule_never_decides() {
    let stand = governed(&[("a", vec![log(), allow()])]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.policy-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I1Log));
    let stand = governed(&[("a", vec![log()])]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.tier-default");
}

#[test]
fn i2_a_policy_without_rules_in_a_direction_it_governs_denies() {
    let mut stand = governed(&[("a", Vec::new())]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.tier-default");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I2WithoutRules));
    stand.world.tiers[0].policies[0].governs_ingress = false;
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
}

#[test]
fn i2_directions_are_apart() {
    let mut stand = Stand::new();
    let applied = stand.policy("a", vec![deny()], vec![allow()]);
    stand.world.workloads[0].policies = vec![applied];
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.policy-allows");
}

#[test]
fn i3_without_policy_the_profiles_decide_and_without_them_nobody_allows() {
    let mut stand = Stand::new();
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert_eq!(
        stand.words(FAR_TO_W1),
        ["I3.profile-allows: ingress rule 1 of profile `open`, at the workload `w1`"]
    );
    stand.world.workloads[0].profiles = Vec::new();
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.no-profile");
    stand.world.workloads[0].profiles = vec!["nowhere".to_owned(), "open".to_owned()];
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
}

#[test]
fn i3_profiles_go_in_the_endpoints_order() {
    let mut stand = Stand::new();
    let shut = Profile {
        ingress: vec![deny()],
        egress: Vec::new(),
    };
    stand.world.profiles.insert("a-shut".to_owned(), shut);
    let order = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    stand.world.workloads[0].profiles = order(&["open", "a-shut"]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    stand.world.workloads[0].profiles = order(&["a-shut", "open"]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.profile-denies");
    assert_eq!(stand.says(W1_TO_FAR), "allow I3.profile-allows");
}

#[test]
fn i3_no_match_in_a_policy_denies_whatever_the_profiles_say() {
    let stand = governed(&[("a", vec![to_port(allow(), 81)])]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.tier-default");
    assert!(!stand.takes_part(FAR_TO_W1, Clause::I2WithoutRules));
    assert_eq!(
        stand.words(FAR_TO_W1),
        ["I3.tier-default: no ingress rule of tier `default` matches, at the workload `w1`"]
    );
}

#[test]
fn i3_a_tier_may_pass_what_it_does_not_decide_and_the_next_is_asked() {
    let mut stand = Stand::new();
    stand.world.tiers.push(tier("later"));
    let first = stand.policy("a", vec![to_port(allow(), 81)], Vec::new());
    let second = stand.policy_of(1, "b", Stage::Normal, vec![deny()], Vec::new());
    stand.world.workloads[0].policies = vec![first, second];
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.tier-default");
    stand.world.tiers[0].default_action = DefaultAction::Pass;
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    stand.world.tiers[1].policies[0].ingress = vec![to_port(deny(), 81)];
    stand.world.tiers[1].default_action = DefaultAction::Pass;
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
}

#[test]
fn i4_pass_skips_what_is_left_of_the_tier() {
    let stand = governed(&[("a", vec![pass(), deny()]), ("b", vec![deny()])]);
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I4PassToProfiles));
    let stand = governed(&[("a", vec![to_port(pass(), 81)]), ("b", vec![deny()])]);
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
}

#[test]
fn i4_pass_goes_to_the_next_tier_before_the_profiles() {
    let mut stand = Stand::new();
    stand.world.tiers.push(tier("later"));
    let first = stand.policy("a", vec![pass()], Vec::new());
    let second = stand.policy_of(1, "b", Stage::Normal, vec![deny()], Vec::new());
    stand.world.workloads[0].policies = vec![first, second];
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.policy-denies");
    assert!(!stand.takes_part(FAR_TO_W1, Clause::I4PassToProfiles));
}

#[test]
fn i4_pass_in_a_profile_ends_that_profile_alone() {
    let mut stand = Stand::new();
    let passing = Profile {
        ingress: vec![pass(), deny()],
        egress: Vec::new(),
    };
    stand.world.profiles.insert("passing".to_owned(), passing);
    stand.world.workloads[0].profiles = vec!["passing".to_owned(), "open".to_owned()];
    assert_eq!(stand.says(FAR_TO_W1), "allow I3.profile-allows");
    assert!(stand.takes_part(FAR_TO_W1, Clause::I4PassEndsProfile));
    stand.world.workloads[0].profiles = vec!["passing".to_owned()];
    assert_eq!(stand.says(FAR_TO_W1), "deny I3.no-profile");
}
