//! Actions for the client's bytes, where many small decisions follow each other.

use crate::actions::{Actions, Loss};

/// What becomes of bytes of the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// They go to the test server unchanged.
    Pass,
    /// They are left out; the module sends the same in another form.
    Replace,
    /// They are lost.
    LeaveOut(Loss),
}

/// Fills [`Actions`]: neighbours with the same fate become one action.
#[derive(Debug)]
pub struct Edits<'a> {
    actions: &'a mut Actions,
    last: (Fate, usize),
    taken: usize,
}

impl<'a> Edits<'a> {
    /// Appends to `actions`.
    pub fn new(actions: &'a mut Actions) -> Self {
        Self { actions, last: (Fate::Pass, 0), taken: 0 }
    }

    /// Decides the fate of the next `bytes` bytes of the client.
    #[inline]
    pub fn take(&mut self, bytes: usize, fate: Fate) {
        if self.last.0 != fate {
            self.settle();
            self.last.0 = fate;
        }
        self.last.1 += bytes;
        self.taken += bytes;
    }

    /// The bytes whose fate is decided.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken
    }

    /// Sends bytes of the module at this place.
    pub fn send(&mut self, bytes: &[u8]) {
        self.actions().send(bytes);
    }

    /// The list, for every other action.
    pub fn actions(&mut self) -> &mut Actions {
        self.settle();
        self.actions
    }

    fn settle(&mut self) {
        let bytes = std::mem::take(&mut self.last.1);
        match self.last.0 {
            _ if bytes == 0 => {}
            Fate::Pass => self.actions.pass(bytes),
            Fate::Replace => self.actions.replace(bytes),
            Fate::LeaveOut(loss) => self.actions.leave_out(bytes, loss),
        }
    }
}

impl Drop for Edits<'_> {
    fn drop(&mut self) {
        self.settle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actions::Action;

    #[test]
    fn neighbours_with_one_fate_are_one_action() {
        let mut actions = Actions::new();
        let mut edits = Edits::new(&mut actions);
        edits.take(3, Fate::Pass);
        edits.take(4, Fate::Pass);
        edits.send(b"own");
        edits.take(5, Fate::Pass);
        edits.take(0, Fate::Replace);
        edits.take(1, Fate::LeaveOut(Loss::LeftOut));
        assert_eq!(edits.taken(), 13);
        drop(edits);
        assert_eq!(
            actions.list(),
            [Action::Pass(7), Action::Send(0..3), Action::Pass(5), Action::LeaveOut(1, Loss::LeftOut)]
        );
    }
}
