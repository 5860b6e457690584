//! The control connections to the intercepts of `-s`.

mod client;
mod conn_log;
mod error;
mod state;
mod statistics;
mod tunnel_state;

use std::collections::VecDeque;

use common_core::control::{DatagramAnswer, ServerSegment, ToIntercept};
use common_core::flow::Endpoint;
use common_core::network::Networks;
use common_core::time::Time;
use common_noise::key::Key;
use mio::event::Event;
use mio::{Registry, Token};

use client::{Change, Client};
pub use conn_log::ConnLog;
pub use error::ControlError;
use tunnel_state::TunnelState;

use crate::report::InterceptStats;

/// A change of a connection; see [`ControlConns::next_change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnChange {
    /// The connection of this index came up: announce the routes to it alone ([`ControlConns::announce`]).
    Up(usize),
    /// A connection that was up is closed.
    Down,
}

/// The intercepts of `-s`.
#[derive(Debug, Clone, Copy)]
pub struct Intercepts<'a> {
    /// Their addresses.
    pub addresses: &'a [Endpoint],
    /// The key that all of them must have; without it anybody is believed.
    pub key: Option<&'a Key>,
}

/// What a tcpcopy says about itself on every control connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Introduction {
    /// A random number of this run.
    pub instance: u64,
    /// The services whose clients are copied, at each address of this host.
    pub services: Vec<Endpoint>,
    /// The test servers.
    pub targets: Vec<Endpoint>,
    /// Copies go over the control connection.
    pub tunnels: bool,
    /// The same, if UDP is copied.
    pub datagram_targets: Vec<Endpoint>,
}

/// All control connections of a worker. They connect, and reconnect, by themselves.
///
/// Call order: [`ControlConns::handle_event`] for each event of the poll, [`ControlConns::receive`] for each connection that
/// [is readable](ControlConns::is_readable), [`ControlConns::handle_timeout`], and [`ControlConns::flush`] after each batch of
/// work. After any of them [`ControlConns::next_change`] may return a change.
pub struct ControlConns {
    clients: Vec<Client>,
    introduction: Introduction,
    first_token: usize,
    changes: VecDeque<ConnChange>,
}

impl ControlConns {
    /// The connections of a worker to `intercepts`, with tokens from `first_token` on.
    #[must_use]
    pub fn new(
        intercepts: Intercepts<'_>,
        introduction: Introduction,
        first_token: usize,
        now: Time,
        log: &ConnLog,
    ) -> Self {
        let client = |(index, &address): (usize, &_)| {
            let (key, token) = (intercepts.key.cloned(), Token(first_token + index));
            let tunnel = introduction.tunnels.then(|| TunnelState::new(&introduction.targets));
            Client::new(address, (key, tunnel), token, introduction.instance, now, log.clone())
        };
        let clients = intercepts.addresses.iter().enumerate().map(client).collect();
        Self { clients, introduction, first_token, changes: VecDeque::new() }
    }

    /// The number of connections, up or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.clients.len()
    }

    /// All are up, and ready for copies if these go over them.
    #[must_use]
    pub fn all_up(&self) -> bool {
        self.clients.iter().all(Client::is_ready)
    }

    /// The networks that intercept has for copies, once it has told them.
    #[must_use]
    pub fn networks(&self) -> Option<Networks> {
        self.clients.iter().find_map(Client::networks)
    }

    /// How many bytes of copies the connections take; `None` if none of them is up.
    #[must_use]
    pub fn room(&self) -> Option<usize> {
        self.clients.iter().filter_map(Client::room).min()
    }

    /// Some are up.
    #[must_use]
    pub fn any_up(&self) -> bool {
        self.clients.iter().any(Client::is_up)
    }

    /// The answers of UDP servers that [`ControlConns::receive`] has read.
    pub fn take_datagrams(&mut self) -> impl Iterator<Item = DatagramAnswer> + '_ {
        self.clients.iter_mut().flat_map(Client::take_datagrams)
    }

    /// The first connection that is down, and why if that is known yet.
    #[must_use]
    pub fn first_down(&self) -> Option<(Endpoint, Option<&ControlError>)> {
        self.clients
            .iter()
            .find(|client| !client.is_ready())
            .map(|client| (client.address(), client.last_error()))
    }

    /// The first error that [is lasting](ControlError::is_lasting).
    #[must_use]
    pub fn lasting_error(&self) -> Option<(Endpoint, &ControlError)> {
        let down = self.clients.iter().filter(|client| !client.is_up());
        down.filter_map(|client| Some((client.address(), client.last_error()?)))
            .find(|(_, error)| error.is_lasting())
    }

    /// Why each connection is down, or was down last.
    pub fn errors(&self) -> impl Iterator<Item = Option<&ControlError>> {
        self.clients.iter().map(Client::last_error)
    }

    /// The account of each connection.
    #[must_use]
    pub fn account(&self) -> Vec<InterceptStats> {
        self.clients.iter().map(Client::account).collect()
    }

    /// Handles an event of the poll; false if it is not for a control connection.
    pub fn handle_event(&mut self, now: Time, event: &Event) -> bool {
        let index = event.token().0.wrapping_sub(self.first_token);
        let Some(client) = self.clients.get_mut(index) else { return false };
        let change = client.handle_event(now, event);
        self.note(index, change);
        true
    }

    /// When [`ControlConns::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.clients.iter().map(Client::poll_timeout).min().unwrap_or(Time::NEVER)
    }

    /// Connects, pings and gives up when that is due.
    pub fn handle_timeout(&mut self, now: Time, registry: &Registry) {
        self.each(|client| client.handle_timeout(now, registry));
    }

    /// There may be something to read on the connection of this index.
    #[must_use]
    pub fn is_readable(&self, index: usize) -> bool {
        self.clients.get(index).is_some_and(Client::is_readable)
    }

    /// There may be something to read that no event will report.
    #[must_use]
    pub fn any_readable(&self) -> bool {
        self.clients.iter().any(Client::is_readable)
    }

    /// Some connection has not accepted its whole queue: the poll must report when it accepts more.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.clients.iter().any(Client::has_unsent)
    }

    /// Sets whether the poll reports the connections. If it does not, call [`ControlConns::look`] from time to time, and leave
    /// nothing [unsent](ControlConns::has_unsent).
    pub fn report(&mut self, registry: &Registry, reports: bool) {
        self.clients.iter_mut().for_each(|client| client.report(registry, reports));
    }

    /// Makes all connections that are up [readable](ControlConns::is_readable), reported or not.
    pub fn look(&mut self) {
        self.clients.iter_mut().for_each(Client::look);
    }

    /// Reads about `budget` bytes from the connection of this index and passes their answers to `answers`.
    pub fn receive(
        &mut self,
        now: Time,
        index: usize,
        budget: usize,
        answers: &mut dyn FnMut(&ServerSegment<'_>),
    ) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let change = client.receive(now, budget, answers);
        self.note(index, change);
    }

    /// Queues the services, the targets and `routes`, which are encoded messages, on a connection that came up.
    pub fn announce(&mut self, now: Time, index: usize, routes: &[u8]) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let Introduction { services, targets, datagram_targets, tunnels, .. } = &self.introduction;
        let change = client.announce(now, |out| {
            // Targets are judged by it.
            if *tunnels {
                ToIntercept::Tunnel.encode(out);
            }
            services.iter().for_each(|service| ToIntercept::Service(*service).encode(out));
            targets.iter().for_each(|target| ToIntercept::Target(*target).encode(out));
            datagram_targets.iter().for_each(|target| ToIntercept::DatagramTarget(*target).encode(out));
            out.extend_from_slice(routes);
        });
        self.note(index, change);
    }

    /// Queues encoded messages on all connections on which the routes have been announced.
    pub fn broadcast(&mut self, now: Time, messages: &[u8]) {
        if !messages.is_empty() {
            self.each(|client| client.send(now, messages));
        }
    }

    /// Writes the queues.
    pub fn flush(&mut self) {
        self.clients.iter_mut().for_each(Client::flush);
    }

    /// The next change of a connection, oldest first.
    pub fn next_change(&mut self) -> Option<ConnChange> {
        self.changes.pop_front()
    }

    fn each(&mut self, mut act: impl FnMut(&mut Client) -> Option<Change>) {
        for index in 0..self.clients.len() {
            let change = act(&mut self.clients[index]);
            self.note(index, change);
        }
    }

    fn note(&mut self, index: usize, change: Option<Change>) {
        self.changes.extend(change.map(|change| match change {
            Change::Up => ConnChange::Up(index),
            Change::Down => ConnChange::Down,
        }));
    }
}

#[cfg(test)]
mod tests;
