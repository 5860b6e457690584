//! The datagrams that wait for an answer.

use std::collections::VecDeque;
use std::time::Duration;

use common_core::flow::Flow;
use common_core::time::Time;
use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

/// An answer that has not come within this time counts as none.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);

/// Datagrams that are remembered, answered ones included, until they are [`TIMEOUT`] old. Each takes about 100 bytes.
pub(super) const MAX: usize = 1 << 18;

/// The datagrams of the last seconds. UDP does not say which datagram an answer is for: it counts for the oldest one of its flow.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// In the order of their times.
    sent: VecDeque<(Time, Flow)>,
    flows: HashMap<Flow, Counts, foldhash::fast::RandomState>,
}

/// The datagrams of a flow that are remembered.
#[derive(Debug, Default)]
struct Counts {
    /// All of them.
    remembered: u32,
    /// Of these, waiting for an answer.
    waiting: u32,
}

impl Pending {
    /// No further datagram is remembered.
    pub(super) fn is_full(&self) -> bool {
        self.sent.len() >= MAX
    }

    /// A datagram was sent.
    pub(super) fn add(&mut self, now: Time, flow: Flow) {
        self.sent.push_back((now + TIMEOUT, flow));
        let counts = self.flows.entry(flow).or_default();
        counts.remembered += 1;
        counts.waiting += 1;
    }

    /// An answer has come; false if nothing of its flow waits.
    pub(super) fn answer(&mut self, flow: &Flow) -> bool {
        let Some(counts) = self.flows.get_mut(flow).filter(|counts| counts.waiting > 0) else { return false };
        counts.waiting -= 1;
        true
    }

    /// When [`Self::expire`] must be called.
    pub(super) fn deadline(&self) -> Time {
        self.sent.front().map_or(Time::NEVER, |(until, _)| *until)
    }

    /// Forgets what is too old; returns how many of these datagrams have had no answer.
    pub(super) fn expire(&mut self, now: Time) -> u64 {
        let mut unanswered = 0;
        while let Some((until, flow)) = self.sent.front().copied()
            && until <= now
        {
            self.sent.pop_front();
            let Entry::Occupied(mut entry) = self.flows.entry(flow) else { continue };
            let counts = entry.get_mut();
            // Answers are for the oldest ones, so this one waits only if all that are remembered do.
            let waits = counts.waiting == counts.remembered;
            counts.remembered -= 1;
            counts.waiting -= u32::from(waits);
            unanswered += u64::from(waits);
            if counts.remembered == 0 {
                entry.remove();
            }
        }
        unanswered
    }

    /// Forgets all; returns how many have had no answer.
    pub(super) fn clear(&mut self) -> u64 {
        self.expire(Time::NEVER)
    }
}

#[cfg(test)]
mod tests {
    use common_core::flow::Endpoint;

    use super::*;

    fn flow(port: u16) -> Flow {
        Flow {
            client: Endpoint::new([10, 0, 0, 1].into(), port),
            server: Endpoint::new([10, 0, 0, 17].into(), 53),
        }
    }

    fn at(seconds: u64) -> Time {
        Time::ZERO + Duration::from_secs(seconds)
    }

    #[test]
    fn answers_are_for_the_oldest_datagrams_of_their_flow() {
        let mut pending = Pending::default();
        for second in 0..3 {
            pending.add(at(second), flow(1));
        }
        pending.add(at(3), flow(2));
        assert!(pending.answer(&flow(1)) && !pending.answer(&flow(3)));
        assert_eq!(pending.deadline(), at(5));
        assert_eq!([5, 6, 7, 8].map(|second| pending.expire(at(second))), [0, 1, 1, 1]);
        assert_eq!(pending.deadline(), Time::NEVER);
        assert!(pending.flows.is_empty() && !pending.answer(&flow(1)));
    }

    #[test]
    fn an_answer_that_is_one_too_many_is_none() {
        let mut pending = Pending::default();
        pending.add(at(0), flow(1));
        assert_eq!([pending.answer(&flow(1)), pending.answer(&flow(1))], [true, false]);
        assert_eq!(pending.clear(), 0);
    }

    #[test]
    fn what_waits_at_the_end_has_had_no_answer() {
        let mut pending = Pending::default();
        (0..4).for_each(|port| pending.add(at(0), flow(port)));
        assert!(pending.answer(&flow(2)));
        assert_eq!(pending.clear(), 3);
    }
}
