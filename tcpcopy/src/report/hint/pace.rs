//! A copy that lags behind its clients.

use std::time::Duration;

use super::super::Report;
use super::super::number::Grouped;

/// Fewer late or unanswered turns are not reported.
const NOTABLE: u64 = 10;

/// A turn that has waited for so many seconds waits for more than one missing answer.
const LONG_WAIT_SECONDS: u64 = 6;

/// A longer round trip to the test server makes it distant, if the clients are nearer.
const FAR: Duration = Duration::from_millis(1);

/// How late the copy is, and why. There is no hint before the test server has accepted a connection, nor while no
/// intercept is connected, because then everything waits for that.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    if !report.is_connected() || !report.has_intercept() {
        return Vec::new();
    }
    let causes: Vec<String> = in_vain(report).into_iter().chain(far_away(report)).collect();
    let unexplained = causes.is_empty() && !report.may_have_lacked_intercept();
    lag(report, unexplained).into_iter().chain(causes).collect()
}

fn is_late(report: &Report<'_>) -> bool {
    let turns = &report.ledger.turns;
    turns.late >= NOTABLE && turns.late >= (turns.released() + turns.dropped) / 100
}

fn lag(report: &Report<'_>, unexplained: bool) -> Option<String> {
    let turns = &report.ledger.turns;
    let waits = turns.oldest_waiting_seconds.0;
    let late = is_late(report).then(|| {
        format!(
            "{} of {} turns were sent more than 1 s after their capture, the latest after {} s",
            Grouped(turns.late),
            Grouped(turns.seen),
            turns.longest_wait_ms.0 / 1000
        )
    });
    let now = (waits >= LONG_WAIT_SECONDS).then(|| format!("the oldest turn has waited for {waits} s"));
    let evidence: Vec<String> = late.into_iter().chain(now).collect();
    let remedy = if unexplained {
        "; the test server, or the network to it, is slower than production: speed it up, or copy less"
    } else {
        ""
    };
    let evidence = Some(evidence.join("; ")).filter(|evidence| !evidence.is_empty())?;
    Some(format!("the copy is late: {evidence}{remedy}"))
}

/// Many turns were released by a timeout, without an answer to the turn before.
fn in_vain(report: &Report<'_>) -> Option<String> {
    let turns = &report.ledger.turns;
    let (vain, all) = (turns.timed_out, turns.released());
    (vain >= NOTABLE && vain > all / 20).then(|| {
        format!(
            "{} of {} turns were sent after a timeout, without an answer to the turn before: the test server does not \
             answer requests that production answers; compare the logs of both services",
            Grouped(vain),
            Grouped(all)
        )
    })
}

/// Clients that wait for each answer send more requests a second than the round trip to the test server allows.
fn far_away(report: &Report<'_>) -> Option<String> {
    let ledger = report.ledger;
    let (test, clients) =
        (ledger.tcp.round_trip_us.settled()?, ledger.sessions.client_round_trip_us.settled()?);
    let waits = ledger.turns.answered > ledger.turns.released() / 4;
    (is_late(report) && waits && test > FAR && test > clients * 4).then(|| {
        format!(
            "a round trip to the test server takes {}, one to the clients {}: clients that wait for each answer send \
             more than can be copied; bring the test server and intercept nearer, or do not wait for answers (-W)",
            Milliseconds(test),
            Milliseconds(clients)
        )
    })
}

struct Milliseconds(Duration);

impl std::fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.1} ms", self.0.as_secs_f64() * 1000.0)
    }
}
