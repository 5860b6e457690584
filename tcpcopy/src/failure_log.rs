//! Log lines about sessions that cannot continue: each reason once a minute, with a count, so that many sessions do not fill
//! the log.

use std::time::Duration;

use common_core::flow::Flow;
use common_core::log_limiter::{Limits, LogLimiter};
use common_core::time::Time;
use log::Level;
use module_kit::{Failure, FailureKind};

/// Reasons are constants of modules and protocols, so there are few.
const LIMITS: Limits = Limits { lines: 1, period: Duration::from_secs(60), keys: 1024 };

/// Logs sessions that cannot continue.
#[derive(Debug)]
pub(crate) struct FailureLog(LogLimiter<&'static str>);

impl Default for FailureLog {
    fn default() -> Self {
        Self(LogLimiter::new(LIMITS))
    }
}

impl FailureLog {
    /// A protocol module could not continue a session. The module itself logs refused logins and TLS, once for each user; a
    /// client that the online server refuses is no failure.
    pub(crate) fn module_failed(&mut self, now: Time, flow: &Flow, failure: Failure) {
        let Failure { kind, reason } = failure;
        let is_logged =
            matches!(kind, FailureKind::LoginFailed | FailureKind::Tls | FailureKind::LoginFailedOnline);
        let level = if is_logged { Level::Debug } else { Level::Warn };
        self.log(now, level, reason, format_args!("{flow} is not copied any further: {reason}"));
    }

    /// The stream of a session ends with its connection. Each protocol has one line a minute.
    pub(crate) fn state_lost(
        &mut self,
        now: Time,
        flow: &Flow,
        protocol: &'static str,
        reason: &'static str,
    ) {
        let line = format_args!("{flow} ({protocol}) is not copied any further: {reason}");
        self.log(now, Level::Info, protocol, line);
    }

    fn log(&mut self, now: Time, level: Level, key: &'static str, line: std::fmt::Arguments<'_>) {
        match self.0.admit(now, key).map(|admitted| admitted.left_out) {
            Some(0) => log::log!(level, "{line}"),
            Some(others) => log::log!(level, "{line}; {others} more sessions since the last line"),
            None => log::debug!("{line}"),
        }
    }
}
