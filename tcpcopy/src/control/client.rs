//! One link to an intercept: a connection, and what is known of the other end.

use std::ops::ControlFlow;

use common_core::control::{FromIntercept, ServerSegment, ToIntercept, VERSION};
use common_core::flow::Endpoint;
use common_core::shard::Shard;
use common_core::time::Time;
use common_os::io::control_conn::{ControlConn, Received};
use log::Level;
use mio::event::Event;
use mio::{Interest, Registry, Token};

use super::problem::Problem;
use super::since::Since;
use super::state::{ConnState, Order};
use super::told::Speaker;
use crate::report::InterceptStats;

/// Bytes queued on a link at most. A reconnected intercept is told all live flows at once, at up to 50 bytes each:
/// room for a million of them, or no link with that many would ever come up.
pub(super) const QUEUE_LIMIT: usize = 64 * 1024 * 1024;

const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// What has become of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Intercept has accepted it: routes are to be announced.
    Up,
    /// It was up and is no more.
    Down,
}

/// One link to an intercept.
pub(super) struct Client {
    address: Endpoint,
    share: Shard,
    token: Token,
    state: ConnState,
    connection: Option<ControlConn>,
    /// The routes have been announced: what is said to all links is for this one too.
    announced: bool,
    /// There may be something to read, and no event will come for it.
    readable: bool,
    /// The connection takes bytes, as far as known.
    writable: bool,
    speaker: Speaker,
    connects: u64,
    lost: u64,
    problem: Option<Problem>,
    statistics: Option<Since>,
}

impl Client {
    /// A link to `address`, connected at the first [`Self::handle_timeout`].
    pub(super) fn new(address: Endpoint, share: Shard, token: Token, now: Time, speaker: Speaker) -> Self {
        Self {
            address,
            share,
            token,
            state: ConnState::new(now),
            connection: None,
            announced: false,
            readable: false,
            writable: false,
            speaker,
            connects: 0,
            lost: 0,
            problem: None,
            statistics: None,
        }
    }

    pub(super) fn address(&self) -> Endpoint {
        self.address
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// TCP has yet to say whether there is a connection.
    pub(super) fn is_connecting(&self) -> bool {
        self.state.is_connecting()
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readable && self.connection.is_some()
    }

    /// Whether the poll reports what comes in on a link that is up, and that it takes bytes again. If not, it is to be read
    /// now and then.
    pub(super) fn report(&mut self, registry: &Registry, reports: bool) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.state.is_up()) else { return };
        // There is no asking for nothing; nobody sends urgent data.
        let interest = if reports { INTEREST } else { Interest::PRIORITY };
        // It has worked for this connection before; if it fails, reading will tell why.
        self.readable |= registry.reregister(connection, self.token, interest).is_err();
    }

    /// There may be something that was not reported.
    pub(super) fn look(&mut self) {
        self.readable |= self.state.is_up();
    }

    /// Why it is down, or went down last.
    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }

    pub(super) fn poll_timeout(&self) -> Time {
        self.state.poll_timeout()
    }

    pub(super) fn account(&self) -> InterceptStats {
        InterceptStats {
            address: self.address.to_string(),
            connected: self.is_up(),
            connects: self.connects,
            disconnects: self.lost,
            last_error: self.problem.as_ref().map(ToString::to_string),
            statistics: self.statistics.map(|since| since.counted().into()),
        }
    }

    /// Notes that the connection is ready for something.
    pub(super) fn handle_event(&mut self, now: Time, event: &Event) -> Option<Change> {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed();
        if self.is_connecting() { self.check_connected(now) } else { None }
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, now: Time, registry: &Registry) -> Option<Change> {
        match self.state.handle_timeout(now)? {
            Order::Connect => self.connect(now, registry),
            Order::Ping { nonce } => self.queue(now, |out| ToIntercept::Ping { nonce }.encode(out)),
            Order::GiveUp(problem) => self.fail(now, problem),
        }
    }

    /// Reads about `budget` bytes and hands over the answers in them. Stops where the link comes up: what follows must
    /// wait until the routes that it is about are announced.
    pub(super) fn receive(
        &mut self,
        now: Time,
        budget: usize,
        answers: &mut dyn FnMut(&ServerSegment<'_>),
    ) -> Option<Change> {
        let Some(connection) = &mut self.connection else { return None };
        let was_up = self.state.is_up();
        let mut problem = None;
        let (state, statistics) = (&mut self.state, &mut self.statistics);
        let result = connection.receive(budget, &mut |body| {
            match handle_body(now, body, state, statistics, answers) {
                Ok(()) if state.is_up() == was_up => return ControlFlow::Continue(()),
                Ok(()) => {}
                Err(error) => problem = Some(error),
            }
            ControlFlow::Break(())
        });
        if let Some(problem) = problem {
            return self.fail(now, problem);
        }
        match result {
            Ok(received) => self.readable = received == Received::More,
            Err(error) => return self.fail(now, error.into()),
        }
        if self.is_up() == was_up {
            return None;
        }
        self.connects += 1;
        let line = format!("link to intercept at {} is up", self.address);
        self.say(now, Level::Info, &line);
        Some(Change::Up)
    }

    /// Queues what intercept must know before anything else.
    pub(super) fn announce(&mut self, now: Time, encode: impl FnOnce(&mut Vec<u8>)) -> Option<Change> {
        if !self.is_up() {
            return None;
        }
        self.announced = true;
        self.queue(now, encode)
    }

    /// Queues encoded messages, if the link is one that knows the routes.
    pub(super) fn tell(&mut self, now: Time, messages: &[u8]) -> Option<Change> {
        if self.announced { self.queue(now, |out| out.extend_from_slice(messages)) } else { None }
    }

    /// Queues what `encode` appends.
    fn queue(&mut self, now: Time, encode: impl FnOnce(&mut Vec<u8>)) -> Option<Change> {
        let connection = self.connection.as_mut()?;
        // A route that is not announced would be missed until the link comes up again: then better at once.
        if connection.queue(encode) { None } else { self.fail(now, Problem::Overflow) }
    }

    /// The connection did not take all that was queued.
    pub(super) fn has_unsent(&self) -> bool {
        self.connection.as_ref().is_some_and(ControlConn::wants_write)
    }

    /// Sends what is queued, as far as the connection takes it.
    pub(super) fn flush(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        if !self.writable || !connection.wants_write() {
            return;
        }
        // Why a connection fails is best learnt by reading: the peer may have said so before it closed.
        self.readable |= connection.flush().is_err();
        self.writable = !connection.wants_write();
    }

    fn connect(&mut self, now: Time, registry: &Registry) -> Option<Change> {
        let opened = ControlConn::connect(self.address.into(), QUEUE_LIMIT).and_then(|mut link| {
            registry.register(&mut link, self.token, INTEREST)?;
            Ok(link)
        });
        match opened {
            Ok(link) => {
                self.connection = Some(link);
                (self.readable, self.writable) = (false, false);
                self.state.handle_connecting(now);
                None
            }
            Err(error) => self.fail(now, Problem::Connect(error)),
        }
    }

    fn check_connected(&mut self, now: Time) -> Option<Change> {
        match self.connection.as_ref()?.check_connected() {
            Ok(true) => {
                self.state.handle_connected(now);
                let hello = ToIntercept::Hello { version: VERSION, share: self.share };
                self.queue(now, |out| hello.encode(out))
            }
            Ok(false) => None,
            Err(error) => self.fail(now, Problem::Connect(error)),
        }
    }

    fn fail(&mut self, now: Time, problem: Problem) -> Option<Change> {
        let was_up = self.state.is_up();
        // Closing takes it off the poll.
        self.connection = None;
        self.announced = false;
        self.state.handle_problem(now, &problem);
        self.log(now, &problem, was_up);
        self.problem = Some(problem);
        if !was_up {
            return None;
        }
        self.lost += 1;
        Some(Change::Down)
    }

    /// Attempts that fail in the same way are told once.
    fn log(&self, now: Time, problem: &Problem, was_up: bool) {
        let line = format!("intercept at {}: {problem}; trying again", self.address);
        let again = self.problem.as_ref().map(ToString::to_string) == Some(problem.to_string());
        if self.connects == 0 && !self.speaker.from_start {
            log::debug!("{line}");
        } else if was_up || !again {
            self.say(now, Level::Warn, &line);
        }
    }

    fn say(&self, now: Time, level: Level, line: &str) {
        let news = self.speaker.told.is_news(now, self.share.index(), line);
        log::log!(if news { level } else { Level::Debug }, "{line}");
    }
}

/// Carries out one message.
fn handle_body(
    now: Time,
    body: &[u8],
    state: &mut ConnState,
    statistics: &mut Option<Since>,
    answers: &mut dyn FnMut(&ServerSegment<'_>),
) -> Result<(), Problem> {
    let message = FromIntercept::decode(body)?;
    state.handle_heard(now);
    match message {
        FromIntercept::Hello { version } if version != VERSION => Err(Problem::Version { theirs: version }),
        FromIntercept::Hello { .. } if state.is_up() => Err(Problem::Malformed("a second hello".to_owned())),
        FromIntercept::Hello { .. } => {
            state.handle_hello(now);
            Ok(())
        }
        FromIntercept::Refuse(reason) => Err(reason.into()),
        _ if !state.is_up() => Err(Problem::Malformed("no hello first".to_owned())),
        FromIntercept::ServerSegment(answer) => {
            answers(&answer);
            Ok(())
        }
        FromIntercept::Pong { .. } => {
            state.handle_pong();
            Ok(())
        }
        FromIntercept::Statistics(latest) => {
            statistics.get_or_insert(Since::new(latest)).update(latest);
            Ok(())
        }
    }
}
