//! One command line of a restore file: `-A CHAIN …` and its kin, cut into options as getopt does
//! (iptables/xshared.c, `do_parse`).
//!
//! * [`general`]: the options that every rule can have;
//! * [`apply`]: what each of them does.

mod apply;
mod general;

use std::borrow::Cow;
use std::ops::Range;

use smallvec::SmallVec;

use self::general::Argument;
use super::lex::Word;
use super::modules::{self, Module};
use super::options::{Given, OptionSpec};
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
        let argument = |next: &Word<'t>| !next.is_option() || next.is_quoted_argument();
        while let Some(next) = self.words.next_if(argument) {
            words.push(next.text.into_owned());
        }
        Ok(())
    }
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
