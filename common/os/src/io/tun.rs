//! A TUN device: the kernel of this host receives the packets that are written, and what it sends to the device's networks can
//! be read (linux/Documentation/networking/tuntap.rst). The device vanishes with this process, however that ends.

mod route;

use std::fs::{self, File, OpenOptions};
use std::io::{self, IoSlice, Read, Write};
use std::net::UdpSocket;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};

use common_core::network::Networks;
use nix::libc;
use nix::net::if_::if_nametoindex;

use super::interfaces;
use super::open::OpenError;
use super::sys;
use super::virtio;

/// The name of the device; the kernel puts the lowest number that is free.
const NAME: &str = "tcpcopy%d";

/// The largest MTU that the kernel allows. Nothing behind the device has a smaller one, so no packet of a copy is too long,
/// whatever `-M` is. The segments of the test server are bounded by the segment size that each copy announces.
const MTU: libc::c_int = 65_535;

/// Packets of the kernel that wait for this process. The default of 500 is a hundredth of a second of a busy server.
const QUEUE: libc::c_int = 16_384;

/// The longest packet that the kernel hands over: its limit of cut-on-the-way segments (65 536), and some more.
const LONGEST: usize = 80 * 1024;

/// A TUN device. Register it for readability with [`mio::unix::SourceFd`].
pub struct Tun {
    file: File,
    name: String,
    /// The kernel's counter of packets for which the queue had no room.
    dropped: Option<File>,
    buffer: Box<[u8]>,
}

impl Tun {
    /// Makes a device to which the kernel sends what is for `networks`. Needs `CAP_NET_ADMIN`.
    ///
    /// # Errors
    /// [`OpenError`] is one line for the user.
    pub fn create(networks: &Networks) -> Result<Self, OpenError> {
        for ip in interfaces::local_addresses() {
            if let Some(network) = networks.of(ip).filter(|network| network.contains(ip)) {
                return Err(OpenError::OwnAddress { network, ip });
            }
        }
        let file =
            OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun");
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::NoTun,
            _ => OpenError::new("open /dev/net/tun", error),
        })?;
        let fail = |source| OpenError::new("make a TUN device", source);
        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        let name = sys::make_tun(file.as_fd(), NAME, flags).map_err(fail)?;
        let offloads = libc::TUN_F_CSUM | libc::TUN_F_TSO4 | libc::TUN_F_TSO6;
        sys::set_tun_offload(file.as_fd(), virtio::HEADER as libc::c_int, offloads).map_err(fail)?;
        prepare_v6(&name, networks.v6.is_some());
        let socket = UdpSocket::bind((std::net::Ipv4Addr::LOCALHOST, 0)).map_err(fail)?;
        sys::set_up_interface(socket.as_fd(), &name, MTU, QUEUE).map_err(fail)?;
        let index = if_nametoindex(name.as_str()).map_err(|errno| fail(errno.into()))?;
        for network in networks.iter() {
            route::add(network, index).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => OpenError::NetworkInUse(network),
                io::ErrorKind::PermissionDenied if network.address().is_ipv6() => OpenError::NoIpv6(network),
                _ => OpenError::new("route the network to the TUN device", error),
            })?;
        }
        let dropped = File::open(format!("/sys/class/net/{name}/statistics/tx_dropped")).ok();
        Ok(Self { file, name, dropped, buffer: vec![0; virtio::HEADER + LONGEST].into_boxed_slice() })
    }

    /// The name of the device.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Hands an IP packet with complete checksums to the kernel.
    ///
    /// # Errors
    /// The operating system's error; the packet is lost.
    pub fn write(&self, packet: &[u8]) -> io::Result<()> {
        self.write_with(&[0; virtio::HEADER], packet)
    }

    /// Hands the kernel an IP packet that stands for segments of `segment` payload bytes. The first `headers` bytes are its IP
    /// header, without extensions, and its TCP header, whose checksum is the sum of the pseudo-header.
    ///
    /// # Errors
    /// As [`Self::write`]; [`io::ErrorKind::InvalidInput`] if the headers are not whole.
    pub fn write_long(&self, packet: &[u8], headers: usize, segment: u16) -> io::Result<()> {
        let header = packet.get(..headers).and_then(|headers| virtio::header(0, headers, segment));
        self.write_with(&header.ok_or(io::ErrorKind::InvalidInput)?, packet)
    }

    fn write_with(&self, header: &[u8; virtio::HEADER], packet: &[u8]) -> io::Result<()> {
        (&self.file).write_vectored(&[IoSlice::new(header), IoSlice::new(packet)]).map(drop)
    }

    /// Passes at most `budget` packets of the kernel to `sink`, without waiting; returns how many there were. Fewer than `budget`
    /// means that none is left for now. Checksums may be missing, and TCP segments may be longer than the peer's segment size.
    ///
    /// # Errors
    /// The operating system's error; the device may be read again.
    pub fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(&[u8])) -> io::Result<usize> {
        for taken in 0..budget {
            match (&self.file).read(&mut self.buffer) {
                Ok(length) => sink(self.buffer.get(virtio::HEADER..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(taken),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(budget)
    }

    /// Packets of the kernel for which the queue had no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let mut digits = [0; 24];
        let read = self.dropped.as_ref().and_then(|file| file.read_at(&mut digits, 0).ok());
        let text = read.and_then(|length| std::str::from_utf8(&digits[..length]).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
}

impl AsRawFd for Tun {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// The device needs no address of its own, which the kernel would announce to nobody. If the settings cannot be written, the
/// kernel's own apply: then the route says whether there is IPv6.
fn prepare_v6(name: &str, is_wanted: bool) {
    let settings: &[(&str, &str)] =
        if is_wanted { &[("disable_ipv6", "0"), ("addr_gen_mode", "1")] } else { &[("disable_ipv6", "1")] };
    for (setting, value) in settings {
        let written = fs::write(format!("/proc/sys/net/ipv6/conf/{name}/{setting}"), value);
        let _ = written.inspect_err(|error| log::debug!("{name}: cannot set {setting}: {error}"));
    }
}
