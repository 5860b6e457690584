//! Writes capture files of every kind for the tests.

/// A packet to write: its time in nanoseconds since 1970, and its bytes.
pub(crate) struct Written {
    pub(crate) time: u64,
    pub(crate) data: Vec<u8>,
}

/// Packets of various lengths, 1 ms apart. Their bytes do not look like headers of records.
pub(crate) fn packets(count: usize) -> Vec<Written> {
    let packet = |index: usize| Written {
        time: 1_700_000_000_000_000_000 + index as u64 * 1_000_000,
        data: (0..60 + index * 37 % 1400).map(|at| 0x80 | (at * 7 + index) as u8).collect(),
    };
    (0..count).map(packet).collect()
}

pub(crate) fn number(value: u32, big_endian: bool) -> [u8; 4] {
    if big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn half(value: u16, big_endian: bool) -> [u8; 2] {
    if big_endian { value.to_be_bytes() } else { value.to_le_bytes() }
}

/// A pcap file of Ethernet packets; the second value has the places of its records.
pub(crate) fn pcap(packets: &[Written], big_endian: bool, nanos: bool) -> (Vec<u8>, Vec<usize>) {
    let magic = if nanos { 0xa1b2_3c4d } else { 0xa1b2_c3d4 };
    let n = |value| number(value, big_endian);
    let version = [half(2, big_endian), half(4, big_endian)].concat();
    let mut file = [&n(magic)[..], &version, &n(0), &n(0), &n(262_144), &n(1)].concat();
    let mut places = Vec::new();
    for packet in packets {
        places.push(file.len());
        let fraction = packet.time % 1_000_000_000 / if nanos { 1 } else { 1000 };
        let length = packet.data.len() as u32;
        for value in [(packet.time / 1_000_000_000) as u32, fraction as u32, length, length] {
            file.extend(n(value));
        }
        file.extend(&packet.data);
    }
    (file, places)
}

/// A block of a pcapng file.
pub(crate) fn block(kind: u32, body: &[u8], big_endian: bool) -> Vec<u8> {
    let padded = body.len().next_multiple_of(4);
    let length = number(12 + padded as u32, big_endian);
    let mut block = [&number(kind, big_endian)[..], &length, body].concat();
    block.resize(8 + padded, 0);
    block.extend(length);
    block
}

pub(crate) fn section(big_endian: bool) -> Vec<u8> {
    let body = [&number(0x1a2b_3c4d, big_endian)[..], &half(1, big_endian), &half(0, big_endian), &[0xff; 8]];
    block(0x0a0d_0d0a, &body.concat(), big_endian)
}

/// An interface block; `resolution` is the option `if_tsresol`.
pub(crate) fn interface(link: u16, resolution: Option<u8>, offset: i64, big_endian: bool) -> Vec<u8> {
    let h = |value| half(value, big_endian);
    let mut body = [&h(link)[..], &h(0), &number(0, big_endian)].concat();
    if let Some(resolution) = resolution {
        body.extend([&h(9)[..], &h(1), &[resolution, 0, 0, 0]].concat());
    }
    if offset != 0 {
        let bytes = if big_endian { offset.to_be_bytes() } else { offset.to_le_bytes() };
        body.extend([&h(14)[..], &h(8), &bytes].concat());
    }
    body.extend([h(0), h(0)].concat());
    block(1, &body, big_endian)
}

/// An enhanced packet block; `stamp` is the time in units of the interface.
pub(crate) fn enhanced(interface: u32, stamp: u64, data: &[u8], big_endian: bool) -> Vec<u8> {
    let n = |value| number(value, big_endian);
    let length = data.len() as u32;
    let fields = [interface, (stamp >> 32) as u32, stamp as u32, length, length].map(n).concat();
    block(6, &[&fields, data].concat(), big_endian)
}

/// A simple packet block.
pub(crate) fn simple(data: &[u8], big_endian: bool) -> Vec<u8> {
    block(3, &[&number(data.len() as u32, big_endian)[..], data].concat(), big_endian)
}

/// An obsolete packet block.
pub(crate) fn obsolete(interface: u16, stamp: u64, data: &[u8], big_endian: bool) -> Vec<u8> {
    let n = |value| number(value, big_endian);
    let length = data.len() as u32;
    let start = [half(interface, big_endian), half(9, big_endian)].concat();
    let fields = [(stamp >> 32) as u32, stamp as u32, length, length].map(n).concat();
    block(2, &[&start, &fields, data].concat(), big_endian)
}

/// A pcapng file with two interfaces, one in microseconds and one in nanoseconds, and a second section in the other byte
/// order.
pub(crate) fn pcapng(packets: &[Written], big_endian: bool) -> (Vec<u8>, Vec<usize>) {
    let (mut file, mut places) = (Vec::new(), Vec::new());
    let half = packets.len() / 2;
    for (part, order) in [(&packets[..half], big_endian), (&packets[half..], !big_endian)] {
        file.extend(section(order));
        file.extend(interface(1, None, 0, order));
        file.extend(interface(1, Some(9), 1000, order));
        file.extend(block(5, &[0; 12], order));
        for (index, packet) in part.iter().enumerate() {
            places.push(file.len());
            file.extend(match index % 3 {
                0 => enhanced(0, packet.time / 1000, &packet.data, order),
                1 => enhanced(1, packet.time - 1_000_000_000_000, &packet.data, order),
                _ => obsolete(0, packet.time / 1000, &packet.data, order),
            });
        }
    }
    (file, places)
}
