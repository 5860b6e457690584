//! What became of the packets of capture files.

use capture_file::{Counters, Irregular};
use serde::Serialize;

/// The account of the reading of capture files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct FileStats {
    /// Packets read, repeats included.
    pub packets: u64,
    /// Of these, passed on: those of clients, and those of the service that are needed.
    pub selected: u64,
    /// Packets of no service of `-x`.
    pub unrelated: u64,
    /// Of these, TCP segments to the service's port at another address.
    pub other_address: u64,
    /// Of these, TCP segments to the most frequent other port, and that port.
    pub other_port: u64,
    /// The port.
    pub busiest_port: u16,
    /// Packets that were read before, with `--decap`.
    pub repeated: u64,
    /// Packets that `-F` does not pass.
    pub filtered: u64,
    /// Packets that are no TCP segments, or malformed.
    pub unreadable: u64,
    /// Packets of a link layer that cannot be read.
    pub unknown_link: u64,
    /// Places at which a file is damaged.
    pub damaged: u64,
    /// Bytes skipped there.
    pub skipped_bytes: u64,
    /// Files that end inside a record, or whose compressed data end early.
    pub cut: u64,
    /// Packets with a time before that of the packet before them.
    pub out_of_order: u64,
    /// Packets with a time far from that of their neighbours, and clocks that were set back.
    pub clock_jumps: u64,
    /// Idle times that were cut to `-I`.
    pub gaps_cut: u64,
    /// Packets whose client has another port than in the file, because they are repeated.
    pub shifted: u64,
    /// How often the files have been read to their end.
    pub passes: u64,
    /// Bytes read of the current pass, as they are on the disk, and the size of all files; zero for a pipe.
    pub bytes_read: u64,
    /// The size.
    pub bytes_total: u64,
    /// The largest delay behind the pace of the files, in milliseconds: reading waits while copies lag.
    pub longest_delay_ms: u64,
}

impl FileStats {
    /// Adds what was read of one file.
    pub(super) fn add(&mut self, counters: Counters, irregular: Irregular, failed: bool) {
        self.packets += counters.packets;
        self.damaged += counters.damaged;
        self.skipped_bytes += counters.skipped_bytes;
        self.cut += counters.cut.max(u64::from(failed));
        self.out_of_order += irregular.out_of_order;
        self.clock_jumps += irregular.clock_jumps;
    }

    /// Why nothing can be replayed, if the files show it: the first obstacle, and a hint.
    #[must_use]
    pub fn obstacle(&self) -> Option<String> {
        if self.selected > 0 {
            return None;
        }
        Some(if self.packets == 0 && self.damaged == 0 {
            "the capture files contain no packet: check how they were captured".to_owned()
        } else if self.packets == 0 {
            format!(
                "the capture files are damaged: no packet among {} bytes could be read",
                self.skipped_bytes
            )
        } else if self.unknown_link == self.packets {
            format!(
                "none of the {} packets of the capture files has a known link layer: capture on an Ethernet, loopback or \
                 'any' interface",
                self.packets
            )
        } else if self.filtered > 0 && self.filtered + self.unreadable + self.unknown_link == self.packets {
            format!("the filter of -F passes none of the {} packets of the capture files", self.packets)
        } else if self.other_address > 0 {
            format!(
                "{} packets of the capture files go to the port of -x, but to another address: name that of the files in -x, \
                 or only the port",
                self.other_address
            )
        } else if self.other_port > 0 {
            format!(
                "none of the {} packets of the capture files is of a service of -x: most go to port {}; check the port in -x",
                self.packets, self.busiest_port
            )
        } else {
            format!(
                "none of the {} packets of the capture files is a TCP segment of a service of -x",
                self.packets
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_obstacle_is_named() {
        let none = FileStats::default();
        let read = FileStats { packets: 9, ..none.clone() };
        for (stats, part) in [
            (none.clone(), "contain no packet"),
            (FileStats { damaged: 1, skipped_bytes: 70, ..none }, "among 70 bytes"),
            (FileStats { unknown_link: 9, ..read.clone() }, "link layer"),
            (FileStats { filtered: 7, unreadable: 2, ..read.clone() }, "-F passes none of the 9"),
            (FileStats { unrelated: 9, other_address: 4, ..read.clone() }, "another address"),
            (FileStats { unrelated: 9, other_port: 4, busiest_port: 8080, ..read.clone() }, "port 8080"),
            (FileStats { unreadable: 9, ..read.clone() }, "is a TCP segment"),
        ] {
            let obstacle = stats.obstacle().unwrap();
            assert!(obstacle.contains(part), "{obstacle}");
        }
        assert_eq!(FileStats { selected: 1, ..read }.obstacle(), None);
    }
}
