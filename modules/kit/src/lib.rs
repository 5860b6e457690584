//! The kit for protocol modules: the traits that a module implements, and the parts that most modules need.
//!
//! A module depends on this crate alone. docs/MODULES.md is the tutorial and the reference.

#![forbid(unsafe_code)]

mod actions;
pub mod counters;
pub mod edits;
pub mod framing;
pub mod interrupts;
pub mod marks;
mod module;
pub mod notices;
mod online;
pub mod online_query;
pub mod progress;
mod report;
pub mod secret;
pub use secret_file;
pub mod setup;
#[cfg(feature = "testing")]
pub mod testing;
pub mod users;

pub use common_core::answer_payload::AnswerPayload;
pub use common_core::flow::{Endpoint, Flow};
pub use common_core::payload_prefix::{PayloadPrefix, begins_with_any};
pub use common_core::text::shown;
pub use common_core::time::{Stamp, Time};

pub use crate::actions::{Action, Actions, Failure, FailureKind, Loss, Moment};
pub use crate::module::{Missing, Module, Protocol, Ready, ServerData};
pub use crate::online::{OnlineObserver, OnlineService};
pub use crate::report::{Group, Report};
