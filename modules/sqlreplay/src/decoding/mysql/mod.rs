//! MySQL's and MariaDB's protocol: from bytes to records.

mod prepared;
mod result;
mod session;
mod wire;

pub(crate) use self::result::{Results, error_of};
pub(crate) use self::wire::Wire;
