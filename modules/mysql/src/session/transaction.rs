//! Transactions that the test server gets in halves: one was open when its connection was lost, or its beginning was
//! never seen.
//!
//! The client's statements and the test server's OK packets (SERVER_STATUS_IN_TRANS) show the transactions that are open. Nothing
//! shows those that were open before the session was joined, or were begun in bytes that were never captured; but a COMMIT or
//! ROLLBACK without a BEGIN ends one. So every counted transaction was cut, except with clients that work with autocommit
//! off: their transactions have no BEGIN, and the first end that is seen may be that of a whole one.

/// Whether a session is inside a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// It is not.
    No,
    /// It is, on the test server. `wrote`: it has done more than read, as far as is known.
    Open { wrote: bool },
    /// Commands of the client were not captured: they may have begun one that the test server does not know.
    Unclear,
    /// The client is inside one of which the test server lacks the beginning.
    Lost,
}

impl Transaction {
    /// At the start of a session.
    pub(crate) fn new(from_start: bool) -> Self {
        if from_start { Self::No } else { Self::Unclear }
    }

    /// One is open on the test server, or was lost with a connection.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Open { .. })
    }

    /// What the test server has done since its beginning is void if the connection breaks.
    pub(crate) fn is_tentative(self) -> bool {
        self == Self::Open { wrote: true }
    }

    /// The client begins one. `sent`: the test server gets the statement.
    pub(crate) fn begin(&mut self, sent: bool) {
        *self = if sent { Self::Open { wrote: false } } else { Self::Lost };
    }

    /// The client executes a statement in it that does more than read. Where none is open, `begins`: it begins one.
    pub(crate) fn write(&mut self, begins: bool, sent: bool) {
        match self {
            Self::Open { wrote } => *wrote = true,
            Self::No if begins && sent => *self = Self::Open { wrote: true },
            Self::No if begins => *self = Self::Lost,
            Self::No | Self::Unclear | Self::Lost => {}
        }
    }

    /// The client reads. Where none is open, this begins one.
    pub(crate) fn read_without_autocommit(&mut self, sent: bool) {
        if *self == Self::No && sent {
            *self = Self::Open { wrote: false };
        }
    }

    /// The client ends one. Returns whether its beginning was missed.
    pub(crate) fn end(&mut self) -> bool {
        std::mem::replace(self, Self::No) == Self::Unclear
    }

    /// A statement of the client ends whatever is open, by the way.
    pub(crate) fn end_implicitly(&mut self) {
        if *self != Self::Unclear {
            *self = Self::No;
        }
    }

    /// The test server has answered OK; `open`: a transaction is open there. `is_last`: to the last command.
    pub(crate) fn test_answer(&mut self, open: bool, is_last: bool) {
        match self {
            Self::No | Self::Unclear if open && is_last => *self = Self::Open { wrote: true },
            Self::Open { .. } if !open && is_last => *self = Self::No,
            _ => {}
        }
    }

    /// The online server has answered OK, to a command that is neither BEGIN nor COMMIT. Returns whether the beginning of the
    /// open transaction was missed.
    pub(crate) fn online_answer(&mut self, open: bool) -> bool {
        if *self != Self::Unclear {
            return false;
        }
        *self = if open { Self::Lost } else { Self::No };
        open
    }

    /// The online server has rolled back the client's transaction.
    pub(crate) fn rolled_back_online(&mut self) {
        if *self == Self::Lost {
            *self = Self::No;
        }
    }

    /// Commands of the client were never captured, and the connection is given up. Returns whether a transaction is lost.
    pub(crate) fn client_lost(&mut self) -> bool {
        std::mem::replace(self, Self::Unclear).is_tentative()
    }

    /// The connection to the test server is gone. Returns whether a transaction is lost with it. One that has only read is
    /// not, if a new connection is told its beginning (`has_begin`), or if it has none.
    pub(crate) fn connection_lost(&mut self, has_begin: bool) -> bool {
        match *self {
            Self::Open { wrote: true } => {
                *self = Self::Lost;
                true
            }
            Self::Open { wrote: false } if !has_begin => {
                *self = Self::No;
                false
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_without_a_beginning_tells_what_was_open_at_a_join() {
        let mut joined = Transaction::new(false);
        joined.test_answer(false, true); // an UPDATE, with autocommit there
        assert!(joined.end());
        assert!(!joined.end(), "it is over");
        let mut between = Transaction::new(false);
        between.begin(true);
        between.test_answer(true, true);
        assert!(!between.end());
        assert!(!Transaction::new(true).end(), "nothing was missed");
    }

    #[test]
    fn a_lost_connection_cuts_what_is_open_once() {
        let mut transaction = Transaction::new(true);
        transaction.begin(true);
        transaction.write(false, true);
        assert!(transaction.is_tentative());
        assert!(transaction.connection_lost(true));
        assert!(!transaction.connection_lost(true));
        assert_eq!(transaction, Transaction::Lost);
        transaction.test_answer(false, true);
        assert_eq!(transaction, Transaction::Lost, "the client is still in it");
        assert!(!transaction.end(), "it is counted");
        transaction.test_answer(true, true);
        transaction.test_answer(false, false);
        assert!(transaction.is_open(), "a later command may have begun it");
        transaction.test_answer(false, true);
        assert!(!transaction.connection_lost(true));
    }

    #[test]
    fn one_that_has_only_read_is_begun_again() {
        let mut transaction = Transaction::new(true);
        transaction.begin(true);
        transaction.test_answer(true, true);
        assert!(!transaction.is_tentative() && !transaction.connection_lost(true) && transaction.is_open());
        let mut without_autocommit = Transaction::new(true);
        without_autocommit.read_without_autocommit(true);
        assert!(!without_autocommit.connection_lost(false));
        assert_eq!(without_autocommit, Transaction::No);
    }

    #[test]
    fn one_whose_beginning_was_not_sent_is_lost() {
        let mut begun = Transaction::new(true);
        begun.begin(false);
        assert_eq!(begun, Transaction::Lost);
        begun.begin(true);
        assert!(begun.is_open(), "another one");
        let mut without_autocommit = Transaction::new(true);
        without_autocommit.write(true, false);
        assert_eq!(without_autocommit, Transaction::Lost);
        without_autocommit.end_implicitly();
        without_autocommit.write(false, false);
        assert_eq!(without_autocommit, Transaction::No);
    }

    #[test]
    fn a_beginning_that_was_not_captured_shows_at_the_end() {
        let mut transaction = Transaction::new(true);
        assert!(!transaction.client_lost());
        assert!(!transaction.connection_lost(false));
        assert!(transaction.end());
        transaction.begin(true);
        transaction.write(false, true);
        assert!(transaction.client_lost() && !transaction.client_lost());
        assert!(!transaction.connection_lost(false), "it is counted, and may have ended");
    }

    #[test]
    fn the_online_server_tells_at_once_where_it_is_heard() {
        let mut open = Transaction::new(false);
        assert!(open.online_answer(true));
        assert!(!open.online_answer(true));
        assert!(!open.end(), "it is counted");
        let mut closed = Transaction::new(false);
        assert!(!closed.online_answer(false));
        assert!(!closed.end());
        open.begin(false);
        open.rolled_back_online();
        assert_eq!(open, Transaction::No);
    }
}
