//! Flows that were seen first in mid-stream: their segments wait for the online server's verdict.
//!
//! A stranger can send data to a service from any address. The online server answers such a segment with a reset at once, in the
//! same softirq as a rule. So a flow becomes a session only if no reset has come for a few milliseconds. Until then it has no
//! route and no session: a flood costs the memory of the segments, which is bounded.

use std::collections::VecDeque;
use std::time::Duration;

use common_core::flow::Flow;
use common_core::time::{Stamp, Time};
use common_core::wire::{Flags, Segment};
use foldhash::fast::RandomState;
use hashbrown::HashMap;

/// How long the online server's reset may take to be captured.
pub(super) const VERDICT_WAIT: Duration = Duration::from_millis(5);

/// How much longer a flow waits while captured packets are unread: the reset may be among them.
const BACKLOG_WAIT: Duration = Duration::from_millis(100);

/// The most flows that wait, and the most bytes of their packets.
const FLOWS_MAX: usize = 16_384;
const BYTES_MAX: usize = 16 << 20;

/// A flow with so many bytes waits no longer: it is an upload, whose first segment would have been answered before.
const FLOW_BYTES_MAX: usize = 256 << 10;

/// A captured packet of a flow that waits.
pub(super) struct Held {
    pub(super) packet: Box<[u8]>,
    pub(super) stamp: Stamp,
}

/// A flow that waits no longer.
pub(super) struct Newcomer {
    /// The index of its transfer.
    pub(super) transfer: usize,
    /// Its packets in the order of their capture.
    pub(super) packets: Vec<Held>,
    number: u64,
    bytes: usize,
}

/// What becomes of a packet.
pub(super) enum Hold {
    /// It waits.
    Waits,
    /// So many of its flow wait that all may go on.
    Enough,
    /// Too much waits.
    Full,
}

/// See the module's description.
#[derive(Default)]
pub(super) struct Newcomers {
    by_flow: HashMap<Flow, Newcomer, RandomState>,
    /// In the order of their first packets; some wait no longer.
    queue: VecDeque<(Time, Flow, u64)>,
    bytes: usize,
    /// Flows that ever waited.
    count: u64,
}

impl Newcomers {
    pub(super) fn is_empty(&self) -> bool {
        self.by_flow.is_empty()
    }

    pub(super) fn contains(&self, flow: &Flow) -> bool {
        !self.is_empty() && self.by_flow.contains_key(flow)
    }

    /// Keeps a packet of this flow.
    pub(super) fn hold(
        &mut self,
        now: Time,
        flow: Flow,
        transfer: usize,
        packet: &[u8],
        stamp: Stamp,
    ) -> Hold {
        if self.bytes + packet.len() > BYTES_MAX {
            return Hold::Full;
        }
        if !self.by_flow.contains_key(&flow) {
            self.forget_gone();
            if self.queue.len() >= FLOWS_MAX {
                return Hold::Full;
            }
            self.count += 1;
            self.queue.push_back((now, flow, self.count));
        }
        let number = self.count;
        let newcomer = self.by_flow.entry(flow).or_insert_with(|| Newcomer {
            transfer,
            packets: Vec::with_capacity(1),
            number,
            bytes: 0,
        });
        newcomer.packets.push(Held { packet: packet.into(), stamp });
        newcomer.bytes += packet.len();
        self.bytes += packet.len();
        if newcomer.bytes > FLOW_BYTES_MAX { Hold::Enough } else { Hold::Waits }
    }

    /// Takes out a flow, for whatever reason.
    pub(super) fn take(&mut self, flow: &Flow) -> Option<Newcomer> {
        if self.is_empty() {
            return None;
        }
        let newcomer = self.by_flow.remove(flow)?;
        self.bytes -= newcomer.bytes;
        self.forget_gone();
        Some(newcomer)
    }

    /// Takes out a flow if `reset` of the online server is the answer to one of its segments.
    pub(super) fn take_rejected(&mut self, flow: &Flow, reset: &Segment<'_>) -> Option<Newcomer> {
        let newcomer = (!self.is_empty()).then(|| self.by_flow.get(flow))??;
        let rejected = newcomer
            .packets
            .iter()
            .any(|held| Segment::parse(&held.packet).is_ok_and(|segment| rejects(reset, &segment)));
        if rejected { self.take(flow) } else { None }
    }

    /// Takes out the flow that has waited longest, if that is long enough; `unread` if captured packets have not been read.
    pub(super) fn take_due(&mut self, now: Time, unread: bool) -> Option<(Flow, Newcomer)> {
        let wait = if unread { BACKLOG_WAIT } else { VERDICT_WAIT };
        let (since, flow, _) = *self.queue.front()?;
        if since + wait > now {
            return None;
        }
        Some((flow, self.take(&flow)?))
    }

    /// Takes out any flow.
    pub(super) fn take_any(&mut self) -> Option<(Flow, Newcomer)> {
        let (_, flow, _) = *self.queue.front()?;
        Some((flow, self.take(&flow)?))
    }

    /// When a flow has waited long enough.
    pub(super) fn next_timeout(&self) -> Time {
        self.queue.front().map_or(Time::NEVER, |(since, ..)| *since + VERDICT_WAIT)
    }

    /// The first of the queue waits, or the queue is empty.
    fn forget_gone(&mut self) {
        while let Some((_, flow, number)) = self.queue.front()
            && self.by_flow.get(flow).is_none_or(|newcomer| newcomer.number != *number)
        {
            self.queue.pop_front();
        }
    }
}

/// The online server had no connection for `segment`, and says so with `reset` (RFC 9293 section 3.10.7.1).
fn rejects(reset: &Segment<'_>, segment: &Segment<'_>) -> bool {
    if segment.flags.has(Flags::ACK) {
        !reset.flags.has(Flags::ACK) && reset.seq == segment.ack
    } else {
        reset.flags.has(Flags::ACK) && reset.ack == segment.end()
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use common_core::flow::Endpoint;

    use super::*;

    fn flow(client: u16) -> Flow {
        let at = |last, port| Endpoint::new(Ipv4Addr::new(10, 0, 0, last).into(), port);
        Flow { client: at(1, client), server: at(2, 80) }
    }

    #[test]
    fn flows_and_bytes_are_limited() {
        let mut newcomers = Newcomers::default();
        let mut held = 0;
        for client in 0..=u16::MAX {
            let taken = newcomers.hold(Time::ZERO, flow(client), 0, &[0; 40], Stamp::FIRST);
            held += usize::from(matches!(taken, Hold::Waits));
        }
        assert_eq!(held, FLOWS_MAX);
        let mut newcomers = Newcomers::default();
        for client in 0..1000 {
            newcomers.hold(Time::ZERO, flow(client), 0, &[0; 60_000], Stamp::FIRST);
        }
        assert!(newcomers.bytes <= BYTES_MAX);
    }

    #[test]
    fn those_that_are_gone_leave_nothing() {
        let mut newcomers = Newcomers::default();
        for client in 0..60_000 {
            newcomers.hold(Time::ZERO, flow(client % 100), 0, &[0; 40], Stamp::FIRST);
            assert!(newcomers.take(&flow(client % 100)).is_some());
        }
        assert_eq!((newcomers.queue.len(), newcomers.bytes, newcomers.next_timeout()), (0, 0, Time::NEVER));
    }

    #[test]
    fn unread_packets_may_hold_the_verdict() {
        let mut newcomers = Newcomers::default();
        newcomers.hold(Time::ZERO, flow(1), 0, &[0; 40], Stamp::FIRST);
        let at = Time::ZERO + VERDICT_WAIT;
        assert_eq!(newcomers.next_timeout(), at);
        assert!(newcomers.take_due(at, true).is_none());
        assert!(newcomers.take_due(at, false).is_some());
        newcomers.hold(Time::ZERO, flow(1), 0, &[0; 40], Stamp::FIRST);
        assert!(newcomers.take_due(Time::ZERO + BACKLOG_WAIT, true).is_some());
    }
}
