//! MySQL packets: a length of three bytes, a sequence id, a payload; and the integers and strings inside.
//!
//! Source: dev.mysql.com, "MySQL Packets" and "Protocol Data Types". All numbers are little-endian.

/// Bytes of a packet header.
pub const HEADER: usize = 4;

/// A payload of this many bytes goes on in the next packet; a multiple of it ends with an empty one.
pub const CHUNK_MAX: usize = 0xFF_FFFF;

/// The longest payload that is read as a whole, in bytes. The longest packet of a login holds a public key, or a column
/// definition.
pub const WHOLE_MAX: usize = 64 << 10;

/// The header of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Payload bytes.
    pub length: usize,
    /// Counts the packets of a command and its answer, from 0.
    pub sequence: u8,
}

impl Header {
    /// From the first bytes of a packet.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let &[low, middle, high, sequence] = bytes.first_chunk::<HEADER>()?;
        Some(Self { length: u32::from_le_bytes([low, middle, high, 0]) as usize, sequence })
    }

    /// The header's four bytes; `length` is at most [`CHUNK_MAX`].
    pub fn bytes(self) -> [u8; HEADER] {
        let [low, middle, high, ..] = self.length.to_le_bytes();
        [low, middle, high, self.sequence]
    }

    /// Another packet continues the payload.
    pub fn goes_on(self) -> bool {
        self.length == CHUNK_MAX
    }
}

/// A packet whose payload is shorter than [`CHUNK_MAX`].
pub fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    [&Header { length: payload.len(), sequence }.bytes()[..], payload].concat()
}

/// The packets that `bytes` begins with, as far as they are whole.
pub fn packets(mut bytes: &[u8]) -> impl Iterator<Item = (Header, &[u8])> {
    std::iter::from_fn(move || {
        let header = Header::read(bytes)?;
        let payload = bytes.get(HEADER..HEADER + header.length)?;
        bytes = &bytes[HEADER + header.length..];
        Some((header, payload))
    })
}

/// Reads a payload from front to back; `None` wherever it is too short.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads this payload.
    pub fn new(payload: &'a [u8]) -> Self {
        Self { rest: payload }
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next bytes, so many.
    pub fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(bytes)?;
        self.rest = rest;
        Some(taken)
    }

    /// The next `N` bytes.
    pub fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*taken)
    }

    /// A byte.
    pub fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number of two bytes.
    pub fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// A number of four bytes.
    pub fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// A length-encoded integer ("int<lenenc>").
    pub fn length(&mut self) -> Option<u64> {
        match self.u8()? {
            small @ ..=0xFA => Some(u64::from(small)),
            0xFC => self.u16().map(u64::from),
            0xFD => self
                .array::<3>()
                .map(|[low, middle, high]| u64::from_le_bytes([low, middle, high, 0, 0, 0, 0, 0])),
            0xFE => self.array().map(u64::from_le_bytes),
            _ => None,
        }
    }

    /// A length-encoded string.
    pub fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.length()?).ok()?;
        self.take(length)
    }

    /// A string behind its length in one byte.
    pub fn short(&mut self) -> Option<&'a [u8]> {
        let length = usize::from(self.u8()?);
        self.take(length)
    }

    /// A string that ends with NUL.
    pub fn terminated(&mut self) -> Option<&'a [u8]> {
        let end = self.rest.iter().position(|&byte| byte == 0)?;
        let taken = self.take(end)?;
        self.take(1)?;
        Some(taken)
    }

    /// A string that ends with NUL, or with the payload.
    pub fn terminated_or_rest(&mut self) -> &'a [u8] {
        self.terminated().unwrap_or_else(|| std::mem::take(&mut self.rest))
    }
}

/// Appends a length-encoded integer.
pub fn write_length(value: usize, to: &mut Vec<u8>) {
    match value {
        ..=0xFA => to.push(value as u8),
        0xFB..=0xFFFF => {
            to.push(0xFC);
            to.extend_from_slice(&(value as u16).to_le_bytes());
        }
        0x1_0000..=0xFF_FFFF => {
            to.push(0xFD);
            to.extend_from_slice(&value.to_le_bytes()[..3]);
        }
        _ => {
            to.push(0xFE);
            to.extend_from_slice(&(value as u64).to_le_bytes());
        }
    }
}

/// Appends a length-encoded string.
pub fn write_sized(value: &[u8], to: &mut Vec<u8>) {
    write_length(value.len(), to);
    to.extend_from_slice(value);
}

/// Appends a string and its NUL.
pub fn write_terminated(value: &[u8], to: &mut Vec<u8>) {
    to.extend_from_slice(value);
    to.push(0);
}

/// Assembles whole packets from the bytes of a stream, as a login needs them.
#[derive(Debug, Default)]
pub struct Assembler {
    bytes: Vec<u8>,
}

/// A packet is longer than any in a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl Assembler {
    /// After a longer packet the buffer shrinks to this, in bytes.
    const KEPT: usize = 1 << 10;

    /// Adds bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The memory that is allocated, in bytes.
    pub fn memory(&self) -> usize {
        self.bytes.capacity()
    }

    /// The next whole packet, if it is here: its sequence id and its payload.
    ///
    /// # Errors
    ///
    /// If it is longer than any in a login.
    #[expect(clippy::should_implement_trait, reason = "no iterator: more bytes may come")]
    pub fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, TooLong> {
        let Some(header) = Header::read(&self.bytes) else { return Ok(None) };
        if header.length > WHOLE_MAX {
            return Err(TooLong);
        }
        let Some(payload) = self.bytes.get(HEADER..HEADER + header.length) else { return Ok(None) };
        let payload = payload.to_vec();
        self.bytes.drain(..HEADER + header.length);
        self.bytes.shrink_to(Self::KEPT);
        Ok(Some((header.sequence, payload)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_read_as_written() {
        for value in [0, 250, 251, 0xFFFF, 0x1_0000, 0xFF_FFFF, 0x100_0000, usize::MAX] {
            let mut bytes = Vec::new();
            write_length(value, &mut bytes);
            let mut reader = Reader::new(&bytes);
            assert_eq!(reader.length(), Some(value as u64));
            assert!(reader.rest().is_empty());
            assert_eq!(Reader::new(&bytes[..bytes.len() - 1]).length(), None);
        }
        // NULL and an error are no lengths.
        assert_eq!(Reader::new(&[0xFB]).length(), None);
        assert_eq!(Reader::new(&[0xFF]).length(), None);
    }

    #[test]
    fn packets_are_put_together_however_they_are_cut() {
        let mut stream = Vec::new();
        stream.extend(packet(0, b"first"));
        stream.extend(packet(1, b""));
        for cut in 0..stream.len() {
            let mut assembler = Assembler::default();
            let mut packets = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                assembler.push(part);
                while let Some(packet) = assembler.next().unwrap() {
                    packets.push(packet);
                }
            }
            assert_eq!(packets, [(0, b"first".to_vec()), (1, Vec::new())]);
        }
    }

    #[test]
    fn a_packet_that_no_login_has_is_refused_at_its_header() {
        let mut assembler = Assembler::default();
        assembler.push(&[0, 0, 2, 0]);
        assert_eq!(assembler.next(), Err(TooLong));
    }
}
