//! Faults on the online host, and of its clients.

use super::{Verdict, View};

/// Seconds that the rules look back.
const WINDOW: usize = 5;

/// Fewer packets may be some other's.
const SEEN: u64 = 3;

/// So many new connections a window are a flood, if they say nothing.
const FLOOD: u64 = 500;

/// Packets of clients are there, and the capture has none: its interface, or its filter, is not that of the clients.
pub(super) fn not_captured(view: &View<'_>) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let captured = span.growth(|sample| sample.client_packets);
    let unseen = span.growth(|sample| sample.unseen);
    Verdict::of(captured == 0 && unseen >= SEEN, captured > 0, || {
        format!("{unseen} packets to the services of -x in {WINDOW} s, none captured: see -i and -F")
    })
}

/// SYNs of clients, and no SYN-ACK. A few SYNs may be a scan that a firewall drops.
pub(super) fn nobody_listens(view: &View<'_>) -> Verdict {
    let (Some(span), Some(latest)) = (view.history.over(WINDOW), view.history.latest()) else {
        return Verdict::Open;
    };
    // A filter of the user may leave SYN-ACKs out.
    if view.setup.has_filter && latest.online_syn_acks == 0 {
        return Verdict::Open;
    }
    let opened = span.growth(|sample| sample.opened);
    let accepted = span.growth(|sample| sample.online_syn_acks);
    let complete = span.growth(|sample| sample.kernel_dropped) == 0;
    Verdict::of(opened >= SEEN && accepted == 0 && complete, accepted > 0, || {
        format!("{opened} connections tried in {WINDOW} s, none accepted")
    })
}

/// Clients open connections, and the packets of nearly all of them are the SYNs alone.
pub(super) fn syn_flood(view: &View<'_>) -> Verdict {
    let Some(span) = view.history.over(WINDOW) else { return Verdict::Open };
    let opened = span.growth(|sample| sample.opened);
    let packets = span.growth(|sample| sample.client_packets);
    // A connection that is used has a SYN, a request and an end.
    let says_nothing = packets < opened + opened / 2;
    Verdict::of(opened >= FLOOD && says_nothing, opened < FLOOD / 2 || !says_nothing, || {
        let others = packets.saturating_sub(opened);
        format!("{opened} connections begun in {WINDOW} s, {others} packets other than SYNs")
    })
}
