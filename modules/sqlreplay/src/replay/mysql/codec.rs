//! Recorded messages as commands, and the server's answers as outcomes.

use std::collections::{HashMap, VecDeque};
use std::io;

use mysql_wire::answer::{Answer, Event, Format};
use mysql_wire::command::Command;
use mysql_wire::login::dialogue::{Dialogue, Step};
use mysql_wire::packet::{CHUNK_MAX, Header, packet};
use mysql_wire::stream::{Packet, Receive, Stream};

use super::login::{Account, READ_ONLY};
use super::parameters::payloads;
use crate::decoding::mysql::{Results, error_of};
use crate::masking::Masking;
use crate::recording::record::{ErrorText, Message, Outcome, Target};
use crate::recording::{Bytes, Value};
use crate::replay::codec::Codec;

/// Of a server's packet, if rows are not shown, in bytes.
const HEAD_MAX: usize = 64 << 10;

/// Of a server's packet, in bytes.
const ROW_MAX: usize = 1 << 20;

/// A piece of a file, in bytes.
const PIECE: usize = 256 << 10;

pub(super) struct Mysql {
    stream: Stream,
    state: State,
}

struct State {
    format: Format,
    keeps_rows: bool,
    account: Account,
    /// The statements' ids on this server: none while the answer is awaited, 0 if it was an error.
    ids: HashMap<Bytes, Option<u32>>,
    pending: VecDeque<Pending>,
    results: Results,
    masking: Masking,
    /// The next EXECUTE: statement and parameters.
    bound: Option<(Bytes, Vec<Value>)>,
    /// The server waits for a file: the sequence id of its next packet.
    file: Option<u8>,
    fatal: Option<ErrorText>,
    /// It refuses to only read.
    is_refused: bool,
}

/// A command that was sent and is not answered.
struct Pending {
    group: u64,
    answer: Answer,
    /// The statement that it prepares.
    prepares: Option<Bytes>,
    /// It changes the user.
    login: Option<Dialogue>,
    /// It is not of the recording: says that the session only reads.
    is_own: bool,
}

impl Pending {
    /// The session forgets what it was told at its begin.
    fn begins_anew(&self) -> bool {
        matches!(self.answer.command(), Command::CHANGE_USER | Command::RESET_CONNECTION)
    }
}

impl Mysql {
    pub(super) fn new(format: Format, keeps_rows: bool, account: Account) -> Self {
        let state = State {
            format,
            keeps_rows,
            account,
            ids: HashMap::new(),
            pending: VecDeque::new(),
            results: Results::new(keeps_rows),
            masking: Masking::default(),
            bound: None,
            file: None,
            fatal: None,
            is_refused: false,
        };
        Self { stream: Stream::default(), state }
    }
}

impl Codec for Mysql {
    fn can_write(&self, messages: &[Message]) -> bool {
        // Nothing goes before the word that the session only reads.
        if self.state.account.only_reads && self.state.pending.iter().any(|it| it.begins_anew() || it.is_own)
        {
            return false;
        }
        let is_known = |name: &Bytes| self.state.ids.get(name).is_none_or(Option::is_some);
        messages.iter().all(|message| match message {
            Message::Bind { statement, .. } => is_known(statement),
            Message::Execute { portal: name, .. }
            | Message::StmtClose(name)
            | Message::Close(Target::Statement(name) | Target::Portal(name)) => is_known(name),
            // The server must have asked for the file. If it did not, the data are dropped.
            Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {
                self.state.file.is_some() || self.state.pending.is_empty()
            }
            _ => true,
        })
    }

    fn write(&mut self, group: u64, message: &Message, out: &mut Vec<u8>) {
        self.state.write(group, message, out);
    }

    fn is_flushed(&self) -> bool {
        true
    }

    fn is_copying(&self) -> bool {
        self.state.file.is_some()
    }

    fn is_answered(&self, group: u64) -> bool {
        self.state.pending.front().is_none_or(|first| first.group > group)
    }

    fn received(
        &mut self,
        bytes: &[u8],
        out: &mut Vec<u8>,
        outcome: &mut dyn FnMut(u64, Outcome),
    ) -> io::Result<()> {
        let mut receiver = Receiver { state: &mut self.state, out, outcome };
        self.stream.feed(bytes, &mut receiver);
        if self.state.is_refused {
            return Err(io::Error::other("the server refuses to only read"));
        }
        Ok(())
    }

    fn take_fatal(&mut self) -> Option<ErrorText> {
        self.state.fatal.take()
    }

    fn terminate(&self, out: &mut Vec<u8>) {
        write_payload(&[Command::QUIT.0], out);
    }
}

impl State {
    fn write(&mut self, group: u64, message: &Message, out: &mut Vec<u8>) {
        let is_data = matches!(message, Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_));
        if is_data != self.file.is_some() {
            // The recorded server wanted a file, and this one does not; or the other way round.
            if is_data {
                return;
            }
            self.end_file(out);
        }
        match message {
            Message::Query(sql) => self.command(group, Command::QUERY, &sql.0, out),
            Message::Parse { statement, sql, .. } => {
                self.ids.insert(statement.clone(), None);
                self.command(group, Command::PREPARE, &sql.0, out);
                if let Some(pending) = self.pending.back_mut() {
                    pending.prepares = Some(statement.clone());
                }
            }
            Message::Bind { portal, statement, parameters, .. } => {
                if portal.is_empty() {
                    self.bound = Some((statement.clone(), parameters.clone()));
                } else {
                    self.execute(group, statement, true, parameters, out);
                }
            }
            Message::Execute { portal, rows } => match self.bound.take() {
                Some((statement, parameters)) if portal.is_empty() => {
                    self.execute(group, &statement, false, &parameters, out);
                }
                _ => {
                    let body = [self.id(portal).to_le_bytes(), rows.to_le_bytes()].concat();
                    self.command(group, Command::FETCH, &body, out);
                }
            },
            Message::Close(Target::Portal(name)) => {
                self.command(group, Command::RESET, &self.id(name).to_le_bytes(), out);
            }
            Message::Close(Target::Statement(name)) | Message::StmtClose(name) => {
                let id = self.id(name);
                self.ids.remove(name);
                write_payload(&[&[Command::CLOSE.0][..], &id.to_le_bytes()].concat(), out);
            }
            Message::InitDb(database) => {
                let database = self.account.map.database(database).0.clone();
                self.command(group, Command::INIT_DB, &database, out);
            }
            Message::ChangeUser { user, database, charset } => {
                self.ids.clear();
                let (payload, login) = self.account.change_user(user, database, *charset);
                write_payload(&payload, out);
                self.expect(group, Command::CHANGE_USER);
                if let Some(pending) = self.pending.back_mut() {
                    pending.login = Some(login);
                }
            }
            Message::ResetConnection => {
                self.ids.clear();
                self.command(group, Command::RESET_CONNECTION, &[], out);
            }
            Message::Command { command, body } => self.command(group, Command(*command), &body.0, out),
            Message::CopyData(data) => {
                for piece in data.0.chunks(PIECE) {
                    let sequence = self.file.unwrap_or_default();
                    out.extend_from_slice(&packet(sequence, piece));
                    self.file = Some(sequence.wrapping_add(1));
                }
            }
            Message::CopyDone | Message::CopyFail(_) => self.end_file(out),
            // Of PostgreSQL.
            Message::Describe(_)
            | Message::Flush
            | Message::Sync
            | Message::FunctionCall(_)
            | Message::TooLong { .. } => {}
        }
    }

    /// The statement's id here. One that is not known is 0, which the server refuses.
    fn id(&self, name: &Bytes) -> u32 {
        self.ids.get(name).copied().flatten().unwrap_or_default()
    }

    fn execute(
        &mut self,
        group: u64,
        name: &Bytes,
        has_cursor: bool,
        parameters: &[Value],
        out: &mut Vec<u8>,
    ) {
        for payload in payloads(self.id(name), has_cursor, parameters) {
            write_payload(&payload, out);
        }
        self.expect(group, Command::EXECUTE);
    }

    fn command(&mut self, group: u64, command: Command, body: &[u8], out: &mut Vec<u8>) {
        write_payload(&[&[command.0][..], body].concat(), out);
        self.expect(group, command);
    }

    fn expect(&mut self, group: u64, command: Command) {
        if !command.has_no_answer() {
            let answer = Answer::new(command, self.format);
            self.pending.push_back(Pending { group, answer, prepares: None, login: None, is_own: false });
        }
    }

    fn end_file(&mut self, out: &mut Vec<u8>) {
        if let Some(sequence) = self.file.take() {
            out.extend_from_slice(&packet(sequence, &[]));
        }
    }

    fn packet(&mut self, it: Packet<'_>, out: &mut Vec<u8>, outcome: &mut dyn FnMut(u64, Outcome)) {
        let Some(pending) = self.pending.front_mut() else {
            if it.payload.first() == Some(&0xFF) {
                self.fatal = Some(error_of(it.payload, &self.masking, false));
            }
            return;
        };
        let (event, is_over) = pending.answer.packet(it);
        if let Some(outcome_of) = self.results.event(&pending.answer, event, &self.masking, false)
            && !pending.is_own
        {
            outcome(pending.group, outcome_of);
        }
        match event {
            Event::FileWanted(sequence) => self.file = Some(sequence),
            Event::Prepared(prepared) => {
                if let Some(name) = &pending.prepares {
                    self.ids.insert(name.clone(), Some(prepared.id));
                }
            }
            Event::Error(_) => {
                self.is_refused |= pending.is_own;
                self.file = None;
                if let Some(name) = &pending.prepares {
                    self.ids.insert(name.clone(), Some(0));
                }
            }
            Event::Nothing => {
                if let Some(login) = &mut pending.login
                    && let Step::Send(answer) = login.handle(it.payload)
                {
                    out.extend_from_slice(&packet(it.sequence.wrapping_add(1), &answer));
                }
            }
            _ => {}
        }
        if is_over
            && let Some(done) = self.pending.pop_front()
            && self.account.only_reads
            && done.begins_anew()
            && !matches!(event, Event::Error(_))
        {
            self.command(done.group, Command::QUERY, READ_ONLY, out);
            if let Some(own) = self.pending.back_mut() {
                own.is_own = true;
            }
        }
    }
}

struct Receiver<'r> {
    state: &'r mut State,
    out: &'r mut Vec<u8>,
    outcome: &'r mut dyn FnMut(u64, Outcome),
}

impl Receive for Receiver<'_> {
    fn limit(&self) -> usize {
        if self.state.keeps_rows { ROW_MAX } else { HEAD_MAX }
    }

    fn packet(&mut self, packet: Packet<'_>) {
        self.state.packet(packet, self.out, self.outcome);
    }
}

/// A command: its payload goes on in more packets if it is long.
fn write_payload(payload: &[u8], out: &mut Vec<u8>) {
    let mut sequence = 0_u8;
    let mut rest = payload;
    loop {
        let (now, later) = rest.split_at(rest.len().min(CHUNK_MAX));
        out.extend_from_slice(&Header { length: now.len(), sequence }.bytes());
        out.extend_from_slice(now);
        if now.len() < CHUNK_MAX {
            return;
        }
        rest = later;
        sequence = sequence.wrapping_add(1);
    }
}

#[cfg(test)]
mod tests {
    use mysql_wire::packet::packets;

    use super::*;
    use crate::recording::record::Rows;

    /// Of a connection that is logged in.
    fn codec() -> Mysql {
        Mysql::new(Format::default(), false, Account::of_tests())
    }

    fn written(codec: &mut Mysql, group: u64, messages: &[Message]) -> Vec<(u8, Vec<u8>)> {
        let mut out = Vec::new();
        messages.iter().for_each(|message| codec.write(group, message, &mut out));
        packets(&out).map(|(header, payload)| (header.sequence, payload.to_vec())).collect()
    }

    fn received(codec: &mut Mysql, bytes: &[u8]) -> Vec<(u64, Outcome)> {
        let mut outcomes = Vec::new();
        codec
            .received(bytes, &mut Vec::new(), &mut |group, outcome| outcomes.push((group, outcome)))
            .unwrap();
        outcomes
    }

    fn ok(rows: u64) -> Outcome {
        Outcome::Done { tag: "OK".into(), rows, data: Rows::default() }
    }

    #[test]
    fn statements_have_the_ids_of_this_server() {
        let mut codec = codec();
        let parse = Message::Parse { statement: "1".into(), sql: "DO ?".into(), types: Vec::new() };
        assert_eq!(written(&mut codec, 0, &[parse]), [(0, b"\x16DO ?".to_vec())]);
        let bind = Message::Bind {
            portal: Bytes::default(),
            statement: "1".into(),
            parameters: vec![Value::Typed("tinyint", "5".to_owned())],
            results: Vec::new(),
        };
        let execute = [bind, Message::Execute { portal: Bytes::default(), rows: 0 }];
        assert!(!codec.can_write(&execute), "its id is not known yet");
        let prepared =
            [packet(1, b"\0\x2a\0\0\0\0\0\x01\0\0\0\0"), packet(2, b"p"), packet(3, b"\xfe\0\0\x02\0")];
        assert_eq!(received(&mut codec, &prepared.concat()), []);
        assert!(codec.is_answered(0) && codec.can_write(&execute));
        let sent = written(&mut codec, 1, &execute);
        assert_eq!(sent, [(0, b"\x17\x2a\0\0\0\0\x01\0\0\0\0\x01\x01\0\x05".to_vec())]);
        assert!(!codec.is_answered(1));
        assert_eq!(received(&mut codec, &packet(1, b"\0\0\0\x02\0\0\0")), [(1, ok(0))]);
        assert_eq!(
            written(&mut codec, 2, &[Message::StmtClose("1".into())]),
            [(0, b"\x19\x2a\0\0\0".to_vec())]
        );
        assert!(codec.is_answered(2), "nobody answers that");
        // One that is not known is refused by the server.
        assert_eq!(written(&mut codec, 3, &execute)[0].1[..5], *b"\x17\0\0\0\0");
    }

    #[test]
    fn a_session_that_only_reads_says_so_again() {
        let (mut codec, ping) = (codec(), [Message::Command { command: 0x0E, body: Bytes::default() }]);
        codec.state.account.only_reads = true;
        written(&mut codec, 1, &[Message::ResetConnection]);
        assert!(!codec.can_write(&ping));
        let (mut out, mut outcomes) = (Vec::new(), Vec::new());
        let mut answered = |codec: &mut Mysql, payload: &[u8]| {
            let mut outcome = |group, outcome| outcomes.push((group, outcome));
            codec.received(&packet(1, payload), &mut out, &mut outcome).is_ok()
        };
        assert!(answered(&mut codec, b"\0\0\0\x02\0\0\0"));
        assert!(!codec.can_write(&ping) && !codec.is_answered(1));
        assert!(answered(&mut codec, b"\0\0\0\x02\0\0\0"));
        assert!(codec.can_write(&ping) && codec.is_answered(1));
        written(&mut codec, 2, &[Message::ResetConnection]);
        assert!(answered(&mut codec, b"\0\0\0\x02\0\0\0"));
        assert!(!answered(&mut codec, b"\xff\x28\x04#42000no"), "it must not go on");
        let query = packet(0, &[&[Command::QUERY.0][..], READ_ONLY].concat());
        assert_eq!(out, [&query[..], &query].concat());
        assert_eq!(outcomes, [(1, ok(0)), (2, ok(0))]);
    }

    #[test]
    fn a_file_is_sent_when_the_server_wants_it() {
        let mut codec = codec();
        let data = [Message::CopyData("1\n".into()), Message::CopyDone];
        written(&mut codec, 0, &[Message::Query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t".into())]);
        assert!(!codec.can_write(&data));
        received(&mut codec, &packet(1, b"\xfbx"));
        assert!(codec.is_copying() && codec.can_write(&data));
        assert_eq!(written(&mut codec, 1, &data), [(2, b"1\n".to_vec()), (3, Vec::new())]);
        assert!(!codec.is_copying());
        assert_eq!(received(&mut codec, &packet(4, b"\0\x01\0\x02\0\0\0")), [(0, ok(1))]);
        // Another server refuses: the data are dropped.
        assert!(codec.can_write(&data) && written(&mut codec, 2, &data).is_empty());
        // The recorded client had no file: the server must not wait for it.
        written(&mut codec, 3, &[Message::Query("LOAD DATA LOCAL INFILE 'x' INTO TABLE t".into())]);
        received(&mut codec, &packet(1, b"\xfbx"));
        let next = written(&mut codec, 4, &[Message::InitDb("shop".into())]);
        assert_eq!(next, [(2, Vec::new()), (0, b"\x02shop".to_vec())]);
    }

    #[test]
    fn a_long_command_goes_on_in_more_packets() {
        let mut out = Vec::new();
        write_payload(&vec![7; CHUNK_MAX], &mut out);
        let lengths: Vec<_> =
            packets(&out).map(|(header, payload)| (header.sequence, payload.len())).collect();
        assert_eq!(lengths, [(0, CHUNK_MAX), (1, 0)]);
    }

    #[test]
    fn any_bytes_of_a_server_are_no_panic() {
        for first in 0..=255 {
            let mut codec = codec();
            written(&mut codec, 0, &[Message::Query("SELECT 1".into())]);
            for length in 0..12 {
                received(&mut codec, &packet(1, &[&[first], &[0xFF; 12][..length]].concat()));
            }
        }
    }
}
