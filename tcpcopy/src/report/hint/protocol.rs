//! Sessions that cannot be copied unchanged because of their protocol.

use super::super::number::Grouped;
use super::super::{Report, Service};
use super::{applying, module};
use crate::ledger::DropReason;

const LOOPBACK: &str = "clients on 127.0.0.1 or ::1 cannot be copied as they are, because no other host can answer them: give their \
                        copies an address with -H, or exclude them with the service's own address in -x";

/// A protocol whose servers keep state for each connection, recognised by its usual port.
struct Stateful {
    port: u16,
    name: &'static str,
    /// The client setting that turns TLS off.
    plain: Option<&'static str>,
    /// The server sends a new challenge at each login, so a copied login fails.
    challenges: bool,
}

const STATEFUL: [Stateful; 12] = [
    Stateful { port: 3306, name: "MySQL", plain: Some("--ssl-mode=DISABLED"), challenges: true },
    Stateful { port: 5432, name: "PostgreSQL", plain: Some("sslmode=disable"), challenges: true },
    Stateful { port: 27017, name: "MongoDB", plain: Some("tls=false"), challenges: true },
    Stateful { port: 6379, name: "Redis", plain: None, challenges: false },
    Stateful { port: 1433, name: "SQL Server", plain: None, challenges: true },
    Stateful { port: 1521, name: "Oracle", plain: None, challenges: true },
    Stateful { port: 5672, name: "AMQP", plain: None, challenges: false },
    Stateful { port: 1883, name: "MQTT", plain: None, challenges: false },
    Stateful { port: 25, name: "SMTP", plain: None, challenges: false },
    Stateful { port: 143, name: "IMAP", plain: None, challenges: false },
    Stateful { port: 21, name: "FTP", plain: None, challenges: false },
    Stateful { port: 22, name: "SSH", plain: None, challenges: true },
];

impl Stateful {
    fn of(service: &Service) -> Option<&'static Self> {
        STATEFUL.iter().find(|protocol| protocol.port == service.port)
    }
}

/// Why sessions were not copied, or not copied correctly.
pub(super) fn hints(report: &Report<'_>) -> Vec<String> {
    let mut hints: Vec<String> = tls(report).into_iter().collect();
    hints.extend(applying([(report.ledger.packets.loopback > 0, LOOPBACK)]));
    hints.extend(state_lost(report));
    hints.extend(state_unknown(report));
    hints.extend(report.services.iter().filter_map(|service| without_module(report, service)));
    hints
}

fn tls(report: &Report<'_>) -> Option<String> {
    if !report.lost(DropReason::Tls) {
        return None;
    }
    let plain = report.services.iter().find_map(|service| {
        let protocol = Stateful::of(service)?;
        Some((protocol.name, protocol.plain?))
    });
    Some(match plain {
        Some((name, setting)) => format!(
            "TLS cannot be copied: let the clients of the service in -x connect without TLS ({name}: {setting}), or \
             terminate TLS in front of the service and name the plain port there in -x"
        ),
        None => "TLS cannot be copied: terminate TLS in front of the service (proxy, load balancer), and name the plain \
                 port behind it in -x"
            .to_owned(),
    })
}

/// The connection with the state broke: the rest of the session would mean something else on a new one.
fn state_lost(report: &Report<'_>) -> Option<String> {
    let (bytes, sessions) = dropped(report, DropReason::StateLost)?;
    if module::has_lost_state(report) {
        return None;
    }
    Some(format!(
        "{} of {} sessions ended early, {} bytes: their connection broke, and with it the state that the rest depends on \
         (a login, a database, an upgrade); the log of the test service says why it closes{}",
        Grouped(sessions),
        Grouped(report.ledger.sessions.seen),
        Grouped(bytes),
        stateless(report)
    ))
}

/// The session is older than tcpcopy, so its state is not known.
fn state_unknown(report: &Report<'_>) -> Option<String> {
    let (bytes, sessions) = dropped(report, DropReason::StateUnknown)?;
    let (bytes, sessions) = (Grouped(bytes), Grouped(sessions));
    if report.services.iter().all(|service| service.is_queried) {
        return Some(format!(
            "{bytes} bytes of sessions that are older than tcpcopy ({sessions} so far) were left out, because their clients \
             sent them before the online server had reported their state"
        ));
    }
    let redis = |service: &Service| service.protocol == Some("redis") && !service.is_queried;
    let remedy = if report.services.iter().any(redis) {
        "; with a read-only account in [online.redis] of --config tcpcopy can query their databases"
    } else {
        stateless(report)
    };
    Some(format!(
        "sessions that are older than tcpcopy were dropped ({sessions} so far, {bytes} bytes), because their state is not \
         known; they are copied once their clients connect again{remedy}"
    ))
}

/// The remedy for a service that is not known to keep state for each connection.
fn stateless(report: &Report<'_>) -> &'static str {
    let unknown = |service: &Service| service.protocol.is_none() && Stateful::of(service).is_none();
    if report.services.iter().any(unknown) {
        "; if its protocol keeps no state for a connection, set --stateless PORT"
    } else {
        ""
    }
}

/// Bytes and sessions. A session counts once it has ended.
fn dropped(report: &Report<'_>, reason: DropReason) -> Option<(u64, u64)> {
    let ledger = report.ledger;
    let counts = (ledger.bytes.dropped.get(reason), ledger.sessions.incomplete.get(reason));
    report.lost(reason).then_some(counts)
}

/// A service whose protocol keeps state for each connection, but no module restores it.
fn without_module(report: &Report<'_>, service: &Service) -> Option<String> {
    let protocol = Stateful::of(service).filter(|_| service.protocol.is_none())?;
    let reasons = [DropReason::StateLost, DropReason::StateUnknown, DropReason::ClosedByServer];
    if !reasons.into_iter().any(|reason| report.lost(reason)) {
        return None;
    }
    let logins = if protocol.challenges { "; logins with a password fail" } else { "" };
    let remedy = match service.module {
        Some(module) => format!("use its protocol module (--protocol {}={module})", service.port),
        None if protocol.challenges => {
            "start tcpcopy before the clients, and let the test server trust their addresses".to_owned()
        }
        None => "start tcpcopy before the clients".to_owned(),
    };
    Some(format!(
        "port {} ({}) is copied without a protocol module: a session ends where its connection breaks, and one that is older \
         than tcpcopy is not copied{logins}: {remedy}",
        service.port, protocol.name
    ))
}
