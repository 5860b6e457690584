//! What both daemons share: packet views, the control protocol, packet I/O and the module trait.
//!
//! Everything outside [`io`] and [`process`] is free of I/O: it works on bytes and on a [`time::Time`] that the
//! caller passes in.

pub mod command_line;
pub mod control;
pub mod flow;
pub mod io;
pub mod module;
pub mod online_query;
pub mod process;
pub mod share;
pub mod time;
pub mod wire;
