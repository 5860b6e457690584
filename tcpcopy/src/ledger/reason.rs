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

impl ReleaseReason {
    /// The test server has answered the turn before.
    pub(crate) fn is_answer(self) -> bool {
        matches!(self, Self::Answered | Self::AnswerEnded)
    }
}

macro_rules! drop_reasons {
    ($($(#[$doc:meta])* $reason:ident = $name:literal,)*) => {
        /// Why bytes of a client, or the rest of its session, were not replayed.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
        pub enum DropReason {
            $($(#[$doc])* $reason,)*
        }

        impl DropReason {
            /// All reasons, in the order of the report.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$reason),*];

            /// The name in reports and JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$reason => $name,)*
                }
            }
        }
    };
}

drop_reasons! {
    /// Bytes of the client were never captured; the bytes around the gap cannot be replayed.
    CaptureGap = "capture_gap",
    /// The session was joined in the middle of a turn.
    JoinedMidTurn = "joined_mid_turn",
    /// The test server refused the connection.
    Refused = "refused",
    /// A SYN was not answered, or data was not acknowledged, for the whole session timeout.
    NoAnswer = "no_answer",
    /// The test server closed or reset the connection in the middle of a turn.
    ClosedByServer = "closed_by_server",
    /// The connection broke on which the test server kept state for the client: a login, a selected database, an upgrade.
    /// The next bytes would mean something else on a new connection.
    StateLost = "state_lost",
    /// The session was joined in mid-stream, and its earlier bytes may have set state that the test server needs.
    StateUnknown = "state_unknown",
    /// The memory limit was reached, and this session held most of it.
    MemoryLimit = "memory_limit",
    /// The session was idle, and made room for a newer one.
    Evicted = "evicted",
    /// TLS cannot be copied.
    Tls = "tls",
    /// A protocol module sent its own bytes instead.
    Replaced = "replaced",
    /// A protocol module left the bytes out: the test server could not understand them, or must not receive them.
    LeftOut = "left_out",
    /// The test server refused the login of a protocol module.
    LoginFailed = "login_failed",
    /// The online server refused the client's login, so nothing of the client is replayed.
    LoginFailedOnline = "login_failed_online",
    /// A protocol module failed, or held the bytes until the session ended.
    ModuleFailed = "module_failed",
    /// The online server has rejected it with a reset: a forged segment, or one for a connection or a service that is not there.
    RejectedOnline = "rejected_online",
    /// The online server was never seen to establish the connection: a forged SYN, or a client that went away.
    NeverEstablished = "never_established",
    /// The connection was opened before tcpcopy was, and only whole connections are to be copied (`-O`).
    BegunBefore = "begun_before",
    /// The session is not in the share that is copied (`-r`, `-g`).
    NotChosen = "not_chosen",
    /// More sessions began in a second than are copied (`--limit-sessions`).
    RateLimit = "rate_limit",
    /// No port of the client addresses was free for the copy.
    NoFreePort = "no_free_port",
    /// Two online connections would have had the same addresses and ports on the test server.
    AddressCollision = "address_collision",
    /// The snap length truncated the packet.
    Truncated = "truncated",
    /// tcpcopy was ended before the bytes were due or acknowledged.
    Shutdown = "shutdown",
}

impl DropReason {
    /// Not copied on purpose, and no loss: the test server has all that the online server has accepted.
    #[must_use]
    pub const fn is_no_loss(self) -> bool {
        matches!(
            self,
            Self::Replaced
                | Self::RejectedOnline
                | Self::NeverEstablished
                | Self::BegunBefore
                | Self::NotChosen
                | Self::RateLimit
        )
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

    /// The sum over all reasons that are no loss.
    #[must_use]
    pub fn no_loss(&self) -> u64 {
        self.occurred().filter(|(reason, _)| reason.is_no_loss()).map(|(_, count)| count).sum()
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
