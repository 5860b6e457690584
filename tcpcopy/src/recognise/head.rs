//! The first bytes of a turn, line or frame, which may arrive in pieces.

/// How many bytes are kept: enough to recognise each protocol.
pub(super) const KEPT: usize = 24;

/// Up to [`KEPT`] bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Buffer {
    bytes: [u8; KEPT],
    len: u8,
}

impl Buffer {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; KEPT], len: 0 }
    }

    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends from `bytes` until `wanted` bytes are kept, or there is no room. Returns how many it took.
    pub(super) fn fill(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let have = usize::from(self.len);
        let taken = bytes.len().min(wanted.min(KEPT).saturating_sub(have));
        if let (Some(room), Some(bytes)) = (self.bytes.get_mut(have..have + taken), bytes.get(..taken)) {
            room.copy_from_slice(bytes);
            self.len += taken as u8;
        }
        taken
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The known part of a turn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'h> {
    /// Its first bytes.
    pub(super) bytes: &'h [u8],
    /// The length of the turn so far, which may exceed `bytes`.
    pub(super) seen: usize,
}

/// Whether bytes match a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Match {
    Yes,
    /// The known bytes match, but more are needed.
    SoFar,
    No,
}

impl Match {
    pub(super) fn of(condition: bool) -> Self {
        if condition { Self::Yes } else { Self::No }
    }

    /// Weakens a match, because only a part of the pattern was tested.
    pub(super) fn so_far(self) -> Self {
        if self == Self::Yes { Self::SoFar } else { self }
    }

    pub(super) fn or(self, other: impl FnOnce() -> Self) -> Self {
        if self == Self::No { other() } else { self }
    }
}

impl Head<'_> {
    pub(super) fn starts_with(&self, prefix: &[u8]) -> Match {
        starts_with(self.bytes, prefix)
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn be16(&self, at: usize) -> Option<u16> {
        Some(u16::from_be_bytes(self.bytes.get(at..at + 2)?.try_into().ok()?))
    }

    pub(super) fn be32(&self, at: usize) -> Option<u32> {
        Some(u32::from_be_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }

    pub(super) fn le32(&self, at: usize) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes.get(at..at + 4)?.try_into().ok()?))
    }

    /// Whether the turn consists of whole frames. `length` returns the total length of the frame at the start of its
    /// argument, `None` if more bytes are needed, or `Some(0)` if there is no frame.
    pub(super) fn frames(&self, length: impl Fn(&[u8]) -> Option<usize>) -> Match {
        let mut at = 0;
        let mut frames = 0;
        while let Some(rest) = self.bytes.get(at..).filter(|rest| !rest.is_empty()) {
            match length(rest) {
                None => return Match::SoFar,
                Some(0) => return Match::No,
                Some(length) => at = at.saturating_add(length),
            }
            frames += 1;
            if self.bytes.len() < self.seen && frames > 1 {
                // The rest is not kept, and two frames are sufficient evidence.
                return Match::Yes;
            }
        }
        match at.cmp(&self.seen) {
            std::cmp::Ordering::Equal => Match::Yes,
            std::cmp::Ordering::Greater => Match::SoFar,
            std::cmp::Ordering::Less => Match::No,
        }
    }
}

/// `bytes` begin with `prefix`.
pub(super) fn starts_with(bytes: &[u8], prefix: &[u8]) -> Match {
    if bytes.starts_with(prefix) {
        Match::Yes
    } else if prefix.starts_with(bytes) {
        Match::SoFar
    } else {
        Match::No
    }
}

/// `bytes` begin with `word`, ignoring ASCII case.
pub(super) fn starts_with_word(bytes: &[u8], word: &[u8]) -> Match {
    let common = bytes.len().min(word.len());
    match (bytes.get(..common), word.get(..common)) {
        (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) && common == word.len() => Match::Yes,
        (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => Match::SoFar,
        _ => Match::No,
    }
}

/// `bytes` begin with one of `words`, followed by a space or the end of the line.
pub(super) fn begins_with_one_of(bytes: &[u8], words: &[&str]) -> Match {
    let mut best = Match::No;
    for word in words {
        match starts_with_word(bytes, word.as_bytes()) {
            Match::No => {}
            Match::SoFar => best = Match::SoFar,
            Match::Yes => match bytes.get(word.len()) {
                None => best = Match::SoFar,
                Some(b' ' | b'\r' | b'\n') => return Match::Yes,
                Some(_) if word.ends_with(':') => return Match::Yes,
                Some(_) => {}
            },
        }
    }
    best
}
