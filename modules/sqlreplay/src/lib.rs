//! Records SQL sessions, shows them and replays them: the program `sqlreplay`. `docs/SQLREPLAY.md` describes its use,
//! `docs/RECORDING.md` the recording.
//!
//! A recording goes this way: [`proxy`] carries a session's bytes, [`decoding`] makes records of them, [`masking`] removes
//! what must not be kept, [`recording`] writes and reads files.

#![forbid(unsafe_code)]

pub mod cli;
pub mod clock;
pub mod convert;
pub mod decoding;
pub mod fingerprint;
pub mod inspect;
pub mod masking;
pub mod protocol;
pub mod proxy;
pub mod recording;
pub mod replay;
pub mod report;
pub mod sniff;
mod sql;
