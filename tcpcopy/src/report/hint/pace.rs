//! A copy that is later than its clients.

use std::time::Duration;

use super::super::Report;
use super::super::number::Grouped;

/// Turns that are late, or wait for answers that do not come, are notable from so many on.
const NOTABLE: u64 = 10;

/// A turn that has waited longer waits for more than one answer that does not come.
const WAITS_LONG: u64 = 6;

/// The test server is far away from so much on, if the clients are nearer.
const FAR: Duration = Duration::from_millis(1);

/// How late the copy is, and why. Nothing is said before the test server has accepted a connection, nor while no link
/// is up: then everything waits for that.
pub(super) fn hints(account: &Report<'_>) -> Vec<String> {
    if !account.is_connected() || !account.is_linked() {
        return Vec::new();
    }
    let causes: Vec<String> = in_vain(account).into_iter().chain(far_away(account)).collect();
    let unexplained = causes.is_empty() && !account.was_unlinked();
    lag(account, unexplained).into_iter().chain(causes).collect()
}

fn is_late(account: &Report<'_>) -> bool {
    let turns = &account.ledger.turns;
    turns.late >= NOTABLE && turns.late >= (turns.let_go() + turns.dropped) / 100
}

fn lag(account: &Report<'_>, unexplained: bool) -> Option<String> {
    let turns = &account.ledger.turns;
    let waits = turns.oldest_waiting_seconds.0;
    let late = is_late(account).then(|| {
        format!(
            "{} of {} turns were sent more than 1 s after their capture, the latest {} s after",
            Grouped(turns.late),
            Grouped(turns.seen),
            turns.longest_wait_ms.0 / 1000
        )
    });
    let now = (waits >= WAITS_LONG).then(|| format!("the oldest turn waits for {waits} s now"));
    let evidence: Vec<String> = late.into_iter().chain(now).collect();
    let cure = if unexplained {
        "; the test server, or the way to it, is slower than production: speed it up, or copy less"
    } else {
        ""
    };
    let evidence = Some(evidence.join("; ")).filter(|evidence| !evidence.is_empty())?;
    Some(format!("the copy is late: {evidence}{cure}"))
}

/// A notable part of the turns was let go without an answer to the one before.
fn in_vain(account: &Report<'_>) -> Option<String> {
    let turns = &account.ledger.turns;
    let (vain, all) = (turns.waited_in_vain, turns.let_go());
    (vain >= NOTABLE && vain > all / 20).then(|| {
        format!(
            "{} of {} turns waited in vain for the test server's answer to the one before: it does not answer what \
             production answers; compare the logs of both services",
            Grouped(vain),
            Grouped(all)
        )
    })
}

/// Clients that wait for each answer say more in a second than the way to the test server allows.
fn far_away(account: &Report<'_>) -> Option<String> {
    let ledger = account.ledger;
    let (test, clients) =
        (ledger.tcp.round_trip_us.settled()?, ledger.sessions.client_round_trip_us.settled()?);
    let waits = ledger.turns.answered > ledger.turns.let_go() / 4;
    (is_late(account) && waits && test > FAR && test > clients * 4).then(|| {
        format!(
            "a round trip to the test server takes {}, one to the clients {}: clients that wait for each answer say more \
             than can be copied; bring the test server and intercept nearer, or do not wait for answers (-W)",
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
