//! Plays one session.

mod answered;
mod sending;
mod waiting;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use self::sending::Sent;
use super::feed::{Item, Round};
use super::link::Link;
use super::login;
use super::order::Order;
use super::prepared::Prepared;
use crate::inspect::texts::Names;
use crate::recording::Micros;
use crate::recording::record::{Outcome, Session, Statement};
use crate::report::Played;

/// A session that cannot be connected so many times in a row is given up.
const ATTEMPTS_MAX: u32 = 3;

/// A statement whose recorded duration is known may take so many times as long.
const SLOWER: u64 = 10;

/// The runtime's timers are late by up to a millisecond, so they are set so much earlier, in microseconds.
const EARLY: u64 = 500;

/// A session that is being played.
pub(super) struct Player {
    session: Session,
    round: Arc<Round>,
    queue: mpsc::UnboundedReceiver<Item>,
    link: Option<Link<Sent>>,
    next: Option<Next>,
    /// When cancels were sent in the recording.
    cancels: VecDeque<Micros>,
    /// The recorded answers to come: the statements that they belong to, if those are played.
    awaited: VecDeque<Option<u64>>,
    /// Statements of which the replayed answer is there, and the recorded one is not.
    uncompared: VecDeque<(u64, Played, Vec<Outcome>)>,
    names: Names<Arc<str>>,
    prepared: Prepared,
    attempts: u32,
    statements: u64,
    /// When what the next statement waits for was there.
    ready: Micros,
}

/// What is to be done next.
enum Next {
    Statement {
        statement: Statement,
        is_compared: bool,
        is_answered_later: bool,
        _permit: OwnedSemaphorePermit,
    },
    End(Micros, u64),
}

impl Player {
    pub(super) fn new(session: Session, round: Arc<Round>, queue: mpsc::UnboundedReceiver<Item>) -> Self {
        Self {
            session,
            round,
            queue,
            link: None,
            next: None,
            cancels: VecDeque::new(),
            awaited: VecDeque::new(),
            uncompared: VecDeque::new(),
            names: Names::default(),
            prepared: Prepared::default(),
            attempts: 0,
            statements: 0,
            ready: Micros(0),
        }
    }

    /// Plays it to its end. As fast as possible, it waits for the ends before `after`.
    pub(super) async fn run(mut self, order: Arc<Order>, after: u64) {
        let end = self.play(&order, after).await;
        if let Some(link) = self.link.take() {
            link.terminate().await;
        }
        let mut report = self.round.shared.report();
        for (_, played, _) in self.uncompared.drain(..) {
            report.add(played, None);
        }
        drop(report);
        if let Some(number) = end {
            order.has_ended(number);
        }
    }

    async fn play(&mut self, order: &Order, after: u64) -> Option<u64> {
        let shared = Arc::clone(&self.round.shared);
        if shared.options.speed > 0.0 {
            self.sleep_until(self.due(self.session.at)).await;
        } else {
            order.wait_for(after).await;
        }
        self.ready = shared.clock.now();
        self.connect().await;
        loop {
            if shared.is_stopped() {
                return self.abandon().await;
            }
            if let Some(end) = self.proceed().await {
                return Some(end);
            }
            let wake = self.wake();
            let stopped = shared.stopped.notified();
            tokio::select! {
                biased;
                answered = answer(&mut self.link), if self.link.is_some() => self.answered(answered.is_ok()),
                item = self.queue.recv(), if self.next.is_none() => match item {
                    Some(item) => self.take(item),
                    None => return None,
                },
                () = sleep(&shared.clock, wake) => self.woken(),
                () = stopped => {}
            }
        }
    }

    /// Takes what is queued, and plays nothing more.
    async fn abandon(&mut self) -> Option<u64> {
        loop {
            let next = self.next.take();
            match next {
                Some(Next::End(_, number)) => return Some(number),
                Some(Next::Statement { statement, .. }) => self.not_run(&statement),
                None => {}
            }
            let item = self.queue.recv().await?;
            self.take(item);
        }
    }

    fn not_run(&self, statement: &Statement) {
        let count = statement.executions() as u64;
        self.round.shared.report().not_run += count;
        self.round.shared.done.fetch_add(count, Relaxed);
    }

    fn now(&self) -> Micros {
        self.round.shared.clock.now()
    }

    /// When what was recorded at this time is to be done.
    fn due(&self, at: Micros) -> Micros {
        Micros(self.round.start.0 + self.round.shared.due(at).0.saturating_sub(EARLY))
    }

    async fn sleep_until(&self, time: Micros) {
        sleep(&self.round.shared.clock, Some(time)).await;
    }

    fn take(&mut self, item: Item) {
        match item {
            Item::Statement { statement, is_compared, is_answered_later, permit } => {
                self.next =
                    Some(Next::Statement { statement, is_compared, is_answered_later, _permit: permit });
            }
            Item::LeftOut => self.awaited.push_back(None),
            Item::Answer(answer) => self.recorded(answer),
            Item::Cancel(at) => self.cancels.push_back(at),
            Item::End(at, number) => self.next = Some(Next::End(at, number)),
        }
    }

    /// Does what can be done now. Returns the number of the end, when the session is over.
    async fn proceed(&mut self) -> Option<u64> {
        loop {
            match &self.next {
                None => return None,
                Some(Next::End(at, number)) => {
                    let is_idle = self.link.as_ref().is_none_or(|link| link.in_flight().is_empty());
                    if is_idle && self.now() >= self.due(*at) {
                        return Some(*number);
                    }
                    self.end_copy();
                    return None;
                }
                Some(Next::Statement { statement, .. }) => {
                    if self.now() < self.due(statement.at) {
                        return None;
                    }
                    if self.link.is_none() && !self.connect().await {
                        if let Some(Next::Statement { statement, .. }) = self.next.take() {
                            self.not_run(&statement);
                        }
                        return None;
                    }
                }
            }
            if !self.can_send() {
                return None;
            }
            self.send();
        }
    }

    /// Makes a connection; a new one learns the statements that the old one knew.
    async fn connect(&mut self) -> bool {
        if self.attempts >= ATTEMPTS_MAX {
            return false;
        }
        let shared = Arc::clone(&self.round.shared);
        let map = &shared.options.map;
        let (user, database) = (map.user(&self.session.user), map.database(&self.session.database));
        match login::connect(&shared.options, user, database, &self.session.settings, &shared.keys).await {
            Ok(mut link) => {
                self.attempts = 0;
                let again = self.prepared.again();
                if !again.is_empty() {
                    link.send(&again, None);
                }
                self.link = Some(link);
                true
            }
            Err(error) => {
                self.attempts += 1;
                shared.report().not_connected(&error.to_string());
                false
            }
        }
    }
}

async fn answer(link: &mut Option<Link<Sent>>) -> std::io::Result<()> {
    match link {
        Some(link) => poll_fn(|context| link.poll(context)).await,
        None => std::future::pending().await,
    }
}

async fn sleep(clock: &crate::clock::Clock, until: Option<Micros>) {
    match until {
        Some(time) => tokio::time::sleep_until(clock.instant(time)).await,
        None => std::future::pending().await,
    }
}
