//! The client's commands, which pass as far as they can.

mod cursor;
mod dispatch;
mod execute;
mod file;
mod kill;
mod prepared;
mod query;

pub(super) use self::dispatch::run;
pub(super) use self::prepared::must_not_be_prepared;
