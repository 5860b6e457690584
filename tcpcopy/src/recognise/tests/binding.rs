//! Requests that bind a stream to its connection, and turns that only continue a request.

use super::beginnings::{
    CLIENT_HELLO, KAFKA_VERSIONS, MEMCACHED_GET, MYSQL_LOGIN, MYSQL_SSL_REQUEST, POSTGRES_LOGIN,
};
use super::{Protocol, Recogniser, Resume, byte_by_byte, from_start, joined, resumes};

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n";
const UPLOAD: &[u8] = b"PUT /a HTTP/1.1\r\nHost: shop\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n";
const WEBSOCKET: &[u8] =
    b"GET /chat HTTP/1.1\r\nHost: shop\r\nupgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n";
const FRAME: &[u8] = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";

#[test]
fn a_body_does_not_begin_a_connection() {
    let recogniser = from_start(&[GET, UPLOAD]);
    for body in
        [&b"some text"[..], b"{\"a\":1}", b"\x00\x01\x02", b"5\r\nhello\r\n", b"not /a request", b"\r\n"]
    {
        assert_eq!(resumes(recogniser, body), Resume::NotHere, "{}", body.escape_ascii());
    }
    let recogniser = from_start(&[GET, UPLOAD, b"some text"]);
    assert_eq!(resumes(recogniser, GET), Resume::Yes);
    assert_eq!(recogniser.protocol(), Protocol::Http1);
}

#[test]
fn what_looks_like_a_request_but_for_its_version() {
    let recogniser = from_start(&[GET]);
    for head in [
        &b"GET /a\r\n"[..],
        b"GET /a SHTTP/1.1\r\n",
        b"GET /a HTTP/2.0\r\n",
        b"GET a HTTP/1.1\r\n",
        b"GET  / HTTP/1.1\r\n",
    ] {
        assert_eq!(resumes(recogniser, head), Resume::NotHere, "{}", head.escape_ascii());
    }
    for head in [&b"G"[..], b"GET /half-of-a-lo", b"\r\nGET / HTTP/1.1\r\n", b"MKCOL /a HTTP/1.1\r\n"] {
        assert_eq!(resumes(recogniser, head), Resume::Yes, "{}", head.escape_ascii());
    }
}

#[test]
fn websocket_follows_an_upgrade() {
    let recogniser = from_start(&[WEBSOCKET]);
    assert_eq!(resumes(recogniser, FRAME), Resume::Never);
    for recogniser in
        [from_start(&[WEBSOCKET, FRAME]), from_start(&[GET, WEBSOCKET, FRAME, b"GET / HTTP/1.1\r\n\r\n"])]
    {
        assert_eq!(recogniser.protocol(), Protocol::WebSocket);
        assert_eq!(resumes(recogniser, GET), Resume::Never);
    }
    // A client that does not wait for the server's consent.
    assert_eq!(byte_by_byte(&[WEBSOCKET, FRAME].concat(), true).protocol(), Protocol::WebSocket);
}

#[test]
fn an_upgrade_that_was_not_accepted_binds_nothing() {
    let offer = b"GET / HTTP/1.1\r\nHost: s\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n";
    let recogniser = from_start(&[offer, GET, GET]);
    assert_eq!((recogniser.protocol(), resumes(recogniser, GET)), (Protocol::Http1, Resume::Yes));
    let recogniser =
        from_start(&[offer, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"]);
    assert_eq!((recogniser.protocol(), resumes(recogniser, GET)), (Protocol::Http2, Resume::Never));
}

#[test]
fn logins_that_belong_to_the_connection() {
    for header in
        ["Authorization: NTLM TlRMTVNTUAAB", "authorization:Negotiate YIIJ", "Proxy-Authorization: ntlm TlRM"]
    {
        let request = format!("GET / HTTP/1.1\r\nHost: s\r\n{header}\r\nAccept: */*\r\n\r\n");
        for recogniser in
            [from_start(&[GET, request.as_bytes(), GET]), byte_by_byte(request.as_bytes(), true)]
        {
            assert_eq!(resumes(recogniser, GET), Resume::Never, "{header}");
        }
        assert_eq!(resumes(joined(&[]), request.as_bytes()), Resume::Never);
    }
    for header in ["Authorization: Basic dTpw", "Authorization: Bearer NTLM", "X-Authorization: NTLM a"] {
        let request = format!("GET / HTTP/1.1\r\nHost: s\r\n{header}\r\n\r\n");
        assert_eq!(resumes(from_start(&[request.as_bytes()]), GET), Resume::Yes, "{header}");
    }
    // In a body it is none.
    let post =
        b"POST / HTTP/1.1\r\nContent-Length: 60\r\n\r\nGET / HTTP/1.1\r\nAuthorization: NTLM TlRM\r\n\r\n";
    assert_eq!(resumes(from_start(&[post]), GET), Resume::Yes);
    // In the second of two requests in one turn it is one.
    let two = [GET, b"GET / HTTP/1.1\r\nAuthorization: NTLM TlRM\r\n\r\n"].concat();
    assert_eq!(resumes(from_start(&[&two]), GET), Resume::Never);
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command += &format!("${}\r\n{word}\r\n", word.len());
    }
    command.into_bytes()
}

#[test]
fn redis_is_bound_by_some_commands() {
    let get = command(&["GET", "k"]);
    let set = command(&["SET", "a key that is longer than what is kept", "$4\r\nAUTH\r\n"]);
    for words in [
        &["AUTH", "secret"][..],
        &["hello", "3"],
        &["SELECT", "3"],
        &["MULTI"],
        &["SUBSCRIBE", "news"],
        &["PSUBSCRIBE", "n*"],
        &["WATCH", "k"],
        &["MONITOR"],
        &["READONLY"],
        &["RESET"],
        &["CLIENT", "REPLY", "OFF"],
        &["CLIENT", "TRACKING", "on"],
        &["PSYNC", "?", "-1"],
    ] {
        let pipeline = [get.clone(), set.clone(), command(words), get.clone()].concat();
        for recogniser in [from_start(&[&get, &pipeline]), byte_by_byte(&pipeline, true)] {
            assert_eq!(resumes(recogniser, &get), Resume::Never, "{words:?}");
        }
        let line = format!("PING\r\n{}\r\n", words.join(" "));
        assert_eq!(resumes(from_start(&[line.as_bytes()]), &get), Resume::Never, "{words:?}");
    }
    for words in [
        &["SELECT", "0"][..],
        &["CLIENT", "SETINFO", "LIB-NAME", "redis-py"],
        &["CLIENT", "ID"],
        &["EVAL", "return redis.call('SELECT', 3)", "0"],
        &["GET", "AUTH"],
        &["AUTHOR"],
        &["BLPOP", "queue", "0"],
    ] {
        let pipeline = [get.clone(), command(words), set.clone()].concat();
        for recogniser in [from_start(&[&get, &pipeline]), byte_by_byte(&pipeline, true)] {
            assert_eq!(resumes(recogniser, &get), Resume::Yes, "{words:?}");
        }
    }
}

#[test]
fn redis_goes_on_between_commands_only() {
    let get = command(&["GET", "k"]);
    let set = command(&["SET", "k", "a long value"]);
    for cut in 1..set.len() {
        let mut recogniser = from_start(&[&get, &set[..cut]]);
        assert_eq!(resumes(recogniser, &set[cut..]), Resume::NotHere);
        recogniser.see(&set[cut..], true);
        assert_eq!(resumes(recogniser, &get), Resume::Yes);
    }
    assert_eq!(resumes(from_start(&[&get, b"*2\r\n+GET\r\n"]), &get), Resume::Never);
    let mut recogniser = from_start(&[&get]);
    recogniser.missed();
    assert_eq!(resumes(recogniser, &get), Resume::Never);
}

#[test]
fn memcached() {
    let recogniser = from_start(&[b"get a\r\n"]);
    assert_eq!(resumes(recogniser, b"set a 0 0 1\r\nx\r\n"), Resume::Yes);
    assert_eq!(resumes(recogniser, b"rest of a value\r\n"), Resume::NotHere);
    assert_eq!(resumes(from_start(&[b"get a\r\n", b"watch fetchers\r\n"]), b"get a\r\n"), Resume::Never);

    let sasl: &[u8] = b"\x80\x21\0\x05\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\0\0\0\0\0PLAIN\0u\0p";
    let login = [MEMCACHED_GET, sasl].concat();
    for recogniser in [from_start(&[MEMCACHED_GET, &login]), byte_by_byte(&login, true)] {
        assert_eq!(resumes(recogniser, MEMCACHED_GET), Resume::Never);
    }
    for cut in 1..MEMCACHED_GET.len() {
        let recogniser = from_start(&[MEMCACHED_GET, &MEMCACHED_GET[..cut]]);
        assert_eq!(resumes(recogniser, &MEMCACHED_GET[cut..]), Resume::NotHere);
    }
}

#[test]
fn kafka_is_on_trial_until_it_logs_in() {
    let login: &[u8] = b"\0\0\0\x18\0\x11\0\x01\0\0\0\x02\0\x07rdkafka\0\x05PLAIN";
    let produce: &[u8] = b"\0\0\0\x16\0\0\0\x07\0\0\0\x03\0\x07rdkafka\xff\xff\0\x01\0";
    assert_eq!(resumes(from_start(&[KAFKA_VERSIONS, produce]), produce), Resume::OnTrial);
    for recogniser in [
        from_start(&[KAFKA_VERSIONS, login, produce]),
        byte_by_byte(&[KAFKA_VERSIONS, produce, login].concat(), true),
    ] {
        assert_eq!(resumes(recogniser, produce), Resume::Never);
    }
}

#[test]
fn tls_is_noticed_after_an_agreement() {
    let request: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x2f";
    let gss: &[u8] = b"\0\0\0\x08\x04\xd2\x16\x30";
    let mysql = [MYSQL_SSL_REQUEST, CLIENT_HELLO].concat();
    let is_tls = |turns: &[&[u8]]| {
        let recogniser = from_start(turns);
        (recogniser.protocol(), recogniser.is_tls())
    };
    assert_eq!(is_tls(&[CLIENT_HELLO]), (Protocol::Tls, true));
    assert_eq!(is_tls(&[request]), (Protocol::Postgres, false));
    assert_eq!(is_tls(&[request, CLIENT_HELLO]), (Protocol::Postgres, true));
    assert_eq!(is_tls(&[gss, request, CLIENT_HELLO]), (Protocol::Postgres, true));
    assert_eq!(is_tls(&[request, POSTGRES_LOGIN]), (Protocol::Postgres, false));
    assert_eq!(is_tls(&[POSTGRES_LOGIN, CLIENT_HELLO]), (Protocol::Postgres, false));
    assert_eq!(is_tls(&[&mysql]), (Protocol::Mysql, true));
    assert_eq!(is_tls(&[MYSQL_SSL_REQUEST, CLIENT_HELLO]), (Protocol::Mysql, true));
    assert_eq!(is_tls(&[MYSQL_LOGIN, CLIENT_HELLO]), (Protocol::Mysql, false));
    assert_eq!(is_tls(&[b"EHLO c\r\n", b"STARTTLS\r\n", CLIENT_HELLO]), (Protocol::Smtp, true));
    assert_eq!(is_tls(&[b"a STARTTLS\r\n", CLIENT_HELLO]), (Protocol::Imap, true));
    assert_eq!(is_tls(&[b"AUTH TLS\r\n", CLIENT_HELLO]), (Protocol::Ftp, true));
    assert_eq!(is_tls(&[b"EHLO c\r\n", b"MAIL FROM:<a@b>\r\n"]), (Protocol::Smtp, false));
    for whole in [mysql, [request, CLIENT_HELLO].concat()] {
        assert!(byte_by_byte(&whole, true).is_tls());
    }
}

#[test]
fn a_first_turn_too_short_to_tell_is_unknown() {
    let recogniser = from_start(&[b"\0\0"]);
    assert_eq!(resumes(recogniser, b"\0\0"), Resume::OnTrial);
    let mut recogniser: Recogniser = recogniser;
    recogniser.see(GET, true);
    assert_eq!((recogniser.protocol(), resumes(recogniser, GET)), (Protocol::Unknown, Resume::OnTrial));
}
