//! Reads a capture until an expected packet has come.

#![allow(dead_code, reason = "each test program uses its part")]

use std::os::fd::AsRawFd;
use std::time::Duration;

use common_core::flow::Endpoint;
use common_core::wire::{Flags, Segment, Seq};
use common_os::io::af_packet::{AfPacket, DEFAULT_SNAP, Room};
use common_os::io::bpf::Program;
use common_os::io::{Capture, CaptureCounters};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

/// Every ordinary packet fits in a frame.
pub(crate) const ROOM: Room = Room { frame: 2048, packets: 4096, queue: 64 << 20, snap: DEFAULT_SNAP };

/// One captured segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) outgoing: bool,
    pub(crate) source: Endpoint,
    pub(crate) destination: Endpoint,
    pub(crate) seq: Seq,
    pub(crate) ack: Seq,
    pub(crate) flags: Flags,
    pub(crate) payload: Vec<u8>,
    pub(crate) payload_len: u32,
}

/// A capture and a poll, as in the event loops.
pub(crate) struct Sniffer {
    pub(crate) capture: AfPacket,
    poll: Poll,
}

impl Sniffer {
    pub(crate) fn open(interface: Option<&str>, program: &Program) -> Self {
        Self::with(AfPacket::open(interface, program, ROOM).unwrap())
    }

    /// Several captures that share the packets.
    pub(crate) fn open_shared(interface: Option<&str>, program: &Program, count: u16) -> Vec<Self> {
        let captures = AfPacket::open_shared(interface, program, ROOM, count).unwrap();
        captures.into_iter().map(Self::with).collect()
    }

    fn with(capture: AfPacket) -> Self {
        let poll = Poll::new().unwrap();
        let file = capture.as_raw_fd();
        poll.registry().register(&mut SourceFd(&file), Token(0), Interest::READABLE).unwrap();
        Self { capture, poll }
    }

    /// All segments up to the first one for which `last` is true, and those captured at the same time.
    pub(crate) fn until(&mut self, last: impl Fn(&Seen) -> bool) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            all.extend(self.pending());
            if all.iter().any(&last) {
                return all;
            }
            let mut events = Events::with_capacity(4);
            self.poll.poll(&mut events, Some(Duration::from_secs(20))).unwrap();
            assert!(!events.is_empty(), "the expected packet does not come; seen: {:?}", summary(&all));
        }
    }

    /// The segments that are captured now.
    pub(crate) fn pending(&mut self) -> Vec<Seen> {
        let mut all = Vec::new();
        loop {
            let received = self.capture.receive(100, &mut |captured| {
                let segment = Segment::parse(captured.packet).expect("a filter passes TCP segments only");
                all.push(Seen {
                    outgoing: captured.outgoing,
                    source: segment.source,
                    destination: segment.destination,
                    seq: segment.seq,
                    ack: segment.ack,
                    flags: segment.flags,
                    payload: segment.payload.to_vec(),
                    payload_len: segment.payload_len,
                });
            });
            if received.unwrap() < 100 {
                return all;
            }
        }
    }

    pub(crate) fn counters(&mut self) -> CaptureCounters {
        self.capture.counters().unwrap()
    }
}

/// The stream of the segments to `service`, assembled by sequence numbers.
pub(crate) fn stream(all: &[Seen], service: Endpoint) -> Vec<u8> {
    let syn = all.iter().find(|seen| seen.destination == service && seen.flags.has(Flags::SYN));
    let first = syn.expect("no SYN was captured").seq + 1;
    let with_payload = |seen: &&Seen| seen.destination == service && !seen.payload.is_empty();
    let mut segments: Vec<_> = all.iter().filter(with_payload).collect();
    segments.sort_by_key(|seen| seen.seq.distance(first));
    let mut bytes = Vec::new();
    for seen in segments {
        let at = usize::try_from(seen.seq.distance(first)).expect("payload before the stream");
        assert!(at <= bytes.len(), "bytes {} to {at} are missing", bytes.len());
        assert_eq!(seen.payload.len(), seen.payload_len as usize, "payload was cut off");
        // A retransmission has the same bytes.
        let known = (bytes.len() - at).min(seen.payload.len());
        assert_eq!(bytes[at..at + known], seen.payload[..known]);
        bytes.extend_from_slice(&seen.payload[known..]);
    }
    bytes
}

fn summary(all: &[Seen]) -> Vec<(Endpoint, Endpoint, Flags, u32)> {
    all.iter().map(|seen| (seen.source, seen.destination, seen.flags, seen.payload_len)).collect()
}
