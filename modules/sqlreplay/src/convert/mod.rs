//! Recordings from and to other formats.

mod chunks;
mod csvlog;
mod general_log;
mod keploy;
mod pgrr;
mod yaml;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

pub use self::yaml::is_yaml;
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::record::{Header, Record};
use crate::recording::{FORMAT, ReadError, Reader};

/// A format that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A recording.
    Recording,
    /// A recording as YAML.
    Yaml,
    /// `queries.json` of pgrr.
    Pgrr,
    /// `mocks.yaml` of Keploy.
    Keploy,
    /// PostgreSQL's log as CSV.
    Csvlog,
    /// MySQL's general log.
    GeneralLog,
}

impl Format {
    /// What the sessions speak.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        if self == Self::GeneralLog { Protocol::Mysql } else { Protocol::Postgres }
    }
}

/// Why a file is not converted: one line.
#[derive(Debug, Error)]
pub enum ConvertError {
    /// The recording.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file.
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    /// The content.
    #[error("{path}, {place}: {reason}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line or document.
        place: String,
        /// Why.
        reason: String,
    },
    /// The format is not known.
    #[error(
        "{0} is in no format that is known: name one with --from (recording, yaml, pgrr, keploy, csvlog, general-log)"
    )]
    Unknown(PathBuf),
}

/// What takes records.
pub type Take<'t> = &'t mut dyn FnMut(Record) -> io::Result<()>;

/// Guesses the format from the beginning of the file.
///
/// # Errors
///
/// If it cannot be read, or is none of them.
pub fn guess(path: &Path) -> Result<Format, ConvertError> {
    if path.extension().is_some_and(|extension| extension == "zst") {
        return Ok(Format::Recording);
    }
    let file = File::open(path).map_err(|problem| ConvertError::Io(path.to_owned(), problem))?;
    let mut start = Vec::new();
    file.take(4096).read_to_end(&mut start).map_err(|problem| ConvertError::Io(path.to_owned(), problem))?;
    let text = String::from_utf8_lossy(&start);
    let first = text.lines().find(|line| !line.trim().is_empty() && line.trim() != "---").unwrap_or_default();
    if first.starts_with("{\"header\"") {
        Ok(Format::Recording)
    } else if first.starts_with("- header:") {
        Ok(Format::Yaml)
    } else if first.starts_with('{') && (text.contains("\"direction\"") || text.contains("\"raw_hex\"")) {
        Ok(Format::Pgrr)
    } else if text.contains("api.keploy.io") {
        Ok(Format::Keploy)
    } else if csvlog::is_one(first) {
        Ok(Format::Csvlog)
    } else if general_log::is_one(&text) {
        Ok(Format::GeneralLog)
    } else {
        Err(ConvertError::Unknown(path.to_owned()))
    }
}

/// Reads the file, and hands its records over. Returns notes for the user.
///
/// # Errors
///
/// If it cannot be read, or is not of this format.
pub fn read(
    path: &Path,
    format: Format,
    masking: &Masking,
    take: Take<'_>,
) -> Result<Vec<String>, ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let open = || File::open(path).map(BufReader::new).map_err(io);
    match format {
        Format::Recording => {
            let mut reader = Reader::open(path)?;
            take(Record::Header(reader.header().clone())).map_err(io)?;
            while let Some((_, record)) = reader.next()? {
                take(record).map_err(io)?;
            }
            Ok(if reader.is_torn() {
                vec!["the last line is torn, and was skipped".to_owned()]
            } else {
                Vec::new()
            })
        }
        Format::Yaml => yaml::read(path, open()?, take).map(|()| Vec::new()),
        Format::Pgrr => pgrr::read(path, open()?, masking, take),
        Format::Keploy => keploy::read(path, open()?, masking, take),
        Format::Csvlog => csvlog::read(path, open()?, masking, take),
        Format::GeneralLog => general_log::read(path, open()?, masking, take),
    }
}

/// The header of what was converted.
fn header(started: String, protocol: Protocol) -> Record {
    Record::Header(Header {
        format: FORMAT,
        protocol: protocol.name().to_owned(),
        source: "convert".to_owned(),
        listen: None,
        server: None,
        tool: concat!("sqlreplay ", env!("CARGO_PKG_VERSION")).to_owned(),
        started,
    })
}

/// Writes records as YAML.
///
/// # Errors
///
/// If they cannot be written.
pub fn write_yaml(record: &Record, out: &mut impl Write) -> io::Result<()> {
    yaml::write(record, out)
}

/// A line, without its end; none at the end of the file.
fn next_line(input: &mut impl BufRead, line: &mut String) -> io::Result<bool> {
    line.clear();
    Ok(input.read_line(line)? > 0)
}
