//! `-m mac`, `-m physdev`, `-m pkttype`, and of packets that the node sends `-m owner`
//! (extensions/libxt_mac.c, libxt_physdev.c, libxt_pkttype.c, libxt_owner.c).

use super::{Module, module};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not, OwnerTest, PacketType, PhysdevTest};
use crate::xtables::ruleset::InterfacePattern;
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Interface, Text};
use crate::xtables::save::value;
use crate::xtables::scalar::{Mac, write_range};

pub(super) static MATCHES: [Module<Match>; 4] = [
    module("physdev", PHYSDEV, read_physdev),
    module("mac", &[option("mac-source", 1).negatable()], |options| {
        Ok(Match::Mac(options.required("mac-source", value::mac)?))
    }),
    module("pkttype", &[option("pkt-type", 1).negatable()], |options| {
        Ok(Match::Pkttype(options.required("pkt-type", packet_type)?))
    }),
    module("owner", OWNER, read_owner),
];

const PHYSDEV: &[OptionSpec] = &[
    option("physdev-in", 1).negatable(),
    option("physdev-out", 1).negatable(),
    option("physdev-is-in", 0).negatable(),
    option("physdev-is-out", 0).negatable(),
    option("physdev-is-bridged", 0).negatable(),
];

const OWNER: &[OptionSpec] = &[
    option("uid-owner", 1).negatable(),
    option("gid-owner", 1).negatable(),
    option("socket-exists", 0).negatable(),
    option("suppl-groups", 0),
];

/// The first name of a type is the one printed.
const PACKET_TYPES: [(&str, PacketType); 7] = [
    ("unicast", PacketType::Unicast),
    ("broadcast", PacketType::Broadcast),
    ("multicast", PacketType::Multicast),
    ("otherhost", PacketType::OtherHost),
    ("bcast", PacketType::Broadcast),
    ("mcast", PacketType::Multicast),
    ("host", PacketType::Unicast),
];

fn read_physdev(options: &Options<'_>) -> Result<Match, Problem> {
    if options.given.is_empty() {
        return Err(options.missing("`--physdev-in` or another of its options behind it"));
    }
    Ok(Match::Physdev(PhysdevTest {
        in_port: options.negatable("physdev-in", value::interface)?,
        out_port: options.negatable("physdev-out", value::interface)?,
        is_in: options.negatable_flag("physdev-is-in"),
        is_out: options.negatable_flag("physdev-is-out"),
        is_bridged: options.negatable_flag("physdev-is-bridged"),
    }))
}

fn packet_type(word: &Word<'_>, _: &Context) -> Result<PacketType, Problem> {
    let mut known = PACKET_TYPES.iter();
    known
        .find(|(name, _)| name.eq_ignore_ascii_case(&word.text))
        .map(|(_, kind)| *kind)
        .ok_or_else(|| word.problem("unicast, broadcast, multicast or otherhost"))
}

fn read_owner(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_least_one(&["uid-owner", "gid-owner", "socket-exists"])?;
    Ok(Match::Owner(OwnerTest {
        user: options.negatable("uid-owner", identity)?,
        group: options.negatable("gid-owner", identity)?,
        socket_exists: options.negatable_flag("socket-exists"),
        supplementary_groups: options.flag("suppl-groups"),
    }))
}

/// A number or a range of them. Of the names only root's is the same on every machine.
fn identity(word: &Word<'_>, _: &Context) -> Result<(u32, u32), Problem> {
    if word.text == "root" {
        return Ok((0, 0));
    }
    let (first, last) = match word.text.split_once(['-', ':']) {
        Some(ends) => ends,
        None => (&*word.text, &*word.text),
    };
    // -1 is the kernel's word for nobody at all.
    let number = |text: &str| {
        let highest = u64::from(u32::MAX) - 1;
        value::number_within(word, text, 0, highest).map(|number| number as u32)
    };
    Ok((number(first)?, number(last)?))
}

pub(super) fn write_physdev(text: &mut Text, test: &PhysdevTest) {
    text.module("physdev");
    text.negatable_flag(&test.is_in, "physdev-is-in");
    write_port(text, "physdev-in", &test.in_port);
    text.negatable_flag(&test.is_out, "physdev-is-out");
    write_port(text, "physdev-out", &test.out_port);
    text.negatable_flag(&test.is_bridged, "physdev-is-bridged");
}

fn write_port(text: &mut Text, name: &str, port: &Option<Not<InterfacePattern>>) {
    if let Some(not) = port {
        text.negatable(name, not.negated, Interface(&not.value));
    }
}

pub(super) fn write_mac(text: &mut Text, not: &Not<[u8; 6]>) {
    text.module("mac");
    text.negatable(
        "mac-source",
        not.negated,
        format_args!("{:x}", Mac(not.value)),
    );
}

pub(super) fn write_pkttype(text: &mut Text, not: &Not<PacketType>) {
    text.module("pkttype");
    let name = PACKET_TYPES.iter().find(|(_, kind)| *kind == not.value);
    let name = name.map_or("unicast", |(name, _)| *name);
    text.negatable("pkt-type", not.negated, name);
}

struct Identity((u32, u32));

impl std::fmt::Display for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, last) = self.0;
        write_range(f, first, last, '-')
    }
}

pub(super) fn write_owner(text: &mut Text, test: &OwnerTest) {
    text.module("owner");
    text.negatable_flag(&test.socket_exists, "socket-exists");
    for (name, identity) in [("uid-owner", &test.user), ("gid-owner", &test.group)] {
        if let Some(not) = identity {
            text.negatable(name, not.negated, Identity(not.value));
        }
    }
    text.flag_if(test.supplementary_groups, "suppl-groups");
}
