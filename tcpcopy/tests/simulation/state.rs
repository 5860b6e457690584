//! Bytes that meant something else to the test server than to the online server, and how the engine dealt with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use crate::checks::Streams;
use crate::client::Session;
use crate::scenario::{Ending, Misread, Scenario};
use crate::server::Record;
use crate::world::World;

/// Connections to each target that may be spent on finding out that it keeps state.
const TRIALS: usize = 3;

/// The time in which the return of a test server is noticed.
const NOTICED: Duration = Duration::from_secs(2);

/// No byte that meant something else counts as replayed, no session with a loss counts as whole, and as few such bytes
/// are sent as a scenario allows.
pub(crate) fn check(world: &World, streams: &Streams) {
    let scenario = &world.scenario;
    if scenario.restart_at.is_some() || scenario.forged > 0 || matches!(scenario.ending, Ending::Abort(_)) {
        return;
    }
    let records = world.server.records();
    check_misread(world, &records, streams);
    check_replayed(world, &records, streams);
    check_whole_sessions(world, &records, streams);
    if scenario.expect.resumes {
        check_resumed(world, streams);
    }
}

fn check_misread(world: &World, records: &[&Record], streams: &Streams) {
    let scenario = &world.scenario;
    let mut spent: BTreeMap<_, usize> = BTreeMap::new();
    for record in records.iter().filter(|record| !record.misread.is_empty()) {
        // A connection that is answered, and then closed because its client has ended, shows nothing.
        if scenario.expect.misread == Misread::Trials && !went_on(world, record, streams) {
            continue;
        }
        *spent.entry(record.flow.server).or_default() += 1;
    }
    let most = match scenario.expect.misread {
        Misread::Never => 0,
        Misread::Trials => TRIALS,
        Misread::Unseen => usize::MAX,
    };
    for (target, spent) in spent {
        let first = records.iter().find(|record| !record.misread.is_empty());
        let first = first.and_then(|record| Some((record.flow, record.opened, &record.misread.first()?.why)));
        assert!(spent <= most, "{spent} connections to {target} meant something else: {first:?}");
    }
}

/// No byte counts as replayed that no server received, or that meant something else to it, or that it closed on instead
/// of an answer that its client had read.
fn check_replayed(world: &World, records: &[&Record], streams: &Streams) {
    let Scenario { expect, clients, .. } = &world.scenario;
    let received: usize = records.iter().map(|record| record.received.len()).sum();
    let misread: usize = misread(world, records, streams).map(|misread| misread.bytes).sum();
    let unanswered: usize = if is_heard(world) && clients.pipeline == 0 && clients.creep == 0 {
        records.iter().map(|record| unanswered(world, record, streams)).sum()
    } else {
        0
    };
    let lost = if expect.misread == Misread::Unseen { unanswered } else { misread.max(unanswered) };
    let replayed = world.engine.ledger().bytes.replayed;
    assert!(
        replayed + lost as u64 <= received as u64,
        "{replayed} bytes replayed: {received} were received, {misread} of them meant something else, and {unanswered} \
         were closed on"
    );
}

/// Bytes that meant something else, if that could be noticed: not if the connection was answered, and closed when its
/// client had ended.
fn misread<'r>(
    world: &'r World,
    records: &'r [&'r Record],
    streams: &'r Streams,
) -> impl Iterator<Item = &'r crate::server::Misread> {
    let unseen = world.scenario.expect.misread == Misread::Trials;
    records
        .iter()
        .filter(move |record| !unseen || went_on(world, record, streams))
        .flat_map(|record| &record.misread)
}

/// The engine receives all answers of the test server.
fn is_heard(world: &World) -> bool {
    let Scenario { answer, inject, capture, cuts, ending, module, .. } = &world.scenario;
    let lost = answer.loss + answer.reorder + inject.loss + capture.loss + cuts;
    lost == 0 && *ending == Ending::Drain && module.is_none() && world.scenario.link_from == 0
}

/// Bytes that a server read and closed on, and whose answer the client had read.
fn unanswered(world: &World, record: &Record, streams: &Streams) -> usize {
    match record.closed_by_server && went_on(world, record, streams) {
        true => record.received.len() - record.answered_up_to,
        false => 0,
    }
}

/// The client had an answer to all bytes of this connection, and sent more.
fn went_on(world: &World, record: &Record, streams: &Streams) -> bool {
    let Some((session, piece)) = streams.of(record.number) else { return false };
    let session = world.sessions.iter().find(|other| other.id == *session);
    session.is_some_and(|session| session.gates.iter().any(|gate| gate.offset >= piece.end))
}

/// Sessions count as whole only if all bytes of their clients were read, with their original meaning.
fn check_whole_sessions(world: &World, records: &[&Record], streams: &Streams) {
    let whole = world.engine.ledger().sessions.replayed as usize;
    let misread: BTreeSet<u32> = match world.scenario.expect.misread {
        Misread::Unseen => BTreeSet::new(),
        _ => misread(world, records, streams).filter_map(|misread| misread.session).collect(),
    };
    let known = world.capture_lost == 0;
    let damaged = |session: &&Session| {
        misread.contains(&session.id) || (known && !streams.has(session.id, said(world, session)))
    };
    let damaged: Vec<u32> = world.sessions.iter().filter(damaged).map(|session| session.id).collect();
    assert!(
        whole + damaged.len() <= world.sessions.len(),
        "{whole} of {} sessions count as whole, but not all of these can: {damaged:?}",
        world.sessions.len()
    );
}

/// The captured bytes of a session, without those that a module sends itself.
fn said(world: &World, session: &Session) -> Range<usize> {
    let from = session.captured.start.max(crate::checks::opening(session, &world.scenario));
    from..session.captured.end.max(from)
}

/// The bytes that clients sent after the test server's return were read.
fn check_resumed(world: &World, streams: &Streams) {
    let Scenario { unreachable, outage, app, .. } = &world.scenario;
    let Some((_, back)) = app.frozen.or(*unreachable).or(*outage) else { return };
    for session in &world.sessions {
        let ends = session.gates.iter().skip(1).map(|gate| gate.offset).chain([session.stream.len()]);
        for (gate, end) in session.gates.iter().zip(ends) {
            let due = gate.at.as_micros() > back + NOTICED.as_micros() as u64;
            assert!(
                !due || streams.has(session.id, gate.offset.max(said(world, session).start)..end),
                "session {}: its turn at byte {} was not read, {:?} after the test server came back",
                session.id,
                gate.offset,
                gate.at.since(common_core::time::Time::from_micros(back))
            );
        }
    }
}
