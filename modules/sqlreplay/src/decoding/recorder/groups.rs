//! Messages up to one that is answered for itself, until they are written with their answer.

use std::collections::VecDeque;

use crate::decoding::exchange::Exchange;
use crate::recording::Micros;
use crate::recording::record::{Answer, Masked, Message, Outcome, Record, Statement};

/// Data of a COPY in one record, in bytes; a group of other messages is cut when it is longer, too.
const GROUP_MAX: usize = 64 << 10;

/// Messages that wait for their answers are not kept beyond this, in bytes: they are written without them.
const OPEN_MAX: usize = 8 << 20;

/// A statement that has no answer for so long is written without it.
const PATIENCE: Micros = Micros(1_000_000);

/// Groups that are not complete, or have no answer; those that were written lack it still.
#[derive(Debug)]
pub(super) struct Groups {
    session: u64,
    open: VecDeque<Group>,
    bytes: usize,
    next: u64,
}

/// Messages up to one that is answered for itself.
#[derive(Debug)]
struct Group {
    number: u64,
    /// When its last message was sent.
    sent: Micros,
    bytes: usize,
    is_complete: bool,
    is_written: bool,
    statement: Statement,
}

impl Groups {
    pub(super) fn new(session: u64) -> Self {
        Self { session, open: VecDeque::new(), bytes: 0, next: 0 }
    }

    /// Whether one is not written yet.
    pub(super) fn is_waiting(&self) -> bool {
        self.open.iter().any(|group| !group.is_written)
    }

    /// Whether one has a password that was masked.
    pub(super) fn has_password(&self) -> bool {
        self.open.iter().any(|open| open.statement.masked == Some(Masked::Password))
    }

    /// The number of the group that takes the next message.
    pub(super) fn of(&mut self, now: Micros, kind: u8) -> u64 {
        let is_data = kind == b'd';
        if let Some(last) = self.open.back_mut()
            && !last.is_complete
        {
            // Data of a COPY are groups of their own.
            let has_data = matches!(last.statement.messages.last(), Some(Message::CopyData(_)));
            let is_end_of_data = matches!(kind, b'c' | b'f');
            if has_data == is_data || (has_data && is_end_of_data) {
                return last.number;
            }
            last.is_complete = true;
        }
        let number = self.next;
        self.next += 1;
        let ahead = self.open.iter().filter(|group| group.statement.is_answered()).count();
        self.open.push_back(Group {
            number,
            sent: now,
            bytes: 0,
            is_complete: false,
            is_written: false,
            statement: Statement {
                session: self.session,
                at: now,
                ahead: u32::try_from(ahead).unwrap_or(u32::MAX),
                messages: Vec::new(),
                masked: None,
                took: None,
                answer: Vec::new(),
            },
        });
        number
    }

    /// Puts a message into the last group.
    pub(super) fn push(
        &mut self,
        now: Micros,
        kind: u8,
        length: usize,
        message: Message,
        masked: Option<Masked>,
    ) {
        let Some(group) = self.open.back_mut() else { return };
        group.sent = now;
        group.bytes += 64 + length;
        self.bytes += 64 + length;
        group.statement.masked = group.statement.masked.max(masked);
        match (&message, group.statement.messages.last_mut()) {
            (Message::CopyData(more), Some(Message::CopyData(data))) => data.0.extend_from_slice(&more.0),
            _ => group.statement.messages.push(message),
        }
        group.is_complete =
            matches!(kind, b'Q' | b'S' | b'H' | b'F' | b'c' | b'f') || group.bytes >= GROUP_MAX;
    }

    /// An outcome of the group with this number.
    pub(super) fn outcome(&mut self, group: Option<u64>, outcome: Outcome) {
        let of = |open: &&mut Group| Some(open.number) == group;
        if let Some(open) = self.open.iter_mut().find(of) {
            open.statement.answer.push(outcome);
        }
    }

    /// The session is over: writes the rest.
    pub(super) fn end(&mut self, out: &mut Vec<Record>) {
        self.open.iter_mut().for_each(|group| group.is_complete = true);
        self.give_up(out);
    }

    /// No more answers will be understood: writes what is complete.
    pub(super) fn give_up(&mut self, out: &mut Vec<Record>) {
        self.write_unanswered(usize::MAX, Micros(u64::MAX), out);
    }

    /// Writes what is complete, and what has waited long or takes much memory.
    pub(super) fn write(&mut self, now: Micros, exchange: &Exchange, out: &mut Vec<Record>) {
        while let Some(group) = self.open.front()
            && group.is_complete
            && exchange.is_answered(group.number)
        {
            let Some(mut group) = self.open.pop_front() else { return };
            let took = now.since(group.sent);
            if !group.is_written {
                self.bytes = self.bytes.saturating_sub(group.bytes);
                group.statement.took = group.statement.is_answered().then_some(took);
                out.push(Record::Statement(group.statement));
            } else if group.statement.is_answered() {
                let answer = group.statement.answer;
                out.push(Record::Answer(Answer { session: self.session, took, answer }));
            }
        }
        self.write_data(out);
        if self.bytes > OPEN_MAX {
            self.write_unanswered(usize::MAX, now, out);
        } else if let Some(group) = self.open.front()
            && now.since(group.sent) >= PATIENCE
        {
            self.write_unanswered(usize::MAX, Micros(now.0 - PATIENCE.0), out);
        }
    }

    /// Writes data of a COPY that stand behind what was written: no answer of their own will come.
    fn write_data(&mut self, out: &mut Vec<Record>) {
        for group in self.open.iter_mut().skip_while(|group| group.is_written) {
            if !group.is_complete || group.statement.is_answered() {
                return;
            }
            group.write(&mut self.bytes, out);
        }
    }

    /// Writes complete groups that were sent up to this time, `count` at most, without answers.
    pub(super) fn write_unanswered(&mut self, count: usize, until: Micros, out: &mut Vec<Record>) {
        for group in self.open.iter_mut().take(count) {
            if !group.is_complete || group.sent > until {
                return;
            }
            if !group.is_written {
                group.write(&mut self.bytes, out);
            }
        }
    }
}

impl Group {
    /// Writes it without an answer.
    fn write(&mut self, open_bytes: &mut usize, out: &mut Vec<Record>) {
        self.is_written = true;
        *open_bytes = open_bytes.saturating_sub(self.bytes);
        let messages = std::mem::take(&mut self.statement.messages);
        let statement = Statement { messages, answer: Vec::new(), ..self.statement.clone() };
        // Whether an answer belongs to it must still be known when that comes.
        if statement.is_answered() {
            self.statement.messages.push(Message::Sync);
        }
        out.push(Record::Statement(statement));
    }
}
