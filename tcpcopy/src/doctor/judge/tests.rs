//! Each fault from the facts that show it.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_os::io::interfaces::State;
use common_os::io::way::{Station, Way};

use super::super::check::{Outcome, first_fault};
use super::super::facts::{
    Clients, InterceptFacts, LinkError, LinkErrorKind, OpenFailure, Probed, Reply, ServiceFacts, TargetFacts,
};
use super::super::source::Source;
use super::*;
use crate::findings::{Own, Target};

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 168, 1, 7));

fn endpoint(text: &str) -> Endpoint {
    text.parse::<std::net::SocketAddr>().unwrap().into()
}

fn setup() -> Setup {
    Setup {
        targets: vec![Target { service: 80, address: endpoint("10.0.0.17:8080") }],
        intercepts: vec![endpoint("10.0.0.18:36524")],
        ..Setup::default()
    }
}

fn passing(count: u64) -> Vec<(String, u64)> {
    vec![("eth1".into(), count)]
}

/// Nothing is wrong; the test shows its difference.
fn facts(change: impl FnOnce(&mut Facts)) -> Facts {
    let way = Way {
        interface: "eth0".into(),
        hop: [10, 0, 0, 17].into(),
        is_gateway: false,
        station: Station::Known([2; 6]),
    };
    let probed =
        Probed { source: Some(Source::Client(CLIENT)), reply: Some(Reply::Accepted), ..Probed::default() };
    let mut facts = Facts {
        interfaces: vec![("eth0".into(), Some(State { is_up: true, mtu: Some(1500) }))],
        services: vec![ServiceFacts { port: 80, transfer: 0, listens: Some(true) }],
        clients: Clients {
            captured: 9,
            talking: 8,
            passing: passing(9),
            v4: Some(CLIENT),
            ..Clients::default()
        },
        packets: (1500, 1500),
        targets: vec![TargetFacts {
            address: Some(endpoint("10.0.0.17:8080")),
            way: Some(way),
            mtu: Some(1500),
            probe: Some(probed),
            ..TargetFacts::default()
        }],
        intercepts: vec![InterceptFacts {
            address: endpoint("10.0.0.18:36524"),
            connected: true,
            has_key: false,
            error: None,
        }],
        ..Facts::default()
    };
    change(&mut facts);
    facts
}

/// The probe is not answered.
fn silent(own: Own, change: impl FnOnce(&mut Facts)) -> Facts {
    facts(|facts| {
        facts.targets[0].probe = Some(Probed {
            source: Some(Source::Client(CLIENT)),
            own: Some(own),
            foreign: Some([10, 0, 0, 18].into()),
            ..Probed::default()
        });
        change(facts);
    })
}

fn probe(facts: &mut Facts) -> &mut Probed {
    facts.targets[0].probe.as_mut().unwrap()
}

/// The hop and the name of the first fault.
fn first(facts: &Facts) -> Option<(&'static str, &'static str)> {
    let checks = judge(facts, &setup());
    let name = first_fault(&checks)?.name;
    let is_fault = |check: &&Check| matches!(check.outcome, Outcome::Fault(_));
    Some((checks.iter().find(is_fault).unwrap().hop, name))
}

#[test]
fn a_healthy_way_has_ticks_only() {
    let checks = judge(&facts(|_| {}), &setup());
    let hops: Vec<_> = checks.iter().map(|check| check.hop).collect();
    assert_eq!(
        hops,
        ["rights", "interfaces", "service", "clients", "route", "intercept", "probe", "assistant"]
    );
    assert!(checks.iter().all(|check| matches!(check.outcome, Outcome::Good(_))), "{checks:?}");
}

#[test]
fn faults_of_this_host() {
    let failure = |is_usage| Some(OpenFailure { text: "no".into(), is_usage });
    for (facts, expected) in [
        (facts(|facts| facts.capture = failure(false)), ("rights", "rights")),
        (facts(|facts| facts.sending = failure(true)), ("interfaces", "flags")),
        (
            facts(|facts| facts.interfaces[0].1 = Some(State { is_up: false, mtu: None })),
            ("interfaces", "interface-down"),
        ),
        (
            facts(|facts| {
                facts.services[0].listens = Some(false);
                facts.clients = Clients { captured: 5, ..Clients::default() };
            }),
            ("service", "nobody-listens"),
        ),
        (
            facts(|facts| facts.clients = Clients { passing: passing(3), ..Clients::default() }),
            ("clients", "not-captured"),
        ),
        (facts(|facts| facts.clients.loopback = 9), ("clients", "loopback-clients")),
    ] {
        assert_eq!(first(&facts), Some(expected));
    }
}

#[test]
fn what_misses_the_clients_is_named() {
    for (passes, expected) in [("eth1", "give tcpcopy -i eth1"), ("eth0", "-F leaves them out")] {
        let clients = Clients { passing: vec![(passes.to_owned(), 3)], ..Clients::default() };
        let checks = judge(&facts(|facts| facts.clients = clients), &setup());
        assert!(first_fault(&checks).unwrap().text.contains(expected), "{checks:?}");
    }
}

#[test]
fn what_is_no_fault_of_this_host() {
    for facts in [
        facts(|_| {}),
        facts(|facts| facts.clients = Clients { passing: passing(2), ..Clients::default() }),
        facts(|facts| facts.services[0].listens = Some(false)),
        facts(|facts| facts.services[0].listens = None),
        facts(|facts| facts.clients.loopback = 8),
        facts(|facts| (facts.clients.loopback, facts.loopback_is_copied) = (9, true)),
    ] {
        assert_eq!(first(&facts), None);
    }
}

#[test]
fn faults_of_the_way_to_the_target() {
    let station = |facts: &mut Facts| {
        facts.targets[0].way.as_mut().unwrap().station = Station::Silent;
    };
    for (facts, name) in [
        (silent(Own::Failed("no".into()), station), "neighbour-unknown"),
        (facts(|facts| facts.targets[0].way = None), "sends-fail"),
        (facts(|facts| facts.targets[0].mtu = Some(1400)), "mtu"),
        (facts(|facts| facts.targets[0].is_copied = true), "target-is-copied"),
    ] {
        assert_eq!(first(&facts), Some(("route", name)));
    }
    let chosen = facts(|facts| (facts.targets[0].is_fixed, facts.targets[0].way) = (true, None));
    assert_eq!(first(&chosen), None, "-x names the next hop");
}

#[test]
fn faults_of_the_control_connection() {
    for (kind, name, command) in [
        (LinkErrorKind::Unsuited, "intercept-refuses", None),
        (LinkErrorKind::Away, "intercept-away", Some("intercept -d ")),
        (LinkErrorKind::Silent, "intercept-away", Some("ip addr; nft ")),
    ] {
        let facts = facts(|facts| {
            facts.intercepts[0].connected = false;
            facts.intercepts[0].error = Some(LinkError { text: "no".into(), hint: "do", kind });
            facts.targets[0].probe = Some(Probed { own: Some(Own::Accepted), ..Probed::default() });
        });
        let checks = judge(&facts, &setup());
        let cure = first_fault(&checks).unwrap().cure.as_ref().map(|cure| &cure.command[..13]);
        assert_eq!(cure, command);
        assert_eq!(first(&facts), Some(("intercept", name)));
    }
}

#[test]
fn faults_of_the_answers() {
    let none = |_: &mut Facts| {};
    for (facts, name) in [
        (silent(Own::Accepted, |facts| facts.counters.probed_local = 1), "route-missing"),
        (silent(Own::Accepted, none), "sources-dropped"),
        (silent(Own::Accepted, |facts| probe(facts).foreign = None), "copies-unanswered"),
        (silent(Own::Unanswered, none), "target-silent"),
        (silent(Own::Refused, none), "refused"),
        (facts(|facts| probe(facts).reply = Some(Reply::Refused)), "refused"),
        (silent(Own::Accepted, |facts| facts.counters.passing = 2), "intercept-misses"),
        (silent(Own::Accepted, |facts| facts.counters.unrouted = 3), "other-address"),
        (silent(Own::Accepted, |facts| probe(facts).failed = Some("EPERM".into())), "sends-fail"),
    ] {
        assert_eq!(first(&facts), Some(("probe", name)));
    }
    let relayed = facts(|facts| facts.counters.relayed = 1);
    assert_eq!(first(&relayed), Some(("assistant", "assistant-forwards")));
}

/// A route for the clients' addresses does not concern this host's own.
#[test]
fn without_a_client_the_route_of_the_answers_is_not_judged() {
    let facts = silent(Own::Accepted, |facts| {
        facts.counters.probed_local = 1;
        probe(facts).source = Some(Source::Own([10, 0, 0, 16].into()));
    });
    assert_eq!(first(&facts), None);
}

#[test]
fn with_a_tunnel_neither_route_nor_probe_is_checked() {
    let facts = facts(|facts| {
        facts.tunnels = true;
        (facts.targets[0].way, facts.targets[0].probe) = (None, None);
    });
    assert_eq!(first(&facts), None);
}
