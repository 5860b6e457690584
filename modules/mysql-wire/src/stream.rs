//! The packets of a stream that is cut anywhere. Of a long one only the beginning is kept, as much as its receiver wants.

use crate::packet::{HEADER, Header};

/// A payload, of one packet or of several that continue it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'p> {
    /// Of its first packet.
    pub sequence: u8,
    /// Its beginning, or all of it.
    pub payload: &'p [u8],
    /// Its whole length, in bytes.
    pub length: u64,
}

impl Packet<'_> {
    /// Whether all of it is here.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.payload.len() as u64 == self.length
    }
}

/// Takes packets.
pub trait Receive {
    /// How much of the next payload is wanted, in bytes.
    fn limit(&self) -> usize;

    /// A packet.
    fn packet(&mut self, packet: Packet<'_>);
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub struct Stream {
    header: [u8; HEADER],
    header_length: usize,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    sequence: u8,
    kept: Vec<u8>,
    limit: usize,
    length: u64,
    /// Of the present packet, in bytes.
    missing: usize,
    /// Another packet continues the payload.
    goes_on: bool,
}

impl Stream {
    /// Takes the next bytes, and hands over each payload that is complete.
    pub fn feed(&mut self, mut bytes: &[u8], receiver: &mut impl Receive) {
        while !bytes.is_empty() {
            if self.body.as_ref().is_none_or(|body| body.missing == 0) {
                bytes = self.head(bytes, receiver);
                continue;
            }
            let Some(body) = &mut self.body else { return };
            let (now, rest) = bytes.split_at(body.missing.min(bytes.len()));
            body.take(now);
            bytes = rest;
            self.end(receiver);
        }
    }

    /// Takes bytes of a header, and what else needs no copy. Returns the rest.
    fn head<'b>(&mut self, bytes: &'b [u8], receiver: &mut impl Receive) -> &'b [u8] {
        let (now, rest) = bytes.split_at((HEADER - self.header_length).min(bytes.len()));
        if let Some(place) = self.header.get_mut(self.header_length..self.header_length + now.len()) {
            place.copy_from_slice(now);
        }
        self.header_length += now.len();
        if self.header_length < HEADER {
            return rest;
        }
        self.header_length = 0;
        let Some(header) = Header::read(&self.header) else { return rest };
        match &mut self.body {
            Some(body) => {
                body.missing = header.length;
                body.goes_on = header.goes_on();
            }
            // The usual case: the whole packet is in these bytes.
            None => {
                let limit = receiver.limit();
                if let Some((payload, rest)) = rest.split_at_checked(header.length)
                    && !header.goes_on()
                {
                    let (sequence, length) = (header.sequence, payload.len() as u64);
                    let payload = payload.get(..limit).unwrap_or(payload);
                    receiver.packet(Packet { sequence, payload, length });
                    return rest;
                }
                self.body = Some(Body {
                    sequence: header.sequence,
                    // A buffer that grows leaves copies; and memory is only touched when bytes arrive.
                    kept: Vec::with_capacity(header.length.min(limit)),
                    limit,
                    length: 0,
                    missing: header.length,
                    goes_on: header.goes_on(),
                });
            }
        }
        self.end(receiver);
        rest
    }

    fn end(&mut self, receiver: &mut impl Receive) {
        if let Some(mut body) = self.body.take_if(|body| body.missing == 0 && !body.goes_on) {
            receiver.packet(Packet { sequence: body.sequence, payload: &body.kept, length: body.length });
            // It may have been a password.
            body.kept.fill(0);
        }
    }
}

impl Body {
    fn take(&mut self, bytes: &[u8]) {
        let wanted = (self.limit - self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..wanted).unwrap_or_default());
        self.length += bytes.len() as u64;
        self.missing -= bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{CHUNK_MAX, packet};

    struct All(usize, Vec<(u8, Vec<u8>, u64)>);

    impl Receive for All {
        fn limit(&self) -> usize {
            self.0
        }
        fn packet(&mut self, packet: Packet<'_>) {
            self.1.push((packet.sequence, packet.payload.to_vec(), packet.length));
        }
    }

    fn all(limit: usize, pieces: &[&[u8]]) -> Vec<(u8, Vec<u8>, u64)> {
        let (mut stream, mut all) = (Stream::default(), All(limit, Vec::new()));
        pieces.iter().for_each(|piece| stream.feed(piece, &mut all));
        all.1
    }

    #[test]
    fn packets_are_the_same_however_they_are_cut() {
        let bytes = [packet(0, b"\x03SELECT 1"), packet(1, b""), packet(2, b"x")].concat();
        let expected = vec![(0, b"\x03SEL".to_vec(), 9), (1, Vec::new(), 0), (2, b"x".to_vec(), 1)];
        for cut in 0..bytes.len() {
            assert_eq!(all(4, &[&bytes[..cut], &bytes[cut..]]), expected, "{cut}");
        }
        assert_eq!(all(4, &bytes.chunks(1).collect::<Vec<_>>()), expected);
    }

    #[test]
    fn a_payload_that_goes_on_is_one() {
        let long = vec![7; CHUNK_MAX];
        for more in [0, 5] {
            let bytes = [packet(3, &long), packet(4, &vec![8; more]), packet(0, b"a")].concat();
            let found = all(10, &[&bytes[..100], &bytes[100..CHUNK_MAX + 6], &bytes[CHUNK_MAX + 6..]]);
            assert_eq!(found, [(3, vec![7; 10], (CHUNK_MAX + more) as u64), (0, b"a".to_vec(), 1)]);
        }
    }
}
