//! Why a control connection is down.

use std::borrow::Cow;
use std::time::Duration;

use common_core::control::{DecodeError, RefuseReason, VERSION};
use common_core::network::Networks;
use common_os::io::control_conn::{ConnError, SecrecyError};
use thiserror::Error;

use super::state::{ATTEMPT, SILENCE};

/// Pause before the next attempt after an error that [is lasting](ControlError::is_lasting).
pub(super) const LONG_PAUSE: Duration = Duration::from_secs(10);

/// Why a control connection is down. The text completes "intercept at ADDRESS: ...".
#[derive(Debug, Error)]
pub enum ControlError {
    /// The connection cannot be established.
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    /// The other host does not even refuse the connection.
    #[error("no answer for {} s", ATTEMPT.as_secs())]
    NoAnswer,
    /// The peer accepts the connection and sends nothing.
    #[error("accepts the connection but sends nothing for {} s", ATTEMPT.as_secs())]
    NoHello,
    /// Intercept speaks another version.
    #[error("speaks version {theirs} of the control protocol, this tcpcopy speaks {VERSION}")]
    Version {
        /// Its version.
        theirs: u16,
    },
    /// Intercept refuses this connection.
    #[error("refuses the connection: {}", refusal(*.0))]
    Refused(RefuseReason),
    /// Intercept has no addresses for copies of this family.
    #[error("has no {family} network for copies")]
    NoNetwork {
        /// The address family.
        family: &'static str,
    },
    /// Intercept has other addresses for copies than before.
    #[error("has the network {networks} for copies, and had {before} before")]
    OtherNetworks {
        /// Those of the sessions.
        before: Networks,
        /// Those of now.
        networks: Networks,
    },
    /// The peer sends something other than messages.
    #[error("does not speak the control protocol: {0}")]
    Malformed(String),
    /// The peer does not prove that it has the key, or what it sends is not from the one that has proved it.
    #[error("cannot be trusted: {0}")]
    Secrecy(SecrecyError),
    /// Nothing has been received for too long.
    #[error("silent for {} s", SILENCE.as_secs())]
    Silent,
    /// The connection was closed or failed.
    #[error("connection lost: {0}")]
    Lost(String),
    /// The peer does not read its messages.
    #[error("does not keep up with the routes sent to it")]
    Overflow,
}

impl ControlError {
    /// Another attempt soon will not help: somebody must change something first.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        matches!(
            self,
            Self::Version { .. }
                | Self::Refused(_)
                | Self::Malformed(_)
                | Self::Secrecy(_)
                | Self::NoNetwork { .. }
                | Self::OtherNetworks { .. }
        )
    }

    /// What the user can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Refused(RefuseReason::TooManyConnections | RefuseReason::TooManyRoutes) => {
                "start another intercept"
            }
            Self::Refused(RefuseReason::CutOff) => "read intercept's log, and wait for a minute",
            Self::Refused(RefuseReason::KeyWanted) => "give tcpcopy intercept's key file with --key-file",
            Self::Refused(RefuseReason::NoKey) => "give intercept the same key file with --key-file",
            Self::Refused(RefuseReason::WrongKey) => "copy intercept's key file to this host again",
            Self::Secrecy(_) => {
                "give both programs the same key file with --key-file, and check the addresses of -s"
            }
            Self::Refused(RefuseReason::TargetIsCopied(_)) => "name a test server in -x",
            Self::Refused(RefuseReason::TargetNotAllowed(_)) => {
                "name another target in -x, or add it to intercept's --allow-target"
            }
            Self::Refused(RefuseReason::NoTunnel) => "start intercept on the test host with --tun",
            Self::NoNetwork { .. } => "add a network of this family to intercept's --net",
            Self::OtherNetworks { .. } => "start tcpcopy again, or intercept with the same --net as before",
            Self::Refused(RefuseReason::OtherTransport) => {
                "start both programs with --udp, or both without it"
            }
            Self::Version { .. } | Self::Refused(_) => "install the same release on both hosts",
            Self::Malformed(_) | Self::NoHello => "check that -s names intercept's address and port",
            Self::Connect(_) | Self::NoAnswer | Self::Silent | Self::Lost(_) | Self::Overflow => {
                "start intercept there, or open its port, or continue without it with -L"
            }
        }
    }
}

impl From<ConnError> for ControlError {
    fn from(error: ConnError) -> Self {
        match error {
            ConnError::Closed | ConnError::Io(_) => Self::Lost(error.to_string()),
            ConnError::Secrecy(error) => Self::Secrecy(error),
            ConnError::Frame(error) => Self::Malformed(error.to_string()),
        }
    }
}

impl From<DecodeError> for ControlError {
    fn from(error: DecodeError) -> Self {
        Self::Malformed(error.to_string())
    }
}

impl From<RefuseReason> for ControlError {
    fn from(reason: RefuseReason) -> Self {
        match reason {
            RefuseReason::Version(theirs) => Self::Version { theirs },
            reason => Self::Refused(reason),
        }
    }
}

fn refusal(reason: RefuseReason) -> Cow<'static, str> {
    Cow::Borrowed(match reason {
        RefuseReason::Version(_) => "it speaks another version",
        RefuseReason::Malformed => "it could not read a message of tcpcopy",
        RefuseReason::TooManyConnections => "it has as many connections as it accepts",
        RefuseReason::TooManyRoutes => "it has as many routes as it accepts",
        RefuseReason::CutOff => "it has cut this host off for a minute; its log says why",
        RefuseReason::KeyWanted => "it wants a key",
        RefuseReason::NoKey => "it has no key, and this tcpcopy has one",
        RefuseReason::WrongKey => "the keys differ",
        RefuseReason::TargetIsCopied(target) => {
            return format!("the clients of the target {target} are copied: it is a production service")
                .into();
        }
        RefuseReason::OtherTransport => "one program runs with --udp, and the other one without it",
        RefuseReason::TargetNotAllowed(target) => {
            return format!("its --allow-target does not name the target {target}, or with --tun it is none of its own addresses")
                .into();
        }
        RefuseReason::NoTunnel => "it takes no copies (--tun)",
    })
}
