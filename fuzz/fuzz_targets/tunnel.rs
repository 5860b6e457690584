//! Tunnels: of any bytes a part is returned, and one more tunnel around a packet is taken off again.

#![no_main]

use common_core::wire::{Segment, decapsulated};
use libfuzzer_sys::fuzz_target;

/// An outer IPv4 header with GRE and IPv4 inside, without lengths, which nobody reads.
const OUTER: [u8; 24] =
    [0x45, 0, 0, 0, 0, 1, 0, 0, 64, 47, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 8, 0];

fuzz_target!(|packet: &[u8]| {
    let inner = decapsulated(packet);
    assert!(packet.ends_with(inner));
    let _ = Segment::parse(inner);
    if inner.first().is_some_and(|byte| byte >> 4 == 4) && decapsulated(inner).len() == inner.len() {
        let outer = [&OUTER[..], inner].concat();
        assert_eq!(decapsulated(&outer), inner);
    }
});
