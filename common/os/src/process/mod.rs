//! What every daemon needs of its operating system: signals, privileges, log, PID file.

pub mod background;
pub mod courtesy;
pub mod daemon;
pub mod hand;
pub mod limits;
mod log_queue;
pub mod logging;
pub mod privileges;
pub mod signals;
