//! A session behind its login becomes its records.

use std::collections::VecDeque;
use std::sync::Arc;

use mysql_wire::answer::{Answer, Event, Format};
use mysql_wire::attributes;
use mysql_wire::capabilities::Capabilities;
use mysql_wire::command::Command;
use mysql_wire::execute::statement_of;
use mysql_wire::login::hello::Hello;
use mysql_wire::stream::Packet;

use super::prepared::Statements;
use super::result::{Results, error_of};
use crate::decoding::Settings;
use crate::recording::record::{
    Answer as LateAnswer, End, EndedBy, ErrorText, Masked, Message, Outcome, Record, Statement, Target,
};
use crate::recording::{Bytes, Micros, Value};
use crate::sql::{Token, Tokens};

/// Data of a file in one record, in bytes.
const GROUP_MAX: usize = 64 << 10;

/// Statements that wait for their answers are not kept beyond this, in bytes: they are written without them.
const OPEN_MAX: usize = 8 << 20;

/// A statement that has no answer for so long is written without it.
const PATIENCE: Micros = Micros(1_000_000);

/// The session.
#[derive(Debug)]
pub(super) struct Recorder {
    settings: Arc<Settings>,
    session: u64,
    hello: Hello,
    format: Format,
    attributes: bool,
    statements: Statements,
    open: VecDeque<Group>,
    open_bytes: usize,
    /// The client sends a file.
    is_copying: bool,
    is_terminated: bool,
    fatal: Option<ErrorText>,
    /// Nothing more can be recorded.
    pub(super) lost: Option<&'static str>,
}

/// A command and its answer.
#[derive(Debug)]
struct Group {
    /// When it was sent.
    sent: Micros,
    bytes: usize,
    is_complete: bool,
    is_written: bool,
    statement: Statement,
    /// The rest of the answer.
    answer: Option<Answer>,
    results: Results,
}

impl Recorder {
    pub(super) fn new(settings: Arc<Settings>, session: u64, mut hello: Hello, agreed: Capabilities) -> Self {
        // It proves a password.
        hello.answer = Vec::new();
        Self {
            settings,
            session,
            hello,
            format: Format::new(agreed),
            attributes: agreed.has(Capabilities::QUERY_ATTRIBUTES),
            statements: Statements::default(),
            open: VecDeque::new(),
            open_bytes: 0,
            is_copying: false,
            is_terminated: false,
            fatal: None,
            lost: None,
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        self.open.iter().any(|group| !group.is_written)
    }

    // The client's packets.

    pub(super) fn sent(&mut self, now: Micros, packet: Packet<'_>) {
        if self.is_copying {
            return self.file(now, packet);
        }
        // The answer to a question in a change of the user: a password, or what proves it.
        if packet.sequence != 0 {
            return;
        }
        let Some((&command, rest)) = packet.payload.split_first() else { return };
        let command = Command(command);
        if !packet.is_whole() && command != Command::LONG_DATA {
            let message = Message::TooLong { kind: char::from(command.0), bytes: packet.length };
            if command == Command::PREPARE {
                self.statements.sent(0, false);
            }
            // It uses up the values that were sent before it.
            if command == Command::EXECUTE
                && let Some(id) = statement_of(packet.payload)
            {
                self.statements.reset(id);
            }
            return self.push(now, command, packet.payload.len(), vec![message], None);
        }
        self.command(now, command, packet.payload, rest, packet.is_whole());
    }

    fn command(&mut self, now: Micros, command: Command, payload: &[u8], rest: &[u8], is_whole: bool) {
        let length = payload.len();
        let named = statement_of(payload);
        let (messages, masked) = match command {
            Command::QUIT => {
                self.is_terminated = true;
                return;
            }
            Command::QUERY => {
                let text = if self.attributes { attributes::text(payload) } else { None };
                let (sql, masked) = self.settings.masking.statement(text.unwrap_or(rest));
                (vec![Message::Query(sql)], masked)
            }
            Command::PREPARE => self.prepare(rest),
            Command::EXECUTE => self.execute(payload),
            Command::FETCH => {
                let rows = rest
                    .get(4..8)
                    .map_or(0, |it| it.iter().rev().fold(0, |n, byte| n << 8 | u32::from(*byte)));
                let name = named.and_then(|id| self.statements.get(id)).map(|it| it.name);
                (vec![Message::Execute { portal: shown(name), rows: rows.max(1) }], None)
            }
            Command::LONG_DATA => {
                if let (Some(id), Some(&[low, high])) = (named, rest.get(4..6)) {
                    let data = rest.get(6..).filter(|_| is_whole);
                    self.statements.long_data(id, u16::from_le_bytes([low, high]).into(), data);
                }
                return;
            }
            Command::CLOSE => {
                let name = named.and_then(|id| self.statements.close(id));
                if name.is_some() {
                    self.push(now, command, length, vec![Message::StmtClose(shown(name))], None);
                }
                return;
            }
            Command::RESET => {
                let name = named.and_then(|id| self.statements.reset(id));
                (vec![Message::Close(Target::Portal(shown(name)))], None)
            }
            Command::INIT_DB => (vec![Message::InitDb(rest.into())], None),
            Command::CHANGE_USER => {
                self.statements.clear();
                let Some(hello) = self.hello.changed(payload) else { return };
                let (user, database) = (Bytes(hello.user.clone()), Bytes(hello.database.clone()));
                let charset = Some(hello.charset);
                self.hello = Hello { answer: Vec::new(), ..hello };
                (vec![Message::ChangeUser { user, database, charset }], None)
            }
            Command::RESET_CONNECTION => {
                self.statements.clear();
                (vec![Message::ResetConnection], None)
            }
            command if command.is_replication() => {
                self.lost = Some("a replica");
                return;
            }
            // The rows of values are not read: none is kept if they may be passwords.
            Command::BULK_EXECUTE
                if named.and_then(|id| self.statements.get(id)).is_none_or(|it| it.is_secret) =>
            {
                (vec![Message::Command { command: command.0, body: "***".into() }], Some(Masked::Password))
            }
            command => {
                // A few bytes are numbers.
                let (body, is_masked) =
                    if length > 8 { self.settings.masking.data(rest) } else { (rest.into(), false) };
                (vec![Message::Command { command: command.0, body }], is_masked.then_some(Masked::Data))
            }
        };
        self.push(now, command, length, messages, masked);
    }

    fn prepare(&mut self, text: &[u8]) -> (Vec<Message>, Option<Masked>) {
        let masking = &self.settings.masking;
        // The server says how many parameters there are, unless the client does not wait for it.
        let parameters =
            Tokens::new(text, masking.protocol).filter(|it| matches!(it, Token::Parameter(_))).count();
        let is_secret = masking.has_secret_parameters(text);
        let (sql, masked) = masking.statement(text);
        let name = self.statements.sent(u16::try_from(parameters).unwrap_or(u16::MAX), is_secret);
        (vec![Message::Parse { statement: shown(Some(name)), sql, types: Vec::new() }], masked)
    }

    fn execute(&mut self, payload: &[u8]) -> (Vec<Message>, Option<Masked>) {
        let unreadable = |payload: &[u8]| {
            let bytes = payload.len() as u64;
            (vec![Message::TooLong { kind: char::from(Command::EXECUTE.0), bytes }], None)
        };
        let prepared = statement_of(payload).and_then(|id| self.statements.get(id));
        let Some(prepared) = prepared else { return unreadable(payload) };
        let (name, is_secret) = (Some(prepared.name), prepared.is_secret);
        let masking = &self.settings.masking;
        let read = prepared.execute(payload, self.attributes, |execute| {
            let value = |it: &mysql_wire::execute::Parameter<'_>| match it.value {
                Some(_) if is_secret => Value::Masked,
                value => masking.value(Value::of_mysql(value, it.kind)),
            };
            (execute.has_cursor, execute.parameters.iter().map(value).collect::<Vec<_>>())
        });
        if self.statements.has_long_data() {
            self.statements.executed();
        }
        let Some((has_cursor, parameters)) = read else { return unreadable(payload) };
        let masked = match (is_secret, parameters.contains(&Value::Masked)) {
            (true, _) => Some(Masked::Password),
            (false, true) => Some(Masked::Data),
            (false, false) => None,
        };
        let portal = if has_cursor { shown(name) } else { Bytes::default() };
        let bind = Message::Bind { portal, statement: shown(name), parameters, results: Vec::new() };
        // The rows of a cursor are fetched by other commands.
        let execute = (!has_cursor).then(|| Message::Execute { portal: Bytes::default(), rows: 0 });
        (std::iter::once(bind).chain(execute).collect(), masked)
    }

    /// A part of a file for LOAD DATA LOCAL; an empty one is its end.
    fn file(&mut self, now: Micros, packet: Packet<'_>) {
        let (message, masked) = if packet.length == 0 {
            self.is_copying = false;
            (Message::CopyDone, None)
        } else if packet.is_whole() {
            let (data, is_masked) = self.settings.masking.data(packet.payload);
            (Message::CopyData(data), is_masked.then_some(Masked::Data))
        } else {
            (Message::TooLong { kind: 'd', bytes: packet.length }, None)
        };
        let is_end = message == Message::CopyDone;
        if let Some(last) = self.open.back_mut()
            && !last.is_complete
        {
            last.sent = now;
            last.bytes += packet.payload.len();
            self.open_bytes += packet.payload.len();
            last.statement.masked = last.statement.masked.max(masked);
            match (message, last.statement.messages.last_mut()) {
                (Message::CopyData(more), Some(Message::CopyData(data))) => data.0.extend_from_slice(&more.0),
                (message, _) => last.statement.messages.push(message),
            }
            last.is_complete = is_end || last.bytes >= GROUP_MAX;
            return;
        }
        self.push(now, Command(0), packet.payload.len(), vec![message], masked);
        if let Some(last) = self.open.back_mut() {
            last.answer = None;
            last.is_complete = is_end || last.bytes >= GROUP_MAX;
        }
    }

    fn push(
        &mut self,
        sent: Micros,
        command: Command,
        length: usize,
        messages: Vec<Message>,
        masked: Option<Masked>,
    ) {
        let is_silent = command.has_no_answer();
        let ahead = self.open.iter().filter(|group| group.answer.is_some()).count();
        self.open_bytes += 64 + length;
        self.open.push_back(Group {
            sent,
            bytes: 64 + length,
            is_complete: true,
            is_written: false,
            statement: Statement {
                session: self.session,
                at: sent,
                ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
                messages,
                masked,
                took: None,
                answer: Vec::new(),
            },
            answer: (!is_silent).then(|| Answer::new(command, self.format)),
            results: Results::new(self.settings.results),
        });
    }

    // The server's packets.

    pub(super) fn received(&mut self, now: Micros, packet: Packet<'_>, out: &mut Vec<Record>) {
        let is_secret = self.open.iter().any(|it| it.statement.masked == Some(Masked::Password));
        let masking = &self.settings.masking;
        let Some(group) = self.open.iter_mut().find(|group| group.answer.is_some()) else {
            if packet.payload.first() == Some(&0xFF) {
                self.fatal = Some(error_of(packet.payload, masking, is_secret));
            }
            return;
        };
        let Some(answer) = &mut group.answer else { return };
        let (event, is_over) = answer.packet(packet);
        let is_prepare = answer.command() == Command::PREPARE;
        let outcome = group.results.event(answer, event, masking, is_secret);
        group.statement.answer.extend(outcome);
        if is_over {
            group.answer = None;
        }
        match event {
            Event::Prepared(it) => self.statements.answered(Some((it.id, it.parameters))),
            Event::Error(_) if is_prepare => self.statements.answered(None),
            // What asked for the file must stand before it.
            Event::FileWanted(_) => {
                self.write_unanswered(1, now, out);
                self.is_copying = true;
            }
            _ => {}
        }
    }

    // The records.

    /// Writes what is complete, and what has waited long or takes much memory.
    pub(super) fn write(&mut self, now: Micros, out: &mut Vec<Record>) {
        while let Some(group) = self.open.front()
            && group.is_complete
            && group.answer.is_none()
        {
            let Some(mut group) = self.open.pop_front() else { return };
            let (took, is_answered) = (now.since(group.sent), group.statement.is_answered());
            if !group.is_written {
                self.open_bytes = self.open_bytes.saturating_sub(group.bytes);
                group.statement.took = is_answered.then_some(took);
                out.push(Record::Statement(group.statement));
            } else if is_answered {
                let answer = group.statement.answer;
                out.push(Record::Answer(LateAnswer { session: self.session, took, answer }));
            }
        }
        self.write_silent(out);
        if self.open_bytes > OPEN_MAX {
            self.write_unanswered(usize::MAX, now, out);
        } else if let Some(group) = self.open.front()
            && now.since(group.sent) >= PATIENCE
        {
            self.write_unanswered(usize::MAX, Micros(now.0 - PATIENCE.0), out);
        }
    }

    /// Writes what stands behind what was written, and has no answer of its own.
    fn write_silent(&mut self, out: &mut Vec<Record>) {
        for group in self.open.iter_mut().skip_while(|group| group.is_written) {
            if !group.is_complete || group.answer.is_some() {
                return;
            }
            group.write(&mut self.open_bytes, out);
        }
    }

    /// Writes complete groups that were sent up to this time, `count` at most, without answers.
    fn write_unanswered(&mut self, count: usize, until: Micros, out: &mut Vec<Record>) {
        for group in self.open.iter_mut().take(count) {
            if !group.is_complete || group.sent > until {
                return;
            }
            if !group.is_written {
                group.write(&mut self.open_bytes, out);
            }
        }
    }

    pub(super) fn end(mut self, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        self.open.iter_mut().for_each(|group| group.is_complete = true);
        self.write_unanswered(usize::MAX, Micros(u64::MAX), out);
        let by = if self.is_terminated { EndedBy::Terminate } else { by };
        // An error behind which the server has left belongs to the session.
        out.push(Record::End(End { session: self.session, at: now, by, error: self.fatal }));
    }
}

impl Group {
    /// Writes it without an answer.
    fn write(&mut self, open_bytes: &mut usize, out: &mut Vec<Record>) {
        self.is_written = true;
        *open_bytes = open_bytes.saturating_sub(self.bytes);
        let messages = std::mem::take(&mut self.statement.messages);
        let statement = Statement { messages, answer: Vec::<Outcome>::new(), ..self.statement.clone() };
        // Whether an answer belongs to it must still be known when that comes.
        if statement.is_answered() {
            self.statement.messages.push(Message::Sync);
        }
        out.push(Record::Statement(statement));
    }
}

/// A statement's name; empty if it is not known.
fn shown(name: Option<u32>) -> Bytes {
    name.map(|name| Bytes::from(name.to_string().as_str())).unwrap_or_default()
}
