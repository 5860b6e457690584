//! Keeps what peers do from filling the log.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use common_core::time::Time;
use log::Level;

/// Lines about one address in one period. A user who starts a wrong version by hand, or twice, sees each attempt.
const LINES: u32 = 5;
const PERIOD: Duration = Duration::from_secs(60);

/// Addresses remembered. With more than this in one period, somebody scans: the others are passed over.
const ADDRESSES: usize = 1024;

/// The log lines about peers, limited per address.
#[derive(Debug, Default)]
pub(super) struct QuietLog {
    addresses: HashMap<IpAddr, (Time, u32)>,
}

impl QuietLog {
    /// Logs a line about a peer, unless there were too many.
    pub(super) fn log(&mut self, now: Time, ip: IpAddr, level: Level, line: fmt::Arguments<'_>) {
        match self.count(now, ip) {
            Some(LINES) => log::log!(level, "{line} (the next lines about {ip} are left out)"),
            Some(_) => log::log!(level, "{line}"),
            None => log::debug!("{line}"),
        }
    }

    /// The number of the line in its period; none if it is not to be logged.
    fn count(&mut self, now: Time, ip: IpAddr) -> Option<u32> {
        if self.addresses.len() >= ADDRESSES && !self.addresses.contains_key(&ip) {
            self.addresses.retain(|_, (since, _)| now.since(*since) < PERIOD);
            if self.addresses.len() >= ADDRESSES {
                return None;
            }
        }
        let (since, lines) = self.addresses.entry(ip).or_insert((now, 0));
        if now.since(*since) >= PERIOD {
            (*since, *lines) = (now, 0);
        }
        *lines = lines.saturating_add(1);
        Some(*lines).filter(|lines| *lines <= LINES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_has_its_lines_a_minute() {
        let mut quiet = QuietLog::default();
        let [first, second]: [IpAddr; 2] = [[10, 0, 0, 1].into(), [10, 0, 0, 2].into()];
        let counts: Vec<_> = (0..7).map(|_| quiet.count(Time::ZERO, first)).collect();
        assert_eq!(counts, [Some(1), Some(2), Some(3), Some(4), Some(5), None, None]);
        assert_eq!(quiet.count(Time::ZERO, second), Some(1));
        assert_eq!(quiet.count(Time::ZERO + PERIOD, first), Some(1));
    }

    #[test]
    fn a_scan_from_everywhere_takes_no_memory() {
        let mut quiet = QuietLog::default();
        for i in 0..5000_u16 {
            let counted = quiet.count(Time::ZERO, [10, 0, (i >> 8) as u8, i as u8].into());
            assert_eq!(counted.is_some(), usize::from(i) < ADDRESSES);
        }
        assert_eq!(quiet.addresses.len(), ADDRESSES);
        assert_eq!(quiet.count(Time::ZERO + PERIOD, [10, 1, 0, 0].into()), Some(1));
        assert_eq!(quiet.addresses.len(), 1);
    }
}
