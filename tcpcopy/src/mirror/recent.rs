//! Recognises packets that come twice.

use std::hash::{BuildHasher, Hash, Hasher};
use std::time::Duration;

use common_core::time::Stamp;
use common_core::wire::Segment;
use foldhash::fast::RandomState;

/// A packet that comes again within this time is the same one: a tunnel may be slower than a cable. Retransmissions take longer,
/// or differ in the identification of the IP header or in the timestamp. If they do not, the first one was captured, so
/// that they are not needed. A SYN-ACK is repeated after a second, and the repetition counts.
const WINDOW: Duration = Duration::from_millis(900);

/// Packets that are remembered: 16 bytes each.
const PLACES: usize = 8192;

/// The last packets, by a hash of what does not change on the way.
#[derive(Debug)]
pub(crate) struct Recent {
    places: Vec<(u64, Stamp)>,
    hasher: RandomState,
}

impl Recent {
    pub(crate) fn new() -> Self {
        Self { places: vec![(0, Stamp::FIRST); PLACES], hasher: RandomState::default() }
    }

    /// The same packet was seen shortly before. TTL and type of service of the IP header may change on the way.
    pub(crate) fn repeats(&mut self, stamp: Stamp, packet: &[u8], segment: &Segment<'_>) -> bool {
        let mut hasher = self.hasher.build_hasher();
        segment.source.hash(&mut hasher);
        segment.destination.hash(&mut hasher);
        for number in [segment.seq.0, segment.ack.0, segment.payload_len, u32::from(segment.window)] {
            hasher.write_u32(number);
        }
        hasher.write_u8(segment.flags.0);
        if let Some(timestamps) = segment.options.timestamps {
            hasher.write_u32(timestamps.value);
            hasher.write_u32(timestamps.echo);
        }
        // IPv4 has an identification. IPv6 has none.
        if segment.source.ip.is_ipv4() {
            hasher.write(packet.get(4..6).unwrap_or_default());
        }
        let hash = hasher.finish();
        let place = &mut self.places[hash as usize % PLACES];
        let repeats = place.0 == hash && stamp.since(place.1) < WINDOW;
        if !repeats {
            *place = (hash, stamp);
        }
        repeats
    }
}
