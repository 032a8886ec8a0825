//! `-m tcp`, `-m udp`, `-m sctp`, `-m multiport` (extensions/libxt_tcp.c, libxt_udp.c, libxt_sctp.c,
//! libxt_multiport.c).

use super::{Module, module};
use crate::packet::TcpFlags;
use crate::xtables::error::Problem;
use crate::xtables::matches::{
    ChunkScope, ChunkTest, Chunks, FlagsTest, Match, Not, PortRange, PortSide, SctpTest, TcpTest,
    UdpTest,
};
use crate::xtables::save::lex::Word;
use crate::xtables::save::options::{Context, OptionSpec, Options, option};
use crate::xtables::save::text::{Listed, Ports, Text};
use crate::xtables::save::value;

pub(super) static MATCHES: [Module<Match>; 4] = [
    module("tcp", TCP, read_tcp),
    module("udp", UDP, read_udp),
    module("multiport", MULTIPORT, read_multiport),
    module("sctp", SCTP, read_sctp),
];

const SPORT: OptionSpec = option("sport", 1).negatable();
const DPORT: OptionSpec = option("dport", 1).negatable();

const TCP: &[OptionSpec] = &[
    SPORT,
    SPORT.also("source-port"),
    DPORT,
    DPORT.also("destination-port"),
    option("syn", 0).negatable(),
    option("tcp-flags", 2).negatable(),
    option("tcp-option", 1).negatable(),
];

const UDP: &[OptionSpec] = &[
    SPORT,
    SPORT.also("source-port"),
    DPORT,
    DPORT.also("destination-port"),
];

const SCTP: &[OptionSpec] = &[
    SPORT,
    SPORT.also("source-port"),
    DPORT,
    DPORT.also("destination-port"),
    option("chunk-types", 2).negatable(),
];

const MULTIPORT: &[OptionSpec] = &[
    option("sports", 1).negatable(),
    option("sports", 1).negatable().also("source-ports"),
    option("dports", 1).negatable(),
    option("dports", 1).negatable().also("destination-ports"),
    option("ports", 1).negatable(),
];

/// The flags that `--tcp-flags` knows.
const FLAGS: &[(&str, u8)] = TcpFlags::NAMES.split_at(6).0;

/// Its words for all and for none of them.
const MANY_FLAGS: [(&str, u8); 2] = [("ALL", 0x3f), ("NONE", 0x00)];

/// SYN set; FIN, RST and ACK not.
const SYN: FlagsTest = FlagsTest {
    mask: 0x17,
    compare: TcpFlags::SYN.0,
};

fn read_tcp(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_most_one(&["syn", "tcp-flags"])?;
    let syn = options.negatable_flag("syn").map(|not| Not {
        negated: not.negated,
        value: SYN,
    });
    let flags = match options.find("tcp-flags") {
        Some(given) => Some(Not {
            negated: given.negated,
            value: FlagsTest {
                mask: flags(&given.arguments[0])?,
                compare: flags(&given.arguments[1])?,
            },
        }),
        None => syn,
    };
    Ok(Match::Tcp(TcpTest {
        source: options.negatable("sport", value::ports)?,
        destination: options.negatable("dport", value::ports)?,
        flags,
        option: options.negatable("tcp-option", |word, _| {
            Ok(value::number_within(word, &word.text, 1, 255)? as u8)
        })?,
    }))
}

fn flags(word: &Word<'_>) -> Result<u8, Problem> {
    let names = word.text.split(',').filter(|name| !name.is_empty());
    names
        .map(|name| {
            let mut known = FLAGS.iter().chain(&MANY_FLAGS);
            known
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, flag)| *flag)
                .ok_or_else(|| {
                    word.problem("FIN, SYN, RST, PSH, ACK, URG parted by commas, ALL or NONE")
                })
        })
        .try_fold(0, |all, flag| Ok(all | flag?))
}

fn read_udp(options: &Options<'_>) -> Result<Match, Problem> {
    Ok(Match::Udp(UdpTest {
        source: options.negatable("sport", value::ports)?,
        destination: options.negatable("dport", value::ports)?,
    }))
}

fn read_sctp(options: &Options<'_>) -> Result<Match, Problem> {
    let chunks = match options.find("chunk-types") {
        Some(given) => Some(Not {
            negated: given.negated,
            value: ChunkTest {
                scope: chunk_scope(&given.arguments[0])?,
                chunks: chunks(&given.arguments[1])?,
            },
        }),
        None => None,
    };
    Ok(Match::Sctp(SctpTest {
        source: options.negatable("sport", value::ports)?,
        destination: options.negatable("dport", value::ports)?,
        chunks,
    }))
}

/// Chunk types by name, each with the letters of the flags that its chunks have.
const CHUNKS: [(&str, u8, &str); 22] = [
    ("DATA", 0, "IUBE"),
    ("INIT", 1, ""),
    ("INIT_ACK", 2, ""),
    ("SACK", 3, ""),
    ("HEARTBEAT", 4, ""),
    ("HEARTBEAT_ACK", 5, ""),
    ("ABORT", 6, "T"),
    ("SHUTDOWN", 7, ""),
    ("SHUTDOWN_ACK", 8, ""),
    ("ERROR", 9, ""),
    ("COOKIE_ECHO", 10, ""),
    ("COOKIE_ACK", 11, ""),
    ("ECN_ECNE", 12, ""),
    ("ECN_CWR", 13, ""),
    ("SHUTDOWN_COMPLETE", 14, "T"),
    ("I_DATA", 64, "IUBE"),
    ("RE_CONFIG", 130, ""),
    ("PAD", 132, ""),
    ("ASCONF", 193, ""),
    ("ASCONF_ACK", 128, ""),
    ("FORWARD_TSN", 192, ""),
    ("I_FORWARD_TSN", 194, ""),
];

const SCOPES: [(&str, ChunkScope); 3] = [
    ("any", ChunkScope::Any),
    ("all", ChunkScope::All),
    ("only", ChunkScope::Only),
];

fn chunk_scope(word: &Word<'_>) -> Result<ChunkScope, Problem> {
    let mut known = SCOPES.iter();
    known
        .find(|(name, _)| name.eq_ignore_ascii_case(&word.text))
        .map(|(_, scope)| *scope)
        .ok_or_else(|| word.problem("all, any or only"))
}

fn chunks(word: &Word<'_>) -> Result<Chunks, Problem> {
    if word.text.eq_ignore_ascii_case("ALL") {
        return Ok(Chunks::All);
    }
    if word.text.eq_ignore_ascii_case("NONE") {
        return Ok(Chunks::These(Vec::new()));
    }
    let parts = word.text.split(',').filter(|part| !part.is_empty());
    let chunks: Vec<(u8, String)> = parts
        .map(|part| chunk(word, part))
        .collect::<Result<_, _>>()?;
    Ok(Chunks::These(chunks))
}

fn chunk(word: &Word<'_>, part: &str) -> Result<(u8, String), Problem> {
    let (name, letters) = part.split_once(':').unwrap_or((part, ""));
    let mut known = CHUNKS.iter();
    let (_, kind, flags) = known
        .find(|(known, _, _)| known.eq_ignore_ascii_case(name))
        .ok_or_else(|| word.problem("chunk types such as DATA or INIT parted by commas"))?;
    let wrong = letters
        .chars()
        .find(|c| !flags.contains(c.to_ascii_uppercase()));
    match (wrong, flags.is_empty()) {
        (None, _) => Ok((*kind, letters.to_owned())),
        (Some(_), true) => Err(word.because(format!("has flags for {name}"), "none of them")),
        (Some(_), false) => Err(word.because(
            format!("has flags that {name} has not"),
            format!("letters of {flags}, upper case for set"),
        )),
    }
}

fn read_multiport(options: &Options<'_>) -> Result<Match, Problem> {
    options.at_least_one(&["sports", "dports", "ports"])?;
    options.at_most_one(&["sports", "dports", "ports"])?;
    let has_ports = options
        .context
        .protocol
        .is_some_and(|not| !not.negated && not.value.has_ports());
    if !has_ports {
        let expected = "`-p tcp`, `udp`, `udplite`, `sctp` or `dccp` in the rule";
        return Err(options
            .module
            .because("needs a protocol that has ports", expected));
    }
    let sides = [
        ("sports", PortSide::Source),
        ("dports", PortSide::Destination),
        ("ports", PortSide::Either),
    ];
    for (name, side) in sides {
        if let Some(ports) = options.negatable(name, port_list)? {
            return Ok(Match::Multiport(side, ports));
        }
    }
    Err(options.missing("`--dports` behind it"))
}

/// Up to fifteen slots; a range takes two (`parse_multi_ports_v1`).
fn port_list(word: &Word<'_>, _: &Context) -> Result<Vec<PortRange>, Problem> {
    let mut slots = 0;
    let mut ports = Vec::new();
    for part in word.text.split(',') {
        let range = match part.split_once(':') {
            Some((first, last)) => PortRange {
                first: value::port(word, first)?,
                last: value::port(word, last)?,
            },
            None => {
                let port = value::port(word, part)?;
                PortRange {
                    first: port,
                    last: port,
                }
            }
        };
        let is_range = part.contains(':');
        if is_range && range.first >= range.last {
            return Err(word.because(format!("has an empty range {part}"), "the lower port first"));
        }
        slots += 1 + usize::from(is_range);
        ports.push(range);
    }
    match slots {
        0..=15 => Ok(ports),
        _ => Err(word.because(
            "has too many ports",
            "15 at most, where a range counts for two",
        )),
    }
}

fn write_ports(text: &mut Text, name: &str, ports: &Option<Not<PortRange>>) {
    if let Some(not) = ports {
        text.negatable(name, not.negated, Ports(not.value));
    }
}

pub(super) fn write_tcp(text: &mut Text, test: &TcpTest) {
    text.module("tcp");
    write_ports(text, "sport", &test.source);
    write_ports(text, "dport", &test.destination);
    if let Some(not) = &test.option {
        text.negatable("tcp-option", not.negated, not.value);
    }
    if let Some(not) = &test.flags {
        text.negatable("tcp-flags", not.negated, flag_names(not.value.mask));
        text.word(flag_names(not.value.compare));
    }
}

fn flag_names(flags: u8) -> String {
    let set = FLAGS.iter().filter(|(_, flag)| flags & flag != 0);
    let names = Listed(set.map(|(name, _)| *name)).to_string();
    if names.is_empty() {
        return "NONE".to_owned();
    }
    names
}

pub(super) fn write_udp(text: &mut Text, test: &UdpTest) {
    text.module("udp");
    write_ports(text, "sport", &test.source);
    write_ports(text, "dport", &test.destination);
}

pub(super) fn write_sctp(text: &mut Text, test: &SctpTest) {
    text.module("sctp");
    write_ports(text, "sport", &test.source);
    write_ports(text, "dport", &test.destination);
    if let Some(not) = &test.chunks {
        let scope = SCOPES.iter().find(|(_, scope)| *scope == not.value.scope);
        let scope = scope.map_or("any", |(name, _)| *name);
        text.negatable("chunk-types", not.negated, scope);
        text.word(chunk_names(&not.value.chunks));
    }
}

fn chunk_names(chunks: &Chunks) -> String {
    let these = match chunks {
        Chunks::All => return "ALL".to_owned(),
        Chunks::These(these) if these.is_empty() => return "NONE".to_owned(),
        Chunks::These(these) => these,
    };
    let named = these.iter().map(|(kind, letters)| {
        let mut known = CHUNKS.iter();
        let name = known.find(|(_, number, _)| number == kind);
        let name = name.map_or("DATA", |(name, _, _)| *name);
        let colon = if letters.is_empty() { "" } else { ":" };
        format!("{name}{colon}{letters}")
    });
    Listed(named).to_string()
}

pub(super) fn write_multiport(text: &mut Text, side: PortSide, ports: &Not<Vec<PortRange>>) {
    text.module("multiport");
    let name = match side {
        PortSide::Source => "sports",
        PortSide::Destination => "dports",
        PortSide::Either => "ports",
    };
    let ranges = Listed(ports.value.iter().map(|range| Ports(*range)));
    text.negatable(name, ports.negated, ranges);
}
