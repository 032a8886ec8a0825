//! `ipset save` text: one order a line, as `ipset restore` obeys them.

use rustc_hash::FxHashMap;

use super::element::{self, Place};
use super::header;
use super::words::{self, Line, Word};
use crate::xtables::error::Problem;
use crate::xtables::set::{Element, Method, Part, Set};

/// The sets that have been made so far.
#[derive(Default)]
pub(super) struct Restore {
    /// In the order in which they were made.
    pub sets: Vec<Set>,
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
                self.sets.push(set);
                Ok(())
            }
        }
    }

    fn add(&mut self, name: &Word, words: &[Word], exist: bool) -> Result<(), Problem> {
        let place = self.place(name)?;
        self.add_to(place, words, exist)
    }

    /// Adds an element to the set at this place; if `exist`, over one that is there.
    pub fn add_to(&mut self, place: usize, words: &[Word], exist: bool) -> Result<(), Problem> {
        let (element, at) = element::read(&self.sets[place], words)?;
        self.check_member(&element, &words[0])?;
        let set = &mut self.sets[place];
        let members = self.members.entry(set.name.clone()).or_default();
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

    /// A list holds sets that are there and are no lists (net/netfilter/ipset/ip_set_list_set.c).
    fn check_member(&self, element: &Element, word: &Word) -> Result<(), Problem> {
        let Some(Part::Set(member)) = element.parts.first() else {
            return Ok(());
        };
        match self.sets.iter().find(|set| set.name == *member) {
            Some(set) if set.method == Method::List => {
                Err(word.because("is a list itself", "a set that is no list"))
            }
            Some(_) => Ok(()),
            None => Err(word.because("is no set up to here", "a set that a line before creates")),
        }
    }

    /// Whether a list holds a set.
    fn is_held(&self, name: &str) -> bool {
        let member = vec![Part::Set(name.to_owned())];
        let mut all = self.members.values();
        all.any(|members| members.contains_key(&member))
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
            if self.is_held(&name.text) {
                return Err(name.because("is in a list", "a set that no list holds"));
            }
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
        header::check_name(to)?;
        let place = self.place(from)?;
        if self.place(to).is_ok() {
            return Err(to.because("is there already", "a set's new name"));
        }
        // The kernel renames no set that something refers to (ip_set_core.c, `ip_set_rename`).
        if self.is_held(&from.text) {
            return Err(from.because("is in a list", "a set that no list holds"));
        }
        self.sets[place].name = to.text.clone();
        if let Some(members) = self.members.remove(&from.text) {
            self.members.insert(to.text.clone(), members);
        }
        Ok(())
    }

    /// Two sets of the same kind of elements exchange their names; a list goes on holding the name.
    fn swap(&mut self, one: &Word, other: &Word) -> Result<(), Problem> {
        let (first, second) = (self.place(one)?, self.place(other)?);
        let kind = |set: &Set| (set.dimensions.clone(), set.family);
        if kind(&self.sets[first]) != kind(&self.sets[second]) {
            return Err(other.because("is of another kind", "a set of the same kind"));
        }
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

/// All sets as `ipset save` prints them: each created and filled, lists behind what they hold.
#[must_use]
pub fn print_save(sets: &[Set]) -> String {
    let mut text = String::new();
    for set in lists_last(sets) {
        let (name, kind, options) = (&set.name, header::kind(set), header::options(set));
        let space = if options.is_empty() { "" } else { " " };
        text.push_str(&format!("create {name} {kind}{space}{options}\n"));
        for element in &set.elements {
            text.push_str(&format!("add {name} {}\n", element::print(element)));
        }
    }
    text
}

/// The order in which the kernel dumps sets (ip_set_core.c, `ip_set_dump_do`).
pub(super) fn lists_last(sets: &[Set]) -> impl Iterator<Item = &Set> {
    let is_list = |set: &&Set| set.method == Method::List;
    let others = sets.iter().filter(move |set| !is_list(set));
    others.chain(sets.iter().filter(is_list))
}
