//! Log lines about peers, limited for each address: what peers do must not fill the log.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use common_core::log_limiter::{Admitted, Limits, LogLimiter};
use common_core::time::Time;
use log::Level;

/// Five lines a minute: a user who starts a wrong version by hand, or twice, sees each attempt. More than 1024 addresses
/// in one minute are a scan, whose lines are left out.
const LIMITS: Limits = Limits { lines: 5, period: Duration::from_secs(60), keys: 1024 };

/// Logs lines about peers.
#[derive(Debug)]
pub(super) struct PeerLog(LogLimiter<IpAddr>);

impl PeerLog {
    pub(super) fn new() -> Self {
        Self(LogLimiter::new(LIMITS))
    }

    /// Logs a line about the peer at `ip`, on debug level if there were too many.
    pub(super) fn log(&mut self, now: Time, ip: IpAddr, level: Level, line: fmt::Arguments<'_>) {
        match self.0.admit(now, ip) {
            Some(Admitted { is_last: true, .. }) => {
                log::log!(level, "{line} (the next lines about {ip} are left out)");
            }
            Some(_) => log::log!(level, "{line}"),
            None => log::debug!("{line}"),
        }
    }
}
