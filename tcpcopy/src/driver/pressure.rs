//! When a replay of capture files must wait because copies lag. A file can wait; so nothing of it need be dropped.

use std::time::Duration;

use common_core::time::Time;

use crate::engine::Load;

/// Limits for a replay at the speed of the capture. A faster one has proportionally less, because it would otherwise open
/// all connections of the file at once; but at least the second value.
const AWAITING: (u64, u64) = (20_000, 256);
const BYTES: (u64, u64) = (16 << 20, 1 << 20);

/// Without any progress for this time, some packets are read nevertheless: sessions may wait for packets that come later
/// in the file.
const PATIENCE: Duration = Duration::from_millis(50);

/// Decides whether reading waits.
#[derive(Debug)]
pub(super) struct Pressure {
    limit: Load,
    /// The least load since reading waits.
    least: Load,
    /// When some packets are read nevertheless.
    until: Time,
    waits: bool,
}

/// No load that was measured.
const NONE: Load = Load { awaiting: u64::MAX, turns: u64::MAX, bytes: u64::MAX };

impl Pressure {
    pub(super) fn new(speed: u32) -> Self {
        let limit = |(real_time, least): (u64, u64)| (real_time / u64::from(speed.max(1))).max(least);
        let limit = Load { awaiting: limit(AWAITING), turns: 4 * limit(AWAITING), bytes: limit(BYTES) };
        Self { limit, least: NONE, until: Time::NEVER, waits: false }
    }

    /// Takes the present load.
    pub(super) fn update(&mut self, now: Time, load: Load) {
        let Load { awaiting, turns, bytes } = load;
        if awaiting <= self.limit.awaiting && turns <= self.limit.turns && bytes <= self.limit.bytes {
            (self.least, self.waits) = (NONE, false);
        } else if awaiting < self.least.awaiting || turns < self.least.turns || bytes < self.least.bytes {
            let least = Load {
                awaiting: awaiting.min(self.least.awaiting),
                turns: turns.min(self.least.turns),
                bytes: bytes.min(self.least.bytes),
            };
            (self.least, self.until, self.waits) = (least, now + PATIENCE, true);
        } else if now >= self.until {
            // The next measurement is the first one of another wait.
            (self.least, self.waits) = (NONE, false);
        }
    }

    /// Reading waits.
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// When to ask again.
    pub(super) fn deadline(&self) -> Time {
        if self.waits { self.until } else { Time::NEVER }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn awaiting(awaiting: u64) -> Load {
        Load { awaiting, turns: 0, bytes: 0 }
    }

    #[test]
    fn reading_waits_while_copies_lag_and_catch_up() {
        let mut pressure = Pressure::new(1000);
        let mut now = Time::ZERO;
        pressure.update(now, awaiting(256));
        assert!(!pressure.waits() && pressure.deadline() == Time::NEVER);
        for load in (257..300).rev() {
            pressure.update(now, awaiting(load));
            assert!(pressure.waits());
            now = now + (PATIENCE - Duration::from_millis(1));
        }
        pressure.update(now, awaiting(256));
        assert!(!pressure.waits());
    }

    #[test]
    fn without_progress_some_packets_are_read_now_and_then() {
        let mut pressure = Pressure::new(1000);
        let mut read = 0;
        for ms in 0..1000 {
            pressure.update(Time::ZERO + Duration::from_millis(ms), awaiting(300));
            read += u64::from(!pressure.waits());
        }
        assert!((15..=20).contains(&read), "{read}");
    }

    #[test]
    fn the_speed_of_the_capture_may_need_all_its_clients_at_once() {
        let mut pressure = Pressure::new(1);
        pressure.update(Time::ZERO, Load { awaiting: 20_000, turns: 80_000, bytes: 16 << 20 });
        assert!(!pressure.waits());
        pressure.update(Time::ZERO, Load { awaiting: 0, turns: 0, bytes: (16 << 20) + 1 });
        assert!(pressure.waits());
    }
}
