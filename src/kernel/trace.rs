//! The kernel's own account of one packet: which rules matched, in order.
//!
//! `meta nftrace set 1` in the room's own chain switches tracing on for both backends without a rule in
//! the judged tables:
//!
//! * ip_tables tells every matched rule as a log record of group 0, if the family is bound to that log
//!   (net/ipv4/netfilter/ip_tables.c, `trace_packet`), with the mark *before* the rule's target;
//! * nf_tables tells it as a message of its own multicast group (net/netfilter/nf_tables_trace.c), with
//!   the mark *after* the rule, and names the rule by its handle.
//!
//! Rules that did not match are not told of.

use nix::libc;

use super::error::KernelError;
use super::namespace::Namespace;
use super::nfnetlink::{
    ACKNOWLEDGE, Attributes, Head, Message, Received, Socket, Writer, family_number, family_of,
    number,
};
use crate::journey::Step;
use crate::mark::Mark;
use crate::packet::Family;
use crate::xtables::{Backend, Chain, Firewall, Hook, Policy, TableName, Target};

/// `NFNLGRP_NFTRACE` as a bit of a socket's groups (linux/netfilter/nfnetlink.h).
const TRACE_GROUP: u32 = 1 << (libc::NFNLGRP_NFTRACE - 1);
/// The log group to which ip_tables' traces go (net/netfilter/nfnetlink_log.c, `default_loginfo`).
const LEGACY_GROUP: u16 = 0;

/// One rule that matched, or one chain that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event {
    family: Family,
    table: TableName,
    chain: String,
    place: Place,
    mark: Mark,
}

/// Where in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the rule of this number, from 0; at the chain's end, if there is none.
    Number(usize),
    /// At the rule of this handle.
    Handle(u64),
    /// At the chain's end.
    End,
}

/// Listens to the traces of one namespace.
pub(super) struct Tracer {
    backend: Backend,
    socket: Socket,
}

impl Tracer {
    /// Begins to listen; what is told from now on is there to be read.
    pub(super) fn open(namespace: &Namespace, backend: Backend) -> Result<Self, KernelError> {
        let socket = match backend {
            Backend::Legacy => {
                let mut socket = Socket::open(namespace)?;
                let mut writer = Writer::default();
                for family in Family::BOTH {
                    let command = libc::NFULNL_CFG_CMD_PF_BIND;
                    write_command(&mut writer, family_number(family), command);
                }
                write_command(&mut writer, 0, libc::NFULNL_CFG_CMD_BIND);
                socket.request(&writer, "bind to the trace's log group")?;
                socket
            }
            Backend::Nft => Socket::open_in_groups(namespace, TRACE_GROUP)?,
        };
        Ok(Self { backend, socket })
    }

    /// What has been told, as steps of rules of this firewall; the packet bore `mark` when it entered.
    pub(super) fn steps(
        mut self,
        namespace: &Namespace,
        firewall: &Firewall,
        mark: Mark,
    ) -> Result<Vec<Step>, KernelError> {
        let mut events = Vec::new();
        loop {
            let received = self
                .socket
                .receive()
                .map_err(|error| KernelError::system("read a trace", error))?;
            match received {
                Received::Bytes(length) => {
                    let event = |message| match self.backend {
                        Backend::Legacy => legacy_event(message),
                        Backend::Nft => nft_event(message),
                    };
                    events.extend(self.socket.messages(length).filter_map(event));
                }
                Received::Overrun => continue,
                Received::Nothing => break,
            }
        }
        if self.backend == Backend::Nft {
            // The end of a built-in chain is told twice: as a rule without a handle, then as the
            // policy.
            events.dedup_by(|next, event| event.place == Place::End && next == event);
            number_rules(namespace, &mut events)?;
        }
        let marks = marks(self.backend, &events, mark);
        Ok(steps(&events, &marks, firewall))
    }
}

/// Gives the log group back at once. Closing the socket is not enough: a child that another thread has
/// just forked holds a copy of it until it executes its program, and so long the group stays bound.
impl Drop for Tracer {
    fn drop(&mut self) {
        if self.backend == Backend::Legacy {
            let mut writer = Writer::default();
            write_command(&mut writer, 0, libc::NFULNL_CFG_CMD_UNBIND);
            // Where the kernel refuses, the group goes with the last copy of the socket.
            let _ = self.socket.request(&writer, "leave the trace's log group");
        }
    }
}

fn write_command(writer: &mut Writer, family: u8, command: libc::c_int) {
    let head = Head {
        subsystem: libc::NFNL_SUBSYS_ULOG as u8,
        kind: libc::NFULNL_MSG_CONFIG as u8,
        flags: ACKNOWLEDGE,
        family,
        resource: LEGACY_GROUP,
    };
    writer.message(head, |writer| {
        writer.attribute(libc::NFULA_CFG_CMD as u16, &[command as u8]);
    });
}

/// The record of a matched rule; `None` for others of that group, which are the ruleset's own.
fn legacy_event(message: Message) -> Option<Event> {
    let family = family_of(message.family())?;
    let mut mark = Mark::NONE;
    let mut prefix = None;
    for (kind, value) in message.attributes() {
        match libc::c_int::from(kind) {
            libc::NFULA_MARK => mark = Mark(number(value)?),
            libc::NFULA_PREFIX => prefix = text(value),
            _ => {}
        }
    }
    let (table, chain, rule) = legacy_place(prefix?)?;
    Some(Event {
        family,
        table,
        chain: chain.to_owned(),
        place: Place::Number(rule),
        mark,
    })
}

/// Reads `TRACE: filter:cali-FORWARD:rule:3 `. The third word is no use: an unconditional rule is called
/// `return` or `policy` like the chain's end (ip_tables.c, `get_chainname_rulenum`).
fn legacy_place(prefix: &str) -> Option<(TableName, &str, usize)> {
    let place = prefix.strip_prefix("TRACE: ")?.trim_end();
    let (rest, rule) = place.rsplit_once(':')?;
    let (rest, _) = rest.rsplit_once(':')?;
    let (table, chain) = rest.split_once(':')?;
    let rule: usize = rule.parse().ok()?;
    Some((TableName::parse(table)?, chain, rule.checked_sub(1)?))
}

/// `enum nft_trace_attributes` (linux/netfilter/nf_tables.h).
mod attribute {
    pub(super) const TABLE: u16 = 1;
    pub(super) const CHAIN: u16 = 2;
    pub(super) const RULE_HANDLE: u16 = 3;
    pub(super) const MARK: u16 = 14;
}

/// The message of a matched rule or a chain's end; `None` for the room's own table.
fn nft_event(message: Message) -> Option<Event> {
    let kind = libc::c_int::from(message.kind);
    let subsystem = libc::c_int::from(message.subsystem);
    if (subsystem, kind) != (libc::NFNL_SUBSYS_NFTABLES, libc::NFT_MSG_TRACE) {
        return None;
    }
    let mut table = None;
    let mut chain = None;
    let mut handle = None;
    let mut mark = Mark::NONE;
    for (kind, value) in message.attributes() {
        match kind {
            attribute::TABLE => table = TableName::parse(text(value)?),
            attribute::CHAIN => chain = text(value),
            attribute::RULE_HANDLE => handle = value.first_chunk().copied(),
            attribute::MARK => mark = Mark(number(value)?),
            _ => {}
        }
    }
    Some(Event {
        family: family_of(message.family())?,
        table: table?,
        chain: chain?.to_owned(),
        place: handle.map_or(Place::End, |handle| {
            Place::Handle(u64::from_be_bytes(handle))
        }),
        mark,
    })
}

fn text(value: &[u8]) -> Option<&str> {
    let end = value.iter().position(|byte| *byte == 0);
    std::str::from_utf8(&value[..end.unwrap_or(value.len())]).ok()
}

/// Puts numbers in the place of handles, by listing the rules of each table that was met.
fn number_rules(namespace: &Namespace, events: &mut [Event]) -> Result<(), KernelError> {
    let mut tables: Vec<(Family, TableName)> = events
        .iter()
        .map(|event| (event.family, event.table))
        .collect();
    tables.sort_unstable();
    tables.dedup();
    for (family, table) in tables {
        let handles = rule_handles(namespace, family, table)?;
        let here = events
            .iter_mut()
            .filter(|event| (event.family, event.table) == (family, table));
        for event in here {
            if let Place::Handle(handle) = event.place {
                let mut chain = handles.iter().filter(|(chain, _)| *chain == event.chain);
                let number = chain.position(|(_, known)| *known == handle);
                event.place = number.map_or(event.place, Place::Number);
            }
        }
    }
    Ok(())
}

/// Every rule of a table: its chain and its handle, in order.
fn rule_handles(
    namespace: &Namespace,
    family: Family,
    table: TableName,
) -> Result<Vec<(String, u64)>, KernelError> {
    /// `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN`, `NFTA_RULE_HANDLE`.
    const ATTRIBUTES: [u16; 3] = [1, 2, 3];
    let mut writer = Writer::default();
    let head = Head {
        subsystem: libc::NFNL_SUBSYS_NFTABLES as u8,
        kind: libc::NFT_MSG_GETRULE as u8,
        flags: libc::NLM_F_DUMP as u16,
        family: family_number(family),
        resource: 0,
    };
    writer.message(head, |writer| writer.text(ATTRIBUTES[0], table.as_str()));
    let mut handles = Vec::new();
    let mut socket = Socket::open(namespace)?;
    socket.dump(&writer, "list rules", |attributes: Attributes| {
        let mut chain = "";
        let mut handle = 0;
        for (kind, value) in attributes {
            if kind == ATTRIBUTES[1] {
                chain = text(value).unwrap_or_default();
            } else if kind == ATTRIBUTES[2] {
                handle = value
                    .first_chunk()
                    .map_or(0, |bytes| u64::from_be_bytes(*bytes));
            }
        }
        handles.push((chain.to_owned(), handle));
    })?;
    Ok(handles)
}

/// The mark before each event and after the last: ip_tables tells the mark before a rule, nf_tables the
/// one after, and in between nothing changes it.
fn marks(backend: Backend, events: &[Event], entering: Mark) -> Vec<Mark> {
    let mut told = events.iter().map(|event| event.mark);
    match backend {
        Backend::Legacy => told.clone().chain(told.next_back()).collect(),
        Backend::Nft => std::iter::once(entering).chain(told).collect(),
    }
}

fn steps(events: &[Event], marks: &[Mark], firewall: &Firewall) -> Vec<Step> {
    // A built-in chain is met before any that it leads to: the last one met says where the packet is.
    let mut hook = Hook::Prerouting;
    let mut steps = Vec::with_capacity(events.len());
    for (event, marks) in events.iter().zip(marks.windows(2)) {
        hook = Hook::of_chain(&event.chain).unwrap_or(hook);
        let chain = firewall
            .ruleset(event.family)
            .table(event.table)
            .and_then(|table| table.chain(&event.chain));
        let rules = chain.map_or(&[][..], |chain| &chain.rules);
        let rule = match event.place {
            Place::Number(number) => rules.get(number).map(|rule| (number, rule)),
            Place::Handle(_) | Place::End => None,
        };
        steps.push(Step {
            family: event.family,
            hook,
            table: event.table,
            chain: event.chain.clone(),
            rule: rule.map(|(number, _)| number),
            matched: Ok(()),
            did: match rule {
                Some((_, rule)) => did(&rule.target),
                None => ended(chain),
            },
            before: marks[0],
            after: marks[1],
        });
    }
    steps
}

/// What happens at a chain's end.
fn ended(chain: Option<&Chain>) -> String {
    match chain.and_then(|chain| chain.policy) {
        Some(Policy::Accept) => "policy ACCEPT",
        Some(Policy::Drop) => "policy DROP",
        None => "return",
    }
    .to_owned()
}

/// What a target does, in the tools' words.
fn did(target: &Target) -> String {
    let name = match target {
        Target::None => "goes on",
        Target::Accept => "ACCEPT",
        Target::Drop => "DROP",
        Target::Return => "RETURN",
        Target::Jump(chain) => return format!("jump {chain}"),
        Target::Goto(chain) => return format!("goto {chain}"),
        Target::Mark(_) => "MARK",
        Target::Connmark(_) => "CONNMARK",
        Target::Log(_) => "LOG",
        Target::Nflog(_) => "NFLOG",
        Target::Reject(_) => "REJECT",
        Target::Dnat(_) => "DNAT",
        Target::Snat(_) => "SNAT",
        Target::Masquerade(_) => "MASQUERADE",
        Target::Redirect(_) => "REDIRECT",
        Target::Netmap { .. } => "NETMAP",
        Target::Notrack => "NOTRACK",
        Target::Ct(_) => "CT",
        Target::TrafficClass(_) => "DSCP/TOS",
        Target::Hops(_) => "TTL/HL",
        Target::TcpMss(_) => "TCPMSS",
        Target::Trace => "TRACE",
        Target::Checksum => "CHECKSUM",
        Target::Opaque { name, .. } => name,
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_prefix_names_table_chain_and_rule() {
        let place = legacy_place("TRACE: filter:cali-FORWARD:rule:3 ");
        assert_eq!(place, Some((TableName::Filter, "cali-FORWARD", 2)));
        // A chain's name may hold colons.
        let place = legacy_place("TRACE: nat:a:b:policy:1 ");
        assert_eq!(place, Some((TableName::Nat, "a:b", 0)));
        assert_eq!(legacy_place("my own NFLOG prefix"), None);
        assert_eq!(legacy_place("TRACE: filter:x:rule:0 "), None);
    }
}
