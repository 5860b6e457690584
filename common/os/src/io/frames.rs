//! The two ways to send frames to a known station: sockets of this process, or libpcap.

use std::io;

use super::Lost;
use super::ethernet::{self, Ethernet};
use super::next_hop::NextHop;
use super::open::OpenError;
use super::pcap_send::PcapSend;
use common_core::wire::LongPacket;

/// A way to send frames.
pub(super) enum Frames {
    Sockets(Box<Ethernet>),
    Pcap(PcapSend),
}

impl Frames {
    /// Opens libpcap on the given interface, or sockets for all.
    pub(super) fn open(by_pcap_on: Option<&str>) -> Result<Self, OpenError> {
        Ok(match by_pcap_on {
            Some(interface) => Self::Pcap(PcapSend::open(interface)?),
            None => Self::Sockets(Box::new(
                Ethernet::open().map_err(|error| OpenError::new("send packets", error))?,
            )),
        })
    }

    /// Sends an IP packet without waiting, at the latest with the next [`Self::flush`].
    pub(super) fn send(&mut self, hop: &NextHop, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.send(hop, packet),
            Self::Pcap(pcap) => pcap.send(hop, packet),
        }
    }

    /// Payload bytes that one [`Self::send_long`] accepts. libpcap cuts no packets into segments.
    pub(super) fn long_payload(&self) -> usize {
        match self {
            Self::Sockets(_) => ethernet::LONG,
            Self::Pcap(_) => 0,
        }
    }

    /// Sends a long packet as TCP segments with `segment` bytes of payload.
    pub(super) fn send_long(
        &mut self,
        hop: &NextHop,
        packet: &LongPacket<'_>,
        segment: u16,
    ) -> io::Result<()> {
        match self {
            Self::Sockets(sockets) => sockets.send_long(hop, packet, segment),
            Self::Pcap(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// Sends queued packets; [`Self::flush`] reports those that are lost.
    pub(super) fn send_queued(&mut self) {
        if let Self::Sockets(sockets) = self {
            sockets.send_queued();
        }
    }

    /// Sends queued packets.
    ///
    /// # Errors
    /// Queued packets that were lost since the last call.
    pub(super) fn flush(&mut self) -> Result<(), Lost> {
        match self {
            Self::Sockets(sockets) => sockets.flush(),
            Self::Pcap(_) => Ok(()),
        }
    }

    /// Queued packets that wait for room in the device.
    pub(super) fn unsent(&self) -> u64 {
        match self {
            Self::Sockets(sockets) => sockets.unsent(),
            Self::Pcap(_) => 0,
        }
    }
}
