//! One plan before all judges: intent and both readings of the rules first, which need no kernel, then the
//! kernels.

use std::borrow::Cow;
use std::fmt;

use crate::arm::plan::{Bench, Plan, refusal};
use crate::arm::{Arm, Failure, Judge};
use crate::diff::class::{Class, Evidence};
use crate::diff::judgement::{Division, Outcome, Reading, Said};
use crate::intent::{self, Clause, Opinion, Verdict};
use crate::journey::{Answer, Step, Unjudged};
use crate::model::{Connections, Sequence};
use crate::node::Node;
use crate::packet::{Batch, Connection, Family, Order, Packet};
use crate::verdict::NotProgrammed;
use crate::xtables::Backend;

use super::MakeArm;
use super::finding::Divergence;

/// A packet as it is to the rest of the node where the intent defers: what a `doNotTrack` policy allows is
/// untracked (I12), and so nobody behind it translates it or knows its connection.
fn as_left<'a>(packet: &'a Packet, opinion: &Opinion) -> Cow<'a, Packet> {
    match opinion.clauses.has(Clause::I12Allows) {
        true => Cow::Owned(Packet {
            untracked: true,
            ..packet.clone()
        }),
        false => Cow::Borrowed(packet),
    }
}

/// What intent and model say of a batch.
#[derive(Clone, Debug, Default)]
pub struct Expected {
    /// The intent's opinions, one a packet; none where Calico does not run on the node.
    pub opinions: Vec<Opinion>,
    /// The model's answers behind each backend that is asked about, one a packet.
    pub models: [Vec<Answer>; 2],
    /// The model's answers without Calico's rules, where the intent defers.
    pub without: [Vec<Option<Answer>>; 2],
    /// Of a sequence, the connections that there were when each packet came.
    pub known: Vec<Vec<Connection>>,
    /// What a sequence leaves in the end.
    pub left: Sequence,
}

impl Expected {
    /// What a plan's judges say of a batch, by these backends' readings.
    #[must_use]
    pub fn of(bench: &mut Bench<'_>, backends: &[Backend], batch: &Batch) -> Self {
        if batch.order == Order::InSequence {
            return Self::behind(bench, backends, batch, Sequence::new(&batch.connections));
        }
        let mut expected = Self::default();
        let connections = Connections::new(&batch.connections);
        if let Some(calico) = &mut bench.calico {
            let known = intent::Connections::new(&batch.connections);
            let packets = batch.packets.iter();
            expected.opinions = packets
                .map(|packet| calico.opinion(packet, &known, &connections))
                .collect();
        }
        for backend in backends {
            let place = backend.place();
            let machine = &mut bench.machines[place];
            let packets = batch.packets.iter();
            expected.models[place] = packets
                .map(|packet| machine.judge(&connections, packet))
                .collect();
            if let Some(calico) = &mut bench.calico {
                let without = &mut calico.without[place];
                let packets = batch.packets.iter().zip(&expected.opinions);
                let answers = packets.map(|(packet, opinion)| {
                    let asked = opinion.verdict == Verdict::Defer;
                    asked.then(|| without.judge(&connections, &as_left(packet, opinion)))
                });
                expected.without[place] = answers.collect();
            }
        }
        expected
    }

    /// The same of packets each of which meets what those before it have left. Where the readings part on that,
    /// nobody can say what the intent is to know, and the rest is not judged.
    fn behind(
        bench: &mut Bench<'_>,
        backends: &[Backend],
        batch: &Batch,
        mut sequence: Sequence,
    ) -> Self {
        let mut expected = Self::default();
        for packet in &batch.packets {
            expected.known.push(sequence.connections().to_vec());
            if let Some(calico) = &mut bench.calico {
                let known = intent::Connections::new(sequence.connections());
                let opinion = calico.opinion(packet, &known, sequence.table());
                expected.opinions.push(opinion);
            }
            let mut next: Option<Sequence> = None;
            for backend in backends {
                let place = backend.place();
                let mut after = sequence.clone();
                if let Some(calico) = &mut bench.calico {
                    let opinion = expected.opinions.last();
                    let asked = opinion.filter(|opinion| opinion.verdict == Verdict::Defer);
                    let without = &mut calico.without[place];
                    let answer = asked
                        .map(|opinion| without.judge(sequence.table(), &as_left(packet, opinion)));
                    expected.without[place].push(answer);
                }
                let answer = bench.machines[place].follow(&mut after, packet);
                expected.models[place].push(answer);
                let parts = next.as_ref().is_some_and(|next| !next.agrees(&after));
                let next = next.get_or_insert(after);
                if parts {
                    let message = "the backends part on an earlier packet of the sequence";
                    next.lose(Unjudged::Other(message.to_owned()));
                }
            }
            sequence = next.unwrap_or_default();
        }
        expected.left = sequence;
        expected
    }

    /// The connections that there were when a packet of the batch came, and that it may have to do with.
    #[must_use]
    pub fn connections(&self, batch: &Batch, packet: usize) -> Vec<Connection> {
        let known = self.known.get(packet).unwrap_or(&batch.connections);
        Divergence::touching(known, &batch.packets[packet])
    }

    /// What everybody says of one packet of the batch. `kernels` has the kernels' answers, one a packet.
    #[must_use]
    pub fn said<'a>(
        &'a self,
        node: &'a Node,
        kernels: [Option<&'a [Answer]>; 2],
        packet: usize,
    ) -> Said<'a> {
        let reading = |backend: Backend| {
            let place = backend.place();
            Some(Reading {
                model: self.models[place].get(packet)?,
                without: self.without[place].get(packet).and_then(Option::as_ref),
                kernel: kernels[place].and_then(|answers| answers.get(packet)),
            })
        };
        Said {
            node,
            opinion: self.opinions.get(packet),
            readings: Backend::BOTH.map(reading),
        }
    }
}

/// The class of a divergence on one packet of a batch.
///
/// # Errors
///
/// None that the plan's making has not seen.
pub fn classify(
    plan: &mut Plan,
    one: &Packet,
    connections: &[Connection],
    said: Said<'_>,
    division: &Division,
) -> Class {
    let ways = plan
        .machine(division.backend())
        .ways(&Connections::new(connections), one);
    Class::of(&Evidence {
        said,
        division,
        firewall: &plan.firewall,
        ways: &ways,
        calico: plan.calico.as_ref(),
        packet: one,
        connections,
    })
}

/// The kernels that are asked, and the backends whose readings are.
pub struct Panel {
    backends: Vec<Backend>,
    kernels: Vec<(Backend, Box<dyn Arm>)>,
}

/// What a panel says of a plan and a batch.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// What intent and model say.
    pub expected: Expected,
    /// What the kernels did, one answer a packet; `None` where a kernel was not asked.
    pub kernels: [Option<Vec<Answer>>; 2],
    /// Where model and tools differ on whether rules can be loaded, in words.
    pub loading: Vec<Loading>,
}

/// Model and tools differ on whether a family's rules can be loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loading {
    /// Whose tools.
    pub backend: Backend,
    /// Which family's rules; `None` where it is the firewall as a whole.
    pub family: Option<Family>,
    /// Why the model says that they are refused.
    pub model: Option<NotProgrammed>,
    /// Why the tools refuse them.
    pub kernel: Option<NotProgrammed>,
}

impl Panel {
    /// A panel that reads the rules as these backends do, and asks the kernels behind some of them.
    ///
    /// # Errors
    ///
    /// Where the machine lacks what a kernel's arm needs.
    pub fn new(
        backends: &[Backend],
        kernels: &[Backend],
        make: MakeArm<'_>,
    ) -> Result<Self, Failure> {
        let kernels = kernels.iter().map(|backend| {
            let arm = make(Judge::Kernel(*backend))?;
            Ok((*backend, arm))
        });
        Ok(Self {
            backends: backends.to_vec(),
            kernels: kernels.collect::<Result<_, Failure>>()?,
        })
    }

    /// The same readings, and no kernel.
    #[must_use]
    pub fn without_kernels(&self) -> Self {
        Self {
            backends: self.backends.clone(),
            kernels: Vec::new(),
        }
    }

    /// Puts a plan and a batch before everybody.
    ///
    /// # Errors
    ///
    /// Where an arm is broken: never a verdict.
    pub fn judge(&mut self, plan: &mut Plan, batch: &Batch) -> Result<Trial, Failure> {
        let mut trial = Trial::default();
        if let Ok(mut bench) = plan.bench() {
            trial.expected = Expected::of(&mut bench, &self.backends, batch);
        }
        for (backend, arm) in &mut self.kernels {
            trial
                .loading
                .extend(differing_refusals(plan, *backend, arm.as_mut())?);
            if trial.program(plan, *backend, arm.as_mut())? {
                let mut answers = Vec::new();
                arm.fire(batch, &mut answers)?;
                trial.kernels[backend.place()] = Some(answers);
            }
        }
        Ok(trial)
    }

    /// Puts a sequence before everybody whose second part comes where another plan is programmed. What a part's
    /// packets leave, the kernels keep themselves.
    ///
    /// # Errors
    ///
    /// As [`Panel::judge`].
    pub fn judge_changed(
        &mut self,
        mut parts: [(&mut Plan, &Batch); 2],
    ) -> Result<[Trial; 2], Failure> {
        let mut trials = [Trial::default(), Trial::default()];
        let mut left = None;
        for ((plan, batch), trial) in parts
            .iter_mut()
            .map(|(plan, batch)| (&mut **plan, *batch))
            .zip(&mut trials)
        {
            let start = left
                .take()
                .unwrap_or_else(|| Sequence::new(&batch.connections));
            if let Ok(mut bench) = plan.bench() {
                trial.expected = Expected::behind(&mut bench, &self.backends, batch, start);
            }
            left = Some(trial.expected.left.clone());
        }
        for (backend, arm) in &mut self.kernels {
            for (place, (plan, batch)) in parts.iter_mut().enumerate() {
                let trial = &mut trials[place];
                let refused = differing_refusals(plan, *backend, arm.as_mut())?;
                trial.loading.extend(refused);
                if !trial.program(plan, *backend, arm.as_mut())? {
                    break;
                }
                let mut answers = Vec::new();
                match place {
                    0 => arm.fire_first(batch, &mut answers)?,
                    _ => arm.fire(batch, &mut answers)?,
                }
                trial.kernels[backend.place()] = Some(answers);
            }
        }
        Ok(trials)
    }

    /// One packet's way through a kernel, rule by rule.
    ///
    /// # Errors
    ///
    /// Where an arm is broken.
    pub fn trace(
        &mut self,
        backend: Backend,
        packet: &Packet,
        connections: &[Connection],
    ) -> Result<Option<(Answer, Vec<Step>)>, Failure> {
        let mut arms = self.kernels.iter_mut();
        let arm = arms.find(|(name, _)| *name == backend);
        arm.map(|(_, arm)| arm.trace(packet, connections))
            .transpose()
    }
}

/// Where model and tools differ on whether the rules are taken that a plan leaves out.
pub(super) fn differing_refusals(
    plan: &Plan,
    backend: Backend,
    arm: &mut dyn Arm,
) -> Result<Vec<Loading>, Failure> {
    let mut differing = Vec::new();
    for family in Family::BOTH {
        let Some(calico) = plan
            .calico
            .as_ref()
            .filter(|calico| calico.refused(family).is_some())
        else {
            continue;
        };
        let kernel = arm.refusal(&plan.node, &calico.draft, family)?;
        differing.extend(Loading::of(plan, backend, family, kernel));
    }
    Ok(differing)
}

impl Loading {
    /// What the tools made of a family's rules that a plan leaves out, if the model foretells otherwise.
    pub(super) fn of(
        plan: &Plan,
        backend: Backend,
        family: Family,
        kernel: Option<NotProgrammed>,
    ) -> Option<Self> {
        let draft = &plan.calico.as_ref()?.draft;
        let model = refusal(backend, &plan.node, draft, family);
        (model.is_some() != kernel.is_some()).then_some(Self {
            backend,
            family: Some(family),
            model,
            kernel,
        })
    }
}

impl fmt::Display for Loading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = match self.family {
            Some(Family::V4) => "Felix's rules of IPv4",
            Some(Family::V6) => "Felix's rules of IPv6",
            None => "the rules",
        };
        let says = |why: &Option<NotProgrammed>| match why {
            None => "taken".to_owned(),
            Some(why) => format!("refused ({})", why.message),
        };
        let (model, kernel) = (says(&self.model), says(&self.kernel));
        write!(
            f,
            "{of} are {model} by the model and {kernel} by {}",
            self.backend
        )
    }
}

impl Trial {
    /// Programs a plan; where its rules are refused, that is noted.
    fn program(
        &mut self,
        plan: &Plan,
        backend: Backend,
        arm: &mut dyn Arm,
    ) -> Result<bool, Failure> {
        match arm.program(&plan.node, &plan.firewall) {
            Ok(()) => Ok(true),
            Err(Failure::Refused(why)) => {
                self.loading.push(Loading {
                    backend,
                    family: None,
                    model: None,
                    kernel: Some(why),
                });
                Ok(false)
            }
            Err(broken) => Err(broken),
        }
    }

    /// What everybody says of one packet.
    #[must_use]
    pub fn said<'a>(&'a self, node: &'a Node, packet: usize) -> Said<'a> {
        let kernels = [0, 1].map(|place: usize| self.kernels[place].as_deref());
        self.expected.said(node, kernels, packet)
    }

    /// Who agrees with whom on one packet.
    #[must_use]
    pub fn outcome(&self, node: &Node, packet: usize) -> Outcome {
        self.said(node, packet).outcome()
    }

    /// Every packet on which somebody differs, with its class.
    #[must_use]
    pub fn classes(&self, plan: &mut Plan, batch: &Batch) -> Vec<(usize, Class)> {
        let node = plan.node.clone();
        let mut classes = Vec::new();
        for packet in 0..batch.packets.len() {
            let said = self.said(&node, packet);
            if let Outcome::Differ(division) = said.outcome() {
                let connections = self.expected.connections(batch, packet);
                let one = &batch.packets[packet];
                classes.push((packet, classify(plan, one, &connections, said, &division)));
            }
        }
        classes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Layout;
    use crate::scenario::Scenario;
    use crate::scenario::text;

    type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

    /// A workload that one packet comes to, and what else it is told.
    fn scenario(more: &str) -> Result<Scenario> {
        let scenario = format!(
            "name: rates\n\
             node:\n  name: node\n  interfaces: [{{ name: eth0, addresses: [192.168.40.1/24] }}, {{ name: cali1 }}]\n  \
             routes: [{{ destination: 10.65.0.1/32, to: {{ unicast: {{ interface: cali1 }} }} }}]\n  forwards_v4: true\n\
             resources:\n\
             - {{ apiVersion: projectcalico.org/v3, kind: GlobalNetworkPolicy, metadata: {{ name: all }}, \
             spec: {{ selector: all(), ingress: [{{ action: Allow }}] }} }}\n\
             - apiVersion: projectcalico.org/v3\n  kind: WorkloadEndpoint\n  \
             metadata: {{ name: node-k8s-one-eth0, namespace: default }}\n  \
             spec: {{ node: node, orchestrator: k8s, pod: one, endpoint: eth0, interfaceName: cali1, \
             ipNetworks: [10.65.0.1/32]{more} }}\n\
             packets: [in=eth0 udp 192.168.40.2:40000 > 10.65.0.1:53]\n"
        );
        let nothing = |_: &str| Err(std::io::ErrorKind::NotFound.into());
        Ok(text::read("a test", &scenario, &nothing)?)
    }

    fn outcome(plan: &mut Plan, scenario: &Scenario) -> Result<Outcome> {
        let expected = Expected::of(&mut plan.bench()?, &[Backend::Legacy], &scenario.batch);
        Ok(expected.said(&plan.node, [None, None], 0).outcome())
    }

    #[test]
    fn who_limits_packets_is_meant_to_hold_some_back() -> Result<()> {
        let rate = ", qosControls: { ingressPacketRate: 100, ingressPacketBurst: 5 }";
        let (limited, plain) = (scenario(rate)?, scenario("")?);
        let mut plan = Plan::new(Layout::Modern, &limited)?;
        assert!(matches!(outcome(&mut plan, &limited)?, Outcome::Agree));
        // The rules of who limits nothing let everything through.
        let without = Plan::new(Layout::Modern, &plain)?;
        let mut lost = plan.with_firewall(without.firewall.clone())?;
        let said = outcome(&mut lost, &limited)?;
        assert!(matches!(said, Outcome::Differ(_)), "{said:?}");
        Ok(())
    }
}
