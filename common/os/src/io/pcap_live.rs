//! Live capture with libpcap (pcap(3)), for devices that only libpcap can read, and filters on the link layer.

use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use nix::net::if_::if_nametoindex;
use pcap::{Active, Capture as Handle, Stat};

use super::bpf::{FilterError, does_not_compile};
use super::open::OpenError;
use super::{Capture, CaptureCounters, Captured};
use common_core::time::Stamp;
use common_core::wire::{LinkType, ip_packet};

/// libpcap's name for all interfaces.
const ALL: &str = "any";

/// Room of a capture for packets that have not been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PcapRoom {
    /// Buffer in bytes.
    pub buffer: usize,
    /// Limit of the captured bytes of a packet.
    pub snap: usize,
    /// How long the kernel gathers packets at most before it passes them on, in whole milliseconds. It passes on a block
    /// (256 KB of the buffer), however little is in it: so this is also how long a block lasts at least while the reader is
    /// busy. Without gathering, each packet would take a frame as long as the snap length.
    pub gathering: Duration,
    /// Receive also what is sent to other stations.
    pub promiscuous: bool,
}

/// Why a capture cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PcapOpenError {
    /// libpcap, or the system.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The filter.
    #[error(transparent)]
    Filter(#[from] FilterError),
}

/// A capture of one interface or of all. It does not know the direction of packets: [`Captured::outgoing`] is always false.
///
/// Register it for readability with [`mio::unix::SourceFd`].
pub struct PcapLive {
    handle: Handle<Active>,
    link: LinkType,
    /// The stamp of the last packet.
    last: Stamp,
    counters: CaptureCounters,
    /// libpcap's counters, which wrap around, as of the last reading.
    read: Stat,
}

impl PcapLive {
    /// Opens a capture of `interface`, of all interfaces for `None`, with a filter in the syntax of tcpdump.
    ///
    /// # Errors
    /// [`PcapOpenError`] is one line for the user.
    pub fn open(interface: Option<&str>, filter: &str, room: PcapRoom) -> Result<Self, PcapOpenError> {
        let fail = |error| PcapOpenError::Open(failed("capture packets with libpcap", error));
        if let Some(name) = interface {
            if_nametoindex(name).map_err(|_| OpenError::not_an_interface(name))?;
        }
        let number = |size| i32::try_from(size).unwrap_or(i32::MAX);
        let inactive = Handle::from_device(interface.unwrap_or(ALL))
            .map_err(fail)?
            .promisc(room.promiscuous && interface.is_some())
            .snaplen(number(room.snap))
            .buffer_size(number(room.buffer))
            .timeout(i32::try_from(room.gathering.as_millis()).unwrap_or(i32::MAX).max(1));
        let mut handle = inactive.open().map_err(fail)?.setnonblock().map_err(fail)?;
        handle.filter(filter, true).map_err(|error| does_not_compile(filter, error))?;
        let number = handle.get_datalink().0;
        let link = LinkType(u16::try_from(number).unwrap_or(u16::MAX));
        if !link.is_known() {
            let problem = io::Error::other(format!("its {link} is a link layer that cannot be read here"));
            return Err(OpenError::new("capture packets with libpcap", problem).into());
        }
        let read = Stat { received: 0, dropped: 0, if_dropped: 0 };
        Ok(Self { handle, link, last: Stamp::FIRST, counters: CaptureCounters::default(), read })
    }

    /// Replaces the filter. Packets that are already queued must pass the new one, too.
    ///
    /// # Errors
    /// libpcap's error; the old filter stays.
    pub fn set_filter(&mut self, filter: &str) -> io::Result<()> {
        self.handle.filter(filter, true).map_err(io::Error::other)
    }
}

impl Capture for PcapLive {
    fn receive(&mut self, budget: usize, sink: &mut dyn FnMut(Captured<'_>)) -> io::Result<usize> {
        for taken in 0..budget {
            let packet = match self.handle.next_packet() {
                Ok(packet) => packet,
                Err(pcap::Error::TimeoutExpired) => return Ok(taken),
                Err(_) if taken > 0 => return Ok(taken),
                Err(error) => return Err(io::Error::other(error)),
            };
            let time = packet.header.ts;
            #[allow(clippy::unnecessary_cast, reason = "the fields have 32 bits on some systems")]
            let (seconds, micros) = (time.tv_sec as i64, time.tv_usec as i64);
            let nanos = seconds.wrapping_mul(1_000_000_000).wrapping_add(micros.wrapping_mul(1000));
            // Several packets may have the same time, and the order in which they were read counts.
            self.last = Stamp::from_nanos(u64::try_from(nanos).unwrap_or(0)).max(self.last.next());
            if let Some(ip) = ip_packet(self.link, packet.data) {
                sink(Captured { packet: ip, outgoing: false, stamp: self.last });
            }
        }
        Ok(budget)
    }

    fn counters(&mut self) -> io::Result<CaptureCounters> {
        let now = self.handle.stats().map_err(io::Error::other)?;
        self.counters.received += u64::from(now.received.wrapping_sub(self.read.received));
        self.counters.dropped += u64::from(now.dropped.wrapping_sub(self.read.dropped));
        self.read = now;
        Ok(self.counters)
    }
}

impl AsRawFd for PcapLive {
    fn as_raw_fd(&self) -> RawFd {
        self.handle.as_raw_fd()
    }
}

/// The error of an action of libpcap.
pub(super) fn failed(action: &'static str, error: pcap::Error) -> OpenError {
    let text = match error {
        pcap::Error::PcapError(text) => text,
        other => other.to_string(),
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let is_denied = ["permission", "Operation not permitted"].iter().any(|part| line.contains(part));
    let kind = if is_denied { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    OpenError::new(action, io::Error::new(kind, line))
}
