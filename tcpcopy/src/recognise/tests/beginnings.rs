//! The first turn of each protocol.

use super::{Protocol, Resume, byte_by_byte, from_start, in_pieces, resumes};

/// A `ClientHello`'s first bytes, as OpenSSL sends it.
pub(super) const CLIENT_HELLO: &[u8] =
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x5a\x11\xd0\x9e\x30\xb1\x42\x4f\x9b\x21\x77\x01\xc4\x5d\xa0\x33";

/// The login of a MySQL client: flags, packet size, character set, 23 zeros, and so on.
pub(super) const MYSQL_LOGIN: &[u8] = b"\x55\x00\x00\x01\x85\xa6\xff\x01\x00\x00\x00\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\
\0\0\0\0app\0\x14\x8f\x11\x02\x91\x55\x0a\xbe\x71\x20\x3c\x44\xe1\x9a\x07\x65\x33\xd2\x1b\x40\x5eshop\0caching_sha2_password\0";

/// The same before TLS: 32 bytes, and no more.
pub(super) const MYSQL_SSL_REQUEST: &[u8] =
    b"\x20\x00\x00\x01\x85\xae\xff\x01\x00\x00\x00\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

pub(super) const POSTGRES_LOGIN: &[u8] =
    b"\x00\x00\x00\x29\x00\x03\x00\x00user\0app\0database\0shop\0app\0\0padding";

/// A query for example.org, with EDNS, as dig sends it.
pub(super) const DNS_QUERY: &[u8] =
    b"\x00\x28\xb2\x1f\x01\x20\x00\x01\x00\x00\x00\x00\x00\x01\x07example\x03org\x00\x00\x01\x00\x01\x00\x00\x29\x04\xd0\x00\x00\x00\x00\x00\x00";

/// `ApiVersions`, as librdkafka asks for them.
pub(super) const KAFKA_VERSIONS: &[u8] =
    b"\x00\x00\x00\x24\x00\x12\x00\x03\x00\x00\x00\x01\x00\x07rdkafka\x00\x0blibrdkafka\x062.3.0\x00";

/// `hello`, as an OP_QUERY that drivers begin with.
pub(super) const MONGO_HELLO: &[u8] =
    b"\x3a\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\xd4\x07\x00\x00\x00\x00\x00\x00admin.$cmd\0\x00\x00\x00\x00\xff\xff\xff\xff\x13\x00\x00\x00\x10hello\0\x01\x00\x00\x00\x00";

/// A GET of memcached's binary protocol.
pub(super) const MEMCACHED_GET: &[u8] =
    b"\x80\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00\x00key";

pub(super) const MQTT_CONNECT: &[u8] = b"\x10\x13\x00\x04MQTT\x04\x02\x00\x3c\x00\x07sensor1";

const ALL: &[(&[u8], Protocol, Resume)] = &[
    (b"GET /a?b=c HTTP/1.1\r\nHost: shop\r\nAccept: */*\r\n\r\n", Protocol::Http1, Resume::Yes),
    (b"POST /x HTTP/1.1\r\nHost: s\r\nContent-Length: 3\r\n\r\nabc", Protocol::Http1, Resume::Yes),
    (b"OPTIONS * HTTP/1.1\r\nHost: s\r\n\r\n", Protocol::Http1, Resume::Yes),
    (b"GET http://shop/a HTTP/1.0\r\n\r\n", Protocol::Http1, Resume::Yes),
    (b"VERSION-CONTROL /a HTTP/1.1\r\nHost: s\r\n\r\n", Protocol::Http1, Resume::Yes),
    (b"CONNECT shop:443 HTTP/1.1\r\nHost: shop:443\r\n\r\n", Protocol::Http1, Resume::Never),
    (
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x12\x04\x00\x00\x00\x00\x00\x00\x03\x00\x00\x00\x64\x00\x04\x00\xa0\x00\x00",
        Protocol::Http2,
        Resume::Never,
    ),
    (b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$5\r\nhello\r\n", Protocol::Redis, Resume::Yes),
    (b"*1\r\n$4\r\nPING\r\n", Protocol::Redis, Resume::Yes),
    (b"*2\r\n$5\r\nHELLO\r\n$1\r\n3\r\n", Protocol::Redis, Resume::Never),
    (b"PING\r\n", Protocol::Redis, Resume::Yes),
    (b"AUTH secret\r\n", Protocol::Redis, Resume::Never),
    (b"get key1 key2\r\n", Protocol::MemcachedText, Resume::Yes),
    (b"set key 0 0 5\r\nhello\r\n", Protocol::MemcachedText, Resume::Yes),
    (b"mg key v\r\n", Protocol::MemcachedText, Resume::Yes),
    (b"version\r\n", Protocol::MemcachedText, Resume::Yes),
    (MEMCACHED_GET, Protocol::MemcachedBinary, Resume::Yes),
    (
        b"\x80\x21\x00\x05\x00\x00\x00\x00\x00\x00\x00\x0c\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00PLAIN\0u\0pass",
        Protocol::MemcachedBinary,
        Resume::Never,
    ),
    (MQTT_CONNECT, Protocol::Mqtt, Resume::Never),
    (b"\x10\x10\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x02s1", Protocol::Mqtt, Resume::Never),
    (b"AMQP\x00\x00\x09\x01", Protocol::Amqp, Resume::Never),
    (b"AMQP\x03\x01\x00\x00", Protocol::Amqp, Resume::Never),
    (b"EHLO client.example\r\n", Protocol::Smtp, Resume::Never),
    (b"HELO client\r\n", Protocol::Smtp, Resume::Never),
    (b"a001 CAPABILITY\r\n", Protocol::Imap, Resume::Never),
    (b"A1 LOGIN user pass\r\n", Protocol::Imap, Resume::Never),
    (b"CAPA\r\n", Protocol::Pop3, Resume::Never),
    (b"USER anonymous\r\n", Protocol::Ftp, Resume::Never),
    (b"AUTH TLS\r\n", Protocol::Ftp, Resume::Never),
    (b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", Protocol::Ssh, Resume::Never),
    (CLIENT_HELLO, Protocol::Tls, Resume::Never),
    (POSTGRES_LOGIN, Protocol::Postgres, Resume::Never),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x2f", Protocol::Postgres, Resume::Never),
    (b"\x00\x00\x00\x08\x04\xd2\x16\x30", Protocol::Postgres, Resume::Never),
    (b"\x00\x00\x00\x10\x04\xd2\x16\x2e\x00\x00\x01\x02\x03\x04\x05\x06", Protocol::Postgres, Resume::Never),
    // Version 3.9999, which libpq tries.
    (b"\x00\x00\x00\x15\x00\x03\x27\x0fuser\0app\0\0xxx", Protocol::Postgres, Resume::Never),
    (MYSQL_LOGIN, Protocol::Mysql, Resume::Never),
    (MYSQL_SSL_REQUEST, Protocol::Mysql, Resume::Never),
    (KAFKA_VERSIONS, Protocol::Kafka, Resume::OnTrial),
    (MONGO_HELLO, Protocol::Mongo, Resume::Never),
    (DNS_QUERY, Protocol::Dns, Resume::Yes),
    (b"\x01\x02\x03\x04\x05\x06\x07\x08binary of one's own", Protocol::Unknown, Resume::OnTrial),
    (b"hello there, this is a line\n", Protocol::Unknown, Resume::OnTrial),
    (b"{\"id\":1,\"method\":\"mining.subscribe\"}\n", Protocol::Unknown, Resume::OnTrial),
    (b"GET of something else entirely\n", Protocol::Unknown, Resume::OnTrial),
    (b"5\r\n", Protocol::Unknown, Resume::OnTrial),
];

#[test]
fn each_is_recognised() {
    for (turn, protocol, resume) in ALL {
        let recogniser = from_start(&[turn]);
        assert_eq!(recogniser.protocol(), *protocol, "{}", turn.escape_ascii());
        assert_eq!(resumes(recogniser, turn), *resume, "{}", turn.escape_ascii());
    }
}

#[test]
fn wherever_it_is_cut() {
    for (turn, protocol, resume) in ALL {
        for recogniser in in_pieces(turn, true).chain([byte_by_byte(turn, true)]) {
            assert_eq!(recogniser.protocol(), *protocol, "{}", turn.escape_ascii());
            assert_eq!(resumes(recogniser, turn), *resume, "{}", turn.escape_ascii());
        }
    }
}

#[test]
fn the_start_can_always_begin_a_connection() {
    for (turn, ..) in ALL {
        assert_eq!(resumes(from_start(&[]), turn), Resume::Yes);
    }
}
