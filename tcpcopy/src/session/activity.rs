//! When something happened last in a session, and when its timers are due.

use std::time::Duration;

use common_core::time::Time;

/// An idle session gives unused memory back after this time.
const REST: Duration = Duration::from_millis(100);

/// How often a busy session gives unused memory back.
const TRIM_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Activity {
    began: Time,
    last_client: Time,
    /// When the test server last did something, or began to owe something.
    last_progress: Time,
    /// When the gate is to be asked again.
    gate_at: Time,
    /// Nothing is released before this time.
    held_until: Time,
    trim_at: Time,
}

impl Activity {
    pub(super) fn new(now: Time) -> Self {
        Self {
            began: now,
            last_client: now,
            last_progress: now,
            gate_at: Time::NEVER,
            held_until: Time::ZERO,
            trim_at: now,
        }
    }

    pub(super) fn began(&self) -> Time {
        self.began
    }

    /// The client sent something.
    pub(super) fn client_sent(&mut self, now: Time) {
        self.last_client = now;
    }

    /// When the client last sent something.
    pub(super) fn last_client(&self) -> Time {
        self.last_client
    }

    /// The test server did something, or its time to do something begins.
    pub(super) fn progress(&mut self, now: Time) {
        self.last_progress = now;
    }

    pub(super) fn last_progress(&self) -> Time {
        self.last_progress
    }

    /// When client or test server last did something.
    pub(super) fn last(&self) -> Time {
        self.last_client.max(self.last_progress)
    }

    /// The gate waits for nothing but events.
    pub(super) fn gate_waits(&mut self) {
        self.gate_at = Time::NEVER;
    }

    /// The gate is to be asked again at this time, or before.
    pub(super) fn ask_gate_at(&mut self, time: Time) {
        self.gate_at = self.gate_at.min(time);
    }

    /// Nothing is to be released before this time.
    pub(super) fn hold_until(&mut self, time: Time) {
        self.held_until = time;
    }

    pub(super) fn held_until(&self) -> Time {
        self.held_until
    }

    pub(super) fn gate_at(&self) -> Time {
        self.gate_at
    }

    /// Unused memory is to be given back now; `busy` while the session holds something.
    pub(super) fn is_trim_due(&mut self, now: Time, busy: bool) -> bool {
        let rests = !busy && now.since(self.last()) >= REST;
        let due = rests || now >= self.trim_at;
        if due {
            self.trim_at = now + TRIM_EVERY;
        }
        due
    }
}
