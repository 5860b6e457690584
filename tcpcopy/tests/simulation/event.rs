//! The events of a run, and their form in a trace.

use std::fmt;

use common_core::wire::Segment;

#[derive(Debug)]
pub(crate) enum Event {
    /// A packet passes the wire of the online host.
    Pass {
        session: usize,
        packet: usize,
    },
    Captured {
        packet: Vec<u8>,
        outgoing: bool,
    },
    /// At the test server.
    Arrived(Vec<u8>),
    /// At an intercept.
    Answered {
        intercept: usize,
        packet: Vec<u8>,
    },
    ToIntercept {
        intercept: usize,
        epoch: u32,
        bytes: Vec<u8>,
    },
    FromIntercept {
        intercept: usize,
        epoch: u32,
        bytes: Vec<u8>,
    },
    /// The engine's process reads what it has left unread.
    Read,
    Connect {
        intercept: usize,
    },
    Cut {
        intercept: usize,
        for_micros: u64,
    },
    /// The engine's process notices a cut link.
    Noticed {
        intercept: usize,
        again_in: u64,
    },
    Service {
        up: bool,
    },
    Restart,
    Stop,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Pass { session, packet } => format!("client {session} sends its packet {packet}"),
            Self::Captured { packet, outgoing } => {
                format!("captured{} {}", if *outgoing { " outgoing" } else { "" }, show(packet))
            }
            Self::Arrived(packet) => format!("arrived {}", show(packet)),
            Self::Answered { intercept, packet } => format!("intercept {intercept} sees {}", show(packet)),
            Self::ToIntercept { intercept, bytes, .. } => {
                format!("{} bytes to intercept {intercept}", bytes.len())
            }
            Self::FromIntercept { intercept, bytes, .. } => {
                format!("{} bytes of intercept {intercept}", bytes.len())
            }
            other => format!("{other:?}"),
        };
        f.write_str(&text)
    }
}

/// A packet in one line.
pub(crate) fn show(packet: &[u8]) -> String {
    match Segment::parse(packet) {
        Ok(s) => format!(
            "{} > {} {:?} seq {:?}+{} ack {:?} win {} {:?}",
            s.source, s.destination, s.flags, s.seq, s.payload_len, s.ack, s.window, s.options
        ),
        Err(error) => format!("{} bytes: {error}", packet.len()),
    }
}
