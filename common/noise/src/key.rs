//! Shared keys, and the file that holds them.

use std::fmt;

use thiserror::Error;
use zeroize::Zeroizing;

/// Length of a key in bytes.
pub const KEY_LENGTH: usize = 32;

/// Keys in one file: enough to replace one while both are in use.
pub const MAX_KEYS: usize = 4;

/// Limit of a key file in bytes.
pub const FILE_LENGTH_MAX: u64 = 4096;

/// A shared key. Whoever has it can connect to intercept, and can pose as intercept.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Zeroizing<[u8; KEY_LENGTH]>);

/// The keys of a file, at least one: an intercept accepts each of them, a tcpcopy uses the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys(Vec<Key>);

/// Why a key file cannot be used. Nothing of its content is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A line that is neither a key nor a comment.
    #[error("line {0} is no key of {len} hexadecimal digits; make a file with intercept --new-key", len = 2 * KEY_LENGTH)]
    Line(usize),
    /// No key at all.
    #[error("it holds no key; make a file with intercept --new-key")]
    None,
    /// More than [`MAX_KEYS`].
    #[error("it holds more than {MAX_KEYS} keys; remove the old ones")]
    TooMany,
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// The operating system has no random numbers.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        getrandom::fill(&mut bytes[..])?;
        Ok(Self(bytes))
    }

    /// The content of a file with this key alone.
    #[must_use]
    pub fn file(&self) -> Zeroizing<String> {
        const HEAD: &str =
            "# The shared key of tcpcopy and intercept (--key-file). Whoever has it can read all answers.\n";
        // A string that grows would leave copies in memory.
        let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + 2 * KEY_LENGTH + 1));
        text.push_str(HEAD);
        for byte in self.0.iter() {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(nibble.into(), 16).unwrap_or_default());
            }
        }
        text.push('\n');
        text
    }

    fn parse(line: &[u8]) -> Option<Self> {
        let mut bytes = Zeroizing::new([0; KEY_LENGTH]);
        if line.len() != 2 * KEY_LENGTH {
            return None;
        }
        let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
        for (byte, pair) in bytes.iter_mut().zip(line.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; KEY_LENGTH] {
        &self.0
    }
}

impl fmt::Debug for Key {
    /// Shows nothing of it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Keys {
    /// Reads a key file: a key of 64 hexadecimal digits on each line; `#` begins a comment, which takes the whole line.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn parse(content: &[u8]) -> Result<Self, KeyError> {
        let mut keys = Vec::new();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            keys.push(Key::parse(line).ok_or(KeyError::Line(index + 1))?);
        }
        match keys.len() {
            0 => Err(KeyError::None),
            1..=MAX_KEYS => Ok(Self(keys)),
            _ => Err(KeyError::TooMany),
        }
    }

    /// The first key.
    #[must_use]
    pub fn first(&self) -> &Key {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Key> {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_new_file_has_one_key_and_no_two_are_alike() {
        let (one, other) = (Key::generate().unwrap(), Key::generate().unwrap());
        assert_ne!(one, other);
        assert_eq!(Keys::parse(one.file().as_bytes()).unwrap().first(), &one);
        assert_eq!(format!("{one:?}"), "Key");
    }

    #[test]
    fn files_have_comments_and_several_keys() {
        let (first, second) = ("0a".repeat(32), "0B".repeat(32));
        let text = format!("# keys\r\n\n  {first} \r\n{second}");
        let keys = Keys::parse(text.as_bytes()).unwrap();
        assert_eq!(keys.iter().map(|key| key.bytes()[31]).collect::<Vec<_>>(), [10, 11]);
        assert_eq!(Keys::parse(b""), Err(KeyError::None));
        assert_eq!(Keys::parse(b"# nothing\n\n"), Err(KeyError::None));
        for wrong in ["0a".repeat(31), "0a".repeat(33), "0g".repeat(32), "ä".repeat(32)] {
            let error = Keys::parse(format!("{first}\n{wrong}\n").as_bytes());
            assert_eq!(error, Err(KeyError::Line(2)), "{wrong}");
        }
        assert_eq!(Keys::parse(format!("{first}\n").repeat(5).as_bytes()), Err(KeyError::TooMany));
    }

    proptest! {
        #[test]
        fn any_file_is_keys_or_an_error_that_shows_none_of_it(content in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Err(error) = Keys::parse(&content) {
                prop_assert!(!error.to_string().contains('\n'));
            }
        }
    }
}
