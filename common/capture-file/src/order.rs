//! Puts packets in the order of their times, and notices clocks that jump.

use std::collections::VecDeque;
use std::time::Duration;

/// Packets within this time are put in order: several queues of a network card are recorded one after the other.
const WINDOW: Duration = Duration::from_millis(100);

/// Bytes that wait for their order; beyond that the first of them is passed on.
const WAITING_MAX: usize = 8 * 1024 * 1024;

/// Steps of time that are no jump of the clock: idle times, and packets out of order.
const FORWARD_MAX: u64 = 60 * 1_000_000_000;
const BACK_MAX: u64 = 1_000_000_000;

/// Irregularities of the times of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Irregular {
    /// Packets with a time before that of the packet before them.
    pub out_of_order: u64,
    /// Single packets with another time than those around them, and steps of the clock backwards.
    pub clock_jumps: u64,
}

/// Packets of one file on their way to the order of their times.
///
/// A single packet whose time is far from those around it takes the time of the one before it. After a step of the clock
/// backwards, time goes on from where it was. A step forwards cannot be told from an idle time, and stays.
#[derive(Debug)]
pub struct Ordered<T> {
    /// In order; the latest at the back.
    held: VecDeque<Held<T>>,
    bytes: usize,
    /// Nanoseconds to add to the times of the file.
    shift: u64,
    /// Time of the last packet of the file, shifted.
    last: Option<u64>,
    latest: u64,
    /// Its time is far from the last one. The next packet decides.
    suspect: Option<Held<T>>,
    irregular: Irregular,
    ended: bool,
}

#[derive(Debug)]
struct Held<T> {
    time: u64,
    bytes: usize,
    item: T,
}

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self {
            held: VecDeque::new(),
            bytes: 0,
            shift: 0,
            last: None,
            latest: 0,
            suspect: None,
            irregular: Irregular::default(),
            ended: false,
        }
    }
}

impl<T> Ordered<T> {
    /// Adds the next packet of the file: its time in nanoseconds since 1970, and the memory that it takes.
    pub fn push(&mut self, time: u64, bytes: usize, item: T) {
        let packet = Held { time: time.saturating_add(self.shift), bytes, item };
        let Some(last) = self.last else { return self.accept(packet) };
        match self.suspect.take() {
            None if is_near(last, packet.time) => self.accept(packet),
            None => self.suspect = Some(packet),
            // It alone is far away.
            Some(suspect) if is_near(last, packet.time) => {
                self.accept_outlier(suspect, last);
                self.accept(packet);
            }
            Some(suspect) if is_near(suspect.time, packet.time) => self.accept_step(suspect, packet, last),
            Some(suspect) => {
                self.accept_outlier(suspect, last);
                self.suspect = Some(packet);
            }
        }
    }

    /// No packet follows.
    pub fn end(&mut self) {
        if let Some(suspect) = self.suspect.take() {
            self.accept_outlier(suspect, self.last.unwrap_or_default());
        }
        self.ended = true;
    }

    /// The next packet in order, with its time; `None` if more packets must be added first, or after the end.
    pub fn pop(&mut self) -> Option<(u64, T)> {
        let first = self.held.front()?;
        let window = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
        if !self.ended && self.latest - first.time < window && self.bytes <= WAITING_MAX {
            return None;
        }
        let Held { time, bytes, item } = self.held.pop_front()?;
        self.bytes -= bytes;
        Some((time, item))
    }

    /// The irregularities so far.
    #[must_use]
    pub fn irregular(&self) -> Irregular {
        self.irregular
    }

    fn accept_outlier(&mut self, mut packet: Held<T>, last: u64) {
        self.irregular.clock_jumps += 1;
        packet.time = last;
        self.accept(packet);
    }

    /// The clock has stepped, or nothing came for a long time.
    fn accept_step(&mut self, mut first: Held<T>, mut second: Held<T>, last: u64) {
        if first.time < last {
            self.irregular.clock_jumps += 1;
            let back = last - first.time;
            self.shift = self.shift.saturating_add(back);
            (first.time, second.time) = (last, second.time.saturating_add(back));
        }
        self.accept(first);
        self.accept(second);
    }

    fn accept(&mut self, packet: Held<T>) {
        let time = packet.time;
        self.irregular.out_of_order += u64::from(self.last.is_some_and(|last| time < last));
        self.last = Some(time);
        self.bytes += packet.bytes;
        self.latest = self.latest.max(time);
        let later = self.held.iter().rev().take_while(|held| held.time > time).count();
        self.held.insert(self.held.len() - later, packet);
    }
}

/// The second time may follow the first one while the clock runs as it should.
fn is_near(first: u64, second: u64) -> bool {
    if second >= first { second - first <= FORWARD_MAX } else { first - second <= BACK_MAX }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;
    const START: u64 = 1_700_000_000_000 * MS;

    /// Times in milliseconds after a start, in the order in which they come out, and the irregularities.
    fn order(times: &[i64]) -> (Vec<(i64, usize)>, Irregular) {
        let mut ordered = Ordered::default();
        let mut out = Vec::new();
        let shown = |(time, item): (u64, usize)| {
            ((time.cast_signed() - START.cast_signed()) / MS.cast_signed(), item)
        };
        for (index, time) in times.iter().enumerate() {
            ordered.push(START.checked_add_signed(time * MS.cast_signed()).unwrap(), 100, index);
            out.extend(std::iter::from_fn(|| ordered.pop()).map(shown));
        }
        ordered.end();
        out.extend(std::iter::from_fn(|| ordered.pop()).map(shown));
        assert_eq!(ordered.bytes, 0);
        (out, ordered.irregular())
    }

    #[test]
    fn packets_out_of_order_are_put_in_order() {
        let (out, irregular) = order(&[0, 30, 10, 20, 20, 90, 50]);
        assert_eq!(out, [(0, 0), (10, 2), (20, 3), (20, 4), (30, 1), (50, 6), (90, 5)]);
        assert_eq!(irregular, Irregular { out_of_order: 2, clock_jumps: 0 });
    }

    #[test]
    fn one_packet_of_another_time_stays_in_its_place() {
        for wrong in [3_600_000, -3_600_000, 61_000, -1_001, i64::from(i32::MIN)] {
            let (out, irregular) = order(&[0, 200, wrong, 400, 600]);
            assert_eq!(out, [(0, 0), (200, 1), (200, 2), (400, 3), (600, 4)], "{wrong}");
            assert_eq!(irregular.clock_jumps, 1, "{wrong}");
            let (out, irregular) = order(&[0, 200, wrong]);
            assert_eq!(out, [(0, 0), (200, 1), (200, 2)], "{wrong}");
            assert_eq!(irregular.clock_jumps, 1, "{wrong}");
        }
    }

    #[test]
    fn time_goes_on_after_the_clock_was_set_back() {
        let (out, irregular) = order(&[10_000, 10_100, 5_000, 5_200, 5_400]);
        assert_eq!(out, [(10_000, 0), (10_100, 1), (10_100, 2), (10_300, 3), (10_500, 4)]);
        assert_eq!(irregular, Irregular { out_of_order: 0, clock_jumps: 1 });
    }

    #[test]
    fn an_idle_time_is_no_jump() {
        let (out, irregular) = order(&[0, 100_000, 100_100, 100_200]);
        assert_eq!(out, [(0, 0), (100_000, 1), (100_100, 2), (100_200, 3)]);
        assert_eq!(irregular, Irregular::default());
    }

    #[test]
    fn few_bytes_wait() {
        let mut ordered = Ordered::default();
        for index in 0..20 {
            ordered.push(START, 1024 * 1024, index);
            while ordered.pop().is_some() {}
            assert!(ordered.bytes <= WAITING_MAX);
        }
    }

    proptest! {
        #[test]
        fn all_packets_come_out_and_time_never_runs_backwards_by_much(
            times in prop::collection::vec(any::<u64>(), 0..200)
        ) {
            let mut ordered = Ordered::default();
            let mut out = Vec::new();
            for (index, time) in times.iter().enumerate() {
                ordered.push(*time, 1, index);
                out.extend(std::iter::from_fn(|| ordered.pop()));
            }
            ordered.end();
            out.extend(std::iter::from_fn(|| ordered.pop()));
            prop_assert!(out.windows(2).all(|pair| pair[1].0.saturating_add(BACK_MAX) >= pair[0].0));
            let mut items: Vec<usize> = out.into_iter().map(|(_, item)| item).collect();
            items.sort_unstable();
            prop_assert_eq!(items, (0..times.len()).collect::<Vec<_>>());
        }
    }
}
