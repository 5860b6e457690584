//! Which of a client's messages a server's message answers. Source: postgresql.org, "Message Flow".

use std::collections::VecDeque;

/// What the server answers, of a client's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Parse.
    Parse,
    /// Bind.
    Bind,
    /// Close.
    Close,
    /// Describe of the statement with this name.
    DescribeStatement(Box<[u8]>),
    /// Describe of a portal.
    DescribePortal,
    /// Execute of the portal with this name.
    Execute(Box<[u8]>),
    /// Query, or a function call.
    Query,
    /// Sync.
    Sync,
}

/// The dialogue of a session behind its login. Messages have the number of a group, which does not fall.
#[derive(Debug, Default)]
pub struct Exchange {
    pending: VecDeque<(u64, Expected)>,
    /// The server skips what the client sends, up to a Sync.
    is_failed: bool,
}

impl Exchange {
    /// The client has sent this.
    pub fn sent(&mut self, group: u64, expected: Expected) {
        match expected {
            Expected::Sync => self.is_failed = false,
            // A simple query is no end of an error, but a server that skips does not see it.
            _ if self.is_failed => return,
            _ => {}
        }
        self.pending.push_back((group, expected));
    }

    /// What the server's next message answers.
    #[must_use]
    pub fn next(&self) -> Option<&(u64, Expected)> {
        self.pending.front()
    }

    /// Whether all that was sent up to this group is answered.
    #[must_use]
    pub fn is_answered(&self, group: u64) -> bool {
        self.pending.front().is_none_or(|(first, _)| *first > group)
    }

    /// The server has sent a message of this type.
    pub fn received(&mut self, kind: u8) {
        let Some((_, next)) = self.pending.front() else { return };
        let is_end = match (kind, next) {
            (b'1', Expected::Parse)
            | (b'2', Expected::Bind)
            | (b'3', Expected::Close)
            | (b'T' | b'n', Expected::DescribeStatement(_) | Expected::DescribePortal)
            | (b'C' | b'I' | b's', Expected::Execute(_)) => true,
            (b'G' | b'W', Expected::Execute(_)) => {
                self.drop_syncs();
                false
            }
            (b'E', Expected::Query) => false,
            (b'E', _) => {
                self.fail();
                false
            }
            (b'Z', _) => {
                self.ready();
                false
            }
            _ => false,
        };
        if is_end {
            self.pending.pop_front();
        }
    }

    /// A server that takes the data of a COPY ignores the Syncs that the client has sent before them.
    fn drop_syncs(&mut self) {
        self.pending.retain(|(_, expected)| *expected != Expected::Sync);
    }

    /// Up to the next Sync nothing is answered.
    fn fail(&mut self) {
        let end = self.pending.iter().position(|(_, expected)| *expected == Expected::Sync);
        self.is_failed = end.is_none();
        self.pending.drain(..end.unwrap_or(self.pending.len()));
    }

    /// Everything up to the first end of a sequence is answered, whatever came.
    fn ready(&mut self) {
        let is_end = |expected: &Expected| matches!(expected, Expected::Sync | Expected::Query);
        match self.pending.iter().position(|(_, expected)| is_end(expected)) {
            Some(end) => drop(self.pending.drain(..=end)),
            None => self.pending.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(messages: &[(u64, u8)]) -> Exchange {
        let mut exchange = Exchange::default();
        messages.iter().for_each(|(group, kind)| send(&mut exchange, *group, *kind));
        exchange
    }

    fn send(exchange: &mut Exchange, group: u64, kind: u8) {
        exchange.sent(
            group,
            match kind {
                b'P' => Expected::Parse,
                b'B' => Expected::Bind,
                b'C' => Expected::Close,
                b'D' => Expected::DescribeStatement(Box::default()),
                b'E' => Expected::Execute(Box::default()),
                b'Q' => Expected::Query,
                _ => Expected::Sync,
            },
        );
    }

    fn receive(exchange: &mut Exchange, kinds: &[u8]) -> Vec<bool> {
        kinds
            .iter()
            .map(|kind| {
                exchange.received(*kind);
                exchange.is_answered(1)
            })
            .collect()
    }

    #[test]
    fn each_group_ends_with_its_last_answer() {
        let mut exchange = sent(&[(1, b'P'), (1, b'B'), (1, b'D'), (1, b'E'), (1, b'S'), (2, b'Q')]);
        assert_eq!(
            receive(&mut exchange, b"12tTDDNC"),
            [false; 8],
            "rows and notices end nothing, nor does the last answer before ReadyForQuery"
        );
        assert_eq!(receive(&mut exchange, b"Z"), [true]);
        assert!(!exchange.is_answered(2));
        receive(&mut exchange, b"TDCTDCEZ");
        assert!(exchange.is_answered(2));
    }

    #[test]
    fn an_error_answers_everything_up_to_the_next_sync() {
        let mut exchange = sent(&[(1, b'P'), (1, b'B'), (1, b'E'), (1, b'S'), (2, b'B'), (2, b'S')]);
        assert_eq!(receive(&mut exchange, b"1EZ"), [false, false, true]);
        receive(&mut exchange, b"2Z");
        assert!(exchange.is_answered(2));
        // The Sync comes later.
        let mut exchange = sent(&[(1, b'P')]);
        assert_eq!(receive(&mut exchange, b"E"), [true]);
        send(&mut exchange, 2, b'B');
        assert!(exchange.is_answered(2), "it is skipped");
        send(&mut exchange, 3, b'S');
        assert!(!exchange.is_answered(3));
        receive(&mut exchange, b"Z");
        assert!(exchange.is_answered(3));
    }

    #[test]
    fn a_sync_before_the_data_of_a_copy_is_ignored() {
        let mut exchange = sent(&[(1, b'B'), (1, b'E'), (1, b'S')]);
        assert_eq!(receive(&mut exchange, b"2G"), [false, false]);
        send(&mut exchange, 2, b'S');
        assert_eq!(receive(&mut exchange, b"C"), [true]);
        receive(&mut exchange, b"Z");
        assert!(exchange.is_answered(2));
    }
}
