//! Compressed clients, and how much is inflated at a time.

use std::io::Write;

use flate2::write::ZlibEncoder;

use crate::support::*;

/// Inflated at a time, in bytes: not much more than a megabyte.
const MOST: usize = (1 << 20) + (256 << 10);

/// As much as one compressed packet can hold.
const LONG: usize = 0xFF_FFFF;

/// A query of one packet, so long in all, of one byte again and again.
fn long_query() -> Vec<u8> {
    query(&"x".repeat(LONG - 5))
}

fn compressed(content: &[u8], inflated: usize) -> Vec<u8> {
    let mut packet = content.len().to_le_bytes()[..3].to_vec();
    packet.push(0);
    packet.extend_from_slice(&inflated.to_le_bytes()[..3]);
    packet.extend_from_slice(content);
    packet
}

fn zlib(plain: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

/// A frame of blocks that repeat a byte, after a raw one (RFC 8878 section 3.1.1).
fn zstd(plain: &[u8]) -> Vec<u8> {
    const BLOCK: usize = 128 << 10;
    let (bare, repeated) = plain.split_at(16);
    // Single segment, four bytes of length.
    let mut frame = vec![0x28, 0xB5, 0x2F, 0xFD, 0xA0];
    frame.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    frame.extend_from_slice(&(16u32 << 3).to_le_bytes()[..3]);
    frame.extend_from_slice(bare);
    let blocks = repeated.len().div_ceil(BLOCK);
    for (at, block) in repeated.chunks(BLOCK).enumerate() {
        let last = u32::from(at + 1 == blocks);
        frame.extend_from_slice(&((block.len() as u32) << 3 | 0b010 | last).to_le_bytes()[..3]);
        frame.push(block[0]);
    }
    frame
}

#[test]
fn a_little_that_becomes_much_is_inflated_bit_by_bit() {
    let plain = long_query();
    for content in [zlib(&plain), zstd(&plain)] {
        let packet = compressed(&content, plain.len());
        assert!(packet.len() < 20_000);
        let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
        let before = run.memory();
        // Two of them in one segment.
        let mut sent = run.driven.client(&[&packet[..], &packet].concat());
        let mut calls = 1;
        let mut longest = sent.len();
        while run.driven.held() > 0 && calls < 1000 {
            let more = run.driven.client(b"");
            longest = longest.max(more.len());
            sent.extend(more);
            calls += 1;
        }
        assert_eq!(run.driven.failure, None);
        assert!(longest <= MOST, "{longest} bytes at a time");
        assert_eq!(sent.len(), 2 * plain.len());
        assert!(sent.starts_with(&plain) && sent.ends_with(&plain));
        assert!(run.memory() < before + 8192, "nothing is kept: {}", run.memory());
    }
}

#[test]
fn what_is_not_as_long_as_it_says_ends_the_session() {
    let plain = long_query();
    let behind = [&zstd(&plain)[..], b"more"].concat();
    for content in [zlib(&plain), zstd(&plain)] {
        let cut = &content[..content.len() - 5];
        for (content, length) in [(&content[..], LONG - 1), (cut, LONG), (&behind, LONG)] {
            let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
            run.driven.client(&compressed(content, length));
            for _ in 0..100 {
                run.driven.client(b"");
            }
            assert!(run.driven.failure.is_some(), "{length}");
        }
    }
}

#[test]
fn a_new_connection_forgets_what_was_inflated_of_a_packet() {
    let plain = long_query();
    let packet = compressed(&zlib(&plain), plain.len());
    let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
    assert!(!run.driven.client(&packet).is_empty());
    run.driven.connected();
    run.greet(USUAL);
    for _ in 0..100 {
        run.driven.client(b"");
    }
    assert_eq!((run.driven.held(), run.driven.failure), (0, None));
    let ping = command(0x0e, &[]);
    assert_eq!(run.driven.client(&compressed(&ping, 0)), ping);
}

#[test]
fn a_long_command_that_is_left_out_holds_nothing_up() {
    let mut execute = 77u32.to_le_bytes().to_vec();
    execute.resize(8 << 20, 0);
    let plain = packet(0, &[&[0x17][..], &execute].concat());
    let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
    let sent = run.driven.client(&compressed(&zlib(&plain), plain.len()));
    assert_eq!((sent.len(), run.driven.held(), run.driven.failure), (0, 0, None));
    let next = query("SELECT 1");
    assert_eq!(run.driven.client(&compressed(&zlib(&next), next.len())), next);
}
