//! Segments that are of no client: forged data of connections that the online server does not know, and SYNs that nobody
//! completes. The online server's host answers them as Linux does.

use std::time::Duration;

use common_core::flow::{Endpoint, Flow};
use common_core::time::Time;
use common_core::wire::{Flags, Options, Outgoing, PacketBuilder, Seq};

use crate::client::Sent;
use crate::hosts::online;
use crate::rng::Rng;

/// How many of them, in the time in which sessions begin.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct StrangerPlan {
    /// Forged data segments, each of another connection.
    pub(crate) segments: u32,
    /// SYNs whose SYN-ACK is never acknowledged.
    pub(crate) syns: u32,
}

/// What one of them sent, and what it was answered.
#[derive(Debug)]
pub(crate) struct Stranger {
    pub(crate) client: Endpoint,
    pub(crate) sent: Vec<Sent>,
}

/// When Linux repeats a SYN-ACK, in seconds after the first (tcp_synack_retries is 5).
const REPEATS: [u64; 5] = [1, 3, 7, 15, 31];

pub(crate) fn write(plan: StrangerPlan, within: u64, mut rng: Rng) -> Vec<Stranger> {
    (0..plan.segments + plan.syns)
        .map(|number| {
            let at = Time::from_micros(rng.below(within.max(1)));
            let client = Endpoint::new(
                [10, 66, (number >> 8) as u8, number as u8].into(),
                rng.within(40_000..=65_535) as u16,
            );
            let flow = Flow { client, server: online()[0] };
            let sent =
                if number < plan.segments { data(flow, at, &mut rng) } else { syn(flow, at, &mut rng) };
            Stranger { client, sent }
        })
        .collect()
}

/// RFC 9293 section 3.10.7.1: a reset with the number that was acknowledged.
fn data(flow: Flow, at: Time, rng: &mut Rng) -> Vec<Sent> {
    let payload: Vec<u8> = (0..=rng.below(1400)).map(|_| rng.next() as u8).collect();
    let mut segment = empty(Seq(rng.next() as u32), Seq(rng.next() as u32), Flags::ACK | Flags::PSH);
    segment.payload = (&payload, &[]);
    let reset = empty(segment.ack, Seq(0), Flags::RST);
    let answered = at + rng.micros(5..=2_000);
    vec![captured(at, &flow, &segment, false), captured(answered, &back(&flow), &reset, true)]
}

fn syn(flow: Flow, at: Time, rng: &mut Rng) -> Vec<Sent> {
    let syn = empty(Seq(rng.next() as u32), Seq(0), Flags::SYN);
    let syn_ack = empty(Seq(rng.next() as u32), syn.seq + 1, Flags::SYN | Flags::ACK);
    let first = at + Duration::from_micros(20);
    let times = [0].into_iter().chain(REPEATS).map(|seconds| first + Duration::from_secs(seconds));
    let answers = times.map(|at| captured(at, &back(&flow), &syn_ack, true));
    [captured(at, &flow, &syn, false)].into_iter().chain(answers).collect()
}

fn back(flow: &Flow) -> Flow {
    Flow { client: flow.server, server: flow.client }
}

fn empty(seq: Seq, ack: Seq, flags: Flags) -> Outgoing<'static> {
    Outgoing { seq, ack, flags, window: 64_240, options: Options::default(), payload: (&[], &[]) }
}

fn captured(at: Time, flow: &Flow, segment: &Outgoing<'_>, outgoing: bool) -> Sent {
    Sent { at, packet: PacketBuilder::new().build(flow, segment).to_vec(), outgoing }
}
