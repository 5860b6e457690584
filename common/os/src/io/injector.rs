//! The injector: through the link layer where the result is the same, otherwise through the kernel's routing.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::frames::Frames;
use super::next_hop::{NextHop, Resolver};
use super::open::OpenError;
use super::output::Output;
use super::raw_ip::{self, RawIp};
use super::{Inject, Lost};
use common_core::time::Time;
use common_core::wire::LongPacket;

/// A next hop is looked up again after this time.
const LIFETIME: Duration = Duration::from_secs(1);

/// Between two checks for changes of routes and neighbours.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Sends IP packets by the cheapest way to their destination.
///
/// Once a second, and after each change of routes or neighbours, one packet to each destination in use goes through
/// the kernel's routing; then the next hop is looked up, and the following packets are sent to it directly. So the kernel
/// resolves the neighbour and verifies it as for its own traffic. Packets without a next hop, and packets that fail on the
/// direct way, go through the kernel's routing as well.
///
/// The direct way bypasses the firewall, connection tracking, address translation and IPsec of this host. It is not used
/// where IPsec applies.
pub struct Injector {
    raw: RawIp,
    frames: Frames,
    resolver: Resolver,
    paths: BTreeMap<IpAddr, Path>,
    now: Time,
    next_check: Time,
}

/// The way to one destination.
#[derive(Debug, Default)]
struct Path {
    hop: Option<NextHop>,
    /// The user has named the next hop: there is no other way.
    is_fixed: bool,
    /// When the next hop must be looked up again.
    until: Time,
}

impl Injector {
    /// Opens the sockets. Packets to `destinations` may be sent directly to their next hop. Packets to other destinations
    /// of the same address families always go through the kernel's routing.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open(destinations: impl IntoIterator<Item = IpAddr>) -> Result<Self, OpenError> {
        Self::open_on(destinations, &Output::default())
    }

    /// As [`Self::open`], but packets to the destinations of links in `output` are sent on the link layer only, so that the IP
    /// layer of this host never sees them; and if `output` names an interface, all packets leave by it.
    ///
    /// # Errors
    /// As [`Self::open`]; or the interface does not exist, or is no Ethernet.
    pub fn open_on(
        destinations: impl IntoIterator<Item = IpAddr>,
        output: &Output,
    ) -> Result<Self, OpenError> {
        let mut resolver =
            Resolver::open().map_err(|error| OpenError::new("ask the kernel for routes", error))?;
        let device = output.interface.as_deref();
        if let Some(device) = device {
            resolver.use_interface(device)?;
        }
        let mut paths: BTreeMap<_, _> = destinations.into_iter().map(|ip| (ip, Path::default())).collect();
        for link in &output.links {
            let hop = Some(resolver.fixed(link, device)?);
            paths.insert(link.destination, Path { hop, is_fixed: true, until: Time::NEVER });
        }
        Ok(Self {
            raw: RawIp::open_on(
                paths.keys().any(IpAddr::is_ipv4),
                paths.keys().any(IpAddr::is_ipv6),
                device,
            )?,
            frames: Frames::open(device.filter(|_| output.by_pcap))?,
            resolver,
            paths,
            now: Time::ZERO,
            next_check: Time::ZERO,
        })
    }
}

impl Inject for Injector {
    /// Sends `packet` to its destination address; the errors are those of [`RawIp`].
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let ip = raw_ip::destination(packet).ok_or(io::ErrorKind::InvalidInput)?;
        let Some(path) = self.paths.get_mut(&ip) else { return self.raw.send(packet) };
        if self.now >= path.until {
            // Packets must not overtake one another.
            self.frames.send_queued();
            let result = self.raw.send(packet);
            path.hop = self.resolver.resolve(ip);
            path.until = self.now + LIFETIME;
            return result;
        }
        if let Some(hop) = &path.hop {
            let sent = self.frames.send(hop, packet);
            if sent.is_ok() || path.is_fixed {
                return sent;
            }
            // The interface is gone, its queue is full, or the packet is too long. Until the next look-up all packets go
            // through the kernel, which has a queue and returns the reason of an error.
            path.hop = None;
        }
        self.raw.send(packet)
    }

    /// Zero while packets go through the kernel's routing.
    fn long_payload(&self, destination: IpAddr) -> usize {
        let path = self.paths.get(&destination).filter(|path| self.now < path.until && path.hop.is_some());
        path.map_or(0, |_| self.frames.long_payload())
    }

    fn send_long(&mut self, packet: &LongPacket<'_>, segment: u16) -> io::Result<()> {
        let path = raw_ip::destination(packet.headers).and_then(|ip| self.paths.get_mut(&ip));
        let Some(path) = path else { return Err(io::ErrorKind::Unsupported.into()) };
        let Some(hop) = &path.hop else { return Err(io::ErrorKind::Unsupported.into()) };
        // As for short packets, except that only the caller can cut this one.
        let sent = self.frames.send_long(hop, packet, segment);
        if sent.is_err() && !path.is_fixed {
            path.hop = None;
        }
        sent
    }

    fn unsent(&self) -> u64 {
        self.frames.unsent()
    }

    fn flush(&mut self) -> Result<(), Lost> {
        self.frames.flush().inspect_err(|_| self.paths.values_mut().for_each(|path| path.hop = None))
    }

    fn handle_time(&mut self, now: Time) {
        self.now = now;
        if now < self.next_check {
            return;
        }
        self.next_check = now + CHECK_INTERVAL;
        if self.resolver.has_changes() {
            let found = self.paths.values_mut().filter(|path| !path.is_fixed);
            found.for_each(|path| path.until = now);
        }
    }
}
