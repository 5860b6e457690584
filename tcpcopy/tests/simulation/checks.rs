//! The rules that must hold at the end of a run.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use common_core::flow::Flow;
use common_core::time::Time;
use tcpcopy::ledger::DropReason;

use crate::client::{Gate, Session};
use crate::hosts::copied;
use crate::online;
use crate::scenario::{Ending, Scenario};
use crate::server::{Arrival, Record};
use crate::speech::Preamble;
use crate::state;
use crate::toy;
use crate::world::World;

/// Checks everything that can be checked once a run is over.
pub(crate) fn check(world: &mut World) {
    world.run_out();
    check_ending(world);
    check_account(world);
    online::check(world);
    let streams = match_streams(world);
    state::check(world, &streams);
    let scenario = &world.scenario;
    if scenario.expect.whole {
        check_whole(world, &streams);
        check_order(world);
    }
    if scenario.expect.clean {
        check_clean(world);
        check_pace(world);
    }
}

/// No state is left, in bounded time.
fn check_ending(world: &World) {
    let Scenario { expect, ending, .. } = &world.scenario;
    assert!(world.engine.is_empty(), "sessions are left: {:#?}", world.engine.ledger().sessions);
    assert_eq!(world.engine.poll_timeout(), Time::NEVER, "an empty engine waits for something");
    assert_eq!(world.routes(), 0, "routes are left at an intercept");
    let took = world.finished.since(world.silence);
    let within =
        expect.within + if *ending == Ending::Drain { Duration::from_secs(10) } else { Duration::ZERO };
    assert!(took <= within, "the end took {took:?}, more than {within:?}");
    let lag = world.lag();
    assert!(lag <= expect.lag, "the server read its last byte {lag:?} after the clients' last word");
}

/// The ledger agrees with the events.
fn check_account(world: &World) {
    let ledger = world.engine.ledger();
    let (bytes, sessions) = (&ledger.bytes, &ledger.sessions);
    assert_eq!(bytes.pending, 0, "bytes are pending without a session");
    assert_eq!((ledger.turns.memory, ledger.gaps.out_of_order), (0, 0), "memory is held without a session");
    assert_eq!(ledger.turns.waiting.total(), 0, "turns wait without a session");
    assert_eq!(sessions.active, 0, "sessions are active in an empty engine");
    // The data of a SYN may count as sent twice.
    let on_syns: usize = world.sessions.iter().map(|session| session.on_syn.carried).sum();
    let (known, more) = (world.captured.bytes, on_syns as u64);
    assert!(bytes.captured >= known, "client bytes were overlooked: {} of {known} captured", bytes.captured);
    assert!(bytes.captured <= known + more, "{} bytes captured, {known} said", bytes.captured);
    let again = bytes.captured - world.captured.unique();
    assert!(bytes.duplicate <= again, "{} bytes counted as duplicate, {again} came again", bytes.duplicate);
    let expect = &world.scenario.expect;
    for (reason, bytes) in bytes.dropped.occurred() {
        let allowed = expect.reasons.contains(&reason)
            || (reason == DropReason::Replaced && world.scenario.module.is_some());
        assert!(allowed, "{bytes} bytes were dropped: {}", reason.name());
    }
    for (reason, sessions) in sessions.incomplete.occurred() {
        assert!(expect.reasons.contains(&reason), "{sessions} sessions are incomplete: {}", reason.name());
    }
    check_said(world);
    let turns = &ledger.turns;
    let let_go = turns.at_once + turns.answered + turns.answer_ended + turns.timed_out + turns.module_ready;
    assert_eq!(turns.seen, let_go + turns.dropped, "turns: {turns:#?}");
    let wanted = bytes.captured - bytes.duplicate;
    assert!(
        bytes.replayed * 1000 >= wanted * expect.floor,
        "only {} of {wanted} bytes were replayed: {ledger:#?}",
        bytes.replayed
    );
    if world.scenario.restart_at.is_none() && world.scenario.forged == 0 {
        let received: u64 = world.server.records().iter().map(|record| record.received.len() as u64).sum();
        assert!(bytes.replayed <= received, "{} bytes replayed, {received} received", bytes.replayed);
    }
}

/// The bytes that clients are known to have sent: at least the captured ones, at most all that they sent.
fn check_said(world: &World) {
    if world.scenario.restart_at.is_some() {
        return;
    }
    let ledger = world.engine.ledger();
    let known = ledger.client_bytes() + ledger.bytes.dropped.get(DropReason::Replaced);
    // What production rejects is of no client.
    let captured = world.captured.unique() - ledger.bytes.dropped.get(DropReason::RejectedOnline);
    assert!(known >= captured, "{known} bytes are known to be said, {captured} were captured");
    if world.sessions.iter().any(Session::joined) {
        // On a used port such a session looks like the rest of the one before, after a gap.
        return;
    }
    // A FIN that was not captured, before a RST that was captured, looks like one more byte. The captured part of a
    // truncated packet counts, and again when its client retransmits it.
    let all = world.sessions.iter().map(|session| session.captured.len() as u64 + 1).sum::<u64>()
        + ledger.bytes.dropped.get(DropReason::Truncated);
    assert!(
        known <= all,
        "{known} bytes are known to be said, {all} were: {:#?} {:#?}",
        ledger.bytes,
        ledger.gaps
    );
}

/// The bytes that a test server received: for each connection, by its number, the session and the range of its stream.
#[derive(Default)]
pub(crate) struct Streams(BTreeMap<usize, (u32, Range<usize>)>);

impl Streams {
    /// The bytes of one connection.
    pub(crate) fn of(&self, number: usize) -> Option<&(u32, Range<usize>)> {
        self.0.get(&number)
    }

    fn pieces(&self, session: u32) -> impl Iterator<Item = &Range<usize>> {
        self.0.values().filter(move |(id, _)| *id == session).map(|(_, piece)| piece)
    }

    /// All of this part of a session's stream was read.
    pub(crate) fn has(&self, session: u32, wanted: Range<usize>) -> bool {
        let mut pieces: Vec<_> = self.pieces(session).collect();
        pieces.sort_by_key(|piece| piece.start);
        let read = pieces
            .iter()
            .fold(wanted.start, |read, piece| if piece.start <= read { read.max(piece.end) } else { read });
        read >= wanted.end
    }
}

/// Finds the session of each connection's bytes. They must be a part of its stream that begins with a turn, without
/// repetition, in order.
fn match_streams(world: &World) -> Streams {
    let mut flows: BTreeMap<Flow, Vec<&Session>> = BTreeMap::new();
    for session in &world.sessions {
        flows.entry(copied(&session.flow)).or_default().push(session);
    }
    let records = world.server.records();
    let mut streams = Streams::default();
    for (flow, sessions) in &mut flows {
        sessions.sort_by_key(|session| session.sent.first().map(|sent| sent.at));
        // Where the next piece may begin: in which session, and from which byte on; and how far that session was read.
        let (mut session, mut least, mut read) = (0, 0, 0);
        for record in records.iter().filter(|record| record.flow == *flow) {
            let piece = without_opening(record, &world.scenario);
            if piece.is_empty() {
                continue;
            }
            let Some((ahead, at)) = find(world, &sessions[session..], least, piece) else {
                panic!(
                    "{} bytes of a connection of {flow}, opened at {:?}, are no part of what its client said (from \
                     byte {least} of session {} on): {:?}",
                    piece.len(),
                    record.opened,
                    sessions[session].id,
                    &piece[..piece.len().min(40)]
                );
            };
            if ahead > 0 {
                read = 0;
            }
            session += ahead;
            let end = at + piece.len();
            streams.0.insert(record.number, (sessions[session].id, at..end));
            // Turns of which nothing was acknowledged when their connection broke are sent again, the first one once.
            let broken = record.closed_by_server || record.reset_by_client;
            least = match broken {
                true if at >= read => at,
                true => at + 1,
                false => end,
            };
            read = read.max(end);
        }
    }
    for record in records.iter().filter(|record| !flows.contains_key(&record.flow)) {
        let is_strangers = world.strangers.iter().any(|stranger| stranger.client == record.flow.client);
        assert!(is_strangers, "a connection of nobody: {}", record.flow);
        assert!(record.received.is_empty(), "the test server read forged bytes: {}", record.flow);
        assert!(record.ended, "a stranger holds a connection of the test server: {}", record.flow);
    }
    for (flow, sessions) in &flows {
        // A turn may break two connections; a server that breaks each one must not be flooded.
        let most = sessions.iter().map(|session| 2 * session.gates.len() + 3).sum();
        let opened = records.iter().filter(|record| record.flow == *flow).count();
        assert!(opened <= most, "{opened} connections for {flow}, {most} at most");
    }
    streams
}

/// The first place where a piece fits: how many sessions further on, and where in the stream.
fn find(world: &World, sessions: &[&Session], from: usize, piece: &[u8]) -> Option<(usize, usize)> {
    for (ahead, session) in sessions.iter().enumerate() {
        let from = if ahead == 0 { from } else { 0 }.max(session.captured.start);
        let fits = |at: usize| at >= from && session.stream[at..].starts_with(piece);
        let opening = opening(session, &world.scenario);
        if opening > 0 && fits(opening) {
            return Some((ahead, opening));
        }
        if let Some(gate) = session.gates.iter().find(|gate| fits(gate.offset)) {
            return Some((ahead, gate.offset));
        }
        // Nobody can tell whether a session was joined in the middle of a turn.
        let late = session.joined() || world.scenario.restart_at.is_some() || world.capture_lost > 0;
        if let Some(start) = session.starts.iter().find(|start| late && fits(**start)) {
            return Some((ahead, *start));
        }
    }
    None
}

fn login_length(scenario: &Scenario) -> usize {
    if scenario.module.is_some() { toy::LOGIN } else { 0 }
}

/// The part of a stream's beginning that the engine sends itself, or repeats on each connection.
pub(crate) fn opening(session: &Session, scenario: &Scenario) -> usize {
    login_length(scenario) + session.preamble
}

/// The part of the client's stream that a connection received.
fn without_opening<'a>(record: &'a Record, scenario: &Scenario) -> &'a [u8] {
    let rest = record.received.get(login_length(scenario)..).unwrap_or_default();
    match Preamble::read(rest) {
        _ if scenario.clients.preamble == Preamble::None => rest,
        Some((length, _)) => &rest[length..],
        None if Preamble::may_begin(rest) => &[],
        None => rest,
    }
}

/// Every byte that was captured has been read, once, and in order.
fn check_whole(world: &World, streams: &Streams) {
    let ledger = world.engine.ledger();
    let strangers = world.strangers.len() as u64;
    assert_eq!(ledger.sessions.seen, world.sessions.len() as u64 + strangers, "sessions seen");
    let whole = ledger.sessions.replayed + ledger.sessions.without_data;
    assert_eq!(whole + strangers, ledger.sessions.seen, "sessions replayed whole, or without a word");
    let scenario = &world.scenario;
    let all_answered = scenario.app.silent == 0 && scenario.clients.creep == 0;
    // A handshake that loses its last ACK takes seconds to greet: no data of the client helps.
    let greeted = scenario.module.is_none() || scenario.answer.loss == 0;
    if all_answered && greeted && scenario.cuts == 0 && scenario.answer.loss < 100 {
        assert_eq!(ledger.turns.timed_out, 0, "an answer was overlooked");
    }
    for session in &world.sessions {
        let mut offset =
            session.captured.start + if session.joined() { 0 } else { opening(session, &world.scenario) };
        for piece in streams.pieces(session.id) {
            assert_eq!(piece.start, offset, "session {}: a hole in what was read", session.id);
            offset = piece.end;
        }
        assert_eq!(offset, session.captured.end, "session {}: not all was read", session.id);
    }
}

/// Without faults nothing is done twice, and nothing is left over.
fn check_clean(world: &World) {
    let ledger = world.engine.ledger();
    let tcp = &ledger.tcp;
    assert_eq!(
        (tcp.retransmitted, tcp.syn_retries, tcp.timeouts),
        (0, 0, 0),
        "sent again without need: {tcp:#?}"
    );
    assert_eq!(
        (tcp.refused, tcp.reconnected, tcp.stale_reset),
        (0, 0, 0),
        "connections without need: {tcp:#?}"
    );
    assert_eq!(tcp.connected, ledger.sessions.seen, "connections");
    for record in world.server.records() {
        assert_eq!(record.sent_again, 0, "the server had to send again on {}", record.flow);
        assert_eq!(
            (record.too_old, record.beyond_window),
            (0, 0),
            "the server refused segments of {}",
            record.flow
        );
        assert!(record.ended, "a connection is left on the test server: {}", record.flow);
    }
}

/// Sessions that alone use their port, seen from their beginning, answered by both servers alike.
fn plain_sessions(world: &World) -> impl Iterator<Item = &Session> {
    let alone = |session: &&Session| {
        let uses = world.sessions.iter().filter(|other| other.flow == session.flow).count();
        uses == 1 && session.same_answers && !session.joined()
    };
    world.sessions.iter().filter(alone)
}

/// The beginnings of a session's turns, and when each arrived at the test server.
fn arrivals<'a>(session: &'a Session, record: &'a Record) -> impl Iterator<Item = (&'a Gate, &'a Arrival)> {
    session.gates.iter().filter_map(|gate| {
        let arrival = record.arrivals.iter().find(|arrival| arrival.length > gate.offset)?;
        Some((gate, arrival))
    })
}

/// No turn came before the test server had answered as much as the client had read.
fn check_order(world: &World) {
    let (scenario, turns) = (&world.scenario, &world.engine.ledger().turns);
    let guessed = turns.answer_ended + turns.timed_out;
    // If the online server's bytes before the first turn are unknown, the second turn is taken for a part of the first.
    let missed = scenario.clients.syn_ack_lost > 0 || scenario.capture.reorder > 0;
    let unheard = scenario.clients.fast_open > 0 && missed;
    if guessed > 0 || !scenario.wait_for_answers || scenario.module.is_some() || unheard {
        return;
    }
    let records = world.server.records();
    for session in plain_sessions(world) {
        let flow = copied(&session.flow);
        let mut connections = records.iter().filter(|record| record.flow == flow);
        let (Some(record), None) = (connections.next(), connections.next()) else { continue };
        for (gate, arrival) in arrivals(session, record) {
            assert!(
                arrival.sent >= gate.seen,
                "session {}: the turn at byte {} came when {} of {} answer bytes had been sent",
                session.id,
                gate.offset,
                arrival.sent,
                gate.seen
            );
        }
    }
}

/// No turn came later than necessary, and nothing was guessed.
fn check_pace(world: &World) {
    let Scenario { clients, answer, link, inject, capture, .. } = &world.scenario;
    let back = Duration::from_micros(answer.delay + link.delay);
    let forth = Duration::from_micros(inject.delay);
    let capture = Duration::from_micros(capture.delay);
    let turns = &world.engine.ledger().turns;
    if clients.pipeline == 0 && clients.creep == 0 && clients.other_answers == 0 {
        assert_eq!(turns.answer_ended + turns.timed_out, 0, "the end of an answer was guessed: {turns:?}");
    }
    let records = world.server.records();
    for session in plain_sessions(world) {
        let flow = copied(&session.flow);
        let Some(record) = records.iter().find(|record| record.flow == flow) else { continue };
        for (gate, arrival) in arrivals(session, record) {
            let departed = record.departures.iter().find(|(_, sent)| *sent >= gate.seen);
            let answered = match gate.seen {
                // The connection's own handshake.
                0 => session.sent[0].at + capture + forth,
                _ => departed.map_or(record.opened, |(at, _)| *at),
            };
            let due = (gate.at + capture).max(answered + back) + forth;
            let late = arrival.at.since(due);
            assert!(
                late <= Duration::from_millis(1),
                "session {}: the turn at byte {} came {late:?} later than it could, at {:?}",
                session.id,
                gate.offset,
                arrival.at
            );
        }
    }
}
