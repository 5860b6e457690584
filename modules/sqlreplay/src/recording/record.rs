//! What a line can be.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Bytes, Micros, Value};

/// A line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The first line, and again where a recording was continued.
    Header(Header),
    /// A session begins.
    Session(Session),
    /// A session's messages, up to one that is answered for itself, and their answer.
    Statement(Statement),
    /// The answer to the session's first statement that has none.
    Answer(Answer),
    /// A client has asked to cancel a session's statement.
    Cancel(Cancel),
    /// A session ends.
    End(End),
    /// Something was not recorded.
    Skipped(Skipped),
}

/// See [`Record::Header`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The version of the format.
    pub format: u32,
    /// `postgres` or `mysql`.
    pub protocol: String,
    /// What was recorded: `proxy`, `pcap`, `interface`, `convert`.
    pub source: String,
    /// The address that clients connected to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<String>,
    /// The server's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The program and its version.
    pub tool: String,
    /// The time of `at` 0: RFC 3339, in UTC.
    pub started: String,
}

/// See [`Record::Session`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Its number, from 1.
    pub session: u64,
    /// When the client began it.
    pub at: Micros,
    /// The client's address and port.
    pub client: String,
    /// The user.
    pub user: Bytes,
    /// The database.
    pub database: Bytes,
    /// Other settings that the client has begun with, such as `application_name`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Bytes>,
    /// How long the login took; missing if it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<Micros>,
    /// Why the server did not let it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<ErrorText>,
}

/// See [`Record::Statement`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The session's number.
    pub session: u64,
    /// When its first message was sent.
    pub at: Micros,
    /// How many of the session's earlier statements had no complete answer yet.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ahead: u32,
    /// In order.
    pub messages: Vec<Message>,
    /// What was masked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked: Option<Masked>,
    /// From its last message to the end of its answer; missing if the answer is on a line of its own, or never came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Micros>,
    /// What the server answered, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<Outcome>,
}

impl Statement {
    /// Whether a server answers it: data of a COPY have no answer of their own.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        let is_silent = |message: &Message| {
            matches!(
                message,
                Message::CopyData(_)
                    | Message::CopyDone
                    | Message::CopyFail(_)
                    | Message::Flush
                    | Message::StmtClose(_)
            )
        };
        !self.messages.iter().all(is_silent)
    }

    /// How many statements it executes; several statements in one text count as one.
    #[must_use]
    pub fn executions(&self) -> usize {
        let runs = |message: &&Message| {
            matches!(message, Message::Query(_) | Message::Execute { .. } | Message::FunctionCall(_))
        };
        self.messages.iter().filter(runs).count()
    }
}

/// See [`Record::Answer`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The session's number.
    pub session: u64,
    /// As in [`Statement::took`].
    pub took: Micros,
    /// As in [`Statement::answer`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub answer: Vec<Outcome>,
}

/// See [`Record::Cancel`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
    /// The session whose statement it is.
    pub session: u64,
    /// When.
    pub at: Micros,
}

/// See [`Record::End`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// The session's number.
    pub session: u64,
    /// When.
    pub at: Micros,
    /// Who ended it.
    pub by: EndedBy,
    /// What the server said, if it ended the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ErrorText>,
}

/// See [`End::by`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndedBy {
    /// The client, with a Terminate.
    Terminate,
    /// The client's connection ended without one.
    Client,
    /// The server's connection ended.
    Server,
    /// The recorder was stopped.
    Recorder,
}

/// See [`Record::Skipped`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// When.
    pub at: Micros,
    /// The client's address and port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// The session, if it has a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<u64>,
    /// What, and why.
    pub reason: String,
}

/// A client's message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// Runs statements.
    Query(Bytes),
    /// Prepares a statement.
    Parse {
        /// Its name.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        statement: Bytes,
        /// Its text.
        sql: Bytes,
        /// The types of its parameters, as OIDs; 0 leaves it to the server.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        types: Vec<u32>,
    },
    /// Makes a portal of a prepared statement.
    Bind {
        /// The portal's name.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        portal: Bytes,
        /// The statement's name.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        statement: Bytes,
        /// The parameters.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        parameters: Vec<Value>,
        /// The formats of the result's columns (0 text, 1 binary): none for text, one for all, or one for each.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        results: Vec<u16>,
    },
    /// Asks for the columns of a statement or portal.
    Describe(Target),
    /// Runs a portal.
    Execute {
        /// Its name.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        portal: Bytes,
        /// At most so many rows; 0: all.
        #[serde(default, skip_serializing_if = "is_default")]
        rows: u32,
    },
    /// Closes a statement or portal.
    Close(Target),
    /// Wants the answers so far.
    Flush,
    /// Ends a sequence of messages, and of errors.
    Sync,
    /// Data of a COPY. Where they were cut does not matter to a server.
    CopyData(Bytes),
    /// The data are complete.
    CopyDone,
    /// The COPY is to fail, for this reason.
    CopyFail(Bytes),
    /// Calls a function: the body of the message.
    FunctionCall(Bytes),
    /// MySQL: takes the connection to a database.
    InitDb(Bytes),
    /// MySQL: logs in again.
    ChangeUser {
        /// As this user.
        user: Bytes,
        /// To this database.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        database: Bytes,
        /// The number of its character set.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charset: Option<u16>,
    },
    /// MySQL: drops the state of the connection.
    ResetConnection,
    /// MySQL: drops a prepared statement, by name. No answer comes.
    StmtClose(Bytes),
    /// MySQL: any other command.
    Command {
        /// Its first byte.
        command: u8,
        /// What follows.
        #[serde(default, skip_serializing_if = "Bytes::is_empty")]
        body: Bytes,
    },
    /// A message that was too long to be kept.
    TooLong {
        /// The letter of its type.
        kind: char,
        /// Its length in bytes.
        bytes: u64,
    },
}

/// A statement or portal, by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// A prepared statement.
    Statement(Bytes),
    /// A portal.
    Portal(Bytes),
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Outcome {
    /// It was done.
    Done {
        /// What the server calls it, such as `INSERT 0 1`.
        tag: Bytes,
        /// The rows that it changed or returned.
        rows: u64,
        /// The rows, if they were recorded.
        #[serde(default, skip_serializing_if = "Rows::is_empty")]
        data: Rows,
    },
    /// It has more rows than were asked for.
    Suspended {
        /// The rows that it returned.
        rows: u64,
        /// The rows, if they were recorded.
        #[serde(default, skip_serializing_if = "Rows::is_empty")]
        data: Rows,
    },
    /// There was no statement in the text.
    Empty,
    /// It failed.
    Error(ErrorText),
}

/// Rows that were recorded.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    /// The names of the columns, where the server has said them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<Bytes>,
    /// The rows.
    pub rows: Vec<Vec<Value>>,
    /// There were more, which were not kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: bool,
}

impl Rows {
    fn is_empty(&self) -> bool {
        self.rows.is_empty() && !self.more
    }
}

/// An error of the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorText {
    /// MySQL: its number, such as 1062.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u16>,
    /// Its SQLSTATE.
    pub sqlstate: String,
    /// Its text.
    pub message: Bytes,
}

impl ErrorText {
    /// What tells errors apart: the number where there is one, otherwise the SQLSTATE.
    #[must_use]
    pub fn name(&self) -> String {
        self.code.map_or_else(|| self.sqlstate.clone(), |code| code.to_string())
    }
}

/// See [`Statement::masked`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Masked {
    /// Data, as the user has asked for.
    Data,
    /// A password: it cannot be replayed.
    Password,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
