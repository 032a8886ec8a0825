//! nf_tables over netlink: as much of it as the room's own chains need.
//!
//! Values and meanings: include/uapi/linux/netfilter/nf_tables.h. A transaction is atomic: packets meet
//! either all of it or nothing.

use nix::libc;

use super::nfnetlink::{ACKNOWLEDGE, Head, Writer, family_number};
use crate::packet::Family;
use crate::xtables::Hook;

const SUBSYSTEM: u8 = libc::NFNL_SUBSYS_NFTABLES as u8;
const CREATE: u16 = libc::NLM_F_CREATE as u16;
const APPEND: u16 = libc::NLM_F_APPEND as u16;
/// The register in which expressions hand on a value, and the one that holds the verdict.
const REGISTER: u32 = libc::NFT_REG_1 as u32;
const VERDICT_REGISTER: u32 = libc::NFT_REG_VERDICT as u32;

/// What ends a rule, or a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The packet ends.
    Drop,
    /// The packet goes on behind this chain.
    Accept,
}

impl Verdict {
    fn code(self) -> u32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
        }
    }
}

/// A piece of what nf_tables knows about a packet besides its bytes: `enum nft_meta_keys`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meta {
    /// `skb->priority`: a socket's `SO_PRIORITY`.
    Priority,
    /// The mark.
    Mark,
    /// The index of the interface that it came by.
    InInterface,
    /// The index of the interface that it leaves by.
    OutInterface,
    /// Whether the packet is traced.
    Trace,
}

impl Meta {
    fn key(self) -> u32 {
        match self {
            Self::Priority => 2,
            Self::Mark => 3,
            Self::InInterface => 4,
            Self::OutInterface => 5,
            Self::Trace => 12,
        }
    }
}

/// One step of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expression<'a> {
    /// Loads 16 bits at this offset of the internet header.
    Field(u32),
    /// Keeps these bits of the loaded 16.
    Mask(u16),
    /// Goes on only if the loaded 16 bits are these.
    Is(u16),
    /// Loads a piece of metadata.
    Load(Meta),
    /// Goes on only if the loaded metadata (32 bits in the machine's order) is this.
    IsNumber(u32),
    /// Writes a 32-bit number into metadata.
    Set(Meta, u32),
    /// Raises a flag in metadata.
    Raise(Meta),
    /// Loads the connection's state, and so keeps connection tracking switched on.
    ConnectionState,
    /// Takes the packet from connection tracking.
    Untrack,
    /// Logs to netlink.
    Log(Log<'a>),
    /// Ends the rule.
    Verdict(Verdict),
}

/// How a packet is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Log<'a> {
    /// To which group.
    pub(super) group: u16,
    /// With what before it.
    pub(super) prefix: &'a str,
    /// How many of its bytes.
    pub(super) bytes: u32,
    /// How many records may wait before all are sent; `None` for the group's own threshold.
    pub(super) threshold: Option<u16>,
}

/// What a chain that the kernel asks may do.
#[derive(Clone, Copy, Debug)]
pub(super) enum ChainKind {
    /// Look, mark and drop.
    Filter,
    /// Translate addresses.
    Nat,
}

impl ChainKind {
    fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Nat => "nat",
        }
    }
}

/// A chain that the kernel asks.
#[derive(Clone, Copy, Debug)]
pub(super) struct BaseChain<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What it is for.
    pub(super) kind: ChainKind,
    /// Where.
    pub(super) hook: Hook,
    /// When: lower first.
    pub(super) priority: i32,
    /// What happens at its end.
    pub(super) policy: Verdict,
}

/// Writes one transaction about one table: all that `content` writes happens at once.
pub(super) fn transaction(writer: &mut Writer, content: impl FnOnce(&mut Writer)) {
    let batch = |kind: libc::c_int, writer: &mut Writer| {
        let bytes = u16::try_from(kind).unwrap_or(0).to_be_bytes();
        let head = Head {
            subsystem: bytes[0],
            kind: bytes[1],
            flags: 0,
            family: 0,
            resource: libc::NFNL_SUBSYS_NFTABLES as u16,
        };
        writer.message(head, |_| {});
    };
    batch(libc::NFNL_MSG_BATCH_BEGIN, writer);
    content(writer);
    batch(libc::NFNL_MSG_BATCH_END, writer);
}

/// Writes messages about one table.
pub(super) struct Table<'a> {
    /// Where they are written.
    pub(super) writer: &'a mut Writer,
    /// The table's family.
    pub(super) family: Family,
    /// The table's name.
    pub(super) name: &'static str,
}

impl Table<'_> {
    fn message(&mut self, kind: libc::c_int, flags: u16, content: impl FnOnce(&mut Writer)) {
        let head = Head {
            subsystem: SUBSYSTEM,
            kind: u8::try_from(kind).unwrap_or(u8::MAX),
            flags: flags | ACKNOWLEDGE,
            family: family_number(self.family),
            resource: 0,
        };
        let name = self.name;
        self.writer.message(head, |writer| {
            // NFTA_TABLE_NAME, NFTA_CHAIN_TABLE and NFTA_RULE_TABLE are all 1.
            writer.text(1, name);
            content(writer);
        });
    }

    /// Makes the table empty, whether it was there or not.
    pub(super) fn renew(&mut self) {
        self.message(libc::NFT_MSG_NEWTABLE, CREATE, |_| {});
        self.message(libc::NFT_MSG_DELTABLE, 0, |_| {});
        self.message(libc::NFT_MSG_NEWTABLE, CREATE, |_| {});
    }

    /// Removes every rule of a chain.
    pub(super) fn flush(&mut self, chain: &str) {
        self.message(libc::NFT_MSG_DELRULE, 0, |writer| writer.text(2, chain));
    }

    /// Removes a chain without rules.
    pub(super) fn delete_chain(&mut self, name: &str) {
        self.message(libc::NFT_MSG_DELCHAIN, 0, |writer| writer.text(3, name));
    }

    /// Adds a chain that only rules could jump to.
    pub(super) fn add_chain(&mut self, name: &str) {
        self.message(libc::NFT_MSG_NEWCHAIN, CREATE, |writer| {
            writer.text(3, name);
        });
    }

    /// Adds a chain that the kernel asks.
    pub(super) fn add_base_chain(&mut self, chain: BaseChain) {
        self.message(libc::NFT_MSG_NEWCHAIN, CREATE, |writer| {
            writer.text(3, chain.name);
            writer.nest(4, |writer| {
                writer.number(1, hook_number(chain.hook));
                writer.number(2, chain.priority.cast_unsigned());
            });
            writer.number(5, chain.policy.code());
            writer.text(7, chain.kind.name());
        });
    }

    /// Appends a rule to a chain.
    pub(super) fn add_rule(&mut self, chain: &str, expressions: &[Expression]) {
        self.message(libc::NFT_MSG_NEWRULE, CREATE | APPEND, |writer| {
            writer.text(2, chain);
            writer.nest(4, |writer| {
                for expression in expressions {
                    write(writer, *expression);
                }
            });
        });
    }
}

/// `enum nf_inet_hooks`.
fn hook_number(hook: Hook) -> u32 {
    match hook {
        Hook::Prerouting => 0,
        Hook::Input => 1,
        Hook::Forward => 2,
        Hook::Output => 3,
        Hook::Postrouting => 4,
    }
}

fn write(writer: &mut Writer, expression: Expression) {
    match expression {
        Expression::Field(offset) => element(writer, "payload", |writer| {
            const NETWORK_HEADER: u32 = 1;
            writer.number(1, REGISTER);
            writer.number(2, NETWORK_HEADER);
            writer.number(3, offset);
            writer.number(4, 2);
        }),
        Expression::Mask(mask) => element(writer, "bitwise", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, REGISTER);
            writer.number(3, 2);
            data(writer, 4, &mask.to_be_bytes());
            data(writer, 5, &[0; 2]);
        }),
        Expression::Is(value) => compare(writer, 0, &value.to_be_bytes()),
        Expression::IsNumber(value) => compare(writer, 0, &value.to_ne_bytes()),
        Expression::Load(meta) => element(writer, "meta", |writer| {
            writer.number(1, REGISTER);
            writer.number(2, meta.key());
        }),
        Expression::Set(meta, value) => set(writer, meta, &value.to_ne_bytes()),
        Expression::Raise(meta) => set(writer, meta, &[1]),
        Expression::ConnectionState => element(writer, "ct", |writer| {
            const STATE: u32 = 0;
            writer.number(1, REGISTER);
            writer.number(2, STATE);
        }),
        Expression::Untrack => element(writer, "notrack", |_| {}),
        Expression::Log(log) => element(writer, "log", |writer| {
            writer.attribute(1, &log.group.to_be_bytes());
            writer.text(2, log.prefix);
            writer.number(3, log.bytes);
            if let Some(threshold) = log.threshold {
                writer.attribute(4, &threshold.to_be_bytes());
            }
        }),
        Expression::Verdict(verdict) => element(writer, "immediate", |writer| {
            writer.number(1, VERDICT_REGISTER);
            writer.nest(2, |writer| {
                writer.nest(2, |writer| writer.number(1, verdict.code()));
            });
        }),
    }
}

/// One element of a rule's list of expressions: its name and its attributes.
fn element(writer: &mut Writer, name: &str, content: impl FnOnce(&mut Writer)) {
    writer.nest(1, |writer| {
        writer.text(1, name);
        writer.nest(2, content);
    });
}

fn data(writer: &mut Writer, kind: u16, value: &[u8]) {
    writer.nest(kind, |writer| writer.attribute(1, value));
}

fn compare(writer: &mut Writer, operation: u32, value: &[u8]) {
    element(writer, "cmp", |writer| {
        writer.number(1, REGISTER);
        writer.number(2, operation);
        data(writer, 3, value);
    });
}

fn set(writer: &mut Writer, meta: Meta, value: &[u8]) {
    element(writer, "immediate", |writer| {
        writer.number(1, REGISTER);
        data(writer, 2, value);
    });
    element(writer, "meta", |writer| {
        writer.number(2, meta.key());
        writer.number(3, REGISTER);
    });
}
