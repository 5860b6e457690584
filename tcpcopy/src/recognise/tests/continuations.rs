//! Streams that were joined late.

use super::beginnings::{DNS_QUERY, KAFKA_VERSIONS, MEMCACHED_GET, MONGO_HELLO};
use super::{Protocol, Resume, byte_by_byte, in_pieces, joined, resumes};

const ALL: &[(&[u8], Protocol, Resume)] = &[
    (b"GET / HTTP/1.1\r\nHost: s\r\n\r\n", Protocol::Http1, Resume::Yes),
    (b"GET /events HTTP/1.1\r\nHost: s\r\nAccept: text/event-stream\r\n\r\n", Protocol::Http1, Resume::Yes),
    // HTTP/2: HEADERS, WINDOW_UPDATE, the acknowledgement of settings, PING, DATA of a gRPC call, RST_STREAM.
    (b"\x00\x00\x06\x01\x25\x00\x00\x00\x0d\x00\x00\x00\x00\x0f\x82", Protocol::Http2, Resume::Never),
    (b"\x00\x00\x04\x08\x00\x00\x00\x00\x00\x00\x00\x40\x00", Protocol::Http2, Resume::Never),
    (b"\x00\x00\x00\x04\x01\x00\x00\x00\x00", Protocol::Http2, Resume::Never),
    (b"\x00\x00\x08\x06\x00\x00\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08", Protocol::Http2, Resume::Never),
    (b"\x00\x00\x0a\x00\x01\x00\x00\x00\x03\x00\x00\x00\x00\x05\x0a\x03abc", Protocol::Http2, Resume::Never),
    (b"\x00\x00\x04\x03\x00\x00\x00\x00\x05\x00\x00\x00\x08", Protocol::Http2, Resume::Never),
    // WebSocket: a text, an empty ping, two frames, a long one, a compressed one.
    (b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", Protocol::WebSocket, Resume::Never),
    (b"\x89\x80\x37\xfa\x21\x3d", Protocol::WebSocket, Resume::Never),
    (b"\x81\x81\x37\xfa\x21\x3d\x55\x82\x82\x37\xfa\x21\x3d\x7f\x9f", Protocol::WebSocket, Resume::Never),
    (b"\xc1\x87\x11\x22\x33\x44\x01\x02\x03\x04\x05\x06\x07", Protocol::WebSocket, Resume::Never),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", Protocol::Redis, Resume::Never),
    (b"*1\r\n$4\r\nPING\r\n", Protocol::Redis, Resume::Never),
    (b"get key\r\n", Protocol::MemcachedText, Resume::Yes),
    (b"set key 0 0 1\r\nv\r\n", Protocol::MemcachedText, Resume::Yes),
    (MEMCACHED_GET, Protocol::MemcachedBinary, Resume::Never),
    // MQTT: PUBLISH, PINGREQ, SUBSCRIBE, PUBACK.
    (b"\x32\x0c\x00\x05a/b/c\x00\x01xyz", Protocol::Mqtt, Resume::Never),
    (b"\xc0\x00", Protocol::Mqtt, Resume::Never),
    (b"\x82\x08\x00\x01\x00\x03a/b\x00", Protocol::Mqtt, Resume::Never),
    (b"\x40\x02\x00\x01", Protocol::Mqtt, Resume::Never),
    // AMQP: basic.publish, a heartbeat; a transfer of 1.0.
    (
        b"\x01\x00\x01\x00\x00\x00\x0d\x00\x3c\x00\x28\x00\x00\x00\x03rpc\x00\x00\xce",
        Protocol::Amqp,
        Resume::Never,
    ),
    (b"\x08\x00\x00\x00\x00\x00\x00\xce", Protocol::Amqp, Resume::Never),
    (b"\x00\x00\x00\x20\x02\x00\x00\x00\x00\x53\x14\xc0\x0b\x05\x43\x52\x01\xa0\x01\x00", Protocol::Amqp, Resume::Never),
    (b"MAIL FROM:<a@example.org>\r\n", Protocol::Smtp, Resume::Never),
    (b"DATA\r\n", Protocol::Smtp, Resume::Never),
    (b"a7 NOOP\r\n", Protocol::Imap, Resume::Never),
    (b"42 UID FETCH 1:* (FLAGS)\r\n", Protocol::Imap, Resume::Never),
    (b"DONE\r\n", Protocol::Imap, Resume::Never),
    (b"UIDL\r\n", Protocol::Pop3, Resume::Never),
    (b"PASV\r\n", Protocol::Ftp, Resume::Never),
    (b"CWD /pub\r\n", Protocol::Ftp, Resume::Never),
    (b"\x17\x03\x03\x00\x29\x5a\x11\xd0\x9e\x30\xb1\x42\x4f\x9b\x21", Protocol::Tls, Resume::Never),
    // PostgreSQL: a query; parse, bind, describe, execute, sync.
    (b"Q\x00\x00\x00\x0dSELECT 1\0", Protocol::Postgres, Resume::Never),
    (b"B\x00\x00\x00\x0e\0s1\0\0\0\0\0\0\0E\0\0\0\x09\0\0\0\0\0S\0\0\0\x04", Protocol::Postgres, Resume::Never),
    // MySQL: a query, an execution, a ping.
    (b"\x09\x00\x00\x00\x03SELECT 1", Protocol::Mysql, Resume::Never),
    (b"\x0a\x00\x00\x00\x17\x01\x00\x00\x00\x00\x01\x00\x00\x00", Protocol::Mysql, Resume::Never),
    (b"\x01\x00\x00\x00\x0e", Protocol::Mysql, Resume::Never),
    (KAFKA_VERSIONS, Protocol::Kafka, Resume::OnTrial),
    (b"\x00\x00\x00\x1c\x00\x03\x00\x09\x00\x00\x00\x05\x00\x07rdkafka\x00\x00\x00\x00\x00\x00\x00", Protocol::Kafka, Resume::OnTrial),
    (MONGO_HELLO, Protocol::Mongo, Resume::Never),
    (
        b"\x2c\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\xdd\x07\x00\x00\x00\x00\x00\x00\x00\x17\x00\x00\x00\x10ping\0\x01\x00\x00\x00\x00\0\0\0",
        Protocol::Mongo,
        Resume::Never,
    ),
    (DNS_QUERY, Protocol::Dns, Resume::Yes),
    (b"\x01\x02\x03\x04\x05\x06\x07\x08binary of one's own", Protocol::Unknown, Resume::OnTrial),
    (b"a line of text\r\n", Protocol::Unknown, Resume::OnTrial),
    // SSH in mid-stream looks like nothing.
    (b"\x8e\x41\x17\xc3\x09\x5a\xd2\x66\x7b\x90\x1f\xee\x24\xb8\x73\x0c", Protocol::Unknown, Resume::OnTrial),
];

#[test]
fn each_is_recognised() {
    for (turn, protocol, resume) in ALL {
        let recogniser = joined(&[turn]);
        assert_eq!(recogniser.protocol(), *protocol, "{}", turn.escape_ascii());
        assert_eq!(resumes(recogniser, turn), *resume, "{}", turn.escape_ascii());
        assert_eq!(resumes(joined(&[]), turn), *resume, "{}", turn.escape_ascii());
    }
}

#[test]
fn wherever_it_is_cut() {
    for (turn, protocol, resume) in ALL {
        for recogniser in in_pieces(turn, false).chain([byte_by_byte(turn, false)]) {
            assert_eq!(recogniser.protocol(), *protocol, "{}", turn.escape_ascii());
            assert_eq!(resumes(recogniser, turn), *resume, "{}", turn.escape_ascii());
        }
    }
}

#[test]
fn a_later_turn_can_show_it() {
    for (turn, protocol, resume) in ALL {
        let recogniser = joined(&[b"the end of something", turn]);
        assert_eq!(recogniser.protocol(), *protocol, "{}", turn.escape_ascii());
        assert_eq!(resumes(recogniser, turn), *resume, "{}", turn.escape_ascii());
    }
    let many = [&b"the end of something"[..]; 9];
    assert_eq!(joined(&[&many[..], &[b"GET / HTTP/1.1\r\n\r\n"]].concat()).protocol(), Protocol::Unknown);
}

#[test]
fn a_joined_stream_is_known_to_be_tls() {
    assert!(joined(&[b"\x17\x03\x03\x00\x29\x5a\x11\xd0\x9e\x30\xb1\x42"]).is_tls());
    assert!(!joined(&[b"\x17\x03\x03\x90\x29\x5a\x11\xd0\x9e\x30\xb1\x42"]).is_tls());
}

#[test]
fn a_turn_of_which_only_the_head_is_known() {
    let long = [&b"\x81\xfe\x04\x00\x37\xfa\x21\x3d"[..], &[0x5a; 1024]].concat();
    let mut recogniser = joined(&[]);
    assert_eq!(recogniser.resume_at(&long[..256], long.len()), Resume::Never);
    assert_eq!(recogniser.protocol(), Protocol::WebSocket);
    // Of another length it is none.
    assert_eq!(joined(&[]).resume_at(&long[..256], long.len() + 1), Resume::OnTrial);
}
