//! The client's bytes, cut into those that pass and those that do not.

use module_kit::{Actions, Loss};

/// What becomes of bytes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Pass,
    Replace,
    Out(Loss),
}

/// Fills a list of actions; bytes in a row with one fate are one action.
pub(crate) struct Cut<'a> {
    actions: &'a mut Actions,
    last: (Fate, usize),
}

impl<'a> Cut<'a> {
    pub(crate) fn new(actions: &'a mut Actions) -> Self {
        Self { actions, last: (Fate::Pass, 0) }
    }

    /// The next bytes of the client have this fate.
    #[inline]
    pub(crate) fn take(&mut self, bytes: usize, fate: Fate) {
        if self.last.0 != fate {
            self.settle();
            self.last.0 = fate;
        }
        self.last.1 += bytes;
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
            Fate::Out(loss) => self.actions.leave_out(bytes, loss),
        }
    }
}

impl Drop for Cut<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}
