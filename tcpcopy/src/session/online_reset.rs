//! The online server resets the client's connection.

use common_core::wire::{Flags, Segment};

use crate::ledger::DropReason;
use crate::session::client_stream::{StreamCx, Verdict};
use crate::session::{Context, Phase, Session};

impl Session {
    /// The reset belongs to this session's connection.
    pub(crate) fn is_reset_by(&self, reset: &Segment<'_>) -> bool {
        self.phase != Phase::Finished && self.client_stream.verdict(reset).is_some()
    }

    /// A reset of the online server was captured. What was rejected is not replayed; what was accepted before is, and then the
    /// copy ends as the original did.
    pub(crate) fn handle_online_reset(&mut self, cx: &mut Context<'_>, reset: &Segment<'_>) {
        match self.client_stream.verdict(reset) {
            Some(Verdict::Rejected) if !matches!(self.phase, Phase::Ignoring(_)) => {
                self.end_embryo(cx, DropReason::RejectedOnline);
            }
            Some(Verdict::Rejected | Verdict::Ended) => {
                if self.is_embryonic() && reset.flags.has(Flags::ACK) {
                    // Only an established connection is reset in this way.
                    self.establish(cx);
                }
                if let Phase::Ignoring(_) = self.phase {
                    return self.set_phase(cx, Phase::Finished);
                }
                let mut stream = StreamCx {
                    now: cx.now,
                    stamp: cx.stamp,
                    turn_queue: &mut self.turn_queue,
                    ledger: cx.ledger,
                };
                self.client_stream.end_by_reset(&mut stream, reset);
                self.advance(cx);
            }
            None => {}
        }
    }
}
