//! Findings: what is wrong, told while it is wrong.
//!
//! [`Detector`] gets the counters once a second and reports when a fault begins and when it is over. It is free of I/O and
//! reads no clock. [`Finding`] is the table of all faults: each has its evidence (a rule in `rules`), its cure as a command,
//! its section in docs/TROUBLESHOOTING.md and its lab case.

mod clues;
mod detector;
mod finding;
mod history;
mod place;
mod rules;
mod sample;

pub use clues::Clues;
pub use detector::{Change, Detector, Episode, ProbeWanted};
pub use finding::{Finding, Host};
pub use place::{Place, Setup, Target};
pub use sample::{Hop, Intercept, Own, Probe, Sample, TargetSample};

#[cfg(test)]
mod tests;
