//! The control connection to one intercept, which is opened again whenever it breaks.

use std::net::IpAddr;
use std::ops::ControlFlow;

use common_core::control::{DatagramAnswer, FromIntercept, ServerSegment, ToIntercept, VERSION};
use common_core::flow::Endpoint;
use common_core::network::Networks;
use common_core::time::Time;
use common_noise::key::Key;
use common_os::io::control_conn::{ControlConn, Received};
use log::Level;
use mio::event::Event;
use mio::{Interest, Registry, Token};

use super::conn_log::ConnLog;
use super::error::ControlError;
use super::state::{ConnState, Order};
use super::statistics::StatisticsSince;
use super::tunnel_state::TunnelState;
use crate::report::InterceptStats;

/// Limit of the queue in bytes. After a reconnection the routes of all live flows are queued at once, each up to 50 bytes. With
/// less than the room for a million routes, a tcpcopy with that many flows could never connect again.
pub(super) const QUEUE_LIMIT: usize = 64 * 1024 * 1024;

/// Bytes of copies that wait for the connection: twice the largest congestion window of a copy. More would only delay them.
const TUNNEL_QUEUE: usize = 8 * 1024 * 1024;

const INTEREST: Interest = Interest::READABLE.add(Interest::WRITABLE);

/// A change of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Intercept has accepted it: the routes must be announced.
    Up,
    /// It was up and is closed.
    Down,
}

/// The control connection to one intercept.
pub(super) struct Client {
    address: Endpoint,
    key: Option<Key>,
    token: Token,
    /// The number of this run of tcpcopy.
    instance: u64,
    state: ConnState,
    connection: Option<ControlConn>,
    /// The routes have been announced: messages to all intercepts go to this one, too.
    announced: bool,
    /// There may be something to read that no event will report.
    readable: bool,
    /// As far as known, the connection accepts bytes.
    writable: bool,
    log: ConnLog,
    connects: u64,
    lost: u64,
    last_error: Option<ControlError>,
    statistics: Option<StatisticsSince>,
    /// The host of another peer that announces the same flows.
    shared_with: Option<IpAddr>,
    /// Copies go over this connection.
    tunnel: Option<TunnelState>,
    /// Answers of UDP servers that were read: as many as one [`Self::receive`] reads.
    datagrams: Vec<DatagramAnswer>,
}

impl Client {
    /// The first [`Self::handle_timeout`] connects to `address`. With a key, whoever answers there must have it, too. With a
    /// tunnel, copies go over the connection.
    pub(super) fn new(
        address: Endpoint,
        (key, tunnel): (Option<Key>, Option<TunnelState>),
        token: Token,
        instance: u64,
        now: Time,
        log: ConnLog,
    ) -> Self {
        Self {
            address,
            key,
            token,
            instance,
            state: ConnState::new(now),
            connection: None,
            announced: false,
            readable: false,
            writable: false,
            log,
            connects: 0,
            lost: 0,
            last_error: None,
            statistics: None,
            shared_with: None,
            tunnel,
            datagrams: Vec::new(),
        }
    }

    pub(super) fn address(&self) -> Endpoint {
        self.address
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.is_up()
    }

    /// It is up, and intercept has said what copies need that go over it.
    pub(super) fn is_ready(&self) -> bool {
        self.is_up() && self.tunnel.as_ref().is_none_or(|tunnel| tunnel.networks().is_some())
    }

    /// The networks of copies, once intercept has told them.
    pub(super) fn networks(&self) -> Option<Networks> {
        self.tunnel.as_ref()?.networks()
    }

    /// How many bytes of copies the connection takes; `None` if it takes none.
    pub(super) fn room(&self) -> Option<usize> {
        let connection = self.connection.as_ref().filter(|_| self.announced)?;
        Some(TUNNEL_QUEUE.saturating_sub(connection.queued()))
    }

    /// TCP has not established the connection yet.
    pub(super) fn is_connecting(&self) -> bool {
        self.state.is_connecting()
    }

    pub(super) fn is_readable(&self) -> bool {
        self.readable && self.connection.is_some()
    }

    /// Sets whether the poll reports a connection that is up. If it does not, the connection must be read from time to time.
    pub(super) fn report(&mut self, registry: &Registry, reports: bool) {
        let Some(connection) = self.connection.as_mut().filter(|_| self.state.is_up()) else { return };
        // The poll needs some interest; nobody sends urgent data.
        let interest = if reports { INTEREST } else { Interest::PRIORITY };
        // Registration has worked for this connection before. If it fails now, the next read returns the reason.
        self.readable |= registry.reregister(connection, self.token, interest).is_err();
    }

    /// There may be something to read that was not reported.
    pub(super) fn look(&mut self) {
        self.readable |= self.state.is_up();
    }

    /// The answers of UDP servers that were read.
    pub(super) fn take_datagrams(&mut self) -> impl Iterator<Item = DatagramAnswer> + '_ {
        self.datagrams.drain(..)
    }

    /// Why it is down, or was down last.
    pub(super) fn last_error(&self) -> Option<&ControlError> {
        self.last_error.as_ref()
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
            last_error: self.last_error.as_ref().map(ToString::to_string),
            shared_with: self.shared_with.map(|host| host.to_string()),
            reports: self.statistics.map_or(0, |since| since.updates()),
            statistics: self.statistics.map(|since| since.counted()),
        }
    }

    /// Notes what the poll reports.
    pub(super) fn handle_event(&mut self, now: Time, event: &Event) -> Option<Change> {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed();
        if self.is_connecting() { self.check_connected(now) } else { None }
    }

    /// Carries out the order that is due.
    pub(super) fn handle_timeout(&mut self, now: Time, registry: &Registry) -> Option<Change> {
        match self.state.handle_timeout(now)? {
            Order::Connect => self.connect(now, registry),
            Order::Ping { nonce } => self.queue(now, |out| ToIntercept::Ping { nonce }.encode(out)),
            Order::GiveUp(error) => self.fail(now, error),
        }
    }

    /// Reads about `budget` bytes and passes their answers to `answers`. Stops when the connection comes up: the routes must be
    /// announced before the answers to them are read.
    pub(super) fn receive(
        &mut self,
        now: Time,
        budget: usize,
        answers: &mut dyn FnMut(&ServerSegment<'_>),
    ) -> Option<Change> {
        let Some(connection) = &mut self.connection else { return None };
        let was_up = self.state.is_up();
        self.datagrams.clear();
        let mut failure = None;
        let (state, statistics, tunnel) = (&mut self.state, &mut self.statistics, &mut self.tunnel);
        let mut told = Told { shared_with: None, tunnel, datagrams: &mut self.datagrams };
        let result = connection.receive(budget, &mut |body| {
            match handle_body(now, body, state, statistics, &mut told, answers) {
                Ok(()) if state.is_up() == was_up => return ControlFlow::Continue(()),
                Ok(()) => {}
                Err(error) => failure = Some(error),
            }
            ControlFlow::Break(())
        });
        if let Some(host) = told.shared_with {
            self.note_shared(now, host);
        }
        if let Some(error) = failure {
            return self.fail(now, error);
        }
        match result {
            Ok(received) => self.readable = received == Received::More,
            Err(error) => return self.fail(now, error.into()),
        }
        if self.is_up() == was_up {
            return None;
        }
        self.connects += 1;
        let line = format!("connected to intercept at {}", self.address);
        self.log.log(now, self.connects, Level::Info, line);
        Some(Change::Up)
    }

    /// Another peer of intercept announces the same flows. Intercept tells it once a minute.
    fn note_shared(&mut self, now: Time, host: IpAddr) {
        self.shared_with = Some(host);
        let line = format!(
            "intercept at {}: another tcpcopy, on {host}, announces the same connections: of two copies the test server \
             accepts one; stop one of them",
            self.address
        );
        self.log.log(now, self.connects, Level::Warn, line);
    }

    /// Queues the messages that intercept must receive first.
    pub(super) fn announce(&mut self, now: Time, encode: impl FnOnce(&mut Vec<u8>)) -> Option<Change> {
        if !self.is_up() {
            return None;
        }
        self.announced = true;
        self.queue(now, encode)
    }

    /// Queues encoded messages if the routes have been announced.
    pub(super) fn send(&mut self, now: Time, messages: &[u8]) -> Option<Change> {
        if self.announced { self.queue(now, |out| out.extend_from_slice(messages)) } else { None }
    }

    /// Queues what `encode` appends.
    fn queue(&mut self, now: Time, encode: impl FnOnce(&mut Vec<u8>)) -> Option<Change> {
        let connection = self.connection.as_mut()?;
        // A route that is not announced would be missing until the next connection: better to reconnect at once.
        if connection.queue(encode) { None } else { self.fail(now, ControlError::Overflow) }
    }

    /// The connection has not accepted the whole queue.
    pub(super) fn has_unsent(&self) -> bool {
        self.connection.as_ref().is_some_and(ControlConn::wants_write)
    }

    /// Writes the queue, as far as the connection accepts it.
    pub(super) fn flush(&mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        if !self.writable || !connection.wants_write() {
            return;
        }
        // If the write fails, the next read returns the reason: the peer may have sent one before it closed.
        self.readable |= connection.flush().is_err();
        self.writable = !connection.wants_write();
    }

    fn connect(&mut self, now: Time, registry: &Registry) -> Option<Change> {
        let opened = ControlConn::connect(self.address.into(), QUEUE_LIMIT, self.key.as_ref());
        let opened = opened.and_then(|mut connection| {
            registry.register(&mut connection, self.token, INTEREST)?;
            Ok(connection)
        });
        match opened {
            Ok(connection) => {
                self.connection = Some(connection);
                (self.readable, self.writable) = (false, false);
                self.state.handle_connecting(now);
                None
            }
            Err(error) => self.fail(now, ControlError::Connect(error)),
        }
    }

    fn check_connected(&mut self, now: Time) -> Option<Change> {
        match self.connection.as_ref()?.check_connected() {
            Ok(true) => {
                self.state.handle_connected(now);
                let hello = ToIntercept::Hello { version: VERSION, instance: self.instance };
                self.queue(now, |out| hello.encode(out))
            }
            Ok(false) => None,
            Err(error) => self.fail(now, ControlError::Connect(error)),
        }
    }

    fn fail(&mut self, now: Time, error: ControlError) -> Option<Change> {
        let was_up = self.state.is_up();
        // Closing it also removes it from the poll.
        self.connection = None;
        self.announced = false;
        self.state.handle_error(now, &error);
        self.log_error(now, &error, was_up);
        self.last_error = Some(error);
        if !was_up {
            return None;
        }
        self.lost += 1;
        Some(Change::Down)
    }

    /// Attempts that fail in the same way are logged once.
    fn log_error(&self, now: Time, error: &ControlError, was_up: bool) {
        let hint = if error.is_lasting() { format!("; {}", error.hint()) } else { String::new() };
        let line = format!("intercept at {}: {error}{hint}; trying again", self.address);
        let is_same = self.last_error.as_ref().is_some_and(|last| last.to_string() == error.to_string());
        if self.connects == 0 && !self.log.is_from_start() {
            log::debug!("{line}");
        } else if was_up || !is_same {
            self.log.log(now, self.connects, Level::Warn, line);
        }
    }
}

/// What messages have told, beside answers and counters.
struct Told<'a> {
    shared_with: Option<IpAddr>,
    tunnel: &'a mut Option<TunnelState>,
    datagrams: &'a mut Vec<DatagramAnswer>,
}

/// Carries out one message.
fn handle_body(
    now: Time,
    body: &[u8],
    state: &mut ConnState,
    statistics: &mut Option<StatisticsSince>,
    told: &mut Told<'_>,
    answers: &mut dyn FnMut(&ServerSegment<'_>),
) -> Result<(), ControlError> {
    let message = FromIntercept::decode(body)?;
    state.handle_received(now);
    match message {
        FromIntercept::Hello { version } if version != VERSION => {
            Err(ControlError::Version { theirs: version })
        }
        FromIntercept::Hello { .. } if state.is_up() => {
            Err(ControlError::Malformed("a second hello".to_owned()))
        }
        FromIntercept::Hello { .. } => {
            state.handle_hello(now);
            Ok(())
        }
        FromIntercept::Refuse(reason) => Err(reason.into()),
        _ if !state.is_up() => Err(ControlError::Malformed("no hello first".to_owned())),
        FromIntercept::ServerSegment(answer) => {
            answers(&answer);
            Ok(())
        }
        FromIntercept::DatagramAnswer(answer) => {
            told.datagrams.push(answer);
            Ok(())
        }
        FromIntercept::Pong { .. } => {
            state.handle_pong();
            Ok(())
        }
        FromIntercept::Shared { host, .. } => {
            told.shared_with = Some(host);
            Ok(())
        }
        FromIntercept::Tunnel(networks) => match told.tunnel {
            Some(tunnel) => tunnel.handle_networks(networks),
            None => Err(ControlError::Malformed("networks for copies, which nobody asked for".to_owned())),
        },
        FromIntercept::Statistics(latest) => {
            statistics.get_or_insert(StatisticsSince::new(latest)).update(latest);
            Ok(())
        }
    }
}
