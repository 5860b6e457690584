//! What sessions say to the user, so that many of them do not fill the log.

use std::collections::BTreeMap;
use std::time::Duration;

use common_core::flow::Flow;
use common_core::time::Time;
use module_kit::{Failure, FailureKind};

/// The same complaint is repeated after so long.
const PAUSE: Duration = Duration::from_secs(60);

/// Complaints by their reason, which is a constant of a module: there are few.
#[derive(Debug, Default)]
pub(crate) struct Complaints(BTreeMap<&'static str, Said>);

#[derive(Debug)]
struct Said {
    at: Time,
    /// Not said since then.
    held_back: u64,
}

impl Complaints {
    /// A protocol module could not go on with a session. Refused logins and TLS are for the module to explain, once for
    /// each user; that the online server refuses clients is no complaint.
    pub(crate) fn module_failed(&mut self, now: Time, flow: &Flow, failure: Failure) {
        let Failure { kind, reason } = failure;
        let explained =
            matches!(kind, FailureKind::LoginFailed | FailureKind::Tls | FailureKind::LoginFailedOnline);
        match self.count(now, reason) {
            Some(0) if !explained => log::warn!("{flow} is not copied any further: {reason}"),
            Some(more) if !explained => {
                log::warn!(
                    "{flow} is not copied any further: {reason}; {more} sessions more in the meantime"
                );
            }
            _ => log::debug!("{flow} is not copied any further: {reason}"),
        }
    }

    /// A session's stream ends with its connection. Said once a minute for each protocol and reason.
    pub(crate) fn state_lost(&mut self, now: Time, flow: &Flow, protocol: &'static str, why: &'static str) {
        match self.count(now, protocol) {
            Some(0) => log::info!("{flow} ({protocol}) is not copied any further: {why}"),
            Some(more) => {
                log::info!(
                    "{flow} ({protocol}) is not copied any further: {why}; {more} sessions more since the last line"
                );
            }
            None => log::debug!("{flow} ({protocol}) is not copied any further: {why}"),
        }
    }

    /// If it is time to say it again: how often it was held back.
    fn count(&mut self, now: Time, reason: &'static str) -> Option<u64> {
        match self.0.get_mut(reason) {
            Some(said) if now < said.at + PAUSE => {
                said.held_back += 1;
                None
            }
            said => {
                let held_back = said.map_or(0, |said| said.held_back);
                self.0.insert(reason, Said { at: now, held_back: 0 });
                Some(held_back)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_said_once_a_minute_with_a_count() {
        let mut complaints = Complaints::default();
        let now = Time::ZERO + PAUSE;
        assert_eq!(complaints.count(now, "a"), Some(0));
        assert_eq!(complaints.count(now, "b"), Some(0));
        for _ in 0..3 {
            assert_eq!(complaints.count(now, "a"), None);
        }
        assert_eq!(complaints.count(now + PAUSE, "a"), Some(3));
        assert_eq!(complaints.count(now + PAUSE * 2, "a"), Some(0));
    }
}
