//! Cycles: what the server answers with one ReadyForQuery. A Query, a function call, or everything up to a Sync.

use postgres_wire::backend::TransactionStatus;

/// The cycles of a connection, and the present one's answers.
#[derive(Debug, Default)]
pub(super) struct Cycles {
    sent: u64,
    done: u64,
    /// The last one that was sent is a Query.
    is_query: bool,
    /// Answers that are awaited of messages after the last cycle that was sent: they come if the client flushes.
    replies: u32,
    is_flushed: bool,
    /// The cycle that is being answered has an error.
    has_error: bool,
    /// A part of its answer was not seen.
    has_gap: bool,
    /// How a transaction has ended in that cycle, if one has: whether it was committed.
    ended: Option<bool>,
    /// As of the last cycle that was answered.
    status: TransactionStatus,
}

/// The outcome of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) cycle: u64,
    pub(super) has_error: bool,
    pub(super) settles: Settles,
}

/// What becomes of the changes that were made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settles {
    /// A transaction is open: nothing is decided.
    Nothing,
    /// All up to this cycle are in force.
    Commits,
    /// All up to this cycle have not happened.
    RollsBack,
}

impl Cycles {
    /// The cycle to which a message belongs that is sent now.
    pub(super) fn present(&self) -> u64 {
        self.sent + 1
    }

    /// The present cycle's last message is sent, which is a Query, or a Sync or a function call.
    pub(super) fn close(&mut self, is_query: bool) {
        (self.sent, self.replies, self.is_flushed, self.is_query) = (self.sent + 1, 0, false, is_query);
    }

    /// A message was sent that has an answer of its own.
    pub(super) fn expect_reply(&mut self) {
        self.replies = self.replies.saturating_add(1);
    }

    pub(super) fn flushed(&mut self) {
        self.is_flushed = true;
    }

    /// Whether the server skips what comes until the next Sync.
    pub(super) fn is_skipping(&self) -> bool {
        self.has_error && !self.is_waiting()
    }

    /// Whether ReadyForQuery is awaited.
    pub(super) fn is_waiting(&self) -> bool {
        self.done < self.sent
    }

    /// How many cycles the server has not answered; one that is flushed is one.
    pub(super) fn unanswered(&self) -> u64 {
        self.sent.saturating_sub(self.done) + u64::from(self.is_flushed && self.replies > 0)
    }

    /// Whether the answers to several cycles are awaited, or to parts of one: each message counts.
    pub(super) fn needs_all(&self) -> bool {
        self.is_flushed || self.done + 1 < self.sent
    }

    /// Whether the cycle that is being answered has an error.
    pub(super) fn has_error(&self) -> bool {
        self.has_error
    }

    /// A part of the answer was not seen, but its end is. Returns the cycle. It is the first of those that are not answered,
    /// also if the server has received all of them: a server acknowledges what it will answer later. None of their ends is
    /// in the gap, because of several answers everything is asked for.
    pub(super) fn gap(&mut self) -> u64 {
        self.has_gap = true;
        self.done + 1
    }

    /// Whether answers are awaited that decide what becomes of the client's data. An error decides that only if it is one
    /// of the cycle that the data belong to, the last one.
    pub(super) fn awaits_copy(&self) -> bool {
        let last = if self.replies > 0 { self.present() } else { self.sent };
        self.done < last && !(self.has_error && self.done + 1 == last)
    }

    /// An answer is complete. Returns whether nothing is left that was asked for by a flush.
    pub(super) fn replied(&mut self) -> bool {
        if self.is_waiting() {
            return false;
        }
        self.replies = self.replies.saturating_sub(1);
        self.replies == 0 && std::mem::take(&mut self.is_flushed)
    }

    /// A statement is done, with this tag.
    pub(super) fn tagged(&mut self, tag: &[u8]) {
        match tag {
            b"COMMIT" | b"PREPARE TRANSACTION" => self.ended = Some(true),
            b"ROLLBACK" => self.ended = Some(false),
            _ => {}
        }
    }

    /// An error: the server skips the rest of the cycle. Returns the cycle, and whether a flush has its answer.
    pub(super) fn error(&mut self) -> (u64, bool) {
        self.has_error = true;
        if !self.is_waiting() {
            self.replies = 0;
        }
        (self.done + 1, !self.is_waiting() && std::mem::take(&mut self.is_flushed))
    }

    /// The server takes data. Returns whether a Query has asked for that; if not, the server skips every Sync until the end
    /// of the data.
    pub(super) fn copy_in(&mut self) -> bool {
        let is_query = self.is_waiting() && self.is_query;
        if !is_query {
            self.sent = self.done;
        }
        is_query
    }

    /// ReadyForQuery.
    pub(super) fn ready(&mut self, status: TransactionStatus) -> Outcome {
        self.done += 1;
        self.sent = self.sent.max(self.done);
        let was_open = std::mem::replace(&mut self.status, status) != TransactionStatus::Idle;
        let (has_error, ended) = (std::mem::take(&mut self.has_error), self.ended.take());
        // The tag that has ended it was not seen: without an error that is a COMMIT.
        let has_gap = std::mem::take(&mut self.has_gap);
        let settles = match (status, ended) {
            (TransactionStatus::Open | TransactionStatus::Failed, _) => Settles::Nothing,
            (TransactionStatus::Idle, Some(false)) => Settles::RollsBack,
            // Without a transaction the whole cycle is one.
            (TransactionStatus::Idle, None) if has_error || was_open && !has_gap => Settles::RollsBack,
            (TransactionStatus::Idle, _) => Settles::Commits,
        };
        Outcome { cycle: self.done, has_error, settles }
    }

    pub(super) fn status(&self) -> TransactionStatus {
        self.status
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cycle_settles_what_was_changed() {
        let mut cycles = Cycles::default();
        let mut play = |tags: &[&str], error: bool, status| {
            cycles.close(true);
            tags.iter().for_each(|tag| cycles.tagged(tag.as_bytes()));
            if error {
                cycles.error();
            }
            let outcome = cycles.ready(status);
            (outcome.settles, outcome.has_error)
        };
        use TransactionStatus::{Failed, Idle, Open};
        assert_eq!(play(&["SET"], false, Idle), (Settles::Commits, false));
        assert_eq!(play(&["SET"], true, Idle), (Settles::RollsBack, true));
        assert_eq!(play(&["BEGIN"], false, Open), (Settles::Nothing, false));
        assert_eq!(play(&["SET"], false, Open), (Settles::Nothing, false));
        assert_eq!(play(&[], true, Failed), (Settles::Nothing, true));
        assert_eq!(play(&["ROLLBACK"], false, Idle), (Settles::RollsBack, false));
        assert_eq!(play(&["BEGIN", "SET"], false, Open), (Settles::Nothing, false));
        assert_eq!(play(&["ROLLBACK", "COMMIT"], false, Idle), (Settles::Commits, false));
        assert_eq!(play(&["BEGIN", "SET", "ROLLBACK"], false, Idle), (Settles::RollsBack, false));
    }

    #[test]
    fn an_answer_with_a_gap_ends_one_cycle() {
        let mut cycles = Cycles::default();
        cycles.close(true);
        cycles.ready(TransactionStatus::Open);
        cycles.close(true);
        cycles.close(true);
        assert!(cycles.needs_all());
        assert_eq!(cycles.gap(), 2);
        assert_eq!(cycles.ready(TransactionStatus::Idle).settles, Settles::Commits);
        assert!(cycles.is_waiting() && !cycles.needs_all());
    }

    #[test]
    fn an_error_of_an_earlier_cycle_does_not_refuse_a_copy() {
        let mut cycles = Cycles::default();
        assert!(!cycles.awaits_copy());
        cycles.close(false);
        cycles.close(true);
        cycles.error();
        assert!(cycles.awaits_copy());
        cycles.ready(TransactionStatus::Idle);
        assert!(cycles.awaits_copy());
        cycles.error();
        assert!(!cycles.awaits_copy());
        // The next one asks for data by messages that are not closed yet.
        cycles.expect_reply();
        assert!(cycles.awaits_copy());
        cycles.ready(TransactionStatus::Idle);
        assert!(cycles.awaits_copy());
        cycles.error();
        assert!(!cycles.awaits_copy());
    }

    #[test]
    fn a_flush_is_answered_by_as_many_replies_or_by_an_error() {
        let mut cycles = Cycles::default();
        cycles.expect_reply();
        cycles.expect_reply();
        assert!(!cycles.replied(), "it was not flushed");
        cycles.flushed();
        assert!(cycles.replied());
        cycles.expect_reply();
        cycles.flushed();
        assert_eq!(cycles.error(), (1, true));
        cycles.close(false);
        assert!(cycles.is_waiting() && !cycles.replied());
        assert!(cycles.ready(TransactionStatus::Idle).has_error && !cycles.is_waiting());
    }
}
