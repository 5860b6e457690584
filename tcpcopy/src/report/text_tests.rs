//! The reports of a good run, a bad one and an empty one, against expected files.

use super::super::{InjectStats, InterceptCounters, Recent};
use super::*;
use crate::ledger::{DropReason, Largest};

fn good() -> Ledger {
    let mut ledger = Ledger::default();
    ledger.packets.captured = 120_000;
    ledger.packets.client = 100_000;
    ledger.packets.online_syn_ack = 20_000;
    ledger.sessions.seen = 20_000;
    ledger.sessions.joined = 20;
    ledger.sessions.replayed = 20_000;
    ledger.bytes.captured = 51_234_600;
    ledger.bytes.duplicate = 33;
    ledger.bytes.replayed = 51_234_567;
    ledger.turns.seen = 40_000;
    ledger.turns.answered = 20_000;
    ledger.turns.at_once = 20_000;
    ledger.tcp.connected = 20_000;
    ledger.tcp.segments_sent = 140_000;
    ledger.tcp.segments_received = 130_000;
    ledger.tcp.answer_bytes = 1_000_000;
    ledger
}

fn intercept() -> InterceptStats {
    InterceptStats {
        address: "10.0.0.18:36524".to_owned(),
        connected: true,
        connects: 1,
        statistics: Some(InterceptCounters {
            captured: 130_010,
            forwarded: 130_000,
            unrouted: 10,
            ..Default::default()
        }),
        ..InterceptStats::default()
    }
}

#[test]
fn a_good_run() {
    let (ledger, inject) = (good(), InjectStats { sent: 140_000, ..InjectStats::default() });
    let recent = Recent {
        window_seconds: 30,
        bytes_sent: 1000,
        bytes_acknowledged: 1000,
        sessions_begun: 9,
        sessions_whole: 8,
        ..Recent::default()
    };
    let report = Report { recent, intercepts: vec![intercept()], ..Report::of(&ledger, &inject) };
    assert_eq!(complete(&report), include_str!("../../tests/expected/report_good.txt"));
    assert_eq!(
        short(&report),
        "last 30 s: 100.000 % of 1 000 bytes replayed, 9 sessions begun, 8 complete; since the start: replayed 100.000 % of \
         client payload (51 234 567 bytes), 20 000 of 20 000 sessions complete; 0 bytes pending, 1 of 1 intercepts connected"
    );
}

#[test]
fn a_run_with_losses() {
    let mut ledger = good();
    ledger.bytes.replayed -= 300;
    ledger.bytes.pending = 100;
    ledger.gaps.count = 1;
    ledger.gaps.bytes = 1460;
    ledger.gaps.captured = 100;
    ledger.turns.oldest_waiting_seconds = Largest(12);
    ledger.bytes.dropped.add(DropReason::CaptureGap, 150);
    ledger.bytes.dropped.add(DropReason::MemoryLimit, 50);
    ledger.sessions.replayed -= 3;
    ledger.sessions.active = 1;
    ledger.sessions.incomplete.add(DropReason::CaptureGap, 2);
    let mut inject = InjectStats { sent: 140_000, ..InjectStats::default() };
    inject.failed.add(&nix::errno::Errno::EPERM.into(), 1);
    let mut lost = intercept();
    lost.connected = false;
    lost.disconnects = 1;
    lost.last_error = Some("Connection refused (os error 111)".to_owned());
    let mut report = Report { intercepts: vec![intercept(), lost], ..Report::of(&ledger, &inject) };
    report.capture.kernel_dropped = 1234;
    assert_eq!(complete(&report), include_str!("../../tests/expected/report_losses.txt"));
    assert_eq!(
        short(&report),
        "last 0 s: no client payload, 0 sessions begun, 0 complete; since the start: replayed 99.996 % of client payload (51 235 927 bytes), 19 997 of 20 000 sessions complete (1 still open); 200 \
         bytes dropped: capture_gap 150, memory_limit 50; 1 360 bytes never captured; the kernel dropped 1 234 packets \
         before capture; 100 bytes pending, 1 of 2 intercepts connected, the oldest turn has waited for 12 s, 1 sends failed"
    );
}

#[test]
fn a_run_that_saw_nothing() {
    let (ledger, inject) = (Ledger::default(), InjectStats::default());
    let report = Report::of(&ledger, &inject);
    assert_eq!(complete(&report), include_str!("../../tests/expected/report_nothing.txt"));
    assert!(short(&report).contains("intercepts connected; hint: no packet was captured"));
}

#[test]
fn faults_that_are_present_are_told_again() {
    let (ledger, inject) = (good(), InjectStats::default());
    let finding = |name: &'static str, present| FindingStats {
        name,
        concerns: None,
        present,
        begun: "00:21:43".to_owned(),
        seconds: 1234,
        evidence: "31 sessions wait".to_owned(),
        line: format!("{name}: a line"),
    };
    let findings = vec![finding("refused", false), finding("route-missing", true)];
    let report = Report { findings, ..Report::of(&ledger, &inject) };
    let text = short(&report);
    assert!(text.ends_with(" connected; route-missing since 00:21:43: 31 sessions wait"), "{text}");
    let text = complete(&report);
    let expected = "\n  finding of 00:21:43, over after 1 234 s: refused: a line\n  finding of 00:21:43, not over after 1 234 \
                    s: route-missing: a line\n";
    assert!(text.contains(expected), "{text}");
}

#[test]
fn one_missing_byte_is_not_a_hundred_percent() {
    let mut ledger = good();
    ledger.bytes.replayed -= 1;
    ledger.bytes.pending = 1;
    let inject = InjectStats::default();
    let text = short(&Report::of(&ledger, &inject));
    assert!(
        text.contains("; since the start: replayed 99.999 % of client payload (51 234 567 bytes)"),
        "{text}"
    );
}

#[test]
fn a_ledger_out_of_balance_is_reported() {
    let mut ledger = good();
    ledger.bytes.captured += 1;
    let inject = InjectStats::default();
    assert!(complete(&Report::of(&ledger, &inject)).contains("DOES NOT BALANCE"));
}

#[test]
fn bytes_replaced_by_a_module_are_not_missing() {
    let mut ledger = good();
    ledger.bytes.replayed -= 100;
    ledger.bytes.dropped.add(DropReason::Replaced, 100);
    let inject = InjectStats::default();
    let text = short(&Report::of(&ledger, &inject));
    assert!(text.contains("start: replayed 100.000 % of client payload (51 234 467 bytes)"), "{text}");
}

#[test]
fn what_a_module_has_counted_is_shown_by_group() {
    let (mut ledger, inject) = (good(), InjectStats::default());
    ledger.modules.online_bytes = 5000;
    ledger.packets.online_answers = 9;
    let mut counted = module_kit::Report::default();
    counted.group("commands", [("query", 2000)]);
    counted.group("server_errors", [("1146", 1200), ("1062", 3), ("1064", 5)]);
    counted.group("online_errors", [("1146", 1190), ("1205", 1), ("1064", 5)]);
    let mut report = Report::of(&ledger, &inject);
    report.protocols = vec![ProtocolStats { name: "mysql", groups: counted.groups }];
    let text = complete(&report);
    assert!(text.contains(", online_answers 9"), "{text}");
    assert!(text.contains("\n  mysql commands: query 2 000\n"), "{text}");
    let side_by_side = "\n  mysql errors (online / test server): 1146 1 190 / 1 200, 1062 0 / 3, 1205 1 / 0\n  mysql errors \
                        (equally often on both servers): 1064 5\n";
    assert!(text.contains(side_by_side), "{text}");
    assert!(!text.contains("server_errors"), "{text}");
    assert!(text.contains("\n  modules: online_bytes 5 000\n"), "{text}");
}

#[test]
fn errors_that_were_not_captured_are_not_shown_as_none() {
    let (ledger, inject) = (good(), InjectStats::default());
    let mut counted = module_kit::Report::default();
    counted.group("server_errors", [("1146", 1200)]);
    let mut report = Report::of(&ledger, &inject);
    report.protocols = vec![ProtocolStats { name: "mysql", groups: counted.groups }];
    let text = complete(&report);
    assert!(text.contains("(test server; the online server's were not captured): 1146 1 200\n"), "{text}");
}

/// The first line of the report of a good run but for `change`.
fn first_line(change: impl FnOnce(&mut Ledger)) -> String {
    let mut ledger = good();
    change(&mut ledger);
    let inject = InjectStats::default();
    complete(&Report::of(&ledger, &inject)).lines().next().unwrap().to_owned()
}

#[test]
fn whatever_is_lost_is_no_hundred_percent() {
    assert!(first_line(|_| {}).starts_with("replayed 100.000 %"));
    let losses: [fn(&mut Ledger); 6] = [
        |ledger| ledger.sessions.incomplete.add(DropReason::StateLost, 1),
        |ledger| ledger.bytes.dropped.add(DropReason::StateUnknown, 1),
        |ledger| ledger.turns.cut_off = 1,
        |ledger| ledger.gaps.count = 1,
        |ledger| ledger.gaps.bytes = 1,
        |ledger| ledger.packets.captured += 1,
    ];
    for (index, loss) in losses.into_iter().enumerate() {
        let line = first_line(loss);
        assert!(line.starts_with("replayed 99.999 %"), "{index}: {line}");
    }
    let (ledger, inject) = (good(), InjectStats::default());
    let mut report = Report::of(&ledger, &inject);
    report.capture.kernel_dropped = 1;
    assert!(complete(&report).starts_with("replayed 99.999 %"));
    (report.capture.kernel_dropped, report.capture.unread) = (0, 3);
    let text = complete(&report);
    assert!(text.starts_with("replayed 99.999 %"), "{text}");
    assert!(text.lines().next().unwrap().ends_with("; 3 packets were left unread at the end"), "{text}");
}

#[test]
fn what_the_kernel_dropped_counts_although_it_left_no_gap() {
    let (mut ledger, inject) = (good(), InjectStats::default());
    let line = |ledger: &Ledger| {
        let mut report = Report::of(ledger, &inject);
        (report.capture.kernel_received, report.capture.kernel_dropped) = (1000, 750);
        complete(&report).lines().next().unwrap().to_owned()
    };
    let text = line(&ledger);
    assert!(text.starts_with("replayed about 25.000 % of client payload (51 234 567 bytes known)"), "{text}");
    // Gaps that were seen are counted, and more than the estimate.
    (ledger.gaps.count, ledger.gaps.bytes) = (1, 4 * 51_234_567);
    let text = line(&ledger);
    assert!(text.starts_with("replayed 20.000 % of client payload (256 172 835 bytes)"), "{text}");
}

#[test]
fn the_largest_losses_come_first() {
    let line = first_line(|ledger| {
        ledger.bytes.dropped.add(DropReason::StateLost, 85);
        (ledger.bytes.captured, ledger.sessions.replayed) = (ledger.bytes.captured + 85, 19_999);
        ledger.sessions.incomplete.add(DropReason::StateLost, 1);
    });
    let expected = "replayed 99.999 % of client payload (51 234 652 bytes), 19 999 of 20 000 sessions complete; 85 bytes \
                    dropped: state_lost";
    assert_eq!(line, expected);
    let line = first_line(|ledger| {
        for (reason, bytes) in DropReason::ALL.into_iter().zip([1, 2000, 3, 4, 5]) {
            ledger.bytes.dropped.add(reason, bytes);
        }
    });
    let expected = "; 2 013 bytes dropped: joined_mid_turn 2 000, closed_by_server 5, no_answer 4, others 4";
    assert!(line.ends_with(expected), "{line}");
    let line = first_line(|ledger| ledger.sessions.incomplete.add(DropReason::ClosedByServer, 2));
    assert!(line.ends_with("; 2 sessions incomplete: closed_by_server"), "{line}");
}
