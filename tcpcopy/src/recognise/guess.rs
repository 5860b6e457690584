//! Guesses the protocol of a turn. The tests are tried in order, the most specific first.

use super::head::{Head, Match, begins_with_one_of};
use super::protocol::Protocol;
use super::{databases, dns, http, http2, memcached, messaging, redis, text, tls};

/// The result of a guess.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guess {
    Is(Protocol),
    /// More bytes are needed.
    Later,
    None,
}

type Test = fn(&Head<'_>) -> Match;

/// Tests of a stream's first bytes.
const BEGINNINGS: &[(Protocol, Test)] = &[
    (Protocol::Http2, http2::begins),
    (Protocol::Ssh, text::ssh),
    (Protocol::Amqp, messaging::amqp_begins),
    (Protocol::Http1, |head| http::request_line(head.bytes)),
    (Protocol::Redis, redis::is_command),
    (Protocol::MemcachedText, memcached::is_command),
    (Protocol::Tls, tls::begins),
    (Protocol::Mqtt, messaging::mqtt_begins),
    (Protocol::Postgres, databases::postgres_begins),
    (Protocol::Mysql, databases::mysql_begins),
    (Protocol::Mongo, databases::mongo),
    (Protocol::Dns, dns::query),
    (Protocol::MemcachedBinary, memcached::is_binary),
    (Protocol::Kafka, messaging::kafka),
    (Protocol::Imap, text::imap),
    (Protocol::Redis, redis::is_inline),
];

/// Tests of the first bytes of a later turn. The turn may still be the first of its stream.
const CONTINUATIONS: &[(Protocol, Test)] = &[
    (Protocol::Http2, http2::begins),
    (Protocol::Ssh, text::ssh),
    (Protocol::Amqp, messaging::amqp_begins),
    (Protocol::Http1, |head| http::request_line(head.bytes)),
    (Protocol::Redis, redis::is_command),
    (Protocol::MemcachedText, memcached::is_command),
    (Protocol::Tls, tls::record),
    (Protocol::Mqtt, messaging::mqtt_begins),
    (Protocol::Postgres, databases::postgres_begins),
    (Protocol::MemcachedBinary, memcached::is_binary),
    (Protocol::Dns, dns::query),
    (Protocol::Http2, http2::continues),
    (Protocol::Mqtt, messaging::mqtt_continues),
    (Protocol::Mongo, databases::mongo),
    (Protocol::Mysql, databases::mysql_begins),
    (Protocol::Mysql, databases::mysql_continues),
    (Protocol::Amqp, messaging::amqp_continues),
    (Protocol::Postgres, databases::postgres_continues),
    (Protocol::Kafka, messaging::kafka),
    (Protocol::WebSocket, http2::is_websocket),
    (Protocol::Imap, text::imap_later),
    (Protocol::Redis, redis::is_inline),
];

/// `ended`: no more bytes of the turn will be known.
pub(super) fn guess(head: &Head<'_>, from_start: bool, ended: bool) -> Guess {
    let words = if from_start { text::BEGINNINGS } else { text::LATER };
    let tests = if from_start { BEGINNINGS } else { CONTINUATIONS };
    let words = words.iter().map(|(protocol, words)| (*protocol, begins_with_one_of(head.bytes, words)));
    let tests = tests.iter().map(|(protocol, test)| (*protocol, test(head)));
    for (protocol, found) in words.chain(tests) {
        match found {
            Match::Yes => return Guess::Is(protocol),
            Match::SoFar if !ended => return Guess::Later,
            Match::SoFar | Match::No => {}
        }
    }
    Guess::None
}
