//! The mark of copies: another tcpcopy that captures them must not take them for clients.

use super::{Flags, Segment, Seq};

/// The TSecr of a copy's SYN. It has a meaning only in segments with ACK: clients send zero there, and receivers do not read
/// it (RFC 7323 section 3.2). So the mark costs nothing, and no client has it by chance. Where something on the way changes
/// timestamps or sequence numbers, it is lost.
#[must_use]
pub fn copy_mark(isn: Seq, timestamp: u32) -> u32 {
    // The finaliser of SplitMix64, on numbers that do not repeat soon.
    let mut x = u64::from(isn.0) << 32 | u64::from(timestamp);
    x = (x ^ x >> 30 ^ 0x7463_7063_6f70_790a).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((x ^ x >> 31) as u32).max(1)
}

/// Whether a segment is the SYN of a copy.
#[must_use]
pub fn is_marked(segment: &Segment<'_>) -> bool {
    segment.flags.has(Flags::SYN)
        && !segment.flags.has(Flags::ACK)
        && segment.options.timestamps.is_some_and(|timestamps| {
            timestamps.echo != 0 && timestamps.echo == copy_mark(segment.seq, timestamps.value)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_depends_on_both_numbers_and_is_never_zero() {
        let marks: std::collections::HashSet<_> =
            (0..100_000).flat_map(|n| [copy_mark(Seq(n), 7), copy_mark(Seq(7), n + 100_000)]).collect();
        assert!(marks.len() > 199_980 && !marks.contains(&0), "{} different ones", marks.len());
    }
}
