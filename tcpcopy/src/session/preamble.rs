//! The PROXY protocol (HAProxy, proxy-protocol.txt): a header by which a proxy names its client, before the client's
//! bytes.
//!
//! Version 1 is a line of text (section 2.1), version 2 a binary header (section 2.2). A server that expects one
//! accepts no connection without it, so it must be sent first on each new connection.

/// Section 2.1: the longest line, with its CRLF.
const V1_MAX: usize = 107;
const V1_START: &[u8] = b"PROXY ";

const V2_SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_HEADER: usize = 16;
/// The longest addresses and options of a version 2 header: proxies send some hundred bytes, certificates included. A
/// longer one is something else.
const V2_MAX: usize = 4096;

/// The header that a session's stream began with: it is sent first on each new connection.
#[derive(Debug)]
pub(super) enum Preamble {
    /// The stream has just begun: too little of it has come to tell.
    Sought,
    None,
    Known(Box<[u8]>),
}

impl Preamble {
    /// Bytes of the header.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Known(bytes) => bytes.len() as u64,
            Self::Sought | Self::None => 0,
        }
    }
}

/// The beginning of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beginning {
    /// A whole header of this length.
    Header(usize),
    /// Possibly the beginning of a header.
    Incomplete,
    /// No header: the client's own bytes.
    Plain,
}

/// Looks at the first bytes of a stream.
pub(super) fn beginning(bytes: &[u8]) -> Beginning {
    match bytes.first() {
        Some(b'P') => version_1(bytes),
        Some(b'\r') => version_2(bytes),
        _ => Beginning::Plain,
    }
}

fn version_1(bytes: &[u8]) -> Beginning {
    let start = bytes.len().min(V1_START.len());
    if bytes[..start] != V1_START[..start] {
        return Beginning::Plain;
    }
    let line = &bytes[..bytes.len().min(V1_MAX)];
    match line.windows(2).position(|pair| pair == b"\r\n") {
        Some(end) => Beginning::Header(end + 2),
        None if bytes.len() < V1_MAX => Beginning::Incomplete,
        None => Beginning::Plain,
    }
}

fn version_2(bytes: &[u8]) -> Beginning {
    let start = bytes.len().min(V2_SIGNATURE.len());
    if bytes[..start] != V2_SIGNATURE[..start] {
        return Beginning::Plain;
    }
    let Some(header) = bytes.first_chunk::<V2_HEADER>() else { return Beginning::Incomplete };
    let length = usize::from(u16::from_be_bytes([header[14], header[15]]));
    if header[12] >> 4 != 2 || length > V2_MAX {
        Beginning::Plain
    } else if bytes.len() < V2_HEADER + length {
        Beginning::Incomplete
    } else {
        Beginning::Header(V2_HEADER + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const V1: &[u8] = b"PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n";
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\x0a\0\0\x01\x0a\0\0\x02\xdc\x04\x01\xbb";

    #[test]
    fn both_versions_are_found_however_they_are_cut() {
        for header in [V1, V2, b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
            for cut in 1..header.len() {
                assert_eq!(beginning(&header[..cut]), Beginning::Incomplete, "{cut} bytes of {header:?}");
            }
            let followed = [header, b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(beginning(header), Beginning::Header(header.len()));
            assert_eq!(beginning(&followed), Beginning::Header(header.len()));
        }
    }

    #[test]
    fn other_beginnings_are_plain_as_soon_as_they_differ() {
        for bytes in [&b"PO"[..], b"PRI * HTTP/2.0\r\n", b"PROXY", b"\r\n\r\nGET", b"GET ", b"\x16\x03"] {
            let expected = if bytes == b"PROXY" { Beginning::Incomplete } else { Beginning::Plain };
            assert_eq!(beginning(bytes), expected, "{bytes:?}");
        }
        assert_eq!(beginning(&[V1_START, &[b'x'; V1_MAX]].concat()), Beginning::Plain);
        let mut version_3 = V2.to_vec();
        version_3[12] = 0x31;
        assert_eq!(beginning(&version_3), Beginning::Plain);
        let mut long = V2.to_vec();
        long[14] = 0xff;
        assert_eq!(beginning(&long), Beginning::Plain);
    }

    proptest! {
        #[test]
        fn nothing_is_longer_than_it_is(bytes in prop::collection::vec(any::<u8>(), 0..64), version in 0..3) {
            let start: &[u8] = match version { 0 => V1_START, 1 => V2_SIGNATURE, _ => &[] };
            let bytes = [start, &bytes].concat();
            if let Beginning::Header(length) = beginning(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
