//! Prepared statements: which id of the test server stands for which of the online server.
//!
//! A server numbers the statements of a connection in order, failed ones and those of SQL's own PREPARE included: MySQL
//! from 1 on, MariaDB from anywhere, for it gives a new connection the counter of an old one. So ids can be told by
//! order, once one is known. What a server is heard to say goes first: the test server's answer to each PREPARE, the online
//! server's if it is captured, and what the client itself says when it uses an id.

pub(crate) mod long_data;

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};

use crate::wire::types::{self, Said, Types, Unread};

/// More statements than this are not followed: servers have no more by default (`max_prepared_stmt_count`).
const STATEMENTS_MAX: usize = 16_382;

/// An answer is to one of so many that were prepared last.
const RECENT: usize = 128;

/// How much text of its statements a session keeps, in bytes, to prepare them again on a new connection.
const TEXT_MAX: usize = 256 << 10;

/// MariaDB's name for the statement prepared last, unless that has failed or was closed: clients execute it before they know
/// its id. Source: MariaDB's documentation, "COM_STMT_EXECUTE". It is a further id here: MySQL does not know it, and on a new
/// connection another one may have been prepared last.
pub(crate) const LAST_PREPARED: u32 = u32::MAX;

/// The name of a statement here, whatever the servers call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u32);

/// What can be done with a statement that the client names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// The test server knows it by this id.
    /// `by_order`: that it is this one was told by order only.
    Known { id: u32, parameters: u16, by_order: bool },
    /// The test server has not answered its PREPARE yet; by order it will be this id, if that can be told.
    Waiting { id: Option<u32> },
    /// The test server does not have it.
    Failed,
    /// Never heard of.
    Unknown,
}

/// Where a statement stands on the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtTest {
    Waiting { id: Option<u32> },
    Known { id: u32, parameters: u16 },
    Failed,
}

#[derive(Debug)]
struct Statement {
    online: Option<u32>,
    /// The client has used it by that id, or the online server has given that id.
    used: bool,
    confirmed: bool,
    at_test: AtTest,
    /// Empty if it was not kept.
    text: Box<[u8]>,
    /// The types of its parameters, if the client has said them; whether the test server knows them on its present connection.
    types: Option<Types>,
    typed: bool,
    /// What was executed before its PREPARE was answered.
    unread: Option<Box<Unread>>,
}

impl Statement {
    /// What is kept of it, in bytes.
    fn kept(&self) -> usize {
        let unread = self.unread.as_ref().map_or(0, |unread| unread.kept());
        self.text.len() + self.types.as_ref().map_or(0, |types| types.bytes.len()) + unread
    }
}

/// The types of a statement's parameters were never heard of, or not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NeverHeard;

/// The statements of a session.
#[derive(Debug)]
pub(crate) struct Statements {
    all: BTreeMap<Serial, Statement>,
    by_online: BTreeMap<u32, Serial>,
    next_serial: u32,
    /// The id that each server gives next, if it is known.
    next_online: Option<u32>,
    next_test: Option<u32>,
    /// The online server's answers are heard.
    heard: bool,
    text: usize,
    /// Statements whose text could not be kept.
    pub(crate) texts_given_up: u64,
}

impl Statements {
    /// None so far; `from_start`: the client has prepared none before.
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            all: BTreeMap::new(),
            by_online: BTreeMap::new(),
            next_serial: 0,
            next_online: from_start.then_some(1),
            next_test: None,
            heard: false,
            text: 0,
            texts_given_up: 0,
        }
    }

    /// The client prepares `text`, which is sent on. `None` if there are too many.
    pub(crate) fn prepare(&mut self, text: Option<&[u8]>) -> Option<Serial> {
        let (online, test) = (self.next_online, self.next_test);
        self.prepared_unseen();
        self.last_is_lost();
        if self.all.len() >= STATEMENTS_MAX {
            return None;
        }
        let kept = text.filter(|text| !text.is_empty() && self.text + text.len() <= TEXT_MAX);
        self.texts_given_up += u64::from(kept.is_none());
        let text: Box<[u8]> = kept.unwrap_or_default().into();
        self.text += text.len();
        let serial = Serial(self.next_serial);
        self.next_serial = self.next_serial.wrapping_add(1);
        self.all.insert(
            serial,
            Statement {
                online,
                used: false,
                confirmed: false,
                at_test: AtTest::Waiting { id: test },
                text,
                types: None,
                typed: false,
                unread: None,
            },
        );
        if let Some(online) = online {
            self.by_online.insert(online, serial);
        }
        self.by_online.insert(LAST_PREPARED, serial);
        Some(serial)
    }

    /// The client prepares a statement that the test server must not hear of: only the online server gives it an id.
    pub(crate) fn prepare_left_out(&mut self) -> Option<Serial> {
        let (next_test, given_up) = (self.next_test, self.texts_given_up);
        let serial = self.prepare(None)?;
        (self.next_test, self.texts_given_up) = (next_test, given_up);
        self.failed(serial);
        Some(serial)
    }

    /// Both servers have given an id to a statement that is nobody's business here: one prepared in SQL.
    pub(crate) fn prepared_unseen(&mut self) {
        self.next_online = self.next_online.map(|id| id.wrapping_add(1));
        self.next_test = self.next_test.map(|id| id.wrapping_add(1));
    }

    /// The test server has prepared a statement: the one that has this id by order, or else `serial`. If it may be an earlier
    /// one that is answered late, it is none.
    pub(crate) fn succeeded(&mut self, serial: Serial, id: u32, parameters: u16) {
        let waiting =
            |wanted| move |statement: &Statement| statement.at_test == AtTest::Waiting { id: wanted };
        let mut recent = self.all.iter().rev().take(RECENT);
        let mut before = self.all.range(..serial).rev().take(RECENT);
        let serial = match recent.find(|(_, statement)| waiting(Some(id))(statement)) {
            Some((&by_order, _)) => by_order,
            None if before.any(|(_, statement)| waiting(None)(statement)) => return,
            None => match self.all.get(&serial).map(|statement| statement.at_test) {
                Some(AtTest::Waiting { id: Some(by_order) }) if id < by_order => return,
                _ => serial,
            },
        };
        let prepared_since = self.all.range((Excluded(serial), Unbounded)).count() as u32;
        self.next_test.get_or_insert(id.wrapping_add(1 + prepared_since));
        if let Some(statement) = self.all.get_mut(&serial) {
            statement.at_test = AtTest::Known { id, parameters };
            if let Some(unread) = statement.unread.take() {
                self.text -= unread.kept();
                statement.types =
                    unread.types(parameters).filter(|it| self.text + it.bytes.len() <= TEXT_MAX);
                self.text += statement.types.as_ref().map_or(0, |types| types.bytes.len());
            }
        }
    }

    /// The test server has not.
    pub(crate) fn failed(&mut self, serial: Serial) {
        if let Some(statement) = self.all.get_mut(&serial) {
            statement.at_test = AtTest::Failed;
        }
    }

    /// The online server has prepared a statement as `id`: the one that has this id by order, or else `serial`, if that is
    /// `sure`.
    pub(crate) fn online_id(&mut self, serial: Serial, id: u32, sure: bool) {
        let by_order = self.by_online.get(&id).copied().filter(|serial| !self.is_used(*serial));
        if by_order.is_none() && !sure {
            self.heard = true;
            return;
        }
        let serial = by_order.unwrap_or(serial);
        let prepared_since = self.all.range((Excluded(serial), Unbounded)).count() as u32;
        let next = id.wrapping_add(1 + prepared_since);
        self.next_online = Some(self.next_online.map_or(next, |known| known.max(next)));
        self.rename(serial, id);
        self.heard = true;
        if let Some(statement) = self.all.get_mut(&serial) {
            (statement.used, statement.confirmed) = (true, true);
        }
    }

    /// The online server has prepared the statement that comes next, or one behind it, as `id`.
    pub(crate) fn online_id_early(&mut self, id: u32) {
        self.next_online.get_or_insert(id);
    }

    /// The online server has named a statement, and that may be lost: the next id that it gave is anybody's guess if it was
    /// before.
    pub(crate) fn online_id_missed(&mut self) {
        self.heard = true;
    }

    fn is_used(&self, serial: Serial) -> bool {
        self.all.get(&serial).is_some_and(|statement| statement.used)
    }

    /// The client uses the statement `online`.
    pub(crate) fn look_up(&mut self, online: u32) -> Lookup {
        let Some(serial) = self.by_online.get(&online).copied().or_else(|| self.adopt(online)) else {
            return Lookup::Unknown;
        };
        let Some(statement) = self.all.get_mut(&serial) else { return Lookup::Unknown };
        let is_last = online == LAST_PREPARED;
        statement.used |= !is_last;
        match statement.at_test {
            AtTest::Waiting { id } => Lookup::Waiting { id },
            AtTest::Known { id, parameters } => {
                Lookup::Known { id, parameters, by_order: !is_last && !statement.confirmed }
            }
            AtTest::Failed => Lookup::Failed,
        }
    }

    /// The answer to the PREPARE of `online` was not seen: it has the id that it has by order.
    /// How many parameters it has, nobody knows.
    pub(crate) fn assume(&mut self, online: u32) {
        if let Some(serial) = self.by_online.get(&online)
            && let Some(statement) = self.all.get_mut(serial)
            && let AtTest::Waiting { id: Some(id) } = statement.at_test
        {
            statement.at_test = AtTest::Known { id, parameters: u16::MAX };
        }
    }

    /// The answer to the PREPARE of `online` has passed unseen.
    pub(crate) fn give_up(&mut self, online: u32) {
        if let Some(&serial) = self.by_online.get(&online) {
            self.failed(serial);
        }
    }

    /// An id that was not expected is that of the last statement prepared, if that was never used: others have been
    /// prepared in between that were not seen, or the session was joined late. Where the online server is heard, it would
    /// have been heard of that one, too: then the id is of another, which was lost.
    fn adopt(&mut self, online: u32) -> Option<Serial> {
        if self.heard || online == LAST_PREPARED || self.next_online.is_some_and(|next| online < next) {
            return None;
        }
        let (&serial, _) = self.all.last_key_value().filter(|(_, statement)| !statement.used)?;
        self.next_online = Some(online.wrapping_add(1));
        self.rename(serial, online);
        Some(serial)
    }

    fn rename(&mut self, serial: Serial, online: u32) {
        let Some(statement) = self.all.get_mut(&serial) else { return };
        if let Some(before) = statement.online.replace(online)
            && self.by_online.get(&before) == Some(&serial)
        {
            self.by_online.remove(&before);
        }
        self.by_online.insert(online, serial);
    }

    /// Ids told by order have proved wrong: none of them is to be trusted that no server has confirmed.
    pub(crate) fn order_is_wrong(&mut self) {
        self.next_online = None;
        for statement in self.all.values_mut().filter(|statement| !statement.confirmed) {
            if let Some(online) = statement.online.take() {
                self.by_online.remove(&online);
            }
        }
    }

    /// The id that the online server gives first, if that can be told.
    pub(crate) fn first_online_id(&mut self, first: Option<u32>) {
        if self.all.is_empty() {
            self.next_online = first;
        }
    }

    /// Commands of the client were lost, PREPAREs perhaps among them: the next id is anybody's guess.
    pub(crate) fn commands_lost(&mut self) {
        self.next_online = None;
    }

    /// Which statement was prepared last cannot be told, or is about to change.
    pub(crate) fn last_is_lost(&mut self) {
        self.by_online.remove(&LAST_PREPARED);
    }

    /// A statement is closed, or the online server could not prepare it: nobody will name it.
    pub(crate) fn forget(&mut self, serial: Serial) {
        let Some(statement) = self.all.remove(&serial) else { return };
        self.text -= statement.kept();
        for id in statement.online.into_iter().chain([LAST_PREPARED]) {
            if self.by_online.get(&id) == Some(&serial) {
                self.by_online.remove(&id);
            }
        }
    }

    /// The client has closed the statement `online`.
    pub(crate) fn close(&mut self, online: u32) {
        if let Some(serial) = self.by_online.remove(&online) {
            self.forget(serial);
        }
    }

    /// Both servers have forgotten all statements, and go on counting.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.by_online.clear();
        self.text = 0;
    }

    /// The connection to the test server is a new one, on which the next statement has the id `next`, if that is known:
    /// returns the statements that can be prepared again there, in order.
    pub(crate) fn new_connection(&mut self, next: Option<u32>) -> Vec<Serial> {
        self.next_test = next;
        for statement in self.all.values_mut() {
            statement.at_test = AtTest::Failed;
            statement.typed = false;
        }
        self.all
            .iter()
            .filter(|(_, statement)| !statement.text.is_empty())
            .map(|(&serial, _)| serial)
            .collect()
    }

    /// The client executes the statement `online`, and says the types of its parameters.
    pub(crate) fn types_said(&mut self, online: u32, count: u16, bytes: &[u8]) {
        let Some(statement) = self.by_online.get(&online).and_then(|serial| self.all.get_mut(serial)) else {
            return;
        };
        statement.typed = true;
        if statement.types.as_ref().is_some_and(|types| types.count == count && *types.bytes == *bytes) {
            return;
        }
        let known = statement.types.take().map_or(0, |types| types.bytes.len());
        self.text -= known;
        if self.text + bytes.len() <= TEXT_MAX {
            self.text += bytes.len();
            statement.types = Some(Types { count, bytes: bytes.into() });
        }
    }

    /// The client executes the statement `online`, and the test server does not hear of it: types may be in `payload`.
    pub(crate) fn executed_unheard(&mut self, online: u32, payload: &[u8]) {
        let Some(statement) = self.by_online.get(&online).and_then(|serial| self.all.get(serial)) else {
            return;
        };
        match statement.at_test {
            AtTest::Known { parameters, .. } => match types::find(payload, parameters, false) {
                Some(Said::Here { count, bytes }) => self.types_said(online, count, bytes),
                Some(Said::AsBefore { .. }) | None => return,
            },
            AtTest::Waiting { .. } => self.executed_early(online, payload),
            AtTest::Failed => return,
        }
        if let Some(statement) = self.by_online.get(&online).and_then(|serial| self.all.get_mut(serial)) {
            statement.typed = false;
        }
    }

    /// The client executes the statement `online`, whose PREPARE is not answered: types may be in `payload`.
    pub(crate) fn executed_early(&mut self, online: u32, payload: &[u8]) {
        let has_room = self.text + Unread::HEAD <= TEXT_MAX;
        let Some(statement) = self.by_online.get(&online).and_then(|serial| self.all.get_mut(serial)) else {
            return;
        };
        self.text -= statement.kept();
        statement.unread.get_or_insert_default().push(if has_room { payload } else { &[] });
        statement.typed = true;
        self.text += statement.kept();
    }

    /// The client executes the statement `online`, with the types of before: those that the test server must be told, for it
    /// does not know them. None if it does.
    pub(crate) fn types_missing(&self, online: u32, count: u16) -> Option<Result<&[u8], NeverHeard>> {
        let statement = self.by_online.get(&online).and_then(|serial| self.all.get(serial))?;
        if statement.typed {
            return None;
        }
        match &statement.types {
            Some(types) if types.count == count => Some(Ok(&types.bytes)),
            _ => Some(Err(NeverHeard)),
        }
    }

    /// The test server was told the types that it did not know.
    pub(crate) fn types_told(&mut self, online: u32) {
        if let Some(statement) = self.by_online.get(&online).and_then(|serial| self.all.get_mut(serial)) {
            statement.typed = true;
        }
    }

    /// The id that the test server gives next, if it is known.
    pub(crate) fn next_test(&self) -> Option<u32> {
        self.next_test
    }

    /// The text of a statement, to prepare it again.
    pub(crate) fn text(&self, serial: Serial) -> Option<&[u8]> {
        self.all.get(&serial).map(|statement| &*statement.text)
    }

    /// The text of the statement `online`, if it was kept.
    pub(crate) fn text_of(&self, online: u32) -> Option<&[u8]> {
        self.by_online.get(&online).and_then(|serial| self.text(*serial))
    }

    /// What is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.text + self.all.len() * (size_of::<Statement>() + 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u32, parameters: u16) -> Lookup {
        Lookup::Known { id, parameters, by_order: true }
    }

    #[test]
    fn ids_are_told_by_order_until_the_test_server_has_answered() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(Some(b"SELECT 1")).unwrap();
        let second = statements.prepare(Some(b"SELECT 2")).unwrap();
        assert_eq!(statements.look_up(1), Lookup::Waiting { id: None });
        statements.succeeded(first, 7, 2);
        assert_eq!(statements.look_up(1), known(7, 2));
        assert_eq!(statements.look_up(2), Lookup::Waiting { id: None });
        let third = statements.prepare(None).unwrap();
        assert_eq!(statements.look_up(3), Lookup::Waiting { id: Some(9) });
        statements.failed(third);
        statements.failed(second);
        assert_eq!(statements.look_up(2), Lookup::Failed);
        assert_eq!(statements.look_up(4), Lookup::Unknown);
        statements.close(1);
        assert_eq!(statements.look_up(1), Lookup::Unknown);
    }

    #[test]
    fn an_id_ahead_of_order_is_the_statement_prepared_last() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(Some(b"SELECT 1")).unwrap();
        statements.succeeded(first, 1, 0);
        assert_eq!(statements.look_up(5), known(1, 0));
        assert_eq!(statements.look_up(1), Lookup::Unknown);
        let second = statements.prepare(Some(b"SELECT 2")).unwrap();
        statements.succeeded(second, 2, 0);
        assert_eq!(statements.look_up(6), known(2, 0));
    }

    #[test]
    fn after_a_late_join_old_ids_stay_unknown_and_new_ones_are_learned() {
        let mut statements = Statements::new(false);
        assert_eq!(statements.look_up(3), Lookup::Unknown);
        let new = statements.prepare(Some(b"SELECT 1")).unwrap();
        statements.succeeded(new, 1, 0);
        assert_eq!(statements.look_up(9), known(1, 0));
        assert_eq!(statements.look_up(3), Lookup::Unknown);
    }

    #[test]
    fn where_the_online_server_is_heard_nothing_is_guessed() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(None).unwrap();
        statements.online_id(first, 93, true);
        statements.commands_lost();
        let second = statements.prepare(None).unwrap();
        statements.succeeded(first, 1, 0);
        statements.succeeded(second, 2, 0);
        assert_eq!(statements.look_up(93), Lookup::Known { id: 1, parameters: 0, by_order: false });
        assert_eq!(statements.look_up(95), Lookup::Unknown);
    }

    #[test]
    fn once_the_order_is_wrong_only_what_was_prepared_last_can_be_told() {
        let mut statements = Statements::new(true);
        for id in 1..=3 {
            let serial = statements.prepare(None).unwrap();
            statements.succeeded(serial, id, 0);
        }
        statements.order_is_wrong();
        assert_eq!(statements.look_up(9), known(3, 0));
        assert_eq!(statements.look_up(8), Lookup::Unknown);
    }

    #[test]
    fn what_was_prepared_is_prepared_again_as_far_as_its_text_was_kept() {
        let mut statements = Statements::new(true);
        let kept = statements.prepare(Some(b"SELECT 1")).unwrap();
        statements.prepare(None).unwrap();
        assert_eq!(statements.new_connection(Some(1)), [kept]);
        assert_eq!(statements.text(kept), Some(&b"SELECT 1"[..]));
        assert_eq!(statements.look_up(1), Lookup::Failed);
        statements.succeeded(kept, 1, 0);
        assert_eq!(statements.look_up(1), known(1, 0));
        assert_eq!(statements.texts_given_up, 1);
    }

    #[test]
    fn a_new_connection_is_told_the_types_once() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(Some(b"SELECT ?")).unwrap();
        statements.succeeded(first, 1, 1);
        statements.types_said(1, 1, &[3, 0]);
        assert_eq!(statements.types_missing(1, 1), None);
        statements.new_connection(None);
        assert_eq!(
            statements.types_missing(1, 2),
            Some(Err(NeverHeard)),
            "not for another number of parameters"
        );
        assert_eq!(statements.types_missing(1, 1), Some(Ok(&[3, 0][..])));
        statements.types_told(1);
        assert_eq!(statements.types_missing(1, 1), None);
        statements.new_connection(None);
        statements.types_said(1, 1, &[0xfe, 0]);
        assert_eq!(statements.types_missing(1, 1), None);
        statements.close(1);
        assert_eq!((statements.text, statements.types_missing(1, 1)), (0, None));
    }

    #[test]
    fn memory_is_bounded() {
        let mut statements = Statements::new(true);
        for _ in 0..2 * STATEMENTS_MAX {
            statements.prepare(Some(&[b'x'; 1000]));
        }
        assert!(statements.memory() < TEXT_MAX + STATEMENTS_MAX * 128);
    }
}
