//! The injector of the product: by the link layer where that makes no difference, else through the kernel's routing.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::ethernet::{self, Ethernet};
use super::next_hop::{NextHop, Resolver};
use super::open::OpenError;
use super::raw_ip::{self, RawIp};
use super::{Inject, Lost};
use common_core::time::Time;
use common_core::wire::LongPacket;

/// How long a next hop is used before it is looked up again.
const LIFETIME: Duration = Duration::from_secs(1);

/// The kernel's news of routes and neighbours are read this often.
const NEWS_INTERVAL: Duration = Duration::from_millis(100);

/// Sends IP packets by the cheapest way there is to their destination.
///
/// Once a second, and after each change of routes or neighbours, one packet to each destination in use goes through
/// the kernel's routing; then the next hop is looked up, and what follows is sent there directly. So the kernel sees
/// the neighbour in use: it finds it, and verifies that it is still there, as for its own traffic. What cannot go
/// directly, for want of a next hop or for an error, goes through the kernel's routing as well.
///
/// What goes directly passes by the host's own firewall, connection tracking, address translation and IPsec. Where
/// IPsec is in use on the way, nothing goes directly.
pub struct Injector {
    raw: RawIp,
    ethernet: Ethernet,
    resolver: Resolver,
    paths: BTreeMap<IpAddr, Path>,
    now: Time,
    next_news: Time,
}

/// What is known of the way to one destination.
#[derive(Debug, Default)]
struct Path {
    hop: Option<NextHop>,
    /// To be looked up again.
    until: Time,
}

impl Injector {
    /// Opens the sockets for packets to `destinations`, and to others of the same address families.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open(destinations: impl IntoIterator<Item = IpAddr>) -> Result<Self, OpenError> {
        let paths: BTreeMap<_, _> = destinations.into_iter().map(|ip| (ip, Path::default())).collect();
        Ok(Self {
            raw: RawIp::open(paths.keys().any(IpAddr::is_ipv4), paths.keys().any(IpAddr::is_ipv6))?,
            ethernet: Ethernet::open().map_err(|error| OpenError::new("send packets", error))?,
            resolver: Resolver::open().map_err(|error| OpenError::new("ask the kernel for routes", error))?,
            paths,
            now: Time::ZERO,
            next_news: Time::ZERO,
        })
    }
}

impl Inject for Injector {
    /// Sends `packet` to the destination that it names; the errors are those of [`RawIp`].
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let ip = raw_ip::destination(packet).ok_or(io::ErrorKind::InvalidInput)?;
        let Some(path) = self.paths.get_mut(&ip) else { return self.raw.send(packet) };
        if self.now >= path.until {
            // Packets must not overtake one another.
            self.ethernet.send_queued();
            let result = self.raw.send(packet);
            path.hop = self.resolver.resolve(ip);
            path.until = self.now + LIFETIME;
            return result;
        }
        if let Some(hop) = &path.hop {
            if self.ethernet.send(hop, packet).is_ok() {
                return Ok(());
            }
            // The interface is gone, its queue is full, the packet too long: until the next look it is all the
            // kernel's, which has a queue, and an error that says why.
            path.hop = None;
        }
        self.raw.send(packet)
    }

    /// Nothing while the kernel has to find the way.
    fn long_payload(&self, destination: IpAddr) -> usize {
        let path = self.paths.get(&destination).filter(|path| self.now < path.until && path.hop.is_some());
        path.map_or(0, |_| ethernet::LONG)
    }

    fn send_long(&mut self, packet: &LongPacket<'_>, segment: u16) -> io::Result<()> {
        let path = raw_ip::destination(packet.headers).and_then(|ip| self.paths.get_mut(&ip));
        let Some(path) = path else { return Err(io::ErrorKind::Unsupported.into()) };
        let Some(hop) = &path.hop else { return Err(io::ErrorKind::Unsupported.into()) };
        // As for short packets; but only the sender can cut this one.
        self.ethernet.send_long(hop, packet, segment).inspect_err(|_| path.hop = None)
    }

    fn unsent(&self) -> u64 {
        self.ethernet.unsent()
    }

    fn flush(&mut self) -> Result<(), Lost> {
        self.ethernet.flush().inspect_err(|_| self.paths.values_mut().for_each(|path| path.hop = None))
    }

    fn handle_time(&mut self, now: Time) {
        self.now = now;
        if now < self.next_news {
            return;
        }
        self.next_news = now + NEWS_INTERVAL;
        if self.resolver.has_news() {
            self.paths.values_mut().for_each(|path| path.until = now);
        }
    }
}
