//! The files that a command may ask for, by their names: a request for a file looks like a row that begins with NULL.

use std::collections::VecDeque;

/// Bytes of a name that are compared: as many as the beginning of an answer holds.
const SHOWN: usize = 11;

/// More files than these are not expected of one command.
const FILES_MAX: usize = 64;

/// The files of a command that the server has not asked for, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Files(VecDeque<Name>);

/// The beginning of a file's name, and the length of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    beginning: [u8; SHOWN],
    length: usize,
}

impl Name {
    fn new(name: &[u8], length: usize) -> Self {
        let mut beginning = [0; SHOWN];
        let shown = name.len().min(SHOWN);
        beginning[..shown].copy_from_slice(&name[..shown]);
        Self { beginning, length }
    }
}

impl Files {
    /// Another file with this name.
    pub(crate) fn push(&mut self, name: &[u8]) {
        if self.0.len() < FILES_MAX {
            self.0.push_back(Name::new(name, name.len()));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Whether the server asks for one of the files, whose name begins with `name` and has this length. That one, and those
    /// before it, are not expected any more.
    pub(crate) fn take(&mut self, name: &[u8], length: usize) -> bool {
        let at = self.0.iter().position(|file| *file == Name::new(name, length));
        self.0.drain(..at.map_or(0, |at| at + 1));
        at.is_some()
    }

    pub(crate) fn memory(&self) -> usize {
        self.0.capacity() * size_of::<Name>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_the_beginning_of_its_name() {
        let mut files = Files::default();
        files.push(b"/f");
        files.push(b"/home/somebody/rows.csv");
        assert!(!files.take(b"/g", 2) && !files.take(b"/f", 3));
        assert!(files.take(b"/home/someb", 23), "the first has come unseen");
        assert!(files.is_empty() && !files.take(b"/f", 2));
    }
}
