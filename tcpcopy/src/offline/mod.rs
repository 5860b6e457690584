//! The replay of capture files: reading, selecting and pacing their packets, in a thread of its own.
//!
//! [`files`] merges several files by time. [`select`] finds the packets of the services, and tells their direction by the
//! service's address. [`reader`] passes them on in batches ([`batch`]), with the time since the start of the replay.
//! `driver/replay.rs` hands them to the engine when they are due.

pub(crate) mod batch;
mod files;
mod ports;
pub(crate) mod reader;
mod select;
mod stats;

use std::path::PathBuf;
use std::time::Duration;

use capture_file::OpenError;
use common_os::io::bpf::FilterError;
use thiserror::Error;

pub use self::stats::FileStats;

/// The replay of capture files, as the user wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offline {
    /// The files; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// How many times faster than captured (`-a`), at least 1.
    pub speed: u32,
    /// Longer idle times are cut to this (`-I`).
    pub longest_gap: Option<Duration>,
    /// How often all files are replayed (`-T`), at least 1.
    pub repeats: u32,
    /// Their packets are in tunnels, or come twice (`--decap`).
    pub decapsulates: bool,
}

/// Why a replay cannot start: one line with a hint.
#[derive(Debug, Error)]
pub enum OfflineError {
    /// A file cannot be used.
    #[error("-i: {0}")]
    File(#[from] OpenError),
    /// `-F` does not compile.
    #[error("-F: {0}")]
    Filter(#[from] FilterError),
    /// `-T`, and a file can be read only once.
    #[error(
        "-T: the capture file {name} can be read only once, because it is a pipe; write it to a file first"
    )]
    Once {
        /// The name of the file.
        name: String,
    },
}
