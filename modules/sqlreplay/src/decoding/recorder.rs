//! A session's two streams become its records.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use postgres_wire::backend::Backend;
use postgres_wire::framing::NotPostgres;
use postgres_wire::frontend::{Frontend, Target as Named};
use postgres_wire::opening::Startup;

use super::answers::{Answers, error_of};
use super::exchange::{Exchange, Expected};
use super::known::{Columns, Known};
use super::stream::{Body, Stream};
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::record::{
    Answer, End, EndedBy, ErrorText, Masked, Message, Outcome, Record, Session, Skipped, Statement, Target,
};
use crate::recording::{Bytes, Micros, Value};

/// Data of a COPY in one record, in bytes; a group of other messages is cut when it is longer, too.
const GROUP_MAX: usize = 64 << 10;

/// Messages that wait for their answers are not kept beyond this, in bytes: they are written without them.
const OPEN_MAX: usize = 8 << 20;

/// A statement that has no answer for so long is written without it.
const PATIENCE: Micros = Micros(1_000_000);

/// How sessions are recorded.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What the sessions speak.
    pub protocol: Protocol,
    /// What is masked.
    pub masking: Masking,
    /// Whether rows are recorded.
    pub results: bool,
}

/// A session that is being recorded, from behind its first message.
#[derive(Debug)]
pub struct Recorder {
    settings: Arc<Settings>,
    client: Stream,
    server: Stream,
    stage: Stage,
    session: u64,
    exchange: Exchange,
    known: Known,
    result: Answers,
    /// Groups that are not complete, or have no answer; those that were written lack it still.
    open: VecDeque<Group>,
    open_bytes: usize,
    next_group: u64,
    key: Option<(u32, Vec<u8>)>,
    fatal: Option<ErrorText>,
    is_terminated: bool,
}

#[derive(Debug)]
enum Stage {
    /// The client logs in.
    Login(Box<Session>),
    Ready,
    /// The place in a stream is lost, or nothing is to be recorded.
    Lost,
}

/// Messages up to one that is answered for itself.
#[derive(Debug)]
struct Group {
    number: u64,
    /// When its last message was sent.
    sent: Micros,
    bytes: usize,
    is_complete: bool,
    is_written: bool,
    statement: Statement,
}

impl Recorder {
    /// A session that has sent its first message.
    #[must_use]
    pub fn new(
        settings: Arc<Settings>,
        session: u64,
        at: Micros,
        client: String,
        startup: &Startup<'_>,
    ) -> Self {
        let text = |name: &[u8]| startup.parameter(name).map(Bytes::from);
        let user = text(b"user").unwrap_or_default();
        let database = text(b"database").filter(|name| !name.is_empty()).unwrap_or_else(|| user.clone());
        let others = startup
            .parameters()
            .filter(|(name, _)| !matches!(*name, b"user" | b"database"))
            .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), Bytes::from(value)));
        let record = Session {
            session,
            at,
            client,
            user,
            database,
            settings: others.collect(),
            login: None,
            refused: None,
        };
        Self { stage: Stage::Login(Box::new(record)), ..Self::empty(settings, session) }
    }

    fn empty(settings: Arc<Settings>, session: u64) -> Self {
        Self {
            settings,
            client: Stream::of_client(),
            server: Stream::of_server(),
            stage: Stage::Lost,
            session,
            exchange: Exchange::default(),
            known: Known::default(),
            result: Answers::default(),
            open: VecDeque::new(),
            open_bytes: 0,
            next_group: 0,
            key: None,
            fatal: None,
            is_terminated: false,
        }
    }

    /// A session that is logged in, of whose start nothing else is known.
    #[must_use]
    pub fn joined(
        settings: Arc<Settings>,
        session: u64,
        at: Micros,
        client: String,
        [user, database]: [Bytes; 2],
        out: &mut Vec<Record>,
    ) -> Self {
        out.push(Record::Session(Session {
            session,
            at,
            client,
            user,
            database,
            settings: BTreeMap::new(),
            login: None,
            refused: None,
        }));
        Self { stage: Stage::Ready, ..Self::empty(settings, session) }
    }

    /// The process and the secret for a CancelRequest, once.
    pub fn take_key(&mut self) -> Option<(u32, Vec<u8>)> {
        self.key.take()
    }

    /// The next bytes of the client.
    pub fn client(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        if matches!(self.stage, Stage::Lost) {
            return;
        }
        let mut stream = std::mem::replace(&mut self.client, Stream::of_client());
        // What proves that the client knows a password is skipped, and never put together.
        let fed = stream.feed(bytes, |kind| kind != b'p', |kind, body| self.sent(now, kind, body));
        self.client = stream;
        self.check(fed, now, "client", out);
        self.write(now, out);
    }

    /// The next bytes of the server.
    pub fn server(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        if matches!(self.stage, Stage::Lost) {
            return;
        }
        let mut stream = std::mem::replace(&mut self.server, Stream::of_server());
        let results = self.settings.results;
        let fed = stream.feed(
            bytes,
            |kind| results || !matches!(kind, b'D' | b'd'),
            |kind, body| self.received(now, kind, body, out),
        );
        self.server = stream;
        self.check(fed, now, "server", out);
        self.write(now, out);
    }

    /// Whether a statement waits for its answer, so that [`Recorder::tick`] has something to do.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.open.iter().any(|group| !group.is_written)
    }

    /// Writes what has waited long.
    pub fn tick(&mut self, now: Micros, out: &mut Vec<Record>) {
        self.write(now, out);
    }

    /// The session is over.
    pub fn end(mut self, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Login(session) => out.push(Record::Session(*session)),
            Stage::Ready => {
                self.open.iter_mut().for_each(|group| group.is_complete = true);
                self.write_unanswered(usize::MAX, Micros(u64::MAX), out);
            }
            Stage::Lost => {}
        }
        let by = if self.is_terminated { EndedBy::Terminate } else { by };
        let error = self.fatal.take();
        out.push(Record::End(End { session: self.session, at: now, by, error }));
    }

    fn check(&mut self, fed: Result<(), NotPostgres>, now: Micros, side: &str, out: &mut Vec<Record>) {
        let Err(error) = fed else { return };
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Login(session) => out.push(Record::Session(*session)),
            Stage::Ready => self.write_unanswered(usize::MAX, Micros(u64::MAX), out),
            Stage::Lost => return,
        }
        out.push(Record::Skipped(Skipped {
            at: now,
            client: None,
            session: Some(self.session),
            reason: format!("the rest of the session: {side}: {error}"),
        }));
    }

    // The client's messages.

    fn sent(&mut self, now: Micros, kind: u8, body: Body<'_>) {
        if kind == b'p' {
            return;
        }
        if kind == b'X' {
            self.is_terminated = true;
            return;
        }
        let group = self.group(now, kind);
        let (message, masked) = match body {
            Body::Skipped(length) => {
                self.expect_too_long(group, kind);
                (Message::TooLong { kind: char::from(kind), bytes: length as u64 }, None)
            }
            Body::Whole(bytes) => match Frontend::of_body(kind, bytes) {
                Some(message) => self.message(group, &message),
                // The server will say what is wrong with it, and close the connection.
                None => (Message::TooLong { kind: char::from(kind), bytes: bytes.len() as u64 }, None),
            },
        };
        let length = if let Body::Whole(bytes) = body { bytes.len() } else { 0 };
        self.push(now, kind, length, message, masked);
    }

    /// The number of the group that takes the next message.
    fn group(&mut self, now: Micros, kind: u8) -> u64 {
        let is_data = kind == b'd';
        if let Some(last) = self.open.back_mut()
            && !last.is_complete
        {
            // Data of a COPY are groups of their own.
            let has_data = matches!(last.statement.messages.last(), Some(Message::CopyData(_)));
            let is_end_of_data = matches!(kind, b'c' | b'f');
            if has_data == is_data || (has_data && is_end_of_data) {
                return last.number;
            }
            last.is_complete = true;
        }
        let number = self.next_group;
        self.next_group += 1;
        let ahead = self.open.iter().filter(|group| group.statement.is_answered()).count();
        self.open.push_back(Group {
            number,
            sent: now,
            bytes: 0,
            is_complete: false,
            is_written: false,
            statement: Statement {
                session: self.session,
                at: now,
                ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
                messages: Vec::new(),
                masked: None,
                took: None,
                answer: Vec::new(),
            },
        });
        number
    }

    fn push(&mut self, now: Micros, kind: u8, length: usize, message: Message, masked: Option<Masked>) {
        let Some(group) = self.open.back_mut() else { return };
        group.sent = now;
        group.bytes += 64 + length;
        self.open_bytes += 64 + length;
        group.statement.masked = group.statement.masked.max(masked);
        match (&message, group.statement.messages.last_mut()) {
            (Message::CopyData(more), Some(Message::CopyData(data))) => data.0.extend_from_slice(&more.0),
            _ => group.statement.messages.push(message),
        }
        group.is_complete =
            matches!(kind, b'Q' | b'S' | b'H' | b'F' | b'c' | b'f') || group.bytes >= GROUP_MAX;
    }

    fn expect_too_long(&mut self, group: u64, kind: u8) {
        match kind {
            b'Q' | b'F' => self.exchange.sent(group, Expected::Query),
            b'P' => self.exchange.sent(group, Expected::Parse),
            b'B' => self.exchange.sent(group, Expected::Bind),
            _ => {}
        }
    }

    fn message(&mut self, group: u64, message: &Frontend<'_>) -> (Message, Option<Masked>) {
        let masking = &self.settings.masking;
        let (message, expected) = match *message {
            Frontend::Query(sql) => {
                let (sql, masked) = masking.statement(sql);
                self.exchange.sent(group, Expected::Query);
                return (Message::Query(sql), masked);
            }
            Frontend::Parse(parse) => {
                let (sql, masked) = masking.statement(parse.query);
                let types: Vec<u32> = parse.types.iter().map(|oid| u32::from_be_bytes(*oid)).collect();
                self.known.prepared(parse.statement, types.clone());
                self.exchange.sent(group, Expected::Parse);
                return (Message::Parse { statement: parse.statement.into(), sql, types }, masked);
            }
            Frontend::Bind(bind) => {
                let formats: Vec<u16> = bind.formats.iter().collect();
                let value = |(at, value): (usize, Option<&[u8]>)| {
                    let is_binary = super::known::is_binary(&formats, at);
                    masking.value(Value::of(value, is_binary, self.known.type_of(bind.statement, at)))
                };
                let parameters: Vec<Value> = bind.parameters.iter().enumerate().map(value).collect();
                let results: Vec<u16> = bind.results.iter().collect();
                if self.settings.results {
                    self.known.bound(bind.portal, bind.statement, results.clone());
                }
                let masked = parameters.contains(&Value::Masked).then_some(Masked::Data);
                self.exchange.sent(group, Expected::Bind);
                let (portal, statement) = (bind.portal.into(), bind.statement.into());
                return (Message::Bind { portal, statement, parameters, results }, masked);
            }
            Frontend::CopyData(data) => {
                let (data, is_masked) = masking.data(data);
                return (Message::CopyData(data), is_masked.then_some(Masked::Data));
            }
            Frontend::Describe(Named::Statement(name)) => (
                Message::Describe(Target::Statement(name.into())),
                Some(Expected::DescribeStatement(name.into())),
            ),
            Frontend::Describe(Named::Portal(name)) => {
                (Message::Describe(Target::Portal(name.into())), Some(Expected::DescribePortal))
            }
            Frontend::Execute { portal, rows } => {
                (Message::Execute { portal: portal.into(), rows }, Some(Expected::Execute(portal.into())))
            }
            Frontend::Close(Named::Statement(name)) => {
                (Message::Close(Target::Statement(name.into())), Some(Expected::Close))
            }
            Frontend::Close(Named::Portal(name)) => {
                (Message::Close(Target::Portal(name.into())), Some(Expected::Close))
            }
            Frontend::FunctionCall(call) => (Message::FunctionCall(call.into()), Some(Expected::Query)),
            Frontend::Sync => (Message::Sync, Some(Expected::Sync)),
            Frontend::Flush => (Message::Flush, None),
            Frontend::CopyDone => (Message::CopyDone, None),
            Frontend::CopyFail(reason) => (Message::CopyFail(masking.text(reason).0), None),
            // They were handled before.
            Frontend::Password(_) | Frontend::Terminate => (Message::Flush, None),
        };
        if let Some(expected) = expected {
            self.exchange.sent(group, expected);
        }
        (message, None)
    }

    // The server's messages.

    fn received(&mut self, now: Micros, kind: u8, body: Body<'_>, out: &mut Vec<Record>) {
        if matches!(self.stage, Stage::Login(_)) {
            return self.received_in_login(now, kind, body, out);
        }
        // Answers belong to no statement.
        if matches!(kind, b'N' | b'S' | b'A') {
            return;
        }
        let group = self.exchange.next().map(|(group, _)| *group);
        let bytes = if let Body::Whole(bytes) = body { bytes } else { &[] };
        match (kind, self.exchange.next().map(|(_, expected)| expected)) {
            (b't', Some(Expected::DescribeStatement(name))) => {
                self.known.described(name, integers(bytes.get(2..).unwrap_or_default()).collect());
            }
            (b'T', Some(Expected::DescribeStatement(name))) if self.settings.results => {
                self.known.has_columns(name, Columns::read(bytes));
            }
            (b'T', Some(Expected::Query | Expected::DescribePortal)) if self.settings.results => {
                self.result.begin(Columns::read(bytes));
            }
            (b'2', _) => self.result = Answers::default(),
            (b'D', expected) => {
                if let (Some(Expected::Execute(portal)), true) = (expected, self.settings.results)
                    && self.result.is_new()
                {
                    self.result.begin(self.known.columns_of(portal));
                }
                let values = match Backend::of_body(b'D', bytes) {
                    Some(Backend::DataRow(values)) if self.settings.results => Some(values),
                    _ => None,
                };
                self.result.row(values, &self.settings.masking);
            }
            (b'C', _) => {
                let tag = bytes.strip_suffix(b"\0").unwrap_or(bytes);
                let outcome = self.result.done(tag);
                self.outcome(group, outcome);
            }
            (b's', _) => {
                let outcome = self.result.suspended();
                self.outcome(group, outcome);
            }
            (b'I', _) => self.outcome(group, Outcome::Empty),
            (b'E', _) => self.error(group, bytes),
            // The client sends data next: what asked for them must stand before them.
            (b'G' | b'W', _) => self.write_unanswered(1, now, out),
            _ => {}
        }
        self.exchange.received(kind);
        self.write(now, out);
    }

    fn received_in_login(&mut self, now: Micros, kind: u8, body: Body<'_>, out: &mut Vec<Record>) {
        let Stage::Login(session) = &mut self.stage else { return };
        let Body::Whole(bytes) = body else { return };
        match Backend::of_body(kind, bytes) {
            Some(Backend::BackendKeyData { pid, key }) => self.key = Some((pid, key.to_vec())),
            Some(Backend::ErrorResponse(fields)) => {
                session.refused = Some(error_of(fields, &self.settings.masking, false));
            }
            Some(Backend::ReadyForQuery(_)) => {
                session.login = Some(now.since(session.at));
                out.push(Record::Session((**session).clone()));
                self.stage = Stage::Ready;
            }
            _ => {}
        }
    }

    fn error(&mut self, group: Option<u64>, fields: &[u8]) {
        let is_secret = self.open.iter().any(|open| open.statement.masked == Some(Masked::Password));
        let error = error_of(fields, &self.settings.masking, is_secret);
        self.result = Answers::default();
        if group.is_some() {
            self.outcome(group, Outcome::Error(error));
        } else {
            self.fatal = Some(error);
        }
    }

    fn outcome(&mut self, group: Option<u64>, outcome: Outcome) {
        let of = |open: &&mut Group| Some(open.number) == group;
        if let Some(open) = self.open.iter_mut().find(of) {
            open.statement.answer.push(outcome);
        }
    }

    // The records.

    /// Writes what is complete, and what has waited long or takes much memory.
    fn write(&mut self, now: Micros, out: &mut Vec<Record>) {
        if !matches!(self.stage, Stage::Ready) {
            return;
        }
        while let Some(group) = self.open.front()
            && group.is_complete
            && self.exchange.is_answered(group.number)
        {
            let Some(mut group) = self.open.pop_front() else { return };
            let took = now.since(group.sent);
            if !group.is_written {
                self.open_bytes = self.open_bytes.saturating_sub(group.bytes);
                group.statement.took = group.statement.is_answered().then_some(took);
                out.push(Record::Statement(group.statement));
            } else if group.statement.is_answered() {
                let answer = group.statement.answer;
                out.push(Record::Answer(Answer { session: self.session, took, answer }));
            }
        }
        self.write_data(out);
        if self.open_bytes > OPEN_MAX {
            self.write_unanswered(usize::MAX, now, out);
        } else if let Some(group) = self.open.front()
            && now.since(group.sent) >= PATIENCE
        {
            self.write_unanswered(usize::MAX, Micros(now.0 - PATIENCE.0), out);
        }
    }

    /// Writes data of a COPY that stand behind what was written: no answer of their own will come.
    fn write_data(&mut self, out: &mut Vec<Record>) {
        for group in self.open.iter_mut().skip_while(|group| group.is_written) {
            if !group.is_complete || group.statement.is_answered() {
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
}

impl Group {
    /// Writes it without an answer.
    fn write(&mut self, open_bytes: &mut usize, out: &mut Vec<Record>) {
        self.is_written = true;
        *open_bytes = open_bytes.saturating_sub(self.bytes);
        let messages = std::mem::take(&mut self.statement.messages);
        let statement = Statement { messages, answer: Vec::new(), ..self.statement.clone() };
        // Whether an answer belongs to it must still be known when that comes.
        if statement.is_answered() {
            self.statement.messages.push(Message::Sync);
        }
        out.push(Record::Statement(statement));
    }
}

/// Numbers of four bytes, big-endian.
pub(super) fn integers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
}
