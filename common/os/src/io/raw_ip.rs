//! Sends complete IP packets through raw sockets (raw(7)): the kernel finds route and next hop.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::libc::IPPROTO_RAW;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, Protocol, Socket, Type};

use super::Inject;
use super::bpf;
use super::open::OpenError;

/// Requested send buffer in bytes.
pub(super) const SEND_BUFFER: usize = 8 * 1024 * 1024;

/// A raw socket for each wanted address family.
pub struct RawIp {
    v4: Option<Socket>,
    v6: Option<Socket>,
}

impl RawIp {
    /// Opens the sockets of the wanted families.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn open(v4: bool, v6: bool) -> Result<Self, OpenError> {
        Self::open_on(v4, v6, None)
    }

    /// As [`Self::open`], but with a `device` all packets leave by it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_on(v4: bool, v6: bool, device: Option<&str>) -> Result<Self, OpenError> {
        let v4 = v4.then(|| open(Domain::IPV4, device)).transpose();
        let v6 = v6.then(|| open(Domain::IPV6, device)).transpose();
        Ok(Self {
            v4: v4.map_err(|error| OpenError::new("send IPv4 packets", error))?,
            v6: v6.map_err(|error| OpenError::new("send IPv6 packets", error))?,
        })
    }
}

impl Inject for RawIp {
    /// Sends `packet` to its destination address. A packet larger than the MTU of its route fails with `EMSGSIZE`, one of a
    /// family that was not opened with [`io::ErrorKind::Unsupported`], and one that is no IP packet with
    /// [`io::ErrorKind::InvalidInput`]. `ENOBUFS` stands for a full queue of a device. Link-local IPv6 destinations fail, because
    /// they name no interface.
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        let (socket, destination) = match destination(packet) {
            Some(destination @ IpAddr::V4(_)) => (&self.v4, destination),
            Some(destination @ IpAddr::V6(_)) => (&self.v6, destination),
            None => return Err(io::ErrorKind::InvalidInput.into()),
        };
        let Some(socket) = socket else { return Err(io::ErrorKind::Unsupported.into()) };
        socket.send_to(packet, &SocketAddr::new(destination, 0).into()).map(drop)
    }
}

fn open(family: Domain, device: Option<&str>) -> io::Result<Socket> {
    let socket = Socket::new(family, Type::RAW, Some(Protocol::from(IPPROTO_RAW)))?;
    if let Some(device) = device {
        socket.bind_device(Some(device.as_bytes()))?;
    }
    // The socket only sends: stray packets of IP protocol 255 must not fill its receive buffer.
    socket.attach_filter(&bpf::nothing().to_sock_filters())?;
    socket.set_nonblocking(true)?;
    // Without IP_RECVERR a packet dropped by a full queue would be reported as sent (ip(7)). With it the kernel also queues the
    // errors, which nobody reads; the smallest receive buffer limits their memory.
    socket.set_recv_buffer_size(1)?;
    if family == Domain::IPV4 {
        socket.set_header_included_v4(true)?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true)?;
    } else {
        socket.set_header_included_v6(true)?;
        setsockopt(&socket, sockopt::Ipv6RecvErr, &true)?;
    }
    if setsockopt(&socket, sockopt::SndBufForce, &SEND_BUFFER).is_err() {
        socket.set_send_buffer_size(SEND_BUFFER)?;
    }
    Ok(socket)
}

/// The destination address of a packet.
pub(super) fn destination(packet: &[u8]) -> Option<IpAddr> {
    match packet.first()? >> 4 {
        4 => {
            let octets: [u8; 4] = packet.get(16..20)?.try_into().ok()?;
            Some(Ipv4Addr::from(octets).into())
        }
        6 => {
            let octets: [u8; 16] = packet.get(24..40)?.try_into().ok()?;
            Some(Ipv6Addr::from(octets).into())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_ip_packet_are_refused() {
        let mut closed = RawIp::open(false, false).unwrap();
        for packet in [&[][..], &[0x45; 19], &[0x60; 39], &[0x12; 60]] {
            assert_eq!(closed.send(packet).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        }
    }

    #[test]
    fn a_family_that_was_not_opened_is_unsupported() {
        let mut closed = RawIp::open(false, false).unwrap();
        for packet in [&[0x45; 20][..], &[0x60; 40]] {
            assert_eq!(closed.send(packet).unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
    }
}
