//! What is programmed on a node whose rules Calico's resources say: the world that they make there, and
//! what Felix makes of it, beside what other programs have loaded.
//!
//! A family whose rules the tools refuse is left as the others have it, and that is its rules' fate:
//! the other family's are programmed all the same, for each has tools and tables of its own.

use crate::calico::{Resources, World, era, resolve};
use crate::intent::NotOfThisEra;
use crate::intent::{Era, Judge};
use crate::model::Machine;
use crate::node::Node;
use crate::packet::Family;
use crate::render::Layout;
use crate::render::seed::{self, NotOfTheEra};
use crate::render::table::{Draft, Rendered};
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, Ruleset};

/// A node, Calico's world on it, and what is programmed there.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The node.
    pub node: Node,
    /// What Calico's resources come to on it.
    pub world: World,
    /// What other programs have loaded.
    pub foreign: Firewall,
    /// What Felix makes of the world, in its own words.
    pub draft: Draft,
    /// What is loaded in the end: the others' rules, and Felix's of every family that the tools take.
    pub firewall: Firewall,
    /// Why the tools refuse Felix's rules of IPv4 and of IPv6.
    refused: Refused,
    /// The chain machine with all of it, in the order of [`Backend::BOTH`].
    machines: Machines,
}

type Refused = [Option<NotProgrammed>; 2];
type Machines = [Machine; 2];

/// Why there is nothing to be programmed: Felix of this layout never sees such a world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// The era's API has no words for it.
    #[error(transparent)]
    NotOfTheSeedsEra(#[from] era::NotOfTheSeedsEra),
    /// The renderer does not know it.
    #[error(transparent)]
    NotRendered(#[from] NotOfTheEra),
    /// The intent does not know it.
    #[error(transparent)]
    NotMeant(#[from] NotOfThisEra),
    /// The others' rules alone can't be loaded.
    #[error("the rules beside Calico's can't be loaded: {0}")]
    Foreign(NotProgrammed),
}

impl Plan {
    /// What Felix of a layout programs for resources on a node, beside others' rules.
    ///
    /// # Errors
    ///
    /// [`Unplanned`] where its era can't say what the resources say. A refusal of the tools is none.
    pub fn new(
        layout: Layout,
        node: &Node,
        resources: &Resources,
        foreign: &Firewall,
    ) -> Result<Self, Unplanned> {
        let world = resolve(resources, &node.name);
        let Layout::Seed = layout;
        era::check_seed(&world)?;
        Self::of_world(world, node, foreign)
    }

    /// The same for a world that has been made already.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn of_world(world: World, node: &Node, foreign: &Firewall) -> Result<Self, Unplanned> {
        Judge::new(&world, node, Era::Seed)?;
        let draft = seed::draft(&world, node)?;
        let (firewall, refused, machines) = program(&draft, node, foreign)?;
        Ok(Self {
            node: node.clone(),
            world,
            foreign: foreign.clone(),
            draft,
            firewall,
            refused,
            machines,
        })
    }

    /// The chain machine with all of it, as a backend reads it.
    pub fn machine(&mut self, backend: Backend) -> &mut Machine {
        match backend {
            Backend::Legacy => &mut self.machines[0],
            Backend::Nft => &mut self.machines[1],
        }
    }

    /// Why the tools refuse Felix's rules of a family.
    #[must_use]
    pub fn refused(&self, family: Family) -> Option<&NotProgrammed> {
        self.refused[place(family)].as_ref()
    }

    /// The oracle for its world.
    ///
    /// # Errors
    ///
    /// None that [`Plan::new`] has not seen.
    pub fn judge(&self) -> Result<Judge<'_>, NotOfThisEra> {
        Judge::new(&self.world, &self.node, Era::Seed)
    }
}

fn place(family: Family) -> usize {
    match family {
        Family::V4 => 0,
        Family::V6 => 1,
    }
}

/// The others' rules and Felix's, and which families' the tools refuse.
fn program(
    draft: &Draft,
    node: &Node,
    foreign: &Firewall,
) -> Result<(Firewall, Refused, Machines), Unplanned> {
    let mut refused = [None, None];
    let mut tables = |family| {
        let tables = draft.program_family(family);
        tables.unwrap_or_else(|why| {
            refused[place(family)] = Some(why);
            Vec::new()
        })
    };
    let rendered = Rendered {
        v4: tables(Family::V4),
        v6: tables(Family::V6),
        sets: draft.sets.clone(),
        insert_mode: draft.insert_mode,
    };
    let mut firewall = foreign.clone();
    rendered.install(&mut firewall);
    if let Ok(machines) = load(node, &firewall) {
        return Ok((firewall, refused, machines));
    }
    for family in Family::BOTH {
        let mut alone = firewall.clone();
        *alone.ruleset_mut(family.other()) = Ruleset::empty(family.other());
        if let Err(why) = load(node, &alone) {
            *firewall.ruleset_mut(family) = foreign.ruleset(family).clone();
            refused[place(family)] = Some(why);
        }
    }
    let machines = load(node, &firewall).map_err(Unplanned::Foreign)?;
    Ok((firewall, refused, machines))
}

/// A firewall as the model reads it behind either backend.
fn load(node: &Node, firewall: &Firewall) -> Result<Machines, NotProgrammed> {
    let [legacy, nft] = Backend::BOTH.map(|backend| Machine::new(backend, node, firewall));
    Ok([legacy?, nft?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calico::read::read;
    use crate::node::text;

    const NODE: &str = "\
name: one
interfaces:
  - { name: eth0, addresses: [10.0.0.1/24] }
  - { name: cali1 }
";
    const RESOURCES: &str = "\
- apiVersion: v1
  kind: policy
  metadata: { name: ping }
  spec:
    selector: all()
    ingress:
      - { action: allow, protocol: icmp, icmp: { type: 8 } }
- apiVersion: v1
  kind: workloadEndpoint
  metadata: { name: eth0, workload: one, orchestrator: k8s, node: one }
  spec: { interfaceName: cali1, ipNetworks: [10.65.0.1/32] }
";

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn plan(resources: &str, foreign: &Firewall) -> Result<Plan, Box<dyn std::error::Error>> {
        let node = text::read("node.yaml", NODE)?;
        let resources = read("resources.yaml", resources)?;
        Ok(Plan::new(Layout::Seed, &node, &resources, foreign)?)
    }

    #[test]
    fn a_family_that_the_tools_refuse_is_left_out_and_the_other_is_programmed() -> Outcome {
        let mut plan = plan(RESOURCES, &Firewall::default())?;
        assert_eq!(plan.refused(Family::V4), None);
        let why = plan.refused(Family::V6).ok_or("IPv6 is not refused")?;
        assert!(why.message.contains("cali-pi-ping rule 1"), "{why}");
        assert!(plan.firewall.v6.tables.is_empty());
        assert!(plan.firewall.v4.rules().count() > 50);
        let rules = plan.firewall.v4.rules().count();
        assert_eq!(plan.machine(Backend::Nft).rule_count(), rules);
        Ok(())
    }

    #[test]
    fn of_one_family_both_are_programmed_beside_what_was_there() -> Outcome {
        let foreign = Firewall {
            v6: crate::xtables::save::parse(
                "foreign",
                "*filter\n:INPUT DROP [0:0]\n-A INPUT -j ACCEPT\nCOMMIT\n",
                Family::V6,
            )?,
            ..Firewall::default()
        };
        let resources = RESOURCES.replace("protocol: icmp,", "ipVersion: 4, protocol: icmp,");
        let plan = plan(&resources, &foreign)?;
        assert!(
            Family::BOTH
                .iter()
                .all(|family| plan.refused(*family).is_none())
        );
        let filter = plan.firewall.v6.table(crate::xtables::TableName::Filter);
        let input = filter
            .and_then(|table| table.chain("INPUT"))
            .ok_or("no INPUT")?;
        assert_eq!(input.rules.len(), 2);
        Ok(())
    }

    #[test]
    fn rules_of_others_that_nobody_can_load_are_no_plan() -> Outcome {
        let broken =
            "*filter\n:INPUT ACCEPT [0:0]\n-A INPUT -m set --match-set none src -j DROP\nCOMMIT\n";
        let foreign = Firewall {
            v4: crate::xtables::save::parse("foreign", broken, Family::V4)?,
            ..Firewall::default()
        };
        let refused = plan(RESOURCES, &foreign).err().ok_or("it is planned")?;
        assert!(refused.to_string().contains("none"), "{refused}");
        Ok(())
    }
}
