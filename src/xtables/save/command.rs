//! One command line of a restore file: `-A CHAIN …` and its kin, cut into options as getopt does
//! (iptables/xshared.c, `do_parse`).

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use super::general::{self, Argument, General, GeneralSpec};
use super::lex::Word;
use super::modules::{self, Module};
use super::options::{Context, Given, OptionSpec};
use super::value;
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::{Match, Not};
use crate::xtables::ruleset::{AddressMask, Counters, InterfacePattern};
use crate::xtables::target::Target;

/// What a line orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Order<'t> {
    /// `-A`.
    Append,
    /// `-I`, at a place counted from 0.
    Insert(usize),
    /// `-R`, at a place counted from 0.
    Replace(usize),
    /// `-D`, by its words or by its place counted from 0.
    Delete(Option<usize>),
    /// `-F`.
    Flush,
    /// `-Z`.
    Zero,
    /// `-N`.
    NewChain,
    /// `-X`.
    DeleteChain,
    /// `-E`, to this name.
    Rename(Word<'t>),
    /// `-P`, to this policy.
    Policy(Word<'t>),
}

/// A module that the line has loaded, and what it gives it.
#[derive(Debug)]
pub(super) struct Loaded<'t> {
    /// Its name as written.
    pub name: Word<'t>,
    /// Which.
    pub kind: Kind,
    /// Its options.
    pub given: SmallVec<[Given<'t>; 2]>,
    /// Of an opaque module: its words to the letter.
    pub words: Vec<String>,
}

/// What kind of module.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    /// A match that is typed.
    Match(&'static Module<Match>),
    /// A target that is typed.
    Target(&'static Module<Target>),
    /// A match that is not.
    OpaqueMatch,
    /// A target that is not, or a chain.
    OtherTarget,
}

impl Kind {
    fn options(self) -> &'static [OptionSpec] {
        match self {
            Self::Match(module) => module.options,
            Self::Target(module) => module.options,
            Self::OpaqueMatch | Self::OtherTarget => &[],
        }
    }

    fn is_opaque(self) -> bool {
        matches!(self, Self::OpaqueMatch | Self::OtherTarget)
    }
}

/// A line, read.
#[derive(Debug)]
pub(super) struct CommandLine<'t> {
    /// What it orders.
    pub order: Order<'t>,
    /// In which chain.
    pub chain: Option<Word<'t>>,
    /// `-c`.
    pub counters: Option<Counters>,
    /// `-s`.
    pub sources: Option<Not<Vec<AddressMask>>>,
    /// `-d`.
    pub destinations: Option<Not<Vec<AddressMask>>>,
    /// `-i`, and where.
    pub in_interface: Option<(Not<InterfacePattern>, Range<usize>)>,
    /// `-o`, and where.
    pub out_interface: Option<(Not<InterfacePattern>, Range<usize>)>,
    /// `-p`.
    pub protocol: Option<Not<Protocol>>,
    /// `-f`.
    pub fragment: Option<Not<()>>,
    /// `-m` and `-j`, in order.
    pub modules: Vec<Loaded<'t>>,
    /// Which of them the target is.
    pub target: Option<usize>,
    /// Whether the target was given by `-g`.
    pub goto: bool,
}

/// Reads the words of a line; nothing where the line is for the other family.
pub(super) fn read<'t>(
    words: Vec<Word<'t>>,
    line: Range<usize>,
    family: Family,
) -> Result<Option<CommandLine<'t>>, Problem> {
    let mut reader = Reader {
        words: words.into_iter().peekable(),
        family,
        negation: None,
        order: None,
        protocol_name: None,
        other_family: false,
        line: CommandLine {
            order: Order::Append,
            chain: None,
            counters: None,
            sources: None,
            destinations: None,
            in_interface: None,
            out_interface: None,
            protocol: None,
            fragment: None,
            modules: Vec::with_capacity(4),
            target: None,
            goto: false,
        },
    };
    while let Some(word) = reader.words.next() {
        reader.word(word)?;
        if reader.other_family {
            return Ok(None);
        }
    }
    if let Some(span) = reader.negation {
        return Err(Problem::new(
            span,
            "`!` negates nothing",
            "an option behind it",
        ));
    }
    let Some(order) = reader.order else {
        return Err(Problem::new(
            line,
            "the line orders nothing",
            "`-A CHAIN …`, `:CHAIN POLICY`, `*TABLE`, `COMMIT` or `#`",
        ));
    };
    reader.line.order = order;
    Ok(Some(reader.line))
}

struct Reader<'t> {
    words: std::iter::Peekable<std::vec::IntoIter<Word<'t>>>,
    family: Family,
    negation: Option<Range<usize>>,
    order: Option<Order<'t>>,
    protocol_name: Option<Word<'t>>,
    other_family: bool,
    line: CommandLine<'t>,
}

impl<'t> Reader<'t> {
    fn word(&mut self, word: Word<'t>) -> Result<(), Problem> {
        if word.text == "!" {
            return match self.negation.replace(word.span.clone()) {
                Some(_) => Err(word.problem("one `!`")),
                None => Ok(()),
            };
        }
        if let Some(name) = word.text.strip_prefix("--") {
            let length = name.find('=').unwrap_or(name.len());
            let name = name[..length].to_owned();
            let value = (word.text.len() > length + 2).then(|| word.rest(length + 3));
            return self.long(&word, &name, value);
        }
        match word
            .text
            .strip_prefix('-')
            .and_then(|rest| rest.chars().next())
        {
            Some(letter) => self.short(&word, letter),
            None => Err(word.problem("an option such as `-A`, `-p`, `-m` or `-j`")),
        }
    }

    fn short(&mut self, word: &Word<'t>, letter: char) -> Result<(), Problem> {
        let spec = general::by_letter(letter).ok_or_else(|| unknown_option(word))?;
        let rest = word.rest(1 + letter.len_utf8());
        if spec.argument != Argument::No {
            return self.general(word, spec, (!rest.text.is_empty()).then_some(rest));
        }
        self.general(word, spec, None)?;
        match rest.text.chars().next() {
            Some(next) => {
                let mut cluster = rest;
                cluster.text = Cow::Owned(format!("-{}", cluster.text));
                self.short(&cluster, next)
            }
            None => Ok(()),
        }
    }

    /// Exact names first, the module loaded last before the others; then the protocol's own module;
    /// then what a module that is not typed may know; then abbreviations.
    fn long(
        &mut self,
        word: &Word<'t>,
        name: &str,
        value: Option<Word<'t>>,
    ) -> Result<(), Problem> {
        if let Some(spec) = general::by_name(name) {
            return self.general(word, spec, value);
        }
        let exactly = |spec: &OptionSpec| spec.name == name;
        let abbreviates = |spec: &OptionSpec| spec.name.starts_with(name);
        if let Some((module, spec)) = self.module_option(exactly) {
            return self.module(word, module, spec, value);
        }
        if let Some((module, spec)) = self.load_protocol(exactly) {
            return self.module(word, module, spec, value);
        }
        if let Some(module) = self
            .line
            .modules
            .iter()
            .rposition(|one| one.kind.is_opaque())
        {
            return self.opaque(word, module);
        }
        let mut general = general::GENERAL
            .iter()
            .filter(|spec| spec.long.iter().any(|long| long.starts_with(name)));
        let ambiguous = || word.because("is short for several options", "one in full");
        match (
            general.next(),
            general.next(),
            self.module_option(abbreviates),
        ) {
            (None, _, None) => {}
            (Some(spec), None, None) => return self.general(word, spec, value),
            (None, _, Some((module, spec))) => {
                let clashes = |other: &OptionSpec| abbreviates(other) && other.means != spec.means;
                return match self.module_option(clashes) {
                    Some(_) => Err(ambiguous()),
                    None => self.module(word, module, spec, value),
                };
            }
            _ => return Err(ambiguous()),
        }
        match self.load_protocol(abbreviates) {
            Some((module, spec)) => self.module(word, module, spec, value),
            None => Err(unknown_option(word)),
        }
    }

    fn module_option(
        &self,
        wanted: impl Fn(&OptionSpec) -> bool,
    ) -> Option<(usize, &'static OptionSpec)> {
        let modules = self.line.modules.iter().enumerate().rev();
        modules
            .flat_map(|(place, loaded)| loaded.kind.options().iter().map(move |spec| (place, spec)))
            .find(|(_, spec)| wanted(spec))
    }

    /// `-p tcp --dport 80` loads `-m tcp` by itself, once.
    fn load_protocol(
        &mut self,
        wanted: impl Fn(&OptionSpec) -> bool,
    ) -> Option<(usize, &'static OptionSpec)> {
        let name = self.protocol_name.clone()?;
        let module = modules::match_of_protocol(self.line.protocol?.value, self.family)?;
        let spec = module.options.iter().find(|spec| wanted(spec))?;
        self.protocol_name = None;
        self.load(name, Kind::Match(module));
        Some((self.line.modules.len() - 1, spec))
    }

    fn load(&mut self, name: Word<'t>, kind: Kind) {
        self.line.modules.push(Loaded {
            name,
            kind,
            given: SmallVec::new(),
            words: Vec::new(),
        });
    }

    fn module(
        &mut self,
        word: &Word<'t>,
        module: usize,
        spec: &'static OptionSpec,
        value: Option<Word<'t>>,
    ) -> Result<(), Problem> {
        let negated = self.negation.take();
        if negated.is_some() && !spec.negatable {
            return Err(word.because("can't be negated", "no `!` before it"));
        }
        let loaded = &self.line.modules[module];
        let again = loaded
            .given
            .iter()
            .any(|given| given.spec.means == spec.means);
        if again && !spec.repeatable {
            return Err(word.because("is given twice", "it once"));
        }
        let mut arguments: SmallVec<[Word<'t>; 1]> = value.into_iter().collect();
        if arguments.len() > spec.arguments {
            return Err(word.because("takes no value", "it alone"));
        }
        while arguments.len() < spec.arguments {
            let next = self.words.next();
            let usable = |next: &Word<'t>| arguments.is_empty() || !next.is_option();
            match next.filter(usable) {
                Some(next) => arguments.push(next),
                None => return Err(lacks(word, spec.arguments)),
            }
        }
        self.line.modules[module].given.push(Given {
            spec,
            negated: negated.is_some(),
            arguments,
            span: word.span.clone(),
        });
        Ok(())
    }

    /// An option that only an opaque module can know, with the words behind it that are no options.
    fn opaque(&mut self, word: &Word<'t>, module: usize) -> Result<(), Problem> {
        let negated = self.negation.take().is_some();
        let words = &mut self.line.modules[module].words;
        words.extend(negated.then(|| "!".to_owned()));
        words.push(word.text.clone().into_owned());
        let argument = |next: &Word<'t>| next.quoted || !next.is_option();
        while let Some(next) = self.words.next_if(argument) {
            words.push(next.text.into_owned());
        }
        Ok(())
    }

    fn general(
        &mut self,
        word: &Word<'t>,
        spec: &'static GeneralSpec,
        value: Option<Word<'t>>,
    ) -> Result<(), Problem> {
        let whole_word = matches!(
            spec.means,
            General::Source
                | General::Destination
                | General::Protocol
                | General::InInterface
                | General::OutInterface
                | General::Jump
        );
        let argument = match spec.argument {
            Argument::Required if whole_word && value.is_some() => {
                // iptables/xshared.c, `do_parse`, takes `argv[optind - 1]` for the value of these.
                let found = "has its value attached, and the tools take the whole word for it";
                return Err(word.because(found, "a space before the value"));
            }
            Argument::No if value.is_some() => {
                return Err(word.because("takes no value", "it alone"));
            }
            Argument::No | Argument::Attached => value,
            Argument::Required => {
                let next = value.or_else(|| self.words.next());
                Some(next.ok_or_else(|| lacks(word, 1))?)
            }
        };
        let negated = self.negation.take().is_some();
        let negatable = matches!(
            spec.means,
            General::Source
                | General::Destination
                | General::Protocol
                | General::InInterface
                | General::OutInterface
                | General::Fragment
        );
        if negated && !negatable {
            return Err(word.because("can't be negated", "no `!` before it"));
        }
        match argument {
            Some(argument) if negatable && argument.text == "!" => Err(argument.because(
                format!("stands behind `{}`, as before iptables 1.4.3", word.text),
                format!("`! {}` and what is negated", word.text),
            )),
            Some(argument) => self.with_argument(word, spec.means, negated, argument),
            None => self.without_argument(word, spec.means, negated),
        }
    }

    fn without_argument(
        &mut self,
        word: &Word<'t>,
        means: General,
        negated: bool,
    ) -> Result<(), Problem> {
        match means {
            General::Fragment if self.family == Family::V6 => {
                Err(word.because("is IPv4's", "`-m frag` in ip6tables' rules"))
            }
            General::Fragment => {
                let not = Not { negated, value: () };
                once(word, &mut self.line.fragment, not)
            }
            General::Ipv4 => {
                self.other_family = self.family == Family::V6;
                Ok(())
            }
            General::Ipv6 => {
                self.other_family = self.family == Family::V4;
                Ok(())
            }
            General::Printing => Ok(()),
            General::Flush => self.chain_order(word, Order::Flush, None),
            General::Zero => self.chain_order(word, Order::Zero, None),
            General::DeleteChain => self.chain_order(word, Order::DeleteChain, None),
            _ => Err(word.because(
                "can't stand in a restore file",
                "`-A`, `-I`, `-N` or the like",
            )),
        }
    }

    fn with_argument(
        &mut self,
        word: &Word<'t>,
        means: General,
        negated: bool,
        argument: Word<'t>,
    ) -> Result<(), Problem> {
        let context = Context {
            family: self.family,
            protocol: None,
        };
        match means {
            General::Append => self.order(word, Order::Append, argument),
            General::Insert => {
                let place = self.rule_number()?.unwrap_or(0);
                self.order(word, Order::Insert(place), argument)
            }
            General::Replace => {
                let place = self.rule_number()?.ok_or_else(|| lacks(word, 2))?;
                self.order(word, Order::Replace(place), argument)
            }
            General::Delete => {
                let place = self.rule_number()?;
                self.order(word, Order::Delete(place), argument)
            }
            General::NewChain => self.order(word, Order::NewChain, argument),
            General::Flush => self.chain_order(word, Order::Flush, Some(argument)),
            General::Zero => self.chain_order(word, Order::Zero, Some(argument)),
            General::DeleteChain => self.chain_order(word, Order::DeleteChain, Some(argument)),
            General::RenameChain | General::Policy => {
                let second = self.words.next_if(|next| !next.is_option());
                let second = second.ok_or_else(|| lacks(word, 2))?;
                let order = match means {
                    General::Policy => Order::Policy(second),
                    _ => Order::Rename(second),
                };
                self.order(word, order, argument)
            }
            General::Source => {
                let value = value::addresses(&argument, self.family)?;
                once(word, &mut self.line.sources, several(word, negated, value)?)
            }
            General::Destination => {
                let value = value::addresses(&argument, self.family)?;
                once(
                    word,
                    &mut self.line.destinations,
                    several(word, negated, value)?,
                )
            }
            General::Protocol => self.protocol(word, negated, argument),
            General::InInterface => {
                let value = value::interface(&argument, &context)?;
                let pattern = (Not { negated, value }, word.span.clone());
                once(word, &mut self.line.in_interface, pattern)
            }
            General::OutInterface => {
                let value = value::interface(&argument, &context)?;
                let pattern = (Not { negated, value }, word.span.clone());
                once(word, &mut self.line.out_interface, pattern)
            }
            General::Match => self.load_match(argument),
            General::Jump => self.load_target(word, argument, false),
            General::Goto => self.load_target(word, argument, true),
            General::Counters => self.counters(word, argument),
            _ => Err(word.because(
                "can't stand in a restore file",
                "`-A`, `-I`, `-N` or the like",
            )),
        }
    }

    fn order(&mut self, word: &Word<'t>, order: Order<'t>, chain: Word<'t>) -> Result<(), Problem> {
        self.line.chain = Some(chain);
        once(word, &mut self.order, order)
    }

    fn chain_order(
        &mut self,
        word: &Word<'t>,
        order: Order<'t>,
        attached: Option<Word<'t>>,
    ) -> Result<(), Problem> {
        self.line.chain = attached.or_else(|| self.words.next_if(|next| !next.is_option()));
        once(word, &mut self.order, order)
    }

    /// A rule's number, which counts from 1 in the text.
    fn rule_number(&mut self) -> Result<Option<usize>, Problem> {
        let Some(word) = self.words.next_if(|next| !next.is_option()) else {
            return Ok(None);
        };
        let number = value::number_within(&word, &word.text, 1, i32::MAX as u64)?;
        Ok(Some(number as usize - 1))
    }

    fn protocol(
        &mut self,
        word: &Word<'t>,
        negated: bool,
        argument: Word<'t>,
    ) -> Result<(), Problem> {
        let context = Context {
            family: self.family,
            protocol: None,
        };
        let value = value::protocol(&argument, &context)?;
        if negated && value == Protocol(0) {
            return Err(argument.because("negated never matches", "a protocol"));
        }
        once(word, &mut self.line.protocol, Not { negated, value })?;
        self.protocol_name = Some(argument);
        Ok(())
    }

    fn load_match(&mut self, name: Word<'t>) -> Result<(), Problem> {
        let kind = match modules::find_match(&name.text) {
            Some(module) if module.family.is_some_and(|family| family != self.family) => {
                return Err(wrong_family(&name, self.family));
            }
            Some(module) => Kind::Match(module),
            None => Kind::OpaqueMatch,
        };
        self.load(name, kind);
        Ok(())
    }

    fn load_target(&mut self, word: &Word<'t>, name: Word<'t>, goto: bool) -> Result<(), Problem> {
        let kind = match modules::find_target(&name.text) {
            Some(module) if module.family.is_some_and(|family| family != self.family) => {
                return Err(wrong_family(&name, self.family));
            }
            Some(module) if !goto => Kind::Target(module),
            _ => Kind::OtherTarget,
        };
        once(word, &mut self.line.target, self.line.modules.len())?;
        self.line.goto = goto;
        self.load(name, kind);
        Ok(())
    }

    /// `-c PACKETS BYTES` or `-c PACKETS,BYTES`.
    fn counters(&mut self, word: &Word<'t>, argument: Word<'t>) -> Result<(), Problem> {
        let counter = |word: &Word<'t>, text: &str| {
            text.parse::<u64>()
                .map_err(|_| word.problem("a counter: a decimal number of 64 bits"))
        };
        let counters = match argument.text.split_once(',') {
            Some((packets, bytes)) => Counters {
                packets: counter(&argument, packets)?,
                bytes: counter(&argument, bytes)?,
            },
            None => {
                let next = self.words.next_if(|next| !next.is_option());
                let bytes = next.ok_or_else(|| lacks(word, 2))?;
                Counters {
                    packets: counter(&argument, &argument.text)?,
                    bytes: counter(&bytes, &bytes.text)?,
                }
            }
        };
        once(word, &mut self.line.counters, counters)
    }
}

fn once<T>(word: &Word<'_>, place: &mut Option<T>, value: T) -> Result<(), Problem> {
    match place.replace(value) {
        Some(_) => Err(word.because("is given twice", "it once")),
        None => Ok(()),
    }
}

fn several(
    word: &Word<'_>,
    negated: bool,
    value: Vec<AddressMask>,
) -> Result<Not<Vec<AddressMask>>, Problem> {
    if negated && value.len() > 1 {
        return Err(word.because("negates several addresses", "one address behind `!`"));
    }
    Ok(Not { negated, value })
}

fn unknown_option(word: &Word<'_>) -> Problem {
    word.because(
        "is an option that no module of this rule knows",
        "an option of the rule or of a module that `-m`, `-j` or `-p` names before it",
    )
}

fn lacks(word: &Word<'_>, arguments: usize) -> Problem {
    match arguments {
        1 => word.because("ends too early", "a word behind it"),
        count => word.because("ends too early", format!("{count} words behind it")),
    }
}

fn wrong_family(name: &Word<'_>, family: Family) -> Problem {
    match family {
        Family::V4 => name.because("is ip6tables'", "a module of iptables"),
        Family::V6 => name.because("is iptables'", "a module of ip6tables"),
    }
}
