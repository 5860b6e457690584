//! Whether the online server lets the client in. With the passwords that are configured here, everybody who knows a user's
//! name could log in to the test server: a client that the online server refuses must not.

use crate::wire::server_error::PROGRESS;

/// The online server's answer to the client's last packet of a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// The client is in, or the answer was not captured.
    Open,
    /// The client's last packet had this sequence id. Perhaps no answer will be captured, so its commands do not wait for
    /// one.
    Unconfirmed(u8),
    /// The same, but answers are captured: its commands wait.
    Awaited(u8),
    Refused,
}

impl Admission {
    /// `from_start`: the session was captured from its start.
    pub(crate) fn new(from_start: bool) -> Self {
        if from_start { Self::Unconfirmed(0) } else { Self::Open }
    }

    /// The online server has sent a packet: takes it as the answer, if it can be. `payload` is the beginning of its payload.
    pub(crate) fn packet(&mut self, sequence: u8, payload: &[u8]) {
        let (Self::Unconfirmed(asked) | Self::Awaited(asked)) = *self else { return };
        *self = match *payload {
            [0xFF, low, high, ..] => match u16::from_le_bytes([low, high]) {
                PROGRESS => return,
                // The client's last packet was a COM_CHANGE_USER. An error that denies nothing may belong to a command
                // before or after it.
                code if asked == 0 && sequence > 0 && !is_denial(code) => Self::Open,
                _ if sequence == 0 || sequence > asked => Self::Refused,
                _ => Self::Open,
            },
            _ if sequence == 0 => return,
            // Another method, or more of this one.
            [0xFE, ..] | [0x01, _, ..] if sequence > asked => return,
            // OK; or the answer to a command, which the server gives only to clients that it has let in.
            _ => Self::Open,
        };
    }

    /// Bytes of the online server were not captured: most likely the answer.
    pub(crate) fn missed(&mut self) {
        if matches!(self, Self::Unconfirmed(_) | Self::Awaited(_)) {
            *self = Self::Open;
        }
    }

    /// The client sends a command, and so has been let in.
    pub(crate) fn command(&mut self) {
        if let Self::Unconfirmed(_) = self {
            *self = Self::Open;
        }
    }
}

/// The client is not let in: ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR, ER_MUST_CHANGE_PASSWORD_LOGIN,
/// ER_ACCOUNT_HAS_BEEN_LOCKED of MySQL and of MariaDB.
fn is_denial(code: u16) -> bool {
    matches!(code, 1045 | 1698 | 1862 | 3118 | 4151)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_ends_with_an_ok_or_an_error_whatever_comes_before() {
        let mut admission = Admission::Awaited(1);
        for (sequence, payload) in [(0, &b"\x0a9.7\0"[..]), (2, b"\xfemethod\0"), (4, b"\x01\x03")] {
            admission.packet(sequence, payload);
            assert_eq!(admission, Admission::Awaited(1));
        }
        let (mut accepted, mut refused, mut passed) = (admission, admission, admission);
        accepted.packet(5, b"\0\0\0\x02\0\0\0");
        refused.packet(5, b"\xff\x15\x04#28000Access denied");
        passed.packet(1, b"\xff\x7a\x04#42S02no such table");
        assert_eq!(
            (accepted, refused, passed),
            (Admission::Open, Admission::Refused, Admission::Open),
            "the last is an answer to a command"
        );
        refused.missed();
        refused.packet(2, b"\0\0\0\x02\0\0\0");
        refused.command();
        assert_eq!(refused, Admission::Refused);
    }

    #[test]
    fn an_error_of_a_command_beside_a_change_of_user_is_no_refusal() {
        for payload in
            [&b"\xff\x7a\x04#42S02no such table"[..], b"\x01", b"\x03def\x04shop", b"\0\0\0\x02\0\0\0"]
        {
            let mut admission = Admission::Awaited(0);
            admission.packet(1, payload);
            assert_eq!(admission, Admission::Open, "{payload:?}");
        }
        let mut admission = Admission::Awaited(0);
        admission.packet(1, b"\xfemethod\0");
        assert_eq!(admission, Admission::Awaited(0));
        admission.packet(1, b"\xff\x15\x04#28000Access denied");
        assert_eq!(admission, Admission::Refused);
    }

    #[test]
    fn progress_is_no_refusal() {
        let mut admission = Admission::Awaited(0);
        admission.packet(1, b"\xff\xff\xff\x01");
        assert_eq!(admission, Admission::Awaited(0));
    }
}
