//! The room's own chains: what they preset, where they look, where they steal.
//!
//! One nf_tables table a family, whatever backend the judged rules use; neither iptables-nft nor
//! iptables-legacy knows it. By priority:
//!
//! * -450, before reassembly (-400) and connection tracking (-200): arriving packets get the mark, or
//!   the freedom from tracking, that the preset in their tag stands for; the node's own get theirs from
//!   their socket (`SO_MARK`, and `SO_PRIORITY` for freedom from tracking);
//! * -449: the entry of every hook;
//! * -401: the packet that is traced is marked so;
//! * behind a table, at its priority + 1: the point after it;
//! * the last points of INPUT and POSTROUTING, right before connections are confirmed
//!   (`NF_IP_PRI_CONNTRACK_CONFIRM`, the highest number): they look, then drop. So nothing enters the
//!   connection table, packets don't disturb each other, and the node answers nothing. What leaves by
//!   `lo` goes on: its second half, PREROUTING and INPUT, is part of its way;
//! * behind that: what comes in sequence is dropped where its connection has been confirmed. Those chains
//!   have the highest number too. Of equal ones the kernel asks the one that came last first
//!   (net/netfilter/core.c, `nf_hook_entries_grow`), so they are there before connection tracking is.
//!
//! A second table stays as long as the namespace. A chain that nothing jumps to loads the connection's
//! state, and empty nat chains stand at the hooks: so connection tracking, with it reassembly, and address
//! translation are on whatever the rules are, as on every node that runs Calico. Without it they would
//! hang on the rulesets that a room has seen, because ip_tables never lets go of a table.

use super::nflog::{FENCE_PREFIX, GROUP};
use super::nfnetlink::Writer;
use super::nftables::{BaseChain, ChainKind, Expression, Log, Meta, Table, Verdict, transaction};
use crate::journey::{Point, Points};
use crate::mark::Mark;
use crate::packet::wire::Tag;
use crate::packet::{Family, Origin, Packet};
use crate::xtables::{Backend, Hook, TableName};

/// The table's name in both families.
const TABLE: &str = "calidiff";
/// The name of the table that stays.
const GROUND: &str = "calidiff-ground";
const PRESETS: &str = "presets";
const TRACED: &str = "traced";
/// The index of `lo` in every namespace.
pub(super) const LOOPBACK_INDEX: u32 = 1;
const PRESET_PRIORITY: i32 = -450;
const ENTRY_PRIORITY: i32 = -449;
const TRACE_PRIORITY: i32 = -401;
const LAST_PRIORITY: i32 = i32::MAX - 1;
const CONFIRMED_PRIORITY: i32 = i32::MAX;

/// Where packets that have come through are taken away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Steals {
    /// Before their connections are confirmed.
    #[default]
    Before,
    /// Behind that.
    Behind,
}

impl Steals {
    /// What the last points make of a packet that has come through, and what the chains behind them do.
    fn policies(self) -> [Verdict; 2] {
        match self {
            Self::Before => [Verdict::Drop, Verdict::Accept],
            Self::Behind => [Verdict::Accept, Verdict::Drop],
        }
    }
}

/// The hooks at which packets come to the end of their way.
const ENDS: [Hook; 2] = [Hook::Input, Hook::Postrouting];

/// The `SO_PRIORITY` of the socket whose packets are not tracked; nothing else uses such numbers.
pub(super) const UNTRACKED_PRIORITY: u32 = 0x0ca1_0001;
/// The `SO_PRIORITY` of the socket whose packets flush the log.
pub(super) const FENCE_PRIORITY: u32 = 0x0ca1_0002;

/// What a packet bears when it enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Preset {
    mark: Mark,
    untracked: bool,
}

impl Preset {
    /// What an arriving packet is to bear; `None` for nothing, and for the node's own packets, which get
    /// theirs from their socket.
    fn of(packet: &Packet) -> Option<Self> {
        let preset = Self {
            mark: packet.mark,
            untracked: packet.untracked,
        };
        let something = preset.untracked || preset.mark != Mark::NONE;
        (something && packet.origin != Origin::Node).then_some(preset)
    }
}

/// The presets that tags stand for in each family: the first is 1.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Palette([Vec<Preset>; 2]);

impl Palette {
    /// The number of a packet's preset, 0 for none; it is added where it is missing. `None` where there
    /// is no room.
    pub(super) fn number(&mut self, packet: &Packet) -> Option<u8> {
        let Some(preset) = Preset::of(packet) else {
            return Some(0);
        };
        let presets = &mut self.0[packet.family().place()];
        let index = presets.iter().position(|known| *known == preset);
        let index = index.unwrap_or_else(|| {
            presets.push(preset);
            presets.len() - 1
        });
        if index >= usize::from(Tag::LAST_PRESET) {
            presets.pop();
            return None;
        }
        u8::try_from(index + 1).ok()
    }

    fn of(&self, family: Family) -> &[Preset] {
        &self.0[family.place()]
    }
}

/// The byte that stands for a point in the log: its index in [`Points::all`].
pub(super) fn point_byte(index: usize) -> u8 {
    u8::try_from(index).map_or(u8::MAX, |index| b'A'.saturating_add(index))
}

/// The point that a byte in the log stands for.
pub(super) fn point_of(points: &Points, byte: u8) -> Option<Point> {
    let index = byte.checked_sub(b'A')?;
    points.all().get(usize::from(index)).copied()
}

/// Writes the transaction that switches connection tracking and address translation on in one family,
/// for as long as the namespace is there.
pub(super) fn write_ground(writer: &mut Writer, family: Family) {
    const TRACKING: &str = "tracking";
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: GROUND,
        };
        table.renew();
        for hook in ENDS {
            let name = add_confirmed(&mut table, hook, Steals::Before);
            if hook == Hook::Postrouting {
                table.add_rule(&name, &LEFT_BY_LOOPBACK);
            }
        }
        table.add_chain(TRACKING);
        table.add_rule(TRACKING, &[Expression::ConnectionState]);
        for hook in Hook::ALL {
            if let Some(priority) = TableName::Nat.priority(hook, Backend::Nft) {
                table.add_base_chain(BaseChain {
                    name: &hook.to_string(),
                    kind: ChainKind::Nat,
                    hook,
                    priority,
                    policy: Verdict::Accept,
                });
            }
        }
    });
}

/// Writes the transaction that makes one family's table anew. Without points nothing is observed or
/// stolen.
pub(super) fn write_table(
    writer: &mut Writer,
    family: Family,
    points: Option<&Points>,
    palette: &Palette,
) {
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: TABLE,
        };
        table.renew();
        add_own(&mut table);
        table.add_base_chain(BaseChain {
            name: PRESETS,
            kind: ChainKind::Filter,
            hook: Hook::Prerouting,
            priority: PRESET_PRIORITY,
            policy: Verdict::Accept,
        });
        add_presets(&mut table, palette.of(family));
        if let Some(points) = points {
            add_points(&mut table, points);
        }
    });
}

/// Writes the transaction that has one family's packets taken away elsewhere from now on. Chains that are
/// there get another policy.
pub(super) fn write_steals(writer: &mut Writer, family: Family, points: &Points, steals: Steals) {
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: TABLE,
        };
        for point in ENDS.into_iter().filter_map(|hook| points.last(hook)) {
            table.add_base_chain(last_chain(&point.to_string(), point.hook, steals));
        }
        table.name = GROUND;
        for hook in ENDS {
            add_confirmed(&mut table, hook, steals);
        }
    });
}

/// Adds the chain that stands behind the confirmation of connections at a hook; gives its name.
fn add_confirmed(table: &mut Table, hook: Hook, steals: Steals) -> String {
    let name = format!("confirmed {hook}");
    let [_, policy] = steals.policies();
    table.add_base_chain(BaseChain {
        name: &name,
        kind: ChainKind::Filter,
        hook,
        priority: CONFIRMED_PRIORITY,
        policy,
    });
    name
}

/// The chain of the last point of a hook at which packets come to their end.
fn last_chain(name: &str, hook: Hook, steals: Steals) -> BaseChain<'_> {
    let [policy, _] = steals.policies();
    BaseChain {
        name,
        kind: ChainKind::Filter,
        hook,
        priority: LAST_PRIORITY,
        policy,
    }
}

const LEFT_BY_LOOPBACK: [Expression<'_>; 3] = [
    Expression::Load(Meta::OutInterface),
    Expression::IsNumber(LOOPBACK_INDEX),
    Expression::Verdict(Verdict::Accept),
];

/// Writes the transaction that puts another palette in the place of the one before, if a family's presets are
/// not the same in it. Those that are added stand behind those that are there.
pub(super) fn write_palette(
    writer: &mut Writer,
    family: Family,
    before: &Palette,
    palette: &Palette,
) -> bool {
    let (before, presets) = (before.of(family), palette.of(family));
    if before == presets {
        return false;
    }
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: TABLE,
        };
        match presets.starts_with(before) && !before.is_empty() {
            true => add_preset_rules(&mut table, presets, before.len()),
            false => {
                table.flush(PRESETS);
                add_presets(&mut table, presets);
            }
        }
    });
    true
}

/// Writes the transaction that traces the packets of one number that start so, from now on.
pub(super) fn write_trace(writer: &mut Writer, family: Family, origin: Origin, number: u16) {
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: TABLE,
        };
        table.add_base_chain(BaseChain {
            name: TRACED,
            kind: ChainKind::Filter,
            hook: match origin {
                Origin::Arrives(_) => Hook::Prerouting,
                Origin::Node => Hook::Output,
            },
            priority: TRACE_PRIORITY,
            policy: Verdict::Accept,
        });
        let rule = [
            Expression::Field(tag_offset(family)),
            Expression::Mask(Tag::LAST_NUMBER),
            Expression::Is(number),
            Expression::Raise(Meta::Trace),
        ];
        table.add_rule(TRACED, &rule);
    });
}

/// Writes the transaction that ends what [`write_trace`] began.
pub(super) fn write_trace_end(writer: &mut Writer, family: Family) {
    transaction(writer, |writer| {
        let mut table = Table {
            writer,
            family,
            name: TABLE,
        };
        table.flush(TRACED);
        table.delete_chain(TRACED);
    });
}

/// Where in the internet header a tag's sixteen bits stand.
fn tag_offset(family: Family) -> u32 {
    match family {
        Family::V4 => 4,
        Family::V6 => 2,
    }
}

fn add_own(table: &mut Table) {
    const CHAIN: &str = "own";
    table.add_base_chain(BaseChain {
        name: CHAIN,
        kind: ChainKind::Filter,
        hook: Hook::Output,
        priority: PRESET_PRIORITY,
        policy: Verdict::Accept,
    });
    let untracked = [
        Expression::Load(Meta::Priority),
        Expression::IsNumber(UNTRACKED_PRIORITY),
        Expression::Untrack,
    ];
    let fence = [
        Expression::Load(Meta::Priority),
        Expression::IsNumber(FENCE_PRIORITY),
        Expression::Log(Log {
            group: GROUP,
            prefix: FENCE_PREFIX,
            bytes: 1,
            threshold: Some(1),
        }),
        Expression::Verdict(Verdict::Drop),
    ];
    table.add_rule(CHAIN, &untracked);
    table.add_rule(CHAIN, &fence);
}

fn add_presets(table: &mut Table, presets: &[Preset]) {
    if presets.is_empty() {
        return;
    }
    let second_half = [
        Expression::Load(Meta::InInterface),
        Expression::IsNumber(LOOPBACK_INDEX),
        LEAVE,
    ];
    table.add_rule(PRESETS, &second_half);
    let [field, bits] = preset_of_packet(table.family);
    table.add_rule(PRESETS, &[field, bits, Expression::Is(0), LEAVE]);
    add_preset_rules(table, presets, 0);
}

/// The rules of the presets behind some that are there.
fn add_preset_rules(table: &mut Table, presets: &[Preset], there: usize) {
    let [field, bits] = preset_of_packet(table.family);
    for (number, Preset { mark, untracked }) in (1..).zip(presets).skip(there) {
        let set = Expression::Set(Meta::Mark, mark.0);
        let is = Expression::Is(Tag::new(0, number).bits());
        if *untracked {
            let rule = [field, bits, is, set, Expression::Untrack, LEAVE];
            table.add_rule(PRESETS, &rule);
        } else {
            table.add_rule(PRESETS, &[field, bits, is, set, LEAVE]);
        }
    }
}

const LEAVE: Expression<'_> = Expression::Verdict(Verdict::Accept);

/// What reads the number of a packet's preset.
fn preset_of_packet(family: Family) -> [Expression<'static>; 2] {
    [
        Expression::Field(tag_offset(family)),
        Expression::Mask(Tag::PRESET_BITS),
    ]
}

fn add_points(table: &mut Table, points: &Points) {
    let all = points.all();
    for (index, point) in all.iter().enumerate() {
        let ends_hook = all
            .get(index + 1)
            .is_none_or(|next| next.hook != point.hook);
        let steals = ends_hook && ENDS.contains(&point.hook);
        add_point(table, points.backend(), *point, index, steals);
    }
}

fn add_point(table: &mut Table, backend: Backend, point: Point, index: usize, steals: bool) {
    let name = point.to_string();
    let asked = point
        .after
        .and_then(|after| after.priority(point.hook, backend));
    table.add_base_chain(match steals {
        true => last_chain(&name, point.hook, Steals::Before),
        false => BaseChain {
            name: &name,
            kind: ChainKind::Filter,
            hook: point.hook,
            priority: asked.map_or(ENTRY_PRIORITY, |priority| priority + 1),
            policy: Verdict::Accept,
        },
    });
    let mut byte = [0; 4];
    let log = Log {
        group: GROUP,
        prefix: char::from(point_byte(index)).encode_utf8(&mut byte),
        bytes: record_bytes(table.family),
        threshold: None,
    };
    table.add_rule(&name, &[Expression::Log(log)]);
    if steals && point.hook == Hook::Postrouting {
        table.add_rule(&name, &LEFT_BY_LOOPBACK);
    }
}

/// How many bytes of a packet [`crate::packet::wire::recognise`] needs at most: internet header (with
/// IPv6's fragment header), then a TCP header or an ICMP header and a quoted internet header.
fn record_bytes(family: Family) -> u32 {
    match family {
        Family::V4 => 20 + 8 + 20,
        Family::V6 => 40 + 8 + 8 + 40,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{InterfaceName, Protocol, Transport};

    fn packet(mark: u32, untracked: bool) -> Packet {
        let origin = Origin::Arrives(InterfaceName::LOOPBACK);
        let transport = Transport::Other(Protocol(200));
        Packet {
            mark: Mark(mark),
            untracked,
            ..Packet::new(origin, [1; 4].into(), [2; 4].into(), transport)
        }
    }

    #[test]
    fn a_palette_holds_fifteen_presets_and_finds_them_again() {
        let mut palette = Palette::default();
        assert_eq!(palette.number(&packet(0, false)), Some(0));
        for number in 1..=14 {
            assert_eq!(
                palette.number(&packet(u32::from(number), false)),
                Some(number)
            );
        }
        assert_eq!(palette.number(&packet(1, true)), Some(15));
        assert_eq!(palette.number(&packet(99, false)), None);
        assert_eq!(palette.number(&packet(98, false)), None);
        assert_eq!(palette.number(&packet(1, true)), Some(15));
        assert_eq!(palette.number(&packet(3, false)), Some(3));
        assert_eq!(palette.number(&packet(0, false)), Some(0));
        let own = Packet {
            origin: Origin::Node,
            ..packet(99, true)
        };
        assert_eq!(palette.number(&own), Some(0));
    }
}
