//! The protocol of a client's stream, and whether the test server keeps state for its connection.
//!
//! A new connection in mid-stream is equivalent to the old one only if the server keeps no state for a connection. The
//! client's bytes decide: the first bytes of the stream or, if the stream was joined late, the shape of its turns. In
//! doubt a stream counts as bound to its connection, because bytes that mean something else to the test server do more
//! harm than bytes that are dropped.

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

/// How many turns of a stream that was joined late are examined.
const TURNS_TO_GUESS: u8 = 4;

/// A turn is examined up to this length, in bytes.
const GUESS_MAX: u32 = 64 << 10;

/// Whether a new connection may begin with a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resume {
    /// The protocol is stateless, and the turn begins a request.
    Yes,
    /// The protocol is stateless, but the turn continues a request or uses an upgraded connection.
    NotHere,
    /// The server kept state for the connection that is gone.
    Never,
    /// Not known: a trial decides.
    OnTrial,
}

/// Recognises the protocol of a stream, and looks for requests that bind the stream to its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recogniser {
    state: State,
    /// The first bytes of the current unit (turn, line, frame), which may arrive in pieces.
    kept: Buffer,
    protocol: Protocol,
    /// The stream is known from its first byte.
    from_start: bool,
    started: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// The protocol is not known yet. `seen` bytes of the turn have arrived, after `turns` other turns.
    Guessing {
        turns: u8,
        seen: u32,
    },
    /// The stream is not bound. These look for a request that binds it.
    Http(Http),
    Redis(Commands),
    Memcached,
    MemcachedBinary {
        left: u32,
    },
    Kafka {
        left: u32,
    },
    /// The stream is not bound, as far as is known, and nothing more is looked for.
    Done,
    /// The stream is bound. TLS may begin at a turn (STARTTLS).
    TlsAtTurn,
    /// The stream is bound. TLS or a login follows (PostgreSQL).
    TlsOrLogin,
    /// The stream is bound. TLS may begin after `left` bytes (MySQL).
    TlsAfter {
        left: u32,
    },
    /// The stream is bound, and nothing more is looked for.
    Bound,
    /// The stream is TLS.
    Tls,
}

impl State {
    /// The server keeps state for the connection.
    const fn is_bound(&self) -> bool {
        matches!(self, Self::TlsAtTurn | Self::TlsOrLogin | Self::TlsAfter { .. } | Self::Bound | Self::Tls)
    }
}

impl Recogniser {
    /// `from_start`: the first bytes will be the first of the stream. Otherwise they probably begin a turn.
    pub(crate) const fn new(from_start: bool) -> Self {
        Self {
            state: State::Guessing { turns: 0, seen: 0 },
            kept: Buffer::new(),
            protocol: Protocol::Unknown,
            from_start,
            started: false,
        }
    }

    /// The recognised protocol.
    pub(crate) const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The stream turned out to be TLS.
    pub(crate) const fn is_tls(&self) -> bool {
        matches!(self.state, State::Tls)
    }

    /// Examines the next bytes of the stream. `begins_turn`: their first byte begins a turn.
    #[inline]
    pub(crate) fn see(&mut self, bytes: &[u8], begins_turn: bool) {
        if bytes.is_empty() || matches!(self.state, State::Done | State::Bound | State::Tls) {
            return;
        }
        match &mut self.state {
            State::Http(http) => match http.see(bytes, begins_turn, &mut self.kept) {
                Effect::None => {}
                effect => self.end_http(effect),
            },
            State::Guessing { .. } => self.guess(bytes, begins_turn),
            _ => self.follow(bytes, begins_turn),
        }
        self.started = true;
    }

    /// A part of the stream was lost, and its contents are not known.
    pub(crate) fn missed(&mut self) {
        self.started = true;
        match self.state {
            State::Redis(_) | State::MemcachedBinary { .. } | State::TlsOrLogin | State::TlsAfter { .. } => {
                self.state = State::Bound;
            }
            State::Kafka { .. } => self.state = State::Done,
            State::Guessing { .. } => self.from_start = false,
            _ => {}
        }
    }

    /// Whether a new connection may begin with the turn of `length` bytes that starts with `head`, before
    /// [`Self::see`] gets the turn. After [`Resume::Never`] the stream has ended; its protocol is known for the log.
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
            if !self.is_tls() {
                self.state = State::Bound;
            }
        }
        resume
    }

    fn resume(&self, head: &[u8]) -> Resume {
        let turn = Head { bytes: head, seen: head.len() };
        let begins_request = match (self.protocol, &self.state) {
            (_, state) if state.is_bound() => return Resume::Never,
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

    fn end_http(&mut self, effect: Effect) {
        match effect {
            Effect::WebSocket => self.protocol = Protocol::WebSocket,
            Effect::Http2 => self.protocol = Protocol::Http2,
            Effect::None | Effect::Binds | Effect::Upgraded => {}
        }
        self.state = State::Bound;
    }

    /// Not inlined, because most bytes do not reach it.
    #[inline(never)]
    fn follow(&mut self, bytes: &[u8], begins_turn: bool) {
        match &mut self.state {
            State::Redis(commands) => {
                if commands.see(bytes, &mut self.kept) {
                    self.state = State::Bound;
                }
            }
            State::Memcached => {
                if begins_turn {
                    self.kept.clear();
                }
                if self.kept.fill(bytes, KEPT) > 0 && memcached::binds(self.kept.bytes()) == Match::Yes {
                    self.state = State::Bound;
                }
            }
            State::MemcachedBinary { left } => {
                let found =
                    frames::follow(left, &mut self.kept, bytes, memcached::HEADER, memcached::request);
                if found != Frames::Fine {
                    self.state = State::Bound;
                }
            }
            State::Kafka { left } => {
                let header = messaging::KAFKA_HEADER;
                match frames::follow(left, &mut self.kept, bytes, header, messaging::kafka_request) {
                    Frames::Fine => {}
                    Frames::Binds => self.state = State::Bound,
                    Frames::Lost => self.state = State::Done,
                }
            }
            State::TlsAtTurn => {
                if begins_turn {
                    self.kept.clear();
                }
                if self.kept.fill(bytes, 3) > 0 && matches!(self.kept.bytes(), [22, 3, _]) {
                    self.state = State::Tls;
                }
            }
            State::TlsOrLogin => self.tls_or_login(bytes),
            State::TlsAfter { left } => {
                let skipped = bytes.len().min(*left as usize);
                *left -= skipped as u32;
                match bytes.get(skipped) {
                    None => {}
                    Some(22) => self.state = State::Tls,
                    Some(_) => self.state = State::Bound,
                }
            }
            State::Guessing { .. } | State::Http(_) | State::Done | State::Bound | State::Tls => {}
        }
    }

    /// PostgreSQL: requests for encryption, followed by TLS or a login.
    fn tls_or_login(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let taken = self.kept.fill(rest, databases::POSTGRES_REQUEST);
            rest = rest.get(taken..).unwrap_or_default();
            match self.kept.bytes() {
                [22, ..] => return self.state = State::Tls,
                request if request.len() < databases::POSTGRES_REQUEST => return,
                request if databases::postgres_asks_for_encryption(request) => self.kept.clear(),
                _ => return self.state = State::Bound,
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

    /// Ends a turn of unknown protocol. Returns whether the recogniser has left [`State::Guessing`].
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

    /// Guesses from the part of the turn that has arrived.
    fn guess_now(&mut self) {
        let State::Guessing { seen, .. } = self.state else {
            return;
        };
        let prior = self.kept;
        if self.guess_from(prior.bytes(), seen as usize) && seen as usize == prior.bytes().len() {
            self.see(prior.bytes(), true);
        }
    }

    /// Guesses from a turn of `length` bytes that starts with `head`. Returns whether the protocol is known now.
    fn guess_from(&mut self, head: &[u8], length: usize) -> bool {
        let turn = Head { bytes: head, seen: length };
        let Guess::Is(protocol) = guess::guess(&turn, self.from_start, true) else {
            return false;
        };
        self.adopt(protocol, databases::is_mysql_ssl_request(head));
        true
    }

    /// Treats the stream as one of this protocol, from the first byte of the turn on.
    fn adopt(&mut self, protocol: Protocol, asks_for_tls: bool) {
        self.protocol = protocol;
        self.kept.clear();
        self.state = match protocol {
            Protocol::Http1 => State::Http(Http::new()),
            Protocol::MemcachedText => State::Memcached,
            Protocol::Kafka => State::Kafka { left: 0 },
            Protocol::Redis if self.from_start => State::Redis(Commands::new()),
            Protocol::MemcachedBinary if self.from_start => State::MemcachedBinary { left: 0 },
            Protocol::Unknown | Protocol::Dns => State::Done,
            Protocol::Postgres => State::TlsOrLogin,
            Protocol::Mysql if asks_for_tls => State::TlsAfter { left: databases::MYSQL_SSL_REQUEST },
            Protocol::Smtp | Protocol::Imap | Protocol::Pop3 | Protocol::Ftp => State::TlsAtTurn,
            Protocol::Tls => State::Tls,
            // The server keeps state in all other protocols. In Redis and binary memcached, a client that was joined
            // late may have sent before what binds its connection: a password, a database.
            _ => State::Bound,
        };
    }
}
