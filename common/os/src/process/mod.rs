//! What every daemon needs of its operating system: signals, privileges, log, PID file.

pub mod background;
pub mod daemon;
pub mod limits;
mod log_queue;
pub mod logging;
pub mod privileges;
pub mod sched_policy;
pub mod signals;
pub mod worker_thread;
