//! Values that a client sends before the EXECUTE they are for (COM_STMT_SEND_LONG_DATA): the EXECUTE has none for them.
//!
//! Source: dev.mysql.com, "COM_STMT_SEND_LONG_DATA", "COM_STMT_EXECUTE", "COM_STMT_RESET".

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::command::Command;

/// More values than this are not followed, of all statements of a session together.
const VALUES_MAX: usize = 1024;

/// Command, statement and parameter of a COM_STMT_SEND_LONG_DATA, in bytes.
pub(crate) const NAMED: usize = 7;

/// The values that no EXECUTE has used yet, by the client's ids of statements.
#[derive(Debug, Default)]
pub(crate) struct LongData {
    statements: BTreeMap<u32, Values>,
    count: usize,
}

/// The values for the next EXECUTE of a statement.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Values {
    parameters: BTreeSet<u16>,
    /// Some are not followed.
    overflowed: bool,
    /// Some went to a lost connection.
    pub(crate) lost: bool,
}

impl Values {
    /// Was the value of this parameter sent before? `None` if that is not known.
    pub(crate) fn has(&self, parameter: usize) -> Option<bool> {
        let known = u16::try_from(parameter).is_ok_and(|parameter| self.parameters.contains(&parameter));
        if !known && self.overflowed { None } else { Some(known) }
    }
}

impl LongData {
    /// The client sends a command that names a statement. `payload` is its beginning, with at least [`NAMED`] bytes unless it
    /// is shorter; `lost`: it does not reach the test server.
    pub(crate) fn note(&mut self, command: Command, payload: &[u8], lost: bool) {
        let Some(&[_, a, b, c, d]) = payload.first_chunk() else { return };
        let statement = u32::from_le_bytes([a, b, c, d]);
        match (command, payload) {
            (Command::LONG_DATA, [_, _, _, _, _, low, high, ..]) => {
                self.sent(statement, u16::from_le_bytes([*low, *high]), lost);
            }
            (Command::EXECUTE | Command::RESET | Command::CLOSE, _) => self.used(statement),
            _ => {}
        }
    }

    fn sent(&mut self, statement: u32, parameter: u16, lost: bool) {
        if self.statements.len() == VALUES_MAX && !self.statements.contains_key(&statement) {
            return;
        }
        let values = self.statements.entry(statement).or_default();
        values.lost |= lost;
        if self.count < VALUES_MAX {
            self.count += usize::from(values.parameters.insert(parameter));
        } else {
            values.overflowed |= !values.parameters.contains(&parameter);
        }
    }

    /// The values for this statement, if there are any.
    pub(crate) fn of(&self, statement: u32) -> Option<&Values> {
        self.statements.get(&statement)
    }

    fn used(&mut self, statement: u32) {
        if let Some(values) = self.statements.remove(&statement) {
            self.count -= values.parameters.len();
        }
    }

    /// All statements are gone.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// The connection to the test server is a new one.
    pub(crate) fn connection_lost(&mut self) {
        for values in self.statements.values_mut() {
            values.lost = true;
        }
    }

    /// The memory that is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.statements.len() * (size_of::<Values>() + 16) + 16 * self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_for_the_next_execution_of_their_statement() {
        let mut data = LongData::default();
        data.sent(1, 2, false);
        data.sent(1, 2, false);
        data.sent(3, 0, false);
        let of = |data: &LongData, statement, parameter| data.of(statement).and_then(|it| it.has(parameter));
        assert_eq!((of(&data, 1, 2), of(&data, 1, 0), of(&data, 2, 0)), (Some(true), Some(false), None));
        data.connection_lost();
        assert!(data.of(1).is_some_and(|values| values.lost));
        data.used(1);
        assert_eq!((data.of(1), of(&data, 3, 0), data.count), (None, Some(true), 1));
    }

    #[test]
    fn memory_is_bounded_and_what_is_not_known_is_not_guessed() {
        let mut data = LongData::default();
        for parameter in 0..=u16::MAX {
            data.sent(7, parameter, false);
            data.sent(u32::from(parameter), 0, false);
        }
        assert!(data.memory() < VALUES_MAX * 128);
        let values = data.of(7).unwrap();
        assert_eq!((values.has(0), values.has(65_535)), (Some(true), None));
    }
}
