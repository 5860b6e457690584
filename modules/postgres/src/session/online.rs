//! The online server's answers, as far as they are captured: the beginnings of some segments.

use module_kit::{Actions, Failure, FailureKind, OnlineObserver, PayloadPrefix, Time};
use postgres_wire::backend::{Authentication, Backend};
use postgres_wire::framing::{HEAD, Head};
use postgres_wire::server_error::{ServerError, SqlState};

use super::admission::Admission;
use super::connections::BackendKey;
use super::{Phase, Session};

/// The beginnings of the segments that are needed.
pub(crate) const BEGINNINGS: &[PayloadPrefix] = &[
    LOGIN,
    // In a login, perhaps of an old server, or later.
    ERROR,
    // Errors in the extended protocol: after ParseComplete, BindComplete, both, or NoData or rows.
    &[Some(b'1'), Some(0), Some(0), Some(0), Some(4), Some(b'E')],
    &[Some(b'2'), Some(0), Some(0), Some(0), Some(4), Some(b'E')],
    &[
        Some(b'1'),
        Some(0),
        Some(0),
        Some(0),
        Some(4),
        Some(b'2'),
        Some(0),
        Some(0),
        Some(0),
        Some(4),
        Some(b'E'),
    ],
    &[
        Some(b'2'),
        Some(0),
        Some(0),
        Some(0),
        Some(4),
        Some(b'n'),
        Some(0),
        Some(0),
        Some(0),
        Some(4),
        Some(b'E'),
    ],
];

/// Those of segments that are needed whole: the end of a login has the key of the connection behind some 20 settings.
pub(crate) const WHOLE: &[PayloadPrefix] = &[LOGIN];

/// Requests and the end of a login.
const LOGIN: PayloadPrefix = &[Some(b'R'), Some(0), Some(0), None, None, Some(0), Some(0), Some(0)];

/// An error: its length is less than 64 KB, and its first field is the severity.
const ERROR: PayloadPrefix = &[Some(b'E'), Some(0), Some(0), None, None, Some(b'S')];

const REFUSED: Failure =
    Failure { kind: FailureKind::LoginFailedOnline, reason: "the online server refuses the client" };

/// The end of a login has no more messages than this: a server reports some 20 settings.
const MESSAGES_MAX: usize = 64;

/// The code of a cancelled statement.
const CANCELED: &SqlState = b"57014";

impl OnlineObserver for Session {
    fn answer(&mut self, bytes: &[u8], actions: &mut Actions) {
        self.online_answer(bytes, actions.now());
        if self.admission == Admission::Refused {
            actions.fail(REFUSED.kind, REFUSED.reason);
        }
    }

    fn is_awaited(&self) -> bool {
        self.admission == Admission::Awaited
    }
}

impl Session {
    fn online_answer(&mut self, bytes: &[u8], now: Time) {
        self.one_byte_answers = 0;
        let mut rest = bytes;
        for _ in 0..MESSAGES_MAX {
            let Ok(Some(head)) = Head::of_backend(rest) else { return };
            let end = head.message().min(rest.len());
            let body = rest.get(HEAD..end).unwrap_or_default();
            match head.kind {
                b'E' => return self.online_error(body, now),
                b'K' => {
                    if let Some(Backend::BackendKeyData { pid, key }) = Backend::of_body(b'K', body) {
                        self.identity.set_online(BackendKey { pid, key: key.to_vec() });
                    }
                }
                b'R' if self.admission.is_undecided() => match Backend::of_body(b'R', body) {
                    Some(Backend::Authentication(Authentication::Ok)) => self.admission.open(),
                    _ => self.admission.asked(),
                },
                _ => {}
            }
            rest = rest.get(end..).unwrap_or_default();
        }
    }

    fn online_error(&mut self, body: &[u8], now: Time) {
        let Some(error) = ServerError::read(body) else { return };
        self.shared.counters.online_errors.count(&error.code);
        if error.code == *CANCELED {
            self.identity.set_cancelled(now);
        }
        self.admission.error();
    }

    /// Bytes of the online server were not captured. Those of one byte are answers to requests for encryption; others may
    /// be the answer to the login.
    pub(super) fn online_missed(&mut self, bytes: u64) {
        let known = self.one_byte_answers.min(bytes);
        self.one_byte_answers -= known;
        if bytes > known && matches!(self.phase, Phase::Login | Phase::Messages) {
            self.admission.open();
        }
    }
}
