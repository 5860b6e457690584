//! Hints: if something is lost or late, the cause that the counters show, and the remedy.
//!
//! A hint is a conclusion, so it is given only if the counters support it. If nothing was sent, for example, no hint
//! mentions answers.

mod connection;
mod limit;
mod module;
mod obstacle;
mod pace;
mod protocol;
mod send;

use crate::ledger::DropReason;

use super::{InterceptCounters, Report};

/// The hints for this report, in the order in which data passes the faults.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    let first = obstacle::first(report).into_iter().chain(send::failed(report));
    let losses = limit::hints(report).into_iter().chain(protocol::hints(report)).chain(module::hints(report));
    first.chain(losses).chain(connection::hints(report)).chain(pace::hints(report)).collect()
}

impl Report<'_> {
    /// The test server has accepted a connection.
    fn is_connected(&self) -> bool {
        self.ledger.tcp.connected > 0
    }

    /// Bytes or sessions were dropped for this reason.
    fn lost(&self, reason: DropReason) -> bool {
        self.ledger.bytes.dropped.get(reason) > 0 || self.ledger.sessions.incomplete.get(reason) > 0
    }

    /// A control connection to an intercept is established.
    fn has_intercept(&self) -> bool {
        self.intercepts.iter().any(|intercept| intercept.connected)
    }

    /// There may have been a time without any control connection. That would explain losses, too.
    fn may_have_lacked_intercept(&self) -> bool {
        self.intercepts.iter().all(|intercept| !intercept.connected || intercept.disconnects > 0)
    }

    /// The counters of the intercepts that have sent any.
    fn intercept_counters(&self) -> impl Iterator<Item = &InterceptCounters> {
        self.intercepts.iter().filter_map(|intercept| intercept.statistics.as_ref())
    }
}

/// The texts whose condition is true.
fn applying<const N: usize>(candidates: [(bool, &str); N]) -> Vec<String> {
    candidates.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests;
