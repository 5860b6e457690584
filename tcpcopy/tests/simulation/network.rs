//! The network: paths that delay, reorder, lose and double packets, and the queue of packets under way.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;
use std::time::Duration;

use common_core::time::Time;

use crate::rng::Rng;

/// The faults of a path.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PathPlan {
    /// Least time under way, in microseconds.
    pub(crate) delay: u64,
    /// Largest random addition, in microseconds; order is kept.
    pub(crate) jitter: u64,
    /// Per thousand packets, how many are overtaken by those up to 3 ms after them.
    pub(crate) reorder: u32,
    /// Per thousand packets, how many are lost.
    pub(crate) loss: u32,
    /// Per thousand packets, how many arrive twice.
    pub(crate) duplicate: u32,
}

/// The longest delay of a reordered packet, in microseconds.
const REORDER_BY: u64 = 3000;

/// One direction of a network.
#[derive(Debug)]
pub(crate) struct Path {
    plan: PathPlan,
    /// Faulty packets are numbered; only those in the set have a fault.
    faults: Range<u64>,
    fault: u64,
    rng: Rng,
    last: Time,
}

impl Path {
    pub(crate) fn new(plan: PathPlan, faults: Range<u64>, rng: Rng) -> Self {
        Self { plan, faults, fault: 0, rng, last: Time::ZERO }
    }

    /// When a packet sent now arrives: not at all, once, or twice.
    pub(crate) fn carry(&mut self, now: Time) -> [Option<Time>; 2] {
        let PathPlan { delay, jitter, reorder, loss, duplicate } = self.plan;
        // The draws are made in any case, so that a change of one rate leaves the other draws in place.
        let jitter = self.rng.below(jitter + 1);
        let late = self.rng.within(1..=REORDER_BY);
        let (lost, doubled) = (self.rng.chance(loss), self.rng.chance(duplicate));
        let again = self.rng.below(REORDER_BY);
        let reordered = self.rng.chance(reorder);
        let faulty = lost || doubled || reordered;
        let spared = faulty && !self.faults.contains(&self.fault);
        self.fault += u64::from(faulty);
        let (lost, doubled, reordered) = (lost && !spared, doubled && !spared, reordered && !spared);

        let in_order = (now + Duration::from_micros(delay + jitter)).max(self.last);
        let arrival = if reordered {
            in_order + Duration::from_micros(late)
        } else {
            self.last = in_order;
            in_order
        };
        [(!lost).then_some(arrival), doubled.then_some(arrival + Duration::from_micros(again))]
    }
}

/// All future events by time; simultaneous events in the order of their scheduling.
#[derive(Debug)]
pub(crate) struct Queue<E> {
    heap: BinaryHeap<Reverse<Entry<E>>>,
    scheduled: u64,
}

#[derive(Debug)]
struct Entry<E> {
    at: Time,
    number: u64,
    event: E,
}

impl<E> Queue<E> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), scheduled: 0 }
    }

    pub(crate) fn schedule(&mut self, at: Time, event: E) {
        self.scheduled += 1;
        self.heap.push(Reverse(Entry { at, number: self.scheduled, event }));
    }

    /// When the next event is due; [`Time::NEVER`] if there is none.
    pub(crate) fn next_at(&self) -> Time {
        self.heap.peek().map_or(Time::NEVER, |Reverse(entry)| entry.at)
    }

    pub(crate) fn pop(&mut self) -> Option<E> {
        self.heap.pop().map(|Reverse(entry)| entry.event)
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.number) == (other.at, other.number)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

#[test]
fn a_path_without_faults_keeps_the_order_and_a_faulty_one_shows_every_fault() {
    let at = |i: u64| Time::from_micros(i * 10);
    let mut clean =
        Path::new(PathPlan { delay: 100, jitter: 500, ..PathPlan::default() }, 0..u64::MAX, Rng::new(1));
    let mut last = Time::ZERO;
    for i in 0..1000 {
        let [Some(arrival), None] = clean.carry(at(i)) else { panic!("a fault on a clean path") };
        assert!(arrival >= last && arrival >= at(i) + Duration::from_micros(100));
        last = arrival;
    }
    let plan = PathPlan { delay: 100, jitter: 0, reorder: 100, loss: 100, duplicate: 100 };
    let mut faulty = Path::new(plan, 0..u64::MAX, Rng::new(2));
    let arrivals: Vec<_> = (0..1000).map(|i| faulty.carry(at(i))).collect();
    assert!(arrivals.iter().any(|[first, _]| first.is_none()));
    assert!(arrivals.iter().any(|[first, second]| first.is_some() && second.is_some()));
    assert!(arrivals.windows(2).any(|pair| pair[0][0] > pair[1][0] && pair[1][0].is_some()));
}
