//! HTTP/1: which turns begin a request, and which requests bind the connection.

use super::head::{Buffer, KEPT, Match, starts_with, starts_with_word};

/// The longest method.
const METHOD_MAX: usize = 32;

/// The place of the next byte in the client's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    RequestLine,
    Headers,
    /// In bytes that are not examined, up to the next turn.
    Body,
}

/// The protocol upgrade that a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upgrade {
    None,
    WebSocket,
    Other,
}

/// The effect of a client's bytes on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    None,
    /// A login that is valid for the connection, or a tunnel.
    Binds,
    /// Another protocol follows.
    Upgraded,
    WebSocket,
    Http2,
}

/// Examines the requests of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct Http {
    place: Place,
    upgrade: Upgrade,
    has_body: bool,
}

impl Http {
    pub(super) const fn new() -> Self {
        Self { place: Place::RequestLine, upgrade: Upgrade::None, has_body: false }
    }

    /// `cut` keeps the first bytes of an incomplete line.
    #[inline]
    pub(super) fn see(&mut self, bytes: &[u8], begins_turn: bool, cut: &mut Buffer) -> Effect {
        if begins_turn {
            self.place = Place::RequestLine;
            cut.clear();
        } else if self.place == Place::Body {
            return Effect::None;
        }
        let mut rest = bytes;
        if !cut.is_empty() {
            let Some(end) = memchr::memchr(b'\n', rest) else {
                cut.fill(rest, KEPT);
                return self.is_no_request(cut.bytes());
            };
            let (line, after) = rest.split_at(end);
            cut.fill(line, KEPT);
            let effect = self.line(cut.bytes(), false);
            cut.clear();
            if effect != Effect::None || self.place == Place::Body {
                return effect;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        self.lines(rest, cut)
    }

    fn lines(&mut self, mut rest: &[u8], cut: &mut Buffer) -> Effect {
        while let Some(end) = memchr::memchr(b'\n', rest) {
            let (line, after) = rest.split_at(end);
            let effect = self.line(line, true);
            if effect != Effect::None || self.place == Place::Body {
                return effect;
            }
            rest = after.get(1..).unwrap_or_default();
        }
        cut.fill(rest, KEPT);
        self.is_no_request(rest)
    }

    /// Checks whether an incomplete line can still become a request line.
    fn is_no_request(&mut self, line: &[u8]) -> Effect {
        if self.place == Place::RequestLine && !matches!(line, b"" | b"\r") && request_line(line) == Match::No
        {
            self.not_a_request()
        } else {
            Effect::None
        }
    }

    /// A line without its end. `whole`: it is not truncated.
    #[inline]
    fn line(&mut self, line: &[u8], whole: bool) -> Effect {
        match self.place {
            Place::RequestLine => self.request_line(line, whole),
            Place::Headers => self.header(line),
            Place::Body => Effect::None,
        }
    }

    fn request_line(&mut self, line: &[u8], whole: bool) -> Effect {
        // Servers ignore an empty line before a request.
        if matches!(line, b"" | b"\r") {
            return Effect::None;
        }
        if is_http2(line) {
            return Effect::Http2;
        }
        if method_and_target(line) != Match::Yes || whole && !ends_with_version(line) {
            return self.not_a_request();
        }
        *self = Self { place: Place::Headers, ..Self::new() };
        if line.starts_with(b"CONNECT ") { Effect::Binds } else { Effect::None }
    }

    /// The bytes belong to a body or to an upgraded connection.
    fn not_a_request(&mut self) -> Effect {
        self.place = Place::Body;
        match self.upgrade {
            _ if self.has_body => Effect::None,
            Upgrade::None => Effect::None,
            Upgrade::WebSocket => Effect::WebSocket,
            Upgrade::Other => Effect::Upgraded,
        }
    }

    /// Only a few headers matter; the first byte excludes most lines.
    #[inline]
    fn header(&mut self, line: &[u8]) -> Effect {
        match line.first().map(u8::to_ascii_lowercase) {
            None | Some(b'\r') => {
                self.place = if self.has_body { Place::Body } else { Place::RequestLine };
                Effect::None
            }
            Some(b'a' | b'c' | b'p' | b't' | b'u') => self.header_that_may_matter(line),
            Some(_) => Effect::None,
        }
    }

    fn header_that_may_matter(&mut self, line: &[u8]) -> Effect {
        if value(line, b"authorization:")
            .or_else(|| value(line, b"proxy-authorization:"))
            .is_some_and(is_bound)
        {
            return Effect::Binds;
        }
        if value(line, b"content-length:").is_some() || value(line, b"transfer-encoding:").is_some() {
            self.has_body = true;
        } else if let Some(wanted) = value(line, b"upgrade:") {
            let websocket = starts_with_word(wanted, b"websocket") == Match::Yes;
            self.upgrade = if websocket { Upgrade::WebSocket } else { Upgrade::Other };
        }
        Effect::None
    }

    /// No body follows: the next bytes are a request, or the connection was upgraded.
    pub(super) fn may_be_upgraded(&self) -> bool {
        self.upgrade != Upgrade::None && !self.has_body
    }
}

/// The value of a header of this name.
fn value<'l>(line: &'l [u8], name: &[u8]) -> Option<&'l [u8]> {
    (starts_with_word(line, name) == Match::Yes)
        .then(|| line.get(name.len()..).unwrap_or_default().trim_ascii_start())
}

/// NTLM and Negotiate authenticate the connection, not the request (RFC 4559, section 6). Three letters are compared,
/// because no more is kept of a line that arrives in pieces, and no other scheme begins with them.
fn is_bound(credentials: &[u8]) -> bool {
    [b"ntl", b"neg"].iter().any(|scheme| starts_with_word(credentials, *scheme) == Match::Yes)
}

/// The known part of the turn can begin a request.
pub(super) fn begins_request(head: &[u8]) -> bool {
    let head = head.trim_ascii_start();
    !head.is_empty() && request_line(head) != Match::No && !is_http2(head)
}

/// The preface of HTTP/2 with prior knowledge (RFC 9113, section 3.4), which looks like a request.
pub(super) fn is_http2(head: &[u8]) -> bool {
    starts_with(head, b"PRI * HTTP/2.0") == Match::Yes
}

/// `head` begins with a request line: method, target, and the version if it has arrived.
pub(super) fn request_line(head: &[u8]) -> Match {
    match method_and_target(head) {
        Match::Yes => match memchr::memchr(b'\n', head).and_then(|end| head.get(..end)) {
            Some(line) => Match::of(ends_with_version(line)),
            None => Match::Yes,
        },
        other => other,
    }
}

fn method_and_target(head: &[u8]) -> Match {
    let is_method = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let length = head.iter().take(METHOD_MAX + 1).take_while(|byte| is_method(**byte)).count();
    let (method, rest) = head.split_at(length);
    match rest {
        [] if length <= METHOD_MAX => Match::SoFar,
        [b' ', target @ ..] if (1..=METHOD_MAX).contains(&length) => is_target(target, method == b"CONNECT"),
        _ => Match::No,
    }
}

/// RFC 9112, section 3.2.
fn is_target(target: &[u8], authority: bool) -> Match {
    match target {
        [] => Match::SoFar,
        [b'/', ..] | [b'*', b' ', ..] => Match::Yes,
        [b'*'] => Match::SoFar,
        [first, ..] if authority => Match::of(first.is_ascii_alphanumeric() || *first == b'['),
        _ => starts_with_word(target, b"http://").or(|| starts_with_word(target, b"https://")),
    }
}

fn ends_with_version(line: &[u8]) -> bool {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.len().checked_sub(9).and_then(|at| line.get(at..at + 8)) == Some(b" HTTP/1.")
}
