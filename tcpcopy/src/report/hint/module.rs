//! What protocol modules report: refused logins, commands that were not sent, errors that only one server makes.

use super::super::number::Grouped;
use super::super::{ProtocolStats, Report};
use crate::ledger::DropReason;
use crate::protocols::Registration;

/// Errors are reported if the test server sent one of them so many times more than the online server.
const ERRORS_MORE: u64 = 10;

/// ER_HOST_NOT_PRIVILEGED, ER_ACCESS_DENIED_ERROR.
const HOST_REFUSED: &str = "1130";
const ACCESS_DENIED: &str = "1045";

/// The hints of each protocol, and those about modules that gave up.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    let mut hints = Vec::new();
    hints.extend(refused_logins(report));
    hints.extend(gave_up(report));
    for protocol in &report.protocols {
        hints.extend(left_out(report, protocol));
        hints.extend(state_lost(protocol));
        hints.extend(errors(report, protocol));
    }
    hints
}

/// The test server does not let the clients' addresses in.
pub(super) fn is_host_refused(report: &Report<'_>) -> bool {
    report.protocols.iter().any(|protocol| refused_hosts(protocol) > 0)
}

/// A module knows which state was lost with its connections.
pub(super) fn has_lost_state(report: &Report<'_>) -> bool {
    report.protocols.iter().any(|protocol| state_lost(protocol).is_some())
}

fn refused_hosts(protocol: &ProtocolStats) -> u64 {
    ["refused_connections", "server_errors"].iter().map(|group| protocol.count(group, HOST_REFUSED)).sum()
}

/// Logins that the test server refused, by cause.
fn refused_logins(report: &Report<'_>) -> Option<String> {
    if is_host_refused(report) {
        return Some(
            "the test server does not admit the addresses of some clients (error 1130): create its users there for these \
             addresses, or for any ('app'@'%'), and grant them the same rights"
                .to_owned(),
        );
    }
    if !report.lost(DropReason::LoginFailed) {
        return None;
    }
    let users = "put the passwords that the users have on the test server into a file for --config";
    let any =
        |group: &str, name: &str| report.protocols.iter().any(|protocol| protocol.count(group, name) > 0);
    let cause = if any("left_out", "accounts") {
        format!(
            "account statements of production were not copied, so passwords may have been changed there since the copy \
             began: change them on the test server, or copy such statements (--copy-accounts); {users}"
        )
    } else if any("server_errors", ACCESS_DENIED) {
        format!("error 1045 (wrong password, or no such user): {users}, and create the users that it lacks")
    } else {
        format!("{users}, and create the users that it lacks")
    };
    let manuals = manuals(report);
    Some(format!("the test server refused logins, the log names each user and the reason; {cause}{manuals}"))
}

/// ` (docs/MYSQL.md)`: the manuals of the protocols of this run.
fn manuals(report: &Report<'_>) -> String {
    let of_services = report.services.iter().filter_map(|service| Registration::named(service.protocol?));
    let mut manuals: Vec<_> = of_services.map(|registration| registration.manual).collect();
    manuals.sort_unstable();
    manuals.dedup();
    if manuals.is_empty() { String::new() } else { format!(" ({})", manuals.join(", ")) }
}

/// Sessions that a module could not follow.
fn gave_up(report: &Report<'_>) -> Option<String> {
    if !report.lost(DropReason::ModuleFailed) {
        return None;
    }
    // Nothing else answers to a login.
    let logged_in = report
        .protocols
        .iter()
        .flat_map(|protocol| protocol.counters("logins"))
        .any(|(outcome, count)| count > 0 && !outcome.starts_with("refused"));
    let other =
        if logged_in { "" } else { "; if the service of -x uses another protocol, set --protocol PORT=none" };
    Some(format!("a protocol module gave up some sessions: the log has the reason{other}"))
}

/// The groups in which modules count commands that were not sent.
const LEFT_OUT: [&str; 2] = ["left_out", "commands_left_out"];

/// The cures for commands that were not sent, by kind.
const CURES: [(&str, &str); 2] = [
    (
        "unknown_statement",
        "statements that were prepared before tcpcopy began are known if it may ask the online server: add the lines \
         '[online.mysql]' and 'user = \"NAME\"', an account that may only read, to --config",
    ),
    ("accounts", "account statements are copied with --copy-accounts"),
];

/// Commands that were not sent, most frequent kind first.
fn left_out(report: &Report<'_>, protocol: &ProtocolStats) -> Option<String> {
    // Commands that depend on lost state have a hint of their own.
    let mut kinds: Vec<_> = LEFT_OUT
        .iter()
        .flat_map(|group| protocol.counters(group))
        .filter(|(kind, count)| *count > 0 && *kind != "state_lost")
        .collect();
    if kinds.is_empty() {
        return None;
    }
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let total = kinds.iter().map(|(_, count)| count).sum();
    let list: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {}", Grouped(*count))).collect();
    let queried =
        report.services.iter().all(|service| service.protocol != Some(protocol.name) || service.is_queried);
    let applies =
        |kind: &str| kinds.iter().any(|(name, _)| *name == kind) && !(kind == "unknown_statement" && queried);
    let cures: String =
        CURES.iter().filter(|(kind, _)| applies(kind)).map(|(_, cure)| format!("; {cure}")).collect();
    let manual = Registration::named(protocol.name)
        .map(|registration| format!("; {} explains each kind", registration.manual))
        .unwrap_or_default();
    Some(format!(
        "{}: {} commands were not sent: {}{}",
        protocol.name,
        Grouped(total),
        list.join(", "),
        if cures.is_empty() { manual } else { cures }
    ))
}

/// State that was lost with its connections, and what depended on it.
fn state_lost(protocol: &ProtocolStats) -> Option<String> {
    let kinds: Vec<String> = protocol
        .counters("state_lost")
        .filter(|(_, count)| *count > 0)
        .map(|(kind, count)| format!("{kind} {}", Grouped(count)))
        .collect();
    let left_out = protocol.count("left_out", "state_lost");
    let not_run = format!(
        "{} commands that depend on it were not run (--on-lost-state run runs them)",
        Grouped(left_out)
    );
    if kinds.is_empty() {
        return (left_out > 0).then(|| {
            format!(
                "{}: the online server does not tell all state of sessions that are older than tcpcopy; {not_run}",
                protocol.name
            )
        });
    }
    let not_run = if left_out > 0 { format!("; {not_run}") } else { String::new() };
    Some(format!(
        "{}: connections to the test server broke, and with them state that cannot be made again ({}){not_run}; the log of the \
         test service says why it closes",
        protocol.name,
        kinds.join(", ")
    ))
}

/// Errors that the test server sends much more often than the online server.
fn errors(report: &Report<'_>, protocol: &ProtocolStats) -> Option<String> {
    if report.ledger.packets.online_answers == 0 {
        return None;
    }
    let errors = protocol.errors();
    let worst = errors.iter().max_by_key(|errors| errors.test.saturating_sub(errors.online))?;
    if worst.test < worst.online * 2 + ERRORS_MORE {
        return None;
    }
    let more = errors.iter().map(|errors| errors.test.saturating_sub(errors.online)).sum();
    let name =
        Registration::named(protocol.name).and_then(|registration| (registration.error_name)(worst.code));
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    Some(format!(
        "{}: {} errors on the test server only, most often {}{name}: {} there, {} on the online server; do its data, its user \
         rights and its version differ?",
        protocol.name,
        Grouped(more),
        worst.code,
        Grouped(worst.test),
        Grouped(worst.online)
    ))
}
