//! The counters from which findings are drawn, as of one moment.

use std::net::IpAddr;

use common_core::time::Time;

use crate::ledger::TargetCounts;
use crate::report::InterceptCounters;

/// All counters, once a second. They count from the start.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    /// When.
    pub now: Time,
    /// Segments of clients.
    pub client_packets: u64,
    /// Packets of clients on any interface, counted while none was captured.
    pub unseen: u64,
    /// Packets dropped before their capture.
    pub kernel_dropped: u64,
    /// Sessions begun by a SYN.
    pub opened: u64,
    /// SYN-ACKs of the online service.
    pub online_syn_acks: u64,
    /// Payload bytes of clients that were acknowledged by a test server.
    pub replayed: u64,
    /// Payload bytes dropped at the memory limit.
    pub memory_dropped: u64,
    /// Age of the oldest waiting turn in seconds: how far the copy is behind.
    pub lag: u64,
    /// Packets sent.
    pub sent: u64,
    /// Packets that the kernel refused to send.
    pub failed: u64,
    /// The most frequent error of these.
    pub errno: Option<String>,
    /// The intercepts of `-s`.
    pub intercepts: Vec<Intercept>,
    /// The transfers of `-x`.
    pub targets: Vec<TargetSample>,
}

/// An intercept.
#[derive(Debug, Clone, Default)]
pub struct Intercept {
    /// Its control connection is established.
    pub connected: bool,
    /// Why it was lost last, or not established.
    pub last_error: Option<String>,
    /// Messages with counters received.
    pub reports: u64,
    /// Its counters.
    pub counters: InterceptCounters,
}

/// A test server.
#[derive(Debug, Clone, Default)]
pub struct TargetSample {
    /// What was sent to it and what came back.
    pub counts: TargetCounts,
    /// The next hop, if it was looked up.
    pub hop: Option<Hop>,
    /// The last probe.
    pub probe: Option<Probe>,
}

/// The next hop to a test server, as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// Its address.
    pub ip: IpAddr,
    /// The interface.
    pub interface: String,
    /// The kernel asked for its MAC address and got no answer.
    pub is_unresolved: bool,
}

/// What a connection from the host's own address met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// It was accepted.
    Accepted,
    /// It was refused, which is an answer, too.
    Refused,
    /// Nothing came back.
    Unanswered,
    /// This host could not send.
    Failed(String),
}

/// A probe of a test server: a connection from the host's own address, and a SYN from the address of intercept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// The number of the request.
    pub request: u64,
    /// The result of the connection.
    pub own: Own,
    /// The address from which the SYN was sent, if one was.
    pub foreign: Option<IpAddr>,
}

impl Sample {
    /// Some control connection is established.
    pub(super) fn is_linked(&self) -> bool {
        self.intercepts.iter().any(|intercept| intercept.connected)
    }

    /// The sum of a counter over all intercepts.
    pub(super) fn sum(&self, counter: fn(&InterceptCounters) -> u64) -> u64 {
        self.intercepts.iter().map(|intercept| counter(&intercept.counters)).sum()
    }

    /// Messages with counters, from all intercepts.
    pub(super) fn reports(&self) -> u64 {
        self.intercepts.iter().map(|intercept| intercept.reports).sum()
    }
}
