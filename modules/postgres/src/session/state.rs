//! The state of a connection that its client has set, and a new connection must be given again.

use crate::sql::{Effect, Setting};

/// What is kept for a session, in bytes.
const KEPT_MAX: usize = 64 << 10;

/// Effects whose transaction has not ended.
const PENDING_MAX: usize = 1024;

/// The state, and changes to it that are not settled yet.
#[derive(Debug, Default)]
pub(super) struct State {
    /// In the order in which they are to be said again.
    entries: Vec<Entry>,
    /// Temporary tables.
    pub(super) temporary: Vec<Vec<u8>>,
    /// Cursors that outlive their transactions.
    pub(super) held_cursors: Vec<Vec<u8>>,
    /// Advisory locks that the session certainly has, and whether it may have others.
    pub(super) locks: u32,
    pub(super) may_have_locks: bool,
    /// Settings whose value is not known.
    pub(super) unknown: Vec<Vec<u8>>,
    /// Changes by the cycle in which they were made.
    pending: Vec<(u64, Effect)>,
    bytes: usize,
}

/// Something that is said again.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    name: Vec<u8>,
    text: Vec<u8>,
    /// The present connection has it.
    is_said: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setting,
    Listen,
    Prepared,
}

impl State {
    /// The client makes a change on this connection, which is settled when the server has answered the cycle.
    pub(super) fn propose(&mut self, cycle: u64, effect: &Effect) {
        match effect {
            Effect::Begin | Effect::End { .. } => {}
            _ => {
                let bytes: usize = self.pending.iter().map(|(_, effect)| effect.memory()).sum();
                if self.pending.len() >= PENDING_MAX || bytes + effect.memory() > KEPT_MAX {
                    return self.unknown_setting(Vec::new());
                }
                self.pending.push((cycle, effect.clone()));
            }
        }
    }

    /// The changes up to this cycle are in force; `is_said` on this connection, too.
    pub(super) fn commit(&mut self, cycle: u64, is_said: bool) {
        let count = self.pending.iter().take_while(|(of, _)| *of <= cycle).count();
        let mut effects: Vec<Effect> = Vec::with_capacity(count);
        for (_, effect) in self.pending.drain(..count) {
            match &effect {
                Effect::RollbackTo(name) => {
                    let to = effects.iter().rposition(|it| matches!(it, Effect::Savepoint(it) if it == name));
                    effects.truncate(to.map_or(effects.len(), |to| to + 1));
                }
                _ => effects.push(effect),
            }
        }
        effects.into_iter().for_each(|effect| self.apply(effect, is_said));
    }

    /// The changes up to this cycle are undone, but for those that no rollback undoes: they are in force; `is_said` on this
    /// connection, too. If the cycle `has_failed`, nothing in it has happened.
    pub(super) fn roll_back(&mut self, cycle: u64, has_failed: bool, is_said: bool) {
        let count = self.pending.iter().take_while(|(of, _)| *of <= cycle).count();
        let effects: Vec<_> = self.pending.drain(..count).collect();
        for (of, effect) in effects {
            if outlives_rollback(&effect) && !(has_failed && of == cycle) {
                self.apply(effect, is_said);
            }
        }
    }

    /// The changes of this cycle have not happened.
    pub(super) fn failed(&mut self, cycle: u64) {
        self.pending.retain(|(of, _)| *of != cycle);
    }

    /// The transaction of the changes that are not settled is lost.
    pub(super) fn pending_is_lost(&mut self) {
        self.pending.iter_mut().for_each(|(of, _)| *of = u64::MAX);
    }

    /// A change is in force, for the client at least; `is_said` on this connection, too.
    pub(super) fn apply(&mut self, effect: Effect, is_said: bool) {
        match effect {
            // What the connection does not have cannot be lost with it.
            Effect::CreateTemporary(_)
            | Effect::DeclareHeld(_)
            | Effect::AdvisoryLock { .. }
            | Effect::SetUnknown(_)
                if !is_said => {}
            Effect::Set(Setting { name, text }) => {
                if name == b"session_authorization" {
                    self.remove(Kind::Setting, b"role");
                }
                self.unknown.retain(|it| *it != name);
                self.add(Kind::Setting, name, text, is_said);
            }
            Effect::SetUnknown(name) => {
                self.remove(Kind::Setting, &name);
                self.unknown_setting(name);
            }
            Effect::Reset(name) => {
                self.unknown.retain(|it| *it != name);
                self.remove(Kind::Setting, &name);
                if !is_said {
                    let text = [b"RESET ", &name[..]].concat();
                    self.add(Kind::Setting, name, text, false);
                }
            }
            Effect::ResetAll => {
                self.unknown.clear();
                self.retain(|it| {
                    it.kind != Kind::Setting || matches!(&it.name[..], b"role" | b"session_authorization")
                });
                if !is_said {
                    self.add(Kind::Setting, Vec::new(), b"RESET ALL".to_vec(), false);
                }
            }
            Effect::DiscardAll => {
                *self = Self { pending: std::mem::take(&mut self.pending), ..Self::default() };
                if !is_said {
                    self.add(Kind::Setting, Vec::new(), b"DISCARD ALL".to_vec(), false);
                }
            }
            Effect::DiscardTemporary => self.temporary.clear(),
            Effect::Listen(name) => {
                let text = [b"LISTEN ", &quoted(&name)[..]].concat();
                self.add(Kind::Listen, name, text, is_said);
            }
            Effect::Unlisten(name) => self.remove(Kind::Listen, &name),
            Effect::UnlistenAll => self.retain(|it| it.kind != Kind::Listen),
            Effect::Prepare { name, text } => self.add(Kind::Prepared, name, text, is_said),
            Effect::Deallocate(name) => self.remove(Kind::Prepared, &name),
            Effect::DeallocateAll => self.retain(|it| it.kind != Kind::Prepared),
            Effect::CreateTemporary(name) => add_name(&mut self.temporary, name),
            Effect::Drop(name) => self.temporary.retain(|it| *it != name),
            Effect::AdvisoryLock { is_certain: true } => self.locks = self.locks.saturating_add(1),
            Effect::AdvisoryLock { is_certain: false } => self.may_have_locks = true,
            Effect::AdvisoryUnlock => self.locks = self.locks.saturating_sub(1),
            Effect::AdvisoryUnlockAll => (self.locks, self.may_have_locks) = (0, false),
            Effect::DeclareHeld(name) => add_name(&mut self.held_cursors, name),
            Effect::CloseCursor(name) => self.held_cursors.retain(|it| *it != name),
            Effect::CloseAllCursors => self.held_cursors.clear(),
            Effect::Begin
            | Effect::End { .. }
            | Effect::Savepoint(_)
            | Effect::RollbackTo(_)
            | Effect::Release(_)
            | Effect::SetConfig(_) => {}
        }
    }

    fn add(&mut self, kind: Kind, name: Vec<u8>, text: Vec<u8>, is_said: bool) {
        if kind == Kind::Prepared && self.entries.iter().any(|it| it.kind == kind && it.name == name) {
            // The server refuses a second one.
            return;
        }
        self.remove(kind, &name);
        let bytes = name.len() + text.len();
        if self.bytes + bytes > KEPT_MAX {
            return self.unknown_setting(name);
        }
        self.bytes += bytes;
        self.entries.push(Entry { kind, name, text, is_said });
    }

    fn remove(&mut self, kind: Kind, name: &[u8]) {
        self.retain(|it| it.kind != kind || it.name != name);
    }

    fn retain(&mut self, is_kept: impl Fn(&Entry) -> bool) {
        self.entries.retain(is_kept);
        self.bytes = self.entries.iter().map(|it| it.name.len() + it.text.len()).sum();
    }

    fn unknown_setting(&mut self, name: Vec<u8>) {
        add_name(&mut self.unknown, name);
    }

    /// Whether SQL's PREPARE has made a statement of this name.
    pub(super) fn has_prepared(&self, name: &[u8]) -> bool {
        self.entries.iter().any(|it| it.kind == Kind::Prepared && it.name == name)
    }

    /// The connection is lost: everything is to be said again.
    pub(super) fn connection_lost(&mut self) {
        self.entries.iter_mut().for_each(|it| it.is_said = false);
        (self.locks, self.may_have_locks) = (0, false);
        self.temporary.clear();
        self.held_cursors.clear();
        self.unknown.clear();
    }

    /// Whether there is something to say again.
    pub(super) fn has_unsaid(&self) -> bool {
        self.entries.iter().any(|it| !it.is_said)
    }

    /// What is to be said again, with its name: it is said now.
    pub(super) fn say(&mut self, mut say: impl FnMut(Kind, &[u8], &[u8])) {
        for entry in self.entries.iter_mut().filter(|it| !it.is_said) {
            entry.is_said = true;
            say(entry.kind, &entry.name, &entry.text);
        }
    }

    pub(super) fn memory(&self) -> usize {
        let names =
            |names: &[Vec<u8>]| names.iter().map(|it| it.capacity() + size_of::<Vec<u8>>()).sum::<usize>();
        self.bytes
            + self.entries.capacity() * size_of::<Entry>()
            + self.pending.capacity() * size_of::<(u64, Effect)>()
            + self.pending.iter().map(|(_, effect)| effect.memory()).sum::<usize>()
            + names(&self.temporary)
            + names(&self.held_cursors)
            + names(&self.unknown)
    }
}

fn outlives_rollback(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Prepare { .. }
            | Effect::Deallocate(_)
            | Effect::DeallocateAll
            | Effect::AdvisoryLock { .. }
            | Effect::AdvisoryUnlock
            | Effect::AdvisoryUnlockAll
    )
}

/// Names that are kept at most.
const NAMES_MAX: usize = 256;

/// Longer names are not kept: PostgreSQL cuts them at 63 bytes.
const NAME_MAX: usize = 256;

fn add_name(names: &mut Vec<Vec<u8>>, mut name: Vec<u8>) {
    name.truncate(NAME_MAX);
    if !names.contains(&name) && names.len() < NAMES_MAX {
        names.push(name);
    }
}

/// The name in quotes.
fn quoted(name: &[u8]) -> Vec<u8> {
    // Doubled quotes are kept as they were.
    [b"\"", name, b"\""].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::Reading;

    fn propose(state: &mut State, cycle: u64, text: &str) {
        Reading::of(text.as_bytes()).effects.iter().for_each(|effect| state.propose(cycle, effect));
    }

    /// What a new connection is told.
    fn said(state: &mut State) -> Vec<String> {
        state.connection_lost();
        let mut texts = Vec::new();
        state.say(|_, _, text| texts.push(String::from_utf8_lossy(text).into_owned()));
        assert!(!state.has_unsaid());
        texts
    }

    #[test]
    fn what_is_in_force_is_said_again_in_order() {
        let mut state = State::default();
        propose(&mut state, 1, "SET a = 1; SET b = 2; LISTEN \"Ch\"; SET ROLE x");
        propose(&mut state, 2, "SET a = 3; PREPARE s AS SELECT 1; SET SESSION AUTHORIZATION y");
        assert!(said(&mut state).is_empty(), "nothing was confirmed");
        state.commit(2, true);
        let [set, session] = ["SET a = 3", "SET SESSION AUTHORIZATION y"];
        let expected = ["SET b = 2", "LISTEN \"Ch\"", set, "PREPARE s AS SELECT 1", session];
        assert_eq!(said(&mut state), expected);
        propose(&mut state, 3, "RESET b; DEALLOCATE s; UNLISTEN *");
        state.commit(3, true);
        assert_eq!(said(&mut state), ["SET a = 3", "SET SESSION AUTHORIZATION y"]);
        propose(&mut state, 4, "RESET ALL");
        state.commit(4, true);
        assert_eq!(said(&mut state), ["SET SESSION AUTHORIZATION y"]);
        propose(&mut state, 5, "DISCARD ALL");
        state.commit(5, true);
        assert!(said(&mut state).is_empty() && state.bytes == 0);
    }

    #[test]
    fn what_a_savepoint_takes_back_is_not_said() {
        let mut state = State::default();
        for text in
            ["SET a = 1", "SAVEPOINT s", "SET b = 2", "ROLLBACK TO s", "SET c = 3", "ROLLBACK TO none"]
        {
            propose(&mut state, 1, text);
        }
        state.commit(1, true);
        assert_eq!(said(&mut state), ["SET a = 1", "SET c = 3"]);
        propose(&mut state, 2, "SET a = 9");
        state.failed(2);
        state.commit(9, true);
        assert_eq!(said(&mut state), ["SET a = 1", "SET c = 3"]);
        propose(&mut state, 3, "SET a = 9; PREPARE p AS SELECT 1");
        propose(&mut state, 4, "PREPARE q AS SELECT 1");
        state.roll_back(4, true, true);
        assert_eq!(said(&mut state), ["SET a = 1", "SET c = 3", "PREPARE p AS SELECT 1"]);
    }

    #[test]
    fn a_reset_that_did_not_reach_the_connection_is_said() {
        let mut state = State::default();
        state.apply(Effect::Reset(b"a".to_vec()), false);
        assert!(state.has_unsaid());
        assert_eq!(said(&mut state), ["RESET a"]);
        state.apply(Effect::DiscardAll, false);
        assert_eq!(said(&mut state), ["DISCARD ALL"]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut state = State::default();
        for number in 0..10_000 {
            let (name, text) = (format!("s{number}").into_bytes(), vec![b'x'; 1000]);
            state.propose(number, &Effect::Set(Setting { name: name.clone(), text }));
            state.propose(number, &Effect::CreateTemporary(name));
            if number % 3 == 0 {
                state.commit(number, true);
            }
        }
        assert!(state.bytes <= KEPT_MAX && state.memory() < 5 * KEPT_MAX, "{}", state.memory());
        assert!(!state.unknown.is_empty(), "what is not kept is known to be lost");
    }
}
