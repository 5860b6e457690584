//! What the report shows.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use module_kit::{Loss, Report};

/// Error codes that are counted by name.
const CODES_MAX: usize = 32;

/// No code is longer.
const CODE_MAX: usize = 20;

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
    /// The online server did not accept a login that the test server accepted.
    RefusedOnline,
}

/// Which server has answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Test,
    Online,
}

const EVENTS: [&str; 12] = [
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
    "refused_online",
];

#[derive(Debug, Default)]
pub(crate) struct Counters {
    events: [AtomicU64; EVENTS.len()],
    left_out: [AtomicU64; 3],
    /// By the first word of the error, of each side.
    errors: [RwLock<BTreeMap<Vec<u8>, AtomicU64>>; 2],
}

impl Counters {
    pub(crate) fn event(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A command was left out.
    pub(crate) fn left_out(&self, loss: Loss) {
        self.left_out[loss as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// A server answered with an error of this code; where it is none, or one of too many, it counts as `other`.
    pub(crate) fn error(&self, side: Side, code: &[u8]) {
        let all = &self.errors[side as usize];
        let count = |code: &[u8]| {
            let errors = all.read().unwrap_or_else(PoisonError::into_inner);
            let counter = errors.get(code);
            counter.map(|counter| counter.fetch_add(1, Ordering::Relaxed)).is_some()
        };
        if count(code) {
            return;
        }
        let mut errors = all.write().unwrap_or_else(PoisonError::into_inner);
        let code = if code.is_empty() || errors.len() >= CODES_MAX { b"other" } else { code };
        errors.entry(code.to_vec()).or_default().fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn report(&self) -> Report {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let mut report = Report::default();
        report.group("sessions", EVENTS.into_iter().zip(self.events.iter().map(load)));
        let reasons = ["left_out", "state_lost", "state_unknown"];
        report.group("commands_left_out", reasons.into_iter().zip(self.left_out.iter().map(load)));
        for (name, errors) in ["server_errors", "online_errors"].into_iter().zip(&self.errors) {
            let errors = errors.read().unwrap_or_else(PoisonError::into_inner);
            let text = |code: &Vec<u8>| String::from_utf8_lossy(code).into_owned();
            report.group(name, errors.iter().map(|(code, count)| (text(code), load(count))));
        }
        report
    }
}

/// The code of an error: its first word, all capitals. An error has more to say, or ends there.
pub(crate) fn code(error: &[u8]) -> Option<&[u8]> {
    let length = error.iter().position(|byte| !byte.is_ascii_uppercase())?;
    let ends = matches!(error[length], b' ' | b'\r');
    (ends && (2..=CODE_MAX).contains(&length)).then(|| &error[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_code_in_bounded_number() {
        let counters = Counters::default();
        for error in
            [&b"WRONGPASS invalid username-password pair"[..], b"secret in an odd place", b"-1", b"A b", b""]
        {
            counters.error(Side::Test, code(error).unwrap_or_default());
        }
        for length in 0..100 {
            counters.error(Side::Test, "A".repeat(length % 50 + 1).as_bytes());
        }
        counters.error(Side::Online, b"ERR");
        let report = counters.report();
        let names: Vec<_> = report.groups.iter().map(|group| group.name).collect();
        assert_eq!(names, ["server_errors", "online_errors"]);
        let errors = &report.groups[0].counters;
        assert!(errors.len() <= CODES_MAX + 1);
        assert_eq!(errors.iter().map(|(_, count)| count).sum::<u64>(), 105);
        assert!(errors.contains(&("WRONGPASS".into(), 1)));
    }

    #[test]
    fn a_value_is_no_error() {
        for text in [&b"ERR"[..], b"ERRor ", b"1 ", b"", b"A b", b"AVERYLONGWORDTHATISNOCODEATALL "] {
            assert_eq!(code(text), None);
        }
        assert_eq!(code(b"EXECABORT\r\n"), Some(&b"EXECABORT"[..]));
    }
}
