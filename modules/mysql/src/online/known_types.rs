//! What the EXECUTEs of all sessions show of the types of a statement's parameters.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::infer::{SAMPLES_MAX, Sample, infer};

/// Texts of statements whose EXECUTEs are kept.
const TEXTS_MAX: usize = 1024;

/// EXECUTEs that are longer are not kept, in bytes.
const SAMPLE_MAX: usize = 4 << 10;

/// EXECUTEs of the sessions of one online service, by the text of their statement.
#[derive(Debug, Default)]
pub(crate) struct KnownTypes(Mutex<HashMap<Box<[u8]>, Vec<Kept>>>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Kept {
    nulls: Box<[u8]>,
    values: Box<[u8]>,
}

impl Kept {
    fn sample(&self) -> Sample<'_> {
        Sample { nulls: &self.nulls, values: &self.values }
    }
}

impl KnownTypes {
    /// The types of the parameters in an EXECUTE of the statement `text`: those that it and the earlier ones can have, or it
    /// alone if they were another client's.
    pub(crate) fn infer(
        &self,
        text: &[u8],
        parameters: u16,
        execute: Sample<'_>,
        is_elsewhere: impl Fn(usize) -> bool,
    ) -> Option<Vec<u8>> {
        let before = self.lock().get(text).cloned().unwrap_or_default();
        let samples: Vec<_> = before.iter().map(Kept::sample).chain([execute]).collect();
        let together = infer(&samples, parameters, &is_elsewhere);
        let is_whole = !(0..parameters.into()).any(&is_elsewhere);
        if let Some(types) = together {
            if is_whole && before.len() + 1 < SAMPLES_MAX {
                self.keep(text, execute, false);
            }
            return Some(types);
        }
        let alone = infer(&[execute], parameters, &is_elsewhere)?;
        if is_whole {
            self.keep(text, execute, true);
        }
        Some(alone)
    }

    /// Keeps an EXECUTE, `instead` of the others.
    fn keep(&self, text: &[u8], execute: Sample<'_>, instead: bool) {
        if execute.values.len() + execute.nulls.len() > SAMPLE_MAX {
            return;
        }
        let mut all = self.lock();
        if all.len() >= TEXTS_MAX && !all.contains_key(text) {
            return;
        }
        let kept = all.entry(text.into()).or_default();
        if instead {
            kept.clear();
        }
        let new = Kept { nulls: execute.nulls.into(), values: execute.values.into() };
        if kept.len() + 1 < SAMPLES_MAX && !kept.contains(&new) {
            kept.push(new);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<[u8]>, Vec<Kept>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"SELECT ?";

    fn inferred(types: &KnownTypes, values: &[u8]) -> Option<Vec<u8>> {
        types.infer(TEXT, 1, Sample { nulls: &[0], values }, |_| false)
    }

    #[test]
    fn sessions_learn_from_each_other() {
        let types = KnownTypes::default();
        assert_eq!(inferred(&types, b"\x67\x12\0\0"), Some(vec![3, 0]));
        assert_eq!(inferred(&types, b"\x03abc"), Some(vec![3, 0]), "it could be a text");
        // Another client has other types.
        assert_eq!(inferred(&types, b"\x05hello"), Some(vec![0xFD, 0]));
        assert_eq!(inferred(&types, b"\x03abc"), Some(vec![0xFD, 0]));
        assert_eq!(inferred(&types, b"\x09xy"), None);
    }

    #[test]
    fn memory_is_bounded() {
        let types = KnownTypes::default();
        for number in 0..2 * TEXTS_MAX as u32 {
            let value = [b"\xfd\x00\x20\0", &[b'x'; 0x2000][..]].concat();
            for values in
                [&value[..], &number.to_le_bytes(), &[0; 4], &[1, 0, 0, 0], &[2, 0, 0, 0], &[9, 0, 0, 0]]
            {
                types.infer(&number.to_le_bytes(), 1, Sample { nulls: &[0], values }, |_| false);
            }
        }
        let kept = types.lock();
        assert!(kept.len() <= TEXTS_MAX && kept.values().all(|kept| kept.len() < SAMPLES_MAX));
        assert!(kept.values().flatten().all(|kept| kept.values.len() <= SAMPLE_MAX));
    }
}
