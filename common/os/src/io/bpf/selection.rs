//! The endpoints and answers that a filter selects, in the order in which its program tests them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Service, ServiceAnswers};
use common_core::payload_prefix::PayloadPrefix;

/// Endpoints by port.
pub(super) enum Ports {
    /// Every endpoint.
    All,
    /// The listed endpoints.
    Listed(BTreeMap<u16, Addresses>),
}

/// The wanted addresses of one port.
#[derive(Default)]
pub(super) struct Addresses {
    pub(super) any: bool,
    pub(super) v4: BTreeSet<u32>,
    pub(super) v6: BTreeSet<[u32; 4]>,
}

impl Ports {
    pub(super) fn new(endpoints: impl Iterator<Item = (u16, Option<IpAddr>)>) -> Self {
        let mut ports: BTreeMap<u16, Addresses> = BTreeMap::new();
        for (port, ip) in endpoints {
            let addresses = ports.entry(port).or_default();
            match ip {
                None => addresses.any = true,
                Some(IpAddr::V4(ip)) => {
                    addresses.v4.insert(ip.to_bits());
                }
                Some(IpAddr::V6(ip)) => {
                    addresses.v6.insert(words(ip.to_bits()));
                }
            }
        }
        Self::Listed(ports)
    }

    /// The same ports, each at any address.
    pub(super) fn at_any_address(&self) -> Self {
        match self {
            Self::All => Self::All,
            Self::Listed(ports) => Self::new(ports.keys().map(|port| (*port, None))),
        }
    }
}

/// How exactly a program selects packets. The kernel limits the length of a program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    Addresses,
    AnyAddress,
    NoTargets,
    AllPorts,
}

/// From the most exact to the coarsest.
pub(super) const DETAILS: [Detail; 4] =
    [Detail::Addresses, Detail::AnyAddress, Detail::NoTargets, Detail::AllPorts];

impl Detail {
    pub(super) fn ports(self, services: &[Service]) -> Ports {
        match self {
            Self::Addresses => Ports::new(services.iter().map(|service| (service.port, service.ip))),
            Self::AnyAddress | Self::NoTargets => {
                Ports::new(services.iter().map(|service| (service.port, None)))
            }
            Self::AllPorts => Ports::All,
        }
    }

    pub(super) fn names_targets(self) -> bool {
        matches!(self, Self::Addresses | Self::AnyAddress)
    }
}

/// Services whose answers are wanted if they begin with one of the same prefixes, and whole for the same of them.
#[derive(Default)]
pub(super) struct AnswerGroup {
    pub(super) services: Vec<Service>,
    /// Shorter ones first.
    pub(super) prefixes: Vec<PayloadPrefix>,
    /// Those of segments that are wanted whole.
    pub(super) whole: BTreeSet<PayloadPrefix>,
}

impl AnswerGroup {
    /// One group for each set of prefixes. Services of one port share all of their prefixes.
    pub(super) fn by_prefixes(answers: &[ServiceAnswers]) -> Vec<Self> {
        let mut ports: BTreeMap<u16, Self> = BTreeMap::new();
        for each in answers.iter().filter(|each| !each.answers.is_empty()) {
            ports.entry(each.service.port).or_default().add(each);
        }
        let mut list: Vec<Self> = Vec::new();
        for port in ports.into_values() {
            match list
                .iter_mut()
                .find(|other| (&other.prefixes, &other.whole) == (&port.prefixes, &port.whole))
            {
                Some(other) => other.services.extend(port.services),
                None => list.push(port),
            }
        }
        list
    }

    /// A single group with all services and all prefixes.
    pub(super) fn all_in_one(answers: &[ServiceAnswers]) -> Vec<Self> {
        let mut all = Self::default();
        answers.iter().for_each(|each| all.add(each));
        if all.prefixes.is_empty() { Vec::new() } else { vec![all] }
    }

    fn add(&mut self, answers: &ServiceAnswers) {
        self.services.push(answers.service);
        self.prefixes.extend(answers.answers);
        self.prefixes.sort_by_key(|prefix| (prefix.len(), *prefix));
        self.prefixes.dedup();
        self.whole.extend(answers.whole);
    }
}

fn words(bits: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (bits >> shift) as u32)
}
