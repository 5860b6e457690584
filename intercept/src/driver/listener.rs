//! Opens the control port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net::TcpListener;

use crate::run::RunError;

/// Listens on one address, or on all addresses of both families.
pub(super) fn open(bind: Option<IpAddr>, port: u16) -> Result<TcpListener, RunError> {
    let on = |ip: IpAddr| {
        let address = SocketAddr::new(ip, port);
        TcpListener::bind(address).map_err(|source| RunError::Listen { address, source })
    };
    match bind {
        Some(ip) => on(ip),
        // A socket on the IPv6 wildcard accepts IPv4 as well. A host without IPv6 has no such address.
        None => match on(Ipv6Addr::UNSPECIFIED.into()) {
            Err(RunError::Listen { source, .. }) if source.kind() != io::ErrorKind::AddrInUse => {
                on(Ipv4Addr::UNSPECIFIED.into())
            }
            result => result,
        },
    }
}

/// What the user can do if the port cannot be opened.
pub(crate) fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "end the other intercept, or choose another port with -p",
        io::ErrorKind::AddrNotAvailable => "give -b an address of this host",
        io::ErrorKind::PermissionDenied => "run with sudo, or choose a port above 1023 with -p",
        _ => "choose another address or port with -b and -p",
    }
}
