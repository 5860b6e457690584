//! Sends frames with libpcap (`pcap_sendpacket(3)`), for devices on which its own ways of sending work and others do not.

use std::io;

use nix::net::if_::if_nametoindex;
use pcap::{Active, Capture};

use super::ethernet::header;
use super::next_hop::NextHop;
use super::open::OpenError;
use super::pcap_live::failed;
use common_core::wire::LinkType;

/// Nothing is captured on this handle, so its buffer is as small as it can be, in bytes.
const BUFFER: i32 = 64 * 1024;

/// A handle of libpcap on one interface. Frames leave at once, each with one system call.
pub(super) struct PcapSend {
    handle: Capture<Active>,
    /// The index of the interface.
    interface: u32,
    /// The frame to send; kept for its memory.
    frame: Vec<u8>,
}

impl PcapSend {
    /// Opens the handle.
    pub(super) fn open(interface: &str) -> Result<Self, OpenError> {
        let fail = |error| failed("send packets with libpcap", error);
        let index = if_nametoindex(interface).map_err(|_| OpenError::not_an_interface(interface))?;
        let inactive = Capture::from_device(interface).map_err(fail)?;
        let active = inactive.promisc(false).snaplen(64).buffer_size(BUFFER).open().map_err(fail)?;
        let mut handle = active.setnonblock().map_err(fail)?;
        if handle.get_datalink().0 != i32::from(LinkType::ETHERNET.0) {
            return Err(OpenError::NoLink { interface: Some(interface.to_owned()), source_mac: None });
        }
        // No frame is that short. An expression that libpcap can prove to be false does not compile.
        handle.filter("less 1", true).map_err(fail)?;
        Ok(Self { handle, interface: index, frame: Vec::new() })
    }

    /// Sends an IP packet without waiting.
    pub(super) fn send(&mut self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        if hop.interface != self.interface {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        self.frame.clear();
        self.frame.extend_from_slice(&header(hop, packet));
        self.frame.extend_from_slice(packet);
        self.handle.sendpacket(&self.frame[..]).map_err(|error| {
            // libpcap reports the system's error as a text, and leaves its number in place.
            let system = io::Error::last_os_error();
            if system.raw_os_error() == Some(0) { io::Error::other(error) } else { system }
        })
    }
}
