//! What the tools or the kernel refuse of a ruleset, as far as a ruleset shows it: of iptables-legacy
//! what `translate_table` in net/ipv4/netfilter/ip_tables.c does, of iptables-nft what
//! `nft_table_validate` in net/netfilter/nf_tables_api.c and net/netfilter/nft_compat.c do.

use std::collections::BTreeSet;

use super::limit;
use super::native;
use super::program::{Action, ChainIndex, Program};
use crate::packet::{Family, Protocol, TcpFlags};
use crate::verdict::NotProgrammed;
use crate::xtables::matches::{Match, Not, PhysdevTest, StatefulKind, TcpTest};
use crate::xtables::ruleset::AddressMask;
use crate::xtables::target::{Reject, Target, TcpMss};
use crate::xtables::{Backend, Hook, Rule, RuleId, Table, TableName};

/// Who loads the rules: the tool of a backend and a family.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loader {
    /// The backend.
    pub(super) backend: Backend,
    /// The family.
    pub(super) family: Family,
}

/// Where a match or target may stand: in which tables (`None`: all), reached from which hooks
/// (`None`: all).
struct Place {
    tables: Option<&'static [TableName]>,
    hooks: Option<&'static [Hook]>,
}

const ANYWHERE: Place = Place {
    tables: None,
    hooks: None,
};

fn in_table(tables: &'static [TableName]) -> Place {
    Place {
        tables: Some(tables),
        hooks: None,
    }
}

fn reached_from(hooks: &'static [Hook]) -> Place {
    Place {
        tables: None,
        hooks: Some(hooks),
    }
}

fn nat(hooks: &'static [Hook]) -> Place {
    Place {
        tables: Some(&[TableName::Nat]),
        hooks: Some(hooks),
    }
}

/// The `.table` and `.hooks` of the targets' registrations.
fn target_place(target: &Target, backend: Backend) -> Place {
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    match target {
        Target::Reject(_) => Place {
            tables: Some(&[TableName::Filter]),
            hooks: Some(&[Input, Forward, Output]),
        },
        Target::Dnat(_) | Target::Redirect(_) => nat(&[Prerouting, Output]),
        Target::Snat(_) => nat(&[Postrouting, Input]),
        Target::Masquerade(_) => nat(&[Postrouting]),
        Target::Netmap { .. } => nat(&[Prerouting, Output, Postrouting, Input]),
        Target::Notrack | Target::Ct(_) => in_table(&[TableName::Raw]),
        Target::TrafficClass(_) | Target::Hops(_) | Target::Checksum => {
            in_table(&[TableName::Mangle])
        }
        // iptables-nft writes an expression of its own, which may stand anywhere (`add_meta_nftrace`).
        Target::Trace if backend == Backend::Legacy => in_table(&[TableName::Raw]),
        Target::TcpMss(TcpMss::Clamp) => reached_from(&[Forward, Output, Postrouting]),
        _ => ANYWHERE,
    }
}

/// The same of the matches.
fn match_place(one: &Match) -> Place {
    use Hook::{Forward, Input, Output, Postrouting, Prerouting};
    match one {
        Match::Rpfilter(_) => Place {
            tables: Some(&[TableName::Raw, TableName::Mangle]),
            hooks: Some(&[Prerouting]),
        },
        Match::Owner(_) => reached_from(&[Output, Postrouting]),
        Match::Mac(_) => reached_from(&[Prerouting, Input, Forward]),
        Match::Addrtype(test) if test.limit_out => reached_from(&[Forward, Output, Postrouting]),
        Match::Addrtype(test) if test.limit_in => reached_from(&[Prerouting, Input, Forward]),
        Match::Physdev(test) if wants_bridged_out(test) => {
            reached_from(&[Prerouting, Input, Forward, Postrouting])
        }
        Match::Stateful(test) if test.kind == StatefulKind::Policy => {
            let says = |word: &str| test.words.iter().any(|one| one == word);
            if says("in") {
                reached_from(&[Prerouting, Input, Forward])
            } else {
                reached_from(&[Forward, Output, Postrouting])
            }
        }
        _ => ANYWHERE,
    }
}

/// `physdev_mt_check`: an out port is known in OUTPUT only of bridged packets.
fn wants_bridged_out(test: &PhysdevTest) -> bool {
    let bridged = test.is_bridged.is_some_and(|one| !one.negated);
    (test.out_port.is_some() || test.is_out.is_some()) && !bridged
}

/// The protocol that a match's registration names (`.proto`).
fn match_protocol(one: &Match) -> Option<Protocol> {
    match one {
        Match::Tcp(_) => Some(Protocol::TCP),
        Match::Udp(_) => Some(Protocol::UDP),
        Match::Sctp(_) => Some(Protocol::SCTP),
        Match::Icmp(_) => Some(Protocol::ICMP),
        Match::Icmp6(_) => Some(Protocol::ICMP6),
        _ => None,
    }
}

fn places(rule: &Rule, backend: Backend) -> impl Iterator<Item = Place> + '_ {
    let matches = rule.matches.iter().map(match_place);
    matches.chain(std::iter::once(target_place(&rule.target, backend)))
}

/// How many chains below a built-in one nf_tables follows: NFT_JUMP_STACK_SIZE less one, for goto
/// counts like jump (`nft_immediate_validate` in net/netfilter/nft_immediate.c).
const DEEPEST: usize = 15;

impl Loader {
    /// A refusal by the tool.
    pub(super) fn refused(self, message: String) -> NotProgrammed {
        NotProgrammed {
            tool: self.backend.restore(self.family).to_owned(),
            message,
        }
    }

    /// Checks what a rule says by itself.
    ///
    /// # Errors
    ///
    /// A match or target that does not belong into the table, an interface that the built-in chain does
    /// not know, a match or target that wants another protocol, an address that can't be asked for.
    pub(super) fn check_rule(self, id: &RuleId, rule: &Rule) -> Result<(), NotProgrammed> {
        let fail = |what: &str| Err(self.refused(format!("{id}: {what}")));
        for place in places(rule, self.backend) {
            if place
                .tables
                .is_some_and(|tables| !tables.contains(&id.table))
            {
                return fail("a match or target does not belong into this table");
            }
        }
        match Hook::of_chain(&id.chain) {
            Some(Hook::Prerouting | Hook::Input) if rule.out_interface.is_some() => {
                return fail("`-o` can't be used in this chain");
            }
            Some(Hook::Output | Hook::Postrouting) if rule.in_interface.is_some() => {
                return fail("`-i` can't be used in this chain");
            }
            _ => {}
        }
        let is = |protocol| rule.protocol == Some(Not::is(protocol));
        if let Some(protocol) = rule
            .matches
            .iter()
            .find_map(|one| self.missing_protocol(rule, one))
        {
            return fail(&format!("a match wants `-p {protocol}`"));
        }
        if rule.target == Target::Reject(Reject::TcpReset) && !is(Protocol::TCP) {
            return fail("`tcp-reset` wants `-p tcp`");
        }
        let overflows =
            |one: &Match| matches!(one, Match::Stateful(test) if limit::overflows(test));
        if self.backend == Backend::Legacy && rule.matches.iter().any(overflows) {
            return fail("a limit is too slow for its burst");
        }
        if matches!(rule.target, Target::TcpMss(_)) {
            match self.backend {
                Backend::Legacy if !rule.matches.iter().any(asks_for_syn) => {
                    return fail("`TCPMSS` wants a match of SYN packets");
                }
                Backend::Nft if !is(Protocol::TCP) => return fail("`TCPMSS` wants `-p tcp`"),
                _ => {}
            }
        }
        if id.table == TableName::Nat && rule.target == Target::Drop {
            return fail("the nat table is not intended for filtering");
        }
        if let Target::Snat(range) | Target::Dnat(range) = &rule.target
            && range
                .addresses
                .is_some_and(|(first, _)| Family::of(first) != self.family)
        {
            // `parse_to` in extensions/libxt_NAT.c.
            return fail("an address of the other family to translate to");
        }
        let excludes_all = |test: &Option<Not<AddressMask>>| {
            test.is_some_and(|test| test.negated && test.value.mask.is_unspecified())
        };
        if self.backend == Backend::Nft
            && (excludes_all(&rule.source) || excludes_all(&rule.destination))
        {
            // `add_addr` in iptables/nft-shared.c: an expression that reads no bytes.
            return fail("a negated address without a mask is an invalid argument");
        }
        Ok(())
    }

    /// The protocol that a match wants and its rule does not ask for. For what iptables-nft writes by
    /// itself it compares the number alone, `!` or not.
    fn missing_protocol(self, rule: &Rule, one: &Match) -> Option<Protocol> {
        let wanted = match_protocol(one)?;
        let native = self.backend == Backend::Nft
            && match one {
                Match::Tcp(test) => native::tcp(test).is_some(),
                Match::Udp(test) => native::udp(test).is_some(),
                _ => false,
            };
        let asks = rule
            .protocol
            .is_some_and(|one| one.value == wanted && (native || !one.negated));
        (!asks).then_some(wanted)
    }

    /// Checks that no match or target can be reached from a hook that it does not know.
    ///
    /// # Errors
    ///
    /// One that can.
    pub(super) fn check_hooks(self, program: &Program, table: &Table) -> Result<(), NotProgrammed> {
        let chains = program.chains.len() - table.chains.len();
        for hook in Hook::ALL {
            let Some(start) = table.chains.iter().position(|one| one.name == hook.chain()) else {
                continue;
            };
            for place in self.reached(program, chains + start) {
                let chain = &table.chains[place - chains];
                for (index, rule) in chain.rules.iter().enumerate() {
                    let wrong = places(rule, self.backend)
                        .any(|place| place.hooks.is_some_and(|hooks| !hooks.contains(&hook)));
                    if wrong {
                        return Err(self.refused(format!(
                            "{}/{} rule {}: a match or target can't be reached from {hook}",
                            table.name,
                            chain.name,
                            index + 1
                        )));
                    }
                }
            }
        }
        Ok(())
    }

    /// The chains that can be reached from one, itself included.
    fn reached(self, program: &Program, start: usize) -> Vec<usize> {
        let mut seen = vec![start];
        let mut next = 0;
        while let Some(chain) = seen.get(next).copied() {
            next += 1;
            for called in self.calls(program, chain) {
                if !seen.contains(&called) {
                    seen.push(called);
                }
            }
        }
        seen
    }

    fn calls(self, program: &Program, chain: usize) -> Vec<usize> {
        let chain = &program.chains[chain];
        let mut called = Vec::new();
        for rule in &program.rules[chain.first as usize..chain.end as usize] {
            match rule.action {
                Action::Jump(index) | Action::Goto(index) => called.push(index.0 as usize),
                // Behind an unconditional verdict ip_tables looks at nothing (`mark_source_chains`).
                Action::Accept | Action::Drop | Action::Return
                    if rule.first == rule.end && self.backend == Backend::Legacy =>
                {
                    break;
                }
                _ => {}
            }
        }
        called
    }

    /// Checks how the chains that a built-in chain reaches call each other; those that nothing reaches
    /// are not looked at.
    ///
    /// # Errors
    ///
    /// A loop; behind iptables-nft also chains that call each other too deep.
    pub(super) fn check_calls(
        self,
        program: &Program,
        built_in: impl Iterator<Item = ChainIndex>,
    ) -> Result<(), NotProgrammed> {
        match self.backend {
            Backend::Legacy => self.reject_loops(program, built_in),
            Backend::Nft => self.reject_depth(program, built_in),
        }
    }

    /// `mark_source_chains` in ip_tables.c answers ELOOP.
    fn reject_loops(
        self,
        program: &Program,
        built_in: impl Iterator<Item = ChainIndex>,
    ) -> Result<(), NotProgrammed> {
        let mut colors = vec![Color::Unseen; program.chains.len()];
        for start in built_in {
            if let Some(chain) = self.find_loop(program, start.0 as usize, &mut colors) {
                let chain = &program.chains[chain];
                let message = format!("chain `{}` of {} calls itself", chain.name, chain.table);
                return Err(self.refused(message));
            }
        }
        Ok(())
    }

    /// Walks without recursion: chains can be nested thousands deep.
    fn find_loop(self, program: &Program, start: usize, colors: &mut [Color]) -> Option<usize> {
        if colors[start] != Color::Unseen {
            return None;
        }
        colors[start] = Color::OnTheWay;
        let mut path = vec![(start, self.calls(program, start))];
        while let Some((chain, left)) = path.last_mut() {
            match left.pop() {
                None => {
                    colors[*chain] = Color::Done;
                    path.pop();
                }
                Some(called) => match colors[called] {
                    Color::OnTheWay => return Some(called),
                    Color::Done => {}
                    Color::Unseen => {
                        colors[called] = Color::OnTheWay;
                        path.push((called, self.calls(program, called)));
                    }
                },
            }
        }
        None
    }

    /// `nft_chain_validate` in nf_tables_api.c answers EMLINK, to a loop too.
    fn reject_depth(
        self,
        program: &Program,
        built_in: impl Iterator<Item = ChainIndex>,
    ) -> Result<(), NotProgrammed> {
        let mut level: BTreeSet<usize> = built_in.map(|chain| chain.0 as usize).collect();
        for _ in 0..=DEEPEST {
            let called = level.iter().flat_map(|chain| self.calls(program, *chain));
            level = called.collect();
        }
        match level.first() {
            None => Ok(()),
            Some(chain) => {
                let chain = &program.chains[*chain];
                Err(self.refused(format!(
                    "chain `{}` of {} is called more than {DEEPEST} chains deep, or by itself",
                    chain.name, chain.table
                )))
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Color {
    Unseen,
    OnTheWay,
    Done,
}

/// `find_syn_match` in xt_TCPMSS.c.
fn asks_for_syn(one: &Match) -> bool {
    let Match::Tcp(TcpTest {
        flags: Some(flags), ..
    }) = one
    else {
        return false;
    };
    !flags.negated && flags.value.compare & TcpFlags::SYN.0 != 0
}
