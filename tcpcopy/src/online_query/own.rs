//! Connections of tcpcopy itself to online services: they are not copied.

use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use common_core::flow::Endpoint;

/// The number of remembered connections: segments of one that has ended may still be read from the capture.
const COUNT: usize = 8;

/// The local ends of the latest connections. Read for each segment of a client, changed once a second at most.
#[derive(Debug, Default)]
pub struct OwnEndpoints {
    /// Compared first, without a lock.
    ports: [AtomicU16; COUNT],
    endpoints: Mutex<[Option<Endpoint>; COUNT]>,
    next: AtomicUsize,
}

impl OwnEndpoints {
    /// Remembers the local end of a connection before it is opened.
    pub(crate) fn add(&self, endpoint: Endpoint) {
        let mut endpoints = self.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        let place = self.next.fetch_add(1, Ordering::Relaxed) % COUNT;
        endpoints[place] = Some(endpoint);
        self.ports[place].store(endpoint.port, Ordering::Release);
    }

    /// Whether `endpoint` is the local end of such a connection.
    pub(crate) fn contain(&self, endpoint: &Endpoint) -> bool {
        self.ports.iter().any(|port| port.load(Ordering::Acquire) == endpoint.port)
            && self
                .endpoints
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
                .any(|own| own.as_ref() == Some(endpoint))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn endpoint(host: u8, port: u16) -> Endpoint {
        Endpoint::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, host)), port)
    }

    #[test]
    fn the_latest_are_known_by_address_and_port() {
        let own = OwnEndpoints::default();
        assert!(!own.contain(&endpoint(1, 0)));
        for port in 1..=20 {
            own.add(endpoint(1, port));
            assert!(own.contain(&endpoint(1, port)));
            assert!(!own.contain(&endpoint(2, port)), "a client with the same port");
        }
        assert!(!own.contain(&endpoint(1, 12)) && own.contain(&endpoint(1, 13)));
    }
}
