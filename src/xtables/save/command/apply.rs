//! What each general option does to the line that is read.

use super::super::lex::Word;
use super::super::modules;
use super::super::options::{Context, OptionSpec};
use super::super::value;
use super::general::{Argument, General, GeneralSpec};
use super::{Kind, Order, Reader, lacks};
use crate::packet::{Family, Protocol};
use crate::xtables::error::Problem;
use crate::xtables::matches::Not;
use crate::xtables::ruleset::{AddressMask, Counters};

impl<'t> Reader<'t> {
    /// Obeys a general option; `value` is what its own word holds behind it.
    pub(super) fn general(
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
        if let Some(module) = modules::match_of_protocol(value, self.family) {
            self.check_claims(&argument, module.options, Kind::is_opaque)?;
        }
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
        let target = |kind| matches!(kind, Kind::OtherTarget);
        self.check_claims(&name, kind.options(), target)?;
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

    /// Refuses a name whose options a module that is not typed was given before: the tools load what a word names
    /// when they come to it, and print the protocol before the matches and these before the target, where the
    /// option would be another's.
    fn check_claims(
        &self,
        name: &Word<'t>,
        options: &[OptionSpec],
        before: impl Fn(Kind) -> bool,
    ) -> Result<(), Problem> {
        let claimed = |word: &&String| {
            let option = word.strip_prefix("--");
            let option = option.map(|option| option.split('=').next().unwrap_or(option));
            options.iter().any(|spec| Some(spec.name) == option)
        };
        let modules = self.line.modules.iter().filter(|one| before(one.kind));
        match modules.flat_map(|one| &one.words).find(claimed) {
            Some(word) => Err(name.because(
                format!("stands behind its option `{word}`"),
                "it before its options",
            )),
            None => Ok(()),
        }
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

fn wrong_family(name: &Word<'_>, family: Family) -> Problem {
    match family {
        Family::V4 => name.because("is ip6tables'", "a module of iptables"),
        Family::V6 => name.because("is iptables'", "a module of ip6tables"),
    }
}
