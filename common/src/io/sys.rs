//! The system calls that no crate wraps safely, each in the smallest function that is safe to call.
#![allow(unsafe_code, reason = "system calls on sockets that no crate in use wraps safely")]

use std::ffi::c_int;
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;

/// A packet in a slot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Received<'a> {
    /// What was captured of it.
    pub(super) bytes: &'a [u8],
    /// Its length on the wire.
    pub(super) wire_length: usize,
    /// `PACKET_*` of `linux/if_packet.h`.
    pub(super) packet_type: u8,
}

/// Slots for packets to be received many at a time; all memory is allocated once.
pub(super) struct Batch {
    bytes: Box<[u8]>,
    snap: usize,
    stride: usize,
    headers: Box<[libc::mmsghdr]>,
    addresses: Box<[libc::sockaddr_ll]>,
    // Pointed to by `headers`.
    _vectors: Box<[libc::iovec]>,
}

// SAFETY: the raw pointers in `headers` and `vectors` point to boxes that the batch owns, and are used only through
// `&mut self`.
unsafe impl Send for Batch {}

impl Batch {
    /// `slots` slots of `snap` bytes each. Memory that no packet ever reaches is never touched.
    pub(super) fn new(slots: usize, snap: usize) -> Self {
        // Slots a multiple of the page size apart would all fall on the same few cache lines.
        let stride = snap.next_multiple_of(64) + 5 * 64;
        let mut bytes = vec![0; slots * stride].into_boxed_slice();
        // SAFETY: all-zero bytes are a valid sockaddr_ll: plain integers.
        let mut addresses =
            vec![unsafe { std::mem::zeroed::<libc::sockaddr_ll>() }; slots].into_boxed_slice();
        let mut vectors: Box<[_]> = bytes
            .chunks_exact_mut(stride)
            .map(|slot| libc::iovec { iov_base: slot.as_mut_ptr().cast(), iov_len: snap })
            .collect();
        let headers = vectors
            .iter_mut()
            .zip(addresses.iter_mut())
            .map(|(vector, address)| {
                // SAFETY: all-zero bytes are a valid mmsghdr: integers and null pointers.
                let mut header: libc::mmsghdr = unsafe { std::mem::zeroed() };
                header.msg_hdr.msg_name = std::ptr::from_mut(address).cast();
                header.msg_hdr.msg_iov = vector;
                header.msg_hdr.msg_iovlen = 1;
                header
            })
            .collect();
        Self { bytes, snap, stride, headers, addresses, _vectors: vectors }
    }

    /// Slots there are.
    pub(super) fn slots(&self) -> usize {
        self.headers.len()
    }

    /// Receives at most `limit` packets without waiting; returns how many slots are filled, zero if nothing is there.
    pub(super) fn receive(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        let limit = limit.min(self.slots());
        for header in &mut self.headers[..limit] {
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        }
        loop {
            // SAFETY: the first `limit` headers point to one vector and one address each, which point into boxes
            // that live as long as `self`; nothing else refers to them during the call. MSG_TRUNC
            // makes the kernel report the length on the wire; it writes no more than `iov_len` bytes all the same.
            let received = unsafe {
                libc::recvmmsg(
                    socket.as_raw_fd(),
                    self.headers.as_mut_ptr(),
                    limit as u32,
                    (libc::MSG_DONTWAIT | libc::MSG_TRUNC) as _,
                    std::ptr::null_mut(),
                )
            };
            if let Ok(received) = usize::try_from(received) {
                return Ok(received);
            }
            match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
                error if error.kind() == io::ErrorKind::Interrupted => {}
                error => return Err(error),
            }
        }
    }

    /// The packet in a filled slot.
    pub(super) fn packet(&self, slot: usize) -> Received<'_> {
        let wire_length = self.headers[slot].msg_len as usize;
        let start = slot * self.stride;
        Received {
            bytes: &self.bytes[start..start + wire_length.min(self.snap)],
            wire_length,
            packet_type: self.addresses[slot].sll_pkttype,
        }
    }
}

/// Starts the capture of all protocols on the interface of this index, on all for 0.
pub(super) fn bind_packet(socket: BorrowedFd<'_>, interface: u32) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sockaddr_ll: plain integers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface.cast_signed();
    // SAFETY: `address` is a complete sockaddr_ll and its size is given.
    check(unsafe {
        libc::bind(
            socket.as_raw_fd(),
            std::ptr::from_ref(&address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    })
}

/// `struct tpacket_stats` of `linux/if_packet.h`.
#[repr(C)]
#[derive(Default)]
pub(super) struct PacketStatistics {
    /// Packets that passed the filter, those dropped included.
    pub(super) packets: u32,
    /// Packets dropped for want of buffer space.
    pub(super) drops: u32,
}

/// The counters of a packet socket since they were last read.
pub(super) fn packet_statistics(socket: BorrowedFd<'_>) -> io::Result<PacketStatistics> {
    let mut statistics = PacketStatistics::default();
    let mut length = size_of::<PacketStatistics>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `statistics`, which has the kernel's layout.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            std::ptr::from_mut(&mut statistics).cast(),
            &raw mut length,
        )
    })?;
    Ok(statistics)
}

/// The MTU of an interface in bytes; `socket` may be any socket.
pub(super) fn interface_mtu(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let request = interface_request(socket, libc::SIOCGIFMTU as _, name)?;
    // SAFETY: a successful SIOCGIFMTU has filled in ifru_mtu.
    Ok(u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(0))
}

/// The kind of an interface, `ARPHRD_*` of `linux/if_arp.h`; `socket` may be any socket.
pub(super) fn interface_kind(socket: BorrowedFd<'_>, name: &str) -> io::Result<u16> {
    let request = interface_request(socket, libc::SIOCGIFHWADDR as _, name)?;
    // SAFETY: a successful SIOCGIFHWADDR has filled in ifru_hwaddr.
    Ok(unsafe { request.ifr_ifru.ifru_hwaddr.sa_family })
}

/// Asks the kernel about the interface of this name.
fn interface_request(socket: BorrowedFd<'_>, ask: libc::Ioctl, name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all-zero bytes are a valid ifreq: integers, and a union of integers and a null pointer.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: it ends the name.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed() as _;
    }
    // SAFETY: the requests made above read and write one ifreq, whose name is terminated.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), ask, &raw mut request) })?;
    Ok(request)
}

/// The largest packet in bytes that passes on the way to the address that an IPv4 or IPv6 socket is connected to.
pub(super) fn path_mtu(socket: BorrowedFd<'_>, v4: bool) -> io::Result<u32> {
    let (level, name) =
        if v4 { (libc::IPPROTO_IP, libc::IP_MTU) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU) };
    let mut mtu: c_int = 0;
    let mut length = size_of::<c_int>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, the size of `mtu`.
    check(unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            name,
            std::ptr::from_mut(&mut mtu).cast(),
            &raw mut length,
        )
    })?;
    Ok(u32::try_from(mtu).unwrap_or(0))
}

/// Makes a packet socket send without queueing discipline: a full device queue is an error, and captures on this host do
/// not see what is sent.
pub(super) fn bypass_queue(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: c_int = 1;
    // SAFETY: the kernel reads `on`, whose size is given.
    check(unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_QDISC_BYPASS,
            std::ptr::from_ref(&on).cast(),
            size_of::<c_int>() as libc::socklen_t,
        )
    })
}

/// Where a packet goes on an Ethernet.
pub(super) fn station(interface: u32, mac: [u8; 6], protocol: u16) -> libc::sockaddr_ll {
    // SAFETY: all-zero bytes are a valid sockaddr_ll: plain integers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
    address.sll_ifindex = interface.cast_signed();
    address.sll_halen = 6;
    address.sll_addr[..6].copy_from_slice(&mac);
    address
}

/// Sends a packet without its link-layer header from a `SOCK_DGRAM` packet socket.
pub(super) fn send_packet(
    socket: BorrowedFd<'_>,
    packet: &[u8],
    station: &libc::sockaddr_ll,
) -> io::Result<()> {
    // SAFETY: the packet is read for its length; `station` is a complete sockaddr_ll and its size is given.
    let sent = unsafe {
        libc::sendto(
            socket.as_raw_fd(),
            packet.as_ptr().cast(),
            packet.len(),
            libc::MSG_DONTWAIT,
            std::ptr::from_ref(station).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
