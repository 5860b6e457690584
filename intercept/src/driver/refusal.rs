//! Why a peer is refused: what it is told, and what the log and the account say.

use common_core::control::{RefuseReason, VERSION};
use common_noise::handshake::HandshakeError;
use common_os::io::control_conn::SecrecyError;

/// The name of a reason in the account.
pub(super) fn name(reason: RefuseReason) -> &'static str {
    match reason {
        RefuseReason::Version(_) => "version",
        RefuseReason::Malformed => "malformed",
        RefuseReason::TooManyConnections => "too_many_connections",
        RefuseReason::TooManyRoutes => "too_many_routes",
        RefuseReason::CutOff => "cut_off",
        RefuseReason::KeyWanted => "key_wanted",
        RefuseReason::NoKey => "no_key",
        RefuseReason::WrongKey => "wrong_key",
        RefuseReason::TargetIsCopied(_) => "target_is_copied",
        RefuseReason::TargetNotAllowed(_) => "target_not_allowed",
        RefuseReason::NoTunnel => "no_tunnel",
        RefuseReason::OtherTransport => "other_transport",
    }
}

/// What a peer is told about its failed handshake; nothing in the middle of a channel that somebody has tampered with.
pub(super) fn of_handshake(error: SecrecyError) -> Option<RefuseReason> {
    match error {
        SecrecyError::PeerHasNone => Some(RefuseReason::KeyWanted),
        SecrecyError::WeHaveNone => Some(RefuseReason::NoKey),
        SecrecyError::Handshake(HandshakeError::Version(_)) => Some(RefuseReason::Version(VERSION)),
        SecrecyError::Handshake(HandshakeError::WrongKey) => Some(RefuseReason::WrongKey),
        SecrecyError::Handshake(_) | SecrecyError::Unproven => Some(RefuseReason::Malformed),
        SecrecyError::Record(_) => None,
    }
}

/// The same, for the log.
pub(super) fn describe_handshake(error: SecrecyError) -> String {
    match error {
        SecrecyError::PeerHasNone => describe(RefuseReason::KeyWanted, None),
        SecrecyError::WeHaveNone => describe(RefuseReason::NoKey, None),
        SecrecyError::Handshake(HandshakeError::Version(theirs)) => {
            describe(RefuseReason::Version(VERSION), Some(theirs))
        }
        SecrecyError::Handshake(HandshakeError::WrongKey) => describe(RefuseReason::WrongKey, None),
        error => error.to_string(),
    }
}

/// Why a peer is refused, for the log. `version` is that of its hello, if the message was one.
pub(super) fn describe(reason: RefuseReason, version: Option<u16>) -> String {
    match (reason, version) {
        (RefuseReason::Version(own), Some(theirs)) => {
            format!(
                "it speaks version {theirs} of the protocol, this intercept version {own}; install one release"
            )
        }
        (RefuseReason::Version(_) | RefuseReason::Malformed, _) => {
            "its hello is not its first message, or not its only hello".into()
        }
        (RefuseReason::TooManyConnections, _) => "too many tcpcopies are connected".into(),
        (RefuseReason::TooManyRoutes, _) => {
            "it announces more routes or targets than intercept accepts".into()
        }
        (RefuseReason::CutOff, _) => "it does what no tcpcopy does".into(),
        (RefuseReason::KeyWanted, _) => "it has no key; give it to tcpcopy with --key-file".into(),
        (RefuseReason::NoKey, _) => {
            "it has a key, and this intercept has none; give it to both with --key-file".into()
        }
        (RefuseReason::WrongKey, _) => {
            "it does not have the key of this intercept (wrong key); copy the key file again".into()
        }
        (RefuseReason::TargetIsCopied(target), _) => {
            format!("the clients of its target {target} are copied, by it or by another tcpcopy")
        }
        (RefuseReason::OtherTransport, _) => {
            "one of the two programs runs with --udp, and the other one without it".into()
        }
        (RefuseReason::TargetNotAllowed(target), _) => {
            format!(
                "--allow-target does not name its target {target}, or it is a loopback address without --loopback, or it sends \
                 its copies here (--tunnel) and the target is no address of this host"
            )
        }
        (RefuseReason::NoTunnel, _) => {
            "it sends its copies here (--tunnel), and this intercept has no --tun, or they came before the question".into()
        }
    }
}
