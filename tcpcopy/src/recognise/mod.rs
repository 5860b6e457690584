//! What a client's stream is spoken in, and whether the test server keeps something for its connection.
//!
//! A new connection in mid-stream means the same as the old one only where the server keeps nothing for a connection.
//! That is told from the client's bytes alone: from the stream's beginning, or, where the stream was joined late, from
//! the shape of its turns. Where both are possible, a stream is rather thought to be bound than not: bytes that mean
//! something else to the test server are worse than bytes that are dropped.

mod databases;
mod dns;
mod frames;
mod guess;
mod head;
mod http;
mod http2;
mod memcached;
mod messaging;
mod protocol;
mod redis;
#[cfg(test)]
mod tests;
mod text;
mod tls;

use frames::Frames;
use guess::Guess;
use head::{Buffer, Head, KEPT, Match};
use http::{Effect, Http};
pub(crate) use protocol::Protocol;
use redis::Commands;

/// A stream that was joined late shows its protocol in one of so many turns, or not at all.
const TURNS_TO_GUESS: u8 = 4;

/// A turn so long, in bytes, is looked at no more.
const GUESS_MAX: u32 = 64 << 10;

/// May a new connection begin with this turn?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// The protocol is stateless, and the turn begins a request.
    Yes,
    /// The protocol is stateless, but the turn continues a request or uses an upgraded connection.
    NotHere,
    /// The server keeps something for the connection that has gone.
    Never,
    /// Unknown: on trial.
    OnTrial,
}

/// Recognises a stream's protocol, and follows what may bind it to its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recogniser {
    state: State,
    /// The beginning of what is being looked at, where it may come in pieces.
    kept: Buffer,
    protocol: Protocol,
    from_start: bool,
    started: bool,
    /// The server keeps something for the connection.
    bound: bool,
    tls: bool,
}

/// What is looked for.
#[derive(Debug, Clone, Copy)]
enum State {
    /// The protocol: `seen` bytes of the turn have come, and so many turns before it.
    Guessing {
        turns: u8,
        seen: u32,
    },
    /// Requests that bind the connection.
    Http(Http),
    Redis(Commands),
    Memcached,
    MemcachedBinary {
        left: u32,
    },
    Kafka {
        left: u32,
    },
    /// TLS after an agreement: at a turn of a protocol of lines, after PostgreSQL's request, after so many bytes.
    TlsAtTurn,
    TlsOrLogin,
    TlsAfter {
        left: u32,
    },
    /// Nothing.
    Done,
}

impl Recogniser {
    /// `from_start`: the stream is seen from its first byte; else it was joined at what looks like a turn's start.
    pub(crate) const fn new(from_start: bool) -> Self {
        Self {
            state: State::Guessing { turns: 0, seen: 0 },
            kept: Buffer::new(),
            protocol: Protocol::Unknown,
            from_start,
            started: false,
            bound: false,
            tls: false,
        }
    }

    /// What was recognised.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The stream turned out to be TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        self.tls
    }

    /// The next bytes of the stream, in order; `begins_turn` if their first byte begins a turn.
    #[inline]
    pub(crate) fn see(&mut self, bytes: &[u8], begins_turn: bool) {
        if bytes.is_empty() || matches!(self.state, State::Done) {
            return;
        }
        match &mut self.state {
            State::Http(http) => match http.see(bytes, begins_turn, &mut self.kept) {
                Effect::None => {}
                effect => self.http_ends(effect),
            },
            State::Guessing { .. } => self.guess(bytes, begins_turn),
            _ => self.follow(bytes, begins_turn),
        }
        self.started = true;
    }

    /// Some of the stream was lost: what it said is not known.
    pub(crate) fn missed(&mut self) {
        self.started = true;
        match self.state {
            State::Redis(_) | State::MemcachedBinary { .. } => self.bind(),
            State::Kafka { .. } | State::TlsOrLogin | State::TlsAfter { .. } => self.state = State::Done,
            State::Guessing { .. } => self.from_start = false,
            _ => {}
        }
    }

    /// May a new connection begin with the turn of `length` bytes that begins with `head`? It has not been
    /// [seen](Self::see). Where none may, the stream is over: what its protocol is, is known from now on.
    pub(crate) fn resume_at(&mut self, head: &[u8], length: usize) -> Resume {
        if self.from_start && !self.started {
            return Resume::Yes;
        }
        let mut ahead = *self;
        if matches!(self.state, State::Guessing { .. }) {
            if self.from_start {
                ahead.guess_now();
            } else if ahead.guess_from(head, length) {
                ahead.see(head, true);
            }
        }
        let resume = ahead.resume(head);
        if resume == Resume::Never {
            self.protocol = ahead.protocol;
            self.bind();
        }
        resume
    }

    fn resume(&self, head: &[u8]) -> Resume {
        let turn = Head { bytes: head, seen: head.len() };
        let begins_request = match (self.protocol, &self.state) {
            _ if self.bound => return Resume::Never,
            (Protocol::Unknown | Protocol::Kafka, _) => return Resume::OnTrial,
            (Protocol::Http1, State::Http(http)) if !http::begins_request(head) => {
                return if http.may_be_upgraded() { Resume::Never } else { Resume::NotHere };
            }
            (Protocol::Http1, _) => true,
            (Protocol::Redis, State::Redis(commands)) => commands.between() && redis::begins_command(head),
            (Protocol::MemcachedText, _) => memcached::is_command(&turn) != Match::No,
            (Protocol::MemcachedBinary, State::MemcachedBinary { left: 0 }) => {
                self.kept.is_empty() && memcached::is_binary(&turn) != Match::No
            }
            (Protocol::Dns, _) => dns::query(&turn) != Match::No,
            _ => false,
        };
        if begins_request { Resume::Yes } else { Resume::NotHere }
    }

    fn bind(&mut self) {
        self.bound = true;
        self.state = State::Done;
    }

    fn http_ends(&mut self, effect: Effect) {
        match effect {
            Effect::WebSocket => self.protocol = Protocol::WebSocket,
            Effect::Http2 => self.protocol = Protocol::Http2,
            Effect::None | Effect::Binds | Effect::Upgraded => {}
        }
        self.bind();
    }

    /// Not inlined: most bytes do not come here.
    #[inline(never)]
    fn follow(&mut self, bytes: &[u8], begins_turn: bool) {
        match &mut self.state {
            State::Redis(commands) => {
                if commands.see(bytes, &mut self.kept) {
                    self.bind();
                }
            }
            State::Memcached => {
                if begins_turn {
                    self.kept.clear();
                }
                if self.kept.fill(bytes, KEPT) > 0 && memcached::binds(self.kept.bytes()) == Match::Yes {
                    self.bind();
                }
            }
            State::MemcachedBinary { left } => {
                let found =
                    frames::follow(left, &mut self.kept, bytes, memcached::HEADER, memcached::request);
                if found != Frames::Fine {
                    self.bind();
                }
            }
            State::Kafka { left } => {
                let header = messaging::KAFKA_HEADER;
                match frames::follow(left, &mut self.kept, bytes, header, messaging::kafka_request) {
                    Frames::Fine => {}
                    Frames::Binds => self.bind(),
                    Frames::Lost => self.state = State::Done,
                }
            }
            State::TlsAtTurn => {
                if begins_turn {
                    self.kept.clear();
                }
                if self.kept.fill(bytes, 3) > 0 && matches!(self.kept.bytes(), [22, 3, _]) {
                    self.is_now_tls();
                }
            }
            State::TlsOrLogin => self.tls_or_login(bytes),
            State::TlsAfter { left } => {
                let skipped = bytes.len().min(*left as usize);
                *left -= skipped as u32;
                match bytes.get(skipped) {
                    None => {}
                    Some(22) => self.is_now_tls(),
                    Some(_) => self.state = State::Done,
                }
            }
            State::Guessing { .. } | State::Http(_) | State::Done => {}
        }
    }

    fn is_now_tls(&mut self) {
        self.tls = true;
        self.state = State::Done;
    }

    /// PostgreSQL: requests for encryption, until TLS or a login.
    fn tls_or_login(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.kept.fill(rest, databases::POSTGRES_REQUEST);
            rest = rest.get(taken..).unwrap_or_default();
            match self.kept.bytes() {
                [22, ..] => return self.is_now_tls(),
                request if request.len() < databases::POSTGRES_REQUEST => return,
                request if databases::postgres_asks_for_encryption(request) => self.kept.clear(),
                _ => return self.state = State::Done,
            }
        }
    }

    #[inline(never)]
    fn guess(&mut self, bytes: &[u8], begins_turn: bool) {
        if begins_turn && self.started && self.turn_ends() {
            return self.see(bytes, true);
        }
        let State::Guessing { turns, seen: before } = self.state else {
            return;
        };
        let prior = self.kept;
        self.kept.fill(bytes, KEPT);
        let seen = before.saturating_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        self.state = State::Guessing { turns, seen };
        let known = if before == 0 { bytes } else { self.kept.bytes() };
        let ended = known.len() >= KEPT;
        match guess::guess(&Head { bytes: known, seen: seen as usize }, self.from_start, ended) {
            Guess::Is(protocol) => {
                self.adopt(protocol, databases::is_mysql_ssl_request(known));
                if before as usize == prior.bytes().len() {
                    self.see(prior.bytes(), true);
                    self.see(bytes, before == 0);
                }
            }
            Guess::None if self.from_start || seen > GUESS_MAX => self.state = State::Done,
            Guess::Later | Guess::None => {}
        }
    }

    /// The turn has ended that a guess was made about. Returns whether that is over.
    fn turn_ends(&mut self) -> bool {
        self.guess_now();
        match self.state {
            State::Guessing { turns, .. } if !self.from_start && turns + 1 < TURNS_TO_GUESS => {
                self.state = State::Guessing { turns: turns + 1, seen: 0 };
                self.kept.clear();
                false
            }
            State::Guessing { .. } => {
                self.state = State::Done;
                true
            }
            _ => true,
        }
    }

    /// Guesses by what has come of the turn.
    fn guess_now(&mut self) {
        let State::Guessing { seen, .. } = self.state else {
            return;
        };
        let prior = self.kept;
        if self.guess_from(prior.bytes(), seen as usize) && seen as usize == prior.bytes().len() {
            self.see(prior.bytes(), true);
        }
    }

    /// Guesses by a turn of `length` bytes that begins with `head`. Returns whether its protocol is known now.
    fn guess_from(&mut self, head: &[u8], length: usize) -> bool {
        let turn = Head { bytes: head, seen: length };
        let Guess::Is(protocol) = guess::guess(&turn, self.from_start, true) else {
            return false;
        };
        self.adopt(protocol, databases::is_mysql_ssl_request(head));
        true
    }

    /// Follows the stream as one of this protocol from its turn's first byte on.
    fn adopt(&mut self, protocol: Protocol, asks_for_tls: bool) {
        self.protocol = protocol;
        self.bound = protocol.keeps_state(self.from_start);
        self.tls = protocol == Protocol::Tls;
        self.kept.clear();
        self.state = match protocol {
            Protocol::Http1 => State::Http(Http::new()),
            Protocol::MemcachedText => State::Memcached,
            Protocol::Kafka => State::Kafka { left: 0 },
            Protocol::Redis if !self.bound => State::Redis(Commands::new()),
            Protocol::MemcachedBinary if !self.bound => State::MemcachedBinary { left: 0 },
            Protocol::Postgres => State::TlsOrLogin,
            Protocol::Mysql if asks_for_tls => State::TlsAfter { left: databases::MYSQL_SSL_REQUEST },
            Protocol::Smtp | Protocol::Imap | Protocol::Pop3 | Protocol::Ftp => State::TlsAtTurn,
            _ => State::Done,
        };
    }
}
