//! Data of a COPY, which the test server may not take although the online server does, and the other way round.

use module_kit::Loss;
use module_kit::edits::{Edits, Fate};
use postgres_wire::frontend::Frontend;

use super::Session;
use crate::counters::{Event, LeftOut};

/// Whether the test server takes data.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq)]
pub(super) enum Copy {
    None,
    /// It does, for a Query; if not, it has skipped every Sync since then.
    In {
        is_simple: bool,
    },
}

impl Session {
    /// Data of the client, or their end. None: the test server has not said yet whether it takes them.
    pub(super) fn copy_message(&mut self, kind: u8) -> Option<Fate> {
        match self.copy {
            Copy::In { .. } => {
                if kind != b'd' {
                    self.copy = Copy::None;
                }
                Some(Fate::Pass)
            }
            Copy::None if self.cycles.awaits_copy() => None,
            Copy::None => {
                if kind != b'd' {
                    self.left_out(LeftOut::CopyRefused);
                }
                Some(Fate::LeaveOut(Loss::LeftOut))
            }
        }
    }

    /// The client goes on with something else: the online server has taken no data, and the test server waits for them.
    pub(super) fn end_copy(&mut self, edits: &mut Edits<'_>) {
        let Copy::In { is_simple } = std::mem::replace(&mut self.copy, Copy::None) else { return };
        let mut message = Vec::new();
        Frontend::CopyFail(b"the online server has taken no data").write(&mut message);
        if !is_simple {
            // The client's own was skipped.
            Frontend::Sync.write(&mut message);
            self.cycles.close(false);
        }
        edits.send(&message);
        self.shared.counters.sessions.count(Event::CopyEnded);
    }
}
