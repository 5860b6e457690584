//! Sends a session's statements.

use std::sync::atomic::Ordering::Relaxed;

use super::{Next, Player, SLOWER};
use crate::fingerprint::fingerprint;
use crate::recording::Micros;
use crate::recording::record::{Message, Outcome, Session};
use crate::report::Played;

/// What is to be known of a statement that was sent.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) number: u64,
    pub(super) at: Micros,
    pub(super) sent: Micros,
    /// No longer than this.
    pub(super) until: Micros,
    pub(super) is_cancelled: bool,
    pub(super) is_timed_out: bool,
    pub(super) played: Played,
    pub(super) recorded: Recorded,
}

#[derive(Debug)]
pub(super) enum Recorded {
    /// It is not compared.
    No,
    /// It comes later.
    Later,
    Answer(Vec<Outcome>),
}

/// A new connection of the session goes where this message takes it.
fn follow(session: &mut Session, message: &Message) {
    match message {
        Message::InitDb(database) => session.database = database.clone(),
        Message::ChangeUser { user, database, charset } => {
            session.user = user.clone();
            session.database = database.clone();
            if let Some(charset) = charset {
                session.settings.insert("charset".to_owned(), charset.to_string().as_str().into());
            }
        }
        _ => {}
    }
}

impl Player {
    /// Whether what the next statement waits for is there.
    pub(super) fn can_send(&mut self) -> bool {
        let (Some(Next::Statement { statement, .. }), Some(link)) = (&self.next, &self.link) else {
            return false;
        };
        let is_data = !statement.is_answered();
        if link.is_copying() && !is_data {
            self.end_copy();
            return false;
        }
        // The server answers nothing yet: waiting for it would be for ever.
        link.has_room_for(&statement.messages)
            && (is_data || !link.is_flushed() || link.in_flight().len() <= statement.ahead as usize)
    }

    /// The server wants data of a COPY that the recorded client did not have: it must not wait for them.
    pub(super) fn end_copy(&mut self) {
        if let Some(link) = &mut self.link
            && link.is_copying()
        {
            link.send(&[Message::CopyFail("sqlreplay: the recorded COPY failed at its start".into())], None);
        }
    }

    pub(super) fn send(&mut self) {
        let Some(Next::Statement { statement, is_compared, is_answered_later, .. }) = self.next.take() else {
            return;
        };
        let Some(link) = &mut self.link else { return };
        let shared = &self.round.shared;
        let now = shared.clock.now();
        let due = Micros(self.round.start.0 + shared.due(statement.at).0);
        let mut text = None;
        let has_failed = statement.answer.iter().any(|outcome| matches!(outcome, Outcome::Error(_)));
        for message in &statement.messages {
            self.prepared.sent(message);
            if !has_failed {
                follow(&mut self.session, message);
            }
            let known = self.names.of(message, |sql| fingerprint(&sql.0, shared.options.protocol).into());
            if text.is_none() || matches!(message, Message::Execute { .. }) {
                text = known.or(text);
            }
        }
        let executions = statement.executions() as u64;
        if !statement.is_answered() {
            link.send(&statement.messages, None);
            shared.done.fetch_add(executions, Relaxed);
            return;
        }
        self.statements += 1;
        let number = self.statements;
        if is_answered_later {
            self.awaited.push_back(is_compared.then_some(number));
        }
        let recorded = match (is_compared, is_answered_later) {
            (false, _) => Recorded::No,
            (true, true) => Recorded::Later,
            (true, false) => Recorded::Answer(statement.answer),
        };
        let limit = shared.options.timeout.as_micros() as u64;
        let limit = limit.max(SLOWER * statement.took.unwrap_or_default().0);
        let timed = shared.options.speed > 0.0;
        let sent = Sent {
            number,
            at: statement.at,
            sent: now,
            until: Micros(now.0 + limit),
            is_cancelled: false,
            is_timed_out: false,
            played: Played {
                fingerprint: text,
                executions,
                recorded: statement.took.filter(|_| is_compared),
                took: Micros(0),
                behind: timed.then(|| now.since(due)),
                lag: now.since(due.max(self.ready)),
                error: None,
            },
            recorded,
        };
        link.send(&statement.messages, Some(sent));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::recording::Bytes;

    #[test]
    fn a_session_is_connected_again_where_it_was() {
        let mut session = Session {
            session: 1,
            at: Micros(0),
            client: "c:1".to_owned(),
            user: "app".into(),
            database: "shop".into(),
            settings: BTreeMap::from([("charset".to_owned(), Bytes::from("45"))]),
            login: None,
            refused: None,
        };
        follow(&mut session, &Message::Query("SELECT 1".into()));
        follow(&mut session, &Message::InitDb("other".into()));
        assert_eq!((session.user.clone(), session.database.clone()), ("app".into(), "other".into()));
        let change = Message::ChangeUser { user: "b".into(), database: Bytes::default(), charset: Some(8) };
        follow(&mut session, &change);
        assert_eq!((session.user.clone(), session.database.clone()), ("b".into(), Bytes::default()));
        assert_eq!(session.settings["charset"], "8".into());
    }
}
