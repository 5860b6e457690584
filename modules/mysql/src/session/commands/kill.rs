//! KILL, which names a connection: the test server gets its own id of the copy, once the copy is where its victim was
//! ([`module_kit::interrupts`]).

use std::fmt::Write;
use std::ops::Range;
use std::sync::Arc;

use module_kit::interrupts::{Aim, Due, Interrupting, LOOK_EVERY};

use super::cursor::{Commands, Stop, Taken};
use crate::answers::expected::Request;
use crate::counters::{Event, LeftOut};
use crate::session::connections::Copied;
use crate::sql::{Kill, KillScope, Victim};
use crate::wire::command::Command;
use crate::wire::packet::Header;

/// A KILL USER of more connections is left out.
const USER_MAX: usize = 1000;

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

/// KILLs of this session whose victims begin nothing else meanwhile: they would be hit in that.
#[derive(Debug, Default)]
pub(in crate::session) struct Kills {
    aimed: Vec<Interrupting>,
    sent: Vec<Interrupting>,
}

impl Kills {
    /// The command that is judged will be sent, unless it has to wait for something else.
    fn aimed(&mut self, kill: Interrupting) {
        self.aimed.push(kill);
    }

    fn sent(&mut self) {
        self.sent.append(&mut self.aimed);
    }

    /// The command that was judged waits, or has left.
    pub(in crate::session) fn judged(&mut self) {
        self.aimed.clear();
    }

    /// The test server has got all that was sent, or its connection is gone.
    pub(in crate::session) fn arrived(&mut self) {
        self.sent.clear();
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
        self.cx.kills.sent();
        if event == Event::KilledLate {
            self.edits.actions().state_lost();
        }
    }

    /// The present command has a KILL. To be called before it waits for anything: the client's later turns may fall due meanwhile.
    pub(super) fn kill_falls_due(&mut self) {
        if self.cx.due_kill.is_none() {
            self.cx.due_kill = Some(Due::now(self.edits.actions().moment()));
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
        let is_own = self.cx.ids.is_own(victim);
        let aim = if is_own { Aim::Now } else { due.aim(victim.victim(), now) };
        match (aim, scope) {
            (Aim::Behind, _) => return Err(Stop::LeaveOut(LeftOut::KillVictimBehind)),
            (Aim::NotYet, _) | (Aim::IdlePerhaps, KillScope::Query) => {
                self.edits.actions().call_again_at(now + LOOK_EVERY);
                return Err(Stop::Wait);
            }
            // It executed nothing, and stays.
            (Aim::Idle, KillScope::Query) => return Ok(None),
            (Aim::Late, KillScope::Query) => return Err(Stop::LeaveOut(LeftOut::KillLate)),
            (Aim::Now, _) | (_, KillScope::Connection) => {}
        }
        let Some(id) = victim.test_id() else { return Err(Stop::LeaveOut(LeftOut::Kill)) };
        if !is_own {
            self.cx.kills.aimed(Interrupting::new(Arc::clone(victim.victim())));
        }
        Ok(Some((id, if aim == Aim::Late { Event::KilledLate } else { Event::KillMapped })))
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
