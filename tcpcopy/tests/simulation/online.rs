//! The online server's answers that modules received: the marked ones, in order, with exact gaps, and each turn only
//! when the module knows all that its client had read.

use std::ops::Range;

use crate::client::Session;
use crate::hosts::copied;
use crate::toy::{self, Story, Told};
use crate::world::World;

/// Checks the records of all modules.
pub(crate) fn check(world: &World) {
    if world.scenario.clients.answers_seen.is_empty() {
        return;
    }
    let stories = world.heard.stories();
    let mut told = Sums::default();
    for story in stories.iter() {
        let ours = world
            .sessions
            .iter()
            .filter(|session| copied(&session.flow) == story.flow && session.joined() != story.from_start);
        let verdicts: Vec<Result<Sums, String>> = ours.map(|session| follow(world, session, story)).collect();
        match verdicts.iter().flatten().next() {
            Some(sums) => told.add(*sums),
            None => panic!("the module of {} was told what no session is like: {verdicts:?}", story.flow),
        }
    }
    let ledger = world.engine.ledger();
    assert!(told.answers <= ledger.tcp.answer_bytes, "{} answer bytes were told", told.answers);
    assert!(told.answers > 0 || ledger.bytes.replayed == 0, "modules were told of no answer");
    let modules = &ledger.modules;
    assert_eq!(modules.memory, 0, "memory of modules that are gone");
    assert_eq!(modules.online_bytes, told.bytes, "the ledger");
    assert!(told.bytes > 0 || world.sessions.is_empty(), "modules were told nothing");
}

/// Answer bytes of the online server, and of the test server.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    bytes: u64,
    answers: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.answers += other.answers;
    }
}

/// Follows a record along a session's two streams.
fn follow(world: &World, session: &Session, story: &Story) -> Result<Sums, String> {
    let mut said = session.captured.start;
    let first = session.gates.iter().find(|gate| gate.offset == said);
    let mut at = if session.joined() { first.map_or(0, |gate| gate.seen) } else { 0 };
    let (mut sums, mut lost) = (Sums::default(), false);
    for told in &story.told {
        match told {
            Told::Lost => lost = true,
            Told::Client(bytes) => {
                if std::mem::take(&mut lost) {
                    let mut begins = session.gates.iter().map(|gate| gate.offset).filter(|at| *at >= said);
                    said = begins.find(|at| session.stream[*at..].starts_with(bytes)).unwrap_or(said);
                }
                let end = said + bytes.len();
                if session.stream.get(said..end) != Some(&bytes[..]) {
                    return Err(format!("session {}: other bytes than {said}..{end}", session.id));
                }
                for gate in session.gates.iter().filter(|gate| (said..end).contains(&gate.offset)) {
                    let exact = world.scenario.clients.creep == 0;
                    if at < gate.seen || (exact && at > gate.seen) {
                        return Err(format!("session {}: {gate:?} was due at {at}", session.id));
                    }
                }
                said = end;
            }
            Told::Online { skipped, bytes } => {
                if let Some(start) = missing(world, session, &(at..at + skipped)) {
                    return Err(format!(
                        "session {}: {skipped} bytes skipped at {at}, of {start:?}",
                        session.id
                    ));
                }
                at += skipped;
                let end = at + bytes.len() as u64;
                if session.answers.get(at as usize..end as usize) != Some(&bytes[..]) {
                    return Err(format!("session {}: other answers than {at}..{end}", session.id));
                }
                at = end;
                sums.add(Sums { bytes: bytes.len() as u64, answers: 0 });
            }
            Told::Test { skipped, bytes } => sums.answers += skipped + bytes,
        }
    }
    Ok(sums)
}

/// The marked bytes in `skipped`, although they were captured in time.
fn missing(world: &World, session: &Session, skipped: &Range<u64>) -> Option<Range<u64>> {
    if world.online_lost > 0 || session.answers_late || world.scenario.clients.creep > 0 || skipped.is_empty()
    {
        return None;
    }
    let answers = &session.answers[skipped.start as usize..skipped.end as usize];
    let marked = answers.windows(toy::MARK.len()).position(|window| window == toy::MARK);
    marked.map(|at| skipped.start + at as u64..skipped.end)
}
