//! When the capture filter follows the announced targets: at once, unless one host keeps changing them.

use super::captures::Captures;
use crate::host_quota::{Host, HostQuota};
use crate::router::Router;

/// So many times in one tick, new targets update the filter at once; one host gets no more of these updates than are left.
/// An update may take one or two milliseconds. Further changes wait for the tick, so that no host delays the others.
pub(super) const AT_ONCE: usize = 16;

/// Decides when the filter is updated.
pub(super) struct FilterSchedule {
    /// [`Router::targets_version`] of the current filter.
    version: u64,
    /// Immediate updates since the last tick.
    at_once: HostQuota,
    /// The filter must be updated in this round.
    is_due: bool,
}

impl FilterSchedule {
    /// The filter is that of a router without targets.
    pub(super) fn new(router: &Router) -> Self {
        Self { version: router.targets_version(), at_once: HostQuota::new(AT_ONCE), is_due: false }
    }

    /// A peer on `host` has changed the targets.
    pub(super) fn handle_new_targets(&mut self, host: Host) {
        self.is_due |= self.at_once.take(host);
    }

    /// Updates the filter if a host is entitled to that at once.
    pub(super) fn follow_if_due(&mut self, router: &Router, captures: &mut Captures) {
        if std::mem::take(&mut self.is_due) {
            self.follow(router, captures);
        }
    }

    /// Updates the filter for all changes that had to wait.
    pub(super) fn tick(&mut self, router: &Router, captures: &mut Captures) {
        self.at_once = HostQuota::new(AT_ONCE);
        self.follow(router, captures);
    }

    fn follow(&mut self, router: &Router, captures: &mut Captures) {
        if router.targets_version() != self.version {
            self.version = router.targets_version();
            let targets: Vec<_> = router.targets().collect();
            captures.follow(&targets);
        }
    }
}
