//! A session's two streams become its records.

mod groups;
mod received;
mod sent;

use std::collections::BTreeMap;
use std::sync::Arc;

use postgres_wire::framing::NotPostgres;
use postgres_wire::opening::Startup;

use self::groups::Groups;
use super::answers::Answers;
use super::exchange::Exchange;
use super::known::Known;
use super::stream::Stream;
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::record::{End, EndedBy, ErrorText, Record, Session, Skipped};
use crate::recording::{Bytes, Micros};

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
    groups: Groups,
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
            groups: Groups::new(session),
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
        self.groups.is_waiting()
    }

    /// Writes what has waited long.
    pub fn tick(&mut self, now: Micros, out: &mut Vec<Record>) {
        self.write(now, out);
    }

    /// The session is over.
    pub fn end(mut self, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Login(session) => out.push(Record::Session(*session)),
            Stage::Ready => self.groups.end(out),
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
            Stage::Ready => self.groups.give_up(out),
            Stage::Lost => return,
        }
        out.push(Record::Skipped(Skipped {
            at: now,
            client: None,
            session: Some(self.session),
            reason: format!("the rest of the session: {side}: {error}"),
        }));
    }

    /// Writes what is complete, and what has waited long or takes much memory.
    fn write(&mut self, now: Micros, out: &mut Vec<Record>) {
        if matches!(self.stage, Stage::Ready) {
            self.groups.write(now, &self.exchange, out);
        }
    }
}
