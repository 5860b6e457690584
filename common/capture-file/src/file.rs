//! Opens capture files, compressed or not.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::read::MultiGzDecoder;
use thiserror::Error;

use crate::counters::Counters;
use crate::reader::{Packet, Reader};
use crate::zstd::Zstd;

/// The name of standard input.
const STANDARD_INPUT: &str = "-";

/// First bytes of compressed files.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const XZ: [u8; 6] = [0xfd, b'7', b'z', b'X', b'Z', 0];
const LZ4: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];
const BZIP2: [u8; 3] = *b"BZh";

/// Why a capture file cannot be used.
#[derive(Debug, Error)]
pub enum OpenError {
    /// It cannot be opened or read.
    #[error("cannot read capture file {name}: {source}")]
    Io {
        /// The name of the file.
        name: String,
        /// The operating system's error.
        source: io::Error,
    },
    /// It is compressed in a way that is not supported.
    #[error(
        "capture file {name} is compressed with {method}, which is not supported; decompress it: {method} -dc FILE | ... -"
    )]
    Compression {
        /// The name of the file.
        name: String,
        /// The program that decompresses it.
        method: &'static str,
    },
    /// It is no capture file.
    #[error("{name} is no capture file: it begins neither like pcap nor like pcapng")]
    Unknown {
        /// The name of the file.
        name: String,
    },
    /// It is empty.
    #[error("capture file {name} is empty")]
    Empty {
        /// The name of the file.
        name: String,
    },
}

/// A capture file, or standard input.
pub struct CaptureFile {
    name: PathBuf,
    reader: Reader<Box<dyn Read + Send>>,
    file: Option<File>,
    len: Option<u64>,
    position: Arc<AtomicU64>,
}

impl fmt::Debug for CaptureFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CaptureFile").field("name", &self.name).finish_non_exhaustive()
    }
}

impl CaptureFile {
    /// Opens a file; `-` is standard input. Reads its first bytes.
    ///
    /// # Errors
    /// [`OpenError`], which names the file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Io { name: shown(path), source };
        let position = Arc::new(AtomicU64::new(0));
        let (source, file, len): (Box<dyn Read + Send>, _, _) = if path == Path::new(STANDARD_INPUT) {
            (Box::new(io::stdin()), None, None)
        } else {
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(io::ErrorKind::IsADirectory.into()));
            }
            let second = file.try_clone().map_err(failed)?;
            (
                Box::new(second),
                metadata.is_file().then_some(file),
                metadata.is_file().then_some(metadata.len()),
            )
        };
        let counted = Counted { source, position: Arc::clone(&position) };
        let reader = Reader::new(decompressed(path, counted)?);
        Ok(Self { name: path.to_owned(), reader, file, len, position })
    }

    /// The next packet; see [`Reader::next_packet`].
    pub fn next_packet(&mut self) -> Option<Packet<'_>> {
        self.reader.next_packet()
    }

    /// Begins again with the first packet. The counters begin again, too.
    ///
    /// # Errors
    /// [`OpenError::Io`] if it is no regular file.
    pub fn rewind(&mut self) -> Result<(), OpenError> {
        let failed = |source| OpenError::Io { name: shown(&self.name), source };
        let Some(file) = &mut self.file else { return Err(failed(io::ErrorKind::NotSeekable.into())) };
        file.seek(SeekFrom::Start(0)).map_err(failed)?;
        let source: Box<dyn Read + Send> = Box::new(file.try_clone().map_err(failed)?);
        self.position.store(0, Ordering::Relaxed);
        let counted = Counted { source, position: Arc::clone(&self.position) };
        self.reader = Reader::new(decompressed(&self.name, counted)?);
        Ok(())
    }

    /// It can be read again.
    #[must_use]
    pub fn can_rewind(&self) -> bool {
        self.file.is_some()
    }

    /// The name, for the user.
    #[must_use]
    pub fn name(&self) -> String {
        shown(&self.name)
    }

    /// What was read so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.reader.counters()
    }

    /// Why reading ended early: see [`Reader::error`].
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        self.reader.error()
    }

    /// Bytes of the file that are read, before they are decompressed.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Length of the file in bytes, if it is a regular one.
    #[must_use]
    pub fn file_len(&self) -> Option<u64> {
        self.len
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new(STANDARD_INPUT) {
        return "from standard input".to_owned();
    }
    format!("'{}'", path.to_string_lossy().escape_debug())
}

/// Sniffs how the source is compressed.
fn decompressed(path: &Path, mut source: Counted) -> Result<Box<dyn Read + Send>, OpenError> {
    let mut magic = [0; 12];
    let mut read = 0;
    while read < magic.len() {
        match source.read(&mut magic[read..]) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(source) => return Err(OpenError::Io { name: shown(path), source }),
        }
    }
    let start = magic[..read].to_vec();
    let name = shown(path);
    let unsupported = |method| Err(OpenError::Compression { name: shown(path), method });
    let plain = io::Cursor::new(start.clone()).chain(source);
    match &start[..] {
        [] => Err(OpenError::Empty { name }),
        start if start.starts_with(&GZIP) => Ok(Box::new(MultiGzDecoder::new(plain))),
        // Frames that a decoder must skip may come first (RFC 8878 section 3.1.2).
        start if start.starts_with(&ZSTD) || matches!(start, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]) => {
            Ok(Box::new(Zstd::new(io::BufReader::new(plain))))
        }
        start if start.starts_with(&XZ) => unsupported("xz"),
        start if start.starts_with(&LZ4) => unsupported("lz4"),
        start if start.starts_with(&BZIP2) => unsupported("bzip2"),
        start if crate::decoder::is_capture(start) => Ok(Box::new(plain)),
        _ => Err(OpenError::Unknown { name }),
    }
}

/// Counts what is read.
struct Counted {
    source: Box<dyn Read + Send>,
    position: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
