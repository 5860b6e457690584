//! Where something is lost or late: the cause that the counters show, and what to do about it.
//!
//! A hint is a conclusion. Each states what it rests on, and is left out where that does not hold: where nothing was
//! sent, nothing is said about answers.

mod connection;
mod limit;
mod obstacle;
mod pace;
mod protocol;
mod send;

use crate::ledger::DropReason;

use super::{InterceptAccount, Report};

/// What the counters tell about faults outside of tcpcopy, the first fault on the way of the data first.
pub(super) fn hints(account: &Report<'_>) -> Vec<String> {
    let first = obstacle::first(account).into_iter().chain(send::failed(account));
    let losses = limit::hints(account).into_iter().chain(protocol::hints(account));
    first.chain(losses).chain(connection::hints(account)).chain(pace::hints(account)).collect()
}

/// Questions that several hints ask of the account.
impl Report<'_> {
    /// The test server has accepted a connection.
    fn is_connected(&self) -> bool {
        self.ledger.tcp.connected > 0
    }

    /// Anything was dropped for this reason.
    fn lost(&self, reason: DropReason) -> bool {
        self.ledger.bytes.dropped.get(reason) > 0 || self.ledger.sessions.incomplete.get(reason) > 0
    }

    /// A link is up.
    fn is_linked(&self) -> bool {
        self.links.iter().any(|link| link.up)
    }

    /// There may have been a time without any link, which explains losses as well.
    fn was_unlinked(&self) -> bool {
        self.links.iter().all(|link| !link.up || link.lost > 0)
    }

    /// The figures of the intercepts that have sent any.
    fn intercepts(&self) -> impl Iterator<Item = &InterceptAccount> {
        self.links.iter().filter_map(|link| link.statistics.as_ref())
    }
}

/// The hints that apply, of pairs of a condition and a text.
fn applying<const N: usize>(candidates: [(bool, &str); N]) -> Vec<String> {
    candidates.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text.to_owned()).collect()
}

#[cfg(test)]
mod tests;
