//! To which of the packets that come to a rule a fault there may show at all. The others' ways are the same
//! with it, and need no second judgement.

use crate::generate::question::conditions;
use crate::journey::Asked;
use crate::xtables::{Match, Rule};

/// To which of the packets that come to a rule something shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tell {
    /// To any.
    Any,
    /// To some alone.
    Of {
        /// Those that match it are among them.
        matched: bool,
        /// And those that fail one of these of its questions.
        failed: Vec<Asked>,
    },
}

impl Tell {
    /// To those that match.
    pub(super) const MATCHED: Self = Self::Of {
        matched: true,
        failed: Vec::new(),
    };

    /// That a rule has become another one. Who fails a question that both ask passes both by; who matches a
    /// rule that has lost questions and nothing else matches the other too.
    pub(super) fn of(rule: &Rule, changed: &Rule) -> Self {
        let mut failed = Vec::new();
        let mut matched = rule.target != changed.target;
        let mut note = |asked: Asked, differs: bool, asks_again: bool| {
            if differs {
                failed.push(asked);
                matched |= asks_again;
            }
        };
        macro_rules! header {
            ($($field:ident: $asked:ident,)*) => {
                $(note(Asked::$asked, rule.$field != changed.$field, changed.$field.is_some());)*
            };
        }
        header! {
            source: Source,
            destination: Destination,
            in_interface: InInterface,
            out_interface: OutInterface,
            protocol: Protocol,
            fragment: Fragment,
        }
        for (place, one) in rule.matches.iter().enumerate() {
            note(of_match(place), !changed.matches.contains(one), false);
        }
        let mut asks = changed.matches.iter();
        matched |= asks.any(|one| !rule.matches.contains(one));
        Self::Of { matched, failed }.unless_by_chance(rule)
    }

    /// That a set of a name has other members.
    pub(super) fn of_set(rule: &Rule, name: &str) -> Self {
        let asks = |one: &Match| matches!(one, Match::Set(test) if test.name == name);
        let matches = rule.matches.iter().enumerate();
        let asking = matches.filter(|(_, one)| asks(one));
        Self::Of {
            matched: true,
            failed: asking.map(|(place, _)| of_match(place)).collect(),
        }
        .unless_by_chance(rule)
    }

    /// Of packets that chance leads several ways it is known of one alone which questions they fail.
    pub(super) fn unless_by_chance(self, rule: &Rule) -> Self {
        let asked = conditions(rule);
        match asked.iter().any(|condition| condition.is_beyond()) {
            true => Self::Any,
            false => self,
        }
    }

    /// Whether it shows to a packet that failed this question of the rule, or matched it.
    pub(super) fn is_of(&self, outcome: Option<Asked>) -> bool {
        match (self, outcome) {
            (Self::Any, _) => true,
            (Self::Of { matched, .. }, None) => *matched,
            (Self::Of { failed, .. }, Some(asked)) => failed.contains(&asked),
        }
    }
}

fn of_match(place: usize) -> Asked {
    Asked::Match(u16::try_from(place).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::packet::Family;
    use crate::xtables::save;

    const PORTS: &str = "-s 10.0.0.0/8 -p tcp -m multiport --dports 80 -m mark --mark 0x1/0x1";

    fn rule(asked: &str, target: &str) -> Result<Rule, Box<dyn Error>> {
        let text = format!("*filter\n:INPUT ACCEPT [0:0]\n-A INPUT {asked} -j {target}\nCOMMIT\n");
        let ruleset = save::parse("rule", &text, Family::V4)?;
        let rule = ruleset.rules().next().map(|(_, rule)| rule.clone());
        Ok(rule.ok_or("no rule")?)
    }

    fn tell(asked: &str, faulty: &str, targets: [&str; 2]) -> Result<Tell, Box<dyn Error>> {
        Ok(Tell::of(
            &rule(asked, targets[0])?,
            &rule(faulty, targets[1])?,
        ))
    }

    #[test]
    fn another_target_shows_to_who_matches() -> Result<(), Box<dyn Error>> {
        assert_eq!(tell(PORTS, PORTS, ["ACCEPT", "DROP"])?, Tell::MATCHED);
        Ok(())
    }

    #[test]
    fn a_question_lost_shows_to_who_failed_it() -> Result<(), Box<dyn Error>> {
        let faulty = PORTS.replace(" -m mark --mark 0x1/0x1", "");
        let tell = tell(PORTS, &faulty, ["DROP", "DROP"])?;
        assert!(tell.is_of(Some(Asked::Match(1))));
        assert!(!tell.is_of(Some(Asked::Match(0))));
        assert!(!tell.is_of(Some(Asked::Source)));
        assert!(!tell.is_of(None));
        Ok(())
    }

    #[test]
    fn a_question_changed_shows_to_who_failed_it_and_to_who_matches() -> Result<(), Box<dyn Error>>
    {
        let others = [
            (PORTS.replace("80", "81"), Asked::Match(0)),
            (PORTS.replace("--dports", "--sports"), Asked::Match(0)),
            (PORTS.replace("-s 10", "! -s 10"), Asked::Source),
        ];
        for (faulty, asked) in others {
            let tell = tell(PORTS, &faulty, ["DROP", "DROP"])?;
            assert!(tell.is_of(Some(asked)), "{faulty}");
            assert!(!tell.is_of(Some(Asked::Protocol)), "{faulty}");
            assert!(tell.is_of(None), "{faulty}");
        }
        Ok(())
    }

    #[test]
    fn a_question_gained_shows_to_who_matches() -> Result<(), Box<dyn Error>> {
        let faulty = PORTS.replace("-s 10", "-d 10");
        let tell = tell(PORTS, &faulty, ["DROP", "DROP"])?;
        assert!(tell.is_of(None) && tell.is_of(Some(Asked::Source)));
        Ok(())
    }

    #[test]
    fn where_chance_is_asked_it_may_show_to_anybody() -> Result<(), Box<dyn Error>> {
        let asked = "-p tcp -m limit --limit 1/sec";
        assert_eq!(tell(asked, asked, ["DROP", "ACCEPT"])?, Tell::Any);
        Ok(())
    }
}
