//! Answers of the two servers: which command the next one belongs to, and how it begins.

pub(crate) mod end;
pub(crate) mod expected;
pub(crate) mod files;
pub(crate) mod online;
