//! Why bytes or sessions were not replayed, and why a turn was released.

use std::ops::AddAssign;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

/// Why a turn was released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReleaseReason {
    /// There was no answer to wait for.
    AtOnce,
    /// The test server had answered at least as much as the client had read.
    Answered,
    /// The test server's answer had ended, although it was shorter.
    AnswerEnded,
    /// No answer came in time.
    TimedOut,
    /// A protocol module released it.
    ModuleReady,
}

/// Why bytes of a client, or the rest of its session, were not replayed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum DropReason {
    /// Bytes of the client were never captured; the bytes around the gap cannot be replayed.
    CaptureGap,
    /// The session was joined in the middle of a turn.
    JoinedMidTurn,
    /// The test server refused the connection.
    Refused,
    /// A SYN was not answered, or data was not acknowledged, for the whole session timeout.
    NoAnswer,
    /// The test server closed or reset the connection in the middle of a turn.
    ClosedByServer,
    /// The connection broke on which the test server kept state for the client: a login, a selected database, an upgrade.
    /// The next bytes would mean something else on a new connection.
    StateLost,
    /// The session was joined in mid-stream, and its earlier bytes may have set state that the test server needs.
    StateUnknown,
    /// The memory limit was reached, and this session held most of it.
    MemoryLimit,
    /// The session was idle, and made room for a newer one.
    Evicted,
    /// TLS cannot be copied.
    Tls,
    /// A protocol module sent its own bytes instead.
    Replaced,
    /// A protocol module left the bytes out: the test server could not understand them, or must not receive them.
    LeftOut,
    /// The test server refused the login of a protocol module.
    LoginFailed,
    /// The online server refused the client's login, so nothing of the client is replayed.
    LoginFailedOnline,
    /// A protocol module failed, or held the bytes until the session ended.
    ModuleFailed,
    /// Two online connections would have had the same addresses and ports on the test server.
    AddressCollision,
    /// The snap length truncated the packet.
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
        Self::Evicted,
        Self::Tls,
        Self::Replaced,
        Self::LeftOut,
        Self::LoginFailed,
        Self::LoginFailedOnline,
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
            Self::Evicted => "evicted",
            Self::Tls => "tls",
            Self::Replaced => "replaced",
            Self::LeftOut => "left_out",
            Self::LoginFailed => "login_failed",
            Self::LoginFailedOnline => "login_failed_online",
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

impl AddAssign<&Self> for ByReason {
    fn add_assign(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(sum, count)| *sum += count);
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
