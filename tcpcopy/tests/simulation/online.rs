//! What modules were told of the online server's answers: all of it, in order, gaps by their exact size, and each turn
//! only when the module knows all that its client had seen.

use std::ops::Range;

use common::module::OnlineAnswers;

use crate::client::Session;
use crate::hosts::copied;
use crate::toy::{self, Story, Told};
use crate::world::World;

/// So much of each answer must not be missing, whatever the copy lags.
const HEAD: u64 = 4096;

/// Checks the stories of all modules.
pub(crate) fn check(world: &World) {
    if world.scenario.clients.answers_seen == OnlineAnswers::None {
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
    // What was not asked for is not missing.
    let skipped = if is_picked(world) { 0 } else { told.skipped };
    assert_eq!((modules.online_bytes, modules.online_skipped), (told.bytes, skipped), "the ledger");
    assert!(told.bytes > 0 || world.sessions.is_empty(), "modules were told nothing");
}

/// Of the answers only the marked segments are wanted.
fn is_picked(world: &World) -> bool {
    matches!(world.scenario.clients.answers_seen, OnlineAnswers::Beginning(_))
}

/// Answer bytes of the online server, and of the test server.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    bytes: u64,
    skipped: u64,
    answers: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.skipped += other.skipped;
        self.answers += other.answers;
    }
}

/// Follows a story along a session's two streams.
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
                sums.add(Sums { bytes: bytes.len() as u64, skipped: *skipped, answers: 0 });
            }
            Told::Test { skipped, bytes } => sums.answers += skipped + bytes,
        }
    }
    Ok(sums)
}

/// What `skipped` has of the greeting, or of the start of an answer, or of what is marked, although nothing was lost.
fn missing(world: &World, session: &Session, skipped: &Range<u64>) -> Option<Range<u64>> {
    if world.online_lost > 0 || world.scenario.clients.creep > 0 || skipped.is_empty() {
        return None;
    }
    if is_picked(world) {
        let answers = &session.answers[skipped.start as usize..skipped.end as usize];
        let marked = answers.windows(toy::MARK.len()).position(|window| window == toy::MARK);
        return marked.map(|at| skipped.start + at as u64..skipped.end);
    }
    // A greeting that is overtaken comes too late for the login.
    let greeting = (world.scenario.online.reorder == 0).then_some(0..toy::GREETING as u64);
    let ends = session.gates.iter().skip(1).map(|gate| gate.seen).chain([u64::MAX]);
    let answers = session.gates.iter().zip(ends).map(|(gate, end)| gate.seen..end.min(gate.seen + HEAD));
    greeting.into_iter().chain(answers).find(|start| start.start < skipped.end && skipped.start < start.end)
}
