//! What becomes of a client's bytes, in order: neighbours with one verdict make one action.

use module_kit::{Actions, Loss};

use crate::wire::packet::write_packet;

/// What becomes of bytes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// They go to the test server as they are.
    Pass,
    /// The module sends its own bytes instead.
    Replace,
    /// They are lost.
    LeaveOut,
}

/// Fills [`Actions`].
pub(crate) struct Edits<'a> {
    actions: &'a mut Actions,
    /// The client's bytes, where the engine has them only in compressed form: what passes is sent, and the caller replaces
    /// the compressed bytes.
    inflated: Option<&'a [u8]>,
    last: (Verdict, usize),
    taken: usize,
    has_sent: bool,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(actions: &'a mut Actions) -> Self {
        Self { actions, inflated: None, last: (Verdict::Pass, 0), taken: 0, has_sent: false }
    }

    pub(crate) fn of_inflated(inflated: &'a [u8], actions: &'a mut Actions) -> Self {
        let mut edits = Self::new(actions);
        edits.inflated = Some(inflated);
        edits
    }

    pub(crate) fn take(&mut self, bytes: usize, verdict: Verdict) {
        if self.last.0 != verdict {
            self.settle();
            self.last.0 = verdict;
        }
        self.last.1 += bytes;
        self.taken += bytes;
    }

    /// Bytes that have a verdict.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Sends the module's own bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.settle();
        self.actions.send(bytes);
        self.has_sent = true;
    }

    /// For other actions.
    pub(crate) fn actions(&mut self) -> &mut Actions {
        self.settle();
        self.actions
    }

    /// Whether anything goes to the test server.
    pub(crate) fn finish(mut self) -> bool {
        self.settle();
        self.has_sent
    }

    fn settle(&mut self) {
        let bytes = std::mem::take(&mut self.last.1);
        match (self.last.0, self.inflated) {
            _ if bytes == 0 => {}
            (Verdict::Pass, Some(inflated)) => {
                self.actions.send(&inflated[self.taken - bytes..self.taken]);
                self.has_sent = true;
            }
            (_, Some(_)) => {}
            (Verdict::Pass, None) => self.actions.pass(bytes),
            (Verdict::Replace, None) => self.actions.replace(bytes),
            (Verdict::LeaveOut, None) => self.actions.leave_out(bytes, Loss::LeftOut),
        }
    }
}

impl Drop for Edits<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

/// Sends a packet of the module's own.
pub(super) fn send_packet(sequence: u8, payload: &[u8], actions: &mut Actions) {
    let mut packet = Vec::with_capacity(payload.len() + 4);
    write_packet(sequence, payload, &mut packet);
    actions.send(&packet);
}
