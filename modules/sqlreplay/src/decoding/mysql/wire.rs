//! A whole connection, from the server's greeting on.

use std::collections::BTreeMap;
use std::sync::Arc;

use mysql_wire::capabilities::Capabilities;
use mysql_wire::login::greeting::{self, Greeting};
use mysql_wire::login::hello::{self, Hello};
use mysql_wire::packet::Reader;
use mysql_wire::stream::{Packet, Receive, Stream};

use super::result::error_of;
use super::session::Recorder;
use crate::decoding::{Dialogue, Settings};
use crate::recording::record::{End, EndedBy, Record, Session, Skipped};
use crate::recording::{Bytes, Micros};

/// A longer packet is not kept, in bytes: the usual max_allowed_packet of MySQL.
const PACKET_MAX: usize = 64 << 20;

/// Of a server's packet, if rows are not recorded, in bytes: an error, the answer to a PREPARE.
const HEAD_MAX: usize = 4 << 10;

/// Of a server's packet with rows, in bytes.
const ROW_MAX: usize = 1 << 20;

/// Of a packet of a login, in bytes.
const LOGIN_MAX: usize = 128 << 10;

/// A connection of which all bytes are seen, on both sides.
#[derive(Debug)]
pub(crate) struct Wire {
    from_client: Stream,
    from_server: Stream,
    state: State,
}

#[derive(Debug)]
struct State {
    settings: Arc<Settings>,
    session: u64,
    client: String,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The server speaks first.
    Greeting,
    Hello {
        greeting: Greeting,
        at: Micros,
    },
    /// The client was read, and proves who it is.
    Login {
        record: Box<Session>,
        hello: Box<Hello>,
        agreed: Capabilities,
    },
    Ready(Box<Recorder>),
    /// Nothing is recorded.
    Lost,
}

impl Wire {
    /// A connection of this client. `session` is its number if it becomes a session.
    #[must_use]
    pub(crate) fn new(settings: Arc<Settings>, session: u64, client: String) -> Self {
        let state = State { settings, session, client, stage: Stage::Greeting };
        Self { from_client: Stream::default(), from_server: Stream::default(), state }
    }
}

impl Dialogue for Wire {
    fn client(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        if !matches!(self.state.stage, Stage::Lost) {
            self.from_client.feed(bytes, &mut Client { state: &mut self.state, now, out });
            self.state.write(now, out);
        }
    }

    fn server(&mut self, now: Micros, bytes: &[u8], out: &mut Vec<Record>) {
        if !matches!(self.state.stage, Stage::Lost) {
            self.from_server.feed(bytes, &mut Server { state: &mut self.state, now, out });
            self.state.write(now, out);
        }
    }

    fn is_waiting(&self) -> bool {
        matches!(&self.state.stage, Stage::Ready(recorder) if recorder.is_waiting())
    }

    fn tick(&mut self, now: Micros, out: &mut Vec<Record>) {
        self.state.write(now, out);
    }

    fn is_session(&self) -> bool {
        matches!(self.state.stage, Stage::Login { .. } | Stage::Ready(_))
    }

    fn lost(&mut self, now: Micros, reason: &str, out: &mut Vec<Record>) {
        self.state.lost(now, reason, out);
    }

    fn end(self: Box<Self>, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        self.state.end(now, by, out);
    }
}

/// What the client says.
struct Client<'w> {
    state: &'w mut State,
    now: Micros,
    out: &'w mut Vec<Record>,
}

impl Receive for Client<'_> {
    fn limit(&self) -> usize {
        match &self.state.stage {
            Stage::Ready(_) => PACKET_MAX,
            Stage::Hello { .. } => LOGIN_MAX,
            // What proves that the client knows a password is never put together.
            Stage::Greeting | Stage::Login { .. } | Stage::Lost => 0,
        }
    }

    fn packet(&mut self, packet: Packet<'_>) {
        match &mut self.state.stage {
            Stage::Greeting => {
                self.state.lost(self.now, "the client does not speak MySQL's protocol", self.out);
            }
            Stage::Hello { .. } => self.state.hello(self.now, packet, self.out),
            Stage::Ready(recorder) => recorder.sent(self.now, packet),
            Stage::Login { .. } | Stage::Lost => {}
        }
        if let Stage::Ready(recorder) = &self.state.stage
            && let Some(reason) = recorder.lost
        {
            self.state.lost(self.now, reason, self.out);
        }
    }
}

/// What the server says.
struct Server<'w> {
    state: &'w mut State,
    now: Micros,
    out: &'w mut Vec<Record>,
}

impl Receive for Server<'_> {
    fn limit(&self) -> usize {
        if self.state.settings.results { ROW_MAX } else { HEAD_MAX }
    }

    fn packet(&mut self, packet: Packet<'_>) {
        match &mut self.state.stage {
            Stage::Greeting => self.state.greeting(self.now, packet, self.out),
            Stage::Login { .. } => self.state.login(self.now, packet, self.out),
            Stage::Ready(recorder) => recorder.received(self.now, packet, self.out),
            // The server does not wait for this client any longer.
            Stage::Hello { .. } | Stage::Lost => {}
        }
    }
}

impl State {
    fn greeting(&mut self, now: Micros, packet: Packet<'_>, out: &mut Vec<Record>) {
        match greeting::read(packet.payload) {
            Some(greeting::FirstPacket::Greeting(greeting)) => {
                self.stage = Stage::Hello { greeting, at: now };
            }
            Some(greeting::FirstPacket::Refused(error)) => {
                self.lost(now, &format!("the server refuses it: {}", error.code), out);
            }
            None => self.lost(now, "the server does not speak MySQL's protocol", out),
        }
    }

    fn hello(&mut self, now: Micros, packet: Packet<'_>, out: &mut Vec<Record>) {
        let Stage::Hello { greeting, at } = &self.stage else { return };
        let hello = match hello::read(packet.payload) {
            Some(hello::FirstPacket::Hello(hello)) => hello,
            Some(hello::FirstPacket::Tls) => return self.lost(now, "the session is encrypted", out),
            Some(hello::FirstPacket::Ancient) => {
                return self.lost(now, "the client speaks the protocol from before MySQL 4.1", out);
            }
            None => return self.lost(now, "the client does not speak MySQL's protocol", out),
        };
        // MariaDB's extended capabilities are between MariaDB's only.
        let agreed = Capabilities(hello.capabilities.0 & greeting.capabilities.0);
        // Some clients ask for it though the greeting, which the proxy has changed, does not offer it: the server grants it.
        if hello.may_compress() {
            return self.lost(now, "the session is compressed", out);
        }
        let mut settings = BTreeMap::new();
        let mut set =
            |name: &str, value: String| settings.insert(name.to_owned(), Bytes::from(value.as_str()));
        set("charset", hello.charset.to_string());
        set("capabilities", agreed.0.to_string());
        set("connection_id", greeting.connection_id.to_string());
        if let Some(name) = attribute(&hello.attributes, b"program_name") {
            settings.insert("application_name".to_owned(), name.into());
        }
        let record = Session {
            session: self.session,
            at: *at,
            client: self.client.clone(),
            user: Bytes(hello.user.clone()),
            database: Bytes(hello.database.clone()),
            settings,
            login: None,
            refused: None,
        };
        self.stage = Stage::Login { record: Box::new(record), hello: Box::new(hello), agreed };
    }

    fn login(&mut self, now: Micros, packet: Packet<'_>, out: &mut Vec<Record>) {
        let Stage::Login { record, hello, agreed } = &mut self.stage else { return };
        match packet.payload.first() {
            Some(0x00) => {
                record.login = Some(now.since(record.at));
                out.push(Record::Session((**record).clone()));
                let recorder =
                    Recorder::new(Arc::clone(&self.settings), self.session, (**hello).clone(), *agreed);
                self.stage = Stage::Ready(Box::new(recorder));
            }
            Some(0xFF) => record.refused = Some(error_of(packet.payload, &self.settings.masking, false)),
            _ => {}
        }
    }

    fn write(&mut self, now: Micros, out: &mut Vec<Record>) {
        if let Stage::Ready(recorder) = &mut self.stage {
            recorder.write(now, out);
        }
    }

    fn lost(&mut self, at: Micros, reason: &str, out: &mut Vec<Record>) {
        let (client, number) = (Some(self.client.clone()), self.session);
        match std::mem::replace(&mut self.stage, Stage::Lost) {
            Stage::Lost => {}
            Stage::Ready(recorder) => {
                let reason = format!("the rest of the session: {reason}");
                out.push(Record::Skipped(Skipped { at, client, session: Some(number), reason }));
                recorder.end(at, EndedBy::Recorder, out);
            }
            Stage::Greeting | Stage::Hello { .. } | Stage::Login { .. } => {
                let reason = format!("a connection: {reason}");
                out.push(Record::Skipped(Skipped { at, client, session: None, reason }));
            }
        }
    }

    fn end(self, now: Micros, by: EndedBy, out: &mut Vec<Record>) {
        match self.stage {
            Stage::Ready(recorder) => recorder.end(now, by, out),
            Stage::Login { record, .. } => {
                let session = record.session;
                out.push(Record::Session(*record));
                out.push(Record::End(End { session, at: now, by, error: None }));
            }
            Stage::Greeting | Stage::Hello { .. } | Stage::Lost => {}
        }
    }
}

/// The value of a connection attribute.
fn attribute<'a>(attributes: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let mut reader = Reader::new(attributes);
    loop {
        let (found, value) = (reader.sized()?, reader.sized()?);
        if found == name {
            return Some(value);
        }
    }
}
