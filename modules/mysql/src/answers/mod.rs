//! Answers of the two servers: which command the next one belongs to, and how it begins.

pub(crate) mod expected;
pub(crate) mod online;
