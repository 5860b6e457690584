//! Addresses of copied clients out of networks that are theirs alone (`--tunnel`): each client has one, and keeps it.
//!
//! The bits behind the prefix are the client's own where they are free, so that clients of one network are mapped one to one and
//! recognised easily. Ports stay. Several workers need not agree: they never have clients with the same port.

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Duration;

use common_core::network::{Network, Networks};
use common_core::time::Time;
use foldhash::fast::RandomState;
use hashbrown::hash_map::{Entry, HashMap};

use super::classify::Class;

/// The most clients of a family that have an address. Each takes about 100 bytes.
const CLIENTS_MAX: usize = 1 << 18;

/// Places that are looked at before all that are free are searched.
const ATTEMPTS: u64 = 64;

/// Clients that send nothing for so long beyond the limits of sessions give their address back, which is looked for no more often
/// than this.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);

/// The addresses of all clients of a worker.
pub(super) struct OwnAddresses {
    networks: Networks,
    by_client: HashMap<IpAddr, Given, RandomState>,
    /// The addresses that are given.
    taken: HashMap<IpAddr, (), RandomState>,
    /// How many clients of each family have an address.
    given: [usize; 2],
    /// A client has no session any more if it has sent nothing for so long.
    idle: Duration,
    search_at: Time,
}

/// The address of one client.
struct Given {
    address: IpAddr,
    used: Time,
}

impl OwnAddresses {
    pub(super) fn new(networks: Networks, idle: Duration) -> Self {
        let (by_client, taken) = (HashMap::default(), HashMap::default());
        Self { networks, by_client, taken, given: [0; 2], idle, search_at: Time::ZERO }
    }

    /// The class of a segment, with the address of the copy. `None` if there is no address for its client.
    pub(super) fn translate(&mut self, now: Time, class: Class) -> Option<Class> {
        match class {
            Class::Client { mut flow, transfer } => {
                flow.client.ip = self.assign(now, flow.client.ip)?;
                Some(Class::Client { flow, transfer })
            }
            Class::OnlineSynAck { mut flow } => {
                Some(self.find(flow.client.ip).map_or(Class::Unrelated, |ip| {
                    flow.client.ip = ip;
                    Class::OnlineSynAck { flow }
                }))
            }
            Class::OnlineReset { mut flow } => {
                Some(self.find(flow.client.ip).map_or(Class::Unrelated, |ip| {
                    flow.client.ip = ip;
                    Class::OnlineReset { flow }
                }))
            }
            Class::OnlineAnswer { mut flow } => {
                Some(self.find(flow.client.ip).map_or(Class::Unrelated, |ip| {
                    flow.client.ip = ip;
                    Class::OnlineAnswer { flow }
                }))
            }
            Class::Own | Class::Unrelated => Some(class),
        }
    }

    fn find(&self, client: IpAddr) -> Option<IpAddr> {
        self.by_client.get(&client).map(|given| given.address)
    }

    /// The address of this client, which gets one if it has none.
    fn assign(&mut self, now: Time, client: IpAddr) -> Option<IpAddr> {
        if let Some(given) = self.by_client.get_mut(&client) {
            given.used = now;
            return Some(given.address);
        }
        let network = self.networks.of(client)?;
        if self.is_full(network, client) {
            self.take_back(now);
        }
        let address = self.free(network, client)?;
        self.taken.insert(address, ());
        if let Entry::Vacant(place) = self.by_client.entry(client) {
            place.insert(Given { address, used: now });
            self.given[family(client)] += 1;
        }
        Some(address)
    }

    /// No client of this one's family can have an address of the network.
    fn is_full(&self, network: Network, client: IpAddr) -> bool {
        let hosts = usize::try_from(network.host_mask()).unwrap_or(usize::MAX).saturating_sub(1);
        self.given[family(client)] >= hosts.min(CLIENTS_MAX)
    }

    /// A free address of the network, neither its first nor its last one, which some programs take for no host.
    fn free(&self, network: Network, client: IpAddr) -> Option<IpAddr> {
        if self.is_full(network, client) {
            return None;
        }
        let own = match client {
            IpAddr::V4(ip) => u128::from(ip.to_bits()),
            IpAddr::V6(ip) => ip.to_bits(),
        };
        let mask = network.host_mask();
        let is_free = |number: u128| {
            let number = number & mask;
            let address = network.host(number);
            (number != 0 && number != mask && !self.taken.contains_key(&address)).then_some(address)
        };
        // The same places in every run: a client has the same address again.
        let places = (1..ATTEMPTS).map(|attempt| mixed(own, attempt));
        let found = std::iter::once(own).chain(places).find_map(is_free);
        found.or_else(|| {
            let first = mixed(own, ATTEMPTS);
            (0..CLIENTS_MAX as u128 + 2).find_map(|step| is_free(first.wrapping_add(step)))
        })
    }

    /// Takes back the addresses of clients that have no session any more.
    #[cold]
    fn take_back(&mut self, now: Time) {
        if now < self.search_at {
            return;
        }
        self.search_at = now + SEARCH_PAUSE;
        let (idle, taken, counts) = (self.idle, &mut self.taken, &mut self.given);
        self.by_client.retain(|client, given| {
            let stays = given.used + idle >= now;
            if !stays {
                taken.remove(&given.address);
                counts[family(*client)] -= 1;
            }
            stays
        });
    }
}

/// The place of a client's family in [`OwnAddresses::given`].
fn family(client: IpAddr) -> usize {
    usize::from(client.is_ipv6())
}

/// A number that depends on all bits of both.
fn mixed(client: u128, attempt: u64) -> u128 {
    let hasher = foldhash::fast::FixedState::with_seed(attempt);
    let half = |half: u8| u128::from(hasher.hash_one((client, half)));
    half(0) | half(1) << 64
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use common_core::flow::{Endpoint, Flow};

    use super::*;

    const IDLE: Duration = Duration::from_secs(100);

    fn addresses(v4: &str) -> OwnAddresses {
        let networks = Networks { v4: Some(v4.parse().unwrap()), v6: Some("fd00:12::/64".parse().unwrap()) };
        OwnAddresses::new(networks, IDLE)
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn clients_of_one_network_keep_their_own_bits() {
        let mut addresses = addresses("198.18.0.0/15");
        for (client, expected) in [
            ("10.20.0.11", "198.18.0.11"),
            ("10.21.200.7", "198.19.200.7"),
            ("127.0.0.1", "198.18.0.1"),
            ("2001:db8::77", "fd00:12::77"),
        ] {
            assert_eq!(addresses.assign(at(0), ip(client)), Some(ip(expected)), "{client}");
            assert_eq!(addresses.find(ip(client)), Some(ip(expected)));
        }
        assert_eq!(addresses.find(ip("10.9.9.9")), None);
    }

    #[test]
    fn as_many_clients_as_there_are_addresses_have_one_each_and_the_same_in_every_run() {
        let clients: Vec<IpAddr> =
            (0..254_u32).map(|number| std::net::Ipv4Addr::from_bits((number * 7919) << 8).into()).collect();
        let run = || {
            let mut addresses = addresses("198.18.0.0/24");
            clients.iter().map(|client| addresses.assign(at(0), *client).unwrap()).collect::<Vec<_>>()
        };
        let given = run();
        assert_eq!(given, run());
        let distinct: HashSet<_> = given.iter().copied().collect();
        assert_eq!(distinct.len(), clients.len());
        assert!(!distinct.contains(&ip("198.18.0.0")) && !distinct.contains(&ip("198.18.0.255")));
    }

    #[test]
    fn an_address_is_given_to_another_client_only_after_its_client_was_silent() {
        let mut addresses = addresses("198.18.0.0/30");
        let (one, two, three) = (ip("10.0.0.1"), ip("10.0.0.2"), ip("10.0.0.5"));
        let first = addresses.assign(at(0), one).unwrap();
        let second = addresses.assign(at(50), two).unwrap();
        assert_eq!(addresses.assign(at(90), three), None);
        assert_eq!(addresses.assign(at(91), one), Some(first));
        assert_eq!(addresses.assign(at(145), three), None);
        assert_eq!(addresses.assign(at(160), three), Some(second));
        assert_eq!(addresses.find(two), None);
    }

    #[test]
    fn clients_of_one_family_take_no_place_of_the_other() {
        let mut addresses = addresses("198.18.0.0/24");
        for number in 1..=300_u128 {
            let client = std::net::Ipv6Addr::from_bits(number << 8 | 1).into();
            assert!(addresses.assign(at(0), client).is_some(), "{number}");
        }
        for host in 1..=254 {
            assert!(addresses.assign(at(0), [10, 0, 0, host].into()).is_some(), "{host}");
        }
        assert_eq!(addresses.given, [254, 300]);
        assert_eq!(addresses.assign(at(0), ip("10.0.1.1")), None);
        assert!(addresses.assign(at(200), ip("10.0.1.1")).is_some());
        assert_eq!(addresses.given, [1, 0]);
    }

    #[test]
    fn segments_of_production_belong_to_clients_that_are_known() {
        let mut addresses = addresses("198.18.0.0/15");
        let endpoint = |text: &str| Endpoint::from(text.parse::<std::net::SocketAddr>().unwrap());
        let flow = |client| Flow { client: endpoint(client), server: endpoint("10.0.0.17:80") };
        let (before, after) = (flow("10.20.0.11:4000"), flow("198.18.0.11:4000"));
        let mut translate = |class| addresses.translate(at(0), class);
        assert_eq!(translate(Class::OnlineSynAck { flow: before }), Some(Class::Unrelated));
        let client = Class::Client { flow: before, transfer: 3 };
        assert_eq!(translate(client), Some(Class::Client { flow: after, transfer: 3 }));
        assert_eq!(
            translate(Class::OnlineSynAck { flow: before }),
            Some(Class::OnlineSynAck { flow: after })
        );
        assert_eq!(translate(Class::OnlineReset { flow: before }), Some(Class::OnlineReset { flow: after }));
        assert_eq!(
            translate(Class::OnlineAnswer { flow: before }),
            Some(Class::OnlineAnswer { flow: after })
        );
        assert_eq!(translate(Class::Own), Some(Class::Own));
    }

    #[test]
    fn a_client_without_a_network_of_its_family_has_no_address() {
        let networks = Networks { v4: Some("198.18.0.0/15".parse().unwrap()), v6: None };
        assert_eq!(OwnAddresses::new(networks, IDLE).assign(at(0), ip("2001:db8::1")), None);
    }
}
