//! What the report shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use common::module::{Loss, Report};

/// Error codes that are counted by name.
const CODES_MAX: usize = 32;

/// Things that happen and are worth a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// What the server had kept was said again on a new connection.
    Restored,
    /// The test server did not accept that.
    RestorationRefused,
    /// A login of a client was said with the test server's password.
    PasswordReplaced,
    /// The test server did not accept a login.
    LoginRefused,
    /// A connection was lost inside a transaction.
    TransactionCut,
    /// A connection was lost with keys that it watched.
    WatchLost,
    /// A connection was lost whose last command may have waited for its answer.
    BlockingCut,
    /// A session was joined late.
    Joined,
    /// What such a session is about was learnt from the online server.
    KnownByOnline,
    /// What a session is about cannot be known any more, for bytes of it were not captured.
    StateForgotten,
    /// A client does not speak RESP.
    NotResp,
}

const EVENTS: [&str; 11] = [
    "restored",
    "restoration_refused",
    "password_replaced",
    "login_refused",
    "transaction_cut",
    "watch_lost",
    "blocking_command_cut",
    "joined",
    "known_by_online_server",
    "state_forgotten",
    "not_resp",
];

#[derive(Debug, Default)]
pub(crate) struct Counters {
    events: [AtomicU64; EVENTS.len()],
    left_out: [AtomicU64; 3],
    /// By the first word of the error. Only at logins.
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Counters {
    pub(crate) fn event(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A command was left out.
    pub(crate) fn left_out(&self, loss: Loss) {
        self.left_out[loss as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// The test server answered with an error.
    pub(crate) fn error(&self, line: &[u8]) {
        let word = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        let is_code = !word.is_empty() && word.len() <= 24 && word.iter().all(u8::is_ascii_uppercase);
        let word = if is_code { String::from_utf8_lossy(word).into_owned() } else { "other".to_owned() };
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let word =
            if errors.len() < CODES_MAX || errors.contains_key(&word) { word } else { "other".to_owned() };
        *errors.entry(word).or_default() += 1;
    }

    pub(crate) fn report(&self) -> Report {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut report = Report::default();
        report.group("sessions", EVENTS.into_iter().zip(self.events.iter().map(load)));
        let reasons = ["left_out", "state_lost", "state_unknown"];
        report.group("commands_left_out", reasons.into_iter().zip(self.left_out.iter().map(load)));
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        report.group("server_errors_at_login", errors.iter().map(|(code, count)| (code.clone(), *count)));
        report
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_code_in_bounded_number() {
        let counters = Counters::default();
        counters.error(b"WRONGPASS invalid username-password pair");
        counters.error(b"secret in an odd place");
        for code in 0..100 {
            counters.error("A".repeat(code % 50 + 1).as_bytes());
        }
        let report = counters.report();
        assert!(report.groups[0].counters.len() <= CODES_MAX + 1);
        assert_eq!(report.groups[0].counters.iter().map(|(_, count)| count).sum::<u64>(), 102);
        assert!(report.groups[0].counters.contains(&("WRONGPASS".into(), 1)));
    }
}
