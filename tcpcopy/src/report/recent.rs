//! What happened in the last seconds, beside the totals of the run.

use std::collections::VecDeque;
use std::fmt;

use serde::Serialize;

use super::Report;
use super::number::{Grouped, Percent};

/// Seconds that the window covers.
const WINDOW: usize = 30;

/// The counters of the last seconds: how much each has grown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Recent {
    /// Seconds that it covers.
    pub window_seconds: u64,
    /// Packets of clients captured.
    pub client_packets: u64,
    /// Sessions begun.
    pub sessions_begun: u64,
    /// Sessions that ended with everything replayed.
    pub sessions_whole: u64,
    /// Sessions that ended with a loss.
    pub sessions_cut: u64,
    /// Bytes that clients are known to have sent.
    pub bytes_sent: u64,
    /// Of these and earlier ones, bytes acknowledged by the test server.
    pub bytes_acknowledged: u64,
    /// Bytes dropped.
    pub bytes_lost: u64,
    /// Turns sent more than a second late.
    pub turns_late: u64,
    /// How far the copy is behind now: the age of the oldest waiting turn, in seconds.
    pub lag_seconds: u64,
}

/// Reads [`Recent`] out of totals, once a second.
#[derive(Debug, Default)]
pub struct Totals(VecDeque<Recent>);

impl Totals {
    /// A second has passed; `report` has the totals. Returns the window that ends now.
    pub fn tick(&mut self, report: &Report<'_>) -> Recent {
        let ledger = report.ledger;
        let total = Recent {
            window_seconds: report.uptime_seconds,
            client_packets: ledger.packets.client,
            sessions_begun: ledger.sessions.seen,
            sessions_whole: ledger.sessions.replayed,
            sessions_cut: ledger.sessions.incomplete.total(),
            bytes_sent: report.client_bytes,
            bytes_acknowledged: ledger.bytes.replayed,
            bytes_lost: ledger.bytes.dropped.total(),
            turns_late: ledger.turns.late,
            lag_seconds: ledger.turns.oldest_waiting_seconds.0,
        };
        let before = self.0.front().copied().unwrap_or_default();
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(total);
        Recent {
            // Bytes may be taken back, so a total may become smaller.
            window_seconds: total.window_seconds.saturating_sub(before.window_seconds),
            client_packets: total.client_packets.saturating_sub(before.client_packets),
            sessions_begun: total.sessions_begun.saturating_sub(before.sessions_begun),
            sessions_whole: total.sessions_whole.saturating_sub(before.sessions_whole),
            sessions_cut: total.sessions_cut.saturating_sub(before.sessions_cut),
            bytes_sent: total.bytes_sent.saturating_sub(before.bytes_sent),
            bytes_acknowledged: total.bytes_acknowledged.saturating_sub(before.bytes_acknowledged),
            bytes_lost: total.bytes_lost.saturating_sub(before.bytes_lost),
            turns_late: total.turns_late.saturating_sub(before.turns_late),
            lag_seconds: total.lag_seconds,
        }
    }
}

impl fmt::Display for Recent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window_seconds, bytes_sent, bytes_acknowledged, lag_seconds, .. } = *self;
        write!(f, "last {window_seconds} s: ")?;
        if bytes_sent == 0 && bytes_acknowledged == 0 {
            f.write_str("no client payload")?;
        } else {
            // Bytes of before may be acknowledged now.
            let part = bytes_acknowledged.min(bytes_sent);
            let percent = Percent { part, whole: bytes_sent, incomplete: self.bytes_lost > 0 };
            write!(f, "{percent} % of {} bytes replayed", Grouped(bytes_sent))?;
        }
        let (begun, whole) = (Grouped(self.sessions_begun), Grouped(self.sessions_whole));
        write!(f, ", {begun} sessions begun, {whole} complete")?;
        if self.sessions_cut > 0 {
            write!(f, ", {} incomplete", Grouped(self.sessions_cut))?;
        }
        if self.bytes_lost > 0 {
            write!(f, ", {} bytes dropped", Grouped(self.bytes_lost))?;
        }
        if lag_seconds > 0 {
            write!(f, ", {lag_seconds} s behind")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::InjectStats;
    use super::*;
    use crate::ledger::{DropReason, Ledger};

    #[test]
    fn the_window_covers_thirty_seconds_whatever_came_before() {
        let (mut ledger, inject, mut totals) = (Ledger::default(), InjectStats::default(), Totals::default());
        let mut recent = Recent::default();
        for second in 0..3600 {
            ledger.bytes.captured += 100;
            ledger.bytes.replayed += if second < 3590 { 100 } else { 0 };
            ledger.sessions.seen += 1;
            let report = Report { uptime_seconds: second, ..Report::of(&ledger, &inject) };
            recent = totals.tick(&report);
        }
        assert_eq!((recent.window_seconds, recent.bytes_sent, recent.bytes_acknowledged), (30, 3000, 2000));
        let text = recent.to_string();
        assert_eq!(text, "last 30 s: 66.666 % of 3 000 bytes replayed, 30 sessions begun, 0 complete");
    }

    #[test]
    fn bytes_that_are_taken_back_are_survived() {
        let (mut ledger, inject, mut totals) = (Ledger::default(), InjectStats::default(), Totals::default());
        (ledger.bytes.captured, ledger.bytes.replayed) = (100, 100);
        totals.tick(&Report::of(&ledger, &inject));
        ledger.bytes.replayed = 40;
        ledger.bytes.dropped.add(DropReason::ClosedByServer, 60);
        let recent = totals.tick(&Report::of(&ledger, &inject));
        assert_eq!((recent.bytes_acknowledged, recent.bytes_lost), (0, 60));
        assert!(recent.to_string().contains("no client payload, 0 sessions begun"), "{recent}");
    }
}
