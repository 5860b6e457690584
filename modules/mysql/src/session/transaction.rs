//! Transactions that the test server gets in halves: one was open when its connection was lost, or its beginning was
//! never seen.
//!
//! The test server's OK packets show the transactions that are open there (SERVER_STATUS_IN_TRANS). Nothing shows those that
//! were open before the session was joined, or were begun in lost bytes; but a COMMIT or ROLLBACK without a BEGIN ends
//! one. So every counted transaction was cut, except with clients that work with autocommit off: their transactions have no
//! BEGIN, and the first end that is seen may be that of a whole one.

/// A client's command that begins or ends a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TxnBoundary {
    Begin,
    /// COMMIT or ROLLBACK.
    End,
}

/// Whether a session is inside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// It is not.
    No,
    /// It is, on the test server.
    Open,
    /// Commands of the client were not captured, or not sent: they may have begun one that the test server does not know.
    Unclear,
    /// It was cut, and counted; the client may still be in it.
    Cut,
}

impl Transaction {
    /// At the start of a session.
    pub(crate) fn new(from_start: bool) -> Self {
        if from_start { Self::No } else { Self::Unclear }
    }

    /// The client's BEGIN, COMMIT and ROLLBACK matter.
    pub(crate) fn wants_client(self) -> bool {
        matches!(self, Self::Unclear | Self::Cut)
    }

    /// The client begins or ends a transaction. Returns whether it ends one whose beginning was missed.
    pub(crate) fn client(&mut self, boundary: TxnBoundary) -> bool {
        let missed = *self == Self::Unclear && boundary == TxnBoundary::End;
        if self.wants_client() {
            *self = Self::No;
        }
        missed
    }

    /// The test server has answered OK; `open`: a transaction is open there.
    pub(crate) fn test_answer(&mut self, open: bool) {
        match self {
            _ if open => *self = Self::Open,
            Self::Open => *self = Self::No,
            Self::No | Self::Unclear | Self::Cut => {}
        }
    }

    /// The online server has answered OK, to a command that is neither BEGIN nor COMMIT. Returns whether the beginning of the
    /// open transaction was missed.
    pub(crate) fn online_answer(&mut self, open: bool) -> bool {
        if *self != Self::Unclear {
            return false;
        }
        *self = if open { Self::Cut } else { Self::No };
        open
    }

    /// Both servers roll back the open transaction.
    pub(crate) fn rolled_back(&mut self) {
        *self = Self::No;
    }

    /// Commands of the client do not reach the test server.
    pub(crate) fn client_lost(&mut self) {
        // An open one ends with its connection, and is counted then.
        if *self == Self::No {
            *self = Self::Unclear;
        }
    }

    /// The connection to the test server is a new one. Returns whether a transaction was open on the old one.
    pub(crate) fn connection_lost(&mut self) -> bool {
        let open = *self == Self::Open;
        if open {
            *self = Self::Cut;
        }
        open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_beginning_tells_what_was_open_at_a_join() {
        let mut joined = Transaction::new(false);
        joined.test_answer(false); // an UPDATE, with autocommit there
        assert!(joined.client(TxnBoundary::End));
        assert!(!joined.client(TxnBoundary::End), "it is over");
        let mut between = Transaction::new(false);
        assert!(!between.client(TxnBoundary::Begin));
        between.test_answer(true);
        assert!(!between.client(TxnBoundary::End));
        assert!(!Transaction::new(true).client(TxnBoundary::End), "nothing was missed");
    }

    #[test]
    fn a_lost_connection_cuts_what_is_open_once() {
        let mut transaction = Transaction::new(true);
        transaction.test_answer(true);
        transaction.client_lost();
        assert!(transaction.connection_lost());
        assert!(!transaction.connection_lost());
        transaction.client_lost();
        transaction.test_answer(false);
        assert!(!transaction.client(TxnBoundary::End), "it is counted");
        transaction.test_answer(true);
        transaction.test_answer(false);
        assert!(!transaction.connection_lost());
    }

    #[test]
    fn a_beginning_that_was_lost_shows_at_the_end() {
        let mut transaction = Transaction::new(true);
        transaction.client_lost();
        assert!(!transaction.connection_lost());
        assert!(transaction.client(TxnBoundary::End));
        transaction.client_lost();
        transaction.rolled_back();
        assert!(!transaction.client(TxnBoundary::End));
    }

    #[test]
    fn the_online_server_tells_at_once_where_it_is_heard() {
        let mut open = Transaction::new(false);
        assert!(open.online_answer(true));
        assert!(!open.online_answer(true));
        assert!(!open.client(TxnBoundary::End), "it is counted");
        let mut closed = Transaction::new(false);
        assert!(!closed.online_answer(false));
        assert!(!closed.client(TxnBoundary::End));
    }
}
