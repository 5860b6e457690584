//! Where transactions begin and end.

use super::ConnectionState;
use super::held::Xa;
use crate::sql::{AndThen, Lock, Step, XaStep};

/// The longest beginning of a transaction that is kept, in bytes.
const BEGIN_MAX: usize = 1 << 10;

impl ConnectionState {
    pub(super) fn step(&mut self, step: &Step<'_>, text: &[u8], sent: bool) {
        match step {
            Step::Begin => {
                self.held.locks.remove(Lock::Tables);
                self.lost.locks.remove(Lock::Tables);
                self.began(text, sent);
            }
            Step::Commit(then) | Step::Rollback(then) => {
                self.ended(true);
                if *then == AndThen::Chain {
                    self.began(b"BEGIN", sent);
                }
            }
            // A transaction with a savepoint is not begun again.
            Step::Savepoint(_) => self.transaction.write(false, sent),
            Step::RollbackTo(_) | Step::ReleaseSavepoint(_) => {}
        }
    }

    fn began(&mut self, text: &[u8], sent: bool) {
        self.transaction.begin(sent);
        self.begin.clear();
        if text.len() <= BEGIN_MAX {
            self.begin.extend_from_slice(text);
        } else {
            self.transaction.write(false, sent);
        }
    }

    /// A transaction has ended. `said`: by a statement that does nothing else.
    pub(super) fn ended(&mut self, said: bool) {
        if said {
            self.starts_missed += u64::from(self.transaction.end());
        } else {
            self.transaction.end_implicitly();
        }
        self.begin.clear();
        if self.has_next {
            self.forget_next();
        }
    }

    pub(super) fn xa(&mut self, step: XaStep, sent: bool) {
        match step {
            XaStep::Start if sent => (self.held.xa, self.lost.xa) = (Xa::Open, Xa::No),
            XaStep::Start => (self.held.xa, self.lost.xa) = (Xa::No, Xa::Open),
            XaStep::Prepare if sent => self.held.xa = Xa::Prepared,
            XaStep::Commit | XaStep::Rollback => (self.held.xa, self.lost.xa) = (Xa::No, Xa::No),
            XaStep::Prepare | XaStep::End | XaStep::Recover => {}
        }
        // It is none that BEGIN and COMMIT know.
        if step != XaStep::Recover {
            self.transaction.end_implicitly();
        }
    }
}
