//! What the client has said to its connection and a new one must hear again, in the order in which it was said.
//!
//! A PREPARE of the protocol is not in this list but in the table of statements, whose serial numbers tell its place.

use std::collections::BTreeSet;

use super::variable::Variable;
use crate::statements::table::Serial;

/// The texts and names that a session keeps, in bytes.
const BYTES_MAX: usize = 64 << 10;

/// The entries that a session keeps.
const ENTRIES_MAX: usize = 256;

/// The same, if databases are among them in which many statements were prepared: those are needed more than anything.
const DATABASES_MAX: usize = 2048;

/// Numbers the client's commands that change the state: production, or the test server, may refuse one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ChangeId(pub(crate) u32);

/// What a new connection is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// COM_RESET_CONNECTION.
    Reset,
    /// COM_INIT_DB.
    Database(Box<[u8]>),
    /// COM_QUERY.
    Query(Box<[u8]>),
    /// COM_SET_OPTION.
    Options([u8; 2]),
    /// Nothing: what these variables were set to before does not matter any more.
    Nothing,
}

impl Said {
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Database(text) | Self::Query(text) => text.len(),
            Self::Reset | Self::Options(_) | Self::Nothing => 0,
        }
    }
}

/// A change of the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repeat {
    pub(crate) change: ChangeId,
    /// The statements that were prepared before it have smaller numbers.
    pub(crate) place: Serial,
    pub(crate) said: Said,
    pub(crate) sets: Vec<Variable>,
    pub(crate) reads: Vec<Variable>,
}

impl Repeat {
    fn memory(&self) -> usize {
        let names = self.sets.iter().chain(&self.reads);
        self.said.memory() + names.map(|name| size_of::<Variable>() + name.memory()).sum::<usize>()
    }
}

/// The list.
#[derive(Debug, Default, Clone)]
pub(crate) struct Repeats {
    list: Vec<Repeat>,
    /// The memory of what the entries hold, in bytes.
    bytes: usize,
}

/// There is no room for another change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NoRoom;

impl Repeats {
    /// The client says something more. What the last entry has made superfluous is dropped now, because a server may refuse
    /// an entry until the client goes on. `is_prepared`: whether one of the statements with these numbers is still open.
    pub(crate) fn push(
        &mut self,
        repeat: Repeat,
        is_prepared: impl Fn(std::ops::Range<Serial>) -> bool,
    ) -> Result<(), NoRoom> {
        self.drop_superfluous(is_prepared);
        let bytes = repeat.memory();
        let fits = match repeat.said {
            // It makes room with the next one.
            Said::Nothing => true,
            Said::Query(_) => self.list.len() < ENTRIES_MAX && self.bytes + bytes <= BYTES_MAX,
            Said::Reset | Said::Database(_) | Said::Options(_) => self.list.len() < DATABASES_MAX,
        };
        if !fits {
            return Err(NoRoom);
        }
        self.bytes += bytes;
        self.list.push(repeat);
        Ok(())
    }

    /// A server has refused this change.
    pub(crate) fn refuse(&mut self, change: ChangeId) {
        self.retain(|repeat| repeat.change != change);
    }

    /// What this change sets.
    pub(crate) fn set_by(&self, change: ChangeId) -> Vec<Variable> {
        let entries = self.list.iter().filter(|repeat| repeat.change == change);
        entries.flat_map(|repeat| &repeat.sets).cloned().collect()
    }

    /// What sets only this is used up.
    pub(crate) fn forget(&mut self, variable: &Variable) {
        self.retain(|repeat| repeat.sets != std::slice::from_ref(variable));
    }

    /// In the order in which it was said.
    pub(crate) fn all(&self) -> &[Repeat] {
        &self.list
    }

    /// The last entry that sets this.
    pub(crate) fn setting(&self, variable: &Variable) -> Option<&Repeat> {
        self.list.iter().rev().find(|repeat| repeat.sets.contains(variable))
    }

    /// The memory that is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.list.capacity() * size_of::<Repeat>() + self.bytes
    }

    fn retain(&mut self, mut is_kept: impl FnMut(&Repeat) -> bool) {
        let bytes = &mut self.bytes;
        self.list.retain(|repeat| {
            let kept = is_kept(repeat);
            if !kept {
                *bytes -= repeat.memory();
            }
            kept
        });
    }

    /// Drops each entry whose variables are all set again later, unless something between reads them.
    fn drop_superfluous(&mut self, is_prepared: impl Fn(std::ops::Range<Serial>) -> bool) {
        let mut set_later: BTreeSet<&Variable> = BTreeSet::new();
        let mut place: Option<Serial> = None;
        let mut is_kept = Vec::with_capacity(self.list.len());
        for repeat in self.list.iter().rev() {
            if place.is_some_and(|place| is_prepared(repeat.place..place)) {
                set_later.retain(|variable| !variable.is_read_by_prepare());
            }
            place = Some(repeat.place);
            let keeps = repeat.sets.iter().any(|variable| !set_later.contains(variable));
            if keeps {
                set_later.extend(&repeat.sets);
                for variable in &repeat.reads {
                    set_later.remove(variable);
                }
            }
            is_kept.push(keeps);
        }
        self.retain(|_| is_kept.pop().unwrap_or(true));
        // The first ones say nothing, because there is nothing before them.
        let mut has_said = BTreeSet::new();
        let mut needless = Vec::with_capacity(self.list.len());
        for repeat in &self.list {
            let is_first = repeat.sets.iter().all(|variable| !has_said.contains(variable));
            needless.push(repeat.said == Said::Nothing && is_first);
            has_said.extend(&repeat.sets);
        }
        let mut needless = needless.into_iter();
        self.retain(|_| !needless.next().unwrap_or(false));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Variable {
        Variable::user(name.as_bytes())
    }

    /// The client says `text`, which sets and reads these variables, behind so many statements that it has prepared.
    fn say(list: &mut Repeats, text: &str, sets: &[Variable], reads: &[Variable]) -> Result<(), NoRoom> {
        say_behind(list, 0, text, sets, reads)
    }

    fn say_behind(
        list: &mut Repeats,
        prepared: u32,
        text: &str,
        sets: &[Variable],
        reads: &[Variable],
    ) -> Result<(), NoRoom> {
        let said = if text.is_empty() { Said::Nothing } else { Said::Query(text.as_bytes().into()) };
        let change = ChangeId(list.list.last().map_or(0, |last| last.change.0 + 1));
        let (sets, reads) = (sets.to_vec(), reads.to_vec());
        let place = Serial::of(prepared);
        // All statements are still open.
        list.push(Repeat { change, place, said, sets, reads }, |between| between.start < between.end)
    }

    fn texts(list: &Repeats) -> Vec<String> {
        let text = |repeat: &Repeat| match &repeat.said {
            Said::Query(text) => String::from_utf8_lossy(text).into_owned(),
            other => format!("{other:?}"),
        };
        list.all().iter().map(text).collect()
    }

    #[test]
    fn what_is_set_again_is_dropped_unless_it_was_read_between() {
        let mut list = Repeats::default();
        say(&mut list, "SET @a = 1", &[user("a")], &[]).unwrap();
        say(&mut list, "SET @b = @a", &[user("b")], &[user("a")]).unwrap();
        say(&mut list, "SET @a = 2", &[user("A")], &[]).unwrap();
        say(&mut list, "SET @c = 1, @b = 2", &[user("c"), user("b")], &[]).unwrap();
        assert_eq!(texts(&list), ["SET @a = 1", "SET @b = @a", "SET @a = 2", "SET @c = 1, @b = 2"]);
        say(&mut list, "SET @d = 1", &[user("d")], &[]).unwrap();
        assert_eq!(texts(&list), ["SET @a = 2", "SET @c = 1, @b = 2", "SET @d = 1"]);
        say(&mut list, "SET @c = 2", &[user("c")], &[]).unwrap();
        say(&mut list, "SET @c = 3", &[user("c")], &[]).unwrap();
        assert_eq!(texts(&list).len(), 5, "the second sets @b, too, and the last may be refused");
    }

    #[test]
    fn a_value_that_changes_itself_needs_the_one_before() {
        let mut list = Repeats::default();
        let mode = || [Variable::session(b"sql_mode")];
        say(&mut list, "SET sql_mode = 'A'", &mode(), &[]).unwrap();
        say(&mut list, "SET sql_mode = CONCAT(@@sql_mode, ',B')", &mode(), &mode()).unwrap();
        say(&mut list, "SET @a = 1", &[user("a")], &[]).unwrap();
        assert_eq!(texts(&list).len(), 3);
        say(&mut list, "SET sql_mode = 'C'", &mode(), &[]).unwrap();
        say(&mut list, "SET @b = 1", &[user("b")], &[]).unwrap();
        assert_eq!(texts(&list), ["SET @a = 1", "SET sql_mode = 'C'", "SET @b = 1"]);
    }

    #[test]
    fn what_a_statement_was_prepared_with_is_kept() {
        let mut list = Repeats::default();
        let mode = || [Variable::session(b"sql_mode")];
        say_behind(&mut list, 0, "USE a", &[Variable::Database], &[]).unwrap();
        say_behind(&mut list, 0, "SET sql_mode = 'A'", &mode(), &[]).unwrap();
        say_behind(&mut list, 0, "SET time_zone = 'A'", &[Variable::session(b"time_zone")], &[]).unwrap();
        say_behind(&mut list, 1, "USE b", &[Variable::Database], &[]).unwrap();
        say_behind(&mut list, 1, "SET sql_mode = 'B'", &mode(), &[]).unwrap();
        say_behind(&mut list, 1, "SET time_zone = 'B'", &[Variable::session(b"time_zone")], &[]).unwrap();
        say_behind(&mut list, 1, "USE c", &[Variable::Database], &[]).unwrap();
        say_behind(&mut list, 1, "SET @a = 1", &[user("a")], &[]).unwrap();
        let kept = ["USE a", "SET sql_mode = 'A'", "SET sql_mode = 'B'", "SET time_zone = 'B'", "USE c"];
        assert_eq!(texts(&list)[..5], kept);
    }

    #[test]
    fn a_refused_change_leaves_what_was_before_it() {
        let mut list = Repeats::default();
        say(&mut list, "SET @a = 1", &[user("a")], &[]).unwrap();
        say(&mut list, "SET @a = 2", &[user("a")], &[]).unwrap();
        list.refuse(ChangeId(1));
        say(&mut list, "SET @b = 1", &[user("b")], &[]).unwrap();
        assert_eq!(texts(&list), ["SET @a = 1", "SET @b = 1"]);
        assert_eq!(list.setting(&user("A")).map(|it| it.change), Some(ChangeId(0)));
        list.refuse(ChangeId(7));
        list.retain(|_| false);
        assert_eq!((list.bytes, list.all().len()), (0, 0));
    }

    #[test]
    fn what_is_forgotten_leaves_nothing() {
        let mut list = Repeats::default();
        say(&mut list, "PREPARE s FROM 'DO 1'", &[Variable::prepared(b"s")], &[]).unwrap();
        say(&mut list, "", &[Variable::prepared(b"S")], &[]).unwrap();
        say(&mut list, "SET @a = 1", &[user("a")], &[]).unwrap();
        assert_eq!(texts(&list), ["SET @a = 1"]);
        let bytes = list.bytes;
        say(&mut list, "", &[user("z")], &[]).unwrap();
        say(&mut list, "", &[user("z")], &[]).unwrap();
        list.drop_superfluous(|_| false);
        assert_eq!((texts(&list).len(), list.bytes), (1, bytes));
    }

    #[test]
    fn memory_is_bounded() {
        let mut list = Repeats::default();
        let mut kept = 0;
        for name in 0..2 * ENTRIES_MAX {
            let name = user(&name.to_string());
            kept += usize::from(say(&mut list, &"x".repeat(200), &[name], &[]).is_ok());
        }
        assert_eq!((kept, list.all().len()), (ENTRIES_MAX, ENTRIES_MAX));
        list = Repeats::default();
        assert_eq!(say(&mut list, &"x".repeat(BYTES_MAX), &[user("a")], &[]), Err(NoRoom));
        assert!(say(&mut list, "", &[user("a")], &[]).is_ok());
        // Each with a statement that was prepared there.
        for number in 0..2 * DATABASES_MAX {
            let (said, sets) = (Said::Database([b'd'; 64].into()), vec![Variable::Database]);
            let repeat = Repeat {
                change: ChangeId(0),
                place: Serial::of(number as u32),
                said,
                sets,
                reads: Vec::new(),
            };
            let is_kept = list.push(repeat, |between| between.start < between.end).is_ok();
            assert_eq!(is_kept, number < DATABASES_MAX, "{number}");
        }
        assert!(list.memory() < 1 << 20, "{}", list.memory());
    }
}
