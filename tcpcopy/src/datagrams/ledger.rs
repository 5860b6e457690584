//! The account of the copied datagrams.

use serde::Serialize;

/// What became of the clients' datagrams, in datagrams if nothing else is said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct DatagramLedger {
    /// Captured, to a service of `-x`.
    pub captured: u64,
    /// Their payload bytes.
    pub captured_bytes: u64,
    /// Other captured packets: those that a filter of the user passes besides.
    pub unrelated: u64,
    /// Sent to the test server.
    pub sent: u64,
    /// Not sent, by reason.
    pub dropped: Dropped,
    /// Of those sent, answered by the test server.
    pub answered: u64,
    /// Of those sent, not answered, by reason.
    pub unanswered: Unanswered,
    /// Of those sent, still waiting for their answer.
    pub pending: u64,
    /// Answers of the test server to addresses of clients.
    pub answers: u64,
    /// Their payload bytes.
    pub answer_bytes: u64,
    /// Of the answers, those for which no datagram waits: a second one, one that came late, or that of another tcpcopy.
    pub unexpected: u64,
}

/// Why datagrams were not sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// Fragments: only the first one has the ports.
    pub fragments: u64,
    /// Longer than what was captured of them (`-S`).
    pub truncated: u64,
    /// From a loopback address, which no other host can answer.
    pub loopback: u64,
    /// Their time to live was used up: datagrams that go round in circles, from copy to copy.
    pub hops: u64,
    /// Above `--udp-rate`.
    pub rate: u64,
    /// More of them wait for an answer than there is memory for.
    pub memory: u64,
    /// The kernel did not accept them; `inject.failed` has the errors.
    pub send_failed: u64,
}

/// Why datagrams count as not answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Unanswered {
    /// Nothing came for 5 s.
    pub timed_out: u64,
    /// No intercept was connected, so that no answer could be seen.
    pub no_intercept: u64,
    /// tcpcopy has ended before.
    pub at_end: u64,
}

impl DatagramLedger {
    /// The sums hold.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.captured == self.sent + self.dropped.total()
            && self.sent == self.answered + self.unanswered.total() + self.pending
            && self.answers == self.answered + self.unexpected
    }
}

impl Dropped {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { fragments, truncated, loopback, hops, rate, memory, send_failed } = self;
        fragments + truncated + loopback + hops + rate + memory + send_failed
    }
}

impl Unanswered {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.timed_out + self.no_intercept + self.at_end
    }
}
