//! The services of `-x` by their addresses, which tell the direction of a packet that the capture does not tell.

use std::net::IpAddr;

use common_core::flow::Endpoint;
use common_core::payload_prefix::{PayloadPrefix, begins_with_any};
use common_core::wire::{Flags, Segment};
use common_os::io::bpf::HEAD;

use crate::settings::Transfer;

/// The services, and where those are to which `-x` gives no address.
#[derive(Debug)]
pub(crate) struct Services {
    list: Vec<Service>,
    /// `None` stands for any address.
    local: Option<Vec<IpAddr>>,
}

#[derive(Debug)]
struct Service {
    ip: Option<IpAddr>,
    port: u16,
    is_v4: bool,
    answers: &'static [PayloadPrefix],
    /// Of these, those of which more than the beginning is needed.
    whole: &'static [PayloadPrefix],
}

/// What is needed of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Needed {
    /// The service has sent it.
    pub(crate) outgoing: bool,
    /// So many bytes of the packet, as a live capture on the host of the service has them.
    pub(crate) bytes: usize,
}

impl Services {
    /// Services without an address are at any address.
    pub(crate) fn anywhere(transfers: &[Transfer]) -> Self {
        Self { list: transfers.iter().map(Service::new).collect(), local: None }
    }

    /// Services without an address are at one of the addresses of this host.
    pub(crate) fn here(transfers: &[Transfer], local: Vec<IpAddr>) -> Self {
        Self { local: Some(local), ..Self::anywhere(transfers) }
    }

    /// `None` if the segment is of no service, or an answer that no module needs.
    pub(crate) fn needed(&self, segment: &Segment<'_>) -> Option<Needed> {
        let accepts = segment.flags.has(Flags::SYN | Flags::ACK);
        let receiver = self.at(&segment.destination);
        let sender = self.at(&segment.source);
        let bytes = match (receiver, sender) {
            // Both ends may have the port of a service; only the service accepts connections.
            (Some(_), Some(_)) if !accepts => return Some(Needed { outgoing: false, bytes: usize::MAX }),
            (Some(_), None) => return Some(Needed { outgoing: false, bytes: usize::MAX }),
            (_, Some(service)) if begins_with_any(segment.payload, service.whole) => usize::MAX,
            (_, Some(service)) if begins_with_any(segment.payload, service.answers) => HEAD as usize,
            (_, Some(_)) if accepts || segment.flags.has(Flags::RST) => HEAD as usize,
            _ => return None,
        };
        Some(Needed { outgoing: true, bytes })
    }

    /// A service has this port.
    pub(crate) fn have_port(&self, port: u16) -> bool {
        self.list.iter().any(|service| service.port == port)
    }

    fn at(&self, end: &Endpoint) -> Option<&Service> {
        self.list.iter().find(|service| {
            let is_there = match (service.ip, &self.local) {
                (Some(ip), _) => ip == end.ip,
                (None, Some(local)) => end.ip.is_loopback() || local.contains(&end.ip),
                (None, None) => true,
            };
            service.port == end.port && service.is_v4 == end.ip.is_ipv4() && is_there
        })
    }
}

impl Service {
    fn new(transfer: &Transfer) -> Self {
        Self {
            ip: transfer.online_ip,
            port: transfer.online_port,
            is_v4: transfer.target.ip.is_ipv4(),
            answers: transfer.online_answers(),
            whole: transfer.whole_online_answers(),
        }
    }
}
