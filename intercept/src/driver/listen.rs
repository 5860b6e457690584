//! The control port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::TcpListener;

use super::StartError;

/// Listens on one address, or on all of both families.
pub(super) fn open(bind: Option<IpAddr>, port: u16) -> Result<TcpListener, StartError> {
    let on = |ip: IpAddr| {
        let address = SocketAddr::new(ip, port);
        TcpListener::bind(address).map_err(|source| StartError::Listen { address, source })
    };
    match bind {
        Some(ip) => on(ip),
        // A socket on the IPv6 wildcard takes IPv4 as well. A host without IPv6 has no such address.
        None => match on(Ipv6Addr::UNSPECIFIED.into()) {
            Err(StartError::Listen { source, .. }) if source.kind() != io::ErrorKind::AddrInUse => {
                on(Ipv4Addr::UNSPECIFIED.into())
            }
            result => result,
        },
    }
}

/// What the user can do about it.
pub(super) fn cure(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "end the other intercept, or choose another port with -p",
        io::ErrorKind::AddrNotAvailable => "give -b an address of this host",
        io::ErrorKind::PermissionDenied => "run with sudo, or choose a port above 1023 with -p",
        _ => "choose another address or port with -b and -p",
    }
}
