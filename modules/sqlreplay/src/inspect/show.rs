//! A session's statements, for people.

use std::fmt::Write;

use super::on_one_line;
use super::texts::Names;
use crate::recording::record::{Message, Outcome, Statement};
use crate::recording::{Bytes, Micros};

/// The length of a statement's text, in characters.
const TEXT: usize = 2000;

/// Rows that are shown.
const ROWS: usize = 10;

/// The lines of one statement: when, how long, what, with which parameters, and what became of it.
#[must_use]
pub fn lines(statement: &Statement, names: &mut Names<Bytes>) -> String {
    let mut text = String::new();
    let took = statement.took.map_or("           ".to_owned(), |took| format!("{:>8.3} ms", millis(took)));
    let head = format!("{:>12.6} {took}  ", statement.at.seconds());
    let ahead = if statement.ahead > 0 {
        format!(" (pipelined: {} unanswered)", statement.ahead)
    } else {
        String::new()
    };
    let mut is_first = true;
    for message in &statement.messages {
        let known = names.of(message, Clone::clone);
        let Some(line) = line(message, known.as_ref()) else { continue };
        let start = if std::mem::take(&mut is_first) { head.clone() } else { " ".repeat(head.len()) };
        let _ = writeln!(text, "{start}{line}");
    }
    if is_first {
        let _ = writeln!(text, "{head}{}", kinds(&statement.messages));
    }
    if !ahead.is_empty() {
        let _ = writeln!(text, "{}{}", " ".repeat(head.len()), ahead.trim_start());
    }
    for outcome in &statement.answer {
        text.push_str(&outcome_lines(outcome, head.len()));
    }
    text
}

/// The lines of an outcome, indented by so many blanks.
#[must_use]
pub fn outcome_lines(outcome: &Outcome, indent: usize) -> String {
    let mut text = String::new();
    let start = " ".repeat(indent);
    let data = match outcome {
        Outcome::Done { tag, rows, data } => {
            let _ = writeln!(text, "{start}-> {} ({rows} rows)", on_one_line(&tag.shown(), 100));
            Some(data)
        }
        Outcome::Suspended { rows, data } => {
            let _ = writeln!(text, "{start}-> {rows} rows, and more to fetch");
            Some(data)
        }
        Outcome::Empty => {
            let _ = writeln!(text, "{start}-> no statement");
            None
        }
        Outcome::Error(error) => {
            let message = on_one_line(&error.message.shown(), TEXT);
            let _ = writeln!(text, "{start}-> ERROR {}: {message}", error.name());
            None
        }
    };
    for row in data.map(|data| &data.rows[..]).unwrap_or_default().iter().take(ROWS) {
        let row: Vec<String> = row.iter().map(|value| on_one_line(&value.shown(), 100)).collect();
        let _ = writeln!(text, "{start}   {}", row.join(" | "));
    }
    text
}

fn line(message: &Message, known: Option<&Bytes>) -> Option<String> {
    let sql = |sql: &Bytes| on_one_line(&sql.shown(), TEXT);
    Some(match message {
        Message::Query(text) => sql(text),
        Message::Parse { statement, sql: text, .. } if statement.is_empty() => sql(text),
        Message::Parse { statement, sql: text, .. } => {
            format!("prepare {}: {}", statement.shown(), sql(text))
        }
        Message::Bind { statement, parameters, .. } => {
            let values: Vec<String> =
                parameters.iter().map(|value| on_one_line(&value.shown(), 200)).collect();
            let values = if values.is_empty() { "no parameters".to_owned() } else { values.join(", ") };
            match known {
                _ if statement.is_empty() => format!("   with {values}"),
                Some(text) => format!("{} [{}] with {values}", sql(text), statement.shown()),
                None => format!("[{}] with {values}", statement.shown()),
            }
        }
        Message::Execute { rows, .. } if *rows > 0 => format!("   fetch {rows} rows"),
        Message::CopyData(data) => format!("COPY data: {} bytes", data.0.len()),
        Message::CopyDone => "COPY data end".to_owned(),
        Message::CopyFail(reason) => format!("COPY is given up: {}", sql(reason)),
        Message::FunctionCall(_) => "function call".to_owned(),
        Message::InitDb(name) => format!("use {}", on_one_line(&name.shown(), 100)),
        Message::ChangeUser { user, database, .. } => {
            format!(
                "change user to {} in {}",
                on_one_line(&user.shown(), 100),
                on_one_line(&database.shown(), 100)
            )
        }
        Message::ResetConnection => "reset connection".to_owned(),
        Message::Command { command, .. } => {
            format!("command {}", mysql_wire::command::Command(*command).name())
        }
        Message::TooLong { kind, bytes } => format!("({bytes} bytes of a message '{kind}' were not kept)"),
        Message::Execute { .. }
        | Message::Describe(_)
        | Message::Close(_)
        | Message::StmtClose(_)
        | Message::Flush
        | Message::Sync => return None,
    })
}

fn kinds(messages: &[Message]) -> String {
    let kinds = messages.iter().map(|message| match message {
        Message::Describe(_) => "describe",
        Message::Close(_) | Message::StmtClose(_) => "close",
        Message::Flush => "flush",
        Message::Sync => "sync",
        _ => "execute",
    });
    format!("({})", kinds.collect::<Vec<_>>().join(", "))
}

fn millis(time: Micros) -> f64 {
    time.0 as f64 / 1e3
}
