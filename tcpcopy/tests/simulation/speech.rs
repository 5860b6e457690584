//! The wrapping of the clients' requests: protocols that the engine recognises, and proxies' headers.

use crate::request::{Parsed, Request, SET};

/// The wrapping of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// None: an unknown protocol.
    Plain,
    /// Each is the body of a POST. State is set by a login that belongs to the connection.
    Http,
    /// Each is a frame of data, after a preface that is state itself.
    Http2,
    /// Each is the argument of a command. State is set by a command before it.
    Redis,
}

/// The bytes that a proxy sends before the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Preamble {
    None,
    /// PROXY protocol, version 1 or 2; its client's session is named in it.
    Proxy,
}

/// A connection that has received the preface of HTTP/2, and no other state.
pub(crate) const PREFACED: u32 = 0xff_ffff;

/// A connection whose application keeps no state.
pub(crate) const FRESH: u32 = 0;

/// The online server's bytes between a request's head and its body.
pub(crate) const INTERIM: u32 = 25;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME: usize = 9;
const SELECT: &[u8] = b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n";
const ECHO: &[u8] = b"*2\r\n$4\r\nECHO\r\n$";
const POST: &[u8] = b"POST /";
const EXPECT: &[u8] = b"Expect: 100-continue\r\n";
const HEAD_END: &[u8] = b"\r\n\r\n";
const V1: &[u8] = b"PROXY UNKNOWN ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\x04";

/// The front of a server's input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Incomplete,
    /// No request of this protocol begins here.
    Garbage,
    /// Bytes that are no request. They set this state, if there is one.
    Wrapping(usize, Option<u32>),
    /// A request's head of this length, whose client waits for permission to send the body.
    Asks(usize),
    /// A complete request, and whether its wrapping was there.
    Request(Request, bool),
}

impl Speech {
    /// The first bytes of each connection, and the state that they set.
    pub(crate) fn opening(self) -> (&'static [u8], u32) {
        match self {
            Self::Http2 => (PREFACE, PREFACED),
            Self::Plain | Self::Http | Self::Redis => (&[], FRESH),
        }
    }

    /// State can be set by requests other than the first of a turn.
    pub(crate) fn sets_anywhere(self) -> bool {
        self != Self::Http
    }

    pub(crate) fn write(self, request: &Request, out: &mut Vec<u8>) {
        match self {
            Self::Plain => {}
            Self::Http => Self::write_head(request, false, out),
            Self::Http2 => {
                out.extend_from_slice(&request.length.to_be_bytes()[1..]);
                out.extend_from_slice(&[0, 0, 0, 0, 0, 1]);
            }
            Self::Redis => {
                if request.flags & SET != 0 {
                    out.extend_from_slice(SELECT);
                }
                out.extend_from_slice(ECHO);
                out.extend_from_slice(format!("{}\r\n", request.length).as_bytes());
            }
        }
        request.write(out);
        if self == Self::Redis {
            out.extend_from_slice(b"\r\n");
        }
    }

    /// The head of an HTTP request; `asks` if its client waits before it sends the body.
    pub(crate) fn write_head(request: &Request, asks: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("POST /{} HTTP/1.1\r\nHost: a\r\n", request.number).as_bytes());
        if request.flags & SET != 0 {
            out.extend_from_slice(b"Authorization: NTLM TlRMTVNTUAAB\r\n");
        }
        if asks {
            out.extend_from_slice(EXPECT);
        }
        out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", request.length).as_bytes());
    }

    /// Looks at a server's input; `inside` if the wrapping of a request has just been read.
    pub(crate) fn read(self, input: &[u8], inside: bool) -> Found {
        if inside || self == Self::Plain {
            return request(input, true);
        }
        match self {
            Self::Plain => Found::Incomplete,
            Self::Http => match begins(input, POST) {
                Some(false) => request(input, false),
                None => Found::Incomplete,
                Some(true) => match position(input, HEAD_END) {
                    None => Found::Incomplete,
                    Some(end) if position(&input[..end], EXPECT).is_some() => Found::Asks(end + 4),
                    Some(end) => Found::Wrapping(end + 4, None),
                },
            },
            Self::Http2 => match begins(input, PREFACE) {
                Some(true) => Found::Wrapping(PREFACE.len(), Some(PREFACED)),
                None => Found::Incomplete,
                _ if input.len() < FRAME => Found::Incomplete,
                _ if input[0] == 0 && input[3..FRAME] == [0, 0, 0, 0, 0, 1] => Found::Wrapping(FRAME, None),
                _ => Found::Garbage,
            },
            Self::Redis => match (input, begins(input, SELECT), begins(input, ECHO)) {
                ([b'\r', b'\n', ..], ..) => Found::Wrapping(2, Some(u32::MAX)),
                ([] | [b'\r'], ..) => Found::Incomplete,
                (_, Some(true), _) => Found::Wrapping(SELECT.len(), Some(u32::MAX)),
                (_, _, Some(true)) => match position(&input[ECHO.len()..], b"\r\n") {
                    Some(digits) => Found::Wrapping(ECHO.len() + digits + 2, None),
                    None => Found::Incomplete,
                },
                (_, None, _) | (_, _, None) => Found::Incomplete,
                _ => Found::Garbage,
            },
        }
    }
}

impl Preamble {
    pub(crate) fn write(self, session: u32, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Proxy if session.is_multiple_of(2) => {
                out.extend_from_slice(V1);
                out.extend_from_slice(format!("{session}\r\n").as_bytes());
            }
            Self::Proxy => {
                out.extend_from_slice(V2);
                out.extend_from_slice(&session.to_be_bytes());
            }
        }
    }

    /// Its length at the front of `input`, and its session.
    pub(crate) fn read(input: &[u8]) -> Option<(usize, u32)> {
        if let Some(rest) = input.strip_prefix(V2) {
            return Some((V2.len() + 4, u32::from_be_bytes(*rest.first_chunk()?)));
        }
        let rest = input.strip_prefix(V1)?;
        let end = position(rest, b"\r\n")?;
        Some((V1.len() + end + 2, std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?))
    }

    /// `input` may become a preamble.
    pub(crate) fn may_begin(input: &[u8]) -> bool {
        [V1, V2].iter().any(|start| begins(input, start) != Some(false))
    }
}

fn request(input: &[u8], wrapped: bool) -> Found {
    match Request::read(input) {
        Parsed::Incomplete => Found::Incomplete,
        Parsed::Garbage => Found::Garbage,
        Parsed::Request(request) => Found::Request(request, wrapped),
    }
}

/// Whether `input` begins with `start`; `None` if it is too short to tell.
fn begins(input: &[u8], start: &[u8]) -> Option<bool> {
    let common = input.len().min(start.len());
    match input[..common] == start[..common] {
        true if common < start.len() => None,
        same => Some(same),
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[test]
fn what_is_written_is_read_back() {
    for speech in [Speech::Plain, Speech::Http, Speech::Http2, Speech::Redis] {
        let request = Request { session: 7, number: 3, length: 300, answer: 5, flags: SET, expects: 2 };
        let mut bytes = speech.opening().0.to_vec();
        speech.write(&request, &mut bytes);
        let (mut at, mut inside) = (0, false);
        let found = loop {
            match speech.read(&bytes[at..], inside) {
                Found::Wrapping(length, state) => (at, inside) = (at + length, state.is_none()),
                found => break found,
            }
        };
        assert_eq!(found, Found::Request(request, true), "{speech:?}");
    }
    for session in [4, 5] {
        let mut bytes = Vec::new();
        Preamble::Proxy.write(session, &mut bytes);
        assert_eq!(Preamble::read(&bytes), Some((bytes.len(), session)));
        assert!((0..bytes.len()).all(|cut| Preamble::may_begin(&bytes[..cut])));
    }
}
