//! State that was lost with a connection: what depends on it must not run until its end.

use module_kit::Loss;

use crate::counters::{Counters, StateLost};
use crate::session::state::State;
use crate::sql::{Effect, Reading, mentions};

/// What is lost.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// An open transaction: nothing runs until its end.
    pub(super) transaction: bool,
    /// Advisory locks: nothing runs until they are given back.
    locks: u32,
    /// Settings: nothing runs until they are set again.
    settings: Vec<Vec<u8>>,
    /// Temporary tables and held cursors: nothing with these names runs until they are made again, or dropped.
    names: Vec<Vec<u8>>,
}

impl Lost {
    /// The connection is lost, with this state and perhaps a transaction.
    /// Returns whether there was any that cannot be said again.
    pub(super) fn connection_lost(
        &mut self,
        state: &mut State,
        in_transaction: bool,
        counters: &Counters,
    ) -> bool {
        let lost = |what, count: usize| counters.state_lost.add(what, count as u64);
        if in_transaction {
            self.begin(counters);
        }
        lost(StateLost::TemporaryTable, state.temporary.len());
        lost(StateLost::HeldCursor, state.held_cursors.len());
        lost(StateLost::AdvisoryLock, state.locks as usize + usize::from(state.may_have_locks));
        lost(StateLost::Setting, state.unknown.len());
        let any = in_transaction
            || state.locks > 0
            || state.may_have_locks
            || [&state.temporary, &state.held_cursors, &state.unknown].iter().any(|names| !names.is_empty());
        self.locks = self.locks.saturating_add(state.locks);
        let names =
            std::mem::take(&mut state.temporary).into_iter().chain(std::mem::take(&mut state.held_cursors));
        names.for_each(|name| add(&mut self.names, name));
        std::mem::take(&mut state.unknown).into_iter().for_each(|name| add(&mut self.settings, name));
        state.connection_lost();
        any
    }

    /// A transaction is lost, from its start on or in the middle.
    pub(super) fn begin(&mut self, counters: &Counters) {
        if !std::mem::replace(&mut self.transaction, true) {
            counters.state_lost.count(StateLost::Transaction);
        }
    }

    /// The test server refuses to set this again.
    pub(super) fn setting(&mut self, name: Vec<u8>, counters: &Counters) {
        counters.state_lost.count(StateLost::Setting);
        add(&mut self.settings, name);
    }

    /// Whether anything is lost.
    pub(super) fn any(&self) -> bool {
        self.transaction || self.locks > 0 || !self.settings.is_empty() || !self.names.is_empty()
    }

    /// Whether statements with this text must not run. If they run, `run` must be called.
    pub(super) fn forbids(&self, text: &[u8], reading: &Reading) -> Option<Loss> {
        let begins_anew = reading.effects.first() == Some(&Effect::Begin);
        if self.transaction && !begins_anew {
            return Some(Loss::StateLost);
        }
        let depends_on_all =
            reading.has_others && (self.settings_left(reading) || self.locks_left(reading) > 0);
        let makes = |name: &[u8]| {
            reading.effects.iter().any(|effect| match effect {
                Effect::CreateTemporary(it) | Effect::DeclareHeld(it) => it == name,
                _ => false,
            })
        };
        let names_lost = || self.names.iter().any(|name| !makes(name) && mentions(text, name));
        (depends_on_all || names_lost()).then_some(Loss::StateLost)
    }

    /// Whether settings are lost that this text does not set again.
    fn settings_left(&self, reading: &Reading) -> bool {
        let is_set = |name: &Vec<u8>| {
            reading.effects.iter().any(|effect| match effect {
                Effect::Set(setting) => setting.name == *name,
                Effect::Reset(it) => it == name,
                Effect::ResetAll | Effect::DiscardAll => true,
                _ => false,
            })
        };
        !self.settings.iter().all(is_set)
    }

    fn locks_left(&self, reading: &Reading) -> u32 {
        reading.effects.iter().fold(self.locks, |locks, effect| match effect {
            Effect::AdvisoryUnlock => locks.saturating_sub(1),
            Effect::AdvisoryUnlockAll | Effect::DiscardAll => 0,
            _ => locks,
        })
    }

    /// The client sends a statement with this effect.
    pub(super) fn sent(&mut self, effect: &Effect) {
        match effect {
            Effect::Set(setting) => self.settings.retain(|it| *it != setting.name),
            Effect::Reset(name) => self.settings.retain(|it| it != name),
            Effect::ResetAll => self.settings.clear(),
            Effect::DiscardAll => *self = Self { transaction: self.transaction, ..Self::default() },
            Effect::DiscardTemporary => self.names.clear(),
            Effect::AdvisoryUnlock => self.locks = self.locks.saturating_sub(1),
            Effect::AdvisoryUnlockAll => self.locks = 0,
            Effect::Drop(name)
            | Effect::CreateTemporary(name)
            | Effect::DeclareHeld(name)
            | Effect::CloseCursor(name) => self.names.retain(|it| it != name),
            _ => {}
        }
    }

    /// The client has sent a statement with this effect, which does not run.
    pub(super) fn unsent(&mut self, effect: &Effect) {
        match effect {
            Effect::CreateTemporary(name) | Effect::DeclareHeld(name) => add(&mut self.names, name.clone()),
            Effect::AdvisoryLock { is_certain: true } => self.locks = self.locks.saturating_add(1),
            Effect::SetUnknown(name) => add(&mut self.settings, name.clone()),
            effect => self.sent(effect),
        }
    }

    pub(super) fn memory(&self) -> usize {
        let lists = [&self.settings, &self.names];
        lists.into_iter().flatten().map(|it| it.capacity() + size_of::<Vec<u8>>()).sum()
    }
}

/// Names that are kept at most.
const NAMES_MAX: usize = 512;

fn add(names: &mut Vec<Vec<u8>>, name: Vec<u8>) {
    if !names.contains(&name) && names.len() < NAMES_MAX {
        names.push(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forbids(lost: &Lost, text: &str) -> bool {
        lost.forbids(text.as_bytes(), &Reading::of(text.as_bytes())).is_some()
    }

    fn sent(lost: &mut Lost, text: &str) {
        Reading::of(text.as_bytes()).effects.iter().for_each(|effect| lost.sent(effect));
    }

    #[test]
    fn what_depends_on_lost_state_does_not_run_until_its_end() {
        let (mut lost, mut state, counters) = (Lost::default(), State::default(), Counters::default());
        state.temporary = vec![b"t".to_vec()];
        state.held_cursors = vec![b"c".to_vec()];
        state.unknown = vec![b"app.user".to_vec()];
        state.locks = 2;
        assert!(lost.connection_lost(&mut state, false, &counters));
        assert!(!Lost::default().connection_lost(&mut State::default(), false, &counters));
        assert!(lost.any() && forbids(&lost, "SELECT 1") && !forbids(&lost, "BEGIN"));
        for text in ["SELECT pg_advisory_unlock(1)", "SELECT set_config('app.user', '1', false)"] {
            assert!(!forbids(&lost, text), "{text}");
        }
        sent(&mut lost, "SELECT pg_advisory_unlock(1)");
        sent(&mut lost, "SET app.user = 7");
        assert!(forbids(&lost, "SELECT 1"), "a lock is left");
        sent(&mut lost, "SELECT pg_advisory_unlock(2)");
        assert!(
            !forbids(&lost, "SELECT 1") && forbids(&lost, "SELECT * FROM T") && forbids(&lost, "FETCH c")
        );
        assert!(!forbids(&lost, "CREATE TEMP TABLE t (a int)") && !forbids(&lost, "SELECT 't'"));
        sent(&mut lost, "CREATE TEMP TABLE t (a int)");
        sent(&mut lost, "CLOSE c");
        assert!(!lost.any());
        let counted: u64 = counters.report().groups[0].counters.iter().map(|(_, count)| count).sum();
        assert_eq!((counters.report().groups[0].name, counted), ("state_lost", 5));
    }
}
