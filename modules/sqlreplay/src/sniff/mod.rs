//! Sessions from captured packets: of a file, or of a network interface.

mod conversation;
mod live;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use capture_file::{CaptureFile, OpenError, Ordered};
use common_core::flow::Endpoint;
use common_core::wire::{Flags, Segment};
use jiff::Timestamp;

use self::conversation::Conversation;
pub use self::live::{CaptureError, Live};
use crate::decoding::{Settings, dialogue};
use crate::recording::Micros;
use crate::recording::record::Record;

/// More connections are not followed at once.
const CONVERSATIONS_MAX: usize = 100_000;

/// What was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Packets.
    pub packets: u64,
    /// Segments to and from the port.
    pub segments: u64,
    /// Sessions.
    pub sessions: u64,
    /// Segments of connections whose beginning was not captured.
    pub unbegun: u64,
    /// Connections of which packets are missing.
    pub incomplete: u64,
    /// Statements that are executed.
    pub statements: u64,
}

/// Puts the connections to a port together.
#[derive(Debug)]
pub struct Sniffer {
    port: u16,
    settings: Arc<Settings>,
    /// Nanoseconds since 1970: the recording's time 0.
    started: u64,
    last: Micros,
    connections: u64,
    conversations: HashMap<(Endpoint, Endpoint), Conversation>,
    totals: Totals,
}

impl Sniffer {
    /// Of this port; `started` is the first packet's time, in nanoseconds since 1970.
    #[must_use]
    pub fn new(port: u16, settings: Arc<Settings>, started: u64) -> Self {
        let last = Micros(0);
        Self {
            port,
            settings,
            started,
            last,
            connections: 0,
            conversations: HashMap::new(),
            totals: Totals::default(),
        }
    }

    /// The next packet, from its IP header on.
    pub fn packet(&mut self, time: u64, packet: &[u8], out: &mut Vec<Record>) {
        self.totals.packets += 1;
        let Ok(segment) = Segment::parse(packet) else { return };
        let is_client = segment.destination.port == self.port;
        if !is_client && segment.source.port != self.port {
            return;
        }
        self.totals.segments += 1;
        self.last = self.last.max(Micros(time.saturating_sub(self.started) / 1000));
        let key = if is_client {
            (segment.source, segment.destination)
        } else {
            (segment.destination, segment.source)
        };
        let begins = is_client && segment.flags.has(Flags::SYN) && !segment.flags.has(Flags::ACK);
        if begins && self.conversations.get(&key).is_none_or(|it| !it.is_begun_by(segment.seq)) {
            self.end(&key, out);
            if self.conversations.len() < CONVERSATIONS_MAX {
                self.connections += 1;
                let wire = dialogue(Arc::clone(&self.settings), self.connections, key.0.to_string());
                let conversation = Conversation::new(wire, segment.seq);
                self.conversations.insert(key, conversation);
            }
            return;
        }
        let Some(conversation) = self.conversations.get_mut(&key) else {
            self.totals.unbegun += u64::from(!segment.payload.is_empty());
            return;
        };
        let first = out.len();
        let was_session = conversation.is_session();
        let is_over = conversation.segment(self.last, is_client, &segment, out);
        self.totals.sessions += u64::from(!was_session && conversation.is_session());
        self.count(out.get(first..).unwrap_or_default());
        if is_over {
            self.end(&key, out);
        }
    }

    fn count(&mut self, records: &[Record]) {
        for record in records {
            if let Record::Statement(statement) = record {
                self.totals.statements += statement.executions() as u64;
            }
        }
    }

    fn end(&mut self, key: &(Endpoint, Endpoint), out: &mut Vec<Record>) {
        if let Some(conversation) = self.conversations.remove(key) {
            self.totals.incomplete += u64::from(conversation.is_lost());
            conversation.end(self.last, out);
        }
    }

    /// Time has passed: statements that wait long for their answers are handed over without them.
    pub fn tick(&mut self, time: u64, out: &mut Vec<Record>) {
        self.last = self.last.max(Micros(time.saturating_sub(self.started) / 1000));
        let first = out.len();
        for conversation in self.conversations.values_mut() {
            conversation.tick(self.last, out);
        }
        self.count(out.get(first..).unwrap_or_default());
    }

    /// What was seen so far.
    #[must_use]
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// No packet follows.
    #[must_use]
    pub fn finish(mut self, out: &mut Vec<Record>) -> Totals {
        for (_, conversation) in std::mem::take(&mut self.conversations) {
            self.totals.incomplete += u64::from(conversation.is_lost());
            conversation.end(self.last, out);
        }
        self.totals
    }
}

/// The packets of a capture file, in the order of their times.
pub struct Packets {
    file: CaptureFile,
    ordered: Ordered<Vec<u8>>,
    is_ended: bool,
}

impl Packets {
    /// Opens the file: pcap or pcapng, also compressed; `-` is the standard input.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or is no capture file.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { file: CaptureFile::open(path)?, ordered: Ordered::default(), is_ended: false })
    }

    /// Why reading ended early.
    #[must_use]
    pub fn error(&self) -> Option<String> {
        self.file.error().map(ToString::to_string)
    }
}

/// Each packet with its time, in nanoseconds since 1970, from its IP header on.
impl Iterator for Packets {
    type Item = (u64, Vec<u8>);

    fn next(&mut self) -> Option<(u64, Vec<u8>)> {
        loop {
            if let Some(packet) = self.ordered.pop() {
                return Some(packet);
            }
            if self.is_ended {
                return None;
            }
            match self.file.next_packet() {
                Some(packet) => {
                    if let Some(ip) = packet.ip() {
                        self.ordered.push(packet.time, ip.len(), ip.to_vec());
                    }
                }
                None => {
                    self.is_ended = true;
                    self.ordered.end();
                }
            }
        }
    }
}

/// A packet's time, in nanoseconds since 1970, as RFC 3339 in UTC.
#[must_use]
pub fn wall_time(time: u64) -> String {
    i64::try_from(time / 1000)
        .ok()
        .and_then(|micros| Timestamp::from_microsecond(micros).ok())
        .unwrap_or_default()
        .to_string()
}
