//! The report of a run with `--udp`: as text, and as the JSON of `--stats-json`.

use std::fmt::Write;

use serde::Serialize;

use super::ledger::DatagramLedger;
use crate::report::{CaptureStats, InjectStats, InterceptStats, OutputStats};

/// The state of a run at one moment.
#[derive(Debug, Serialize)]
pub struct DatagramReport<'a> {
    /// Version of this program.
    pub version: &'static str,
    /// Seconds since the start.
    pub uptime_seconds: u64,
    /// Whether the sums of the account hold.
    pub balanced: bool,
    /// The account.
    pub datagrams: &'a DatagramLedger,
    /// The kernel's side of the capture.
    pub capture: CaptureStats,
    /// The outcome of packets sent.
    pub inject: &'a InjectStats,
    /// The intercepts, in the order of `-s`.
    pub intercepts: Vec<InterceptStats>,
    /// Losses of the log and of `--stats-json` itself.
    pub output: OutputStats,
}

/// The report in one line, for the log of a running tcpcopy.
#[must_use]
pub fn short(report: &DatagramReport<'_>) -> String {
    let DatagramLedger { captured, sent, answered, unanswered, pending, .. } = report.datagrams;
    let connected = report.intercepts.iter().filter(|intercept| intercept.connected).count();
    let mut line = if *captured == 0 {
        "nothing copied: no datagram of a client was captured".to_owned()
    } else {
        format!(
            "copied {sent} of {captured} datagrams, of which {answered} were answered, {} were not, and {pending} wait",
            unanswered.total()
        )
    };
    let _ = write!(line, "; {connected} of {} intercepts connected", report.intercepts.len());
    if report.capture.kernel_dropped > 0 {
        let _ = write!(line, "; the kernel dropped {} packets before capture", report.capture.kernel_dropped);
    }
    line
}

/// The complete report, for the end of a run: the line, what was lost for which reason, and a hint.
#[must_use]
pub fn complete(report: &DatagramReport<'_>) -> String {
    let mut text = short(report);
    let DatagramLedger { dropped, unanswered, answers, unexpected, .. } = report.datagrams;
    for (what, reasons) in
        [("dropped", serde_json::to_value(dropped)), ("unanswered", serde_json::to_value(unanswered))]
    {
        let reasons = reasons.unwrap_or_default();
        let counts = reasons.as_object().into_iter().flatten();
        for (reason, count) in counts.filter(|(_, count)| count.as_u64() != Some(0)) {
            let _ = write!(text, "\n  {what}: {reason} {count}");
        }
    }
    for (symbol, description, count) in report.inject.failed.occurred() {
        let _ = write!(text, "\n  sends failed: {symbol} ({description}) {count}");
    }
    let _ = write!(text, "\n  answers: {answers}, of these unexpected: {unexpected}");
    for intercept in &report.intercepts {
        let error = intercept.last_error.as_deref().unwrap_or("none");
        let _ = write!(
            text,
            "\n  intercept {}: connected {}, last error: {error}",
            intercept.address, intercept.connected
        );
    }
    if !report.balanced {
        text.push_str("\n  the account does not balance: please report this defect");
    }
    if let Some(hint) = hint(report) {
        let _ = write!(text, "\n  hint: {hint}");
    }
    text
}

/// What to look at first, if nothing is captured or nothing answered.
fn hint(report: &DatagramReport<'_>) -> Option<&'static str> {
    let DatagramLedger { captured, sent, answers, .. } = report.datagrams;
    let is_linked = report.intercepts.iter().any(|intercept| intercept.connected);
    match (captured, sent, answers) {
        (0, ..) => Some("no packet of a client came to the services of -x: see -x, -i and -F"),
        (_, 0, _) => Some("no copy was sent: the reasons are above"),
        (.., 0) if !is_linked => Some("no intercept is connected: no answer can be seen"),
        (.., 0) => Some(
            "intercept sees no answer: on the test host, 'route-setup add --udp --port PORT --via ASSISTANT' routes them to it",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::{Dropped, Unanswered};
    use super::*;

    fn report<'a>(ledger: &'a DatagramLedger, inject: &'a InjectStats) -> DatagramReport<'a> {
        let connected = InterceptStats { connected: true, ..InterceptStats::default() };
        DatagramReport {
            version: "1.2.3",
            uptime_seconds: 5,
            balanced: ledger.balances(),
            datagrams: ledger,
            capture: CaptureStats::default(),
            inject,
            intercepts: vec![connected],
            output: OutputStats::default(),
        }
    }

    #[test]
    fn the_report_names_every_loss() {
        let ledger = DatagramLedger {
            captured: 10,
            sent: 8,
            dropped: Dropped { rate: 2, ..Dropped::default() },
            answered: 5,
            unanswered: Unanswered { timed_out: 3, ..Unanswered::default() },
            answers: 6,
            unexpected: 1,
            ..DatagramLedger::default()
        };
        let inject = InjectStats::default();
        let text = complete(&report(&ledger, &inject));
        assert!(
            text.starts_with(
                "copied 8 of 10 datagrams, of which 5 were answered, 3 were not, and 0 wait; 1 of 1"
            ),
            "{text}"
        );
        for part in [
            "\n  dropped: rate 2\n",
            "\n  unanswered: timed_out 3\n",
            "\n  answers: 6, of these unexpected: 1",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains("hint") && !text.contains("memory") && !text.contains("defect"), "{text}");
    }

    #[test]
    fn a_hint_names_the_first_place_to_look_at() {
        let inject = InjectStats::default();
        let hint = |ledger: &DatagramLedger| {
            complete(&report(ledger, &inject)).split_once("hint: ").unwrap().1.to_owned()
        };
        assert!(hint(&DatagramLedger::default()).contains("-x, -i and -F"));
        let silent = DatagramLedger { captured: 1, sent: 1, pending: 1, ..DatagramLedger::default() };
        assert!(hint(&silent).contains("route-setup add --udp"));
    }

    /// Every field of the account is described.
    #[test]
    fn the_manual_names_all_fields() {
        let manual = include_str!("../../../docs/OPERATIONS.md");
        let chapter = manual.split_once("\n## UDP\n").unwrap().1.split_once("\n## ").unwrap().0;
        let (ledger, inject) = (DatagramLedger::default(), InjectStats::default());
        let json = serde_json::to_value(report(&ledger, &inject)).unwrap();
        let account = &json["datagrams"];
        let mut names: Vec<&String> = json.as_object().unwrap().keys().collect();
        for object in [account, &account["dropped"], &account["unanswered"]] {
            names.extend(object.as_object().unwrap().keys());
        }
        let missing: Vec<_> = names.iter().filter(|name| !chapter.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}
