//! A network device that cuts long packets into segments, as those of the test server's path do.

use common_core::flow::Flow;
use common_core::wire::{Flags, Outgoing, PacketBuilder, Segment};

/// Payload of a long packet at most, in bytes.
pub(crate) const LONG: usize = 64_000;

/// The segments of `packet`, `length` bytes of payload in each but the last.
pub(crate) fn cut(packet: &[u8], length: u16) -> Vec<Vec<u8>> {
    let long = Segment::parse(packet).expect("the engine sends something that is no TCP segment");
    let flow = Flow { client: long.source, server: long.destination };
    assert!(long.payload.len() > usize::from(length) && long.payload.len() <= LONG, "a long packet");
    let count = long.payload.len().div_ceil(usize::from(length));
    let mut builder = PacketBuilder::new();
    let cut = |(index, payload): (usize, &[u8])| {
        let last = index + 1 == count;
        let only_last = if last { 0 } else { (Flags::FIN | Flags::PSH).0 };
        let segment = Outgoing {
            seq: long.seq + u32::from(length) * index as u32,
            ack: long.ack,
            flags: Flags(long.flags.0 & !only_last),
            window: long.window,
            options: long.options,
            payload: (payload, &[]),
        };
        builder.build(&flow, &segment).to_vec()
    };
    long.payload.chunks(length.into()).enumerate().map(cut).collect()
}
