//! The process of a daemon: its start, signals, privileges, log, PID file and threads.

pub mod background;
pub mod daemon;
mod limits;
pub mod line_file;
mod log_file;
pub mod log_format;
mod log_queue;
pub mod logging;
pub mod rights;
pub mod sched_policy;
pub mod service_manager;
pub mod signals;
pub mod start;
pub mod stats_file;
pub mod worker_thread;
