//! Prepared statements: the ids that the two servers give them, and the parameters that they are executed with.

pub(crate) mod execute;
pub(crate) mod long_data;
pub(crate) mod table;
pub(crate) mod types;
