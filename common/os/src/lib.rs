//! The operating system for both daemons: packet capture and injection, sockets, processes, the command line.

pub mod clock;
pub mod command_line;
pub mod io;
pub mod key_file;
pub mod process;
mod unknown_words;
