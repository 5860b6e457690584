//! What can be wrong with a link.

use std::borrow::Cow;
use std::time::Duration;

use common_core::control::{DecodeError, RefuseReason, VERSION};
use common_os::io::control_conn::ConnError;
use thiserror::Error;

use super::state::{ATTEMPT, SILENCE};

/// Why a link is down. Its text completes "intercept at ADDRESS: ...".
#[derive(Debug, Error)]
pub enum Problem {
    /// The connection cannot be made.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The other host does not even refuse.
    #[error("no answer for {} s", ATTEMPT.as_secs())]
    NoAnswer,
    /// Something accepts the connection, and says nothing.
    #[error("accepts the connection but says nothing for {} s", ATTEMPT.as_secs())]
    NoHello,
    /// Intercept speaks another version.
    #[error("speaks version {theirs} of the control protocol, this tcpcopy speaks {VERSION}")]
    Version {
        /// Its version.
        theirs: u16,
    },
    /// Intercept does not want this link.
    #[error("refuses the link: {}", refusal(*.0))]
    Refused(RefuseReason),
    /// What it sends is no message.
    #[error("does not speak the control protocol: {0}")]
    Malformed(String),
    /// It has said nothing for too long.
    #[error("silent for {} s", SILENCE.as_secs())]
    Silent,
    /// The connection came to its end.
    #[error("connection lost: {0}")]
    Lost(String),
    /// It does not take what it is sent.
    #[error("does not keep up with the routes sent to it")]
    Overflow,
}

impl Problem {
    /// Trying again soon will not help: somebody must change something first.
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self, Self::Version { .. } | Self::Refused(_) | Self::Malformed(_))
    }

    /// What the user can do.
    #[must_use]
    pub fn cure(&self) -> &'static str {
        match self {
            Self::Version { .. } => "install the same release on both hosts",
            Self::Refused(RefuseReason::TooManyLinks | RefuseReason::TooManyRoutes) => {
                "start another intercept"
            }
            Self::Refused(RefuseReason::Workers(_)) => "run both with the same -C, or intercept without it",
            Self::Refused(_) => "install the same release on both hosts",
            Self::Malformed(_) | Self::NoHello => "check that -s names intercept's address and port",
            Self::Connect(_) | Self::NoAnswer | Self::Silent | Self::Lost(_) | Self::Overflow => {
                "start intercept there, or open its port, or go on alone with -L"
            }
        }
    }
}

impl From<ConnError> for Problem {
    fn from(error: ConnError) -> Self {
        match error {
            ConnError::Closed | ConnError::Io(_) => Self::Lost(error.to_string()),
            ConnError::Frame(error) => Self::Malformed(error.to_string()),
        }
    }
}

impl From<DecodeError> for Problem {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<RefuseReason> for Problem {
    fn from(reason: RefuseReason) -> Self {
        match reason {
            RefuseReason::Version(theirs) => Self::Version { theirs },
            reason => Self::Refused(reason),
        }
    }
}

fn refusal(reason: RefuseReason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        RefuseReason::Workers(own) => return format!("it runs {own} workers, tcpcopy another number").into(),
        RefuseReason::Version(_) => "it speaks another version",
        RefuseReason::Malformed => "it could not read what tcpcopy sent",
        RefuseReason::TooManyLinks => "it has as many links as it takes",
        RefuseReason::TooManyRoutes => "it has as many routes as it takes",
    })
}

/// How long to leave a link alone whose problem [lasts](Problem::lasts).
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(10);
