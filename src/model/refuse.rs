//! What the tools or the kernel refuse of a ruleset, as far as a ruleset shows it. Where backends
//! differ this follows iptables-legacy and `translate_table` in net/ipv4/netfilter/ip_tables.c.

use super::program::{Action, ChainIndex, Program};
use crate::packet::{Family, Protocol, TcpFlags};
use crate::verdict::NotProgrammed;
use crate::xtables::matches::{Match, PhysdevTest, StatefulKind, TcpTest};
use crate::xtables::target::{Reject, Target, TcpMss};
use crate::xtables::{Hook, Rule, RuleId, Table, TableName};

/// A refusal by the family's tool.
pub(super) fn refused(family: Family, message: String) -> NotProgrammed {
    let tool = match family {
        Family::V4 => "iptables-restore",
        Family::V6 => "ip6tables-restore",
    };
    NotProgrammed {
        tool: tool.to_owned(),
        message,
    }
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
fn target_place(target: &Target) -> Place {
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
        Target::Trace => in_table(&[TableName::Raw]),
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

fn places(rule: &Rule) -> impl Iterator<Item = Place> + '_ {
    let matches = rule.matches.iter().map(match_place);
    matches.chain(std::iter::once(target_place(&rule.target)))
}

/// Checks what a rule says by itself.
///
/// # Errors
///
/// A match or target that does not belong into the table, an interface that the built-in chain does
/// not know, a target that wants another protocol.
pub(super) fn check_rule(id: &RuleId, rule: &Rule) -> Result<(), NotProgrammed> {
    let fail = |what: &str| Err(refused(id.family, format!("{id}: {what}")));
    for place in places(rule) {
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
    let is = |protocol| {
        rule.protocol
            .is_some_and(|one| !one.negated && one.value == protocol)
    };
    if let Some(protocol) = rule
        .matches
        .iter()
        .filter_map(match_protocol)
        .find(|one| !is(*one))
    {
        return fail(&format!("a match wants `-p {protocol}`"));
    }
    if rule.target == Target::Reject(Reject::TcpReset) && !is(Protocol::TCP) {
        return fail("`tcp-reset` wants `-p tcp`");
    }
    if matches!(rule.target, Target::TcpMss(_)) && !rule.matches.iter().any(asks_for_syn) {
        return fail("`TCPMSS` wants a match of SYN packets");
    }
    if id.table == TableName::Nat && rule.target == Target::Drop {
        return fail("the nat table is not intended for filtering");
    }
    Ok(())
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

/// Checks that no match or target can be reached from a hook that it does not know.
///
/// # Errors
///
/// One that can.
pub(super) fn check_hooks(
    program: &Program,
    family: Family,
    table: &Table,
) -> Result<(), NotProgrammed> {
    let chains = program.chains.len() - table.chains.len();
    for hook in Hook::ALL {
        let Some(start) = table.chains.iter().position(|one| one.name == hook.chain()) else {
            continue;
        };
        for place in reached(program, chains + start) {
            let chain = &table.chains[place - chains];
            for (index, rule) in chain.rules.iter().enumerate() {
                let wrong = places(rule)
                    .any(|place| place.hooks.is_some_and(|hooks| !hooks.contains(&hook)));
                if wrong {
                    let message = format!(
                        "{}/{} rule {}: a match or target can't be reached from {hook}",
                        table.name,
                        chain.name,
                        index + 1
                    );
                    return Err(refused(family, message));
                }
            }
        }
    }
    Ok(())
}

/// The chains that can be reached from one, itself included.
fn reached(program: &Program, start: usize) -> Vec<usize> {
    let mut seen = vec![start];
    let mut next = 0;
    while let Some(chain) = seen.get(next).copied() {
        next += 1;
        for called in calls(program, chain) {
            if !seen.contains(&called) {
                seen.push(called);
            }
        }
    }
    seen
}

fn calls(program: &Program, chain: usize) -> Vec<usize> {
    let chain = &program.chains[chain];
    let mut called = Vec::new();
    for rule in &program.rules[chain.first as usize..chain.end as usize] {
        match rule.action {
            Action::Jump(index) | Action::Goto(index) => called.push(index.0 as usize),
            // Behind an unconditional verdict nothing is looked at (`mark_source_chains`).
            Action::Accept | Action::Drop | Action::Return if rule.first == rule.end => break,
            _ => {}
        }
    }
    called
}

/// Checks that no chain that a built-in chain reaches calls itself (`mark_source_chains` in
/// ip_tables.c answers ELOOP; chains that nothing reaches are not looked at).
///
/// # Errors
///
/// A loop.
pub(super) fn reject_loops(
    program: &Program,
    family: Family,
    built_in: impl Iterator<Item = ChainIndex>,
) -> Result<(), NotProgrammed> {
    let mut colors = vec![Color::Unseen; program.chains.len()];
    for start in built_in {
        if let Some(chain) = find_loop(program, start.0 as usize, &mut colors) {
            let chain = &program.chains[chain];
            let message = format!("chain `{}` of {} calls itself", chain.name, chain.table);
            return Err(refused(family, message));
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Color {
    Unseen,
    OnTheWay,
    Done,
}

/// Walks without recursion: chains can be nested thousands deep.
fn find_loop(program: &Program, start: usize, colors: &mut [Color]) -> Option<usize> {
    if colors[start] != Color::Unseen {
        return None;
    }
    colors[start] = Color::OnTheWay;
    let mut path = vec![(start, calls(program, start))];
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
                    path.push((called, calls(program, called)));
                }
            },
        }
    }
    None
}
