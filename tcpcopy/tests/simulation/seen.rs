//! The client bytes that an engine has received, each counted once.

use std::collections::BTreeMap;

use common_core::flow::Endpoint;
use common_core::wire::{Flags, Segment};

/// Ranges of sequence numbers, by client and service.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    segments: BTreeMap<(Endpoint, Endpoint), Vec<(u64, u64)>>,
    /// All bytes, duplicates included.
    pub(crate) bytes: u64,
}

impl Seen {
    pub(crate) fn add(&mut self, segment: &Segment<'_>) {
        self.add_first(segment, segment.payload.len());
    }

    /// Of a SYN's payload, only the first bytes count, which the online server accepted.
    pub(crate) fn add_first(&mut self, segment: &Segment<'_>, length: usize) {
        let length = length as u64;
        self.bytes += length;
        let start = u64::from((segment.seq + u32::from(segment.flags.has(Flags::SYN))).0);
        let list = self.segments.entry((segment.source, segment.destination)).or_default();
        // After the last sequence number comes the first.
        let turn = 1 << 32;
        list.push((start, (start + length).min(turn)));
        list.push((0, (start + length).saturating_sub(turn)));
    }

    /// The least number of different bytes: a four-tuple that is used again may use the same sequence numbers.
    pub(crate) fn unique(&self) -> u64 {
        self.segments.values().map(|list| length_of_union(list.clone())).sum()
    }
}

fn length_of_union(mut list: Vec<(u64, u64)>) -> u64 {
    list.sort_unstable();
    let (mut length, mut at) = (0, 0);
    for (start, end) in list {
        length += end.max(at) - start.max(at);
        at = at.max(end);
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_overlaps_counts_once() {
        assert_eq!(length_of_union(vec![(5, 10), (0, 0), (8, 20), (30, 31), (9, 11)]), 16);
    }
}
