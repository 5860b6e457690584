//! What a reader has read, and what it could not read.

use std::ops::AddAssign;

/// Counters of a reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Packets read.
    pub packets: u64,
    /// Places at which the file is damaged: the reader has skipped to the next records that follow one another.
    pub damaged: u64,
    /// Bytes skipped at these places.
    pub skipped_bytes: u64,
    /// The file ends inside a record.
    pub cut: u64,
}

impl AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.packets += other.packets;
        self.damaged += other.damaged;
        self.skipped_bytes += other.skipped_bytes;
        self.cut += other.cut;
    }
}
