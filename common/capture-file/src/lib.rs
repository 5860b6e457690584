//! Reads capture files: pcap and pcapng, also compressed with gzip or zstd.
//!
//! [`CaptureFile`] opens a file. [`Reader`] reads packets from any [`std::io::Read`], in the order of the file. [`Decoder`]
//! is the core: it is fed bytes, and does no I/O. [`ip_packet`] removes the link layer. [`Ordered`] puts packets in the order of their times.
//!
//! All bytes are untrusted. Damage is counted ([`Counters`]) and skipped; it never ends the reading.

#![forbid(unsafe_code)]

mod counters;
mod decoder;
mod file;
mod order;
mod reader;
mod zstd;

pub use common_core::wire::{LinkType, ip_packet};
pub use counters::Counters;
pub use decoder::{Decoder, Step};
pub use file::{CaptureFile, OpenError};
pub use order::{Irregular, Ordered};
pub use reader::{Packet, Reader};
