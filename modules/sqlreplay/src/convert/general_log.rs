//! MySQL's and MariaDB's general log. Source: dev.mysql.com, "The General Query Log".
//!
//! A line has a time, the id of the connection, a command and its argument, with tabs or blanks between them. MariaDB leaves
//! the time out where it is that of the line before. Further lines of a statement have no head.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead};
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{ConvertError, Take};
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::record::{End, EndedBy, Message, Record, Session, Statement};
use crate::recording::{Bytes, Micros};
use crate::sql::Tokens;

/// The commands of the log.
const COMMANDS: &[&str] = &[
    "Sleep",
    "Quit",
    "Init DB",
    "Query",
    "Field List",
    "Create DB",
    "Drop DB",
    "Refresh",
    "Shutdown",
    "Statistics",
    "Processlist",
    "Connect",
    "Kill",
    "Debug",
    "Ping",
    "Time",
    "Delayed insert",
    "Change user",
    "Binlog Dump",
    "Table Dump",
    "Connect Out",
    "Register Slave",
    "Register Replica",
    "Prepare",
    "Execute",
    "Long Data",
    "Close stmt",
    "Reset stmt",
    "Set option",
    "Fetch",
    "Daemon",
    "Reset Connection",
];

/// The beginning of an entry.
struct Head<'l> {
    time: Option<i64>,
    id: u64,
    command: &'static str,
    argument: &'l str,
}

/// Whether a text is the beginning of such a log.
pub(super) fn is_one(text: &str) -> bool {
    text.contains("Command\tArgument")
        || text.contains("Command    Argument")
        || text.lines().any(|line| head(line).is_some_and(|head| head.time.is_some()))
}

fn head(line: &str) -> Option<Head<'_>> {
    let (time, rest) = match line.split_once([' ', '\t']) {
        Some((first, rest)) if first.contains('T') => (Some(micros(first)?), rest),
        // MariaDB: 261129 10:00:00.
        Some((first, rest)) if first.len() == 6 && first.bytes().all(|byte| byte.is_ascii_digit()) => {
            let rest = rest.trim_start();
            let (clock, rest) = rest.split_once(['\t', ' '])?;
            (Some(old_micros(first, clock)?), rest)
        }
        _ if line.starts_with('\t') => (None, line),
        _ => return None,
    };
    let rest = rest.trim_start();
    let end = rest.find(|it: char| !it.is_ascii_digit())?;
    let (id, rest) = rest.split_at(end);
    let rest = rest.strip_prefix([' ', '\t'])?;
    let command = COMMANDS.iter().filter(|name| rest.starts_with(**name)).max_by_key(|name| name.len())?;
    let rest = rest.get(command.len()..)?;
    let argument = rest.strip_prefix('\t').or(rest.is_empty().then_some(""))?;
    Some(Head { time, id: id.parse().ok()?, command, argument })
}

fn micros(text: &str) -> Option<i64> {
    let time = text.parse::<Timestamp>().ok();
    time.map(Timestamp::as_microsecond)
}

fn old_micros(date: &str, clock: &str) -> Option<i64> {
    let number = |at: usize| date.get(at..at + 2)?.parse::<i16>().ok();
    let mut parts = clock.split(':').map(|part| part.parse::<i8>().ok());
    let mut next = || parts.next().flatten();
    let (year, month, day) =
        (2000 + number(0)?, i8::try_from(number(2)?).ok()?, i8::try_from(number(4)?).ok()?);
    let time = DateTime::new(year, month, day, next()?, next()?, next()?, 0).ok()?;
    Some(time.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

struct Converter<'m> {
    masking: &'m Masking,
    /// By the connection's id: the session's number, and the database that a Connect has named.
    sessions: BTreeMap<u64, u64>,
    count: u64,
    first: Option<i64>,
    now: Micros,
    /// The entry that further lines may belong to.
    entry: Option<(u64, &'static str, String)>,
    unknown: u64,
    /// Connections whose last entry was a Query with EXECUTE: the statement that it executes follows as an entry of its own.
    executing: BTreeSet<u64>,
}

pub(super) fn read(
    path: &Path,
    mut input: impl BufRead,
    masking: &Masking,
    take: Take<'_>,
) -> Result<Vec<String>, ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let mut converter = Converter {
        masking,
        sessions: BTreeMap::new(),
        count: 0,
        first: None,
        now: Micros(0),
        entry: None,
        unknown: 0,
        executing: BTreeSet::new(),
    };
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        if input.read_until(b'\n', &mut bytes).map_err(io)? == 0 {
            break;
        }
        // A log has the statements' bytes; those that are not UTF-8 cannot be kept in a line.
        converter.line(&String::from_utf8_lossy(&bytes), take).map_err(io)?;
    }
    let unknown = converter.unknown;
    converter.finish(take).map_err(io)?;
    let mut notes = vec!["a general log has no results: nothing will be compared".to_owned()];
    if unknown > 0 {
        notes.push(format!(
            "{unknown} statements of connections that began before the log: the user is not known"
        ));
    }
    Ok(notes)
}

impl Converter<'_> {
    fn line(&mut self, line: &str, take: Take<'_>) -> io::Result<()> {
        let Some(head) = head(line.trim_end_matches(['\n', '\r'])) else {
            if let Some((_, _, argument)) = &mut self.entry {
                argument.push_str(line);
            }
            return Ok(());
        };
        self.hand_over(take)?;
        if let Some(time) = head.time {
            if self.first.is_none() {
                let started = Timestamp::from_microsecond(time).unwrap_or_default();
                take(super::header(started.to_string(), Protocol::Mysql))?;
            }
            let since = time - *self.first.get_or_insert(time);
            self.now = self.now.max(Micros(u64::try_from(since).unwrap_or_default()));
        } else if self.first.is_none() {
            return Ok(());
        }
        let argument = line.trim_end_matches('\r');
        let start = argument.len() - argument.trim_end_matches(['\n', '\r']).len();
        // With its line's end, because more lines may follow.
        let end = argument.get(argument.len() - start..).unwrap_or_default();
        self.entry = Some((head.id, head.command, format!("{}{end}", head.argument)));
        Ok(())
    }

    /// The entry is complete.
    fn hand_over(&mut self, take: Take<'_>) -> io::Result<()> {
        let Some((id, command, argument)) = self.entry.take() else { return Ok(()) };
        let argument = argument.trim_end_matches(['\n', '\r']);
        if self.executing.remove(&id) && command == "Execute" {
            return Ok(());
        }
        let mut tokens = Tokens::new(argument.as_bytes(), Protocol::Mysql);
        if command == "Query" && tokens.next().is_some_and(|token| token.is("execute")) {
            self.executing.insert(id);
        }
        if command == "Connect" {
            // `user@host on database using TCP/IP`; a refused one says so instead.
            if argument.starts_with("Access denied") {
                if let Some(session) = self.sessions.remove(&id) {
                    take(self.end(session, EndedBy::Server))?;
                }
                return Ok(());
            }
            let (who, rest) = argument.split_once(" on ").unwrap_or((argument, ""));
            let (user, host) = who.rsplit_once('@').unwrap_or((who, ""));
            let database = rest.split(" using ").next().unwrap_or_default().trim();
            return self.begin(id, host, user, database, take);
        }
        if command == "Quit" {
            return match self.sessions.remove(&id) {
                Some(session) => take(self.end(session, EndedBy::Terminate)),
                None => Ok(()),
            };
        }
        let masking = self.masking;
        let (message, masked) = match command {
            // The statement of an Execute has its parameters in it.
            "Query" | "Execute" => {
                let (sql, masked) = masking.statement(argument.as_bytes());
                (Message::Query(sql), masked)
            }
            "Init DB" => (Message::InitDb(argument.into()), None),
            "Reset Connection" => (Message::ResetConnection, None),
            "Change user" => {
                let (who, rest) = argument.split_once(" on ").unwrap_or((argument, ""));
                let user = who.rsplit_once('@').map_or(who, |(user, _)| user);
                let database = rest.split(" using ").next().unwrap_or_default().trim();
                (Message::ChangeUser { user: user.into(), database: database.into(), charset: None }, None)
            }
            _ => return Ok(()),
        };
        if !self.sessions.contains_key(&id) {
            self.unknown += 1;
            self.begin(id, "", "unknown", "", take)?;
        }
        let session = self.sessions.get(&id).copied().unwrap_or_default();
        take(Record::Statement(Statement {
            session,
            at: self.now,
            ahead: 0,
            messages: vec![message],
            masked,
            took: None,
            answer: Vec::new(),
        }))
    }

    fn begin(&mut self, id: u64, host: &str, user: &str, database: &str, take: Take<'_>) -> io::Result<()> {
        if let Some(session) = self.sessions.remove(&id) {
            take(self.end(session, EndedBy::Client))?;
        }
        self.count += 1;
        self.sessions.insert(id, self.count);
        // Logs name no ports: the id of the connection takes its place.
        take(Record::Session(Session {
            session: self.count,
            at: self.now,
            client: format!("{host}:{id}"),
            user: Bytes::from(user),
            database: Bytes::from(database),
            settings: BTreeMap::from([("connection_id".to_owned(), Bytes::from(id.to_string().as_str()))]),
            login: None,
            refused: None,
        }))
    }

    fn end(&self, session: u64, by: EndedBy) -> Record {
        Record::End(End { session, at: self.now, by, error: None })
    }

    fn finish(mut self, take: Take<'_>) -> io::Result<()> {
        self.hand_over(take)?;
        for session in std::mem::take(&mut self.sessions).into_values() {
            take(self.end(session, EndedBy::Recorder))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(log: &str) -> Vec<String> {
        let masking = Masking { protocol: Protocol::Mysql, ..Masking::default() };
        let mut records = Vec::new();
        let mut take = |record| {
            records.push(serde_json::to_string(&record)?);
            Ok(())
        };
        read(Path::new("x"), log.as_bytes(), &masking, &mut take).unwrap();
        assert!(is_one(log), "{log}");
        records.remove(0);
        records
    }

    #[test]
    fn a_statement_that_executes_another_is_replayed_once() {
        let log = "2026-11-29T10:00:00.000000Z\t8 Connect\tapp@localhost on shop using TCP/IP\n\
            2026-11-29T10:00:00.000000Z\t8 Query\tPREPARE s FROM 'DELETE FROM t'\n\
            2026-11-29T10:00:00.000000Z\t8 Prepare\tDELETE FROM t\n\
            2026-11-29T10:00:00.000000Z\t8 Query\t/* x */ execute s\n\
            2026-11-29T10:00:00.000000Z\t9 Execute\tSELECT 1\n\
            2026-11-29T10:00:00.000000Z\t8 Execute\tDELETE FROM t\n\
            2026-11-29T10:00:00.000000Z\t8 Execute\tDELETE FROM u\n";
        let queries: Vec<String> = lines(log).into_iter().filter(|line| line.contains("query")).collect();
        for (line, sql) in queries.iter().zip([
            "PREPARE s FROM 'DELETE FROM t'",
            "/* x */ execute s",
            "SELECT 1",
            "DELETE FROM u",
        ]) {
            assert!(line.contains(sql), "{line}");
        }
        assert_eq!(queries.len(), 4, "{queries:?}");
    }

    #[test]
    fn logs_of_both_servers_are_read() {
        let mysql = "/usr/sbin/mysqld, Version: 9.1.0 (MySQL). started with:\n\
            Time                 Id Command    Argument\n\
            2026-11-29T10:00:00.000000Z\t    8 Connect\tapp@localhost on shop using TCP/IP\n\
            2026-11-29T10:00:00.500000Z\t    8 Query\tSELECT 1,\n  2\n\
            2026-11-29T10:00:01.000000Z\t    8 Prepare\tSELECT ?\n\
            2026-11-29T10:00:01.000000Z\t    8 Execute\tSELECT 5\n\
            2026-11-29T10:00:01.000000Z\t    8 Query\tSET PASSWORD = 'hunter2'\n\
            2026-11-29T10:00:02.000000Z\t    8 Quit\t\n";
        let mariadb = "mariadbd, Version: 10.11.6-MariaDB. started with:\n\
            Time\t\t    Id Command\tArgument\n\
            261129 10:00:00\t     8 Connect\tapp@localhost on shop using Socket\n\
            \t\t     8 Query\tSELECT 1,\n  2\n\
            261129 10:00:01\t     8 Init DB\tother\n\
            \t\t     8 Quit\t\n";
        let session = r#"{"session":{"session":1,"at":0.0,"client":"localhost:8","user":"app","database":"shop","settings":{"connection_id":"8"}}}"#;
        assert_eq!(
            lines(mysql),
            [
                session,
                r#"{"statement":{"session":1,"at":0.5,"messages":[{"query":"SELECT 1,\n  2"}]}}"#,
                r#"{"statement":{"session":1,"at":1.0,"messages":[{"query":"SELECT 5"}]}}"#,
                r#"{"statement":{"session":1,"at":1.0,"messages":[{"query":"SET PASSWORD = '***'"}],"masked":"password"}}"#,
                r#"{"end":{"session":1,"at":2.0,"by":"terminate"}}"#,
            ]
        );
        assert_eq!(
            lines(mariadb),
            [
                session,
                r#"{"statement":{"session":1,"at":0.0,"messages":[{"query":"SELECT 1,\n  2"}]}}"#,
                r#"{"statement":{"session":1,"at":1.0,"messages":[{"init_db":"other"}]}}"#,
                r#"{"end":{"session":1,"at":1.0,"by":"terminate"}}"#,
            ]
        );
    }
}
