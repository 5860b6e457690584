//! What every daemon needs of its operating system: signals, privileges, log, PID file.
