//! Reads the recording, and hands the records to the players of their sessions. What they have not played yet has a limit,
//! so memory does not depend on the recording's length.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::JoinSet;

use super::order::Order;
use super::player::Player;
use super::selection::{Choice, Selection};
use super::{ReplayError, Shared};
use crate::recording::record::{Answer, End, EndedBy, Message, Outcome, Record, Statement};
use crate::recording::{Micros, ReadError, Reader, Value};

/// Records that are read and not played, in bytes as [`weight`] estimates them.
const AHEAD_MAX: u32 = 48 << 20;

/// One time through the recording.
pub(super) struct Round {
    pub(super) shared: Arc<Shared>,
    /// When it has begun, by the clock.
    pub(super) start: Micros,
}

/// What a player plays.
#[derive(Debug)]
pub(super) enum Item {
    /// A statement.
    Statement {
        /// It.
        statement: Statement,
        /// It is played as recorded.
        is_compared: bool,
        /// Its answer is on a line of its own.
        is_answered_later: bool,
        /// Its place in memory.
        permit: OwnedSemaphorePermit,
    },
    /// A statement that is not played, and whose answer is on a line of its own.
    LeftOut,
    /// The recorded answer to an earlier statement.
    Answer(Answer),
    /// A cancel.
    Cancel(Micros),
    /// The end, and its number in the order of all ends.
    End(Micros, u64),
}

/// Plays the recording once.
pub(super) async fn feed(path: &Path, round: Arc<Round>) -> Result<(), ReplayError> {
    let (path, order) = (path.to_owned(), Arc::<Order>::default());
    let (begin, mut begun) = mpsc::unbounded_channel();
    let of_thread = Arc::clone(&round);
    let reading = tokio::task::spawn_blocking(move || Feeder::new(of_thread, begin).read(&path));
    let mut players = JoinSet::new();
    while let Some(Begun { session, queue, after }) = begun.recv().await {
        players.spawn(Player::new(session, Arc::clone(&round), queue).run(Arc::clone(&order), after));
        while players.try_join_next().is_some() {}
    }
    while players.join_next().await.is_some() {}
    Ok(reading.await??)
}

/// A session for a player; `after` is the number of the ends before it.
struct Begun {
    session: crate::recording::record::Session,
    queue: mpsc::UnboundedReceiver<Item>,
    after: u64,
}

/// The thread that reads.
struct Feeder {
    round: Arc<Round>,
    begin: mpsc::UnboundedSender<Begun>,
    queues: HashMap<u64, mpsc::UnboundedSender<Item>>,
    ends: u64,
    room: Arc<Semaphore>,
    runtime: tokio::runtime::Handle,
}

impl Feeder {
    fn new(round: Arc<Round>, begin: mpsc::UnboundedSender<Begun>) -> Self {
        Self {
            round,
            begin,
            queues: HashMap::new(),
            ends: 0,
            room: Arc::new(Semaphore::new(AHEAD_MAX as usize)),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    fn read(mut self, path: &Path) -> Result<(), ReadError> {
        let mut reader = Reader::open(path)?;
        let shared = Arc::clone(&self.round.shared);
        let mut selection = Selection::new(&shared.options);
        let mut last = Micros(0);
        while let Some((_, mut record)) = reader.next()? {
            if shared.is_stopped() || selection.is_over() {
                break;
            }
            // The recorder was stopped: what was open then ends here.
            if matches!(record, Record::Header(_)) {
                self.end_all(last);
                continue;
            }
            let (session, is_answered_later) = match &record {
                Record::Statement(it) => (it.session, it.took.is_none() && it.is_answered()),
                _ => (0, false),
            };
            match selection.choose(&mut record, &shared.options) {
                // Its answer must not be taken for another's.
                Choice::No if is_answered_later => self.send(session, Item::LeftOut),
                Choice::No => {}
                choice => last = last.max(self.hand_over(record, choice == Choice::Whole, is_answered_later)),
            }
        }
        self.end_all(last);
        Ok(())
    }

    fn hand_over(&mut self, record: Record, is_compared: bool, is_answered_later: bool) -> Micros {
        let (session, item, at) = match record {
            Record::Session(session) => {
                let at = session.at;
                let (sender, queue) = mpsc::unbounded_channel();
                self.queues.insert(session.session, sender);
                // The receiver lives as long as this thread.
                let _ = self.begin.send(Begun { session, queue, after: self.ends });
                return at;
            }
            Record::Statement(statement) => {
                let weight = weight(&statement).min(AHEAD_MAX);
                let Ok(permit) = self.runtime.block_on(Arc::clone(&self.room).acquire_many_owned(weight))
                else {
                    return Micros(0);
                };
                let (session, at) = (statement.session, statement.at);
                (session, Item::Statement { statement, is_compared, is_answered_later, permit }, at)
            }
            Record::Answer(answer) => (answer.session, Item::Answer(answer), Micros(0)),
            Record::Cancel(cancel) => (cancel.session, Item::Cancel(cancel.at), cancel.at),
            Record::End(end) => {
                let number = self.ends;
                self.ends += 1;
                if let Some(queue) = self.queues.remove(&end.session) {
                    let _ = queue.send(Item::End(end.at, number));
                }
                return end.at;
            }
            Record::Header(_) | Record::Skipped(_) => return Micros(0),
        };
        self.send(session, item);
        at
    }

    fn send(&mut self, session: u64, item: Item) {
        if let Some(queue) = self.queues.get(&session) {
            // A player that has given up takes nothing more.
            let _ = queue.send(item);
        }
    }

    fn end_all(&mut self, at: Micros) {
        let mut open: Vec<u64> = self.queues.keys().copied().collect();
        open.sort_unstable();
        for session in open {
            let end = End { session, at, by: EndedBy::Recorder, error: None };
            self.hand_over(Record::End(end), false, false);
        }
    }
}

/// What the statement takes in memory, about, in bytes.
fn weight(statement: &Statement) -> u32 {
    let of_values = |values: &[Value]| -> usize { values.iter().map(|value| 64 + value.length()).sum() };
    let of = |message: &Message| match message {
        Message::Query(text)
        | Message::CopyData(text)
        | Message::CopyFail(text)
        | Message::FunctionCall(text) => text.0.len(),
        Message::Parse { sql, types, .. } => sql.0.len() + 4 * types.len(),
        Message::Bind { parameters, .. } => of_values(parameters),
        Message::Command { body, .. } => body.0.len(),
        _ => 0,
    };
    let messages: usize = statement.messages.iter().map(|message| 100 + of(message)).sum();
    let rows: usize = statement
        .answer
        .iter()
        .map(|outcome| match outcome {
            Outcome::Done { data, .. } | Outcome::Suspended { data, .. } => {
                100 + data.rows.iter().map(|row| of_values(row)).sum::<usize>()
            }
            _ => 100,
        })
        .sum();
    u32::try_from(400 + messages + rows).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Bytes;
    use crate::recording::record::Rows;

    #[test]
    fn long_values_have_their_weight() {
        const LENGTH: u32 = 1 << 20;
        let bytes = || vec![0xFF; LENGTH as usize];
        let values = || vec![Value::Binary(bytes(), None), Value::Null];
        let of = |message, answer| {
            weight(&Statement {
                session: 1,
                at: Micros(0),
                ahead: 0,
                messages: vec![message],
                masked: None,
                took: None,
                answer,
            })
        };
        let bind = Message::Bind {
            portal: Bytes::default(),
            statement: "1".into(),
            parameters: values(),
            results: Vec::new(),
        };
        let data = Rows { rows: vec![values(), values()], ..Rows::default() };
        let rows = vec![Outcome::Done { tag: "ROWS".into(), rows: 2, data }];
        for (weight, least) in [
            (of(bind, Vec::new()), LENGTH),
            (of(Message::Command { command: 0xFA, body: Bytes(bytes()) }, Vec::new()), LENGTH),
            (of(Message::Query("SELECT 1".into()), rows), 2 * LENGTH),
        ] {
            assert!((least..least + 2000).contains(&weight), "{weight}");
        }
    }
}
