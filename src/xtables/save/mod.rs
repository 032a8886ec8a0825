//! iptables-save and ip6tables-save text, read and written; restore files that people write by hand
//! read as well.
//!
//! What the tools do with a text is the measure: what they take is taken, what they expand (`-s a,b`)
//! is expanded, and what they refuse for its text alone is refused, with the place and what was
//! expected. What only the kernel refuses (a match in the wrong table, a loop) is not judged here.
//! No name is looked up: hosts are refused, the usual protocols and services are known.
//!
//! * [`lex`]: words and quotes;
//! * [`restore`]: lines, tables, chains and orders such as `-A`;
//! * [`command`], [`options`]: one line's options, as getopt cuts them;
//! * [`rule`]: from options to rules;
//! * [`modules`]: each match's and target's options, read and written;
//! * [`value`], [`text`]: single values, read and written;
//! * [`print`]: rules and rulesets written.

mod command;
mod lex;
mod modules;
mod options;
mod print;
mod restore;
mod rule;
mod text;
mod value;

pub use print::{Style, print, print_match, print_rule, print_target};

use super::error::ParseError;
use super::ruleset::Ruleset;
use crate::packet::Family;

/// Reads iptables-save text; `source_name` stands for it in errors.
///
/// Every table that the text names has all its built-in chains, in the order of the hooks, those that
/// the text does not declare with the policy ACCEPT; then the users' chains in the order declared.
///
/// # Errors
///
/// Where the tools would refuse the text, the first place that they would refuse.
pub fn parse(source_name: &str, text: &str, family: Family) -> Result<Ruleset, ParseError> {
    let mut restore = restore::Restore::new(family);
    let mut offset = 0;
    for (index, line) in text.split('\n').enumerate() {
        restore
            .line(line, offset, index + 1)
            .map_err(|problem| ParseError::new(source_name, text, problem))?;
        offset += line.len() + 1;
    }
    restore
        .finish(text.len())
        .map_err(|problem| ParseError::new(source_name, text, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xtables::matches::{Match, Not};
    use crate::xtables::ruleset::{Counters, Policy, Rule, TableName};
    use crate::xtables::target::{Connmark, Target, Xmark};

    fn filter(rules: &str) -> Ruleset {
        let text = format!("*filter\n:user - [0:0]\n{rules}\nCOMMIT\n");
        parse("rules", &text, Family::V4).expect("rules that iptables takes")
    }

    fn input(rules: &str) -> Vec<Rule> {
        let ruleset = filter(rules);
        let table = ruleset
            .table(TableName::Filter)
            .expect("the table of the text");
        table
            .chain("INPUT")
            .expect("a built-in chain")
            .rules
            .clone()
    }

    fn printed(rule: &str) -> Vec<String> {
        let rules = input(rule);
        rules
            .iter()
            .map(|rule| print_rule("INPUT", rule, Family::V4))
            .collect()
    }

    fn refusal(text: &str) -> String {
        let error = parse("dump", text, Family::V4).expect_err("a text that iptables refuses");
        error.to_string()
    }

    #[test]
    fn what_stands_behind_a_users_chain_is_not_read() -> Result<(), ParseError> {
        let text = "*filter\n:felix - -\n:saved - [1:2]\nCOMMIT\n";
        let ruleset = parse("rules", text, Family::V4)?;
        let table = ruleset.tables.first();
        let counters = |name| table.and_then(|table| table.chain(name)?.counters);
        assert_eq!(counters("felix"), None);
        let saved = counters("saved").map(|counters| (counters.packets, counters.bytes));
        assert_eq!(saved, Some((1, 2)));
        assert!(parse("rules", "*filter\n:INPUT DROP -\nCOMMIT\n", Family::V4).is_err());
        Ok(())
    }

    #[test]
    fn built_in_chains_are_there_undeclared() {
        let ruleset = filter(":FORWARD DROP [3:4]");
        let table = ruleset
            .table(TableName::Filter)
            .expect("the table of the text");
        let chains = table
            .chains
            .iter()
            .map(|chain| (chain.name.as_str(), chain.policy));
        let expected = [
            ("INPUT", Some(Policy::Accept)),
            ("FORWARD", Some(Policy::Drop)),
            ("OUTPUT", Some(Policy::Accept)),
            ("user", None),
        ];
        assert_eq!(chains.collect::<Vec<_>>(), expected);
        let counters = Counters {
            packets: 3,
            bytes: 4,
        };
        assert_eq!(table.chains[1].counters, Some(counters));
    }

    #[test]
    fn addresses_parted_by_commas_are_rules_of_their_own() {
        let rules = printed("-A INPUT -s 10.0.0.1,10.0.0.2 -d 10.1.0.0/16,10.2/16 -j DROP");
        let expected = [
            "-A INPUT -s 10.0.0.1/32 -d 10.1.0.0/16 -j DROP",
            "-A INPUT -s 10.0.0.1/32 -d 10.2.0.0/16 -j DROP",
            "-A INPUT -s 10.0.0.2/32 -d 10.1.0.0/16 -j DROP",
            "-A INPUT -s 10.0.0.2/32 -d 10.2.0.0/16 -j DROP",
        ];
        assert_eq!(rules, expected);
        let inserted = printed("-I INPUT -s 10.0.0.1,10.0.0.2 -j DROP");
        assert_eq!(inserted[0], "-A INPUT -s 10.0.0.2/32 -j DROP");
    }

    #[test]
    fn all_spellings_of_mark_are_one_operation() {
        let xmark = |value, mask| Target::Mark(Xmark { value, mask });
        for (spelling, target) in [
            ("--set-mark 1", xmark(1, u32::MAX)),
            ("--set-mark 0x0f/0xf0", xmark(0x0f, 0xff)),
            ("--set-xmark 0x0f/0xf0", xmark(0x0f, 0xf0)),
            ("--and-mark 0xff", xmark(0, 0xffff_ff00)),
            ("--or-mark 010", xmark(8, 8)),
            ("--xor-mark 3", xmark(3, 0)),
        ] {
            assert_eq!(
                input(&format!("-A INPUT -j MARK {spelling}"))[0].target,
                target
            );
        }
        let save = Target::Connmark(Connmark::Save {
            packet_mask: 0xf0,
            connection_mask: 0xf0,
        });
        assert_eq!(
            input("-A INPUT -j CONNMARK --save-mark --mask 0xf0")[0].target,
            save
        );
    }

    #[test]
    fn a_protocol_loads_its_module_where_an_option_needs_it() {
        let rules = printed("-A INPUT -p tcp -m mark --mark 1 --dport 80 -m comment --comment x");
        let expected =
            "-A INPUT -p tcp -m mark --mark 0x1 -m tcp --dport 80 -m comment --comment x";
        assert_eq!(rules, [expected]);
    }

    #[test]
    fn options_belong_to_the_module_loaded_last() {
        let rules = input("-A INPUT -m mark --mark 1 -m connmark ! --mark 2/3");
        let kinds = rules[0].matches.iter().map(|one| match one {
            Match::Mark(Not { negated, .. }) => ("mark", *negated),
            Match::Connmark(Not { negated, .. }) => ("connmark", *negated),
            _ => ("other", false),
        });
        assert_eq!(
            kinds.collect::<Vec<_>>(),
            [("mark", false), ("connmark", true)]
        );
    }

    #[test]
    fn what_is_not_known_stays_to_the_letter() {
        let rule = "-A INPUT -m foo ! --bar 1:2 --baz \"a b\" -j NFQUEUE --queue-num 3";
        assert_eq!(printed(rule), [rule]);
        let words = ["!", "--bar", "1:2", "--baz", "a b"]
            .map(str::to_owned)
            .to_vec();
        let module = "foo".to_owned();
        assert_eq!(input(rule)[0].matches, [Match::Opaque { module, words }]);
    }

    #[test]
    fn what_asks_nothing_is_nothing() {
        assert_eq!(printed("-A INPUT -s 0/0 -i + -p all"), ["-A INPUT"]);
        assert_eq!(printed("-A INPUT ! -s 0/0"), ["-A INPUT ! -s 0.0.0.0/0"]);
    }

    #[test]
    fn refusals_say_where_and_what_was_expected() {
        assert_eq!(
            refusal("*filter\n-A INPUT -p tcp --dport 65536\nCOMMIT\n"),
            "dump:2:25: `65536`; expected a port: a number from 0 to 65535 or a well-known service's name"
        );
        assert_eq!(
            refusal("*nat\n-A PREROUTING -j DROP\nCOMMIT\n"),
            "dump:2:18: `DROP` is refused in the nat table, which is asked for a connection's first \
             packet only; expected another target"
        );
        assert_eq!(
            refusal("*filter\n-A INPUT\n"),
            "dump:3:1: the text ends within table filter; expected `COMMIT`"
        );
        assert_eq!(
            refusal("-A INPUT\n"),
            "dump:1:1: this line stands outside of a table; expected `*TABLE` or `#`"
        );
        assert_eq!(
            refusal("*filter\n-A INPUT -m comment --comment \"open\n"),
            "dump:2:31: this quote is not closed; expected a `\"` before the line's end"
        );
    }

    #[test]
    fn an_option_before_what_knows_it_is_refused() {
        assert_eq!(
            refusal("*filter\n:user -\n-A INPUT -j user --dport 80 -p tcp\nCOMMIT\n"),
            "dump:3:32: `tcp` stands behind its option `--dport`; expected it before its options"
        );
        assert_eq!(
            refusal("*filter\n-A INPUT -j FOO --state NEW -m state --state NEW\nCOMMIT\n"),
            "dump:2:32: `state` stands behind its option `--state`; expected it before its options"
        );
        assert_eq!(
            refusal("*filter\n:user -\n-A INPUT -j user --dport 80\nCOMMIT\n"),
            "dump:3:13: `user` is a chain, and `--dport` none of its options; expected options of a match \
             behind the `-p` or `-m` that knows them"
        );
    }

    #[test]
    fn a_line_of_the_other_family_is_passed_over() {
        assert!(input("-6 -A INPUT -s fd00::1").is_empty());
        assert_eq!(input("-4 -A INPUT -s 10.0.0.1").len(), 1);
    }
}
