//! Places in a TCP stream: sequence numbers wrap after 4 GiB, offsets do not.

use common_core::wire::Seq;

/// A place in a stream: its sequence number, and its offset in bytes from where the stream was first seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct StreamOffset {
    seq: Seq,
    offset: u64,
}

impl StreamOffset {
    /// The first byte of a stream.
    pub(super) fn start(seq: Seq) -> Self {
        Self { seq, offset: 0 }
    }

    /// The sequence number of the place.
    pub(super) fn seq(self) -> Seq {
        self.seq
    }

    /// The sequence number of the first byte.
    pub(super) fn first(self) -> Seq {
        // Sequence numbers wrap.
        self.seq - self.offset as u32
    }

    /// Bytes before the place.
    pub(super) fn bytes(self) -> u64 {
        self.offset
    }

    /// How many bytes `seq` is ahead of the place; negative if it is before the place.
    pub(super) fn distance_to(self, seq: Seq) -> i32 {
        seq.distance(self.seq)
    }

    /// The offset of `seq`; 0 if `seq` is before the first byte.
    pub(super) fn offset_of(self, seq: Seq) -> u64 {
        self.offset.saturating_add_signed(self.distance_to(seq).into())
    }

    /// Moves the place ahead.
    pub(super) fn advance(&mut self, bytes: u64) {
        // Sequence numbers wrap.
        self.seq = self.seq + bytes as u32;
        self.offset += bytes;
    }

    /// Moves the place to `seq`. If `seq` is before it, the stream has gone back: the bytes up to here still count.
    pub(super) fn jump_to(&mut self, seq: Seq) {
        self.offset += u64::from(self.distance_to(seq).max(0).unsigned_abs());
        self.seq = seq;
    }

    /// Moves the place back, at most to the first byte.
    pub(super) fn go_back(&mut self, bytes: u64) {
        let bytes = bytes.min(self.offset);
        self.seq = self.seq - bytes as u32;
        self.offset -= bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_go_on_where_sequence_numbers_wrap() {
        let mut place = StreamOffset::start(Seq(u32::MAX - 9));
        place.advance(20);
        assert_eq!((place.seq(), place.bytes()), (Seq(10), 20));
        assert_eq!((place.offset_of(Seq(15)), place.offset_of(Seq(u32::MAX))), (25, 9));
        place.go_back(15);
        assert_eq!((place.seq(), place.bytes()), (Seq(u32::MAX - 4), 5));
        place.advance(5 << 32);
        assert_eq!(place.offset_of(Seq(0)), 10 + (5 << 32));
        place.jump_to(Seq(0));
        assert_eq!((place.seq(), place.bytes()), (Seq(0), 10 + (5 << 32)));
        place.jump_to(Seq(u32::MAX));
        assert_eq!((place.seq(), place.bytes()), (Seq(u32::MAX), 10 + (5 << 32)));
    }

    #[test]
    fn nothing_is_before_the_first_byte() {
        let mut place = StreamOffset::start(Seq(7));
        assert_eq!((place.offset_of(Seq(0)), place.distance_to(Seq(0))), (0, -7));
        place.advance(2);
        place.go_back(3);
        assert_eq!((place.seq(), place.bytes()), (Seq(7), 0));
    }
}
