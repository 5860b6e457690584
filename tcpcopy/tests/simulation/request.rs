//! The requests of the simulated clients: each contains its length and that of its answer.

use crate::rng::mix;

/// Bytes of a request before its body.
pub(crate) const HEADER: usize = 24;

/// Close the connection once this request is answered.
pub(crate) const CLOSE: u8 = 1;

/// The connection's state is from now on the one that this request sets.
pub(crate) const SET: u8 = 2;

/// One request; its bytes follow from these fields alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    /// The session that it belongs to.
    pub(crate) session: u32,
    /// Counts the requests of a session.
    pub(crate) number: u32,
    /// Bytes in all, header included.
    pub(crate) length: u32,
    /// Bytes that the test server is to answer.
    pub(crate) answer: u32,
    /// [`CLOSE`] and [`SET`].
    pub(crate) flags: u8,
    /// The state that its client's connection was in, of 24 bits.
    pub(crate) expects: u32,
}

/// The front of a server's input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// Not complete yet.
    Incomplete,
    /// No request starts here.
    Garbage,
    /// A complete one.
    Request(Request),
}

impl Request {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&self.check().to_be_bytes());
        for field in [self.length, self.answer, self.session, self.number] {
            out.extend_from_slice(&field.to_be_bytes());
        }
        out.push(self.flags);
        out.extend_from_slice(&self.expects.to_be_bytes()[1..]);
        let key = (u64::from(self.session) << 32) | u64::from(self.number);
        let end = start + self.length as usize;
        let mut word = 0;
        while out.len() < end {
            out.extend_from_slice(&mix(key ^ mix(word)).to_be_bytes());
            word += 1;
        }
        out.truncate(end);
    }

    pub(crate) fn read(bytes: &[u8]) -> Parsed {
        let Some(header) = bytes.first_chunk::<HEADER>() else { return Parsed::Incomplete };
        let field =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let request = Self {
            length: field(4),
            answer: field(8),
            session: field(12),
            number: field(16),
            flags: header[20],
            expects: field(20) & 0xff_ffff,
        };
        if field(0) != request.check() || (request.length as usize) < HEADER {
            return Parsed::Garbage;
        }
        if bytes.len() < request.length as usize { Parsed::Incomplete } else { Parsed::Request(request) }
    }

    /// The state that it sets.
    pub(crate) fn sets(&self) -> Option<u32> {
        (self.flags & SET != 0).then_some(self.number + 1)
    }

    /// Distinguishes a request from bytes in the middle of one, and two requests from each other.
    fn check(&self) -> u32 {
        mix((u64::from(self.session) << 32) | u64::from(self.number)) as u32
    }
}

#[test]
fn a_request_is_read_back_and_nothing_else_is() {
    let request = Request { session: 7, number: 3, length: 1000, answer: 5, flags: CLOSE, expects: 0xabcdef };
    let mut bytes = Vec::new();
    request.write(&mut bytes);
    assert_eq!(bytes.len(), 1000);
    assert_eq!(Request::read(&bytes), Parsed::Request(request));
    assert_eq!(Request::read(&bytes[..999]), Parsed::Incomplete);
    assert_eq!(Request::read(&bytes[1..]), Parsed::Garbage);
}
