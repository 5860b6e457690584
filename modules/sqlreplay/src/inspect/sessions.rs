//! A recording's sessions, as a table.

use std::collections::BTreeMap;
use std::path::Path;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::{on_one_line, port};
use crate::recording::record::{Message, Outcome, Record, Session, Statement};
use crate::recording::{Micros, ReadError, Reader};

/// Statements that are shown of each session.
const SAMPLES: usize = 3;

/// The length of a sample, in characters.
const SAMPLE: usize = 60;

/// What is known of a session.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// Its number.
    pub session: u64,
    /// The client's address and port.
    pub client: String,
    /// The user.
    pub user: String,
    /// The database.
    pub database: String,
    /// The application's name.
    pub application: String,
    /// When it began.
    pub at: Micros,
    /// From its beginning to the last that is known of it.
    pub span: Micros,
    /// The client's messages.
    pub messages: u64,
    /// The statements that they execute.
    pub statements: u64,
    /// Statements that failed.
    pub errors: u64,
    /// Why the server refused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Some statements.
    pub samples: Vec<String>,
}

impl Summary {
    fn new(session: &Session) -> Self {
        Self {
            session: session.session,
            client: session.client.clone(),
            user: session.user.shown().into_owned(),
            database: session.database.shown().into_owned(),
            application: session
                .settings
                .get("application_name")
                .map(|name| name.shown().into_owned())
                .unwrap_or_default(),
            at: session.at,
            span: Micros(0),
            messages: 0,
            statements: 0,
            errors: 0,
            refused: session.refused.as_ref().map(|error| error.message.shown().into_owned()),
            samples: Vec::new(),
        }
    }

    fn add(&mut self, statement: &Statement) {
        self.messages += statement.messages.len() as u64;
        self.statements += statement.executions() as u64;
        self.answered(&statement.answer);
        self.until(Micros(statement.at.0 + statement.took.unwrap_or_default().0));
        for message in &statement.messages {
            let (Message::Query(sql) | Message::Parse { sql, .. }) = message else { continue };
            if self.samples.len() >= SAMPLES || is_control(&sql.0) {
                continue;
            }
            let sample = on_one_line(&sql.shown(), SAMPLE);
            if !self.samples.contains(&sample) {
                self.samples.push(sample);
            }
        }
    }

    fn answered(&mut self, answer: &[Outcome]) {
        self.errors += answer.iter().filter(|outcome| matches!(outcome, Outcome::Error(_))).count() as u64;
    }

    fn until(&mut self, time: Micros) {
        self.span = self.span.max(time.since(self.at));
    }
}

/// Statements that say little about a session.
fn is_control(sql: &[u8]) -> bool {
    let sql = sql.trim_ascii();
    [&b"begin"[..], b"commit", b"rollback", b"end", b"set ", b"start ", b"deallocate", b"discard"]
        .iter()
        .any(|word| sql.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)))
}

/// All sessions of a recording, by number.
#[derive(Debug, Default)]
pub struct Sessions {
    /// The sessions.
    pub sessions: BTreeMap<u64, Summary>,
    /// What was not recorded: reasons with counts.
    pub skipped: BTreeMap<String, u64>,
    /// The last line was torn.
    pub is_torn: bool,
}

impl Sessions {
    /// Reads the recording.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or a line of it is wrong.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let mut reader = Reader::open(path)?;
        let mut all = Self::default();
        while let Some((_, record)) = reader.next()? {
            all.add(record);
        }
        all.is_torn = reader.is_torn();
        Ok(all)
    }

    fn add(&mut self, record: Record) {
        match record {
            Record::Session(session) => {
                self.sessions.insert(session.session, Summary::new(&session));
            }
            Record::Statement(statement) => {
                if let Some(session) = self.sessions.get_mut(&statement.session) {
                    session.add(&statement);
                }
            }
            Record::Answer(answer) => {
                if let Some(session) = self.sessions.get_mut(&answer.session) {
                    session.answered(&answer.answer);
                }
            }
            Record::End(end) => {
                if let Some(session) = self.sessions.get_mut(&end.session) {
                    session.until(end.at);
                }
            }
            Record::Skipped(skipped) => *self.skipped.entry(skipped.reason).or_default() += 1,
            Record::Header(_) | Record::Cancel(_) => {}
        }
    }

    /// As a table for people.
    #[must_use]
    pub fn table(&self) -> String {
        let mut table = Table::new();
        table.load_preset(presets::NOTHING);
        table.set_header([
            "port",
            "client",
            "user",
            "database",
            "application",
            "messages",
            "statements",
            "errors",
            "span",
            "",
        ]);
        for at in [5, 6, 7, 8] {
            if let Some(column) = table.column_mut(at) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        for session in self.sessions.values() {
            let samples = match &session.refused {
                Some(reason) => format!("(refused: {})", on_one_line(reason, SAMPLE)),
                None if session.statements == 0 => "(no SQL)".to_owned(),
                None => session.samples.join(" | "),
            };
            table.add_row([
                port(&session.client).map_or("?".to_owned(), |port| port.to_string()),
                session.client.rsplit_once(':').map_or("", |(host, _)| host).to_owned(),
                on_one_line(&session.user, 30),
                on_one_line(&session.database, 30),
                on_one_line(&session.application, 30),
                session.messages.to_string(),
                session.statements.to_string(),
                session.errors.to_string(),
                format!("{:.3} s", session.span.seconds()),
                samples,
            ]);
        }
        table.trim_fmt()
    }
}
