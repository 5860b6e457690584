//! Fields of messages: integers are big-endian, strings end with a zero byte.

/// Reads fields from the start of a body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'b>(pub(crate) &'b [u8]);

impl<'b> Fields<'b> {
    pub(crate) fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(head)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_be_bytes)
    }

    /// A string, without the zero byte.
    pub(crate) fn string(&mut self) -> Option<&'b [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let string = self.take(end)?;
        self.take(1)?;
        Some(string)
    }

    /// A list of values, each with its length: `-1` is NULL. Returns the bytes of the list, which [`Values`] reads.
    pub(crate) fn values(&mut self, count: u16) -> Option<&'b [u8]> {
        let start = self.0;
        for _ in 0..count {
            match self.i32()? {
                -1 => {}
                length => {
                    self.take(usize::try_from(length).ok()?)?;
                }
            }
        }
        start.get(..start.len() - self.0.len())
    }

    /// Nothing must be left.
    pub(crate) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Values in their binary or text form; `None` is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values<'b> {
    pub(crate) count: u16,
    pub(crate) bytes: &'b [u8],
}

impl<'b> Values<'b> {
    pub(crate) fn read(fields: &mut Fields<'b>) -> Option<Self> {
        let count = fields.u16()?;
        Some(Self { count, bytes: fields.values(count)? })
    }

    /// Values that stand one behind another in `bytes`, each behind its length of four bytes; `None` if they are not as
    /// many as `count`.
    #[must_use]
    pub fn of(count: u16, bytes: &'b [u8]) -> Option<Self> {
        let mut fields = Fields(bytes);
        fields.values(count)?;
        fields.end()?;
        Some(Self { count, bytes })
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.count.to_be_bytes());
        out.extend_from_slice(self.bytes);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.into()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values, in order.
    pub fn iter(&self) -> impl Iterator<Item = Option<&'b [u8]>> {
        let mut fields = Fields(self.bytes);
        std::iter::from_fn(move || {
            let length = fields.i32()?;
            // They were checked when the message was read.
            Some(usize::try_from(length).ok().and_then(|length| fields.take(length)))
        })
    }
}

/// Numbers of two bytes, big-endian: formats of parameters and columns (0 text, 1 binary).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Formats<'b>(pub(crate) &'b [u8]);

impl<'b> Formats<'b> {
    pub(crate) fn read(fields: &mut Fields<'b>) -> Option<Self> {
        let count = fields.u16()?;
        fields.take(2 * usize::from(count)).map(Self)
    }

    /// Numbers of two bytes; `None` if there are too many, or half of one.
    #[must_use]
    pub fn of(bytes: &'b [u8]) -> Option<Self> {
        (bytes.len().is_multiple_of(2) && u16::try_from(bytes.len() / 2).is_ok()).then_some(Self(bytes))
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&((self.0.len() / 2) as u16).to_be_bytes());
        out.extend_from_slice(self.0);
    }

    /// The numbers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.0.as_chunks().0.iter().map(|bytes| u16::from_be_bytes(*bytes))
    }
}

/// Writes a message: type, length, and the body that `body` writes.
pub(crate) fn message(kind: u8, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.push(kind);
    with_length(out, body);
}

/// Writes a length that counts itself, and the body that `body` writes.
pub(crate) fn with_length(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    // A body that does not fit is a mistake of the caller: it gets the greatest length, which no server accepts.
    let length = u32::try_from(out.len() - at).unwrap_or(u32::MAX);
    if let Some(field) = out.get_mut(at..at + 4) {
        field.copy_from_slice(&length.to_be_bytes());
    }
}

pub(crate) fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(text);
    out.push(0);
}
