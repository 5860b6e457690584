//! System calls that no crate in use wraps safely, each in the smallest safe function.
#![allow(unsafe_code, reason = "system calls on sockets that no crate in use wraps safely")]

use std::ffi::c_int;
use std::io::{self, IoSlice};
use std::mem::size_of;
use std::os::fd::{AsRawFd, BorrowedFd};

use nix::libc;
use socket2::SockFilter;

/// Binds a packet socket to the interface of this index, or to all for 0, and starts the capture of `protocol`.
pub(super) fn bind_packet(socket: BorrowedFd<'_>, interface: u32, protocol: u16) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid sockaddr_ll: plain integers.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = protocol.to_be();
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

/// A structure or number of the kernel: plain integers, for which all bytes are valid.
///
/// # Safety
/// Every value of its bytes, all of them zero included, must be a valid value of the type.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: an integer.
unsafe impl Plain for c_int {}
// SAFETY: an integer.
unsafe impl Plain for u32 {}
// SAFETY: a structure of integers.
unsafe impl Plain for PacketStatistics {}
// SAFETY: a structure of integers.
unsafe impl Plain for libc::xdp_mmap_offsets {}

/// An option of a socket whose value is a `T`, as the kernel defines it.
pub(super) fn get_option<T: Plain>(socket: BorrowedFd<'_>, level: c_int, option: c_int) -> io::Result<T> {
    // SAFETY: all-zero bytes are valid for a `Plain` type.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut length = size_of::<T>() as libc::socklen_t;
    let place = std::ptr::from_mut(&mut value).cast();
    // SAFETY: the kernel writes at most `length` bytes, the size of `value`, for which all bytes are valid.
    check(unsafe { libc::getsockopt(socket.as_raw_fd(), level, option, place, &raw mut length) })?;
    Ok(value)
}

/// Sets an option of a socket whose value is a `T`, as the kernel defines it.
pub(super) fn set_option<T: Copy>(
    socket: BorrowedFd<'_>,
    level: c_int,
    option: c_int,
    value: &T,
) -> io::Result<()> {
    let (place, length) = (std::ptr::from_ref(value).cast(), size_of::<T>() as libc::socklen_t);
    // SAFETY: the kernel reads `value`, whose size is given.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, option, place, length) })
}

/// Sets an option of a packet socket.
pub(super) fn set_packet_option<T: Copy>(socket: BorrowedFd<'_>, option: c_int, value: &T) -> io::Result<()> {
    set_option(socket, libc::SOL_PACKET, option, value)
}

/// The interface of this index receives also what is sent to other stations, until the socket is closed.
pub(super) fn promiscuous(socket: BorrowedFd<'_>, interface: u32) -> io::Result<()> {
    let membership = libc::packet_mreq {
        mr_ifindex: interface.cast_signed(),
        mr_type: libc::PACKET_MR_PROMISC as u16,
        mr_alen: 0,
        mr_address: [0; 8],
    };
    set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// `struct tpacket_stats` of `linux/if_packet.h`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct PacketStatistics {
    /// Packets that passed the filter, including dropped ones.
    pub(super) packets: u32,
    /// Packets dropped because the buffer was full.
    pub(super) drops: u32,
}

/// The counters of a packet socket since they were last read.
pub(super) fn packet_statistics(socket: BorrowedFd<'_>) -> io::Result<PacketStatistics> {
    get_option(socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)
}

/// The MTU of an interface in bytes; `socket` may be any socket.
pub(super) fn interface_mtu(socket: BorrowedFd<'_>, name: &str) -> io::Result<u32> {
    let request = interface_request(socket, libc::SIOCGIFMTU as _, name)?;
    // SAFETY: a successful SIOCGIFMTU has filled in ifru_mtu.
    Ok(u32::try_from(unsafe { request.ifr_ifru.ifru_mtu }).unwrap_or(0))
}

/// The MAC address of an interface if it is an Ethernet; `socket` may be any socket.
pub(super) fn interface_mac(socket: BorrowedFd<'_>, name: &str) -> io::Result<Option<[u8; 6]>> {
    let request = interface_request(socket, libc::SIOCGIFHWADDR as _, name)?;
    // SAFETY: a successful SIOCGIFHWADDR has filled in ifru_hwaddr.
    let address = unsafe { request.ifr_ifru.ifru_hwaddr };
    let [a, b, c, d, e, f, ..] = address.sa_data.map(|byte| byte as u8);
    Ok((address.sa_family == libc::ARPHRD_ETHER).then_some([a, b, c, d, e, f]))
}

/// A request about the interface of this name.
fn named_request(name: &str) -> io::Result<libc::ifreq> {
    // SAFETY: all-zero bytes are a valid ifreq: integers, and a union of integers and a null pointer.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    // The last byte stays zero: it ends the name.
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from.cast_signed() as _;
    }
    Ok(request)
}

/// Requests a property of the interface of this name.
fn interface_request(
    socket: BorrowedFd<'_>,
    request_code: libc::Ioctl,
    name: &str,
) -> io::Result<libc::ifreq> {
    let mut request = named_request(name)?;
    // SAFETY: the requests made above read and write one ifreq, whose name is terminated.
    check(unsafe { libc::ioctl(socket.as_raw_fd(), request_code, &raw mut request) })?;
    Ok(request)
}

/// Makes a TUN device and attaches it to an open `/dev/net/tun`. `name` may contain `%d`, for which the kernel puts a number.
/// Returns the name of the device.
pub(super) fn make_tun(file: BorrowedFd<'_>, name: &str, flags: c_int) -> io::Result<String> {
    let mut request = named_request(name)?;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: TUNSETIFF reads and writes one ifreq, whose name is terminated.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF, &raw mut request) })?;
    let bytes = request.ifr_name.map(|byte| byte as u8);
    Ok(bytes.into_iter().take_while(|byte| *byte != 0).map(char::from).collect())
}

/// Sets the size of the header before each packet of a TUN device, and which packets the kernel need not complete.
pub(super) fn set_tun_offload(file: BorrowedFd<'_>, header: c_int, offloads: u32) -> io::Result<()> {
    // SAFETY: TUNSETVNETHDRSZ reads one int.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETVNETHDRSZ, &raw const header) })?;
    // SAFETY: TUNSETOFFLOAD takes its flags by value.
    check(unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETOFFLOAD, libc::c_ulong::from(offloads)) })
}

/// Sets the MTU and the length of the transmit queue of an interface, and sets it up; `socket` may be any socket.
pub(super) fn set_up_interface(
    socket: BorrowedFd<'_>,
    name: &str,
    mtu: c_int,
    queue: c_int,
) -> io::Result<()> {
    let set = |code: libc::Ioctl, fill: fn(&mut libc::ifreq, c_int), value: c_int| {
        let mut request = named_request(name)?;
        fill(&mut request, value);
        // SAFETY: the requests made here read one ifreq, whose name is terminated and whose value is filled in.
        check(unsafe { libc::ioctl(socket.as_raw_fd(), code, &raw mut request) })
    };
    set(libc::SIOCSIFMTU as _, |request, mtu| request.ifr_ifru.ifru_mtu = mtu, mtu)?;
    // The kernel reads the length from the same place as a metric.
    set(libc::SIOCSIFTXQLEN as _, |request, length| request.ifr_ifru.ifru_metric = length, queue)?;
    let flags = libc::IFF_UP | libc::IFF_RUNNING | libc::IFF_POINTOPOINT | libc::IFF_NOARP;
    set(libc::SIOCSIFFLAGS as _, |request, flags| request.ifr_ifru.ifru_flags = flags as _, flags)
}

/// The path MTU in bytes to the address that an IPv4 or IPv6 socket is connected to.
pub(super) fn path_mtu(socket: BorrowedFd<'_>, v4: bool) -> io::Result<u32> {
    let (level, option) =
        if v4 { (libc::IPPROTO_IP, libc::IP_MTU) } else { (libc::IPPROTO_IPV6, libc::IPV6_MTU) };
    Ok(u32::try_from(get_option::<c_int>(socket, level, option)?).unwrap_or(0))
}

/// The socket's fanout group as `PACKET_FANOUT` returns it, with its number in the lower 16 bits.
pub(super) fn fanout(socket: BorrowedFd<'_>) -> io::Result<u32> {
    get_option(socket, libc::SOL_PACKET, libc::PACKET_FANOUT)
}

/// Sets the program by which the socket's fanout group chooses a member.
pub(super) fn set_fanout_program(socket: BorrowedFd<'_>, program: &[SockFilter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?,
        // A SockFilter has the layout of a sock_filter. The kernel only reads it.
        filter: program.as_ptr().cast_mut().cast(),
    };
    // The kernel copies the sock_fprog and as many instructions as it states; both are borrowed for the call.
    set_packet_option(socket, libc::PACKET_FANOUT_DATA, &program)
}

/// The address of a station on an Ethernet.
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

/// Sends the parts of a frame through a `SOCK_RAW` packet socket.
pub(super) fn send_frame(
    socket: BorrowedFd<'_>,
    parts: &mut [IoSlice<'_>],
    station: &mut libc::sockaddr_ll,
) -> io::Result<()> {
    // SAFETY: all-zero bytes are a valid msghdr: integers and null pointers.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = std::ptr::from_mut(station).cast();
    message.msg_namelen = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // An IoSlice has the layout of an iovec on Unix.
    message.msg_iov = parts.as_mut_ptr().cast();
    message.msg_iovlen = parts.len() as _;
    // SAFETY: the message points to a complete sockaddr_ll and to as many vectors as it states. All are borrowed for the
    // call, which only reads them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_DONTWAIT) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn check(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
