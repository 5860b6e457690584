//! The online server's side: optional traits for protocols that must know what the online server answered.

use std::sync::Arc;

use common_core::payload_prefix::PayloadPrefix;

use crate::actions::Actions;
use crate::online_query::OnlineQuery;

/// What the modules of a [`Protocol`](crate::Protocol) need of the online server. All are asked for once, at the start, and
/// must not change.
pub trait OnlineService {
    /// The beginnings of those segments of the online server that modules need. Of each segment a few hundred bytes are
    /// captured.
    fn answers(&self) -> &'static [PayloadPrefix];

    /// Those of [`Self::answers`] whose segments are captured whole: few, because a long one costs a system call.
    fn whole_answers(&self) -> &'static [PayloadPrefix] {
        &[]
    }

    /// How to query the online server about connections that are older than the copy; `None` if it is not queried.
    fn query(&self) -> Option<Arc<dyn OnlineQuery>> {
        None
    }
}

/// The part of a [`Module`](crate::Module) that observes the online server.
pub trait OnlineObserver {
    /// The next bytes of the online server's answers, in order; [`Missing::OnlineServer`](crate::Missing::OnlineServer)
    /// reports bytes that are missing before them. Everything that the client had acknowledged when it began a turn comes
    /// before that turn is due, and nothing that came later: these bytes answer only what was due before, held or not.
    ///
    /// Called also while there is no connection to the test server.
    fn answer(&mut self, bytes: &[u8], actions: &mut Actions);

    /// The online server was queried: what `client` offers from here on was sent after the online server had answered the
    /// question of this number. Called before a turn, once for each answer.
    fn queried(&mut self, question: u64) {
        let _ = question;
    }

    /// Whether the bytes that the module holds wait for the online server's answer to them. That answer is then handed over
    /// although bytes are due.
    fn is_awaited(&self) -> bool {
        false
    }
}
