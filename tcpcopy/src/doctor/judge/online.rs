//! This host: rights, interfaces, the services and their clients.

use super::super::check::Check;
use super::super::facts::{Facts, ServiceFacts};
use crate::findings::{Finding, Setup};

/// Packets that a capture must have missed: fewer may have come before it began.
const MISSED: u64 = 3;

pub(super) fn rights(facts: &Facts) -> Check {
    let failures = [&facts.capture, &facts.sending];
    match failures.into_iter().flatten().find(|failure| !failure.is_usage) {
        None => Check::good("rights", "packets can be captured and sent"),
        Some(failure) => Check::fault("rights", "rights", failure.text.clone(), None),
    }
}

pub(super) fn interfaces(facts: &Facts) -> Check {
    if let Some(failure) = facts.capture.iter().chain(&facts.sending).find(|failure| failure.is_usage) {
        return Check::fault("interfaces", "flags", failure.text.clone(), None);
    }
    let is_down = |state: &common_os::io::interfaces::State| !state.is_up;
    if let Some((name, _)) = facts.interfaces.iter().find(|(_, state)| state.as_ref().is_some_and(is_down)) {
        let text = format!("interface {name} of -i is down, or its cable is out");
        return Check::fault("interfaces", "interface-down", text, Some(format!("ip link set {name} up")));
    }
    let mtu = |state: &Option<common_os::io::interfaces::State>| state.as_ref().and_then(|state| state.mtu);
    let shown = facts.interfaces.iter().map(|(name, state)| match mtu(state) {
        Some(mtu) => format!("{name} is up, MTU {mtu}"),
        None => name.clone(),
    });
    match &shown.collect::<Vec<_>>()[..] {
        [] => Check::good("interfaces", "all are captured on"),
        all => Check::good("interfaces", all.join("; ")),
    }
}

pub(super) fn service(facts: &Facts, service: &ServiceFacts, setup: &Setup) -> Check {
    let port = service.port;
    match service.listens {
        Some(true) => Check::good("service", format!("port {port}: somebody listens")),
        None => Check::unchecked("service", format!("port {port} is on another host")),
        // Something else may take the connections: a rule of the firewall, or another network namespace.
        Some(false) if facts.clients.talking > 0 => Check::good(
            "service",
            format!("port {port}: its clients are answered, by no socket of this host"),
        ),
        Some(false) => Check::finding(
            "service",
            Finding::NobodyListens,
            &format!("no socket listens on port {port}"),
            &setup.place(Some(service.transfer), None),
        ),
    }
}

pub(super) fn clients(facts: &Facts, setup: &Setup) -> Check {
    let clients = &facts.clients;
    if facts.capture.is_some() {
        return Check::unchecked("clients", "nothing can be captured");
    }
    if facts.targets.iter().any(|target| target.is_copied) {
        return Check::unchecked(
            "clients",
            "a target of -x is one of these services, so its packets are not captured",
        );
    }
    let passing: u64 = clients.passing.iter().map(|(_, count)| count).sum();
    match (clients.captured, passing) {
        (0, MISSED..) => {
            let evidence =
                format!("packets to the services of -x: {passing}, captured: 0; {}", missed(facts));
            Check::finding("clients", Finding::NotCaptured, &evidence, &setup.place(None, None))
        }
        (0, _) => Check::unchecked(
            "clients",
            "no packet of a client came; clients may be idle, or use another host",
        ),
        (count, _) if count == clients.loopback && !facts.loopback_is_copied => {
            let text = "all clients have loopback addresses, from which nothing is copied; give them another address with -H, or name \
                        the address of the service in -x";
            Check::fault("clients", "loopback-clients", text.to_owned(), None)
        }
        (count, _) => Check::good("clients", format!("packets of clients are captured ({count})")),
    }
}

/// What leaves the packets of clients out.
fn missed(facts: &Facts) -> String {
    let is_captured_on = |name: &str| facts.interfaces.iter().any(|(known, _)| known == name);
    let names: Vec<_> = facts.clients.passing.iter().map(|(name, _)| name.as_str()).collect();
    if facts.interfaces.is_empty() || names.iter().any(|name| is_captured_on(name)) {
        return "they come where -i captures, so -F leaves them out".to_owned();
    }
    format!("give tcpcopy -i {}", names.join(","))
}
