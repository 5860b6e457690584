//! What a protocol module is made of: the trait that it implements, and what all modules need.

#![forbid(unsafe_code)]

pub mod module;
pub mod online_query;
pub mod secret;
pub mod secret_file;
