//! The simulation: both engines, scripted clients and a test server with a TCP of its own in one deterministic loop.
//!
//! docs/SIMULATION.md says what it shows and how to use it.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod device;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod link;
#[cfg(test)]
mod network;
#[cfg(test)]
mod request;
#[cfg(test)]
mod rng;
#[cfg(test)]
mod run;
#[cfg(test)]
mod scenario;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod server;
#[cfg(test)]
mod toy;
#[cfg(test)]
mod world;
