//! A divergence made small: seen again, cut down to what its packet touched, then by halves, then value
//! by value.
//!
//! What stays the same is the class ([`Class::id`]). Where no kernel takes part in the division, intent and
//! model alone are asked, which is cheap, and the kernels confirm the end; else they are asked every time.
//! All is bounded in questions, never in time: the same scenario always comes to the same one.

use super::finding::Divergence;
use super::trial::{Panel, Trial};
use crate::arm::Failure;
use crate::arm::plan::Plan;
use crate::diff::class::{Class, Rate};
use crate::diff::shrink::{Shrunk, shrink};
use crate::diff::touched::{Touched, reduce_to_trace};
use crate::packet::{Batch, Order};
use crate::render::Layout;
use crate::scenario::{Scenario, text};
use crate::xtables::Backend;

/// How many questions may be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Questions {
    /// Where intent and model answer.
    pub model: usize,
    /// Where the kernels do, which takes much longer.
    pub kernel: usize,
}

impl Default for Questions {
    /// About a minute at most.
    fn default() -> Self {
        Self {
            model: 4000,
            kernel: 300,
        }
    }
}

/// How often a divergence of the kernels' is fired again before it is believed.
pub const AGAIN: usize = 8;

/// A divergence made small.
#[derive(Clone, Debug)]
pub struct Small {
    /// The smallest scenario found; its last packet is the one that diverges.
    pub scenario: Scenario,
    /// How many cases were tried.
    pub asked: usize,
    /// Whether nothing more can be left out or made simpler; else the questions were used up.
    pub complete: bool,
}

/// Fires the packet of a divergence again, with its connections and nothing beside, and says how often it was
/// of its class. What no kernel takes part in is certain, and not fired.
///
/// # Errors
///
/// Where an arm is broken.
pub fn fire_again(
    panel: &mut Panel,
    plan: &mut Plan,
    batch: &Batch,
    packet: usize,
    class: &Class,
) -> Result<Rate, Failure> {
    let mut rate = Rate {
        fired: AGAIN,
        seen: AGAIN,
    };
    if !class.needs_a_kernel() {
        return Ok(rate);
    }
    let again = again(plan, batch, packet);
    rate.seen = 0;
    for _ in 0..rate.fired {
        let trial = panel.judge(plan, &again)?;
        rate.seen += usize::from(shows(&trial, plan, &again, class));
    }
    Ok(rate)
}

/// What is fired again: the packet alone, or behind those of its sequence.
fn again(plan: &mut Plan, batch: &Batch, packet: usize) -> Batch {
    match batch.order {
        Order::Apart => alone(plan, batch, packet),
        Order::InSequence => up_to(batch, packet),
    }
}

/// A batch up to a packet.
pub fn up_to(batch: &Batch, packet: usize) -> Batch {
    let mut before = batch.clone();
    before.packets.truncate(packet + 1);
    before
}

/// One packet of a batch, and the connections that touch it and were there when it came.
fn alone(plan: &mut Plan, batch: &Batch, packet: usize) -> Batch {
    let known = plan.machine(Backend::Legacy).known(batch);
    let alone = batch.packets.get(packet).zip(known.get(packet));
    alone.map_or_else(Batch::default, |(packet, known)| Batch {
        connections: Divergence::touching(known, packet),
        packets: vec![packet.clone()],
        ..Batch::default()
    })
}

/// Whether a packet of a batch is of a class.
fn shows(trial: &Trial, plan: &mut Plan, batch: &Batch, class: &Class) -> bool {
    let classes = trial.classes(plan, batch);
    classes.iter().any(|(_, found)| found == class)
}

/// Makes a scenario small of which a packet is of a class; `class` is as a panel first saw it, without a
/// rate. `None` where its packet alone, or with all others before it, is not of that class again.
///
/// # Errors
///
/// Where an arm is broken before anything was left out.
pub fn make_small(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
    questions: Questions,
) -> Result<Option<Small>, Failure> {
    let scenario = Scenario {
        why: None,
        completed: Vec::new(),
        changed: None,
        ..scenario.clone()
    };
    if !class.needs_a_kernel() {
        let mut without = panel.without_kernels();
        let small = cut_down(
            &mut without,
            layout,
            &scenario,
            packet,
            class,
            questions.model,
        )?;
        let confirmed = match &small {
            None => return Ok(None),
            Some(small) => is_of(panel, layout, &small.scenario, class)?,
        };
        if confirmed {
            return Ok(small);
        }
    }
    cut_down(panel, layout, &scenario, packet, class, questions.kernel)
}

/// Makes a scenario small by asking one panel.
fn cut_down(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
    questions: usize,
) -> Result<Option<Small>, Failure> {
    let Some(start) = start(panel, layout, scenario, packet, class)? else {
        return Ok(None);
    };
    let mut asked = 0;
    // A kernel may refuse what the model would take: such a case shows nothing.
    let mut fails = |case: &Scenario| {
        asked += 1;
        is_of(panel, layout, case, class).unwrap_or(false)
    };
    let reduced = match (Plan::new(layout, &start), start.batch.packets.last()) {
        (Ok(mut plan), Some(packet)) => {
            let touched = Touched::by(&start, &mut plan, packet);
            reduce_to_trace(start, &touched, &mut fails)
        }
        _ => start,
    };
    let Shrunk {
        case: scenario,
        complete,
        ..
    } = shrink(reduced, questions, fails);
    Ok(Some(Small {
        scenario,
        asked,
        complete,
    }))
}

/// Where to begin: the packet alone with its connections; else the same after all that came before it.
fn start(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    packet: usize,
    class: &Class,
) -> Result<Option<Scenario>, Failure> {
    let Ok(mut plan) = Plan::new(layout, scenario) else {
        return Ok(None);
    };
    let alone = alone(&mut plan, &scenario.batch, packet);
    for batch in [alone, up_to(&scenario.batch, packet)] {
        let start = Scenario {
            batch,
            ..scenario.clone()
        };
        if is_of(panel, layout, &start, class)? {
            return Ok(Some(start));
        }
    }
    Ok(None)
}

/// Whether a packet of a scenario is of a class, and the scenario one that a file can hold.
///
/// # Errors
///
/// Where an arm is broken.
pub fn is_of(
    panel: &mut Panel,
    layout: Layout,
    scenario: &Scenario,
    class: &Class,
) -> Result<bool, Failure> {
    let Ok(mut plan) = Plan::new(layout, scenario) else {
        return Ok(false);
    };
    let trial = panel.judge(&mut plan, &scenario.batch)?;
    Ok(shows(&trial, &mut plan, &scenario.batch, class) && can_be_written(scenario))
}

/// Whether what is written of a scenario is read as the same.
fn can_be_written(scenario: &Scenario) -> bool {
    let Ok(written) = text::write(scenario) else {
        return false;
    };
    let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
    let read = text::read("the smaller scenario", &written, &nothing);
    read.is_ok_and(|read| text::write(&read).is_ok_and(|again| again == written))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm::model::ModelArm;
    use crate::arm::{self, Arm, Judge};
    use crate::journey::{Answer, Fate, Step};
    use crate::node::Node;
    use crate::packet::{Connection, Family, Packet};
    use crate::render::table::Draft;
    use crate::verdict::{ArmName, NotProgrammed};
    use crate::xtables::{Firewall, RuleId};

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    /// A kernel that does as the model says, but loses TCP to a port now and then.
    struct Faulty {
        model: ModelArm,
        /// How often it loses: every time but where the count of firings is a multiple of this.
        spares_every: usize,
        fired: usize,
    }

    impl Arm for Faulty {
        fn name(&self) -> ArmName {
            ArmName::Legacy
        }

        fn program(&mut self, node: &Node, firewall: &Firewall) -> Result<(), Failure> {
            self.model.program(node, firewall)
        }

        fn refusal(
            &mut self,
            node: &Node,
            draft: &Draft,
            family: Family,
        ) -> Result<Option<NotProgrammed>, Failure> {
            self.model.refusal(node, draft, family)
        }

        fn fire(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
            self.model.fire(batch, answers)?;
            self.fired += 1;
            let spared = self.fired.is_multiple_of(self.spares_every);
            for (packet, answer) in batch.packets.iter().zip(answers) {
                let ports = packet.transport.ports().unwrap_or_default();
                if let Answer::Judged(possible) = answer
                    && ports.destination == 443
                    && !spared
                {
                    possible[0].journey.fate = Fate::Unhooked;
                }
            }
            Ok(())
        }

        fn fire_first(&mut self, batch: &Batch, answers: &mut Vec<Answer>) -> Result<(), Failure> {
            self.model.fire_first(batch, answers)
        }

        fn trace(
            &mut self,
            packet: &Packet,
            connections: &[Connection],
        ) -> Result<(Answer, Vec<Step>), Failure> {
            self.model.trace(packet, connections)
        }

        fn hits(&mut self) -> Result<Vec<(RuleId, u64)>, Failure> {
            self.model.hits()
        }
    }

    fn panel(spares_every: usize) -> Result<Panel, Failure> {
        let make = move |judge| -> Result<Box<dyn Arm>, Failure> {
            match judge {
                Judge::Model(_) => arm::make(judge),
                Judge::Kernel(backend) => Ok(Box::new(Faulty {
                    model: ModelArm::new(backend),
                    spares_every,
                    fired: 0,
                })),
            }
        };
        Panel::new(&Backend::BOTH, &[Backend::Legacy], &make)
    }

    const SCENARIO: &str = r#"
name: large
node:
  name: one
  interfaces:
    - { name: eth0, addresses: [10.0.0.1/24] }
    - { name: cali1 }
    - { name: cali2 }
  routes:
    - { destination: 172.16.1.1/32, to: !unicast { interface: cali1 } }
    - { destination: 172.16.1.2/32, to: !unicast { interface: cali2 } }
resources:
  - apiVersion: v1
    kind: policy
    metadata: { name: web }
    spec:
      selector: role == "web"
      ingress: [{ action: allow, protocol: tcp, destination: { ports: [443, 8443] } }]
      egress: [{ action: allow }]
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { name: eth0, workload: w1, orchestrator: cni, node: one, labels: { role: web } }
    spec: { interfaceName: cali1, ipNetworks: [172.16.1.1/32] }
  - apiVersion: v1
    kind: workloadEndpoint
    metadata: { name: eth0, workload: w2, orchestrator: k8s, node: one, labels: { role: other } }
    spec: { interfaceName: cali2, ipNetworks: [172.16.1.2/32] }
packets:
  - in=eth0 tcp 10.0.0.9:1024 > 172.16.1.1:443 mark=0x1
  - in=eth0 udp 10.0.0.9:1024 > 172.16.1.1:53
  - in=cali1 proto=4 172.16.1.1 > 10.0.0.9 ttl=3
"#;

    /// The scenario, and the first of its divergences by a panel.
    fn found(panel: &mut Panel) -> Result<(Scenario, usize, Class), Box<dyn std::error::Error>> {
        let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        let scenario = text::read("large.yaml", SCENARIO, &nothing)?;
        let mut plan = Plan::new(Layout::Seed, &scenario)?;
        let trial = panel.judge(&mut plan, &scenario.batch)?;
        let classes = trial.classes(&mut plan, &scenario.batch);
        let (packet, class) = classes.into_iter().next().ok_or("nothing diverges")?;
        Ok((scenario, packet, class))
    }

    #[test]
    fn a_divergence_from_what_is_meant_is_made_small_by_the_model() -> Outcome {
        let mut panel = panel(1)?;
        let (scenario, packet, class) = found(&mut panel)?;
        assert_eq!(packet, 2);
        assert!(!class.needs_a_kernel());
        let questions = Questions::default();
        let small = make_small(
            &mut panel,
            Layout::Seed,
            &scenario,
            packet,
            &class,
            questions,
        )?;
        let small = small.ok_or("not seen again")?;
        assert!(small.complete && small.asked < 1000, "{}", small.asked);
        assert!(is_of(&mut panel, Layout::Seed, &small.scenario, &class)?);
        let written = text::write(&small.scenario)?;
        assert!(written.lines().count() < 45, "{written}");
        assert!(
            !written.contains("ttl=3") && !written.contains("cali2"),
            "{written}"
        );
        Ok(())
    }

    #[test]
    fn what_a_kernel_takes_part_in_is_asked_of_it() -> Outcome {
        let mut panel = panel(usize::MAX)?;
        let (scenario, packet, class) = found(&mut panel)?;
        assert_eq!(packet, 0);
        assert!(class.needs_a_kernel(), "{class}");
        let mut plan = Plan::new(Layout::Seed, &scenario)?;
        let rate = fire_again(&mut panel, &mut plan, &scenario.batch, packet, &class)?;
        assert!(rate.is_certain());
        assert_eq!(class.clone().seen_again(rate), class);
        let questions = Questions::default();
        let small = make_small(
            &mut panel,
            Layout::Seed,
            &scenario,
            packet,
            &class,
            questions,
        )?;
        let small = small.ok_or("not seen again")?;
        let packets: Vec<String> = small
            .scenario
            .batch
            .packets
            .iter()
            .map(|one| one.to_string())
            .collect();
        assert_eq!(packets, ["in=eth0 tcp 10.0.0.9:40000 > 172.16.1.1:443"]);
        Ok(())
    }

    #[test]
    fn what_is_seen_now_and_then_is_a_class_of_its_own() -> Outcome {
        let mut panel = panel(3)?;
        let (scenario, packet, class) = found(&mut panel)?;
        let mut plan = Plan::new(Layout::Seed, &scenario)?;
        let rate = fire_again(&mut panel, &mut plan, &scenario.batch, packet, &class)?;
        assert!(0 < rate.seen && rate.seen < rate.fired, "{rate:?}");
        let sometimes = class.clone().seen_again(rate);
        assert_ne!(sometimes.id(), class.id());
        assert!(sometimes.differs.starts_with("sometimes: "), "{sometimes}");
        let never = Rate { seen: 0, ..rate };
        let once = class.clone().seen_again(never);
        assert!(once.id() != class.id() && once.id() != sometimes.id());
        Ok(())
    }

    #[test]
    fn what_is_not_seen_again_is_not_made_small() -> Outcome {
        let mut faulty = panel(usize::MAX)?;
        let (scenario, packet, class) = found(&mut faulty)?;
        let mut sound = panel(1)?;
        let questions = Questions::default();
        let small = make_small(
            &mut sound,
            Layout::Seed,
            &scenario,
            packet,
            &class,
            questions,
        )?;
        assert!(small.is_none());
        Ok(())
    }

    #[test]
    fn few_questions_are_an_end() -> Outcome {
        let mut panel = panel(1)?;
        let (scenario, packet, class) = found(&mut panel)?;
        let questions = Questions {
            model: 3,
            kernel: 3,
        };
        let small = make_small(
            &mut panel,
            Layout::Seed,
            &scenario,
            packet,
            &class,
            questions,
        )?;
        let small = small.ok_or("not seen again")?;
        assert!(!small.complete);
        assert!(is_of(&mut panel, Layout::Seed, &small.scenario, &class)?);
        Ok(())
    }
}
