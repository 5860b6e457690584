//! Losses at a limit of tcpcopy, of intercept, or of their hosts.

use super::super::Report;
use super::applying;
use crate::ledger::DropReason;

/// The limits that were reached, each with the setting that moves it.
pub(super) fn hints(account: &Report<'_>) -> Vec<String> {
    let memory = account.lost(DropReason::MemoryLimit);
    let unlinked = account.was_unlinked();
    applying([
        (
            account.capture.kernel_dropped > 0,
            "the capture buffer overflowed: enlarge it with -B; if it goes on, tcpcopy needs more CPU",
        ),
        (memory && !unlinked, "the memory limit was reached: raise it with -m, or speed the test server up"),
        (
            memory && unlinked,
            "the memory limit was reached: sessions wait in memory while no intercept is reached; see the lines of the \
             links below, and raise -m for longer interruptions",
        ),
        (
            account.lost(DropReason::Displaced),
            "idle sessions were ended to make room for newer ones: more sessions take several workers (-C) or more memory \
             (-m); if there are not that many clients, somebody sends forged packets",
        ),
        (account.lost(DropReason::Truncated), "packets were cut on capture: raise or leave out -S"),
        (
            account.intercepts().any(|intercept| intercept.kernel_dropped > 0),
            "intercept's capture buffer overflowed: its host is too slow or too busy",
        ),
        (
            account.intercepts().any(|intercept| intercept.overflowed > 0),
            "an intercept's link was too slow: check the network between it and this host",
        ),
    ])
}
