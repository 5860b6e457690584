//! Logins that a test server refuses, and those within a session.

use module_kit::AnswerPayload;
use module_kit::FailureKind;
use tcpcopy_mysql::Settings;

use crate::support::*;

/// A public key of a server, of 1024 bits.
const KEY: &[u8] = b"-----BEGIN PUBLIC KEY-----\n\
MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDs4dLmoqYV4BOEsqNKrmRe0JZf\n\
WYlJlhHu9o9uqhpDAiMfaTz1xgv6T4jmR+Q/o3IAlm/oskuh3tRtJdgpxAPih0TV\n\
lgDosrGNmne7ovet+i3laC7x4Nry+qsODxlYlvWRTNwz5CAJiswM0ftW31UXaChB\n\
QtO8ce5ObWPfRNklIQIDAQAB\n\
-----END PUBLIC KEY-----\n";

#[test]
fn a_connection_that_is_refused_is_tried_again_with_the_same_login() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.answer(&early_error(1040, "Too many connections"));
    assert_eq!((run.driven.refused, run.driven.failure), (1, None));
    run.driven.connected();
    // MySQL accepts the connection, and refuses it after the login.
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x10\x04#08004Too many connections"));
    assert_eq!((run.driven.refused, run.driven.failure), (2, None));
    assert_eq!(run.driven.connected(), b"");
    run.greet(USUAL);
    assert_eq!(run.driven.client(&query("DO 1")), query("DO 1"));
    assert_eq!(run.count("refused_connections", "1040"), 2);
    assert_eq!(run.count("logins", "refused_mysql_native_password"), 0);
}

#[test]
fn who_the_client_is_can_be_learned_from_a_login_that_is_lost() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.answer(&early_error(1130, "Host is not allowed to connect"));
    assert_eq!(run.driven.refused, 1);
    run.driven.drop_client(&hello(USUAL));
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.greet(USUAL);
    assert_eq!(run.driven.held(), 0);
    assert_eq!(run.count("sessions", "joined_with_default_login"), 0);
    assert_eq!(run.count("commands", "query"), 1);
}

#[test]
fn a_login_that_is_refused_for_the_user_ends_the_session() {
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello(USUAL));
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&packet(2, b"\xff\x15\x04#28000Access denied"));
    assert!(run.driven.failure.is_some());
    assert_eq!((run.driven.refused, run.count("refused_connections", "1045")), (0, 0));
}

#[test]
fn a_change_of_user_waits_for_the_end_of_what_is_answered() {
    let mut run = Run::logged_in(USUAL, USUAL);
    run.driven.client(&query("SELECT a FROM long"));
    run.driven.answer(&packet(1, b"\x01"));
    let change = command(0x11, b"other\0\0\0");
    assert_eq!(run.driven.client(&change), command(0x0e, &[]), "a ping first");
    assert_eq!(run.driven.answer(&packet(9, b"\x03row")), b"");
    let sent = run.driven.answer(&[packet(10, b"\xfe\0\0\x02\0"), ok(1, 0)].concat());
    assert_eq!(sent.get(4), Some(&0x11), "{}", sent.escape_ascii());
    run.driven.answer(&ok(2, 0));
    assert_eq!((run.driven.failure, run.driven.held()), (None, 0));
    assert_eq!(run.count("logins", "without_password_mysql_native_password"), 2);
}

/// Good enough for a test server that does not look at it.
#[test]
fn without_a_password_the_captured_answer_is_passed_on() {
    let said = [
        &hello_of("stranger", USUAL)[4..][..32 + b"stranger\0".len()],
        b"\x04abcd",
        b"mysql_native_password\0",
    ];
    let mut run = Run::new(true);
    run.driven.connected();
    assert_eq!(run.driven.client(&packet(1, &said.concat())), b"");
    let sent = run.driven.answer(&greeting(USUAL));
    assert_eq!(sent.escape_ascii().to_string(), packet(1, &said.concat()).escape_ascii().to_string());
    run.driven.answer(&ok(2, 0));
    assert_eq!(run.count("logins", "without_password_mysql_native_password"), 1);
    assert_eq!((run.left_out(), run.driven.held()), (0, 0), "what is replaced is no loss");
}

#[test]
fn who_was_never_heard_logging_in_needs_a_default() {
    let mut run = Run::joined_with(&Settings { default: None, ..settings() });
    run.driven.connected();
    run.driven.client(&query("DO 1"));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.failure.map(|failure| failure.kind), Some(FailureKind::LoginFailed));
    let lines = lines_with("[mysql.default]");
    assert!(matches!(&lines[..], [line] if line.contains("--config")), "{lines:?}");
}

/// The answer to a ping, after the end of an earlier answer, in two segments.
#[test]
fn a_change_of_user_begins_wherever_the_answer_to_the_ping_is_cut() {
    let change = command(0x11, b"other\0\0\0");
    // Warnings of the command before.
    let pong = packet(1, &[0, 0, 0, 2, 0, 3, 0]);
    let rest = [&packet(9, b"\x03row")[..], &packet(10, b"\xfe\0\0\x02\0")[..], &pong].concat();
    for cut in rest.len() - pong.len()..rest.len() {
        let mut run = Run::logged_in(USUAL, USUAL);
        run.driven.client(&query("SELECT a FROM long"));
        run.driven.answer(&packet(1, b"\x01"));
        assert_eq!(run.driven.client(&change), command(0x0e, &[]));
        assert_eq!(run.driven.answer(&rest[..cut]), b"");
        assert_eq!(run.driven.mode(), AnswerPayload::All);
        assert_eq!(run.driven.answer(&rest[cut..]).get(4), Some(&0x11), "cut at {cut}");
        run.driven.answer(&ok(2, 0));
        assert_eq!(
            (run.driven.failure, run.driven.mode()),
            (None, AnswerPayload::Ends { head: 25, tail: 11 })
        );
    }
}

#[test]
fn a_change_of_user_may_take_another_method_and_what_follows_is_counted_on() {
    let nonce = b"01234567890123456789\0";
    let mut run = Run::logged_in(USUAL, USUAL);
    run.prepared("SELECT 1", 1, 0);
    let change = command(0x11, &[KNOWN.as_bytes(), b"\0\x04abcd\0\x21\0mysql_native_password\0"].concat());
    run.driven.client(&change);
    let sent = run.driven.answer(&ok(1, 0));
    assert_eq!(sent[..10], [&packet(0, &[0; 53])[..4], b"\x11known"].concat(), "{}", sent.escape_ascii());
    // Asked in its turn, the client answers with another packet, which is worthless.
    run.driven.client(&packet(2, b"the answer to another nonce"));
    let switch = |method: &str| packet(1, &[b"\xfe", method.as_bytes(), b"\0", &nonce[..]].concat());
    let answer = run.driven.answer(&switch("caching_sha2_password"));
    assert_eq!((answer.len(), answer[3]), (4 + 32, 2), "{}", answer.escape_ascii());
    assert_eq!(run.driven.answer(&packet(3, b"\x01\x04")), packet(4, b"\x02"), "the key is asked for");
    let encrypted = run.driven.answer(&packet(5, &[b"\x01", KEY].concat()));
    assert_eq!((encrypted.len(), encrypted[3]), (4 + 128, 6));
    let lines = lines_with("whoever answers in its place");
    assert!(matches!(&lines[..], [line] if line.contains("public_key under [mysql]")), "{lines:?}");
    assert_eq!(run.driven.answer(&ok(7, 0)), b"");
    assert_eq!((run.driven.failure, run.driven.held()), (None, 0));
    assert_eq!(run.count("logins", "accepted_caching_sha2_password"), 1);
    // The statements are gone, and the next has the number that it would have had.
    assert_eq!(run.driven.client(&execute(1)), b"");
    assert_eq!(run.count("left_out", "unknown_statement"), 1);
    let said = [prepare("SELECT 2"), execute(2), query("DO 1")].concat();
    assert_eq!(run.driven.client(&said), prepare("SELECT 2"));
    assert_eq!(run.driven.answer(&packet(9, b"not to be told")), [execute(2), query("DO 1")].concat());
    assert_eq!(run.count("sessions", "statement_id_assumed"), 1);
}

/// A file of this test alone.
fn key_file(name: &str, content: &[u8]) -> std::path::PathBuf {
    let path = std::env::temp_dir().join(format!("tcpcopy-mysql-{}-{name}", std::process::id()));
    std::fs::write(&path, content).unwrap();
    path
}

#[test]
fn a_key_that_is_known_is_not_asked_for() {
    let path = key_file("known.pem", KEY);
    let mut run = Run::with(&Settings { public_key: Some(path.clone()), ..settings() });
    std::fs::remove_file(path).unwrap();
    let nonce = b"01234567890123456789\0";
    for (method, full) in [("caching_sha2_password", true), ("sha256_password", false)] {
        run.again();
        run.driven.connected();
        run.driven.client(&hello_of(KNOWN, USUAL));
        run.driven.answer(&greeting(USUAL));
        let mut sent = run.driven.answer(&switch_to(method, nonce));
        if full {
            assert_eq!(sent.len(), 4 + 32);
            sent = run.driven.answer(&packet(4, b"\x01\x04"));
        }
        assert_eq!(sent.len(), 4 + 128, "{method}: {}", sent.escape_ascii());
        run.driven.answer(&ok(6, 0));
        assert_eq!(run.driven.failure, None);
    }
}

#[test]
fn a_file_that_holds_no_key_is_refused() {
    let private = b"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    let long = [KEY, &[b'\n'; 9000]].concat();
    for (content, part) in
        [(&b""[..], "no RSA"), (private, "no RSA"), (&long, "no RSA"), (&KEY[..100], "no RSA")]
    {
        let path = key_file("wrong.pem", content);
        let wrong = Settings { public_key: Some(path.clone()), ..Settings::default() };
        let error = tcpcopy_mysql::Mysql::new(&wrong).err().unwrap().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains(part) && error.contains(path.to_str().unwrap()), "{error}");
        let error = tcpcopy_mysql::Mysql::new(&wrong).err().unwrap().to_string();
        assert!(error.contains("No such file"), "{error}");
    }
}

#[test]
fn the_password_goes_in_the_clear_where_that_is_allowed() {
    for (allow_clear, sent) in [(true, packet(3, b"secret\0")), (false, Vec::new())] {
        let mut run = Run::with(&Settings { allow_clear, ..settings() });
        run.driven.connected();
        run.driven.client(&hello_of("clear", USUAL));
        run.driven.answer(&greeting(USUAL));
        assert_eq!(run.driven.answer(&switch_to("mysql_clear_password", b"")), sent);
        assert_eq!(run.driven.failure.is_none(), allow_clear);
    }
}

#[test]
fn a_user_may_have_another_password_at_a_database() {
    let mut run = Run::logged_in(USUAL, USUAL);
    for (database, method) in [("shop", "accepted"), ("other", "without_password")] {
        run.driven.client(&command(
            0x11,
            &[b"app\0\0", database.as_bytes(), b"\0\x21\0mysql_native_password\0"].concat(),
        ));
        let sent = run.driven.answer(&ok(1, 0));
        assert_eq!(sent.len() > 50, method == "accepted", "{}", sent.escape_ascii());
        run.driven.answer(&ok(2, 0));
        assert_eq!(run.driven.failure, None);
    }
    assert_eq!(run.count("logins", "accepted_mysql_native_password"), 1);
}

/// A request for another method, with a nonce after its name.
fn switch_to(method: &str, nonce: &[u8]) -> Vec<u8> {
    packet(2, &[b"\xfe", method.as_bytes(), b"\0", nonce].concat())
}

#[test]
fn methods_that_are_not_spoken_end_in_a_line_for_each_user() {
    let nonce = &b"01234567890123456789\0"[..];
    let old = || packet(2, b"\xfe");
    let second = || packet(2, b"\x02authentication_webauthn_client\0\x01");
    for (at, (answer, named, counted)) in [
        (switch_to("parsec", nonce), "asks user \"USER\" for parsec", "refused_other"),
        (switch_to("dialog", b"\x02Password: "), "for dialog", "refused_other"),
        (switch_to("auth_gssapi_client", b"\0"), "for auth_gssapi_client", "refused_other"),
        (switch_to("authentication_kerberos_client", b""), "kerberos", "refused_other"),
        (switch_to("mysql_old_password", nonce), "for mysql_old_password", "refused_other"),
        (old(), "for mysql_old_password", "refused_other"),
        (second(), "for authentication_webauthn_client as a second factor", "refused_other"),
        (switch_to("mysql_clear_password", b""), "set allow_clear = true", "refused_mysql_clear_password"),
        (switch_to(&"x".repeat(5000), nonce), "xxxx", "refused_other"),
    ]
    .into_iter()
    .enumerate()
    {
        let user = format!("method{at}");
        let mut run = Run::new(true);
        for times in 1..=2 {
            run.again();
            run.driven.connected();
            run.driven.client(&hello_of(&user, USUAL));
            run.driven.answer(&greeting(USUAL));
            assert_eq!(run.driven.answer(&answer), b"");
            assert_eq!(run.driven.failure.map(|failure| failure.kind), Some(FailureKind::LoginFailed));
            assert_eq!(run.count("logins", counted), times);
        }
        let lines = lines_with(&format!("\"{user}\""));
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(&named.replace("USER", &user)) && lines[0].len() < 300, "{lines:?}");
    }
}

#[test]
fn another_method_of_a_user_has_a_line_of_its_own() {
    let mut run = Run::new(true);
    for method in ["parsec", "dialog"] {
        run.again();
        run.driven.connected();
        run.driven.client(&hello_of("twice", USUAL));
        run.driven.answer(&greeting(USUAL));
        run.driven.answer(&switch_to(method, b"nonce"));
    }
    assert_eq!(lines_with("\"twice\"").len(), 2);
}

#[test]
fn sha256_password_wants_a_password_and_a_key() {
    let switch = switch_to("sha256_password", b"01234567890123456789\0");
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello_of(KNOWN, USUAL));
    run.driven.answer(&greeting(USUAL));
    assert_eq!(run.driven.answer(&switch), packet(3, b"\x01"), "the key is asked for");
    run.driven.answer(&packet(4, &[&b"\x01-----BEGIN PUBLIC KEY-----"[..], &[b'x'; 9000]].concat()));
    let lines = lines_with(&format!("\"{KNOWN}\""));
    assert!(matches!(&lines[..], [line] if line.contains("public key")), "{lines:?}");
    assert_eq!(run.count("logins", "refused_sha256_password"), 1);
    // Without a password it is answered as if there were none, and the server refuses.
    let mut run = Run::new(true);
    run.driven.connected();
    run.driven.client(&hello_of("nobody", USUAL));
    run.driven.answer(&greeting(USUAL));
    run.driven.answer(&switch);
    run.driven.answer(&packet(4, b"\xff\x15\x04#28000Access denied"));
    assert_eq!(run.count("logins", "refused_sha256_password"), 1);
    let lines = lines_with("\"nobody\"");
    assert!(matches!(&lines[..], [line] if line.contains("whose password is not known")), "{lines:?}");
}

#[test]
fn what_a_test_server_says_in_a_login_is_bounded_and_counted() {
    const LONG: usize = 60_000;
    let long = vec![b'x'; LONG];
    let mut run = Run::new(true);
    run.driven.connected();
    let before = run.memory();
    // Half a greeting is kept until the rest comes; what it names is not.
    let mut greeting = greeting(USUAL)[4..].to_vec();
    greeting.truncate(greeting.len() - b"mysql_native_password\0".len());
    let greeting = packet(0, &[&greeting, &long[..]].concat());
    run.driven.answer(&greeting[..LONG]);
    assert!(run.memory() >= before + LONG, "{}", run.memory());
    run.driven.answer(&greeting[LONG..]);
    assert!(run.memory() < before + 4096, "{}", run.memory());
    run.driven.client(&hello(USUAL));
    let switch = switch_to("mysql_native_password", &long);
    run.driven.answer(&switch[..LONG]);
    assert!(run.memory() >= before + LONG, "{}", run.memory());
    assert!(!run.driven.answer(&switch[LONG..]).is_empty());
    assert!(run.memory() < before + 4096, "{}", run.memory());
    // In one segment, with half of a packet after it.
    run.driven.answer(&packet(4, &long)[..LONG]);
    assert!(run.memory() >= before + LONG);
    assert_eq!(run.driven.failure, None);
}
