//! Plays one session.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::compare::difference;
use super::feed::{Item, Round};
use super::link::{InFlight, Link};
use super::login;
use super::order::Order;
use super::prepared::Prepared;
use crate::fingerprint::fingerprint;
use crate::inspect::port;
use crate::inspect::show::outcome_lines;
use crate::inspect::texts::Names;
use crate::recording::Micros;
use crate::recording::record::{Answer, Message, Outcome, Session, Statement};
use crate::report::{self, Played};

/// A session that cannot be connected so many times in a row is given up.
const ATTEMPTS_MAX: u32 = 3;

/// A statement whose recorded duration is known may take so many times as long.
const SLOWER: u64 = 10;

/// Statements whose recorded answer is awaited: a recording without answers must not cost memory.
const UNCOMPARED_MAX: usize = 1000;

/// The runtime's timers are late by up to a millisecond, so they are set so much earlier, in microseconds.
const EARLY: u64 = 500;

/// A server that does not even obey a cancel for so long is given up.
const CANCEL_PATIENCE: Micros = Micros(5_000_000);

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

/// What is to be known of a statement that was sent.
#[derive(Debug)]
struct Sent {
    number: u64,
    at: Micros,
    sent: Micros,
    /// No longer than this.
    until: Micros,
    is_cancelled: bool,
    is_timed_out: bool,
    played: Played,
    recorded: Recorded,
}

#[derive(Debug)]
enum Recorded {
    /// It is not compared.
    No,
    /// It comes later.
    Later,
    Answer(Vec<Outcome>),
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

    /// The recorded answer to an earlier statement.
    fn recorded(&mut self, answer: Answer) {
        let Some(Some(number)) = self.awaited.pop_front() else { return };
        if let Some(at) = self.uncompared.iter().position(|(it, ..)| *it == number) {
            let Some((_, mut played, outcomes)) = self.uncompared.remove(at) else { return };
            played.recorded = Some(answer.took);
            self.round.shared.report().add(played, Some(difference(&answer.answer, &outcomes)));
            return;
        }
        let in_flight = self.link.as_mut().map(Link::in_flight_mut);
        if let Some(sent) = in_flight.and_then(|all| all.iter_mut().find(|it| it.with.number == number)) {
            let slower = Micros(sent.with.sent.0 + SLOWER * answer.took.0);
            sent.with.until = sent.with.until.max(slower);
            sent.with.played.recorded = Some(answer.took);
            sent.with.recorded = Recorded::Answer(answer.answer);
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

    /// Whether what the next statement waits for is there.
    fn can_send(&mut self) -> bool {
        let (Some(Next::Statement { statement, .. }), Some(link)) = (&self.next, &self.link) else {
            return false;
        };
        let is_data = !statement.is_answered();
        if link.is_copying() && !is_data {
            self.end_copy();
            return false;
        }
        // The server answers nothing yet: waiting for it would be for ever.
        link.has_room_for(&statement.messages)
            && (is_data || !link.is_flushed() || link.in_flight().len() <= statement.ahead as usize)
    }

    /// The server wants data of a COPY that the recorded client did not have: it must not wait for them.
    fn end_copy(&mut self) {
        if let Some(link) = &mut self.link
            && link.is_copying()
        {
            link.send(&[Message::CopyFail("sqlreplay: the recorded COPY failed at its start".into())], None);
        }
    }

    fn send(&mut self) {
        let Some(Next::Statement { statement, is_compared, is_answered_later, .. }) = self.next.take() else {
            return;
        };
        let Some(link) = &mut self.link else { return };
        let shared = &self.round.shared;
        let now = shared.clock.now();
        let due = Micros(self.round.start.0 + shared.due(statement.at).0);
        let mut text = None;
        for message in &statement.messages {
            self.prepared.sent(message);
            let known = self.names.of(message, |sql| fingerprint(&sql.0).into());
            if text.is_none() || matches!(message, Message::Execute { .. }) {
                text = known.or(text);
            }
        }
        let executions = statement.executions() as u64;
        if !statement.is_answered() {
            link.send(&statement.messages, None);
            shared.done.fetch_add(executions, Relaxed);
            return;
        }
        self.statements += 1;
        let number = self.statements;
        if is_answered_later {
            self.awaited.push_back(is_compared.then_some(number));
        }
        let recorded = match (is_compared, is_answered_later) {
            (false, _) => Recorded::No,
            (true, true) => Recorded::Later,
            (true, false) => Recorded::Answer(statement.answer),
        };
        let limit = shared.options.timeout.as_micros() as u64;
        let limit = limit.max(SLOWER * statement.took.unwrap_or_default().0);
        let timed = shared.options.speed > 0.0;
        let sent = Sent {
            number,
            at: statement.at,
            sent: now,
            until: Micros(now.0 + limit),
            is_cancelled: false,
            is_timed_out: false,
            played: Played {
                fingerprint: text,
                executions,
                recorded: statement.took.filter(|_| is_compared),
                took: Micros(0),
                behind: timed.then(|| now.since(due)),
                lag: now.since(due.max(self.ready)),
                error: None,
            },
            recorded,
        };
        link.send(&statement.messages, Some(sent));
    }

    /// The server has said something, or the connection has broken.
    fn answered(&mut self, is_connected: bool) {
        let now = self.now();
        let Some(link) = &mut self.link else { return };
        let mut answered = Vec::new();
        while let Some(group) = link.take_answered() {
            answered.push(group);
        }
        if !answered.is_empty() {
            self.ready = now;
        }
        let fatal = if is_connected { None } else { Some(link.take_fatal()) };
        for group in answered {
            self.complete(now, group);
        }
        if let Some(fatal) = fatal {
            self.broken(now, fatal.map(|error| error.sqlstate));
        }
    }

    fn complete(&mut self, now: Micros, group: InFlight<Sent>) {
        let InFlight {
            outcomes, with: Sent { number, sent, is_timed_out, mut played, recorded, .. }, ..
        } = group;
        played.took = now.since(sent);
        played.error = outcomes.iter().find_map(|outcome| match outcome {
            Outcome::Error(error) => Some(error.sqlstate.clone()),
            _ => None,
        });
        let shared = &self.round.shared;
        shared.done.fetch_add(played.executions, Relaxed);
        if shared.options.verbose {
            say(&self.session, &played, &outcomes);
        }
        let is_unexpected = played.error.is_some()
            && !matches!(&recorded, Recorded::Answer(answer) if difference(answer, &outcomes).is_none());
        let mut report = shared.report();
        report.timed_out += u64::from(is_timed_out);
        match recorded {
            Recorded::No => report.add(played, None),
            Recorded::Answer(answer) => report.add(played, Some(difference(&answer, &outcomes))),
            Recorded::Later => {
                self.uncompared.push_back((number, played, outcomes));
                if self.uncompared.len() > UNCOMPARED_MAX
                    && let Some((_, played, _)) = self.uncompared.pop_front()
                {
                    report.add(played, None);
                }
            }
        }
        drop(report);
        if is_unexpected && shared.options.stop_on_error {
            shared.stop();
        }
    }

    /// The connection is gone: what was on its way has no answer, and the next statement makes a new one.
    fn broken(&mut self, now: Micros, sqlstate: Option<String>) {
        let Some(mut link) = self.link.take() else { return };
        self.round.shared.report().broken += 1;
        while let Some(mut group) = link.in_flight_mut().pop_front() {
            let has_error = group.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Error(_)));
            if !has_error {
                let sqlstate = sqlstate.clone().unwrap_or_else(|| "08006".to_owned());
                let message = "the connection has broken".into();
                group
                    .outcomes
                    .push(Outcome::Error(crate::recording::record::ErrorText { sqlstate, message }));
            }
            self.complete(now, group);
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

    /// When something is to be done without a word from the server.
    fn wake(&self) -> Option<Micros> {
        let in_flight = self.link.as_ref().map(Link::in_flight);
        let limit = in_flight.and_then(|all| all.front()).map(|group| group.with.until);
        let due = match &self.next {
            Some(Next::Statement { statement, .. }) => {
                Some(self.due(statement.at)).filter(|due| *due > self.now())
            }
            Some(Next::End(at, _)) => Some(self.due(*at)).filter(|due| *due > self.now()),
            None => None,
        };
        [limit, due, self.cancel_due()].into_iter().flatten().min()
    }

    /// When the next cancel is due: as long after its statement as in the recording.
    fn cancel_due(&self) -> Option<Micros> {
        let at = *self.cancels.front()?;
        let group = self.link.as_ref()?.in_flight().front()?;
        let speed = self.round.shared.options.speed.max(1.0);
        (group.with.at <= at)
            .then(|| Micros(group.with.sent.0 + (at.since(group.with.at).0 as f64 / speed) as u64))
    }

    /// A time has come.
    fn woken(&mut self) {
        let now = self.now();
        if self.cancel_due().is_some_and(|due| due <= now) {
            self.cancels.pop_front();
            self.cancel();
        }
        let Some(link) = &mut self.link else { return };
        let Some(group) = link.in_flight_mut().front_mut() else { return };
        if group.with.until > now {
            return;
        }
        if group.with.is_timed_out {
            // It did not obey.
            self.broken(now, Some("57014".to_owned()));
            return;
        }
        group.with.is_timed_out = true;
        group.with.until = Micros(now.0 + CANCEL_PATIENCE.0);
        self.cancel();
    }

    fn cancel(&mut self) {
        let Some(link) = &mut self.link else { return };
        if let Some(group) = link.in_flight_mut().front_mut() {
            group.with.is_cancelled = true;
        }
        if let Some(key) = link.key.clone() {
            self.round.shared.report().cancels += 1;
            tokio::spawn(login::cancel(self.round.shared.options.target.clone(), key));
        }
    }
}

/// Prints the statement with its first rows, at once: other sessions print theirs.
fn say(session: &Session, played: &Played, outcomes: &[Outcome]) {
    let text = played.fingerprint.as_deref().unwrap_or("(no statement)");
    let port = port(&session.client).unwrap_or_default();
    let mut lines = format!("{port:>5} {:>10.3} ms  {text}\n", played.took.0 as f64 / 1e3);
    lines.extend(outcomes.iter().map(|outcome| outcome_lines(outcome, 21)));
    report::say(&lines);
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
