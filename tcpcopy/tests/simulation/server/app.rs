//! The application behind the test server's sockets.

use std::collections::VecDeque;
use std::time::Duration;

use common_core::time::Time;

use crate::request::{CLOSE, Request};
use crate::rng::Rng;
use crate::speech::{FRESH, Found, INTERIM, Preamble, Speech};
use crate::toy;

/// The fate of a request that means something else in the state of its connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Misreading {
    /// It is answered as its client meant it.
    #[default]
    Unnoticed,
    /// It is answered by an error.
    Error,
    /// The same, and the connection is closed.
    ErrorAndClose,
    /// The connection is closed.
    Close,
}

/// How one connection's application behaves. Times in microseconds, sizes in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Behaviour {
    /// Sends this many bytes first.
    pub(crate) greeting: u32,
    /// Takes this long for an answer.
    pub(crate) think: (u64, u64),
    /// Reads, and never answers.
    pub(crate) silent: bool,
    /// Closes after this time without input; 0: never.
    pub(crate) idle_close: u64,
    /// Closes once it has read this many bytes.
    pub(crate) close_at: Option<u64>,
    /// Closes by reset.
    pub(crate) reset: bool,
    /// Reads at most this many bytes at a time, at this interval; 0: all at once.
    pub(crate) read: (usize, u64),
    /// Asks for the toy protocol's login first, and takes it only with this password.
    pub(crate) password: Option<u64>,
    /// Says that it is busy instead of a greeting, and closes.
    pub(crate) busy: bool,
    /// How requests are spoken.
    pub(crate) speech: Speech,
    /// Accepts no connection that a proxy has not spoken for.
    pub(crate) preamble: bool,
    pub(crate) misreading: Misreading,
    /// Clients that ask for leave to send a body get none, and the connection is closed.
    pub(crate) no_leave: bool,
    /// It pauses, from and until.
    pub(crate) frozen: (Time, Time),
}

/// The actions of an application on its socket.
#[derive(Debug, Default)]
pub(crate) struct Wish {
    pub(crate) write: Vec<u8>,
    pub(crate) close: bool,
    pub(crate) reset: bool,
}

#[derive(Debug)]
struct Pending {
    at: Time,
    bytes: Vec<u8>,
    close: bool,
}

/// One connection's application.
#[derive(Debug)]
pub(crate) struct App {
    behaviour: Behaviour,
    rng: Rng,
    input: Vec<u8>,
    parsed: usize,
    read: u64,
    answers: VecDeque<Pending>,
    nonce: Option<u64>,
    idle_since: Time,
    /// When it last worked.
    looked: Time,
    read_again: Time,
    at_end: bool,
    done: bool,
    /// Complete requests seen.
    pub(crate) requests: u64,
    /// The wrapping of a request has been read.
    inside: bool,
    state: u32,
    /// Of which session the connection is, as its proxy has it.
    named: Option<u32>,
    /// Bytes that meant something else to it than to the online server.
    pub(crate) misread: Vec<Misread>,
}

/// Bytes that meant something else: a description, their number, and their session if they were a request.
#[derive(Debug, Clone)]
pub(crate) struct Misread {
    pub(crate) session: Option<u32>,
    pub(crate) bytes: usize,
    /// How it began, or the state of its client.
    pub(crate) why: String,
}

impl App {
    /// The application of a connection that was just accepted.
    pub(crate) fn accept(now: Time, behaviour: Behaviour, mut rng: Rng) -> Self {
        let nonce = behaviour.password.map(|_| rng.next());
        let mut app = Self {
            behaviour,
            rng,
            input: Vec::new(),
            parsed: 0,
            read: 0,
            answers: VecDeque::new(),
            nonce,
            idle_since: now,
            looked: now,
            read_again: now,
            at_end: false,
            done: false,
            requests: 0,
            inside: false,
            state: FRESH,
            named: None,
            misread: Vec::new(),
        };
        if behaviour.busy {
            app.answer(now, toy::BUSY.to_vec(), true);
        } else if let Some(nonce) = nonce {
            app.answer(now, toy::greeting(nonce), false);
        } else if behaviour.greeting > 0 {
            app.answer(now, vec![b'g'; behaviour.greeting as usize], false);
        }
        app
    }

    /// Reads from the socket's buffer as much as it likes now.
    pub(crate) fn read(&mut self, now: Time, buffer: &mut VecDeque<u8>, end: bool) {
        if now < self.read_again || self.done || self.is_frozen(now) {
            return;
        }
        let (most, every) = self.behaviour.read;
        let take = if most == 0 { buffer.len() } else { buffer.len().min(most) };
        if take > 0 {
            self.idle_since = now;
            self.read += take as u64;
            self.input.extend(buffer.drain(..take));
            self.read_again = now + Duration::from_micros(every);
            self.parse(now);
        }
        if end && buffer.is_empty() && !self.at_end {
            self.at_end = true;
            self.answer(now, Vec::new(), true);
        }
    }

    /// Does all that is due.
    pub(crate) fn poll(&mut self, now: Time) -> Wish {
        let mut wish = Wish::default();
        self.looked = now;
        if self.is_frozen(now) {
            return wish;
        }
        while !self.done && self.answers.front().is_some_and(|answer| answer.at <= now) {
            let Some(answer) = self.answers.pop_front() else { break };
            self.idle_since = now;
            wish.write.extend_from_slice(&answer.bytes);
            wish.close |= answer.close;
        }
        let had_enough = self.behaviour.close_at.is_some_and(|bytes| self.read >= bytes);
        if had_enough || self.idle_until() <= now {
            wish.close = true;
        }
        if self.done {
            return Wish::default();
        }
        wish.reset = wish.close && had_enough && self.behaviour.reset;
        self.done = wish.close;
        wish
    }

    /// When to call again; `readable`: the socket has bytes, or the end of the stream.
    pub(crate) fn deadline(&self, readable: bool) -> Time {
        if self.done {
            return Time::NEVER;
        }
        let answer = self.answers.front().map_or(Time::NEVER, |answer| answer.at);
        let read = if readable && !self.at_end { self.read_again } else { Time::NEVER };
        let at = answer.min(read).min(self.idle_until());
        if self.is_frozen(at.max(self.looked)) { self.behaviour.frozen.1 } else { at }
    }

    fn is_frozen(&self, at: Time) -> bool {
        let (from, until) = self.behaviour.frozen;
        from <= at && at < until
    }

    fn idle_until(&self) -> Time {
        match self.behaviour.idle_close {
            0 => Time::NEVER,
            _ if !self.answers.is_empty() => Time::NEVER,
            micros => self.idle_since + Duration::from_micros(micros),
        }
    }

    fn parse(&mut self, now: Time) {
        if self.nonce.is_some() && !self.log_in(now) {
            return;
        }
        if self.behaviour.preamble && self.named.is_none() && !self.hear_proxy(now) {
            return;
        }
        loop {
            let found = self.behaviour.speech.read(&self.input[self.parsed..], self.inside);
            match found {
                Found::Incomplete => break,
                Found::Garbage => {
                    let bytes = self.input.len() - self.parsed;
                    self.misread.push(Misread {
                        session: None,
                        bytes,
                        why: start(&self.input[self.parsed..]),
                    });
                    self.answer(now, b"400 Bad Request".to_vec(), true);
                    self.input.clear();
                    self.parsed = 0;
                    break;
                }
                Found::Wrapping(length, state) => {
                    self.parsed += length;
                    self.inside = state.is_none();
                    self.state = state.filter(|state| *state != u32::MAX).unwrap_or(self.state);
                }
                Found::Asks(length) => {
                    self.parsed += length;
                    self.inside = !self.behaviour.no_leave;
                    self.answer(now, vec![b'a'; INTERIM as usize], self.behaviour.no_leave);
                }
                Found::Request(request, wrapped) => {
                    self.parsed += request.length as usize;
                    self.inside = false;
                    self.take(now, &request, wrapped);
                }
            }
        }
        self.input.drain(..self.parsed);
        self.parsed = 0;
    }

    fn take(&mut self, now: Time, request: &Request, wrapped: bool) {
        self.requests += 1;
        let named = self.named.is_none_or(|session| session == request.session);
        let right = request.expects == self.state && wrapped && named;
        let before = self.state;
        self.state = request.sets().unwrap_or(before);
        if !right {
            let why = format!("state {before}, wrapped: {wrapped}, of {:?}: {request:?}", self.named);
            self.misread.push(Misread {
                session: Some(request.session),
                bytes: request.length as usize,
                why,
            });
        }
        let closing = request.flags & CLOSE != 0;
        match self.behaviour.misreading {
            _ if self.behaviour.silent => {}
            Misreading::Error if !right => self.answer(now, b"-ERR".to_vec(), closing),
            Misreading::ErrorAndClose if !right => self.answer(now, b"-ERR".to_vec(), true),
            Misreading::Close if !right => self.answer(now, Vec::new(), true),
            _ => self.answer(now, vec![b'a'; request.answer as usize], closing),
        }
    }

    /// Whether the input goes on after the proxy's header; without a header the connection is closed.
    fn hear_proxy(&mut self, now: Time) -> bool {
        if let Some((length, session)) = Preamble::read(&self.input) {
            self.input.drain(..length);
            self.named = Some(session);
            return true;
        }
        if !Preamble::may_begin(&self.input) && self.answers.is_empty() {
            self.misread.push(Misread { session: None, bytes: self.input.len(), why: start(&self.input) });
            self.answer(now, Vec::new(), true);
        }
        false
    }

    /// Whether the input goes on after the login.
    fn log_in(&mut self, now: Time) -> bool {
        let (Some(nonce), Some(password)) = (self.nonce, self.behaviour.password) else { return true };
        let Some(login) = self.input.first_chunk::<{ toy::LOGIN }>() else { return false };
        let accepted = *login == toy::login(nonce, password);
        self.input.drain(..toy::LOGIN);
        self.nonce = None;
        self.answer(now, if accepted { toy::ACCEPTED.to_vec() } else { toy::DENIED.to_vec() }, !accepted);
        accepted
    }

    fn answer(&mut self, now: Time, bytes: Vec<u8>, close: bool) {
        let think = self.rng.micros(self.behaviour.think.0..=self.behaviour.think.1);
        let earliest = self.answers.back().map_or(now, |answer| answer.at.max(now));
        self.answers.push_back(Pending { at: earliest + think, bytes, close });
    }
}

fn start(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(40)].escape_ascii().to_string()
}
