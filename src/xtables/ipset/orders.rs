//! `ipset save` text: one order a line, as `ipset restore` obeys them.

use rustc_hash::FxHashMap;

use super::element::{self, Place};
use super::header;
use super::words::{self, Line, Word};
use crate::xtables::error::Problem;
use crate::xtables::set::{Element, Part, Set};

/// What has been ordered so far.
#[derive(Default)]
struct Restore {
    sets: Vec<Set>,
    /// Of each set by name, where each of its elements stands.
    members: FxHashMap<String, FxHashMap<Vec<Part>, usize>>,
}

/// Obeys all orders of a text.
pub(super) fn read(text: &str) -> Result<Vec<Set>, Problem> {
    let mut restore = Restore::default();
    for line in words::lines(text) {
        if !line.is_empty() && line.text != "COMMIT" {
            restore.obey(line)?;
        }
    }
    Ok(restore.sets)
}

impl Restore {
    fn obey(&mut self, line: Line<'_>) -> Result<(), Problem> {
        let mut words = words::words(line)?;
        let all = words.len();
        words.retain(|word| !matches!(word.text.as_str(), "-exist" | "--exist" | "-!"));
        let exist = words.len() < all;
        let Some((order, rest)) = words.split_first() else {
            return Err(nothing(line));
        };
        match (order.text.as_str(), rest) {
            ("create" | "-N" | "--create" | "n" | "new", [name, kind, options @ ..]) => {
                self.create(name, kind, options, exist)
            }
            ("add" | "-A" | "--add", [name, element @ ..]) if !element.is_empty() => {
                self.add(name, element, exist)
            }
            ("del" | "-D" | "--del", [name, element @ ..]) if !element.is_empty() => {
                self.delete(name, element, exist)
            }
            ("flush" | "-F" | "--flush", names) => self.flush(names),
            ("destroy" | "-X" | "--destroy" | "x", names) => self.destroy(names),
            ("rename" | "-E" | "--rename" | "e", [from, to]) => self.rename(from, to),
            ("swap" | "-W" | "--swap" | "w", [one, other]) => self.swap(one, other),
            (
                "create" | "-N" | "--create" | "add" | "-A" | "--add" | "del" | "-D" | "--del"
                | "rename" | "-E" | "swap" | "-W",
                _,
            ) => Err(order.because("ends too early", "`create NAME KIND` or `add NAME ELEMENT`")),
            _ => Err(nothing(line)),
        }
    }

    fn place(&self, name: &Word) -> Result<usize, Problem> {
        let mut sets = self.sets.iter();
        sets.position(|set| set.name == name.text)
            .ok_or_else(|| name.because("is no set up to here", "a set that a line before creates"))
    }

    fn create(
        &mut self,
        name: &Word,
        kind: &Word,
        options: &[Word],
        exist: bool,
    ) -> Result<(), Problem> {
        let mut set = header::new_set(name, kind)?;
        header::read_options(&mut set, options)?;
        match (self.place(name), exist) {
            (Ok(_), true) => Ok(()),
            (Ok(_), false) => Err(name.because("is there already", "a set's new name")),
            (Err(_), _) => {
                self.members.insert(set.name.clone(), FxHashMap::default());
                self.sets.push(set);
                Ok(())
            }
        }
    }

    fn add(&mut self, name: &Word, words: &[Word], exist: bool) -> Result<(), Problem> {
        let place = self.place(name)?;
        let set = &mut self.sets[place];
        let (element, at) = element::read(set, words)?;
        let members = self.members.entry(set.name.clone()).or_default();
        if let Some(Part::Set(member)) = element.parts.first()
            && !self.sets.iter().any(|set| set.name == *member)
        {
            return Err(
                words[0].because("is no set up to here", "a set that a line before creates")
            );
        }
        let set = &mut self.sets[place];
        match members.get(&element.parts) {
            Some(before) if exist => set.elements[*before] = element,
            Some(_) => return Err(words[0].because("is in the set already", "it once")),
            None => {
                let index = index(set, &at)?;
                let last = index == set.elements.len();
                members.insert(element.parts.clone(), index);
                set.elements.insert(index, element);
                if !last {
                    number(set, members);
                }
            }
        }
        Ok(())
    }

    fn delete(&mut self, name: &Word, words: &[Word], exist: bool) -> Result<(), Problem> {
        let place = self.place(name)?;
        let set = &mut self.sets[place];
        let (element, _) = element::read(set, words)?;
        let members = self.members.entry(set.name.clone()).or_default();
        match members.remove(&element.parts) {
            Some(index) => {
                set.elements.remove(index);
                number(set, members);
                Ok(())
            }
            None if exist => Ok(()),
            None => Err(words[0].because("is not in the set", "an element of the set")),
        }
    }

    fn flush(&mut self, names: &[Word]) -> Result<(), Problem> {
        for name in names {
            let place = self.place(name)?;
            self.sets[place].elements.clear();
            self.members.remove(&name.text);
        }
        if names.is_empty() {
            self.sets.iter_mut().for_each(|set| set.elements.clear());
            self.members.clear();
        }
        Ok(())
    }

    fn destroy(&mut self, names: &[Word]) -> Result<(), Problem> {
        for name in names {
            let place = self.place(name)?;
            self.sets.remove(place);
            self.members.remove(&name.text);
        }
        if names.is_empty() {
            self.sets.clear();
            self.members.clear();
        }
        Ok(())
    }

    fn rename(&mut self, from: &Word, to: &Word) -> Result<(), Problem> {
        let place = self.place(from)?;
        if self.place(to).is_ok() {
            return Err(to.because("is there already", "a set's new name"));
        }
        self.sets[place].name = to.text.clone();
        if let Some(members) = self.members.remove(&from.text) {
            self.members.insert(to.text.clone(), members);
        }
        Ok(())
    }

    /// Two sets exchange their names.
    fn swap(&mut self, one: &Word, other: &Word) -> Result<(), Problem> {
        let (first, second) = (self.place(one)?, self.place(other)?);
        self.sets[first].name = other.text.clone();
        self.sets[second].name = one.text.clone();
        let members = self.members.remove(&one.text).unwrap_or_default();
        let members = self.members.insert(other.text.clone(), members);
        self.members
            .insert(one.text.clone(), members.unwrap_or_default());
        Ok(())
    }
}

fn nothing(line: Line<'_>) -> Problem {
    Problem::new(
        line.span(),
        "this line orders nothing",
        "create, add, del, flush, destroy, rename, swap, COMMIT or `#`; or a listing that begins with \
         `Name:`",
    )
}

/// Where an element of a list of sets is to stand.
fn index(set: &Set, place: &Place) -> Result<usize, Problem> {
    let find = |name: &Word| {
        let wanted = Part::Set(name.text.clone());
        let is_it = |element: &Element| element.parts.first() == Some(&wanted);
        let found = set.elements.iter().position(is_it);
        found.ok_or_else(|| name.because("is not in the list", "a set of the list"))
    };
    match place {
        Place::Last => Ok(set.elements.len()),
        Place::Before(name) => find(name),
        Place::After(name) => Ok(find(name)? + 1),
    }
}

fn number(set: &Set, members: &mut FxHashMap<Vec<Part>, usize>) {
    let elements = set.elements.iter().enumerate();
    *members = elements
        .map(|(index, element)| (element.parts.clone(), index))
        .collect();
}

/// All sets as `ipset save` prints them: each created and filled, in order.
#[must_use]
pub fn print_save(sets: &[Set]) -> String {
    let mut text = String::new();
    for set in sets {
        let (name, kind, options) = (&set.name, header::kind(set), header::options(set));
        let space = if options.is_empty() { "" } else { " " };
        text.push_str(&format!("create {name} {kind}{space}{options}\n"));
        for element in &set.elements {
            text.push_str(&format!("add {name} {}\n", element::print(element)));
        }
    }
    text
}
