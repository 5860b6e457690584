//! Damaged files: what can be read is read, and the rest is counted.

use std::collections::BTreeSet;
use std::io::{self, Read};

use crate::writer::{Written, number, packets, pcap, pcapng};
use capture_file::{Counters, Reader};
use proptest::prelude::*;

/// Hands out a few bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// The packets of a file, and its counters.
fn read(file: &[u8], at_once: usize) -> (Vec<Vec<u8>>, Counters) {
    let mut reader = Reader::new(Slow(file, at_once));
    let mut read = Vec::new();
    while let Some(packet) = reader.next_packet() {
        read.push(packet.data.to_vec());
    }
    assert_eq!(reader.counters().packets, read.len() as u64);
    (read, reader.counters())
}

/// How many of the packets were read.
fn found(written: &[Written], read: &[Vec<u8>]) -> usize {
    let read: BTreeSet<&Vec<u8>> = read.iter().collect();
    written.iter().filter(|packet| read.contains(&packet.data)).count()
}

/// Files of all kinds with these packets, and the places of their records.
fn files(packets: &[Written]) -> Vec<(Vec<u8>, Vec<usize>)> {
    let mut files = Vec::new();
    for big_endian in [false, true] {
        files.push(pcap(packets, big_endian, big_endian));
        files.push(pcapng(packets, big_endian));
    }
    files
}

#[test]
fn cut_at_every_byte_of_the_last_two_records() {
    let packets = packets(20);
    for (file, places) in files(&packets) {
        for cut in places[18]..file.len() {
            let whole = places.iter().filter(|&&place| place <= cut).count() - 1;
            for at_once in [usize::MAX, 7] {
                let (read, counters) = read(&file[..cut], at_once);
                assert_eq!(read.len(), whole, "cut at {cut}");
                let is_between = places.contains(&cut);
                assert_eq!((counters.cut, counters.damaged), (u64::from(!is_between), 0), "cut at {cut}");
            }
        }
    }
}

#[test]
fn an_overwritten_part_costs_its_packets_only() {
    let packets = packets(60);
    for (file, places) in files(&packets) {
        for (from, to) in
            [(places[20], places[21]), (places[20] + 9, places[25] + 3), (places[40] - 5, places[40] + 5)]
        {
            let mut file = file.clone();
            file[from..to].fill(0xaa);
            let hit = (0..60).filter(|&index| {
                let end = places.get(index + 1).copied().unwrap_or(file.len());
                places[index] < to && end > from
            });
            let least = 60 - hit.count();
            let (read, counters) = read(&file, usize::MAX);
            // A section whose header is hit has no interfaces; none of these parts hits one.
            assert!(found(&packets, &read) >= least, "{} of {least}, {from}..{to}", found(&packets, &read));
            assert!(counters.damaged > 0 || from == places[40] - 5);
        }
    }
}

#[test]
fn a_damaged_length_costs_its_record_only() {
    let packets = packets(60);
    for big_endian in [false, true] {
        let (file, places) = pcap(&packets, big_endian, false);
        for wrong in [0_u32, 1, 61, 5000, 900_000, 2_000_000, u32::MAX] {
            let mut file = file.clone();
            file[places[30] + 8..places[30] + 12].copy_from_slice(&number(wrong, big_endian));
            let (read, counters) = read(&file, usize::MAX);
            assert_eq!(found(&packets, &read), 59, "{wrong}");
            assert_eq!((read.len(), counters.damaged), (59, 1), "{wrong}");
        }
    }
}

#[test]
fn how_the_bytes_arrive_does_not_matter() {
    let packets = packets(40);
    for (mut file, places) in files(&packets) {
        file[places[10] + 8] ^= 0xff;
        let expected = read(&file, usize::MAX);
        for at_once in [1, 5, 16, 1000] {
            assert!(read(&file, at_once) == expected, "{at_once} at a time");
        }
    }
}

proptest! {
    #[test]
    fn flipped_bytes_are_survived(
        kind in 0..4_usize,
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let packets = packets(40);
        let (mut file, _) = files(&packets).swap_remove(kind);
        for (at, value) in &flips {
            let at = at.index(file.len());
            file[at] = *value;
        }
        let (_, counters) = read(&file, usize::MAX);
        prop_assert!(counters.skipped_bytes <= file.len() as u64);
    }

    #[test]
    fn any_bytes_are_survived(start in 0..4_usize, bytes in prop::collection::vec(any::<u8>(), 0..3000)) {
        let (file, places) = files(&packets(4)).swap_remove(start);
        let (_, counters) = read(&[&file[..places[1]], &bytes].concat(), usize::MAX);
        prop_assert!(counters.skipped_bytes <= bytes.len() as u64);
    }
}
