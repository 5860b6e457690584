//! The account for the user: as text that answers "did it work?", and as JSON for other programs.

mod content;
mod file;
mod headline;
mod hint;
mod number;
mod protocol;
mod text;
mod worker_stats;

pub use content::{
    CaptureAccount, InjectAccount, InterceptAccount, LinkAccount, OutputAccount, Report, Service,
};
pub use file::{StatsFile, StatsFileError};
pub use protocol::ProtocolAccount;
pub use text::{complete, short};
pub use worker_stats::{WorkerAccount, WorkerStats};
