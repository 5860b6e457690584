//! The account for the user: as text that answers "did it work?", and as JSON for other programs.

mod account;
mod file;
mod headline;
mod hint;
mod number;
mod part;
mod protocol;
mod text;

pub use account::{
    Account, CaptureAccount, InjectAccount, InterceptAccount, LinkAccount, OutputAccount, Service,
};
pub use file::{StatsFile, StatsFileError};
pub use part::{Part, WorkerAccount};
pub use protocol::ProtocolAccount;
pub use text::{complete, short};
