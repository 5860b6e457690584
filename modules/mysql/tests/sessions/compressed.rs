//! Compressed clients, and how much is inflated at a time.

use std::io::Write;

use flate2::write::ZlibEncoder;

use crate::support::*;

/// Inflated at a time, in bytes: not much more than a megabyte beside the command that is read as a whole.
const MOST: usize = LONG + 4 + (1 << 20) + (256 << 10);

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

#[test]
fn a_long_file_of_a_compressed_client_waits_for_the_request_and_goes_all_the_way() {
    let block = "x".repeat(60_000);
    let mut plain: Vec<u8> = (0..600u32).flat_map(|at| packet((at + 2) as u8, block.as_bytes())).collect();
    plain.extend(packet((602 % 256) as u8, b""));
    let load = query("LOAD DATA LOCAL INFILE '/f' INTO TABLE t");
    for asks_late in [false, true] {
        let mut run = Run::logged_in(USUAL | COMPRESS | LOCAL_FILES, USUAL | LOCAL_FILES);
        assert_eq!(run.driven.client(&compressed(&load, 0)), load);
        let mut sent = Vec::new();
        if !asks_late {
            run.driven.answer(&packet(1, b"\xfb/f"));
        }
        for piece in plain.chunks(1 << 20) {
            sent.extend(run.driven.client(&compressed(&zlib(piece), piece.len())));
        }
        if asks_late {
            assert_eq!((sent.len(), run.driven.failure), (0, None));
            sent.extend(run.driven.answer(&packet(1, b"\xfb/f")));
        }
        for _ in 0..100 {
            sent.extend(run.driven.client(b""));
        }
        assert!(sent == plain, "{} of {}", sent.len(), plain.len());
        assert_eq!((run.driven.held(), run.driven.failure), (0, None));
        run.driven.answer(&ok(1, 0));
        let next = query("DO 1");
        assert_eq!(run.driven.client(&compressed(&next, 0)), next);
    }
}

#[test]
fn a_command_that_is_left_out_counts_as_lost() {
    let mut run = Run::logged_in(USUAL | COMPRESS, USUAL);
    for (said, lost) in [(query("DO 1"), false), (execute(77), true), (query("DO 2"), false)] {
        let before = run.left_out();
        run.driven.client(&compressed(&said, 0));
        assert_eq!(run.left_out() > before, lost, "{said:?}");
    }
}
