//! The recording: lines of JSON. `docs/RECORDING.md` describes it for people, `docs/recording.schema.json` for programs.

mod binary;
pub(crate) mod mysql;
mod reader;
pub mod record;
mod seconds;
mod value;
mod writer;

pub use self::reader::{ReadError, Reader};
pub use self::seconds::Micros;
pub use self::value::{Bytes, Value};
pub use self::writer::{OpenError, Opened, Progress, Sink, Writer, at_end};

/// The version of the format, in the header.
pub const FORMAT: u32 = 1;

/// The longest line that is read, in bytes.
const LINE_MAX: usize = 256 << 20;

/// Whether the name says that the file is compressed.
fn is_compressed(path: &std::path::Path) -> bool {
    path.extension().is_some_and(|extension| extension == "zst")
}
