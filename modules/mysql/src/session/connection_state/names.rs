//! Sets of names, bounded.

use crate::sql::Name;

/// More names than this are not told apart.
const NAMES_MAX: usize = 64;

/// The bytes of all names of a set.
const BYTES_MAX: usize = 4 << 10;

/// Names of tables, variables or others.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    names: Vec<Box<[u8]>>,
    bytes: usize,
    /// Some are not known: any name may be one of them.
    any: bool,
}

impl Names {
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty() && !self.any
    }

    /// A name may be one of these.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.any || self.position(name).is_some()
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| Name::new(&**known).may_be(name))
    }

    pub(crate) fn insert(&mut self, name: &[u8]) {
        if self.position(name).is_some() {
            return;
        }
        if self.names.len() < NAMES_MAX && self.bytes + name.len() <= BYTES_MAX {
            self.bytes += name.len();
            self.names.push(name.into());
        } else {
            self.any = true;
        }
    }

    /// One whose name is not known.
    pub(crate) fn insert_unknown(&mut self) {
        self.any = true;
    }

    /// Returns whether it was there by its name.
    pub(crate) fn remove(&mut self, name: &[u8]) -> bool {
        let Some(at) = self.position(name) else { return false };
        self.bytes -= self.names.swap_remove(at).len();
        true
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Inserts those of `now` that are not among `before`.
    pub(crate) fn insert_new(&mut self, now: &Self, before: &Self) {
        self.any |= now.any && !before.any;
        for name in now.names.iter().filter(|name| before.position(name).is_none()) {
            self.insert(name);
        }
    }

    /// Moves all of `other` here.
    pub(crate) fn take(&mut self, other: &mut Self) {
        self.any |= other.any;
        for name in &other.names {
            self.insert(name);
        }
        other.clear();
    }

    /// The memory that is allocated, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.names.capacity() * size_of::<Box<[u8]>>() + self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_up_to_a_number() {
        let mut names = Names::default();
        assert!(names.is_empty() && !names.has(b"a"));
        names.insert(b"a");
        names.insert(b"A");
        assert!(names.has(b"A") && !names.has(b"b"));
        assert!(names.remove(b"A") && !names.remove(b"a"));
        assert!(names.is_empty() && names.bytes == 0);
        for name in 0..=NAMES_MAX {
            assert!(!names.has(b"b"), "{name}");
            names.insert(name.to_string().as_bytes());
        }
        assert!(names.has(b"b"), "it may be the one that did not fit");
        assert!(names.remove(b"0") && names.has(b"0"));
        let mut long = Names::default();
        long.insert(&[b'x'; BYTES_MAX + 1]);
        assert!(long.has(b"b") && long.memory() == 0);
        let mut all = Names::default();
        all.take(&mut long);
        assert!(all.has(b"b") && long.is_empty());
    }
}
