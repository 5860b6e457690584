//! The control links to the intercepts of `-s`.

mod client;
mod problem;
mod since;
mod state;
mod told;

use std::collections::VecDeque;

use common_core::control::{ServerSegment, ToIntercept};
use common_core::flow::Endpoint;
use common_core::shard::Shard;
use common_core::time::Time;
use mio::event::Event;
use mio::{Registry, Token};

use client::{Change, Client};
pub use problem::Problem;
pub use told::{Speaker, Told};

use crate::report::InterceptStats;

/// What has become of a link; see [`ControlConns::next_change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkChange {
    /// The link of this index came up: announce the routes to it alone ([`ControlConns::announce`]).
    Up(usize),
    /// A link that was up went down.
    Down,
}

/// All control links. They connect, and connect again, by themselves.
///
/// Call order: [`ControlConns::handle_event`] for what the poll reports, [`ControlConns::receive`] for each link that
/// [is readable](ControlConns::is_readable), [`ControlConns::handle_timeout`]; and [`ControlConns::flush`] after each batch of work.
/// After any of them [`ControlConns::next_change`] may have something.
pub struct ControlConns {
    clients: Vec<Client>,
    targets: Vec<Endpoint>,
    first_token: usize,
    changes: VecDeque<LinkChange>,
}

impl ControlConns {
    /// The links of a worker to `intercepts`, with tokens from `first_token` on; `targets` are announced on each.
    #[must_use]
    pub fn new(
        intercepts: &[Endpoint],
        share: Shard,
        targets: Vec<Endpoint>,
        first_token: usize,
        now: Time,
        speaker: &Speaker,
    ) -> Self {
        let client = |(index, &address): (usize, &_)| {
            Client::new(address, share, Token(first_token + index), now, speaker.clone())
        };
        let clients = intercepts.iter().enumerate().map(client).collect();
        Self { clients, targets, first_token, changes: VecDeque::new() }
    }

    /// How many there are, up or not.
    #[must_use]
    pub fn count(&self) -> usize {
        self.clients.len()
    }

    /// All are up.
    #[must_use]
    pub fn all_up(&self) -> bool {
        self.clients.iter().all(Client::is_up)
    }

    /// The first link that is down, and why if that is known yet.
    #[must_use]
    pub fn first_down(&self) -> Option<(Endpoint, Option<&Problem>)> {
        self.clients.iter().find(|client| !client.is_up()).map(|client| (client.address(), client.problem()))
    }

    /// The first problem that trying again will not cure.
    #[must_use]
    pub fn lasting_problem(&self) -> Option<(Endpoint, &Problem)> {
        let down = self.clients.iter().filter(|client| !client.is_up());
        down.filter_map(|client| Some((client.address(), client.problem()?)))
            .find(|(_, problem)| problem.lasts())
    }

    /// The account of each link.
    #[must_use]
    pub fn account(&self) -> Vec<InterceptStats> {
        self.clients.iter().map(Client::account).collect()
    }

    /// Takes the poll's report; false if it is not for a link.
    pub fn handle_event(&mut self, now: Time, event: &Event) -> bool {
        let index = event.token().0.wrapping_sub(self.first_token);
        let Some(client) = self.clients.get_mut(index) else { return false };
        let change = client.handle_event(now, event);
        self.note(index, change);
        true
    }

    /// When [`ControlConns::handle_timeout`] is to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.clients.iter().map(Client::poll_timeout).min().unwrap_or(Time::NEVER)
    }

    /// Connects, pings and gives up, as is due.
    pub fn handle_timeout(&mut self, now: Time, registry: &Registry) {
        self.each(|client| client.handle_timeout(now, registry));
    }

    /// There may be something to read on the link of this index.
    #[must_use]
    pub fn is_readable(&self, index: usize) -> bool {
        self.clients.get(index).is_some_and(Client::is_readable)
    }

    /// Some link may have something to read that no event will report.
    #[must_use]
    pub fn any_readable(&self) -> bool {
        self.clients.iter().any(Client::is_readable)
    }

    /// Some link did not take all that was queued: it is to be reported when it does.
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.clients.iter().any(Client::has_unsent)
    }

    /// Whether the poll reports what happens on the links. If not, [`ControlConns::look`] is to be called now and then, and nothing
    /// may be left [unsent](ControlConns::has_unsent).
    pub fn report(&mut self, registry: &Registry, reports: bool) {
        self.clients.iter_mut().for_each(|client| client.report(registry, reports));
    }

    /// There may be something to read that was not reported: [`ControlConns::is_readable`] says so.
    pub fn look(&mut self) {
        self.clients.iter_mut().for_each(Client::look);
    }

    /// Reads about `budget` bytes from the link of this index and hands over the answers in them.
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

    /// Queues the targets and `routes`, encoded messages, on a link that came up.
    pub fn announce(&mut self, now: Time, index: usize, routes: &[u8]) {
        let Some(client) = self.clients.get_mut(index) else { return };
        let targets = &self.targets;
        let change = client.announce(now, |out| {
            targets.iter().for_each(|target| ToIntercept::Target(*target).encode(out));
            out.extend_from_slice(routes);
        });
        self.note(index, change);
    }

    /// Queues encoded messages on all links that the routes have been announced to.
    pub fn broadcast(&mut self, now: Time, messages: &[u8]) {
        if !messages.is_empty() {
            self.each(|client| client.tell(now, messages));
        }
    }

    /// Sends what is queued.
    pub fn flush(&mut self) {
        self.clients.iter_mut().for_each(Client::flush);
    }

    /// What has become of the links, oldest first.
    pub fn next_change(&mut self) -> Option<LinkChange> {
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
            Change::Up => LinkChange::Up(index),
            Change::Down => LinkChange::Down,
        }));
    }
}

#[cfg(test)]
mod tests;
