//! Packets on their way from the reading thread to the worker.

use common_core::time::Stamp;
use common_os::io::Captured;

/// A batch is passed on when it has this many packets or bytes.
const PACKETS: usize = 256;
const BYTES: usize = 256 * 1024;

/// Packets with their times. Its memory is used again.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Item>,
}

#[derive(Debug, Clone, Copy)]
struct Item {
    /// Since the start of the replay, in nanoseconds of the capture.
    time: u64,
    end: usize,
    outgoing: bool,
}

impl Batch {
    pub(crate) fn push(&mut self, time: u64, packet: &[u8], outgoing: bool) {
        self.bytes.extend_from_slice(packet);
        self.packets.push(Item { time, end: self.bytes.len(), outgoing });
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(crate) fn is_full(&self) -> bool {
        self.packets.len() >= PACKETS || self.bytes.len() >= BYTES
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
    }

    /// The time of the packet at this position; `None` after the last one.
    pub(crate) fn time(&self, at: usize) -> Option<u64> {
        Some(self.packets.get(at)?.time)
    }

    /// The packet at this position.
    pub(crate) fn packet(&self, at: usize) -> Option<Captured<'_>> {
        let item = self.packets.get(at)?;
        let start =
            at.checked_sub(1).and_then(|before| self.packets.get(before)).map_or(0, |before| before.end);
        let packet = self.bytes.get(start..item.end)?;
        // The first packet has a time as well; zero would say that there is none.
        let stamp = Stamp::from_nanos(item.time).next();
        Some(Captured { packet, outgoing: item.outgoing, stamp })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_come_out_as_they_went_in() {
        let mut batch = Batch::default();
        for round in 0..2 {
            assert!(batch.is_empty());
            for index in 0..PACKETS {
                assert!(!batch.is_full());
                batch.push(index as u64, &vec![index as u8; index % 7], index % 2 == round);
            }
            assert!(batch.is_full());
            for index in 0..PACKETS {
                let captured = batch.packet(index).unwrap();
                assert_eq!(captured.packet, vec![index as u8; index % 7]);
                assert_eq!((batch.time(index), captured.outgoing), (Some(index as u64), index % 2 == round));
            }
            assert!(batch.time(PACKETS).is_none() && batch.packet(PACKETS).is_none());
            batch.clear();
        }
    }
}
