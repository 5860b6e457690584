//! Packet views: any bytes are read or refused, and what is read can be built and read again.

#![no_main]

use common_core::flow::Flow;
use common_core::wire::{Flags, Outgoing, PacketBuilder, Segment, Seq};
use libfuzzer_sys::fuzz_target;

/// What the builder writes; the other bits (ECN, URG) are for the two ends of a connection alone.
const BUILT: u8 = 0x1f;

fuzz_target!(|packet: &[u8]| {
    let Ok(read) = Segment::parse(packet) else { return };
    assert!(read.payload.len() <= read.payload_len as usize);
    assert!(read.payload.len() + 40 <= packet.len(), "payload without room for the headers");
    let within = packet.as_ptr_range();
    let payload = read.payload.as_ptr_range();
    assert!(within.start <= payload.start && payload.end <= within.end);
    let control = u32::from(read.flags.has(Flags::SYN)) + u32::from(read.flags.has(Flags::FIN));
    assert_eq!(read.end().distance(read.seq) as u32, read.payload_len.wrapping_add(control));

    let flow = Flow { client: read.source, server: read.destination };
    let copy = Outgoing {
        seq: read.seq,
        ack: read.ack,
        flags: Flags(read.flags.0 & BUILT),
        window: read.window,
        options: read.options,
        payload: read.payload.split_at(read.payload.len() / 2),
    };
    let mut builder = PacketBuilder::new();
    let built = builder.build(&flow, &copy);
    if built.is_empty() {
        assert!(read.payload.len() > 65_000, "a segment that was read cannot be built");
        return;
    }
    let again = Segment::parse(built).expect("a built packet can be read");
    assert_eq!((again.source, again.destination), (read.source, read.destination));
    assert_eq!((again.seq, again.window), (read.seq, read.window));
    let ack = if read.flags.has(Flags::ACK) { read.ack } else { Seq(0) };
    assert_eq!(again.ack, ack, "without the flag there is no number");
    assert_eq!(again.flags.0, read.flags.0 & BUILT);
    assert_eq!(again.options, read.options);
    assert_eq!((again.payload, again.payload_len as usize), (read.payload, read.payload.len()));
});
