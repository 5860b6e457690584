//! What every daemon needs of its operating system: signals, privileges, log, PID file.

pub mod courtesy;
pub mod daemon;
pub mod limits;
pub mod logging;
pub mod privileges;
pub mod signals;
