//! Log lines about peers, limited for each address: what peers do must not fill the log.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use common_core::log_limiter::{Admitted, Limits, LogLimiter};
use common_core::time::Time;
use log::Level;

/// Five lines a minute about what tcpcopies do. More than 1024 addresses in one minute are a scan, whose lines are left out.
const NEWS: Limits = Limits { lines: 5, period: Duration::from_secs(60), keys: 1024 };

/// One line a minute about peers that are refused, whatever for: they try again without end.
const WARNINGS: Limits = Limits { lines: 1, ..NEWS };

/// Logs lines about peers.
#[derive(Debug)]
pub(super) struct PeerLog {
    news: LogLimiter<IpAddr>,
    warnings: LogLimiter<IpAddr>,
}

impl PeerLog {
    pub(super) fn new() -> Self {
        Self { news: LogLimiter::new(NEWS), warnings: LogLimiter::new(WARNINGS) }
    }

    /// Logs a line about the peer at `ip`, on debug level if there were too many.
    pub(super) fn log(&mut self, now: Time, ip: IpAddr, level: Level, line: fmt::Arguments<'_>) {
        let limiter = if level <= Level::Warn { &mut self.warnings } else { &mut self.news };
        match limiter.admit(now, ip) {
            Some(Admitted { is_last: true, left_out: 0 }) => {
                log::log!(level, "{line} (the next lines about {ip} are left out for a minute)");
            }
            Some(Admitted { is_last: true, left_out }) => {
                log::log!(
                    level,
                    "{line} ({left_out} lines about {ip} were left out before, the next are for a minute)"
                );
            }
            Some(_) => log::log!(level, "{line}"),
            None => log::debug!("{line}"),
        }
    }
}
