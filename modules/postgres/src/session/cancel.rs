//! CancelRequest, which names a connection by the online server's key: the test server gets its own key of the copy, once
//! the copy is where its victim was ([`module_kit::interrupts`]).

use std::sync::Arc;

use module_kit::Loss;
use module_kit::edits::{Edits, Fate};
use module_kit::interrupts::{Aim, Due, Interrupting, LOOK_EVERY};
use postgres_wire::opening::Opening;

use super::Session;
use super::connections::BackendKey;
use crate::counters::{Event, LeftOut};

/// The CancelRequest of a session.
#[derive(Debug)]
pub(super) enum Cancel {
    /// It is due, and waits for its victim.
    Due(Due),
    /// It was sent.
    Sent(#[expect(dead_code, reason = "its end lets the victim go on")] Interrupting),
}

impl Session {
    /// A CancelRequest of `length` bytes. It is called again if that waits.
    pub(super) fn cancel(&mut self, pid: u32, key: &[u8], length: usize, edits: &mut Edits<'_>) {
        let moment = edits.actions().moment();
        let due = match self.cancel {
            Some(Cancel::Due(due)) => due,
            _ => Due::now(moment),
        };
        self.cancel = Some(Cancel::Due(due));
        let online = BackendKey { pid, key: key.to_vec() };
        let Some(victim) = self.identity.others().copy_of(&online) else {
            return self.leave_out_cancel(LeftOut::CancelUnknown, length, edits);
        };
        match (due.aim(victim.victim(), moment.now), victim.test()) {
            (Aim::Behind, _) => self.leave_out_cancel(LeftOut::CancelVictimBehind, length, edits),
            (Aim::NotYet | Aim::IdlePerhaps, _) => edits.actions().call_again_at(moment.now + LOOK_EVERY),
            (Aim::Idle, _) => {
                self.shared.counters.sessions.count(Event::CancelOfIdle);
                edits.take(length, Fate::Replace);
            }
            (Aim::Late, _) => self.leave_out_cancel(LeftOut::CancelLate, length, edits),
            (Aim::Now, None) => self.leave_out_cancel(LeftOut::CancelUnknown, length, edits),
            (Aim::Now, Some(test)) => {
                let mut message = Vec::new();
                Opening::Cancel { pid: test.pid, key: &test.key }.write(&mut message);
                edits.take(length, Fate::Replace);
                edits.send(&message);
                self.shared.counters.sessions.count(Event::CancelMapped);
                self.cancel = Some(Cancel::Sent(Interrupting::new(Arc::clone(victim.victim()))));
            }
        }
    }

    fn leave_out_cancel(&mut self, why: LeftOut, length: usize, edits: &mut Edits<'_>) {
        self.cancel = None;
        self.left_out(why);
        edits.take(length, Fate::LeaveOut(Loss::LeftOut));
    }
}
