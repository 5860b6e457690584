//! What a session does when its time has come: cancels and time limits.

use std::sync::Arc;

use super::answered::error;
use super::{Next, Player};
use crate::recording::Micros;
use crate::replay::link::Link;
use crate::replay::login;

/// A server that does not even obey a cancel for so long is given up.
const CANCEL_PATIENCE: Micros = Micros(5_000_000);

impl Player {
    /// When something is to be done without a word from the server.
    pub(super) fn wake(&self) -> Option<Micros> {
        let in_flight = self.link.as_ref().map(Link::in_flight);
        let limit = in_flight.and_then(|all| all.front()).map(|group| group.with.until);
        let due = match &self.next {
            Some(Next::Statement { statement, .. }) => {
                Some(self.due(statement.at)).filter(|due| *due > self.now())
            }
            Some(Next::End(at, _)) => Some(self.due(*at)).filter(|due| *due > self.now()),
            None => None,
        };
        [limit, due, self.cancel_due()].into_iter().flatten().min()
    }

    /// When the next cancel is due: as long after its statement as in the recording.
    fn cancel_due(&self) -> Option<Micros> {
        let at = *self.cancels.front()?;
        let group = self.link.as_ref()?.in_flight().front()?;
        let speed = self.round.shared.options.speed.max(1.0);
        (group.with.at <= at)
            .then(|| Micros(group.with.sent.0 + (at.since(group.with.at).0 as f64 / speed) as u64))
    }

    /// A time has come.
    pub(super) fn woken(&mut self) {
        let now = self.now();
        if self.cancel_due().is_some_and(|due| due <= now) {
            self.cancels.pop_front();
            self.cancel();
        }
        let Some(link) = &mut self.link else { return };
        let Some(group) = link.in_flight_mut().front_mut() else { return };
        if group.with.until > now {
            return;
        }
        if group.with.is_timed_out {
            // It did not obey.
            self.broken(now, Some(error("57014", "it took too long, and did not obey a cancel")));
            return;
        }
        group.with.is_timed_out = true;
        group.with.until = Micros(now.0 + CANCEL_PATIENCE.0);
        self.cancel();
    }

    fn cancel(&mut self) {
        let Some(link) = &mut self.link else { return };
        if let Some(group) = link.in_flight_mut().front_mut() {
            group.with.is_cancelled = true;
        }
        if let Some(key) = link.key.clone() {
            self.round.shared.report().cancels += 1;
            tokio::spawn(login::cancel(Arc::clone(&self.round.shared), key));
        }
    }
}
