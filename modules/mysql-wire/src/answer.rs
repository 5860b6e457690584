//! A server's answer to a command, packet by packet.
//!
//! Source: dev.mysql.com, "COM_QUERY Response", "COM_STMT_PREPARE Response", "COM_STMT_EXECUTE Response",
//! "COM_STMT_FETCH"; MariaDB's documentation, "Result Set Packets".

use crate::capabilities::Capabilities;
use crate::command::Command;
use crate::packet::{CHUNK_MAX, Reader};
use crate::prepare_ok::PrepareOk;
use crate::server_error::PROGRESS;
use crate::stream::Packet;

/// SERVER_MORE_RESULTS_EXISTS: another result follows.
const MORE_RESULTS: u16 = 8;

/// SERVER_STATUS_CURSOR_EXISTS: rows are fetched later.
const CURSOR: u16 = 64;

/// SERVER_STATUS_LAST_ROW_SENT: the cursor has no more rows.
const LAST_ROW: u16 = 128;

/// What client and server have agreed on that changes answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Format {
    /// Lists end with an OK packet, and definitions have no end.
    as_ok: bool,
    /// A byte before the number of columns says whether definitions follow.
    optional_metadata: bool,
    /// MariaDB: the same byte stands behind the number.
    cached_metadata: bool,
}

impl Format {
    /// From the capabilities that both have.
    #[must_use]
    pub fn new(agreed: Capabilities) -> Self {
        Self {
            as_ok: agreed.has(Capabilities::DEPRECATE_EOF),
            optional_metadata: agreed.has(Capabilities::OPTIONAL_METADATA),
            cached_metadata: agreed.has(Capabilities::CACHED_METADATA),
        }
    }
}

/// What a packet of an answer says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event<'p> {
    /// Nothing that matters here.
    Nothing,
    /// The definition of a result's column.
    Column(&'p [u8]),
    /// A row: of the text protocol, or of the binary one behind EXECUTE and FETCH.
    Row(&'p [u8]),
    /// A statement without a result has changed so many rows.
    Changed(u64),
    /// The rows are complete.
    RowsEnd,
    /// There are more rows, for FETCH.
    Suspended,
    /// The statement was prepared.
    Prepared(PrepareOk),
    /// The server wants a file; its first packet has this sequence id.
    FileWanted(u8),
    /// The payload of an error.
    Error(&'p [u8]),
}

/// An answer on its way.
#[derive(Debug)]
pub struct Answer {
    command: Command,
    format: Format,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first packet of a result.
    Start,
    /// So many definitions of columns.
    Columns(u64),
    /// The end of the definitions.
    ColumnsEnd,
    Rows,
    /// So many packets about parameters, then about columns.
    Described(u32),
}

impl Answer {
    /// The answer to this command.
    #[must_use]
    pub fn new(command: Command, format: Format) -> Self {
        let stage = if command == Command::FETCH { Stage::Rows } else { Stage::Start };
        Self { command, format, stage }
    }

    /// The command.
    #[must_use]
    pub fn command(&self) -> Command {
        self.command
    }

    /// The next packet. Returns also whether the answer ends with it.
    pub fn packet<'p>(&mut self, packet: Packet<'p>) -> (Event<'p>, bool) {
        let payload = packet.payload;
        if let [0xFF, low, high, ..] = *payload {
            let is_progress = u16::from_le_bytes([low, high]) == PROGRESS;
            return if is_progress { (Event::Nothing, false) } else { (Event::Error(payload), true) };
        }
        match self.stage {
            Stage::Start => self.start(packet),
            Stage::Columns(left) => {
                self.stage = match (left, self.format.as_ok) {
                    (2.., _) => Stage::Columns(left - 1),
                    (_, true) => Stage::Rows,
                    (_, false) => Stage::ColumnsEnd,
                };
                (Event::Column(payload), false)
            }
            Stage::ColumnsEnd => {
                let status = eof_status(payload);
                self.stage = Stage::Rows;
                // The rows of a cursor are fetched by other commands.
                if status & CURSOR != 0 { (Event::Suspended, true) } else { (Event::Nothing, false) }
            }
            Stage::Rows => match self.rows_end(packet) {
                Some(status) => self.rows_are_over(status),
                None => (Event::Row(payload), false),
            },
            Stage::Described(left) => {
                self.stage = Stage::Described(left.saturating_sub(1));
                (Event::Nothing, left <= 1)
            }
        }
    }

    fn start<'p>(&mut self, packet: Packet<'p>) -> (Event<'p>, bool) {
        let payload = packet.payload;
        let first = payload.first().copied();
        match self.command {
            Command::QUERY | Command::EXECUTE | Command::BULK_EXECUTE => match first {
                Some(0x00) => self.ok(payload),
                Some(0xFB) if self.command == Command::QUERY => {
                    (Event::FileWanted(packet.sequence.wrapping_add(1)), false)
                }
                Some(0xFE) if packet.length < 9 => (Event::RowsEnd, true),
                _ => (self.columns(payload), false),
            },
            Command::PREPARE => match PrepareOk::read(payload) {
                Some(prepared) => {
                    let end = u32::from(!self.format.as_ok);
                    let of = |count: u16| if count == 0 { 0 } else { u32::from(count) + end };
                    let left = of(prepared.parameters) + of(prepared.columns);
                    let left = if prepared.is_described { left } else { 0 };
                    self.stage = Stage::Described(left);
                    (Event::Prepared(prepared), left == 0)
                }
                None => (Event::Nothing, true),
            },
            // Definitions, and their end.
            Command::FIELD_LIST => match self.rows_end(packet) {
                Some(_) => (Event::RowsEnd, true),
                None => (Event::Column(payload), false),
            },
            Command::CHANGE_USER => match first {
                Some(0x00) => (Event::Changed(0), true),
                // Another method, or more of this one.
                _ => (Event::Nothing, false),
            },
            _ if first == Some(0) => self.ok(payload),
            _ => (Event::Changed(0), true),
        }
    }

    fn ok<'p>(&mut self, payload: &'p [u8]) -> (Event<'p>, bool) {
        let (changed, status) = ok_numbers(payload);
        (Event::Changed(changed), status & MORE_RESULTS == 0)
    }

    /// The number of columns.
    fn columns<'p>(&mut self, payload: &'p [u8]) -> Event<'p> {
        let mut reader = Reader::new(payload);
        let mut follow = true;
        if self.format.optional_metadata {
            follow = reader.u8() != Some(0);
        }
        let count = reader.length().unwrap_or_default();
        if self.format.cached_metadata {
            follow = reader.u8() != Some(0);
        }
        self.stage = match (follow && count > 0, self.format.as_ok) {
            (true, _) => Stage::Columns(count),
            (false, true) => Stage::Rows,
            (false, false) => Stage::ColumnsEnd,
        };
        Event::Nothing
    }

    /// The status, if the packet is the end of a list.
    fn rows_end(&self, packet: Packet<'_>) -> Option<u16> {
        let is_end = packet.payload.first() == Some(&0xFE)
            && if self.format.as_ok { packet.length < CHUNK_MAX as u64 } else { packet.length < 9 };
        is_end.then(
            || {
                if self.format.as_ok { ok_numbers(packet.payload).1 } else { eof_status(packet.payload) }
            },
        )
    }

    fn rows_are_over(&mut self, status: u16) -> (Event<'static>, bool) {
        if status & MORE_RESULTS != 0 {
            self.stage = Stage::Start;
            return (Event::RowsEnd, false);
        }
        let is_suspended = match self.command {
            Command::FETCH => status & LAST_ROW == 0,
            _ => status & CURSOR != 0,
        };
        (if is_suspended { Event::Suspended } else { Event::RowsEnd }, true)
    }
}

/// Changed rows and status of an OK packet.
fn ok_numbers(payload: &[u8]) -> (u64, u16) {
    let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
    let changed = reader.length().unwrap_or_default();
    reader.length();
    (changed, reader.u16().unwrap_or_default())
}

fn eof_status(payload: &[u8]) -> u16 {
    payload.get(3..5).map_or(0, |it| it.iter().rev().fold(0, |status, byte| status << 8 | u16::from(*byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(command: Command, format: Format, payloads: &[&[u8]]) -> Vec<String> {
        let mut answer = Answer::new(command, format);
        let mut sequence = 0;
        payloads
            .iter()
            .map(|payload| {
                sequence += 1;
                let packet = Packet { sequence, payload, length: payload.len() as u64 };
                let (event, is_over) = answer.packet(packet);
                let name = format!("{event:?}");
                let name = name.split([' ', '{', '(']).next().unwrap_or_default();
                format!("{name}{}", if is_over { "." } else { "" })
            })
            .collect()
    }

    const OLD: Format = Format { as_ok: false, optional_metadata: false, cached_metadata: false };
    const NEW: Format = Format { as_ok: true, ..OLD };

    #[test]
    fn results_end_in_both_forms() {
        let old: &[&[u8]] = &[b"\x01", b"\x03def", b"\xfe\0\0\x02\0", b"\x011", b"\xfe\0\0\x02\0"];
        assert_eq!(events(Command::QUERY, OLD, old), ["Nothing", "Column", "Nothing", "Row", "RowsEnd."]);
        let new: &[&[u8]] = &[b"\x01", b"\x03def", b"\x011", b"\xfe\0\0\x02\0\0\0"];
        assert_eq!(events(Command::QUERY, NEW, new), ["Nothing", "Column", "Row", "RowsEnd."]);
        let several: &[&[u8]] =
            &[b"\0\x03\0\x0a\0\0\0", b"\x01", b"\x03def", b"\xfe\0\0\x0a\0\0\0", b"\xff\x7a\x04#42S02no"];
        assert_eq!(
            events(Command::QUERY, NEW, several),
            ["Changed", "Nothing", "Column", "RowsEnd", "Error."]
        );
        assert_eq!(
            events(Command::QUERY, NEW, &[b"\xfbname", b"\0\x02\0\x02\0\0\0"]),
            ["FileWanted", "Changed."]
        );
        assert_eq!(
            events(Command::QUERY, NEW, &[b"\xff\xff\xff\x01", b"\0\0\0\x02\0\0\0"]),
            ["Nothing", "Changed."]
        );
    }

    #[test]
    fn prepared_statements_and_cursors() {
        let two = b"\0\x01\0\0\0\x01\0\x02\0\0\0\0";
        let old: &[&[u8]] = &[two, b"p", b"p", b"\xfe\0\0\x02\0", b"c", b"\xfe\0\0\x02\0"];
        assert_eq!(
            events(Command::PREPARE, OLD, old),
            ["Prepared", "Nothing", "Nothing", "Nothing", "Nothing", "Nothing."]
        );
        assert_eq!(events(Command::PREPARE, NEW, &[two, b"p", b"p", b"c"])[3], "Nothing.");
        assert_eq!(events(Command::PREPARE, NEW, &[b"\0\x01\0\0\0\0\0\0\0\0\0\0"]), ["Prepared."]);
        let cursor: &[&[u8]] = &[b"\x01", b"\x03def", b"\xfe\0\0\x42\0"];
        assert_eq!(events(Command::EXECUTE, OLD, cursor)[2], "Suspended.");
        let cursor: &[&[u8]] = &[b"\x01", b"\x03def", b"\xfe\0\0\x42\0\0\0"];
        assert_eq!(events(Command::EXECUTE, NEW, cursor)[2], "Suspended.");
        assert_eq!(events(Command::FETCH, OLD, &[b"\0\0\x01", b"\xfe\0\0\x42\0"]), ["Row", "Suspended."]);
        assert_eq!(events(Command::FETCH, OLD, &[b"\xfe\0\0\xc2\0"]), ["RowsEnd."]);
    }

    #[test]
    fn other_answers() {
        assert_eq!(events(Command(0x09), NEW, &[b"Uptime: 5"]), ["Changed."]);
        assert_eq!(
            events(Command::FIELD_LIST, NEW, &[b"\x03def", b"\xfe\0\0\x02\0\0\0"]),
            ["Column", "RowsEnd."]
        );
        assert_eq!(
            events(Command::CHANGE_USER, NEW, &[b"\xfemethod\0x", b"\x01\x03", b"\0\0\0\x02\0\0\0"]),
            ["Nothing", "Nothing", "Changed."]
        );
        assert_eq!(events(Command::SET_OPTION, OLD, &[b"\xfe\0\0\x02\0"]), ["Changed."]);
        // Bytes of any kind are no panic.
        assert_eq!(events(Command::QUERY, NEW, &[b"", b"", b"\xfe"]).len(), 3);
    }
}
