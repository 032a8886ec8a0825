//! Sets, loaded by the real `ipset` in its interactive mode.
//!
//! `ipset -` lives as long as its namespace and reads the same lines as `ipset restore`, so what that
//! loads, loads. It goes on after an error and buffers its answers; but it complains at once, so a
//! command that can't be right serves as fence: `flush calidiff fence-7` is answered with
//! `Unknown argument fence-7`.
//!
//! A set that rules refer to can't be destroyed, and its type can't change. Elements are changed in
//! place; where only the options of a set changed, a set with the new ones is filled and swapped in;
//! sets that nobody asks for any more are left over, to be used again under their names, until there are
//! many or rules name one that is not to be there ([`Sets::must_unload_first`]).

use std::fmt::Write;
use std::time::{Duration, Instant};

use memchr::memmem;
use rustc_hash::{FxHashMap, FxHashSet};

use super::dialogue::{Dialogue, Heard, Stream};
use super::error::KernelError;
use super::namespace::Namespace;
use crate::verdict::NotProgrammed;

const TOOL: &str = "ipset";

/// The name under which a set is filled that takes another's place.
const SPARE: &str = "calidiff-spare";

/// How many sets may be left over: to destroy one is a dialogue of its own.
const MOST_LEFT_OVER: usize = 64;

/// How long flushed rules may hold on to sets: nft lets go of them in a work queue
/// (net/netfilter/nf_tables_api.c, `nf_tables_trans_destroy_work`).
const RELEASE_PATIENCE: Duration = Duration::from_secs(5);

/// One set as lines for `ipset`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SetScript {
    name: String,
    /// What can't be changed by swapping: the type and the family.
    kind: String,
    /// What follows the name in `create NAME …`.
    create: String,
    /// What follows the name in each `add NAME …`.
    elements: Vec<String>,
}

/// The sets of `ipset save` text. Lines that are neither `create` nor `add` are left out.
pub(super) fn scripts(text: &str) -> Vec<SetScript> {
    let mut sets: Vec<SetScript> = Vec::new();
    for line in text.lines() {
        let mut words = line.splitn(3, ' ');
        let (Some(command), Some(name), Some(rest)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        match command {
            "create" => sets.push(SetScript {
                name: name.to_owned(),
                kind: kind(rest),
                create: rest.to_owned(),
                elements: Vec::new(),
            }),
            "add" => {
                // Its elements follow a set.
                if let Some(set) = sets.iter_mut().rev().find(|set| set.name == name) {
                    set.elements.push(rest.to_owned());
                }
            }
            _ => {}
        }
    }
    sets
}

fn kind(create: &str) -> String {
    let mut words = create.split(' ');
    let method = words.next().unwrap_or_default();
    let family = words
        .skip_while(|word| *word != "family")
        .nth(1)
        .unwrap_or("inet");
    format!("{method} {family}")
}

fn by_name(sets: &[SetScript]) -> FxHashMap<&str, &SetScript> {
    sets.iter().map(|set| (set.name.as_str(), set)).collect()
}

/// The sets that rules name: behind `--match-set`, `--add-set`, `--del-set` and `--map-set`.
fn named(rules: &str) -> impl Iterator<Item = &str> {
    const BEFORE: &str = "-set ";
    let behind = memmem::find_iter(rules.as_bytes(), BEFORE);
    behind.filter_map(|place| {
        rules[place + BEFORE.len()..]
            .split_ascii_whitespace()
            .next()
    })
}

/// The sets of one namespace.
#[derive(Default)]
pub(super) struct Sets {
    tool: Option<Dialogue>,
    loaded: Vec<SetScript>,
    /// Sets that exist though nobody asks for them any more.
    leftover: Vec<SetScript>,
    /// Names of sets of which nobody knows whether they exist.
    doubtful: Vec<String>,
    fences: u64,
    /// Whether elements may have come and gone since loading, by rules or by their timeouts.
    volatile: bool,
}

impl Sets {
    /// Whether rules must be flushed before these sets can be loaded: a set has the name of one of
    /// another type, or the new rules name a set that is not to be there (then loading them
    /// must fail, as it would in a fresh namespace).
    pub(super) fn must_unload_first(&self, wanted: &[SetScript], rules: [&str; 2]) -> bool {
        let by_name: FxHashMap<&str, &SetScript> = by_name(wanted);
        let wanted_as = |name: &str| by_name.get(name);
        let named: FxHashSet<&str> = rules.into_iter().flat_map(named).collect();
        let in_the_way = |old: &SetScript| match wanted_as(&old.name) {
            Some(new) => new.kind != old.kind,
            None => named.contains(old.name.as_str()),
        };
        let doubtful = |name: &String| wanted_as(name).is_some() || named.contains(name.as_str());
        self.loaded.iter().chain(&self.leftover).any(in_the_way)
            || self.doubtful.iter().any(doubtful)
    }

    /// Destroys every set; nothing may refer to them.
    pub(super) fn unload(&mut self, namespace: &Namespace) -> Result<(), KernelError> {
        self.leftover.append(&mut self.loaded);
        let give_up = Instant::now() + RELEASE_PATIENCE;
        loop {
            let refusal = self.sweep(namespace)?;
            let Some(message) = refusal else {
                return Ok(());
            };
            if Instant::now() > give_up {
                return Err(KernelError::Tool {
                    tool: TOOL.to_owned(),
                    doing: "destroy sets that no rule refers to".to_owned(),
                    message,
                });
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Destroys leftover sets; those that are still referred to stay for another time, and the
    /// refusal is returned.
    fn sweep(&mut self, namespace: &Namespace) -> Result<Option<String>, KernelError> {
        if self.destroy_all(namespace)? {
            return Ok(None);
        }
        let mut refusal = None;
        // Those created last first: a list refers to sets that were there before it.
        for set in std::mem::take(&mut self.leftover).into_iter().rev() {
            if let Some(message) = self.destroy(namespace, &set.name)? {
                refusal = Some(message);
                self.leftover.push(set);
            }
        }
        self.leftover.reverse();
        for name in std::mem::take(&mut self.doubtful).into_iter().rev() {
            if let Some(message) = self.destroy(namespace, &name)? {
                refusal = Some(message);
                self.doubtful.push(name);
            }
        }
        self.doubtful.reverse();
        Ok(refusal)
    }

    /// Destroys what [`Sets::sweep`] does in one dialogue, and says whether all of it was there and could go: a
    /// complaint does not say of which set.
    fn destroy_all(&mut self, namespace: &Namespace) -> Result<bool, KernelError> {
        let leftover = self.leftover.iter().rev().map(|set| &set.name);
        let doubtful = self.doubtful.iter().rev();
        let mut text = String::new();
        for name in leftover.chain(doubtful) {
            // Writing to a String can't fail.
            let _ = writeln!(text, "destroy {name}");
        }
        if !text.is_empty() && self.command(namespace, &text)?.is_some() {
            return Ok(false);
        }
        self.leftover.clear();
        self.doubtful.clear();
        Ok(true)
    }

    /// Destroys a set, if it exists; why it can't be.
    fn destroy(
        &mut self,
        namespace: &Namespace,
        name: &str,
    ) -> Result<Option<String>, KernelError> {
        let complaint = self.command(namespace, &format!("destroy {name}\n"))?;
        Ok(complaint.filter(|message| !message.contains("does not exist")))
    }

    /// Makes the namespace hold these sets, with these elements; `changing` says whether the rules that
    /// will be loaded beside them can change elements.
    pub(super) fn load(
        &mut self,
        namespace: &Namespace,
        wanted: Vec<SetScript>,
        changing: bool,
    ) -> Result<Result<(), NotProgrammed>, KernelError> {
        let was_volatile = std::mem::replace(&mut self.volatile, changing);
        if self.loaded == wanted && !was_volatile {
            return Ok(Ok(()));
        }
        self.volatile |= wanted.iter().any(|set| set.create.contains("timeout"));
        if self.leftover.len() > MOST_LEFT_OVER {
            self.sweep(namespace)?;
        }
        let mut there = std::mem::take(&mut self.leftover);
        there.append(&mut self.loaded);
        let mut text = String::new();
        let known = by_name(&there);
        for set in &wanted {
            match known.get(set.name.as_str()).copied() {
                Some(old) if old.create == set.create && !was_volatile && is_plain(old, set) => {
                    change_set(&mut text, set, old);
                }
                old => write_set(&mut text, set, old),
            }
        }
        let names = by_name(&wanted);
        there.retain(|old| !names.contains_key(old.name.as_str()));
        match was_volatile {
            // Of what they hold nobody knows.
            true => self.doubtful.extend(there.into_iter().map(|set| set.name)),
            false => self.leftover = there,
        }
        self.loaded = wanted;
        let refusal = if text.is_empty() {
            None
        } else {
            self.command(namespace, &text)?
        };
        Ok(match refusal {
            None => Ok(()),
            Some(message) => {
                self.doubtful.push(SPARE.to_owned());
                let loaded = self.loaded.drain(..).map(|set| set.name);
                self.doubtful.extend(loaded);
                Err(NotProgrammed {
                    tool: TOOL.to_owned(),
                    message,
                })
            }
        })
    }

    /// Says lines to ipset; returns its first complaint.
    fn command(
        &mut self,
        namespace: &Namespace,
        lines: &str,
    ) -> Result<Option<String>, KernelError> {
        if self.tool.is_none() {
            namespace.enter()?;
            self.tool = Some(Dialogue::start(TOOL, &["-"])?);
        }
        self.fences += 1;
        let fence = format!("fence-{}", self.fences);
        let Some(tool) = self.tool.as_mut() else {
            return Ok(None);
        };
        tool.forget();
        tool.say(&[lines, "flush calidiff ", &fence, "\n"])?;
        let heard = tool.listen_for(Stream::Errors, &format!("Unknown argument {fence}"))?;
        let complaints = tool.complaints();
        if let Heard::End(_) = heard {
            self.tool = None;
            return Err(KernelError::Tool {
                tool: TOOL.to_owned(),
                doing: "read commands".to_owned(),
                message: complaints,
            });
        }
        Ok(first_complaint(&complaints, &fence))
    }
}

/// The first complaint, if it is not the fence itself. What follows a complaint (`Try ipset help`) may
/// come late, when the next is waited for.
fn first_complaint(complaints: &str, fence: &str) -> Option<String> {
    let first = complaints
        .lines()
        .find(|line| line.starts_with("ipset v"))?;
    let message = first.split_once(": ").map_or(first, |(_, message)| message);
    (!message.ends_with(fence)).then(|| message.to_owned())
}

/// Whether elements are all that two sets' lines say.
fn is_plain(old: &SetScript, new: &SetScript) -> bool {
    let elements = || old.elements.iter().chain(&new.elements);
    !new.create.contains("timeout") && elements().all(|element| !element.contains(' '))
}

/// The elements that come and go.
fn change_set(text: &mut String, new: &SetScript, old: &SetScript) {
    let name = &new.name;
    // Writing to a String can't fail.
    for gone in old
        .elements
        .iter()
        .filter(|one| !new.elements.contains(one))
    {
        let _ = writeln!(text, "del {name} {gone}");
    }
    for come in new
        .elements
        .iter()
        .filter(|one| !old.elements.contains(one))
    {
        let _ = writeln!(text, "add {name} {come}");
    }
}

fn write_set(text: &mut String, set: &SetScript, old: Option<&SetScript>) {
    let SetScript {
        name,
        create,
        elements,
        ..
    } = set;
    let swapped = old.is_some_and(|old| old.create != *create);
    let filled = if swapped { SPARE } else { name };
    // Writing to a String can't fail.
    let _ = match old {
        Some(_) if !swapped => writeln!(text, "flush {name}"),
        _ => writeln!(text, "create {filled} {create}"),
    };
    for element in elements {
        let _ = writeln!(text, "add {filled} {element}");
    }
    if swapped {
        let _ = writeln!(text, "swap {SPARE} {name}\ndestroy {SPARE}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(text: &str) -> Vec<SetScript> {
        scripts(text)
    }

    #[test]
    fn lines_are_kept_by_set() {
        let sets = set(
            "create a hash:net family inet6 maxelem 9\ncreate b hash:ip\nadd a ::/1\nadd b 1.1.1.1 timeout 3\n",
        );
        assert_eq!(sets.len(), 2);
        assert_eq!(sets[0].kind, "hash:net inet6");
        assert_eq!(sets[0].elements, ["::/1"]);
        assert_eq!(sets[1].kind, "hash:ip inet");
        assert_eq!(sets[1].elements, ["1.1.1.1 timeout 3"]);
    }

    #[test]
    fn only_a_new_type_or_a_named_leftover_needs_the_rules_gone() {
        let sets = Sets {
            loaded: set("create a hash:net\ncreate b hash:ip"),
            leftover: set("create left hash:net"),
            doubtful: vec!["old".to_owned()],
            ..Sets::default()
        };
        let wanted = set("create a hash:net maxelem 3");
        assert!(!sets.must_unload_first(&wanted, ["", ""]));
        assert!(sets.must_unload_first(&wanted, ["-m set --match-set b src", ""]));
        assert!(sets.must_unload_first(&wanted, ["", "-m set --match-set old src"]));
        assert!(sets.must_unload_first(&set("create a hash:net family inet6"), ["", ""]));
        assert!(sets.must_unload_first(&set("create old hash:net"), ["", ""]));
        let again = "create a hash:net\ncreate left hash:net";
        assert!(!sets.must_unload_first(&set(again), ["-m set --match-set left src", ""]));
        assert!(sets.must_unload_first(&wanted, ["-m set --match-set left src", ""]));
        assert!(sets.must_unload_first(&set("create left hash:ip"), ["", ""]));
    }

    #[test]
    fn a_set_is_changed_in_place_where_it_can_be() {
        let old = set("create a hash:net\nadd a 1.0.0.0/8");
        let mut text = String::new();
        write_set(
            &mut text,
            &set("create a hash:net\nadd a 2.0.0.0/8")[0],
            old.first(),
        );
        assert_eq!(text, "flush a\nadd a 2.0.0.0/8\n");
        text.clear();
        write_set(
            &mut text,
            &set("create a hash:net maxelem 3\nadd a 2.0.0.0/8")[0],
            old.first(),
        );
        assert_eq!(
            text,
            "create calidiff-spare hash:net maxelem 3\nadd calidiff-spare 2.0.0.0/8\nswap calidiff-spare a\ndestroy calidiff-spare\n"
        );
    }

    #[test]
    fn of_a_set_that_stays_the_elements_that_differ_are_said() {
        let old = set("create a hash:net\nadd a 1.0.0.0/8\nadd a 2.0.0.0/8");
        let new = set("create a hash:net\nadd a 2.0.0.0/8\nadd a 3.0.0.0/8");
        let mut text = String::new();
        change_set(&mut text, &new[0], &old[0]);
        assert_eq!(text, "del a 1.0.0.0/8\nadd a 3.0.0.0/8\n");
        assert!(is_plain(&old[0], &new[0]));
        let optional = set("create a hash:net\nadd a 1.0.0.0/8 nomatch");
        assert!(!is_plain(&old[0], &optional[0]));
        let dying = set("create a hash:net timeout 3\nadd a 1.0.0.0/8");
        assert!(!is_plain(&dying[0], &dying[0]));
    }

    #[test]
    fn the_fence_is_no_complaint() {
        let fence =
            "ipset v7.17: Unknown argument fence-1\nTry `ipset help' for more information.\n";
        assert_eq!(first_complaint(fence, "fence-1"), None);
        assert_eq!(
            first_complaint(&format!("Try it.\n{fence}"), "fence-1"),
            None
        );
        let complaint = format!("ipset v7.17: Element exists\n{fence}");
        assert_eq!(
            first_complaint(&complaint, "fence-1").as_deref(),
            Some("Element exists")
        );
    }
}
