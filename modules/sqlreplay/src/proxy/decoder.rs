//! The thread that makes records of what the connections carry, so that none of them waits for it.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::Shared;
use super::cancels::{Cancels, hash};
use super::queue::{Event, TICK, What};
use crate::decoding::{Dialogue, dialogue};
use crate::recording::Micros;
use crate::recording::record::{Cancel, EndedBy, Record};

/// Why the rest of a session is missing.
const TOO_SLOW: &str = "the recorder was too slow";

/// Starts the thread. It ends when the queue is closed, and everything in it is recorded.
pub(super) fn start(shared: Arc<Shared>) -> io::Result<JoinHandle<()>> {
    let decoder =
        Decoder { shared, sessions: HashMap::new(), cancels: Cancels::default(), records: Vec::new() };
    std::thread::Builder::new().name("decoding".to_owned()).spawn(move || decoder.run())
}

struct Decoder {
    shared: Arc<Shared>,
    sessions: HashMap<u64, Followed>,
    cancels: Cancels,
    records: Vec<Record>,
}

struct Followed {
    dialogue: Box<dyn Dialogue>,
    key: Option<[u8; 32]>,
}

impl Decoder {
    fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut blocks = VecDeque::new();
        let mut ticked = Micros(0);
        loop {
            let is_open = shared.queue.take(&mut blocks);
            for block in &mut blocks {
                block.drain(|event, bytes| self.handle(event, bytes));
                self.hand_over();
            }
            let now = shared.clock.now();
            if u128::from(now.since(ticked).0) >= TICK.as_micros() {
                ticked = now;
                for followed in self.sessions.values_mut().filter(|it| it.dialogue.is_waiting()) {
                    followed.dialogue.tick(now, &mut self.records);
                }
                self.hand_over();
            }
            if !is_open {
                break;
            }
        }
        // Connections that did not end in time.
        let now = shared.clock.now();
        for (_, followed) in std::mem::take(&mut self.sessions) {
            followed.dialogue.end(now, EndedBy::Recorder, &mut self.records);
        }
        self.hand_over();
    }

    fn handle(&mut self, event: Event, bytes: &[u8]) {
        let Event { session, at, what } = event;
        if let What::Begun(client) = what {
            let dialogue = dialogue(Arc::clone(&self.shared.settings), session, client.into());
            self.sessions.insert(session, Followed { dialogue, key: None });
            return;
        }
        if let What::Cancel(key) = what {
            if let Some(session) = self.cancels.session(&key) {
                self.records.push(Record::Cancel(Cancel { session, at }));
            }
            return;
        }
        let Some(followed) = self.sessions.get_mut(&session) else { return };
        let records = &mut self.records;
        match what {
            What::Client(_) => followed.dialogue.client(at, bytes, records),
            What::Server(_) => {
                followed.dialogue.server(at, bytes, records);
                if let Some((pid, key)) = followed.dialogue.take_key() {
                    let key = hash(pid, &key);
                    followed.key = Some(key);
                    self.cancels.add(key, session);
                }
            }
            What::Lost => followed.dialogue.lost(at, TOO_SLOW, records),
            What::Ended(by) => {
                let Some(followed) = self.sessions.remove(&session) else { return };
                if let Some(key) = &followed.key {
                    self.cancels.remove(key);
                }
                followed.dialogue.end(at, by, records);
            }
            What::Begun(_) | What::Cancel(_) => {}
        }
    }

    fn hand_over(&mut self) {
        let executions = self.records.iter().map(|record| match record {
            Record::Statement(statement) => statement.executions() as u64,
            _ => 0,
        });
        self.shared.counters.statements(executions.sum());
        for record in &self.records {
            if matches!(record, Record::Skipped(skipped) if skipped.session.is_none()) {
                self.shared.counters.unrecorded();
            }
        }
        self.shared.sink.take(&mut self.records);
    }
}
