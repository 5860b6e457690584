//! Files of every kind are read alike, and as libpcap reads them.

use std::io::Write;
use std::path::Path;

use crate::writer::{Written, enhanced, interface, packets, pcap, pcapng, section, simple};
use capture_file::{CaptureFile, LinkType, OpenError, Reader};
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

/// Time, bytes and length of all packets.
fn read(file: &[u8]) -> Vec<(u64, Vec<u8>, u32)> {
    let mut reader = Reader::new(file);
    let mut read = Vec::new();
    while let Some(packet) = reader.next_packet() {
        assert_eq!(packet.link, LinkType::ETHERNET);
        read.push((packet.time, packet.data.to_vec(), packet.original_len));
    }
    let counters = reader.counters();
    assert_eq!((counters.packets, counters.damaged, counters.cut), (read.len() as u64, 0, 0));
    read
}

fn expected(packets: &[Written]) -> Vec<(u64, Vec<u8>, u32)> {
    packets.iter().map(|packet| (packet.time, packet.data.clone(), packet.data.len() as u32)).collect()
}

/// The same, as libpcap reads it.
fn libpcap(file: &[u8]) -> Vec<(u64, Vec<u8>, u32)> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(file).unwrap();
    let mut capture = pcap::Capture::from_file_with_precision(written.path(), pcap::Precision::Nano).unwrap();
    let mut read = Vec::new();
    while let Ok(packet) = capture.next_packet() {
        let time = packet.header.ts.tv_sec as u64 * 1_000_000_000 + packet.header.ts.tv_usec as u64;
        read.push((time, packet.data.to_vec(), packet.header.len));
    }
    read
}

#[test]
fn pcap_in_either_byte_order_and_resolution() {
    let packets = packets(100);
    for big_endian in [false, true] {
        for nanos in [false, true] {
            let (file, _) = pcap(&packets, big_endian, nanos);
            assert!(read(&file) == expected(&packets), "{big_endian} {nanos}");
            assert!(libpcap(&file) == expected(&packets), "{big_endian} {nanos}");
        }
    }
}

#[test]
fn pcapng_with_interfaces_and_sections() {
    let packets = packets(100);
    for big_endian in [false, true] {
        let (file, places) = pcapng(&packets, big_endian);
        assert!(read(&file) == expected(&packets));
        // libpcap refuses a section of the other byte order, so it reads the first one only.
        let first = &file[..places[50] - section(big_endian).len() - 120];
        let known = libpcap(first);
        assert!(known == expected(&packets)[..known.len()] && known.len() >= 49, "{}", known.len());
    }
}

#[test]
fn times_of_every_resolution() {
    for (resolution, stamp, expected) in [
        (None, 1_700_000_000_123_456, 1_700_000_000_123_456_000),
        (Some(0), 1_700_000_000, 1_700_000_000_000_000_000),
        (Some(3), 1_700_000_000_123, 1_700_000_000_123_000_000),
        (Some(12), 1_000_123_456_789, 1_000_123_456),
        (Some(0x80 | 10), 1_700_000_000 << 10 | 512, 1_700_000_000_500_000_000),
        (Some(0x80 | 20), 1 << 19, 500_000_000),
        (Some(0x80 | 40), 1 << 39, 500_000_000),
    ] {
        let file = [section(false), interface(1, resolution, 0, false), enhanced(0, stamp, &[1; 60], false)]
            .concat();
        assert_eq!(read(&file)[0].0, expected, "{resolution:?}");
        // libpcap multiplies in 64 bits, which are too few for the last one.
        if resolution != Some(0x80 | 40) {
            assert_eq!(libpcap(&file)[0].0, expected, "{resolution:?}");
        }
    }
}

#[test]
fn a_simple_packet_has_the_time_of_the_packet_before_it() {
    let file = [
        section(true),
        interface(1, None, 0, true),
        enhanced(0, 7_000_000, &[1; 60], true),
        simple(&[2; 61], true),
    ]
    .concat();
    assert_eq!(read(&file), [(7_000_000_000, vec![1; 60], 60), (7_000_000_000, vec![2; 61], 61)]);
}

#[test]
fn an_interface_that_cannot_be_read_keeps_its_number() {
    let file = [
        section(false),
        interface(1, Some(99), 0, false),
        interface(1, None, 0, false),
        enhanced(0, 1, &[1; 60], false),
        enhanced(1, 2, &[2; 60], false),
        enhanced(2, 3, &[3; 60], false),
    ]
    .concat();
    let mut reader = Reader::new(&file[..]);
    assert_eq!(reader.next_packet().unwrap().data, [2; 60]);
    assert!(reader.next_packet().is_none());
    assert_eq!(reader.counters().damaged, 3, "an interface, and the packets of two");
}

fn open(bytes: &[u8]) -> Result<CaptureFile, OpenError> {
    let mut written = tempfile::NamedTempFile::new().unwrap();
    written.write_all(bytes).unwrap();
    CaptureFile::open(written.path())
}

fn count(file: &mut CaptureFile) -> usize {
    std::iter::from_fn(|| file.next_packet().map(|_| ())).count()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn compressed_files_and_those_of_several_parts() {
    let (plain, _) = pcap(&packets(1000), false, false);
    let (start, end) = plain.split_at(plain.len() / 2);
    let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
    let skippable = [0x52, 0x2a, 0x4d, 0x18, 5, 0, 0, 0, 1, 2, 3, 4, 5];
    for file in [
        plain.clone(),
        gzip(&plain),
        [gzip(start), gzip(end)].concat(),
        zstd(&plain),
        [zstd(start), zstd(end)].concat(),
        [&skippable[..], &zstd(start), &skippable, &zstd(end)].concat(),
    ] {
        let mut opened = open(&file).unwrap();
        assert_eq!(opened.file_len(), Some(file.len() as u64));
        for _ in 0..2 {
            assert_eq!(count(&mut opened), 1000);
            assert!(opened.error().is_none());
            assert_eq!(opened.position(), file.len() as u64);
            opened.rewind().unwrap();
        }
    }
}

#[test]
fn a_compressed_file_that_is_cut_is_read_up_to_there() {
    let (plain, _) = pcap(&packets(1000), false, false);
    for file in [gzip(&plain), compress_to_vec(&plain[..], CompressionLevel::Fastest)] {
        let mut opened = open(&file[..file.len() * 3 / 4]).unwrap();
        let read = count(&mut opened);
        assert!((300..1000).contains(&read), "{read}");
        assert!(opened.error().is_some());
    }
}

#[test]
fn other_files_are_refused_in_one_line() {
    for (bytes, part) in [
        (&b""[..], "is empty"),
        (b"-----BEGIN RSA PRIVATE KEY", "is no capture file"),
        (b"\xfd7zXZ\0....", "xz"),
        (b"\x04\x22\x4d\x18....", "lz4"),
        (b"BZh9......", "bzip2"),
    ] {
        let error = open(bytes).unwrap_err().to_string();
        assert!(error.contains(part) && !error.contains('\n'), "{error}");
    }
    assert!(
        CaptureFile::open(Path::new("/nowhere/a.pcap"))
            .unwrap_err()
            .to_string()
            .contains("'/nowhere/a.pcap'")
    );
    assert!(CaptureFile::open(Path::new("/")).is_err());
}
