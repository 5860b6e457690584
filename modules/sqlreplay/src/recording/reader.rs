//! Reads a recording line by line: memory does not depend on its length.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use common_core::text;
use thiserror::Error;

use super::record::{Header, Record};
use super::{FORMAT, LINE_MAX, is_compressed};

/// A recording that is being read.
pub struct Reader {
    path: PathBuf,
    input: Box<dyn BufRead + Send>,
    line: Vec<u8>,
    number: u64,
    header: Header,
    is_torn: bool,
    /// Of the whole lines so far.
    length: u64,
}

/// Why a file cannot be read: one line.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be opened or read.
    #[error("cannot read {path}: {problem}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: io::Error,
    },
    /// It is no recording.
    #[error("{path} is no recording of sqlreplay: {reason}{}", hint(.reason))]
    NotOne {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It is of a newer version.
    #[error("{path} has format {found}; this program reads up to {FORMAT}: a newer sqlreplay is needed")]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// A line is none.
    #[error("{path}, line {line}: {reason}")]
    Line {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: u64,
        /// Why.
        reason: String,
    },
}

fn hint(reason: &str) -> &'static str {
    if reason == EMPTY { "" } else { " (other formats: sqlreplay convert)" }
}

const EMPTY: &str = "it is empty";

/// The longest reason, in characters.
const REASON_MAX: usize = 400;

impl Reader {
    /// Opens the file and reads its header. A name that ends with `.zst` is decompressed.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or does not begin with a header.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        let io = |problem| ReadError::Io { path: path.to_owned(), problem };
        let file = File::open(path).map_err(io)?;
        let input: Box<dyn BufRead + Send> = if is_compressed(path) {
            Box::new(BufReader::with_capacity(1 << 18, zstd::stream::read::Decoder::new(file).map_err(io)?))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, file))
        };
        Self::new(path, input)
    }

    /// Reads what `input` has; `path` is the name for errors.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`].
    pub fn new(path: &Path, input: Box<dyn BufRead + Send>) -> Result<Self, ReadError> {
        let header = Header {
            format: FORMAT,
            protocol: String::new(),
            source: String::new(),
            listen: None,
            server: None,
            tool: String::new(),
            started: String::new(),
        };
        let mut reader = Self {
            path: path.to_owned(),
            input,
            line: Vec::new(),
            number: 0,
            header,
            is_torn: false,
            length: 0,
        };
        let not_one = |reason: String| ReadError::NotOne { path: path.to_owned(), reason };
        match reader.next() {
            Ok(Some((_, Record::Header(header)))) => reader.header = header,
            Ok(None) => return Err(not_one(EMPTY.to_owned())),
            Ok(Some(_)) => return Err(not_one("its first line is no header".to_owned())),
            Err(ReadError::Line { reason, .. }) => return Err(not_one(reason)),
            Err(error) => return Err(error),
        }
        if reader.header.format > FORMAT {
            return Err(ReadError::Newer { path: path.to_owned(), found: reader.header.format });
        }
        Ok(reader)
    }

    /// The header.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Whether the file ended inside a line, which was skipped.
    #[must_use]
    pub fn is_torn(&self) -> bool {
        self.is_torn
    }

    /// The length of the lines so far, in bytes, without a torn one.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The next record, and its line.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or the line is no record.
    #[allow(
        clippy::should_implement_trait,
        reason = "it can fail, and a reader is not looped over after that"
    )]
    pub fn next(&mut self) -> Result<Option<(u64, Record)>, ReadError> {
        loop {
            self.line.clear();
            match (&mut self.input).take(LINE_MAX as u64).read_until(b'\n', &mut self.line) {
                Ok(_) => {}
                // A frame that is not complete: its whole blocks were read.
                Err(problem) if problem.kind() == io::ErrorKind::UnexpectedEof => {}
                Err(problem) => return Err(ReadError::Io { path: self.path.clone(), problem }),
            }
            if self.line.is_empty() {
                return Ok(None);
            }
            self.number += 1;
            let is_whole = self.line.last() == Some(&b'\n');
            let text = self.line.trim_ascii();
            if text.is_empty() {
                self.length += self.line.len() as u64;
                continue;
            }
            match serde_json::from_slice(text) {
                Ok(record) => {
                    self.length += self.line.len() as u64;
                    return Ok(Some((self.number, record)));
                }
                Err(error) if error.is_eof() && !is_whole => {
                    self.is_torn = true;
                    return Ok(None);
                }
                Err(error) => return Err(self.malformed(reason(&error))),
            }
        }
    }

    /// An error at the line that was read last.
    #[must_use]
    pub fn malformed(&self, reason: String) -> ReadError {
        // It may quote the line, which anybody may have written.
        let reason = text::shown(&reason, REASON_MAX);
        ReadError::Line { path: self.path.clone(), line: self.number, reason }
    }
}

/// What serde says, with the place in this line: its own count of lines would mislead.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    format!("{text} (column {})", error.column())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str =
        r#"{"header":{"format":1,"protocol":"postgres","source":"proxy","tool":"t","started":"s"}}"#;

    fn read(text: &str) -> Result<(usize, bool), ReadError> {
        let mut reader = Reader::new(Path::new("x"), Box::new(io::Cursor::new(text.to_owned())))?;
        let mut count = 0;
        while reader.next()?.is_some() {
            count += 1;
        }
        Ok((count, reader.is_torn()))
    }

    #[test]
    fn a_torn_last_line_is_skipped_and_any_other_is_an_error_with_its_place() {
        let end = r#"{"end":{"session":1,"at":1.5,"by":"client"}}"#;
        assert_eq!(read(&format!("{HEADER}\n{end}\n")).unwrap(), (1, false));
        assert_eq!(
            read(&format!("{HEADER}\n\n{end}")).unwrap(),
            (1, false),
            "the last line may lack its end"
        );
        for cut in 1..end.len() {
            assert_eq!(read(&format!("{HEADER}\n{end}\n{}", &end[..cut])).unwrap(), (1, true), "{cut}");
        }
        for (line, part) in [
            (r#"{"end":{"session":1,"at":1.5,"by":"cl"#, "x, line 2: EOF"),
            (r#"{"end":{"session":1,"at":1.5,"by":"x"}}"#, "unknown variant `x`"),
            (r#"{"end":{"session":1,"at":1.5,"by":"client","sesion":2}}"#, "unknown field `sesion`"),
            ("{\"end\":{\"a\\nb\":2}}", "unknown field `a\\nb`"),
            (r#"{"end":{"session":1,"at":-1.5,"by":"client"}}"#, "-1.5 is no time"),
            (
                r#"{"statement":{"session":1,"at":1,"messages":[{"bind":{"parameters":[5]}}]}}"#,
                "invalid type",
            ),
        ] {
            let error = read(&format!("{HEADER}\n{line}\n{end}\n")).unwrap_err().to_string();
            assert!(error.contains(part) && error.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn other_files_are_told_apart() {
        for (text, part) in [
            ("", "it is empty"),
            ("GET / HTTP/1.1\n", "sqlreplay convert"),
            ("{\"capture_time\":\"x\"}\n", "unknown variant `capture_time`"),
            (&HEADER.replace("1", "9"), "format 9"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
