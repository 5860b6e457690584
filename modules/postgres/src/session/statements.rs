//! The statements that the client has prepared by Parse: a new connection gets them again when they are needed.

use std::collections::{HashMap, VecDeque};

use postgres_wire::framing::HEAD;

use crate::sql::Reading;

/// What is kept of a session's statements, in bytes.
const KEPT_MAX: usize = 256 << 10;

/// Statements whose names are kept.
const NAMES_MAX: usize = 16 << 10;

/// A statement.
#[derive(Debug, Default)]
pub(super) struct Statement {
    /// The message that prepares it; empty if that is not kept.
    message: Vec<u8>,
    /// Where its text is.
    text: std::ops::Range<usize>,
    pub(super) reading: Reading,
    presence: Presence,
}

/// Whether the test server has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Presence {
    #[default]
    Absent,
    /// It was sent, or is there.
    Sent,
    /// It was sent in a cycle with an error, and the answer was not seen.
    Unsure,
}

/// What is to be done before a statement is used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Need<'s> {
    /// Nothing.
    Nothing,
    /// The test server needs this message first.
    Prepare(&'s [u8]),
    /// The same, but it may have it already: it must be closed before.
    PrepareAnew(&'s [u8]),
    /// Its text is not kept.
    NotKept,
    /// Nobody has seen it prepared.
    Unknown,
}

#[derive(Debug)]
pub(super) struct Statements {
    named: HashMap<Vec<u8>, Statement>,
    unnamed: Statement,
    /// Parses that the test server has not confirmed: their cycles and names.
    unconfirmed: VecDeque<(u64, Vec<u8>)>,
    bytes: usize,
    /// None can have been missed.
    pub(super) is_complete: bool,
}

impl Statements {
    /// Of a session that was seen from its start.
    pub(super) fn new(is_complete: bool) -> Self {
        Self {
            named: HashMap::new(),
            unnamed: Statement::default(),
            unconfirmed: VecDeque::new(),
            bytes: 0,
            is_complete,
        }
    }

    /// The client prepares a statement. `message` is the whole message, or its beginning if it is not `whole`. `cycle`: it is
    /// sent in this one; none if it is not sent.
    pub(super) fn parse(&mut self, name: &[u8], message: &[u8], whole: bool, cycle: Option<u64>) {
        let text = text_of(message, name);
        let reading = Reading::of(message.get(text.clone()).unwrap_or_default());
        let presence = if cycle.is_some() { Presence::Sent } else { Presence::Absent };
        if name.is_empty() {
            // The buffer is used again: this happens for each statement of some clients.
            self.unnamed.message.clear();
            if whole {
                self.unnamed.message.extend_from_slice(message);
            }
            (self.unnamed.text, self.unnamed.reading, self.unnamed.presence) = (text, reading, presence);
        } else {
            self.close(name);
            let is_kept = whole && self.bytes + message.len() <= KEPT_MAX;
            let message = if is_kept { message.to_vec() } else { Vec::new() };
            // Effects contain parts of the text, and are not kept without it.
            let reading = if is_kept { reading } else { Reading { effects: Vec::new(), has_others: true } };
            if self.named.len() < NAMES_MAX {
                self.bytes += message.len();
                self.named.insert(name.to_vec(), Statement { message, text, reading, presence });
            }
        }
        if let Some(cycle) = cycle {
            self.unconfirmed.push_back((cycle, name.to_vec()));
        }
    }

    /// The statement is used in this cycle: what it needs. If it needs to be prepared, that is done.
    pub(super) fn need(&mut self, name: &[u8], cycle: u64) -> Need<'_> {
        let is_complete = self.is_complete;
        let Some(statement) = get_mut(&mut self.named, &mut self.unnamed, name) else {
            return if is_complete { Need::Nothing } else { Need::Unknown };
        };
        match statement.presence {
            Presence::Sent => Need::Nothing,
            Presence::Absent | Presence::Unsure if statement.message.is_empty() => {
                if name.is_empty() {
                    Need::Nothing
                } else {
                    Need::NotKept
                }
            }
            before => {
                statement.presence = Presence::Sent;
                self.unconfirmed.push_back((cycle, name.to_vec()));
                if before == Presence::Unsure {
                    Need::PrepareAnew(&statement.message)
                } else {
                    Need::Prepare(&statement.message)
                }
            }
        }
    }

    /// The text and the reading of a statement.
    pub(super) fn get(&self, name: &[u8]) -> Option<(&[u8], &Reading)> {
        let statement = if name.is_empty() { Some(&self.unnamed) } else { self.named.get(name) }?;
        Some((statement.message.get(statement.text.clone()).unwrap_or_default(), &statement.reading))
    }

    /// The client closes it.
    pub(super) fn close(&mut self, name: &[u8]) {
        if let Some(statement) = self.named.remove(name) {
            self.bytes -= statement.message.len();
        }
    }

    /// All are gone.
    pub(super) fn clear(&mut self) {
        self.named.clear();
        self.bytes = 0;
    }

    /// The test server has confirmed a Parse.
    pub(super) fn confirmed(&mut self) {
        self.unconfirmed.pop_front();
    }

    /// An answer has ended of which a part was not seen: without an error it has confirmed all Parses up to this cycle.
    pub(super) fn gap(&mut self, cycle: u64, has_error: bool) {
        while self.unconfirmed.front().is_some_and(|(of, _)| *of <= cycle)
            && let Some((_, name)) = self.unconfirmed.pop_front()
        {
            if has_error && let Some(statement) = get_mut(&mut self.named, &mut self.unnamed, &name) {
                statement.presence = Presence::Unsure;
            }
        }
    }

    /// The test server has skipped what is left of this cycle, or has ended it: what was not confirmed is not there.
    pub(super) fn cycle_over(&mut self, cycle: u64) {
        while self.unconfirmed.front().is_some_and(|(of, _)| *of <= cycle)
            && let Some((_, name)) = self.unconfirmed.pop_front()
        {
            if let Some(statement) = get_mut(&mut self.named, &mut self.unnamed, &name) {
                statement.presence = Presence::Absent;
            }
        }
    }

    /// The connection is lost.
    pub(super) fn connection_lost(&mut self) {
        self.unconfirmed.clear();
        self.unnamed.presence = Presence::Absent;
        self.named.values_mut().for_each(|it| it.presence = Presence::Absent);
    }

    pub(super) fn memory(&self) -> usize {
        let readings = self.named.values().map(|it| it.reading.memory()).sum::<usize>();
        let names: usize = self.named.keys().map(Vec::capacity).sum();
        self.bytes
            + readings
            + names
            + self.unnamed.message.capacity()
            + self.unnamed.reading.memory()
            + self.named.capacity() * size_of::<(Vec<u8>, Statement)>()
            + self.unconfirmed.capacity() * size_of::<(u64, Vec<u8>)>()
    }
}

fn get_mut<'s>(
    named: &'s mut HashMap<Vec<u8>, Statement>,
    unnamed: &'s mut Statement,
    name: &[u8],
) -> Option<&'s mut Statement> {
    if name.is_empty() { Some(unnamed) } else { named.get_mut(name) }
}

/// Where the text is in a Parse message, of which perhaps only the beginning is there.
fn text_of(message: &[u8], name: &[u8]) -> std::ops::Range<usize> {
    let start = (HEAD + name.len() + 1).min(message.len());
    let rest = message.get(start..).unwrap_or_default();
    start..start + rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use postgres_wire::frontend::{Frontend, Parse};

    use super::*;

    fn message(name: &[u8], text: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        Frontend::Parse(Parse { statement: name, query: text, types: &[[0, 0, 0, 23]] }).write(&mut message);
        message
    }

    #[test]
    fn a_statement_is_prepared_again_where_it_is_not_there() {
        let mut statements = Statements::new(true);
        let (one, two) = (message(b"s", b"SELECT 1"), message(b"", b"BEGIN"));
        statements.parse(b"s", &one, true, Some(1));
        statements.parse(b"", &two, true, Some(1));
        assert_eq!(statements.need(b"s", 1), Need::Nothing);
        assert_eq!(statements.get(b"").unwrap().0, b"BEGIN");
        // The first is there, the second failed.
        statements.confirmed();
        statements.cycle_over(1);
        assert_eq!(statements.need(b"s", 2), Need::Nothing);
        assert_eq!(statements.need(b"", 2), Need::Prepare(&two));
        assert_eq!(statements.need(b"", 2), Need::Nothing);
        statements.connection_lost();
        assert_eq!(statements.need(b"s", 1), Need::Prepare(&one));
        statements.close(b"s");
        assert_eq!(statements.need(b"s", 1), Need::Nothing);
        assert_eq!(statements.bytes, 0);
        statements.is_complete = false;
        assert_eq!(statements.need(b"s", 1), Need::Unknown);
    }

    #[test]
    fn a_statement_whose_answer_was_not_seen_is_there_unless_there_was_an_error() {
        let mut statements = Statements::new(true);
        let message = message(b"s", b"SELECT 1");
        statements.parse(b"s", &message, true, Some(1));
        statements.gap(1, false);
        statements.cycle_over(1);
        assert_eq!(statements.need(b"s", 2), Need::Nothing);
        statements.parse(b"s", &message, true, Some(2));
        statements.gap(2, true);
        statements.cycle_over(2);
        assert_eq!(statements.need(b"s", 3), Need::PrepareAnew(&message));
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut statements = Statements::new(true);
        for number in 0..20_000 {
            let name = format!("s{number}").into_bytes();
            statements.parse(&name, &message(&name, &[b'x'; 100]), true, None);
        }
        assert!(statements.bytes <= KEPT_MAX && statements.named.len() <= NAMES_MAX);
        assert_eq!(statements.need(b"s9999", 1), Need::NotKept);
        statements.clear();
        statements.parse(b"big", &message(b"big", b"x")[..8], false, None);
        assert_eq!(statements.need(b"big", 1), Need::NotKept);
    }
}
