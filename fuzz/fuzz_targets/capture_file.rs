//! Capture files: no panic, bounded memory, every byte is read, skipped or cut, and it does not matter how the bytes arrive.

#![no_main]

use std::io::{self, Read};

use capture_file::{Counters, Decoder, Reader, Step, ip_packet};
use libfuzzer_sys::fuzz_target;

/// The beginning of a file of each kind, so that the fuzzer need not find it.
const BEGINNINGS: [&[u8]; 5] = [
    b"",
    b"\xd4\xc3\xb2\xa1\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\x04\0\x01\0\0\0",
    b"\xa1\xb2\x3c\x4d\0\x02\0\x04\0\0\0\0\0\0\0\0\0\x04\0\0\0\0\0\x71",
    b"\x0a\x0d\x0d\x0a\x1c\0\0\0\x4d\x3c\x2b\x1a\x01\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\x1c\0\0\0\
      \x01\0\0\0\x14\0\0\0\x01\0\0\0\0\0\0\0\x14\0\0\0",
    b"\x0a\x0d\x0d\x0a\0\0\0\x1c\x1a\x2b\x3c\x4d\0\x01\0\0\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\x1c\
      \0\0\0\x01\0\0\0\x14\0\0\0\0\0\0\0\0\0\0\0\x14",
];

/// Hands out some bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.1.min(buffer.len()).min(self.0.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

fuzz_target!(|input: (u8, u8, &[u8])| {
    let (beginning, at_once, bytes) = input;
    let file = [BEGINNINGS[usize::from(beginning) % BEGINNINGS.len()], bytes].concat();
    check_steps(&file);
    let whole = read(&file, usize::MAX);
    assert_eq!(read(&file, usize::from(at_once).max(1)), whole);
});

fn check_steps(file: &[u8]) {
    let (mut decoder, mut at) = (Decoder::new(), 0);
    loop {
        match decoder.decode(&file[at..], true) {
            Step::More(needed) => panic!("more than {needed} bytes are asked for at the end"),
            Step::Skip(count) => {
                assert!(count > 0);
                at += count;
            }
            Step::Packet { consumed, data, link, .. } => {
                assert!(data.end <= consumed);
                let _ = ip_packet(link, &file[at..][data]);
                at += consumed;
            }
            Step::Unknown => return,
            Step::End => break,
        }
        assert!(at <= file.len());
    }
    assert_eq!(at, file.len(), "all is accounted for");
    assert!(decoder.counters().skipped_bytes <= file.len() as u64);
}

fn read(file: &[u8], at_once: usize) -> (Vec<(u64, Vec<u8>)>, Counters) {
    let mut reader = Reader::new(Slow(file, at_once));
    let mut packets = Vec::new();
    while let Some(packet) = reader.next_packet() {
        packets.push((packet.time, packet.data.to_vec()));
    }
    (packets, reader.counters())
}
