//! Scenarios in simulated time: each fault begins after an hour of success, is found within ten seconds, and is over within ten
//! seconds of its end. Services that are idle, slow, bursty or lossy have no findings.

use std::time::Duration;

use common_core::time::Time;

use super::*;

const HOUR: u32 = 3600;
/// Seconds until a fault must be found, and until its end must be.
const PROMPT: u32 = 10;

/// What a second adds to the counters.
type Second = fn(&mut Sample, u32);

/// A run: its counters, and the network as a probe finds it.
struct Run {
    detector: Detector,
    sample: Sample,
    /// The result of a probe, and whether intercept sees its answers.
    own: Own,
    seen: (u64, u64),
    /// A probe under way, and when it is done.
    probing: Option<(ProbeWanted, Time)>,
    probes: u32,
}

fn setup() -> Setup {
    Setup {
        targets: vec![Target { service: 80, address: endpoint("10.0.0.17:8080") }],
        intercepts: vec![endpoint("10.0.0.18:36524")],
        has_filter: false,
        tunnels: false,
        started: 0,
    }
}

fn endpoint(text: &str) -> common_core::flow::Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

impl Run {
    fn new() -> Self {
        let sample = Sample {
            intercepts: vec![Intercept { connected: true, ..Intercept::default() }],
            targets: vec![TargetSample::default()],
            ..Sample::default()
        };
        let detector = Detector::new(setup());
        Self { detector, sample, own: Own::Accepted, seen: (0, 0), probing: None, probes: 0 }
    }

    /// A second passes; returns what begins and ends.
    fn second(&mut self, number: u32, adds: Second) -> Vec<Change> {
        self.sample.now = self.sample.now + Duration::from_secs(1);
        adds(&mut self.sample, number);
        if let Some((wanted, at)) = self.probing.take_if(|(_, at)| *at <= self.sample.now) {
            let _ = at;
            let probe = Probe { request: wanted.request, own: self.own.clone(), foreign: wanted.foreign };
            self.sample.targets[wanted.target].probe = Some(probe);
        }
        let changes = self.detector.tick(self.sample.clone());
        if let Some(wanted) = self.detector.poll_probe() {
            self.probes += 1;
            counters(&mut self.sample).probed += self.seen.0;
            counters(&mut self.sample).probed_local += self.seen.1;
            let takes = if self.own == Own::Accepted { 0 } else { 3 };
            self.probing = Some((wanted, self.sample.now + Duration::from_secs(takes)));
        }
        changes
    }

    /// So many seconds pass, in which nothing may begin or end.
    fn quiet(&mut self, seconds: u32, adds: Second) {
        for number in 0..seconds {
            let changes = self.second(number, adds);
            assert!(changes.is_empty(), "second {number}: {changes:?}");
        }
    }

    /// The seconds until the first change, and the change.
    fn until_change(&mut self, adds: Second) -> (u32, Vec<Change>) {
        for number in 0..3 * PROMPT {
            let changes = self.second(number, adds);
            if !changes.is_empty() {
                return (number + 1, changes);
            }
        }
        (u32::MAX, Vec::new())
    }
}

fn counters(sample: &mut Sample) -> &mut crate::report::InterceptCounters {
    &mut sample.intercepts[0].counters
}

fn target(sample: &mut Sample) -> &mut crate::ledger::TargetCounts {
    &mut sample.targets[0].counts
}

fn reported(sample: &mut Sample) {
    sample.intercepts[0].connected = true;
    sample.intercepts[0].reports += 1;
}

/// Clients open connections and send requests, and production serves them.
fn clients(sample: &mut Sample) {
    sample.opened += 10;
    sample.online_syn_acks += 10;
    sample.client_packets += 40;
    sample.sent += 60;
    reported(sample);
}

fn healthy(sample: &mut Sample, _: u32) {
    clients(sample);
    let counts = target(sample);
    counts.connected += 10;
    counts.received += 50;
    counts.answer_bytes += 10_000;
    counts.awaiting = 1;
    sample.replayed += 1000;
    sample.lag = 0;
    sample.targets[0].hop = None;
    counters(sample).captured += 50;
    counters(sample).forwarded += 50;
}

/// Nothing comes back.
fn silent(sample: &mut Sample, _: u32) {
    clients(sample);
    target(sample).sent_again += 20;
    target(sample).awaiting += 10;
}

/// The same, while the server repeats answers of which the acknowledgements do not reach it.
fn repeating(sample: &mut Sample, second: u32) {
    silent(sample, second);
    target(sample).received += 5;
    target(sample).received_again += 5;
    counters(sample).captured += 5;
    counters(sample).forwarded += 5;
}

fn wrong_filter(sample: &mut Sample, second: u32) {
    silent(sample, second);
    // It takes a second or two until intercept counts them.
    counters(sample).passing += if second > 1 { 20 } else { 0 };
}

fn no_neighbour(sample: &mut Sample, second: u32) {
    silent(sample, second);
    let ip = "10.0.0.99".parse().unwrap();
    sample.targets[0].hop = Some(Hop { ip, interface: "eth1".to_owned(), is_unresolved: true });
}

/// The last acknowledgements are still under way when the fault begins, and the kernel refuses some packets.
fn no_gateway(sample: &mut Sample, second: u32) {
    no_neighbour(sample, second);
    sample.failed += 60;
    sample.errno = Some("EHOSTUNREACH (No route to host)".to_owned());
    target(sample).received += if second < 2 { 3 } else { 0 };
    if second < 2 {
        sample.targets[0].hop = None;
    }
}

fn translated(sample: &mut Sample, second: u32) {
    silent(sample, second);
    counters(sample).captured += 20;
    counters(sample).unrouted += 20;
}

fn not_linked(sample: &mut Sample, second: u32) {
    silent(sample, second);
    sample.intercepts[0].connected = false;
    sample.intercepts[0].last_error = Some("Connection refused".to_owned());
    sample.intercepts[0].reports -= 1;
}

fn intercept_stopped(sample: &mut Sample, second: u32) {
    silent(sample, second);
    sample.intercepts[0].reports -= 1;
}

fn refusing(sample: &mut Sample, _: u32) {
    clients(sample);
    target(sample).refused += 10;
    target(sample).received += 10;
    counters(sample).captured += 10;
    counters(sample).forwarded += 10;
}

fn forwarding(sample: &mut Sample, _: u32) {
    clients(sample);
    let counts = target(sample);
    (counts.connected, counts.reset, counts.received) =
        (counts.connected + 10, counts.reset + 10, counts.received + 20);
    counters(sample).captured += 20;
    counters(sample).forwarded += 20;
    counters(sample).relayed += 20;
}

fn resetting(sample: &mut Sample, second: u32) {
    let relayed = counters(sample).relayed;
    forwarding(sample, second);
    counters(sample).relayed = relayed;
}

fn hanging(sample: &mut Sample, _: u32) {
    clients(sample);
    let counts = target(sample);
    (counts.connected, counts.received, counts.awaiting) =
        (counts.connected + 10, counts.received + 30, counts.awaiting + 10);
    counters(sample).captured += 30;
    counters(sample).forwarded += 30;
}

/// The kernel has acknowledged the last requests, and all clients wait.
fn hanging_without_a_word(sample: &mut Sample, _: u32) {
    reported(sample);
    target(sample).awaiting = 20;
}

fn shared(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    counters(sample).shared += 20;
}

/// The test server answers SYNs for connections that this tcpcopy has not opened.
fn holding_others(sample: &mut Sample, second: u32) {
    silent(sample, second);
    counters(sample).unproved += 3;
}

fn nobody_online(sample: &mut Sample, second: u32) {
    silent_clients(sample, second);
    sample.opened += 3;
    sample.client_packets += 3;
}

/// No client at all; intercept reports.
fn silent_clients(sample: &mut Sample, _: u32) {
    target(sample).awaiting = 0;
    reported(sample);
}

fn flooded(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    sample.opened += 1000;
    sample.online_syn_acks += 1000;
    sample.client_packets += 1000;
}

fn failing_sends(sample: &mut Sample, second: u32) {
    silent(sample, second);
    sample.sent -= 60;
    sample.failed += 60;
    sample.errno = Some("EPERM (Operation not permitted)".to_owned());
}

fn passing_by(sample: &mut Sample, second: u32) {
    silent_clients(sample, second);
    sample.unseen += if second > 2 { 30 } else { 0 };
}

fn overflowing(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    sample.kernel_dropped += 5;
}

fn at_the_limit(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    sample.memory_dropped += 5000;
}

fn losing_answers(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    counters(sample).overflowed += 1;
}

/// A fault, what a probe meets, how often intercept sees the probe answered (to this host, to its own), and the finding.
type Case = (Second, Own, (u64, u64), Finding);

const CASES: [Case; 25] = [
    (silent, Own::Accepted, (0, 1), Finding::RouteMissing),
    (silent, Own::Unanswered, (1, 1), Finding::RouteMissing),
    (silent, Own::Accepted, (0, 0), Finding::SourcesDropped),
    (silent, Own::Unanswered, (1, 0), Finding::SourcesDropped),
    (silent, Own::Unanswered, (0, 0), Finding::TargetSilent),
    (repeating, Own::Accepted, (0, 0), Finding::SourcesDropped),
    (repeating, Own::Unanswered, (0, 0), Finding::TargetSilent),
    (translated, Own::Accepted, (0, 0), Finding::OtherAddress),
    (holding_others, Own::Accepted, (0, 1), Finding::OldConnections),
    (wrong_filter, Own::Accepted, (0, 0), Finding::InterceptMisses),
    (no_gateway, Own::Failed(String::new()), (0, 0), Finding::NeighbourUnknown),
    (no_neighbour, Own::Unanswered, (0, 0), Finding::NeighbourUnknown),
    (not_linked, Own::Accepted, (0, 0), Finding::InterceptAway),
    (intercept_stopped, Own::Accepted, (0, 0), Finding::InterceptAway),
    (refusing, Own::Accepted, (0, 0), Finding::Refused),
    (forwarding, Own::Accepted, (0, 0), Finding::AssistantForwards),
    (resetting, Own::Accepted, (0, 0), Finding::Reset),
    (hanging, Own::Accepted, (0, 0), Finding::ServerHangs),
    (hanging_without_a_word, Own::Accepted, (0, 0), Finding::ServerHangs),
    (shared, Own::Accepted, (0, 0), Finding::TwoTcpcopies),
    (nobody_online, Own::Accepted, (0, 0), Finding::NobodyListens),
    (flooded, Own::Accepted, (0, 0), Finding::SynFlood),
    (failing_sends, Own::Accepted, (0, 0), Finding::SendsFail),
    (passing_by, Own::Accepted, (0, 0), Finding::NotCaptured),
    (overflowing, Own::Accepted, (0, 0), Finding::CaptureOverflow),
];

#[test]
fn every_fault_after_an_hour_of_success_is_found_and_so_is_its_end() {
    let more = [
        (at_the_limit as Second, Own::Accepted, (0, 0), Finding::MemoryLimit),
        (losing_answers, Own::Accepted, (0, 0), Finding::AnswersLost),
    ];
    for (index, (fault, own, seen, expected)) in CASES.into_iter().chain(more).enumerate() {
        let mut run = Run::new();
        (run.own, run.seen) = (own, seen);
        run.quiet(HOUR, healthy);
        assert_eq!(run.probes, 0, "no probe while all is well");
        let (seconds, changes) = run.until_change(fault);
        let [Change::Begun(finding, line)] = &changes[..] else {
            panic!("{index} {expected:?}: {changes:?}")
        };
        assert_eq!(*finding, expected, "{index}: {line}");
        assert!(seconds <= PROMPT, "{index} {expected:?}: after {seconds} s");
        assert!(
            line.contains("on the ") && line.ends_with(&format!("TROUBLESHOOTING.md#{}", expected.name())),
            "{line}"
        );
        // The fault goes on: its first seconds are over.
        for number in 100..400 {
            let changes = run.second(number, fault);
            assert!(changes.is_empty(), "{index} {expected:?}, second {number}: {changes:?}");
        }
        assert!(run.probes <= 6, "{expected:?}: {} probes in five minutes", run.probes);
        let (seconds, changes) = run.until_change(healthy);
        assert!(
            matches!(&changes[..], [Change::Ended(finding, _)] if *finding == expected),
            "{index} {expected:?}: {changes:?}"
        );
        assert!(seconds <= PROMPT, "{index} {expected:?}: over after {seconds} s");
        run.quiet(HOUR, healthy);
    }
}

#[test]
fn every_fault_is_found_from_the_start() {
    for (index, (fault, own, seen, expected)) in CASES.into_iter().enumerate() {
        let mut run = Run::new();
        (run.own, run.seen) = (own, seen);
        // The counters that a fault takes back must exist.
        (run.sample.intercepts[0].reports, run.sample.sent) = (1, 60);
        let (seconds, changes) = run.until_change(fault);
        assert!(
            matches!(&changes[..], [Change::Begun(finding, _)] if *finding == expected),
            "{index} {expected:?}: {changes:?}"
        );
        assert!(seconds <= PROMPT, "{index} {expected:?}: after {seconds} s");
    }
}

/// Agent mode: nothing is probed, and nothing is said of routes and next hops.
#[test]
fn in_agent_mode_only_the_test_host_and_the_connection_can_be_at_fault() {
    let cases: [(Second, Finding); 4] = [
        (silent, Finding::TunnelSilent),
        (no_neighbour, Finding::TunnelSilent),
        (failing_sends, Finding::TunnelFull),
        (not_linked, Finding::InterceptAway),
    ];
    for (fault, expected) in cases {
        let mut run = Run::new();
        run.detector = Detector::new(Setup { tunnels: true, ..setup() });
        run.quiet(HOUR, healthy);
        let (seconds, changes) = run.until_change(fault);
        assert!(
            matches!(&changes[..], [Change::Begun(finding, _)] if *finding == expected),
            "{expected:?}: {changes:?}"
        );
        assert!(seconds <= PROMPT, "{expected:?}: after {seconds} s");
        let (_, changes) = run.until_change(healthy);
        assert!(
            matches!(&changes[..], [Change::Ended(finding, _)] if *finding == expected),
            "{expected:?}: {changes:?}"
        );
        assert_eq!(run.probes, 0);
    }
}

#[test]
fn what_no_probe_can_tell_is_not_claimed() {
    let mut run = Run::new();
    run.detector = Detector::new(Setup { intercepts: vec![endpoint("[fd00::18]:36524")], ..setup() });
    run.quiet(HOUR, healthy);
    let (_, changes) = run.until_change(silent);
    assert!(matches!(&changes[..], [Change::Begun(Finding::CopiesUnanswered, _)]), "{changes:?}");
}

/// One request a minute.
fn once_a_minute(sample: &mut Sample, second: u32) {
    if second.is_multiple_of(60) {
        sample.opened += 1;
        sample.online_syn_acks += 1;
        sample.client_packets += 3;
        sample.sent += 5;
        target(sample).connected += 1;
        target(sample).received += 4;
        target(sample).answer_bytes += 100;
    }
    reported(sample);
}

fn bursts(sample: &mut Sample, second: u32) {
    if second.is_multiple_of(97) {
        (0..400).for_each(|_| healthy(sample, second));
        // The burst loses packets, too.
        target(sample).sent_again += 300;
    } else {
        target(sample).awaiting = 0;
        reported(sample);
    }
}

/// Every third second everything is lost.
fn lossy(sample: &mut Sample, second: u32) {
    if second.is_multiple_of(3) { silent(sample, second) } else { healthy(sample, second) }
}

/// The server is restarted once an hour, which takes three seconds.
fn restarted(sample: &mut Sample, second: u32) {
    if second % HOUR < 3 { refusing(sample, second) } else { healthy(sample, second) }
}

/// A control connection that is established again within two seconds, now and then.
fn reconnected(sample: &mut Sample, second: u32) {
    if second % 100 < 2 && second >= 100 { not_linked(sample, second) } else { healthy(sample, second) }
}

/// Clients ask, and production answers 30 s later; so does the test server.
fn polled_for_long(sample: &mut Sample, second: u32) {
    reported(sample);
    if second.is_multiple_of(30) {
        sample.client_packets += 10;
        target(sample).received += 20;
        target(sample).answer_bytes += 500;
        target(sample).awaiting = 0;
    }
}

/// Clients that a firewall of production drops: a scan.
fn scanned(sample: &mut Sample, second: u32) {
    if second.is_multiple_of(10) {
        sample.opened += 1;
        sample.client_packets += 1;
    }
    reported(sample);
}

/// One packet is lost, and nobody speaks afterwards.
fn one_loss(sample: &mut Sample, second: u32) {
    if second % 60 == 1 {
        target(sample).sent_again += 1;
    }
    once_a_minute(sample, second);
}

/// All connections are reset once a minute, as by a proxy that is reloaded.
fn broken_now_and_then(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    if second.is_multiple_of(60) {
        target(sample).reset += 50;
        target(sample).connected += 50;
    }
}

/// The copy is behind for half a minute after a burst, and catches up.
fn behind_for_a_while(sample: &mut Sample, second: u32) {
    healthy(sample, second);
    let phase = u64::from(second % 200);
    sample.lag = if phase < 40 { phase } else { 80_u64.saturating_sub(phase) };
}

#[test]
fn a_service_without_faults_has_no_findings() {
    let all: [(&str, Second); 12] = [
        ("healthy", healthy),
        ("idle", silent_clients),
        ("slow", once_a_minute),
        ("bursts", bursts),
        ("lossy", lossy),
        ("restarted", restarted),
        ("reconnected", reconnected),
        ("polled for long", polled_for_long),
        ("scanned", scanned),
        ("one loss", one_loss),
        ("broken now and then", broken_now_and_then),
        ("behind for a while", behind_for_a_while),
    ];
    for (name, service) in all {
        let mut run = Run::new();
        run.sample.intercepts[0].reports = 1;
        for number in 0..2 * HOUR {
            let changes = run.second(number, service);
            assert!(changes.is_empty(), "{name}, second {number}: {changes:?}");
        }
        assert_eq!(run.probes, 0, "{name}");
    }
}

#[test]
fn a_lag_that_grows_for_a_minute_is_told_until_it_is_made_up() {
    let mut run = Run::new();
    run.quiet(HOUR, healthy);
    let falls_behind: Second = |sample, second| {
        healthy(sample, second);
        sample.lag = u64::from(second / 3);
    };
    let mut begun = None;
    for number in 0..120 {
        let changes = run.second(number, falls_behind);
        if !changes.is_empty() {
            assert!(matches!(&changes[..], [Change::Begun(Finding::CopyLags, _)]), "{changes:?}");
            begun = begun.or(Some(number));
        }
    }
    assert!(begun.is_some_and(|second| (55..75).contains(&second)), "{begun:?}");
    let (_, changes) = run.until_change(healthy);
    assert!(matches!(&changes[..], [Change::Ended(Finding::CopyLags, _)]), "{changes:?}");
}

#[test]
fn a_cause_that_becomes_another_one_is_told_again() {
    let mut run = Run::new();
    run.own = Own::Unanswered;
    run.quiet(HOUR, healthy);
    let (_, changes) = run.until_change(silent);
    assert!(matches!(&changes[..], [Change::Begun(Finding::TargetSilent, _)]), "{changes:?}");
    let mut names = Vec::new();
    for number in 0..20 {
        names.extend(run.second(number, no_neighbour).into_iter().map(|change| match change {
            Change::Begun(finding, _) => ("begun", finding),
            Change::Ended(finding, _) => ("ended", finding),
        }));
    }
    names.sort_unstable();
    assert_eq!(names, [("begun", Finding::NeighbourUnknown), ("ended", Finding::TargetSilent)]);
}

#[test]
fn a_fault_of_one_target_names_it_and_leaves_the_others_alone() {
    let mut run = Run::new();
    let other = Target { service: 81, address: endpoint("10.0.0.17:81") };
    run.detector = Detector::new(Setup { targets: vec![setup().targets[0], other], ..setup() });
    run.sample.targets.push(TargetSample::default());
    let both: Second = |sample, second| {
        healthy(sample, second);
        sample.targets[1].counts.received += 10;
    };
    run.quiet(HOUR, both);
    let one_refuses: Second = |sample, second| {
        refusing(sample, second);
        sample.targets[1].counts.received += 10;
    };
    let (_, changes) = run.until_change(one_refuses);
    let [Change::Begun(Finding::Refused, line)] = &changes[..] else { panic!("{changes:?}") };
    assert!(line.contains("(10.0.0.17:8080: ") && line.contains("`ss -Hltn 'sport = :8080'`"), "{line}");
    run.quiet(60, one_refuses);
}

#[test]
fn memory_is_bounded() {
    let mut run = Run::new();
    for round in 0..200 {
        let fault: Second = if round % 2 == 0 { refusing } else { overflowing };
        (0..10).for_each(|number| drop(run.second(number, fault)));
        (0..10).for_each(|number| drop(run.second(number, healthy)));
    }
    assert!(run.detector.episodes().len() <= 64);
}

/// Every finding has a section in the manual with its meaning, evidence, cure and check, and a lab case that exists.
#[test]
fn every_finding_is_documented_and_has_a_case() {
    let manual = include_str!("../../../docs/TROUBLESHOOTING.md");
    for finding in Finding::ALL {
        let name = finding.name();
        let section =
            manual.split_once(&format!("\n## {name}\n")).unwrap_or_else(|| panic!("{name} has no section")).1;
        let section = section.split("\n## ").next().unwrap();
        for part in ["**Evidence.**", "**Cure**", "**Check.**"] {
            assert!(section.contains(part), "{name}: {part}");
        }
        let place =
            Setup { targets: vec![Target { service: 80, address: endpoint("10.0.0.17:80") }], ..setup() };
        let place = place.place(None, Some(("10.0.0.17".parse().unwrap(), "eth0".to_owned())));
        let cure = finding.cure(&place);
        assert!(!cure.contains('{'), "{cure}");
        assert!(
            section.contains(cure.split('`').nth(1).unwrap()),
            "{name}: the manual has another cure than {cure}"
        );
        let case =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/cases").join(finding.case());
        assert!(
            finding.case() == "simulated" || case.with_extension("sh").exists(),
            "{name}: no {}",
            finding.case()
        );
    }
    let sections = manual.lines().filter_map(|line| line.strip_prefix("## "));
    for section in sections {
        assert!(Finding::ALL.iter().any(|finding| finding.name() == section), "{section} is no finding");
    }
}

#[test]
fn cures_name_the_family_of_the_target() {
    let v6 = Setup {
        targets: vec![Target { service: 80, address: endpoint("[fd00::17]:80") }],
        intercepts: vec![endpoint("[fd00::18]:36524")],
        ..setup()
    };
    let place = v6.place(Some(0), None);
    let cure = Finding::RouteMissing.cure(&place);
    assert!(cure.contains("route-setup add --port 80 --via fd00::18"), "{cure}");
    assert!(Finding::AssistantForwards.cure(&place).contains("net.ipv6.conf.all.forwarding=0"));
}
