//! The simulation: both engines, scripted clients and a test server with a TCP of its own in one deterministic loop.
//!
//! docs/SIMULATION.md explains its results and its use.

#[cfg(test)]
mod checks;
#[cfg(test)]
mod client;
#[cfg(test)]
mod device;
#[cfg(test)]
mod event;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod hosts;
#[cfg(test)]
mod judge;
#[cfg(test)]
mod less;
#[cfg(test)]
mod link;
#[cfg(test)]
mod network;
#[cfg(test)]
mod online;
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
mod scenarios_state;
#[cfg(test)]
mod seen;
#[cfg(test)]
mod server;
#[cfg(test)]
mod shrink;
#[cfg(test)]
mod speech;
#[cfg(test)]
mod state;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod toy;
#[cfg(test)]
mod world;
