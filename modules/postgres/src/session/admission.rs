//! Whether the online server lets the client in. With the passwords that are configured here, everybody who knows a user's
//! name could log in to the test server: a client that the online server refuses must not.

/// The online server's answer to the client's login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// The client is in, or the answer was not captured.
    Open,
    /// Perhaps no answer will be captured, so that the client's commands do not wait for one.
    Unconfirmed,
    /// Answers are captured: the client's commands wait.
    Awaited,
    Refused,
}

impl Admission {
    /// Of a session that was seen from its start.
    pub(super) fn new(from_start: bool) -> Self {
        if from_start { Self::Unconfirmed } else { Self::Open }
    }

    /// The online server asks for something in the login.
    pub(super) fn asked(&mut self) {
        if *self == Self::Unconfirmed {
            *self = Self::Awaited;
        }
    }

    /// The client is let in, or the answer was not captured.
    pub(super) fn open(&mut self) {
        if *self != Self::Refused {
            *self = Self::Open;
        }
    }

    /// An error: in the login it ends the connection.
    pub(super) fn error(&mut self) {
        if self.is_undecided() {
            *self = Self::Refused;
        }
    }

    /// The client sends a command, and so has been let in.
    pub(super) fn command(&mut self) {
        if *self == Self::Unconfirmed {
            *self = Self::Open;
        }
    }

    pub(super) fn is_undecided(self) -> bool {
        matches!(self, Self::Unconfirmed | Self::Awaited)
    }
}
