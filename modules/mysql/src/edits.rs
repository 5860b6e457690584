//! What becomes of a client's bytes, in order: neighbours of one fate make one action.

use module_kit::{Actions, Loss};

/// What becomes of bytes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// To the test server, as they are.
    Pass,
    /// Said in our own words.
    Replace,
    /// Lost.
    LeaveOut,
}

/// Fills [`Actions`].
pub(crate) struct Edits<'a> {
    actions: &'a mut Actions,
    last: (Fate, usize),
    taken: usize,
}

impl<'a> Edits<'a> {
    pub(crate) fn new(actions: &'a mut Actions) -> Self {
        Self { actions, last: (Fate::Pass, 0), taken: 0 }
    }

    pub(crate) fn take(&mut self, bytes: usize, fate: Fate) {
        if self.last.0 != fate {
            self.settle();
            self.last.0 = fate;
        }
        self.last.1 += bytes;
        self.taken += bytes;
    }

    /// Bytes whose fate was told.
    pub(crate) fn taken(&self) -> usize {
        self.taken
    }

    /// Bytes of our own come here.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.settle();
        self.actions.send(bytes);
    }

    /// For all else.
    pub(crate) fn actions(&mut self) -> &mut Actions {
        self.settle();
        self.actions
    }

    fn settle(&mut self) {
        let bytes = std::mem::take(&mut self.last.1);
        match self.last.0 {
            _ if bytes == 0 => {}
            Fate::Pass => self.actions.pass(bytes),
            Fate::Replace => self.actions.replace(bytes),
            Fate::LeaveOut => self.actions.leave_out(bytes, Loss::LeftOut),
        }
    }
}

impl Drop for Edits<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}
