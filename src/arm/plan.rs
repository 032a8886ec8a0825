//! What is programmed on a node whose rules Calico's resources say: the world that they make there, and
//! what Felix makes of it, beside what other programs have loaded.
//!
//! A family whose rules the tools refuse is left as the others have it, and that is its rules' fate:
//! the other family's are programmed all the same, for each has tools and tables of its own.

use super::others::Translator;
use crate::calico::{World, era, resolve};
use crate::intent::{self, Era, Judge, NotOfThisEra, Opinion};
use crate::mark::TooFewBits;
use crate::model::{Connections, Machine};
use crate::node::Node;
use crate::packet::{Family, Packet};
use crate::render::Layout;
use crate::render::modern;
use crate::render::seed::{self, NotOfTheEra};
use crate::render::table::{Draft, Rendered};
use crate::scenario::Scenario;
use crate::verdict::NotProgrammed;
use crate::xtables::{Backend, Firewall, Ruleset};

/// A node and what is programmed on it.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The node.
    pub node: Node,
    /// What is loaded in the end: others' rules, and Felix's of every family that the tools take.
    pub firewall: Firewall,
    /// What Calico has to do with it, if it runs there.
    pub calico: Option<Calico>,
    /// The chain machine with all of it, in the order of [`Backend::BOTH`].
    machines: Machines,
}

/// What Calico has to do with what is programmed.
#[derive(Clone, Debug)]
pub struct Calico {
    /// Which Felix's way of writing chains.
    pub layout: Layout,
    /// What its resources come to on the node.
    pub world: World,
    /// What Felix makes of the world, in its own words.
    pub draft: Draft,
    /// What other programs have loaded.
    pub foreign: Firewall,
    /// Why the tools refuse Felix's rules of IPv4 and of IPv6.
    refused: Refused,
    /// The chain machine with the others' rules alone.
    without: Machines,
    translator: Translator,
}

type Refused = [Option<NotProgrammed>; 2];

/// The chain machine as each backend reads the rules, in the order of [`Backend::BOTH`].
pub type Machines = [Machine; 2];

/// The era of the API that a layout's Felix is told of.
#[must_use]
pub fn era_of(layout: Layout) -> Era {
    match layout {
        Layout::Seed => Era::Seed,
        Layout::Modern => Era::Modern,
    }
}

/// Why there is nothing to be programmed: Felix of this layout never sees such a world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unplanned {
    /// The era's API has no words for it.
    #[error(transparent)]
    NotOfTheSeedsEra(#[from] era::NotOfTheSeedsEra),
    /// The renderer does not know it.
    #[error(transparent)]
    NotRendered(#[from] NotOfTheEra),
    /// Felix does not start with its configuration.
    #[error(transparent)]
    NotStarted(#[from] TooFewBits),
    /// The intent does not know it.
    #[error(transparent)]
    NotMeant(#[from] NotOfThisEra),
    /// The others' rules alone can't be loaded.
    #[error("the rules beside Calico's can't be loaded: {0}")]
    Foreign(NotProgrammed),
}

impl Plan {
    /// What is programmed for a scenario, by Felix of a layout where it has resources.
    ///
    /// # Errors
    ///
    /// [`Unplanned`] where the layout's era can't say what the resources say, or nobody can load the
    /// rules beside Calico's. A refusal of Felix's own rules is none.
    pub fn new(layout: Layout, scenario: &Scenario) -> Result<Self, Unplanned> {
        let Scenario { node, firewall, .. } = scenario;
        let Some(resources) = &scenario.resources else {
            return Ok(Self {
                node: node.clone(),
                firewall: firewall.clone(),
                calico: None,
                machines: load(node, firewall).map_err(Unplanned::Foreign)?,
            });
        };
        let world = resolve(resources, &node.name);
        if layout == Layout::Seed {
            era::check_seed(&world)?;
        }
        Self::of_world(layout, world, node, firewall)
    }

    /// What Felix of a layout programs for a world on a node, beside others' rules.
    ///
    /// # Errors
    ///
    /// As [`Plan::new`].
    pub fn of_world(
        layout: Layout,
        world: World,
        node: &Node,
        foreign: &Firewall,
    ) -> Result<Self, Unplanned> {
        Judge::new(&world, node, era_of(layout))?;
        let draft = match layout {
            Layout::Seed => seed::draft(&world, node)?,
            Layout::Modern => modern::draft(&world, node)?,
        };
        Self::of_draft(layout, world, draft, node, foreign)
    }

    fn of_draft(
        layout: Layout,
        world: World,
        draft: Draft,
        node: &Node,
        foreign: &Firewall,
    ) -> Result<Self, Unplanned> {
        let without = load(node, foreign).map_err(Unplanned::Foreign)?;
        let translator = Translator::new(node, foreign).map_err(Unplanned::Foreign)?;
        let (firewall, refused, machines) = program(&draft, node, foreign)?;
        Ok(Self {
            node: node.clone(),
            firewall,
            machines,
            calico: Some(Calico {
                layout,
                world,
                draft,
                foreign: foreign.clone(),
                refused,
                without,
                translator,
            }),
        })
    }

    /// The same plan with another firewall programmed than the one that is planned: a fault of whoever
    /// programs it.
    ///
    /// # Errors
    ///
    /// Where the tools refuse it.
    pub fn with_firewall(&self, firewall: Firewall) -> Result<Self, NotProgrammed> {
        Ok(Self {
            machines: load(&self.node, &firewall)?,
            firewall,
            node: self.node.clone(),
            calico: self.calico.clone(),
        })
    }

    /// The same plan where the intent is told of another world than the one that is rendered: a fault of
    /// whoever tells it.
    #[must_use]
    pub fn with_world(&self, world: World) -> Self {
        let calico = self.calico.clone();
        Self {
            calico: calico.map(|calico| Calico { world, ..calico }),
            ..self.clone()
        }
    }

    /// The chain machine with all of it, as a backend reads it.
    pub fn machine(&mut self, backend: Backend) -> &mut Machine {
        &mut self.machines[backend.place()]
    }

    /// Everyone who judges without a kernel, ready to be asked.
    ///
    /// # Errors
    ///
    /// None that [`Plan::new`] has not seen.
    pub fn bench(&mut self) -> Result<Bench<'_>, NotOfThisEra> {
        let calico = match &mut self.calico {
            None => None,
            Some(calico) => Some(Oracle {
                judge: Judge::new(&calico.world, &self.node, era_of(calico.layout))?,
                without: &mut calico.without,
                translator: &mut calico.translator,
            }),
        };
        Ok(Bench {
            node: &self.node,
            machines: &mut self.machines,
            calico,
        })
    }
}

impl Calico {
    /// Why the tools refuse Felix's rules of a family, behind one backend at least: then they are
    /// programmed behind neither.
    #[must_use]
    pub fn refused(&self, family: Family) -> Option<&NotProgrammed> {
        self.refused[family.place()].as_ref()
    }

    /// The oracle for its world on its node.
    ///
    /// # Errors
    ///
    /// None that [`Plan::new`] has not seen.
    pub fn judge(&self, node: &Node) -> Result<Judge<'_>, NotOfThisEra> {
        Judge::new(&self.world, node, era_of(self.layout))
    }

    /// What the rules beside Calico's make of addresses.
    #[must_use]
    pub fn translator(&self) -> Translator {
        self.translator.clone()
    }
}

/// The judges that need no kernel, of one plan.
pub struct Bench<'a> {
    /// The node.
    pub node: &'a Node,
    /// The chain machine with all that is programmed, in the order of [`Backend::BOTH`].
    pub machines: &'a mut Machines,
    /// Where Calico runs, what it means.
    pub calico: Option<Oracle<'a>>,
}

/// What Calico means, and what decides where it has no opinion.
pub struct Oracle<'a> {
    /// The intent.
    pub judge: Judge<'a>,
    /// The chain machine without Felix's rules, in the order of [`Backend::BOTH`].
    pub without: &'a mut Machines,
    translator: &'a mut Translator,
}

impl Oracle<'_> {
    /// What the intent says of a packet, beside what the others' rules make of its addresses. Both know
    /// the same connections.
    #[must_use]
    pub fn opinion(
        &mut self,
        packet: &Packet,
        known: &intent::Connections,
        connections: &Connections,
    ) -> Opinion {
        let others = self.translator.others(&self.judge, packet, connections);
        self.judge.judge_beside(packet, known, &others)
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
            refused[family.place()] = Some(why);
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
            refused[family.place()] = Some(why);
        }
    }
    let machines = load(node, &firewall).map_err(Unplanned::Foreign)?;
    Ok((firewall, refused, machines))
}

/// Why the tools behind a backend refuse what Felix writes for a family, where the model can tell.
#[must_use]
pub fn refusal(
    backend: Backend,
    node: &Node,
    draft: &Draft,
    family: Family,
) -> Option<NotProgrammed> {
    let tables = match draft.program_family(family) {
        Ok(tables) => tables,
        Err(why) => return Some(why),
    };
    let (v4, v6) = match family {
        Family::V4 => (tables, Vec::new()),
        Family::V6 => (Vec::new(), tables),
    };
    let rendered = Rendered {
        v4,
        v6,
        sets: draft.sets.clone(),
        insert_mode: draft.insert_mode,
    };
    let mut firewall = Firewall::default();
    rendered.install(&mut firewall);
    Machine::new(backend, node, &firewall).err()
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
        let scenario = Scenario {
            name: "one".to_owned(),
            why: None,
            node: text::read("node.yaml", NODE)?,
            firewall: foreign.clone(),
            resources: Some(read("resources.yaml", resources)?),
            completed: Vec::new(),
            batch: crate::packet::Batch::default(),
            changed: None,
        };
        Ok(Plan::new(Layout::Seed, &scenario)?)
    }

    #[test]
    fn a_family_that_the_tools_refuse_is_left_out_and_the_other_is_programmed() -> Outcome {
        let mut plan = plan(RESOURCES, &Firewall::default())?;
        let calico = plan.calico.as_ref().ok_or("no Calico")?;
        assert_eq!(calico.refused(Family::V4), None);
        let why = calico.refused(Family::V6).ok_or("IPv6 is not refused")?;
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
        let calico = plan.calico.as_ref().ok_or("no Calico")?;
        let mut families = Family::BOTH.iter();
        assert!(families.all(|family| calico.refused(*family).is_none()));
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
