//! PostgreSQL's log as CSV, with `log_statement = all` or `log_min_duration_statement = 0`. Source: postgresql.org, "Using
//! CSV-Format Log Output".

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::Path;

use csv::StringRecord;
use jiff::Timestamp;

use super::{ConvertError, Take};
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::record::{
    End, EndedBy, ErrorText, Masked, Message, Outcome, Record, Session, Statement,
};
use crate::recording::{Bytes, Micros, Value};

/// The columns that are used.
mod column {
    pub(super) const TIME: usize = 0;
    pub(super) const USER: usize = 1;
    pub(super) const DATABASE: usize = 2;
    pub(super) const CLIENT: usize = 4;
    pub(super) const SESSION: usize = 5;
    pub(super) const SEVERITY: usize = 11;
    pub(super) const SQLSTATE: usize = 12;
    pub(super) const MESSAGE: usize = 13;
    pub(super) const DETAIL: usize = 14;
    pub(super) const APPLICATION: usize = 22;
    pub(super) const LEAST: usize = 23;
}

/// Whether a line is the beginning of such a log.
pub(super) fn is_one(line: &str) -> bool {
    line.get(..19).is_some_and(|time| micros(&format!("{time} UTC")).is_some())
        && line.matches(',').count() > 5
}

struct Converter<'m> {
    masking: &'m Masking,
    sessions: BTreeMap<String, Open>,
    count: u64,
    first: Option<i64>,
    last: Micros,
}

struct Open {
    number: u64,
    /// The last statement, and when it was logged: the session's next line says whether it has failed.
    last: Option<(Statement, Micros)>,
}

impl Open {
    /// The last statement is complete.
    fn hand_over(&mut self, take: Take<'_>) -> io::Result<()> {
        self.last.take().map_or(Ok(()), |(statement, _)| take(Record::Statement(statement)))
    }
}

pub(super) fn read(
    path: &Path,
    input: impl BufRead,
    masking: &Masking,
    take: Take<'_>,
) -> Result<Vec<String>, ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let mut rows = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
    let mut converter =
        Converter { masking, sessions: BTreeMap::new(), count: 0, first: None, last: Micros(0) };
    let mut is_torn = false;
    for row in rows.records() {
        let row = row.map_err(|error| ConvertError::Content {
            path: path.to_owned(),
            place: format!("line {}", error.position().map_or(0, csv::Position::line)),
            reason: error.to_string(),
        })?;
        if row.len() < column::LEAST {
            is_torn = true;
            continue;
        }
        converter.row(&row, take).map_err(io)?;
    }
    converter.finish(take).map_err(io)?;
    Ok(if is_torn { vec!["lines with too few columns were skipped".to_owned()] } else { Vec::new() })
}

impl Converter<'_> {
    fn row(&mut self, row: &StringRecord, take: Take<'_>) -> io::Result<()> {
        let field = |at: usize| row.get(at).unwrap_or_default();
        let Some(time) = micros(field(column::TIME)) else { return Ok(()) };
        if self.first.is_none() {
            let started = Timestamp::from_microsecond(time).unwrap_or_default();
            take(super::header(started.to_string(), Protocol::Postgres))?;
        }
        let now = Micros(u64::try_from(time - *self.first.get_or_insert(time)).unwrap_or_default());
        self.last = self.last.max(now);
        let (name, message) = (field(column::SESSION), field(column::MESSAGE));
        // Messages of the server itself belong to nobody.
        if field(column::USER).is_empty() || field(column::DATABASE).is_empty() {
            return Ok(());
        }
        if let Some((took, kind, sql)) = statement(message) {
            let number = self.session(row, now, take)?;
            let statement = self.statement(number, now, took, kind, sql, field(column::DETAIL));
            if let Some(open) = self.sessions.get_mut(name) {
                open.hand_over(take)?;
                open.last = Some((statement, now));
            }
        } else if matches!(field(column::SEVERITY), "ERROR" | "FATAL")
            && let Some(open) = self.sessions.get_mut(name)
            && let Some((statement, logged)) = &mut open.last
        {
            let is_secret = statement.masked == Some(Masked::Password);
            let message = if is_secret { "***".into() } else { self.masking.text(message.as_bytes()).0 };
            let error = ErrorText { code: None, sqlstate: field(column::SQLSTATE).to_owned(), message };
            statement.answer = vec![Outcome::Error(error)];
            statement.took = Some(now.since(*logged));
            open.hand_over(take)?;
        } else if message.starts_with("disconnection:")
            && let Some(mut open) = self.sessions.remove(name)
        {
            open.hand_over(take)?;
            take(Record::End(End { session: open.number, at: now, by: EndedBy::Client, error: None }))?;
        }
        Ok(())
    }

    fn session(&mut self, row: &StringRecord, at: Micros, take: Take<'_>) -> io::Result<u64> {
        let field = |at: usize| row.get(at).unwrap_or_default();
        let name = field(column::SESSION);
        if let Some(open) = self.sessions.get(name) {
            return Ok(open.number);
        }
        self.count += 1;
        self.sessions.insert(name.to_owned(), Open { number: self.count, last: None });
        let application = field(column::APPLICATION);
        let settings = (!application.is_empty()).then(|| ("application_name".to_owned(), application.into()));
        take(Record::Session(Session {
            session: self.count,
            at,
            client: field(column::CLIENT).to_owned(),
            user: field(column::USER).into(),
            database: field(column::DATABASE).into(),
            settings: settings.into_iter().collect(),
            login: None,
            refused: None,
        }))?;
        Ok(self.count)
    }

    fn statement(
        &self,
        session: u64,
        now: Micros,
        took: Option<Micros>,
        kind: Kind,
        sql: &str,
        detail: &str,
    ) -> Statement {
        let (sql, masked) = self.masking.statement(sql.as_bytes());
        let messages = match kind {
            Kind::Simple => vec![Message::Query(sql)],
            Kind::Extended => {
                let parameters =
                    parameters(detail).into_iter().map(|value| self.masking.value(value)).collect();
                let name = Bytes::default();
                vec![
                    Message::Parse { statement: name.clone(), sql, types: Vec::new() },
                    Message::Bind { portal: name.clone(), statement: name, parameters, results: Vec::new() },
                    Message::Execute { portal: Bytes::default(), rows: 0 },
                    Message::Sync,
                ]
            }
        };
        // A duration is logged at the end.
        let at = Micros(now.0.saturating_sub(took.unwrap_or_default().0));
        Statement { session, at, ahead: 0, messages, masked, took: None, answer: Vec::new() }
    }

    fn finish(mut self, take: Take<'_>) -> io::Result<()> {
        if self.first.is_none() {
            take(super::header("1970-01-01T00:00:00Z".to_owned(), Protocol::Postgres))?;
        }
        for (_, mut open) in std::mem::take(&mut self.sessions) {
            open.hand_over(take)?;
            take(Record::End(End {
                session: open.number,
                at: self.last,
                by: EndedBy::Recorder,
                error: None,
            }))?;
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Simple,
    Extended,
}

/// `[duration: 0.05 ms  ]statement: SQL`, or `execute NAME: SQL`. Lines about parse and bind are no executions.
fn statement(message: &str) -> Option<(Option<Micros>, Kind, &str)> {
    let (took, rest) = match message.strip_prefix("duration: ") {
        Some(rest) => {
            let (millis, rest) = rest.split_once(" ms")?;
            let millis: f64 = millis.parse().ok()?;
            (Some(Micros((millis.max(0.0) * 1e3) as u64)), rest.trim_start())
        }
        None => (None, message),
    };
    if let Some(sql) = rest.strip_prefix("statement: ") {
        return Some((took, Kind::Simple, sql));
    }
    let (_, sql) = rest.strip_prefix("execute ")?.split_once(": ")?;
    Some((took, Kind::Extended, sql))
}

/// `parameters: $1 = '5', $2 = NULL` (of version 16 on with a capital P).
fn parameters(detail: &str) -> Vec<Value> {
    let Some((_, mut rest)) = detail.split_once("arameters: ") else { return Vec::new() };
    let mut values = Vec::new();
    while let Some((_, after)) = rest.split_once(" = ") {
        if let Some(after) = after.strip_prefix("NULL") {
            values.push(Value::Null);
            rest = after;
            continue;
        }
        let Some(text) = after.strip_prefix('\'') else { break };
        let mut value = String::new();
        let mut characters = text.char_indices().peekable();
        let mut end = text.len();
        while let Some((at, character)) = characters.next() {
            if character == '\'' {
                if characters.peek().is_none_or(|(_, next)| *next != '\'') {
                    end = at + 1;
                    break;
                }
                characters.next();
            }
            value.push(character);
        }
        values.push(Value::Text(value.as_str().into()));
        rest = text.get(end..).unwrap_or_default();
    }
    values
}

/// `2026-11-29 10:00:00.123 UTC`: other zones are taken for UTC, because only differences count.
fn micros(text: &str) -> Option<i64> {
    let mut parts = text.split(' ');
    let time = format!("{}T{}Z", parts.next()?, parts.next()?);
    time.parse::<Timestamp>().ok().map(|time| time.as_microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_belongs_to_the_statement_before_it() {
        let line = |severity: &str, message: &str| {
            let start =
                "2026-11-29 10:00:00.123 UTC,app,shop,1,[local],s.1,1,x,2026-11-29 10:00:00 UTC,1/1,0,";
            format!("{start}{severity},42P01,{message},,,,,,,,,psql,,,0\n")
        };
        let text = [
            line("LOG", "statement: SELECT 1"),
            line("LOG", "statement: SELECT * FROM nosuch"),
            line("ERROR", "no such table"),
            line("LOG", "disconnection: session time: 0:00:00.020"),
        ]
        .concat();
        let mut records = Vec::new();
        let mut take = |record| {
            records.push(serde_json::to_string(&record)?);
            Ok(())
        };
        assert!(read(Path::new("x"), text.as_bytes(), &Masking::default(), &mut take).unwrap().is_empty());
        assert_eq!(
            records[2..],
            [
                r#"{"statement":{"session":1,"at":0.0,"messages":[{"query":"SELECT 1"}]}}"#,
                r#"{"statement":{"session":1,"at":0.0,"messages":[{"query":"SELECT * FROM nosuch"}],"took":0.0,"answer":[{"error":{"sqlstate":"42P01","message":"no such table"}}]}}"#,
                r#"{"end":{"session":1,"at":0.0,"by":"client"}}"#,
            ]
        );
    }

    #[test]
    fn messages_and_parameters_are_read() {
        assert_eq!(statement("statement: SELECT 1"), Some((None, Kind::Simple, "SELECT 1")));
        assert_eq!(
            statement("duration: 0.250 ms  execute s: SELECT $1"),
            Some((Some(Micros(250)), Kind::Extended, "SELECT $1"))
        );
        assert_eq!(statement("duration: 0.250 ms  parse s: SELECT $1"), None);
        assert_eq!(statement("connection received: host=x"), None);
        let text = |text: &str| Value::Text(text.into());
        assert_eq!(
            parameters("parameters: $1 = '5', $2 = NULL, $3 = 'it''s, $4 = ''x'''"),
            [text("5"), Value::Null, text("it's, $4 = 'x'")]
        );
        assert_eq!(parameters(""), []);
        assert!(is_one("2026-11-29 10:00:00.123 UTC,\"app\",\"shop\",1,\"::1:5\",a,1,,x"));
        assert!(!is_one("SELECT 1,2,3,4,5,6,7"));
    }
}
