//! The client's commands, which pass as far as they can.

mod cursor;
mod dispatch;
mod execute;
mod file;
mod inferred;
mod kill;
mod prepared;
mod query;
mod refusal;
mod text;

pub(super) use self::dispatch::run;
pub(super) use self::kill::Kills;
pub(super) use self::refusal::OnlineVerdict;
