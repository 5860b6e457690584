//! The prepared statements of a session. In a recording they are named by numbers that count them: the servers' ids differ.

use std::collections::{BTreeMap, HashMap};

use mysql_wire::execute::{self, Execute, Known};

/// More statements of a session are not followed.
const STATEMENTS_MAX: usize = 20_000;

/// Values that were sent before their EXECUTE are kept up to this, of a session, in bytes.
const LONG_MAX: usize = 64 << 20;

/// MariaDB: the statement that was prepared last.
const LAST: u32 = u32::MAX;

/// A statement.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    /// Its name in the recording.
    pub(super) name: u32,
    /// The number of its parameters.
    pub(super) parameters: u16,
    /// Its parameters are passwords.
    pub(super) is_secret: bool,
    /// The types that were bound last.
    kinds: Vec<u16>,
    long: BTreeMap<usize, Vec<u8>>,
    /// Values were not kept.
    is_cut: bool,
}

impl Prepared {
    /// Reads an EXECUTE, whose values that were sent before it are used up. `None` if one of them was not kept.
    pub(super) fn execute<R>(
        &mut self,
        payload: &[u8],
        attributes: bool,
        read: impl FnOnce(&Execute<'_>) -> R,
    ) -> Option<R> {
        let long = std::mem::take(&mut self.long);
        let is_cut = std::mem::take(&mut self.is_cut);
        let known = Known { parameters: self.parameters, kinds: &self.kinds, attributes };
        let execute = execute::read(payload, known, |at| long.get(&at).map(Vec::as_slice))?;
        let result = read(&execute);
        let kinds = execute.parameters.iter().map(|parameter| parameter.kind).collect();
        self.kinds = kinds;
        (!is_cut).then_some(result)
    }
}

#[derive(Debug, Default)]
pub(super) struct Statements {
    by_id: HashMap<u32, Prepared>,
    /// They were sent, and have no id yet.
    unanswered: Vec<Prepared>,
    count: u32,
    last: u32,
    long_bytes: usize,
}

impl Statements {
    /// A PREPARE was sent; the server will say how many `parameters` there are. Returns its name.
    pub(super) fn sent(&mut self, parameters: u16, is_secret: bool) -> u32 {
        self.count += 1;
        self.unanswered.push(Prepared { name: self.count, parameters, is_secret, ..Prepared::default() });
        self.count
    }

    /// The first of those without an id is answered; `None` if it failed.
    pub(super) fn answered(&mut self, id_and_parameters: Option<(u32, u16)>) {
        if self.unanswered.is_empty() {
            return;
        }
        let mut prepared = self.unanswered.remove(0);
        let Some((id, parameters)) = id_and_parameters else { return };
        prepared.parameters = parameters;
        self.last = id;
        if self.by_id.len() < STATEMENTS_MAX {
            self.by_id.insert(id, prepared);
        }
    }

    pub(super) fn get(&mut self, id: u32) -> Option<&mut Prepared> {
        if id != LAST {
            return self.by_id.get_mut(&id);
        }
        match self.unanswered.last_mut() {
            Some(last) => Some(last),
            None => self.by_id.get_mut(&self.last),
        }
    }

    /// A part of a value, for the next EXECUTE.
    ///
    /// `None` is one that was not kept.
    pub(super) fn long_data(&mut self, id: u32, parameter: usize, data: Option<&[u8]>) {
        let long_bytes = self.long_bytes + data.map_or(0, <[u8]>::len);
        let Some(prepared) = self.get(id) else { return };
        if parameter >= usize::from(prepared.parameters) {
            return;
        }
        // Even without it, the EXECUTE is read as one that has no such value.
        let value = prepared.long.entry(parameter).or_default();
        match data {
            Some(data) if long_bytes <= LONG_MAX => {
                value.extend_from_slice(data);
                self.long_bytes = long_bytes;
            }
            _ => prepared.is_cut = true,
        }
    }

    /// Long data were used up.
    pub(super) fn executed(&mut self) {
        self.long_bytes = self.by_id.values().flat_map(|it| it.long.values()).map(Vec::len).sum();
    }

    /// Whether values wait for their EXECUTE.
    pub(super) fn has_long_data(&self) -> bool {
        self.long_bytes > 0
    }

    /// The statement's long data are dropped.
    pub(super) fn reset(&mut self, id: u32) -> Option<u32> {
        let prepared = self.get(id)?;
        prepared.long.clear();
        prepared.is_cut = false;
        let name = prepared.name;
        if self.has_long_data() {
            self.executed();
        }
        Some(name)
    }

    /// Returns its name.
    pub(super) fn close(&mut self, id: u32) -> Option<u32> {
        let id = if id == LAST { self.last } else { id };
        self.by_id.remove(&id).map(|prepared| prepared.name)
    }

    /// All are gone; numbers go on.
    pub(super) fn clear(&mut self) {
        *self = Self { count: self.count, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use mysql_wire::execute::{Parameter, write};

    use super::*;

    #[test]
    fn a_value_that_is_not_kept_spoils_one_execution() {
        let mut statements = Statements::default();
        statements.sent(2, false);
        statements.answered(Some((9, 2)));
        let parameters =
            vec![Parameter { kind: 0xFC, value: Some(b"") }, Parameter { kind: 0xFD, value: Some(b"x") }];
        let execute = Execute { statement: 9, has_cursor: false, parameters };
        let first = write(&execute, false, |at| at == 0);
        // The types are those of the first execution.
        let again = b"\x17\x09\0\0\0\0\x01\0\0\0\0\0\x01y";
        let values = |statements: &mut Statements, payload: &[u8]| {
            let values = statements.get(9)?.execute(payload, false, |execute| {
                execute.parameters.iter().map(|it| it.value.map(<[u8]>::to_vec)).collect::<Vec<_>>()
            });
            statements.executed();
            values
        };
        statements.long_data(9, 0, Some(b"a"));
        statements.long_data(9, 0, None);
        statements.long_data(9, 7, Some(b"no such parameter"));
        assert_eq!(values(&mut statements, &first), None);
        statements.long_data(9, 0, Some(b"ab"));
        statements.long_data(9, 0, Some(b"c"));
        let expected = vec![Some(b"abc".to_vec()), Some(b"y".to_vec())];
        assert_eq!(values(&mut statements, again), Some(expected));
        let much = vec![0; LONG_MAX];
        statements.long_data(9, 0, Some(&much));
        statements.long_data(9, 0, Some(b"a"));
        assert_eq!(values(&mut statements, again), None);
        assert!(!statements.has_long_data());
        statements.long_data(9, 0, Some(b"a"));
        assert!(values(&mut statements, again).is_some());
    }
}
