//! KILL, which names a connection: the test server gets its own id of the copy, once the copy is where its victim was.
//!
//! The copy is there when every turn of the victim that was captured before the KILL has gone to the test server, and when the
//! last of them has been there for as long as it had been in production. If it was executed in less time, it was over in production
//! too, unless the online server tells the victim that it has interrupted it.

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use module_kit::{Moment, Stamp, Time};

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::session::connections::Copied;
use crate::sql::{Kill, KillScope, Victim};
use crate::wire::command::Command;
use crate::wire::packet::Header;

/// Another worker has read by then what was captured before the KILL.
const READ_WITHIN: Duration = Duration::from_millis(10);

/// How often a KILL that waits looks at its victim.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The online server tells a victim within this time that its statement is interrupted.
const TOLD_WITHIN: Duration = Duration::from_millis(250);

/// A KILL waits no longer than this.
const WAIT_MAX: Duration = Duration::from_secs(5);

/// A KILL USER of more connections is left out.
const USER_MAX: usize = 1000;

/// When the KILL that is due was captured, and when it fell due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::session) struct DueKill {
    stamp: Stamp,
    captured: Time,
    since: Time,
}

/// What a KILL becomes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KillAs {
    /// These bytes of the text are replaced by the test server's id.
    Naming(Range<usize>, Vec<u8>, Event),
    /// Another statement.
    Other(Vec<u8>, Event),
    /// Its victim executed nothing, and stays: a statement that does nothing does the same.
    Nothing,
}

/// What the state of a victim's copy means for a KILL.
#[derive(Debug, PartialEq, Eq)]
enum Aim {
    /// It is not where its victim was.
    NotYet,
    Now,
    /// A KILL QUERY of a victim that executed nothing.
    Nothing,
    /// The statement that was killed in production is over.
    Late,
}

impl DueKill {
    fn is_expired(&self, now: Time) -> bool {
        now >= self.since + WAIT_MAX
    }

    fn aim(&self, victim: &Copied, scope: KillScope, now: Time) -> Aim {
        let (reached, idle_since) = victim.state();
        if now < self.captured + READ_WITHIN || reached.waiting_since < self.stamp {
            return Aim::NotYet;
        }
        if reached.last > self.stamp {
            return Aim::Late;
        }
        let ran = self.stamp.since(reached.last);
        if idle_since == Time::NEVER {
            return if now < reached.taken_at + ran { Aim::NotYet } else { Aim::Now };
        }
        if idle_since.since(reached.taken_at) > ran || victim.interrupted() + READ_WITHIN >= self.captured {
            return Aim::Late;
        }
        match scope {
            KillScope::Connection => Aim::Now,
            KillScope::Query if now < self.captured + TOLD_WITHIN => Aim::NotYet,
            KillScope::Query => Aim::Nothing,
        }
    }
}

impl Commands<'_, '_> {
    /// A KILL in SQL, the only statement of `text`: what becomes of it. It is called again if the command waits, and changes
    /// nothing.
    pub(super) fn kill(&mut self, kill: &Kill<'_>, text: &[u8]) -> Result<KillAs, Stop> {
        match &kill.victim {
            Victim::Number { id, range } => Ok(match self.aim(*id, kill.scope)? {
                Some((id, event)) => KillAs::Naming(range.clone(), id.to_string().into_bytes(), event),
                None => KillAs::Nothing,
            }),
            // Not with a host: those that the server compares are the copies'.
            Victim::User(name) if !text.contains(&b'@') => self.kill_user(name.bytes(), kill.scope),
            // The client's own connection has the same number of its own there.
            Victim::Expression if is_own_id(text) => Ok(KillAs::Other(text.to_vec(), Event::KillMapped)),
            _ => Err(Stop::LeaveOut(LeftOut::Kill)),
        }
    }

    /// KILL USER (MariaDB): on the test server, the user may have connections that are no copies, or copies of another online
    /// server's. So the copies are killed by their ids, in one statement.
    fn kill_user(&mut self, name: &[u8], scope: KillScope) -> Result<KillAs, Stop> {
        let victims = self.cx.ids.copies_of_user(name);
        if victims.is_empty() || victims.len() > USER_MAX || !self.cx.dialect().is_mariadb {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        }
        let (mut killed, mut late, mut idle) = (Vec::new(), 0, 0);
        for victim in &victims {
            match self.aim_at(victim, scope) {
                Ok(Some((id, event))) => killed.push((id, event)),
                Ok(None) => idle += 1,
                Err(Stop::LeaveOut(LeftOut::KillLate)) => late += 1,
                // It is not connected.
                Err(Stop::LeaveOut(LeftOut::Kill)) => {}
                Err(stop) => return Err(stop),
            }
        }
        if killed.is_empty() {
            return match (late, idle) {
                (1.., _) => Err(Stop::LeaveOut(LeftOut::KillLate)),
                (_, 1..) => Ok(KillAs::Nothing),
                _ => Err(Stop::LeaveOut(LeftOut::Kill)),
            };
        }
        let is_late = late > 0 || killed.iter().any(|(_, event)| *event == Event::KilledLate);
        Ok(KillAs::Other(
            kill_all(&killed, scope),
            if is_late { Event::KilledLate } else { Event::KillMapped },
        ))
    }

    /// COM_PROCESS_KILL.
    pub(super) fn process_kill(&mut self, header: Header, payload: &[u8]) -> Taken {
        const LENGTH: usize = 5;
        let command = Command::PROCESS_KILL;
        if header.length != LENGTH {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        }
        let &[_, ref id @ ..] = payload.first_chunk::<LENGTH>().ok_or(Stop::Wait)?;
        self.kill_falls_due();
        // From now on its refusal is noticed, whatever else is waited for.
        let refusal = self.is_refused_online();
        if let Ok(true) = refusal {
            return Err(Stop::LeaveOut(LeftOut::RefusedOnline));
        }
        let Some((id, event)) = self.aim(u32::from_le_bytes(*id), KillScope::Connection)? else {
            return Err(Stop::LeaveOut(LeftOut::Kill));
        };
        refusal?;
        self.kill_is_sent(event);
        let [a, b, c, d] = id.to_le_bytes();
        Ok(self.rewrite(command, header, Request::Other, &[command.0, a, b, c, d], LENGTH))
    }

    /// A KILL is sent, or what replaces it. A statement that production has broken and that is over here makes a difference.
    pub(super) fn kill_is_sent(&mut self, event: Event) {
        self.cx.shared.counters.sessions.count(event);
        if event == Event::KilledLate {
            self.edits.actions().state_lost();
        }
    }

    /// The present command has a KILL. To be called before it waits for anything: the client's later turns may fall due meanwhile.
    pub(super) fn kill_falls_due(&mut self) {
        if self.cx.due_kill.is_none() {
            let Moment { now, captured, stamp, .. } = self.edits.actions().moment();
            self.cx.due_kill = Some(DueKill { stamp, captured, since: now });
        }
    }

    /// The test server's id of the connection to be killed, and what is counted; `None` if nothing is to be killed.
    fn aim(&mut self, online: u32, scope: KillScope) -> Result<Option<(u32, Event)>, Stop> {
        let Some(victim) = self.cx.ids.copy_of(online) else { return Err(Stop::LeaveOut(LeftOut::Kill)) };
        self.aim_at(&victim, scope)
    }

    fn aim_at(&mut self, victim: &Arc<Copied>, scope: KillScope) -> Result<Option<(u32, Event)>, Stop> {
        self.kill_falls_due();
        let Some(due) = self.cx.due_kill else { return Err(Stop::Wait) };
        let now = self.edits.actions().moment().now;
        let aim = if self.cx.ids.is_own(victim) { Aim::Now } else { due.aim(victim, scope, now) };
        match (aim, scope, victim.test_id()) {
            (Aim::NotYet, ..) if due.is_expired(now) => Err(Stop::LeaveOut(LeftOut::KillVictimBehind)),
            (Aim::NotYet, ..) => {
                self.edits.actions().call_again_at(now + LOOK_EVERY);
                Err(Stop::Wait)
            }
            (Aim::Nothing, ..) => Ok(None),
            (Aim::Late, KillScope::Query, _) => Err(Stop::LeaveOut(LeftOut::KillLate)),
            (Aim::Now | Aim::Late, _, None) => Err(Stop::LeaveOut(LeftOut::Kill)),
            (Aim::Late, KillScope::Connection, Some(id)) => Ok(Some((id, Event::KilledLate))),
            (Aim::Now, _, Some(id)) => Ok(Some((id, Event::KillMapped))),
        }
    }
}

/// One statement that kills these connections, whether or not they are all there.
fn kill_all(killed: &[(u32, Event)], scope: KillScope) -> Vec<u8> {
    let mut text = String::from("BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; ");
    let kill = match scope {
        KillScope::Connection => "KILL",
        KillScope::Query => "KILL QUERY",
    };
    for (id, _) in killed {
        let _ = write!(text, "{kill} {id}; ");
    }
    text.push_str("END");
    text.into_bytes()
}

/// The KILL is for `CONNECTION_ID()`.
fn is_own_id(text: &[u8]) -> bool {
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let text = words.collect::<Vec<_>>().join(&b' ').to_ascii_uppercase();
    matches!(
        &text[..],
        b"KILL CONNECTION_ID()" | b"KILL CONNECTION CONNECTION_ID()" | b"KILL QUERY CONNECTION_ID()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_names_itself() {
        assert!(is_own_id(b" kill  Connection_Id()"));
        assert!(is_own_id(b"KILL QUERY CONNECTION_ID()"));
        assert!(!is_own_id(b"KILL CONNECTION_ID() + 1"));
        assert!(!is_own_id(b"KILL @id"));
    }

    #[test]
    fn several_connections_are_killed_by_one_statement() {
        let killed = [(7, Event::KillMapped), (12, Event::KillMapped)];
        let text = kill_all(&killed, KillScope::Query);
        let expected = "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; \
                        KILL QUERY 7; KILL QUERY 12; END";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
