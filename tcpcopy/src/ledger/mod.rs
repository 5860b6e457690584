//! The account of everything that was captured.
//!
//! Two sums hold at any moment ([`Ledger::balances`]): every byte of client payload is a duplicate, pending, replayed
//! or dropped for one named reason, and every session is active, replayed whole, or ended for one named reason.

mod gauge;
mod lag;
mod sum;

use std::time::Duration;

use common_core::time::Time;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

pub use self::gauge::{Largest, RoundTrip};
pub use self::lag::Waiting;

/// A turn that is let go later than so after its capture is late.
const LATE: Duration = Duration::from_secs(1);

/// Why bytes of a client, or the rest of its session, were not replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum DropReason {
    /// Bytes that the client sent were never captured; what stands around the gap cannot be replayed.
    CaptureGap,
    /// The session was joined in the middle of a turn.
    JoinedMidTurn,
    /// The test server refused the connection.
    Refused,
    /// No answer came to a SYN, or no acknowledgement to data, for the whole of the session timeout.
    NoAnswer,
    /// The test server closed or reset the connection in the middle of a turn.
    ClosedByServer,
    /// The connection broke on which the test server knew what the client had said before: a login, a selected database,
    /// an upgrade. What follows would mean something else on a new connection.
    StateLost,
    /// The session was joined after its client had said what the test server must know, or may have.
    StateUnknown,
    /// The memory limit was reached, and this session held most.
    MemoryLimit,
    /// The session had nothing to do, and made room for a newer one.
    Displaced,
    /// TLS cannot be copied.
    Tls,
    /// A protocol module left the bytes out, having sent its own.
    Replaced,
    /// A protocol module left the bytes out: the test server could not make anything of them, or must not hear them.
    LeftOut,
    /// The test server did not accept the login that a protocol module made.
    LoginFailed,
    /// The online server did not accept the client's login, so nothing that the client says is said to the test server.
    RefusedOnline,
    /// A protocol module could not go on, or held the bytes to the end.
    ModuleFailed,
    /// Two online connections would have been one on the test server.
    AddressCollision,
    /// The snap length cut the packet.
    Truncated,
    /// tcpcopy was ended before the bytes were due or acknowledged.
    Shutdown,
}

impl DropReason {
    /// All reasons, in the order of the report.
    pub const ALL: [Self; 18] = [
        Self::CaptureGap,
        Self::JoinedMidTurn,
        Self::Refused,
        Self::NoAnswer,
        Self::ClosedByServer,
        Self::StateLost,
        Self::StateUnknown,
        Self::MemoryLimit,
        Self::Displaced,
        Self::Tls,
        Self::Replaced,
        Self::LeftOut,
        Self::LoginFailed,
        Self::RefusedOnline,
        Self::ModuleFailed,
        Self::AddressCollision,
        Self::Truncated,
        Self::Shutdown,
    ];

    /// The name in reports and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CaptureGap => "capture_gap",
            Self::JoinedMidTurn => "joined_mid_turn",
            Self::Refused => "refused",
            Self::NoAnswer => "no_answer",
            Self::ClosedByServer => "closed_by_server",
            Self::StateLost => "state_lost",
            Self::StateUnknown => "state_unknown",
            Self::MemoryLimit => "memory_limit",
            Self::Displaced => "displaced",
            Self::Tls => "tls",
            Self::Replaced => "replaced",
            Self::LeftOut => "left_out",
            Self::LoginFailed => "login_failed",
            Self::RefusedOnline => "refused_online",
            Self::ModuleFailed => "module_failed",
            Self::AddressCollision => "address_collision",
            Self::Truncated => "truncated",
            Self::Shutdown => "shutdown",
        }
    }
}

/// A counter for each [`DropReason`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ByReason([u64; DropReason::ALL.len()]);

impl ByReason {
    /// Adds to one reason.
    pub fn add(&mut self, reason: DropReason, amount: u64) {
        self.0[reason as usize] += amount;
    }

    /// The count of one reason.
    #[must_use]
    pub fn get(&self, reason: DropReason) -> u64 {
        self.0[reason as usize]
    }

    /// The sum over all reasons.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred.
    pub fn occurred(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.into_iter().map(|reason| (reason, self.get(reason))).filter(|(_, count)| *count > 0)
    }
}

impl Serialize for ByReason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(DropReason::ALL.len()))?;
        for reason in DropReason::ALL {
            map.serialize_entry(reason.name(), &self.get(reason))?;
        }
        map.end()
    }
}

/// Captured packets, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Packets {
    /// Handed to the engine.
    pub captured: u64,
    /// Segments of clients.
    pub client: u64,
    /// SYN-ACKs of the online server.
    pub online_syn_ack: u64,
    /// Segments of the online server with something that a protocol module wants to know.
    pub online_answers: u64,
    /// To a target: copies seen again (our own, or another tcpcopy's), and whoever connects to a target directly.
    pub own: u64,
    /// Of no target: other ports, other addresses, other directions.
    pub unrelated: u64,
    /// No TCP segments that could be read.
    pub unreadable: u64,
    /// Of `client`: segments without a session. There is nothing to replay in them, or the flow table is full; then their
    /// payload is dropped as [`DropReason::MemoryLimit`].
    pub stray: u64,
    /// Of `client`: from a loopback address, to a target elsewhere. No other host can answer there.
    pub loopback: u64,
}

/// Client connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Sessions {
    /// Ever begun.
    pub seen: u64,
    /// Of these, joined in mid-stream.
    pub joined: u64,
    /// Not yet ended.
    pub active: u64,
    /// Ended, every byte captured replayed, and no turn cut off.
    pub replayed: u64,
    /// Ended with something dropped, by the first reason.
    pub incomplete: ByReason,
    /// The usual round trip to the clients, from a client's SYN to its first word, where it speaks first.
    pub client_round_trip_us: RoundTrip,
}

/// Payload bytes of clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Bytes {
    /// Captured, retransmissions included.
    pub captured: u64,
    /// Captured again.
    pub duplicate: u64,
    /// Not yet due, or not yet acknowledged by the test server.
    pub pending: u64,
    /// Acknowledged by the test server.
    pub replayed: u64,
    /// Never to be replayed.
    pub dropped: ByReason,
}

/// Holes in clients' streams: what was never captured, by sequence numbers.
///
/// They are beside the sums of [`Bytes`], not disjoint from them: a segment that was captured and not used, for the snap
/// length had cut it or its numbers were implausible, is dropped there and leaves a hole here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Gaps {
    /// Holes in streams that were given up.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Of these, captured and not used: they are dropped as well.
    pub captured: u64,
    /// Segments that wait behind a hole now.
    pub parked: u64,
}

/// Client turns, by why each was let go.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Turns {
    /// Begun by clients.
    pub seen: u64,
    /// The test server had answered at least as much as the client had seen.
    pub answered: u64,
    /// The test server's answer was shorter, but plainly at its end.
    pub answer_ended: u64,
    /// The answer did not come in time.
    pub waited_in_vain: u64,
    /// Nothing to wait for: the first of a connection, or `-W`.
    pub at_once: u64,
    /// A protocol module said so.
    pub module_ready: u64,
    /// Dropped before they were let go.
    pub dropped: u64,
    /// Of those let go: acknowledged by the test server's TCP, but then the server closed without any answer, where the
    /// client had read one. Most likely its application never read them.
    pub cut_off: u64,
    /// What turns that wait, and runs of bytes not yet acknowledged, take of memory beside their bytes, roughly, in bytes.
    pub memory: u64,
    /// Turns that wait.
    #[serde(skip)]
    pub waiting: Waiting,
    /// How long the oldest turn that waits has done so, in seconds, when this account was made.
    pub oldest_waiting_seconds: Largest,
    /// Let go more than a second after they were captured.
    pub late: u64,
    /// The longest time after which a turn was let go, in milliseconds.
    pub longest_wait_ms: Largest,
}

impl Turns {
    /// A client begins a turn, which waits from now on.
    pub fn begin(&mut self, captured: Time) {
        self.seen += 1;
        self.waiting.enter(captured);
    }

    /// A turn that waited is dropped.
    pub fn drop_waiting(&mut self, captured: Time) {
        self.dropped += 1;
        self.waiting.leave(captured);
    }

    /// A turn that waited is let go. The caller counts why.
    pub fn end_wait(&mut self, captured: Time, now: Time) {
        self.waiting.leave(captured);
        let wait = now.since(captured);
        if wait > LATE {
            self.late += 1;
        }
        self.longest_wait_ms.note(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
    }

    /// Those that were let go.
    #[must_use]
    pub fn let_go(&self) -> u64 {
        self.answered + self.answer_ended + self.waited_in_vain + self.at_once + self.module_ready
    }
}

/// The work of our TCP clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Tcp {
    /// Connections that the test server accepted.
    pub connected: u64,
    /// Of these, the second or a later one of their session.
    pub rebuilt: u64,
    /// Of those accepted, the first of a session that was joined in mid-stream.
    pub taken_up: u64,
    /// The usual round trip to the test server, by way of intercept, from SYN to SYN-ACK.
    pub round_trip_us: RoundTrip,
    /// SYNs answered with RST, and connections that the test server accepted only to say that it does not want them.
    pub refused: u64,
    /// Segments handed to the injector.
    pub segments_sent: u64,
    /// Of these, without payload, SYN, FIN and RST.
    pub pure_acks_sent: u64,
    /// SYNs sent again.
    pub syn_retries: u64,
    /// Segments sent again, SYNs excepted.
    pub retransmitted: u64,
    /// Losses noticed by three duplicate acknowledgements.
    pub fast_retransmits: u64,
    /// Losses noticed by time-out.
    pub timeouts: u64,
    /// Probes of a closed window.
    pub window_probes: u64,
    /// Stale connections found on the test server, and reset.
    pub stale_reset: u64,
    /// Segments of the test server received.
    pub answers: u64,
    /// Of these, for flows already gone.
    pub answers_stray: u64,
    /// Of these, with nothing but what was known.
    pub answers_duplicate: u64,
    /// Of these, ahead of a gap.
    pub answers_out_of_order: u64,
    /// Payload bytes of the test server received, in order, once.
    pub answer_bytes: u64,
}

/// Protocol modules, and what they were told of the online server's answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Modules {
    /// What modules take of memory, and what is kept for them, roughly, in bytes.
    pub memory: u64,
    /// Answer bytes of the online server that modules were told.
    pub online_bytes: u64,
}

/// The account of an engine.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Ledger {
    /// Captured packets.
    pub packets: Packets,
    /// Client connections.
    pub sessions: Sessions,
    /// Client payload.
    pub bytes: Bytes,
    /// Holes in clients' streams.
    pub gaps: Gaps,
    /// Client turns.
    pub turns: Turns,
    /// The TCP clients.
    pub tcp: Tcp,
    /// The protocol modules.
    pub modules: Modules,
}

impl Ledger {
    /// The account as of now, with what changes by the mere passing of time.
    #[must_use]
    pub fn at(mut self, now: Time) -> Self {
        self.turns.oldest_waiting_seconds = Largest(self.turns.waiting.age(now).as_secs());
        self
    }

    /// Bytes that clients are known to have said, each of them once: what was captured and what is known to be missing.
    /// What a protocol module has replaced by words of its own is left out. Never less than what was replayed.
    #[must_use]
    pub fn said(&self) -> u64 {
        let Bytes { captured, duplicate, dropped, .. } = &self.bytes;
        let once = captured.saturating_sub(*duplicate + dropped.get(DropReason::Replaced));
        once.saturating_sub(self.gaps.captured) + self.gaps.bytes
    }

    /// All that clients are known to have said so far is replayed, or will be: nothing is known to be lost.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bytes.dropped.total() == self.bytes.dropped.get(DropReason::Replaced)
            && self.sessions.incomplete.total() == 0
            && self.gaps.count == 0
            && self.turns.cut_off == 0
    }

    /// Whether both sums hold. They always should: anything else is a defect of this program.
    #[must_use]
    pub fn balances(&self) -> bool {
        let bytes = &self.bytes;
        let packets = &self.packets;
        let sessions = &self.sessions;
        bytes.captured == bytes.duplicate + bytes.pending + bytes.replayed + bytes.dropped.total()
            && sessions.seen == sessions.active + sessions.replayed + sessions.incomplete.total()
            && packets.captured
                == packets.client
                    + packets.online_syn_ack
                    + packets.online_answers
                    + packets.own
                    + packets.unrelated
                    + packets.unreadable
    }
}
