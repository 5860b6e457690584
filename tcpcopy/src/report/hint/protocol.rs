//! What cannot be copied as it is, because of the protocol that it is in.

use super::super::number::Grouped;
use super::super::{Report, Service};
use super::applying;
use crate::ledger::DropReason;

const LOOPBACK: &str = "clients on 127.0.0.1 or ::1 cannot be copied, for no other host can answer there: let them use an \
                        address of this host, or leave them out with the service's own address in -x";

/// A protocol whose servers keep something for each connection, known by its usual port.
struct Stateful {
    port: u16,
    name: &'static str,
    /// How its clients are told to do without TLS.
    plain: Option<&'static str>,
    /// The server asks for another answer at each login: a copied one fails.
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

/// Sessions that the protocol keeps from being copied, or copied right.
pub(super) fn hints(account: &Report<'_>) -> Vec<String> {
    let mut hints: Vec<String> = tls(account).into_iter().collect();
    hints.extend(applying([
        (
            account.lost(DropReason::LoginFailed),
            "the test server refused logins: the log names each user and the reason; give their passwords on the test \
             server in a file, --config FILE, docs/MYSQL.md and docs/REDIS.md show how, and create users that it does not have",
        ),
        (
            account.lost(DropReason::ModuleFailed),
            "a protocol module could not go on with some sessions: the log says why; if the service of -x speaks another \
             protocol, say so with --protocol PORT=none",
        ),
        (account.ledger.packets.loopback > 0, LOOPBACK),
    ]));
    hints.extend(state_lost(account));
    hints.extend(state_unknown(account));
    hints.extend(account.services.iter().filter_map(|service| without_module(account, service)));
    hints.extend(errors(account));
    hints
}

fn tls(account: &Report<'_>) -> Option<String> {
    if !account.lost(DropReason::Tls) {
        return None;
    }
    let plain = account.services.iter().find_map(|service| {
        let protocol = Stateful::of(service)?;
        Some((protocol.name, protocol.plain?))
    });
    Some(match plain {
        Some((name, setting)) => format!(
            "TLS cannot be copied: let the clients of the service in -x connect without it ({name}: {setting}), or end it \
             in front of the service and name the plain port there in -x"
        ),
        None => "TLS cannot be copied: end it in front of the service (proxy, load balancer), and name the plain port \
                 behind that in -x"
            .to_owned(),
    })
}

/// The connection broke on which the test server had heard what must be known to understand the rest.
fn state_lost(account: &Report<'_>) -> Option<String> {
    let (bytes, sessions) = dropped(account, DropReason::StateLost)?;
    Some(format!(
        "{} of {} sessions ended early, {} bytes: their connection broke, and the test server had been told what it \
         needs to understand the rest (a login, a database, an upgrade); the test service's log says why it closes{}",
        Grouped(sessions),
        Grouped(account.ledger.sessions.seen),
        Grouped(bytes),
        stateless(account)
    ))
}

/// The session began before tcpcopy did.
fn state_unknown(account: &Report<'_>) -> Option<String> {
    let (bytes, sessions) = dropped(account, DropReason::StateUnknown)?;
    let redis = |service: &&Service| service.protocol == Some("redis");
    if account.services.iter().all(|service| service.is_asked) {
        return Some(format!(
            "of sessions that are older than tcpcopy ({} so far), {} bytes were left out: what their clients said before \
             the online server had told about them",
            Grouped(sessions),
            Grouped(bytes)
        ));
    }
    let cure = if account.services.iter().filter(redis).any(|service| !service.is_asked) {
        "; a read-only account in [online.redis] of --config tells their databases"
    } else {
        stateless(account)
    };
    Some(format!(
        "sessions that are older than tcpcopy were dropped ({} so far, {} bytes), for what their clients had said before is \
         not known; they are copied once their clients connect again{cure}",
        Grouped(sessions),
        Grouped(bytes)
    ))
}

/// What to do about sessions of a service of which it is not known that it keeps something for each connection.
fn stateless(account: &Report<'_>) -> &'static str {
    let unknown = |service: &Service| service.protocol.is_none() && Stateful::of(service).is_none();
    if account.services.iter().any(unknown) {
        "; if its protocol keeps nothing for a connection, say so with --stateless PORT"
    } else {
        ""
    }
}

/// Bytes and sessions; the sessions count once they have ended.
fn dropped(account: &Report<'_>, reason: DropReason) -> Option<(u64, u64)> {
    let ledger = account.ledger;
    let counts = (ledger.bytes.dropped.get(reason), ledger.sessions.incomplete.get(reason));
    account.lost(reason).then_some(counts)
}

/// A service whose protocol keeps something for each connection, and no module to say it again.
fn without_module(account: &Report<'_>, service: &Service) -> Option<String> {
    let protocol = Stateful::of(service).filter(|_| service.protocol.is_none())?;
    let reasons = [DropReason::StateLost, DropReason::StateUnknown, DropReason::ClosedByServer];
    if !reasons.into_iter().any(|reason| account.lost(reason)) {
        return None;
    }
    let logins = if protocol.challenges { "; logins with a password fail" } else { "" };
    let cure = match service.module {
        Some(module) => format!("use its protocol module (--protocol {}={module})", service.port),
        None if protocol.challenges => {
            "start tcpcopy before the clients, and let the test server trust their addresses".to_owned()
        }
        None => "start tcpcopy before the clients".to_owned(),
    };
    Some(format!(
        "port {} ({}) is copied without a protocol module: a session ends where its connection breaks, and one that is older \
         than tcpcopy is not copied{logins}: {cure}",
        service.port, protocol.name
    ))
}

/// An error is notable from so many more than the online server's on.
const ERRORS_MORE: u64 = 10;

/// The test server answers with an error what the online server does not.
fn errors(account: &Report<'_>) -> Option<String> {
    let heard = account.ledger.packets.online_answers > 0;
    let protocols = account.protocols.iter().filter(|_| heard);
    let all =
        protocols.flat_map(|protocol| protocol.errors().into_iter().map(|errors| (protocol.name, errors)));
    let worst = all.max_by_key(|(_, errors)| errors.test.saturating_sub(errors.online));
    let (protocol, errors) = worst.filter(|(_, errors)| errors.test >= errors.online * 2 + ERRORS_MORE)?;
    Some(format!(
        "{protocol}: the test server answered with error {} {} times, the online server {} times: do its data, its users' \
         rights and its version differ?",
        errors.code,
        Grouped(errors.test),
        Grouped(errors.online)
    ))
}
