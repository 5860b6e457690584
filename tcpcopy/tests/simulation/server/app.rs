//! The application behind the test server's sockets.

use std::collections::VecDeque;
use std::time::Duration;

use common::time::Time;

use crate::request::{CLOSE, Parsed, Request};
use crate::rng::Rng;
use crate::toy;

/// How one connection's application behaves. Times in microseconds, sizes in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Behaviour {
    /// Speaks first, so many bytes.
    pub(crate) greeting: u32,
    /// Takes so long for an answer.
    pub(crate) think: (u64, u64),
    /// Reads, and never answers.
    pub(crate) silent: bool,
    /// Closes when nothing has come for so long; 0: never.
    pub(crate) idle_close: u64,
    /// Closes once it has read so many bytes.
    pub(crate) close_at: Option<u64>,
    /// Closes by reset.
    pub(crate) reset: bool,
    /// Reads at most so many bytes at a time, every so often; 0: all at once.
    pub(crate) read: (usize, u64),
    /// Asks for the toy protocol's login first, and takes it only with this password.
    pub(crate) password: Option<u64>,
    /// Says that it is busy instead of a greeting, and closes.
    pub(crate) busy: bool,
}

/// What an application wants of its socket.
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
    read_again: Time,
    at_end: bool,
    done: bool,
    /// Complete requests seen.
    pub(crate) requests: u64,
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
            read_again: now,
            at_end: false,
            done: false,
            requests: 0,
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
        if now < self.read_again || self.done {
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

    /// What has fallen due.
    pub(crate) fn poll(&mut self, now: Time) -> Wish {
        let mut wish = Wish::default();
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
        answer.min(read).min(self.idle_until())
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
        loop {
            match Request::read(&self.input[self.parsed..]) {
                Parsed::Incomplete => break,
                Parsed::Garbage => {
                    self.answer(now, b"400 Bad Request".to_vec(), true);
                    self.input.clear();
                    self.parsed = 0;
                    break;
                }
                Parsed::Request(request) => {
                    self.parsed += request.length as usize;
                    self.requests += 1;
                    if !self.behaviour.silent {
                        self.answer(now, vec![b'a'; request.answer as usize], request.flags & CLOSE != 0);
                    }
                }
            }
        }
        self.input.drain(..self.parsed);
        self.parsed = 0;
    }

    /// Whether the input goes on behind the login.
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
