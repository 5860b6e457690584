//! Which id of the test server stands for which id of the online server.
//!
//! A server numbers the statements of a connection in order, failed ones and those of SQL's own PREPARE included: MySQL
//! from 1 on, MariaDB from anywhere, because a new connection goes on with the counter of an old one. So the order tells
//! all ids once one is known. Better evidence replaces it: the test server's answer to each PREPARE, the online server's
//! answer where it is captured, and the client's own use of an id.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Unbounded};
use std::ops::Range;

use crate::sql::Class;
use crate::statements::types::{self, BoundTypes, EarlyExecutes, ParamTypes};

/// More statements than this are not followed: servers have no more by default (`max_prepared_stmt_count`).
const STATEMENTS_MAX: usize = 16_382;

/// An answer belongs to one of the statements that were prepared last.
const RECENT: usize = 128;

/// The texts and types that a session keeps for a new connection, in bytes.
const KEPT_MAX: usize = 256 << 10;

/// Room beyond that for the texts of statements whose effects must be known when they are executed, in bytes.
const EFFECTS_MAX: usize = 64 << 10;

/// MariaDB's name for the statement prepared last, unless that has failed or was closed. Clients execute it before they
/// know its id. Source: MariaDB's documentation, "COM_STMT_EXECUTE". Here it is a further id of a statement: MySQL does not
/// know it, and on a new connection another statement may have been prepared last.
pub(crate) const LAST_PREPARED: u32 = u32::MAX;

/// Names a statement of a session, whatever ids the servers give it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Serial(u32);

impl Serial {
    #[cfg(test)]
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }
}

/// Where a statement that the client names stands on the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// `by_order`: only the order of ids tells which statement the client means.
    Known { id: u32, parameters: Option<u16>, by_order: bool },
    /// The test server has not answered its PREPARE. By order it will get this id, if that is known.
    Waiting { id: Option<u32> },
    /// The test server does not have it.
    Failed,
    /// The test server had it on a connection that is gone, and it cannot be prepared again.
    Lost,
    /// No such statement was seen.
    Unknown,
}

/// Where a statement stands on the test server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AtTest {
    Waiting {
        id: Option<u32>,
    },
    Known {
        id: u32,
        parameters: Option<u16>,
    },
    Failed,
    /// See [`Lookup::Lost`].
    Lost,
}

/// How the online id of a statement became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Order,
    /// The client has used it.
    Client,
    /// The online server has given it.
    Server,
}

/// What a statement does, as far as it matters when it is executed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Nature {
    pub(crate) class: Class,
    /// It has effects, which only its text tells.
    pub(crate) has_effects: bool,
    /// It goes on with the types that user variables had when it was prepared.
    pub(crate) keeps_types: bool,
}

/// That of a statement of which nothing is known.
pub(crate) const UNKNOWN_NATURE: Nature =
    Nature { class: Class::Other, has_effects: false, keeps_types: false };

#[derive(Debug)]
struct Statement {
    nature: Nature,
    online: Option<u32>,
    source: Source,
    at_test: AtTest,
    /// Empty if it was not kept.
    text: Box<[u8]>,
    /// The types that the client has bound, if they were seen and kept.
    types: Option<BoundTypes>,
    /// The test server's present connection knows the bound types.
    is_bound: bool,
    /// EXECUTEs before the answer to the PREPARE.
    early: Option<Box<EarlyExecutes>>,
    /// The types are those that the values of EXECUTEs can have: the client bound them before the session was seen.
    inferred: Option<Trials>,
}

impl Statement {
    /// The memory of what is kept for a new connection, in bytes.
    fn kept(&self) -> usize {
        let early = self.early.as_ref().map_or(0, |early| early.kept());
        self.text.len() + self.types.as_ref().map_or(0, |types| types.bytes.len()) + early
    }

    /// The present connection has it, or has been told to prepare it.
    fn is_at_test(&self) -> bool {
        matches!(self.at_test, AtTest::Waiting { .. } | AtTest::Known { .. })
    }

    /// A new connection can prepare the same.
    fn is_repeatable(&self) -> bool {
        !self.text.is_empty() && !self.nature.keeps_types
    }
}

/// The types of a statement's parameters were never seen, or not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnknownTypes;

/// Types that were inferred.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Inferred<'a> {
    pub(crate) types: Option<&'a [u8]>,
    /// The test server knows them.
    pub(crate) is_bound: bool,
    /// From so many EXECUTEs.
    pub(crate) trials: u8,
    /// So many had no types.
    pub(crate) failures: u8,
}

/// How often the types of a statement were inferred, and how often they could not be.
#[derive(Debug, Default, Clone, Copy)]
struct Trials {
    trials: u8,
    failures: u8,
}

#[derive(Debug, Default)]
struct Index {
    all: BTreeMap<Serial, Statement>,
    by_online: BTreeMap<u32, Serial>,
}

impl Index {
    fn named(&self, online: u32) -> Option<&Statement> {
        self.all.get(self.by_online.get(&online)?)
    }

    fn named_mut(&mut self, online: u32) -> Option<&mut Statement> {
        self.all.get_mut(self.by_online.get(&online)?)
    }

    fn set_online(&mut self, serial: Serial, online: u32) {
        let Some(statement) = self.all.get_mut(&serial) else { return };
        if let Some(before) = statement.online.replace(online) {
            self.unname(before, serial);
        }
        self.by_online.insert(online, serial);
    }

    /// The statement does not have this id any more.
    fn unname(&mut self, online: u32, serial: Serial) {
        if self.by_online.get(&online) == Some(&serial) {
            self.by_online.remove(&online);
        }
    }

    fn prepared_after(&self, serial: Serial) -> u32 {
        self.all.range((Excluded(serial), Unbounded)).count() as u32
    }
}

/// The statements of a session.
#[derive(Debug)]
pub(crate) struct Statements {
    index: Index,
    next_serial: u32,
    /// The id that each server gives next, if it is known.
    next_online: Option<u32>,
    next_test: Option<u32>,
    /// The online server's answers are captured.
    is_online_seen: bool,
    /// The memory of what is kept for a new connection, in bytes.
    kept: usize,
    /// Statements whose text could not be kept.
    pub(crate) texts_given_up: u64,
}

impl Statements {
    /// No statements; `from_start`: the client has prepared none before.
    pub(crate) fn new(from_start: bool) -> Self {
        Self {
            index: Index::default(),
            next_serial: 0,
            next_online: from_start.then_some(1),
            next_test: None,
            is_online_seen: false,
            kept: 0,
            texts_given_up: 0,
        }
    }

    /// The client's PREPARE of `text` is sent. `None` if there are too many statements.
    pub(crate) fn prepare(&mut self, text: Option<&[u8]>, nature: Nature) -> Option<Serial> {
        let (online, test) = (self.next_online, self.next_test);
        self.prepared_in_sql(true);
        self.last_is_lost();
        if self.index.all.len() >= STATEMENTS_MAX {
            return None;
        }
        let room = if nature.has_effects { KEPT_MAX + EFFECTS_MAX } else { KEPT_MAX };
        let kept = text.filter(|text| !text.is_empty() && self.kept + text.len() <= room);
        self.texts_given_up += u64::from(kept.is_none());
        let statement = Statement {
            nature,
            online,
            source: Source::Order,
            at_test: AtTest::Waiting { id: test },
            text: kept.unwrap_or_default().into(),
            types: None,
            is_bound: false,
            early: None,
            inferred: None,
        };
        self.kept += statement.kept();
        let serial = Serial(self.next_serial);
        self.next_serial = self.next_serial.wrapping_add(1);
        self.index.all.insert(serial, statement);
        self.index.by_online.extend(online.into_iter().chain([LAST_PREPARED]).map(|id| (id, serial)));
        Some(serial)
    }

    /// The client had prepared `text` as `online` before the session was seen. Without a text it cannot be prepared here. What
    /// the session has shown itself is newer.
    pub(crate) fn learn(&mut self, online: u32, text: Option<&[u8]>, nature: Nature) {
        if self.index.by_online.contains_key(&online) {
            return;
        }
        let next = (self.next_online.take(), self.next_test);
        let serial = self.prepare(text, nature);
        (self.next_online, self.next_test) = next;
        let Some(serial) = serial else { return };
        self.last_is_lost();
        self.index.set_online(serial, online);
        if let Some(statement) = self.index.all.get_mut(&serial) {
            (statement.source, statement.at_test) = (Source::Server, AtTest::Failed);
            statement.inferred = Some(Trials::default());
        }
    }

    /// The number that the next statement gets.
    pub(crate) fn next_serial(&self) -> Serial {
        Serial(self.next_serial)
    }

    /// One of the statements with these numbers is open.
    pub(crate) fn any_in(&self, numbers: Range<Serial>) -> bool {
        numbers.start < numbers.end && self.index.all.range(numbers).next().is_some()
    }

    /// The client's PREPARE is left out: only the online server gives the statement an id.
    pub(crate) fn prepare_left_out(&mut self) -> Option<Serial> {
        let (next_test, given_up) = (self.next_test, self.texts_given_up);
        let serial = self.prepare(None, UNKNOWN_NATURE)?;
        (self.next_test, self.texts_given_up) = (next_test, given_up);
        self.failed(serial);
        Some(serial)
    }

    /// The servers have given an id to a statement that the client prepared in SQL and cannot name by it. `sent`: the test
    /// server, too.
    pub(crate) fn prepared_in_sql(&mut self, sent: bool) {
        self.next_online = self.next_online.map(|id| id.wrapping_add(1));
        if sent {
            self.prepared_again_in_sql();
        }
    }

    /// The test server has answered a PREPARE with `id`. The answer belongs to the statement that has this id by order, or
    /// else to `serial`. It belongs to neither if it may be a late answer to an earlier PREPARE.
    pub(crate) fn succeeded(&mut self, serial: Serial, id: u32, parameters: u16) {
        let waiting =
            |wanted| move |statement: &Statement| statement.at_test == AtTest::Waiting { id: wanted };
        let all = &mut self.index.all;
        let mut recent = all.iter().rev().take(RECENT);
        let mut before = all.range(..serial).rev().take(RECENT);
        let serial = match recent.find(|(_, statement)| waiting(Some(id))(statement)) {
            Some((&by_order, _)) => by_order,
            None if before.any(|(_, statement)| waiting(None)(statement)) => return,
            None => match all.get(&serial).map(|statement| statement.at_test) {
                Some(AtTest::Waiting { id: Some(by_order) }) if id < by_order => return,
                _ => serial,
            },
        };
        if self.next_test.is_none() {
            self.next_test = Some(id.wrapping_add(1 + self.index.prepared_after(serial)));
        }
        let Some(statement) = self.index.all.get_mut(&serial) else { return };
        statement.at_test = AtTest::Known { id, parameters: Some(parameters) };
        self.read_early(serial, parameters);
    }

    /// The number of the statement's parameters is known: so are the types that EXECUTEs before have bound.
    fn read_early(&mut self, serial: Serial, parameters: u16) {
        if let Some(statement) = self.index.all.get_mut(&serial)
            && let Some(early) = statement.early.take()
        {
            self.kept -= early.kept();
            statement.types = early.types(parameters).filter(|it| self.kept + it.bytes.len() <= KEPT_MAX);
            self.kept += statement.types.as_ref().map_or(0, |types| types.bytes.len());
        }
    }

    /// The test server does not have the statement.
    pub(crate) fn failed(&mut self, serial: Serial) {
        if let Some(statement) = self.index.all.get_mut(&serial) {
            statement.at_test = AtTest::Failed;
        }
    }

    /// The online server has prepared, as `id`, the statement that has this id by order, or else `serial`, if that is
    /// `sure`.
    pub(crate) fn online_id(&mut self, serial: Serial, id: u32, sure: bool) {
        self.is_online_seen = true;
        let is_unused = |serial: &Serial| {
            self.index.all.get(serial).is_none_or(|statement| statement.source == Source::Order)
        };
        let by_order = self.index.by_online.get(&id).copied().filter(is_unused);
        let Some(serial) = by_order.or(sure.then_some(serial)) else { return };
        let next = id.wrapping_add(1 + self.index.prepared_after(serial));
        self.next_online = Some(self.next_online.map_or(next, |known| known.max(next)));
        self.index.set_online(serial, id);
        if let Some(statement) = self.index.all.get_mut(&serial) {
            statement.source = Source::Server;
        }
    }

    /// The online server has prepared the statement that comes next, or a later one, as `id`.
    pub(crate) fn online_id_early(&mut self, id: u32) {
        self.next_online.get_or_insert(id);
    }

    /// The online server has named a statement in an answer that may be lost: from now on no id is guessed from the
    /// client's use of it.
    pub(crate) fn online_id_missed(&mut self) {
        self.is_online_seen = true;
    }

    /// The client uses the statement `online`.
    pub(crate) fn look_up(&mut self, online: u32) -> Lookup {
        if !self.index.by_online.contains_key(&online) {
            self.adopt(online);
        }
        let Some(statement) = self.index.named_mut(online) else { return Lookup::Unknown };
        let is_last = online == LAST_PREPARED;
        if !is_last && statement.source == Source::Order {
            statement.source = Source::Client;
        }
        match statement.at_test {
            AtTest::Waiting { id } => Lookup::Waiting { id },
            AtTest::Known { id, parameters } => {
                let by_order = !is_last && statement.source != Source::Server;
                Lookup::Known { id, parameters, by_order }
            }
            AtTest::Failed => Lookup::Failed,
            AtTest::Lost => Lookup::Lost,
        }
    }

    /// The answer to the PREPARE of `online` was not seen: it has the id that it has by order. The number of its parameters
    /// stays unknown.
    pub(crate) fn assume(&mut self, online: u32) {
        if let Some(statement) = self.index.named_mut(online)
            && let AtTest::Waiting { id: Some(id) } = statement.at_test
        {
            statement.at_test = AtTest::Known { id, parameters: None };
        }
    }

    /// The answer to the PREPARE of `online` has passed unseen.
    pub(crate) fn give_up(&mut self, online: u32) {
        if let Some(statement) = self.index.named_mut(online) {
            statement.at_test = AtTest::Failed;
        }
    }

    /// Takes an unexpected id for that of the last prepared statement, if no id of that was ever confirmed: PREPAREs in
    /// between were not seen, or the session was joined late. Not where the online server's answers are captured: they would
    /// have shown this id, so it belongs to a statement that was lost.
    fn adopt(&mut self, online: u32) {
        if self.is_online_seen
            || online == LAST_PREPARED
            || self.next_online.is_some_and(|next| online < next)
        {
            return;
        }
        if let Some((&serial, last)) = self.index.all.last_key_value()
            && last.source == Source::Order
        {
            self.next_online = Some(online.wrapping_add(1));
            self.index.set_online(serial, online);
        }
    }

    /// The order has proved wrong: no id is trusted that the online server has not given.
    pub(crate) fn order_is_wrong(&mut self) {
        self.next_online = None;
        for statement in self.index.all.values_mut().filter(|statement| statement.source != Source::Server) {
            if let Some(online) = statement.online.take() {
                self.index.by_online.remove(&online);
            }
        }
    }

    /// The online server gives this id first, if that is known.
    pub(crate) fn first_online_id(&mut self, first: Option<u32>) {
        if self.index.all.is_empty() {
            self.next_online = first;
        }
    }

    /// Commands of the client were lost, PREPAREs perhaps among them: the next online id is unknown.
    pub(crate) fn commands_lost(&mut self) {
        self.next_online = None;
    }

    /// The statement prepared last is unknown, or is about to change.
    pub(crate) fn last_is_lost(&mut self) {
        self.index.by_online.remove(&LAST_PREPARED);
    }

    /// A statement is closed, or the online server could not prepare it: no client will name it.
    pub(crate) fn forget(&mut self, serial: Serial) {
        let Some(statement) = self.index.all.remove(&serial) else { return };
        self.kept -= statement.kept();
        for id in statement.online.into_iter().chain([LAST_PREPARED]) {
            self.index.unname(id, serial);
        }
    }

    /// The client has closed the statement `online`.
    pub(crate) fn close(&mut self, online: u32) {
        if let Some(serial) = self.index.by_online.remove(&online) {
            self.forget(serial);
        }
    }

    /// Both servers have forgotten all statements, and go on counting.
    pub(crate) fn clear(&mut self) {
        self.index = Index::default();
        self.kept = 0;
    }

    /// A statement is open on the test server that cannot be prepared again.
    pub(crate) fn has_unrepeatable(&self) -> bool {
        self.index.all.values().any(|it| !it.is_repeatable() && it.is_at_test())
    }

    /// The test server's connection is a new one, on which the next statement gets the id `next`, if that is known. Returns
    /// the statements that can be prepared there again, in order.
    pub(crate) fn new_connection(&mut self, next: Option<u32>) -> Vec<Serial> {
        self.next_test = next;
        for statement in self.index.all.values_mut() {
            statement.at_test = match statement.at_test {
                AtTest::Lost => AtTest::Lost,
                _ if statement.is_at_test() && !statement.is_repeatable() => AtTest::Lost,
                _ => AtTest::Failed,
            };
            statement.is_bound = false;
        }
        let repeatable = self.index.all.iter().filter(|(_, statement)| statement.is_repeatable());
        repeatable.map(|(&serial, _)| serial).collect()
    }

    /// The test server's new connection has prepared a statement again, as `id`.
    pub(crate) fn succeeded_again(&mut self, serial: Serial, id: u32, parameters: u16) {
        self.next_test = Some(id.wrapping_add(1));
        if let Some(statement) = self.index.all.get_mut(&serial) {
            statement.at_test = AtTest::Known { id, parameters: Some(parameters) };
            self.read_early(serial, parameters);
        }
    }

    /// It could not. That takes an id too.
    pub(crate) fn failed_again(&mut self, serial: Serial) {
        self.prepared_again_in_sql();
        self.failed(serial);
    }

    /// The test server's new connection was told a PREPARE of SQL.
    pub(crate) fn prepared_again_in_sql(&mut self) {
        self.next_test = self.next_test.map(|id| id.wrapping_add(1));
    }

    /// An EXECUTE of the statement `online` is sent that binds the types of its parameters.
    pub(crate) fn types_bound(&mut self, online: u32, count: u16, bytes: &[u8]) {
        let Some(statement) = self.index.named_mut(online) else { return };
        statement.is_bound = true;
        statement.inferred = None;
        if statement.types.as_ref().is_some_and(|types| types.count == count && *types.bytes == *bytes) {
            return;
        }
        self.kept -= statement.types.take().map_or(0, |types| types.bytes.len());
        if self.kept + bytes.len() <= KEPT_MAX {
            self.kept += bytes.len();
            statement.types = Some(BoundTypes { count, bytes: bytes.into() });
        }
    }

    /// An EXECUTE of the statement `online` is not sent, which may bind types.
    pub(crate) fn executed_unsent(&mut self, online: u32, payload: &[u8]) {
        match self.index.named(online).map(|statement| statement.at_test) {
            Some(AtTest::Known { parameters, .. }) => {
                let found = parameters.and_then(|parameters| types::find(payload, parameters, false));
                let Some(ParamTypes::Bound { count, bytes }) = found else { return };
                self.types_bound(online, count, bytes);
            }
            Some(AtTest::Waiting { .. }) => self.executed_early(online, payload),
            Some(AtTest::Failed | AtTest::Lost) | None => return,
        }
        if let Some(statement) = self.index.named_mut(online) {
            statement.is_bound = false;
        }
    }

    /// An EXECUTE, which may bind types, of the statement `online`, whose PREPARE is not answered.
    pub(crate) fn executed_early(&mut self, online: u32, payload: &[u8]) {
        let has_room = self.kept + EarlyExecutes::HEAD <= KEPT_MAX;
        let Some(statement) = self.index.named_mut(online) else { return };
        self.kept -= statement.kept();
        statement.early.get_or_insert_default().push(if has_room { payload } else { &[] });
        statement.is_bound = true;
        self.kept += statement.kept();
    }

    /// An EXECUTE of the statement `online` refers to the types bound before. Returns them if the test server does not know
    /// them.
    pub(crate) fn types_missing(&self, online: u32, count: u16) -> Result<Option<&[u8]>, UnknownTypes> {
        match self.index.named(online) {
            Some(Statement { is_bound: false, types, .. }) => match types {
                Some(types) if types.count == count => Ok(Some(&types.bytes)),
                _ => Err(UnknownTypes),
            },
            _ => Ok(None),
        }
    }

    /// Whether the types of the statement `online` are not known but by inference.
    pub(crate) fn is_inferred(&self, online: u32) -> bool {
        self.index.named(online).is_some_and(|statement| statement.inferred.is_some())
    }

    /// What was inferred of the types of the statement `online`, if they are not known.
    pub(crate) fn inferred(&self, online: u32) -> Option<Inferred<'_>> {
        let statement = self.index.named(online)?;
        let types = statement.types.as_ref().map(|types| &*types.bytes);
        let Trials { trials, failures } = statement.inferred?;
        Some(Inferred { types, is_bound: statement.is_bound, trials, failures })
    }

    /// The types of the statement `online` are inferred to be these. Returns whether the test server must be told.
    pub(crate) fn set_inferred(&mut self, online: u32, count: u16, bytes: &[u8]) -> bool {
        let Some(statement) = self.index.named_mut(online) else { return false };
        let mut tried = statement.inferred.unwrap_or_default();
        tried.trials = tried.trials.saturating_add(1);
        let is_known =
            statement.is_bound && statement.types.as_ref().is_some_and(|types| *types.bytes == *bytes);
        if !is_known {
            self.types_bound(online, count, bytes);
        }
        if let Some(statement) = self.index.named_mut(online) {
            statement.inferred = Some(tried);
        }
        !is_known
    }

    /// No types of the statement `online` could be inferred.
    pub(crate) fn inference_failed(&mut self, online: u32) {
        if let Some(Statement { inferred: Some(tried), .. }) = self.index.named_mut(online) {
            tried.failures = tried.failures.saturating_add(1);
        }
    }

    /// The missing types are sent to the test server.
    pub(crate) fn types_sent(&mut self, online: u32) {
        if let Some(statement) = self.index.named_mut(online) {
            statement.is_bound = true;
        }
    }

    /// The id that the test server gives next, if it is known.
    pub(crate) fn next_test(&self) -> Option<u32> {
        self.next_test
    }

    /// The text of a statement, to prepare it again.
    pub(crate) fn text(&self, serial: Serial) -> Option<&[u8]> {
        self.index.all.get(&serial).map(|statement| &*statement.text)
    }

    /// The nature of the statement `online`, and its text, which is empty if it was not kept.
    pub(crate) fn executed(&self, online: u32) -> Option<(Nature, &[u8])> {
        self.index.named(online).map(|statement| (statement.nature, &*statement.text))
    }

    /// The memory that they take, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.kept + self.index.all.len() * (size_of::<Statement>() + 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u32, parameters: u16) -> Lookup {
        Lookup::Known { id, parameters: Some(parameters), by_order: true }
    }

    #[test]
    fn ids_are_told_by_order_until_the_test_server_has_answered() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(Some(b"SELECT 1"), UNKNOWN_NATURE).unwrap();
        let second = statements.prepare(Some(b"SELECT 2"), UNKNOWN_NATURE).unwrap();
        assert_eq!(statements.look_up(1), Lookup::Waiting { id: None });
        statements.succeeded(first, 7, 2);
        assert_eq!(statements.look_up(1), known(7, 2));
        assert_eq!(statements.look_up(2), Lookup::Waiting { id: None });
        let third = statements.prepare(None, UNKNOWN_NATURE).unwrap();
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
        let first = statements.prepare(Some(b"SELECT 1"), UNKNOWN_NATURE).unwrap();
        statements.succeeded(first, 1, 0);
        assert_eq!(statements.look_up(5), known(1, 0));
        assert_eq!(statements.look_up(1), Lookup::Unknown);
        let second = statements.prepare(Some(b"SELECT 2"), UNKNOWN_NATURE).unwrap();
        statements.succeeded(second, 2, 0);
        assert_eq!(statements.look_up(6), known(2, 0));
    }

    #[test]
    fn after_a_late_join_old_ids_stay_unknown_and_new_ones_are_learned() {
        let mut statements = Statements::new(false);
        assert_eq!(statements.look_up(3), Lookup::Unknown);
        let new = statements.prepare(Some(b"SELECT 1"), UNKNOWN_NATURE).unwrap();
        statements.succeeded(new, 1, 0);
        assert_eq!(statements.look_up(9), known(1, 0));
        assert_eq!(statements.look_up(3), Lookup::Unknown);
    }

    #[test]
    fn where_the_online_server_is_heard_nothing_is_guessed() {
        let mut statements = Statements::new(true);
        let first = statements.prepare(None, UNKNOWN_NATURE).unwrap();
        statements.online_id(first, 93, true);
        statements.commands_lost();
        let second = statements.prepare(None, UNKNOWN_NATURE).unwrap();
        statements.succeeded(first, 1, 0);
        statements.succeeded(second, 2, 0);
        assert_eq!(statements.look_up(93), Lookup::Known { id: 1, parameters: Some(0), by_order: false });
        assert_eq!(statements.look_up(95), Lookup::Unknown);
    }

    #[test]
    fn once_the_order_is_wrong_only_what_was_prepared_last_can_be_told() {
        let mut statements = Statements::new(true);
        for id in 1..=3 {
            let serial = statements.prepare(None, UNKNOWN_NATURE).unwrap();
            statements.succeeded(serial, id, 0);
        }
        statements.order_is_wrong();
        assert_eq!(statements.look_up(9), known(3, 0));
        assert_eq!(statements.look_up(8), Lookup::Unknown);
    }

    #[test]
    fn what_was_prepared_is_prepared_again_as_far_as_its_text_was_kept() {
        let mut statements = Statements::new(true);
        let kept = statements.prepare(Some(b"SELECT 1"), UNKNOWN_NATURE).unwrap();
        statements.prepare(None, UNKNOWN_NATURE).unwrap();
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
        let first = statements.prepare(Some(b"SELECT ?"), UNKNOWN_NATURE).unwrap();
        statements.succeeded(first, 1, 1);
        statements.types_bound(1, 1, &[3, 0]);
        assert_eq!(statements.types_missing(1, 1), Ok(None));
        statements.new_connection(None);
        assert_eq!(statements.types_missing(1, 2), Err(UnknownTypes), "not for another number of parameters");
        assert_eq!(statements.types_missing(1, 1), Ok(Some(&[3, 0][..])));
        statements.types_sent(1);
        assert_eq!(statements.types_missing(1, 1), Ok(None));
        statements.new_connection(None);
        statements.types_bound(1, 1, &[0xfe, 0]);
        assert_eq!(statements.types_missing(1, 1), Ok(None));
        statements.close(1);
        assert_eq!((statements.kept, statements.types_missing(1, 1)), (0, Ok(None)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut statements = Statements::new(true);
        for _ in 0..2 * STATEMENTS_MAX {
            statements.prepare(Some(&[b'x'; 1000]), UNKNOWN_NATURE);
        }
        assert!(statements.memory() < KEPT_MAX + STATEMENTS_MAX * 128);
    }
}
