//! The first look at a recording, before anything is executed: whether it is whole, and what is in it.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;

use super::Options;
use super::selection::{Choice, LeftOut, Selection};
use crate::protocol::Protocol;
use crate::recording::record::{Message, Record, Statement, Target};
use crate::recording::{Bytes, Micros, ReadError, Reader};

/// Logins that are tried before the start.
const LOGINS_MAX: usize = 20;

/// What is to be replayed.
#[derive(Debug, Default)]
pub struct Overview {
    /// Sessions.
    pub sessions: u64,
    /// Statements.
    pub statements: u64,
    /// The first time.
    pub first: Option<Micros>,
    /// The last time.
    pub last: Micros,
    /// Users and databases, as the server knows them.
    pub(super) logins: BTreeSet<(Bytes, Bytes)>,
    /// What is left out.
    pub left_out: LeftOut,
    /// The last line is torn.
    pub is_torn: bool,
}

/// Reads the whole recording.
///
/// # Errors
///
/// If a line is wrong: it is named with the reason.
pub fn check(path: &Path, options: &Options) -> Result<Overview, ReadError> {
    let mut reader = Reader::open(path)?;
    if reader.header().protocol != options.protocol.name() {
        let reason = format!(
            "the protocol is {:?}; this version replays postgres and mysql",
            reader.header().protocol
        );
        return Err(reader.malformed(reason));
    }
    let mut overview = Overview::default();
    let mut selection = Selection::new(options);
    let mut known = Known::default();
    while let Some((_, mut record)) = reader.next()? {
        known.check(&record, options.protocol).map_err(|reason| reader.malformed(reason))?;
        if selection.choose(&mut record, options) != Choice::No {
            overview.add(&record, options);
        }
    }
    overview.left_out = selection.left_out;
    overview.is_torn = reader.is_torn();
    Ok(overview)
}

impl Overview {
    fn add(&mut self, record: &Record, options: &Options) {
        let at = match record {
            Record::Session(session) => {
                self.sessions += 1;
                if self.logins.len() < LOGINS_MAX {
                    let map = &options.map;
                    self.logins
                        .insert((map.user(&session.user).clone(), map.database(&session.database).clone()));
                }
                session.at
            }
            Record::Statement(statement) => {
                self.statements += statement.executions() as u64;
                statement.at
            }
            Record::End(end) => end.at,
            Record::Cancel(cancel) => cancel.at,
            Record::Header(_) | Record::Answer(_) | Record::Skipped(_) => return,
        };
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = self.last.max(at);
    }
}

/// The sessions so far.
#[derive(Default)]
struct Known {
    open: HashSet<u64>,
    last: u64,
}

impl Known {
    /// What the types of the records cannot say.
    fn check(&mut self, record: &Record, protocol: Protocol) -> Result<(), String> {
        match record {
            Record::Session(session) => {
                if !self.open.insert(session.session) {
                    return Err(format!("session {} begins again", session.session));
                }
                self.last = self.last.max(session.session);
                let mut texts = session.settings.values().chain([&session.user, &session.database]);
                texts.try_for_each(no_zero)
            }
            Record::Statement(statement) => {
                self.is_open(statement.session)?;
                fits(statement, protocol)
            }
            Record::Answer(answer) => self.is_open(answer.session),
            Record::Cancel(cancel) => self.is_open(cancel.session),
            Record::End(end) => {
                self.is_open(end.session)?;
                self.open.remove(&end.session);
                Ok(())
            }
            Record::Header(_) => {
                // The recorder was stopped: nothing goes on.
                self.open.clear();
                Ok(())
            }
            Record::Skipped(_) => Ok(()),
        }
    }

    fn is_open(&self, session: u64) -> Result<(), String> {
        if self.open.contains(&session) {
            return Ok(());
        }
        Err(format!("session {session} has not begun, or is over: remove all of its lines, or none"))
    }
}

fn fits(statement: &Statement, protocol: Protocol) -> Result<(), String> {
    if statement.messages.is_empty() {
        return Err("the statement has no messages".to_owned());
    }
    for message in &statement.messages {
        match message {
            // MySQL takes texts with a length.
            Message::Query(sql) => no_zero_unless(sql, protocol)?,
            Message::Parse { statement, sql, types } => {
                no_zero(statement)?;
                no_zero_unless(sql, protocol)?;
                count(types.len(), "types")?;
            }
            Message::Bind { portal, statement, parameters, results } => {
                no_zero(portal)?;
                no_zero(statement)?;
                count(parameters.len(), "parameters")?;
                count(results.len(), "results")?;
            }
            Message::Describe(target) | Message::Close(target) => match target {
                Target::Statement(name) | Target::Portal(name) => no_zero(name)?,
            },
            Message::Execute { portal, .. } => no_zero(portal)?,
            Message::CopyFail(reason) => no_zero(reason)?,
            Message::InitDb(name) | Message::StmtClose(name) => no_zero(name)?,
            Message::ChangeUser { user, database, .. } => {
                no_zero(user)?;
                no_zero(database)?;
            }
            Message::Flush
            | Message::Sync
            | Message::CopyData(_)
            | Message::CopyDone
            | Message::FunctionCall(_)
            | Message::ResetConnection
            | Message::Command { .. }
            | Message::TooLong { .. } => {}
        }
    }
    Ok(())
}

fn no_zero_unless(text: &Bytes, protocol: Protocol) -> Result<(), String> {
    if protocol == Protocol::Mysql { Ok(()) } else { no_zero(text) }
}

fn no_zero(text: &Bytes) -> Result<(), String> {
    if text.0.contains(&0) {
        return Err(format!("{:?} has a zero byte in it", crate::inspect::on_one_line(&text.shown(), 60)));
    }
    Ok(())
}

fn count(count: usize, what: &str) -> Result<(), String> {
    if count > usize::from(u16::MAX) {
        return Err(format!("{count} {what} are more than {}", u16::MAX));
    }
    Ok(())
}
