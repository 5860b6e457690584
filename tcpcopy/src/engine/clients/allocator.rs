//! The allocator of client addresses and ports for copies: no two live sessions have the same.
//!
//! Each port of an address passes through these states: never used; held by a session; at rest. A port that has rested for
//! [`REST`] comes first, then one that was never used, then the one that has rested longest. So a port is used again as late as
//! possible, and no more ports are remembered than sessions of the last minute have had. Every choice takes constant time.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::time::Time;
use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::hash::{hash_of, mixed};
use super::ports::Ports;
use crate::settings::{AddressPool, Multiplying};

/// How long the test server may remember a connection: TIME_WAIT of Linux (RFC 9293 section 3.4.2 wants up to four minutes).
pub(super) const REST: Duration = Duration::from_secs(60);

/// Addresses that are tried for one copy.
const TRIES: u64 = 64;

/// Released ports that are remembered at the most, those of addresses in use excepted.
const REMEMBERED_MAX: usize = 1 << 18;

/// An address whose ports were all used is searched for unused ones again after this time.
const SEARCH_AGAIN: Duration = Duration::from_secs(1);

/// An endpoint for a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allocated {
    pub(super) client: Endpoint,
    /// It has rested for less than [`REST`], because there was no other.
    pub(super) is_early: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Held,
    RestsSince(Time),
}

/// The ports of all addresses that are held or rest.
type States = HashMap<Endpoint, State, RandomState>;

/// One client address.
#[derive(Debug, Default)]
struct Address {
    /// Ports that are held.
    held: u32,
    /// The next port that was never used, by its place in the order.
    unused: u32,
    /// When the order may begin again.
    search_at: Time,
    /// When a port was released last.
    released_at: Time,
    /// Ports that rest, the oldest first. Some may be held again.
    resting: VecDeque<(Time, u16)>,
}

/// See the module's description.
pub(super) struct Allocator {
    multiplying: Multiplying,
    ports: Ports,
    seed: u64,
    states: States,
    addresses: HashMap<IpAddr, Address, RandomState>,
    /// Clients' own ports that rest: no copy of another client gets them before.
    own: VecDeque<(Time, Endpoint)>,
    /// Addresses with the time of each release, to forget those that are not used any more.
    released: VecDeque<(Time, IpAddr)>,
}

impl Allocator {
    /// `seed` decides where the search for ports begins.
    pub(super) fn new(multiplying: Multiplying, seed: u64) -> Self {
        let ports = Ports::new(&multiplying);
        Self {
            multiplying,
            ports,
            seed,
            states: HashMap::default(),
            addresses: HashMap::default(),
            own: VecDeque::new(),
            released: VecDeque::new(),
        }
    }

    /// Copies of this client have another address than it has.
    pub(super) fn replaces(&self, client: IpAddr) -> bool {
        self.pool(client).count_like(client) > 0
    }

    /// Endpoint number `copy` for this client; `None` if all are held.
    pub(super) fn allocate(&mut self, now: Time, client: Endpoint, copy: u16) -> Option<Allocated> {
        self.forget(now);
        if !self.replaces(client.ip) {
            if copy == 0 && self.ports.contain(client.port) && self.hold(client) {
                return Some(Allocated { client, is_early: false });
            }
            return self.fresh(now, client.ip).or_else(|| self.oldest(client.ip));
        }
        let first = hash_of(client, u64::from(copy));
        let pool = self.pool(client.ip);
        let tries = u64::try_from(pool.count_like(client.ip)).unwrap_or(u64::MAX).min(TRIES);
        let address = |allocator: &Self, attempt: u64| {
            allocator.pool(client.ip).pick(client.ip, first.wrapping_add(attempt))
        };
        let fresh = (0..tries).find_map(|attempt| self.fresh(now, address(self, attempt)?));
        fresh.or_else(|| (0..tries).find_map(|attempt| self.oldest(address(self, attempt)?)))
    }

    /// The session is over; `client` is the client that it copied.
    pub(super) fn release(&mut self, now: Time, endpoint: Endpoint, client: Endpoint) {
        let Some(address) = self.addresses.get_mut(&endpoint.ip) else { return };
        address.held = address.held.saturating_sub(1);
        self.states.insert(endpoint, State::RestsSince(now));
        if endpoint == client {
            self.own.push_back((now, endpoint));
        } else {
            address.resting.push_back((now, endpoint.port));
        }
        address.released_at = now;
        self.released.push_back((now, endpoint.ip));
    }

    fn pool(&self, client: IpAddr) -> &AddressPool {
        let Multiplying { addresses, loopback, .. } = &self.multiplying;
        let is_of_this_host = client.is_loopback() && loopback.count_like(client) > 0;
        if is_of_this_host { loopback } else { addresses }
    }

    /// Holds the client's own endpoint, which it uses again itself; false if a copy has it.
    fn hold(&mut self, endpoint: Endpoint) -> bool {
        if self.states.get(&endpoint) == Some(&State::Held) {
            return false;
        }
        self.states.insert(endpoint, State::Held);
        self.addresses.entry(endpoint.ip).or_default().held += 1;
        true
    }

    /// A port that has rested, or was never used.
    fn fresh(&mut self, now: Time, ip: IpAddr) -> Option<Allocated> {
        let Self { ports, states, .. } = self;
        let address = self.addresses.entry(ip).or_default();
        let offset = offset(self.seed, ip, ports.places());
        let rested = address.resting.front().is_some_and(|(since, _)| *since + REST <= now);
        let mut port = if rested { address.pop_resting(states, ip) } else { None };
        if port.is_none() {
            port = address.next_unused(states, ports, ip, offset);
        }
        if port.is_none() && now >= address.search_at && address.held < ports.places() {
            // Clients' own ports may have become free since.
            (address.unused, address.search_at) = (0, now + SEARCH_AGAIN);
            port = address.next_unused(states, ports, ip, offset);
        }
        let client = Endpoint::new(ip, port?);
        address.held += 1;
        states.insert(client, State::Held);
        Some(Allocated { client, is_early: false })
    }

    /// The port that has rested longest.
    fn oldest(&mut self, ip: IpAddr) -> Option<Allocated> {
        let address = self.addresses.get_mut(&ip)?;
        let client = Endpoint::new(ip, address.pop_resting(&self.states, ip)?);
        address.held += 1;
        self.states.insert(client, State::Held);
        Some(Allocated { client, is_early: true })
    }

    /// Forgets what has rested, and addresses that are not used any more.
    fn forget(&mut self, now: Time) {
        while let Some((since, endpoint)) = self.own.front().copied()
            && (since + REST <= now || self.own.len() > REMEMBERED_MAX)
        {
            self.own.pop_front();
            if self.states.get(&endpoint) == Some(&State::RestsSince(since)) {
                self.states.remove(&endpoint);
            }
        }
        while let Some((since, ip)) = self.released.front().copied()
            && (since + REST <= now || self.released.len() > REMEMBERED_MAX)
        {
            self.released.pop_front();
            let idle = |address: &Address| address.held == 0 && address.released_at == since;
            if self.addresses.get(&ip).is_some_and(idle)
                && let Some(address) = self.addresses.remove(&ip)
            {
                for (since, port) in address.resting {
                    let endpoint = Endpoint::new(ip, port);
                    if self.states.get(&endpoint) == Some(&State::RestsSince(since)) {
                        self.states.remove(&endpoint);
                    }
                }
            }
        }
    }
}

impl Address {
    /// Takes out the port that has rested longest.
    fn pop_resting(&mut self, states: &States, ip: IpAddr) -> Option<u16> {
        while let Some((since, port)) = self.resting.pop_front() {
            // Its own client may have taken it.
            if states.get(&Endpoint::new(ip, port)) == Some(&State::RestsSince(since)) {
                return Some(port);
            }
        }
        None
    }

    /// The next port that nobody has, and that does not rest.
    fn next_unused(&mut self, states: &States, ports: &Ports, ip: IpAddr, offset: u32) -> Option<u16> {
        while self.unused < ports.places() {
            let port = ports.at(self.unused, offset);
            self.unused += 1;
            if let Some(port) = port.filter(|port| !states.contains_key(&Endpoint::new(ip, *port))) {
                return Some(port);
            }
        }
        None
    }
}

/// Where the search for ports of an address begins: below those that most systems give to clients, which begin at half of them.
fn offset(seed: u64, ip: IpAddr, places: u32) -> u32 {
    let number = mixed(seed ^ hash_of(Endpoint::new(ip, 0), 0));
    u32::try_from(number % u64::from(places / 2).max(1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::net::Ipv4Addr;

    use super::*;
    use crate::settings::{Instance, WorkerShare};

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<std::net::SocketAddr>().unwrap().into()
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    fn copying(copies: u16) -> Multiplying {
        Multiplying { copies, ..Multiplying::default() }
    }

    fn pool(first: &str, last: &str) -> AddressPool {
        let mut pool = AddressPool::default();
        pool.add(first.parse().unwrap(), last.parse().unwrap());
        pool
    }

    #[test]
    fn the_first_copy_keeps_the_endpoint_of_its_client() {
        let mut allocator = Allocator::new(copying(2), 1);
        let client = endpoint("10.0.0.1:40000");
        assert_eq!(allocator.allocate(at(1), client, 0).unwrap().client, client);
        let second = allocator.allocate(at(1), client, 1).unwrap().client;
        assert!(second.ip == client.ip && second.port != client.port && second.port >= 1024);
        // A client that comes with the port of a copy gets another one.
        let other = allocator.allocate(at(1), second, 0).unwrap().client;
        assert!(other.ip == client.ip && other != second && other != client);
    }

    #[test]
    fn no_two_have_the_same_whatever_comes_and_goes() {
        for seed in 0..8 {
            let multiplying = Multiplying {
                instance: Instance::new(3),
                addresses: if seed % 2 == 0 { AddressPool::default() } else { pool("10.9.0.1", "10.9.0.2") },
                ..copying(3)
            };
            let mut allocator = Allocator::new(multiplying, seed);
            let mut held: Vec<(Endpoint, Endpoint)> = Vec::new();
            let mut random = seed;
            for step in 0..30_000 {
                random = mixed(random.wrapping_add(step));
                let now = Time::from_micros(step * 3000);
                if held.len() < 2000 || random % 2 == 0 {
                    let client = Endpoint::new(
                        Ipv4Addr::from_bits(0x0a00_0000 + (random >> 8) as u32 % 4).into(),
                        1024 + (random >> 16) as u16 % 5000,
                    );
                    if let Some(found) = allocator.allocate(now, client, (random % 3) as u16) {
                        held.push((found.client, client));
                    }
                } else {
                    let (endpoint, client) = held.swap_remove((random >> 20) as usize % held.len());
                    allocator.release(now, endpoint, client);
                }
                if step % 1000 == 0 {
                    let distinct: BTreeSet<_> = held.iter().map(|(endpoint, _)| *endpoint).collect();
                    assert_eq!(distinct.len(), held.len());
                }
            }
        }
    }

    #[test]
    fn all_ports_of_all_addresses_are_given_before_none_is_left() {
        let addresses = pool("10.9.0.1", "10.9.0.4");
        let multiplying =
            Multiplying { addresses: addresses.clone(), instance: Instance::new(0), ..copying(1) };
        let mut allocator = Allocator::new(multiplying, 5);
        let client = |number: u32| Endpoint::new(Ipv4Addr::from_bits(number).into(), 5000);
        let all: BTreeSet<_> = (0..4 * 4032)
            .map(|number| allocator.allocate(at(1), client(number), 0).unwrap().client)
            .collect();
        assert_eq!(all.len(), 4 * 4032);
        assert!(all.iter().all(|endpoint| addresses.contains(endpoint.ip)));
        assert_eq!(allocator.allocate(at(1), client(99_999), 0), None);
        let freed = *all.first().unwrap();
        allocator.release(at(2), freed, client(0));
        assert_eq!(
            allocator.allocate(at(3), client(9), 0),
            Some(Allocated { client: freed, is_early: true })
        );
        allocator.release(at(4), freed, client(9));
        let rested = allocator.allocate(at(64), client(9), 0);
        assert_eq!(rested, Some(Allocated { client: freed, is_early: false }));
    }

    #[test]
    fn a_port_rests_before_another_client_has_it() {
        let addresses = pool("10.9.0.1", "10.9.0.1");
        let mut allocator = Allocator::new(Multiplying { addresses, ..copying(1) }, 5);
        let client = endpoint("10.0.0.1:5000");
        let mut last_used = BTreeMap::new();
        // 900 a second, for two minutes.
        for step in 0..108_000_u64 {
            let now = Time::from_micros(step * 1111);
            let found = allocator.allocate(now, client, 0).unwrap();
            assert!(!found.is_early);
            allocator.release(now, found.client, client);
            if let Some(before) = last_used.insert(found.client.port, now) {
                assert!(now.since(before) >= REST, "{:?}", now.since(before));
            }
        }
    }

    #[test]
    fn the_seed_decides_and_nothing_else() {
        let run = |seed| {
            let mut allocator = Allocator::new(copying(3), seed);
            let client = |port| Endpoint::new(Ipv4Addr::new(10, 0, 0, 1).into(), port);
            (1024..2000)
                .map(|port| allocator.allocate(at(1), client(port), 2).unwrap().client)
                .collect::<Vec<_>>()
        };
        assert_eq!(run(1), run(1));
        assert_ne!(run(1), run(2));
    }

    #[test]
    fn workers_never_share_a_port() {
        let share = |index| Multiplying { worker: WorkerShare { index, count: 3 }, ..copying(9) };
        let mut all = BTreeSet::new();
        for index in 0..3 {
            let mut allocator = Allocator::new(share(index), 7);
            for copy in 1..4000 {
                let found = allocator.allocate(at(1), endpoint("10.0.0.1:40000"), copy).unwrap();
                assert!(all.insert(found.client), "{found:?}");
            }
        }
    }

    #[test]
    fn clients_of_this_host_have_addresses_of_their_own() {
        let loopback = pool("10.9.0.9", "10.9.0.9");
        let mut allocator = Allocator::new(Multiplying { loopback, ..copying(1) }, 5);
        let local = allocator.allocate(at(1), endpoint("127.0.0.1:5000"), 0).unwrap().client;
        assert_eq!(local.ip.to_string(), "10.9.0.9");
        let other = endpoint("10.0.0.1:5000");
        assert_eq!(allocator.allocate(at(1), other, 0).unwrap().client, other);
        assert!(allocator.replaces(endpoint("127.0.0.1:5000").ip) && !allocator.replaces(other.ip));
    }

    #[test]
    fn a_flood_of_addresses_leaves_nothing() {
        let mut allocator = Allocator::new(copying(2), 5);
        for number in 0..400_000_u32 {
            let client = Endpoint::new(Ipv4Addr::from_bits(number).into(), 5000);
            let now = Time::from_micros(u64::from(number) * 5);
            let found = [0, 1].map(|copy| allocator.allocate(now, client, copy).unwrap().client);
            found.into_iter().for_each(|endpoint| allocator.release(now, endpoint, client));
        }
        assert!(
            allocator.states.len() <= 2 * REMEMBERED_MAX + 4 && allocator.addresses.len() <= REMEMBERED_MAX
        );
        allocator.allocate(at(100), endpoint("10.0.0.1:5000"), 0);
        assert_eq!((allocator.states.len(), allocator.addresses.len(), allocator.released.len()), (1, 1, 0));
    }
}
