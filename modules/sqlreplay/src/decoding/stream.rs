//! Messages of a stream that is cut anywhere. What nobody wants is never put together: passwords, and rows that are only
//! counted.

use postgres_wire::framing::{HEAD, Head, NotPostgres};

/// A longer message is not kept, in bytes.
pub(crate) const MESSAGE_MAX: usize = 16 << 20;

/// One direction of a session, behind its first message.
#[derive(Debug)]
pub struct Stream {
    head_of: fn(&[u8]) -> Result<Option<Head>, NotPostgres>,
    state: State,
}

#[derive(Debug)]
enum State {
    Head { bytes: [u8; HEAD], length: usize },
    Body { kind: u8, bytes: Vec<u8>, missing: usize },
    Skipping(usize),
}

/// What follows the head of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body<'b> {
    /// All of it.
    Whole(&'b [u8]),
    /// So many bytes that were not wanted, or too many.
    Skipped(usize),
}

impl Stream {
    /// What a client sends.
    #[must_use]
    pub fn of_client() -> Self {
        Self { head_of: Head::of_frontend, state: State::EMPTY }
    }

    /// What a server sends.
    #[must_use]
    pub fn of_server() -> Self {
        Self { head_of: Head::of_backend, state: State::EMPTY }
    }

    /// Takes the next bytes, and hands each message over: its type and its body. `wants` says whether the body of a type
    /// is needed.
    ///
    /// # Errors
    ///
    /// If the bytes are not the protocol: the place in the stream is lost.
    pub fn feed(
        &mut self,
        mut bytes: &[u8],
        wants: impl Fn(u8) -> bool,
        mut handle: impl FnMut(u8, Body<'_>),
    ) -> Result<(), NotPostgres> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Head { bytes: head, length } => {
                    // The usual case: the whole head is in these bytes.
                    let (found, rest) = if *length == 0 && bytes.len() >= HEAD {
                        ((self.head_of)(bytes)?, bytes.get(HEAD..).unwrap_or_default())
                    } else {
                        let taken = (HEAD - *length).min(bytes.len());
                        let (now, rest) = bytes.split_at(taken);
                        if let Some(place) = head.get_mut(*length..*length + taken) {
                            place.copy_from_slice(now);
                        }
                        *length += taken;
                        ((self.head_of)(head.get(..*length).unwrap_or_default())?, rest)
                    };
                    bytes = rest;
                    if let Some(head) = found {
                        bytes = self.begin(head, bytes, &wants, &mut handle);
                    }
                }
                State::Body { kind, bytes: body, missing } => {
                    let (now, rest) = bytes.split_at((*missing).min(bytes.len()));
                    body.extend_from_slice(now);
                    *missing -= now.len();
                    bytes = rest;
                    if *missing == 0 {
                        handle(*kind, Body::Whole(body));
                        // It may have been a statement with a password.
                        body.fill(0);
                        self.state = State::EMPTY;
                    }
                }
                State::Skipping(missing) => {
                    let taken = (*missing).min(bytes.len());
                    *missing -= taken;
                    bytes = bytes.get(taken..).unwrap_or_default();
                    if *missing == 0 {
                        self.state = State::EMPTY;
                    }
                }
            }
        }
        Ok(())
    }

    fn begin<'b>(
        &mut self,
        head: Head,
        bytes: &'b [u8],
        wants: &impl Fn(u8) -> bool,
        handle: &mut impl FnMut(u8, Body<'_>),
    ) -> &'b [u8] {
        let length = head.body as usize;
        self.state = State::EMPTY;
        if !wants(head.kind) || length > MESSAGE_MAX {
            handle(head.kind, Body::Skipped(length));
            if length > 0 {
                self.state = State::Skipping(length);
            }
            return bytes;
        }
        if let Some((body, rest)) = bytes.split_at_checked(length) {
            handle(head.kind, Body::Whole(body));
            return rest;
        }
        // A buffer that grows would leave copies in memory; and memory is only touched when bytes arrive.
        self.state = State::Body { kind: head.kind, bytes: Vec::with_capacity(length), missing: length };
        bytes
    }
}

impl State {
    const EMPTY: Self = Self::Head { bytes: [0; HEAD], length: 0 };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<(u8, Option<Vec<u8>>)> {
        let mut stream = Stream::of_client();
        let mut found = Vec::new();
        for piece in pieces {
            let handle = |kind, body: Body<'_>| {
                found.push((kind, if let Body::Whole(bytes) = body { Some(bytes.to_vec()) } else { None }));
            };
            stream.feed(piece, |kind| kind != b'p', handle).unwrap();
        }
        found
    }

    #[test]
    fn messages_are_the_same_however_they_are_cut() {
        let bytes = b"Q\0\0\0\x06x\0p\0\0\0\x0asecretS\0\0\0\x04Q\0\0\0\x05\0";
        let expected = vec![
            (b'Q', Some(b"x\0".to_vec())),
            (b'p', None),
            (b'S', Some(Vec::new())),
            (b'Q', Some(b"\0".to_vec())),
        ];
        assert_eq!(all(&[bytes]), expected);
        for cut in 0..bytes.len() {
            assert_eq!(all(&[&bytes[..cut], &bytes[cut..]]), expected, "{cut}");
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), expected);
    }

    #[test]
    fn what_is_too_long_is_skipped_and_garbage_is_an_error() {
        let mut stream = Stream::of_client();
        let mut found = Vec::new();
        let mut feed = |bytes: &[u8]| {
            stream.feed(bytes, |_| true, |kind, body| found.push((kind, matches!(body, Body::Skipped(_)))))
        };
        let length = MESSAGE_MAX as u32 + 5;
        feed(&[&b"Q"[..], &length.to_be_bytes()].concat()).unwrap();
        (0..=MESSAGE_MAX).try_for_each(|_| feed(&[0])).unwrap();
        feed(b"S\0\0\0\x04").unwrap();
        assert!(feed(b"GET / HTTP/1.1").is_err());
        assert_eq!(found, [(b'Q', true), (b'S', false)]);
    }
}
