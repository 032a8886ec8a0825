//! The options that every rule can have (iptables/iptables.c, `original_opts`).

/// What a general option means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum General {
    /// Adds the rule at the end of a chain.
    Append,
    /// Removes a rule.
    Delete,
    /// Adds the rule at a place.
    Insert,
    /// Puts the rule in another's place.
    Replace,
    /// Empties a chain, or all.
    Flush,
    /// Zeroes counters.
    Zero,
    /// Makes a chain.
    NewChain,
    /// Removes a chain, or all that are a user's.
    DeleteChain,
    /// Renames a chain.
    RenameChain,
    /// Sets a built-in chain's policy.
    Policy,
    /// `-s`.
    Source,
    /// `-d`.
    Destination,
    /// `-p`.
    Protocol,
    /// `-i`.
    InInterface,
    /// `-o`.
    OutInterface,
    /// `-f`.
    Fragment,
    /// `-m`.
    Match,
    /// `-j`.
    Jump,
    /// `-g`.
    Goto,
    /// `-c`.
    Counters,
    /// `-4`: the line is iptables'.
    Ipv4,
    /// `-6`: the line is ip6tables'.
    Ipv6,
    /// How to print, which changes nothing here.
    Printing,
    /// Not for a restore file.
    Refused,
}

/// Whether an option takes a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    /// None.
    No,
    /// The rest of its own word only.
    Attached,
    /// The rest of its own word, or the next.
    Required,
}

/// One general option.
#[derive(Debug)]
pub(super) struct GeneralSpec {
    /// Its long names.
    pub long: &'static [&'static str],
    /// Its letter.
    pub short: char,
    /// Whether it takes a word.
    pub argument: Argument,
    /// What it means.
    pub means: General,
}

const fn spec(
    short: char,
    long: &'static [&'static str],
    argument: Argument,
    means: General,
) -> GeneralSpec {
    GeneralSpec {
        long,
        short,
        argument,
        means,
    }
}

/// All of them.
pub(super) const GENERAL: [GeneralSpec; 34] = {
    use Argument::{Attached, No, Required};
    [
        spec('A', &["append"], Required, General::Append),
        spec('s', &["source", "src"], Required, General::Source),
        spec('d', &["destination", "dst"], Required, General::Destination),
        spec('p', &["protocol"], Required, General::Protocol),
        spec('i', &["in-interface"], Required, General::InInterface),
        spec('o', &["out-interface"], Required, General::OutInterface),
        spec('m', &["match"], Required, General::Match),
        spec('j', &["jump"], Required, General::Jump),
        spec('g', &["goto"], Required, General::Goto),
        spec('f', &["fragments"], No, General::Fragment),
        spec('c', &["set-counters"], Required, General::Counters),
        spec('I', &["insert"], Required, General::Insert),
        spec('D', &["delete"], Required, General::Delete),
        spec('R', &["replace"], Required, General::Replace),
        spec('F', &["flush"], Attached, General::Flush),
        spec('Z', &["zero"], Attached, General::Zero),
        spec('N', &["new-chain"], Required, General::NewChain),
        spec('X', &["delete-chain"], Attached, General::DeleteChain),
        spec('E', &["rename-chain"], Required, General::RenameChain),
        spec('P', &["policy"], Required, General::Policy),
        spec('4', &["ipv4"], No, General::Ipv4),
        spec('6', &["ipv6"], No, General::Ipv6),
        spec('v', &["verbose"], No, General::Printing),
        spec('n', &["numeric"], No, General::Printing),
        spec('x', &["exact"], No, General::Printing),
        spec('0', &["line-numbers"], No, General::Printing),
        spec('t', &["table"], Required, General::Refused),
        spec('C', &["check"], Required, General::Refused),
        spec('L', &["list"], Attached, General::Refused),
        spec('S', &["list-rules"], Attached, General::Refused),
        spec('h', &["help"], Attached, General::Refused),
        spec('V', &["version"], No, General::Refused),
        spec('w', &["wait"], Attached, General::Refused),
        spec('M', &["modprobe"], Required, General::Refused),
    ]
};

/// The option of a letter.
pub(super) fn by_letter(letter: char) -> Option<&'static GeneralSpec> {
    GENERAL.iter().find(|spec| spec.short == letter)
}

/// The option of a long name.
pub(super) fn by_name(name: &str) -> Option<&'static GeneralSpec> {
    GENERAL.iter().find(|spec| spec.long.contains(&name))
}
