//! Adds up the ledgers of several workers.

use std::ops::AddAssign;

use super::{Bytes, Gaps, Ledger, Modules, Packets, Sessions, Tcp, Turns};

/// All fields are named: a counter that is not added does not compile.
macro_rules! sums {
    ($($name:ident { $($field:ident),* $(,)? })*) => {$(
        impl AddAssign<&Self> for $name {
            fn add_assign(&mut self, other: &Self) {
                let Self { $($field),* } = other;
                $(self.$field += $field;)*
            }
        }
    )*};
}

sums! {
    Ledger { packets, sessions, bytes, gaps, turns, tcp, modules }
    Packets {
        captured, client, online_syn_ack, online_answers, own, unrelated, unreadable, stray, loopback,
    }
    Sessions { seen, joined, active, replayed, incomplete, client_round_trip_us }
    Bytes { captured, duplicate, pending, replayed, dropped }
    Gaps { count, bytes, captured, out_of_order }
    Turns {
        seen, answered, answer_ended, timed_out, at_once, module_ready, dropped, cut_off, memory,
        waiting, oldest_waiting_seconds, late, longest_wait_ms,
    }
    Tcp {
        connected, reconnected, joined, round_trip_us, refused, segments_sent, pure_acks_sent, syn_retries, retransmitted,
        fast_retransmits, timeouts, window_probes, stale_reset, segments_received, received_stray,
        received_duplicate, received_out_of_order, answer_bytes,
    }
    Modules { memory, online_bytes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::DropReason;

    #[test]
    fn a_sum_of_ledgers_balances() {
        let mut one = Ledger::default();
        one.bytes.captured = 10;
        one.bytes.replayed = 7;
        one.bytes.dropped.add(DropReason::Tls, 3);
        one.tcp.answer_bytes = 5;
        let mut other = Ledger::default();
        other.bytes.captured = 4;
        other.bytes.dropped.add(DropReason::Tls, 1);
        other.bytes.pending = 3;
        let mut sum = one;
        sum += &other;
        assert!(sum.balances());
        assert_eq!((sum.bytes.captured, sum.bytes.dropped.get(DropReason::Tls)), (14, 4));
        assert_eq!(sum.tcp.answer_bytes, 5);
    }
}
