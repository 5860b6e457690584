//! Collects the facts: what this host's kernel tells, then what probes show.

use std::net::{IpAddr, UdpSocket};

use common_core::flow::Endpoint;
use common_os::clock::Clock;
use common_os::io::injector::Injector;
use common_os::io::interfaces;
use common_os::io::way::{Ways, path_mtu};
use common_os::io::witness::Witness;
use common_os::process::rights::{Account, Needs, Rights};
use common_os::process::start::StartError;

use super::DoctorError;
use super::clients::Onlooker;
use super::facts::{
    Clients, Facts, InterceptFacts, LinkError, LinkErrorKind, OpenFailure, ServiceFacts, TargetFacts,
};
use super::probing::{Attempt, Probing, foreign_source};
use super::sockets::Sockets;
use super::source::{self, Source};
use crate::cli::Config;
use crate::control::{ConnLog, ControlConns, ControlError, Intercepts, Introduction};
use crate::driver::captures::{Captures, all_clients};
use crate::driver::vantage::Vantage;
use crate::driver::{copied_target, random};

/// Targets that are examined.
const TARGETS: usize = 16;

/// Interfaces on which packets of clients are counted.
const WITNESSES: usize = 256;

/// Headers without options, which do not count towards the segment size: IPv4, IPv6.
const HEADERS: (u16, u16) = (40, 60);

/// Collects all facts. Rights are given up once the sockets are open.
pub(super) fn examine(config: &Config, clock: Clock) -> Result<Facts, DoctorError> {
    let local = interfaces::local_addresses();
    let vantage = Vantage::of(config, &local);
    if let Some(reason) = vantage.refusal(config) {
        return Err(DoctorError::Mirrored(reason));
    }
    let sockets = Sockets::read();
    let captures = Captures::open(config, vantage, &local, 0);
    let injector = (!config.tunnel).then(|| open_injector(config)).transpose();
    let mut witnesses = witnesses();
    let mut ways = Ways::open().ok();
    let mut facts = Facts {
        capture: captures.as_ref().err().map(failure),
        sending: injector.as_ref().err().map(failure),
        interfaces: config.interfaces.iter().map(|name| (name.clone(), interfaces::state(name))).collect(),
        services: services(config, vantage, sockets.as_ref()),
        packets: (config.mss.0.saturating_add(HEADERS.0), config.mss.1.saturating_add(HEADERS.1)),
        targets: targets(config, &local),
        tunnels: config.tunnel,
        loopback_is_copied: !config.multiplying.addresses.is_empty()
            || !config.multiplying.loopback.is_empty(),
        ..Facts::default()
    };
    give_up_rights(config)?;

    // The sockets of further workers (-C) are closed, so the first one gets all packets.
    let captures = captures.ok().and_then(|all| all.into_iter().next());
    let conns = conns(config, captures.as_ref().map_or(0, Captures::count), clock);
    let mut probing = Probing::new(clock, conns, captures, injector.ok().flatten())?;
    // What a tunnel contains, no filter sees.
    let program = (!config.decapsulates).then(|| all_clients(config, vantage));
    for (_, witness) in &mut witnesses {
        // Without it only the finding of a wrong -i is missing.
        let _ = witness.count(program.as_ref());
    }
    let mut onlooker = Onlooker::new(config, &local);
    probing.look(&mut |captured| onlooker.see(captured))?;
    let connected = connected(config, sockets.as_ref());
    connected.iter().for_each(|client| onlooker.note(client.ip));
    let passing = witnesses.into_iter().map(|(name, mut witness)| (name, witness.counted()));
    facts.clients = onlooker.finish(passing.filter(|(_, count)| *count > 0).collect());
    facts.intercepts = intercepts(config, probing.conns());
    if !config.tunnel {
        probe(config, &mut facts, &mut probing, &connected)?;
    }
    facts.counters = probing.counters();
    for target in &mut facts.targets {
        let Some(ip) = target.address.map(|address| address.ip) else { continue };
        (target.way, target.mtu) = (ways.as_mut().and_then(|ways| ways.find(ip)), path_mtu(ip).ok());
    }
    Ok(facts)
}

/// Probes all targets that are no production service.
fn probe(
    config: &Config,
    facts: &mut Facts,
    probing: &mut Probing,
    connected: &[Endpoint],
) -> Result<(), DoctorError> {
    let attempt = |(index, target): (usize, &TargetFacts)| {
        let address = target.address.filter(|_| !target.is_copied)?;
        Some((index, attempt(config, facts, address, connected)))
    };
    let (indexes, mut attempts): (Vec<_>, Vec<_>) =
        facts.targets.iter().enumerate().filter_map(attempt).unzip();
    probing.probe(&mut attempts)?;
    for (index, attempt) in indexes.into_iter().zip(attempts) {
        if let Some(target) = facts.targets.get_mut(index) {
            target.probe = Some(attempt.probed);
        }
    }
    Ok(())
}

/// The clients' ends of all connections of the services.
fn connected(config: &Config, sockets: Option<&Sockets>) -> Vec<Endpoint> {
    let of = |sockets: &Sockets| -> Vec<Endpoint> {
        let transfers = config.transfers.iter();
        transfers.flat_map(|transfer| sockets.clients(transfer.online_ip, transfer.online_port)).collect()
    };
    sockets.map(of).unwrap_or_default()
}

/// One for each interface.
fn witnesses() -> Vec<(String, Witness)> {
    let names = interfaces::names().into_iter().take(WITNESSES);
    let mut names: Vec<String> = names.filter(|name| name != "lo").collect();
    // An interface has an entry for each of its addresses.
    names.sort_unstable();
    names.dedup();
    names.into_iter().filter_map(|name| Some((name.clone(), Witness::open_on(&name).ok()?))).collect()
}

fn failure(error: &StartError) -> OpenFailure {
    OpenFailure { text: error.to_string(), is_usage: error.is_usage() }
}

fn open_injector(config: &Config) -> Result<Injector, StartError> {
    Ok(Injector::open_on(config.targets().iter().map(|target| target.ip), &config.output)?)
}

fn give_up_rights(config: &Config) -> Result<(), DoctorError> {
    let ports = config.intercepts.iter().map(|intercept| intercept.port);
    let targets = config.transfers.iter().map(|transfer| transfer.target.port);
    let needs = Needs { connects_to: ports.chain(targets).collect(), ..Needs::default() };
    Rights::new(Account::choose(config.process.user.as_deref())?).give_up_in_thread(&needs)?;
    Ok(())
}

fn conns(config: &Config, first_token: usize, clock: Clock) -> ControlConns {
    let introduction = Introduction {
        instance: random(),
        targets: config.targets(),
        tunnels: config.tunnel,
        ..Introduction::default()
    };
    let intercepts = Intercepts { addresses: &config.intercepts, key: config.key.as_ref() };
    ControlConns::new(intercepts, introduction, first_token, clock.now(), &ConnLog::new(false))
}

fn services(config: &Config, vantage: Vantage, sockets: Option<&Sockets>) -> Vec<ServiceFacts> {
    let mut services: Vec<ServiceFacts> = Vec::new();
    for (index, transfer) in config.transfers.iter().enumerate() {
        if services.iter().any(|service| service.port == transfer.online_port) {
            continue;
        }
        let sockets = sockets.filter(|_| vantage == Vantage::Host);
        let listens = sockets.map(|sockets| sockets.listens(transfer.online_ip, transfer.online_port));
        services.push(ServiceFacts { port: transfer.online_port, transfer: index, listens });
    }
    services
}

fn targets(config: &Config, local: &[IpAddr]) -> Vec<TargetFacts> {
    let copied = copied_target(config, local);
    let mut targets: Vec<TargetFacts> = Vec::new();
    for (index, transfer) in config.transfers.iter().enumerate() {
        let address = transfer.target;
        if targets.len() < TARGETS && targets.iter().all(|target| target.address != Some(address)) {
            targets.push(TargetFacts {
                transfer: index,
                address: Some(address),
                is_copied: copied == Some(address),
                is_local: address.ip.is_loopback() || local.contains(&address.ip),
                is_fixed: config.output.links.iter().any(|link| link.destination == address.ip),
                ..TargetFacts::default()
            });
        }
    }
    targets
}

fn intercepts(config: &Config, conns: &ControlConns) -> Vec<InterceptFacts> {
    let errors = conns.errors();
    let all = config.intercepts.iter().zip(conns.account()).zip(errors);
    all.map(|((address, account), error)| InterceptFacts {
        address: *address,
        connected: account.connected,
        has_key: config.key.is_some(),
        error: error.map(|error| LinkError {
            text: error.to_string(),
            hint: error.hint(),
            kind: match error {
                ControlError::NoAnswer => LinkErrorKind::Silent,
                error if error.is_lasting() => LinkErrorKind::Unsuited,
                _ => LinkErrorKind::Away,
            },
        }),
    })
    .collect()
}

/// The probe of a target.
fn attempt(config: &Config, facts: &Facts, target: Endpoint, taken: &[Endpoint]) -> Attempt {
    let number = random();
    let isn = (number >> 32) as u32;
    let linked = facts.intercepts.iter().any(|intercept| intercept.connected);
    let can_send = linked && facts.sending.is_none();
    let source = source(config, &facts.clients, target).filter(|_| can_send);
    let syn = source.and_then(|source| Some((source, source::flow(source.ip(), target, taken, number)?)));
    let foreign = foreign_source(config.intercepts.iter().map(|intercept| intercept.ip), target.ip);
    let foreign = foreign.filter(|_| can_send);
    let foreign = foreign.and_then(|ip| source::flow(ip, target, taken, number));
    Attempt::new(target, syn, foreign, isn)
}

/// The address of the probe: one that copies will have, if any is known.
fn source(config: &Config, clients: &Clients, target: Endpoint) -> Option<Source> {
    let pool = config.multiplying.addresses.pick(target.ip, 0).map(Source::Pool);
    let client = if target.ip.is_ipv4() { clients.v4 } else { clients.v6 }.map(Source::Client);
    pool.or(client).or_else(|| own_address(target.ip).map(Source::Own))
}

/// The address that this host's kernel would take.
fn own_address(target: IpAddr) -> Option<IpAddr> {
    let any: IpAddr = if target.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
    let socket = UdpSocket::bind((any, 0)).ok()?;
    socket.connect((target, 9)).ok()?;
    Some(socket.local_addr().ok()?.ip())
}
