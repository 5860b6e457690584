//! The process of a daemon: its start, signals, privileges, log, PID file and threads.

pub mod background;
pub mod daemon;
mod limits;
mod log_queue;
pub mod logging;
pub mod privileges;
pub mod sched_policy;
pub mod signals;
pub mod start;
pub mod stats_file;
pub mod worker_thread;
