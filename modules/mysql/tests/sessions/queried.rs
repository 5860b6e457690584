//! Sessions that are older than the copy, of which the online server tells. The conversations with it were recorded with
//! real servers (`tests/live.rs`).

use module_kit::{Loss, OnlineService, Protocol};
use tcpcopy_mysql::{Mysql, OnlineServer, SecretSource, Settings};

use crate::recorded::{ENCRYPTED, unescape};
use crate::support::*;
use module_kit::testing::Driver;

const MARIADB: &str = include_str!("../questions/mariadb.txt");
const MARIADB_READING: &str = include_str!("../questions/mariadb-reading.txt");
const MYSQL: &str = include_str!("../questions/mysql.txt");
const MYSQL_BUSY: &str = include_str!("../questions/mysql-busy.txt");
const MYSQL_COLD: &str = include_str!("../questions/mysql-cold.txt");

/// What the client of the recordings has prepared, as statement 1.
const PREPARED: &str = "SELECT k FROM sbtest1 WHERE id = ?";

fn protocol() -> Mysql {
    keep_log();
    let secret = |text: &str| SecretSource::Plain(text.to_owned().into());
    let settings = Settings { users: [("app".to_owned(), secret("secret"))].into(), ..Settings::default() };
    let online = OnlineServer {
        address: None,
        user: "tcpcopy".to_owned(),
        password: Some(secret("of-tcpcopy")),
        public_key: None,
        timeout: None,
    };
    Mysql::new(&settings).unwrap().for_service(Some(&online), FLOW.server).unwrap()
}

/// The online server answers a question as it was recorded, in pieces of so many bytes. Returns its number.
fn ask(protocol: &Mysql, recording: &str, piece: usize) -> u64 {
    let query = protocol.query().unwrap();
    let question = query.questions().begin();
    let mut conversation = query.begin(question);
    let mut is_done = false;
    let mut to_send = Vec::new();
    for line in recording.lines() {
        let (what, rest) = line.split_once(' ').unwrap();
        let bytes = unescape(rest);
        match what {
            "sent" if bytes.len() == ENCRYPTED => assert_eq!(to_send.len(), ENCRYPTED),
            "sent" => assert_eq!(to_send.escape_ascii().to_string(), bytes.escape_ascii().to_string()),
            "answer" => {
                assert!(!is_done);
                to_send.clear();
                for part in bytes.chunks(piece) {
                    is_done = conversation.receive(part).unwrap();
                    to_send.extend(conversation.to_send());
                }
            }
            _ => {}
        }
    }
    assert!(is_done);
    query.questions().set_answered(question);
    question
}

/// A session that is joined, and of which the online server has told before its first turn.
struct Known {
    protocol: Mysql,
    driven: Driver,
    /// What the test server was told before the client's first command.
    said: Vec<String>,
}

impl Known {
    fn new(recording: &str) -> Self {
        let protocol = protocol();
        let question = ask(&protocol, recording, usize::MAX);
        let mut driven = Driver::new(protocol.module(&FLOW, false));
        driven.queried(question);
        Self { protocol, driven, said: Vec::new() }
    }

    /// The test server greets, accepts the login, and all that it is told, with this id for the statement. Returns what is
    /// sent at last.
    fn let_in(&mut self, id: u8) -> Vec<u8> {
        let login = self.driven.answer(&greeting(USUAL));
        assert!(login.windows(4).any(|it| it == b"app\0"), "{}", login.escape_ascii());
        let sent;
        (self.said, sent) = answer_all(&mut self.driven, id);
        sent
    }

    fn count(&self, group: &str, name: &str) -> u64 {
        count(&self.protocol, group, name)
    }
}

/// The test server accepts the login, and all that it is told before the client's first command. Returns what that is, and
/// what is sent then.
fn answer_all(driven: &mut Driver, id: u8) -> (Vec<String>, Vec<u8>) {
    let mut said = Vec::new();
    let mut sent = driven.answer(&ok(2, 0));
    while driven.held() > 0 {
        assert!(said.len() < 100 && driven.failure.is_none(), "it has no end: {said:?}");
        let is_prepare = sent.get(4) == Some(&0x16);
        said.push(sent.get(5..).unwrap_or_default().escape_ascii().to_string());
        let definition = [packet(2, b"a definition"), packet(3, b"\xfe\0\0\x02\0")].concat();
        sent = match is_prepare {
            true => driven.answer(&[prepared(id, 0, 1), definition].concat()),
            false => driven.answer(&ok(1, 0)),
        };
    }
    (said, sent)
}

fn count(protocol: &Mysql, group: &str, name: &str) -> u64 {
    let groups = protocol.report().groups;
    let counters = groups.into_iter().filter(|it| it.name == group).flat_map(|group| group.counters);
    counters.filter(|(it, _)| it == name).map(|(_, count)| count).sum()
}

/// An EXECUTE of the statement 1 with a number, which binds its type or refers to the one bound before.
fn execute_with(id: u8, types: &[u8], number: i32) -> Vec<u8> {
    let head = [id, 0, 0, 0, 0, 1, 0, 0, 0, 0];
    command(0x17, &[&head[..], types, &number.to_le_bytes()].concat())
}

const BOUND: &[u8] = &[1, LONG, 0];

#[test]
fn a_statement_that_was_prepared_before_is_executed() {
    for recording in [MARIADB, MYSQL, MYSQL_COLD] {
        let mut session = Known::new(recording);
        assert_eq!(session.driven.connected(), b"");
        assert_eq!(session.driven.client(&execute_with(1, &[0], 4711)), b"");
        assert_eq!(session.let_in(7), execute_with(7, BOUND, 4711));
        session.driven.answer(&ok(1, 0));
        assert_eq!(session.driven.client(&execute_with(1, &[0], 3)), execute_with(7, &[0], 3));
        session.driven.answer(&ok(1, 0));
        assert_eq!(session.count("sessions", "types_inferred"), 2);
        assert_eq!(session.count("sessions", "known_by_online_server"), 1);
        assert!(session.driven.fates.left_out.is_empty());
        // A new connection gets the statement and the types again.
        session.driven.connected();
        session.driven.client(&execute_with(1, &[0], 4));
        assert_eq!(session.let_in(9), execute_with(9, BOUND, 4));
    }
}

#[test]
fn the_test_server_is_told_all_that_the_online_server_tells() {
    for (recording, told) in [
        (MARIADB, &[][..]),
        (MYSQL, &["SET SESSION sql_mode = \\'ANSI_QUOTES\\'", "SET SESSION time_zone = \\'+03:00\\'"][..]),
    ] {
        let mut session = Known::new(recording);
        session.driven.connected();
        session.driven.client(&query("DO 1"));
        assert_eq!(session.let_in(7), query("DO 1"));
        let mut said = session.said.iter().map(String::as_str);
        let before: Vec<_> = said.by_ref().take_while(|it| *it != PREPARED).collect();
        assert_eq!(before, told);
        let mut after: Vec<_> = said.collect();
        let of_mysql = recording == MYSQL;
        let charset = ["client", "connection", "results"]
            .map(|of| format!("SET SESSION character_set_{of} = \\'latin1\\'"));
        assert_eq!(charset.iter().all(|it| after.contains(&&**it)), of_mysql, "{after:?}");
        after.retain(|it| !it.starts_with("SET SESSION"));
        after.sort_unstable();
        // MariaDB does not tell character sets.
        let (b, f) = match of_mysql {
            true => (
                "SET @`b` = _latin1 x\\'782779\\' COLLATE latin1_swedish_ci",
                "SET @`f` = _latin1 x\\'00ff\\' COLLATE latin1_swedish_ci",
            ),
            false => ("SET @`b` = _utf8mb4 x\\'782779\\'", "SET @`f` = x\\'00ff\\'"),
        };
        let variables = [
            "PREPARE `s` FROM \\'SELECT ?\\'",
            "SET @`a` = 1",
            b,
            "SET @`c` = 1.5",
            "SET @`d` = 1",
            "SET @`e` = NULL",
            f,
        ];
        assert_eq!(after, variables);
    }
}

/// MariaDB does not tell whether it is a transaction or a statement. One that is begun here would perhaps never end.
#[test]
fn a_transaction_that_may_be_that_of_a_statement_is_not_begun_here() {
    let mut session = Known::new(MARIADB_READING);
    session.driven.connected();
    // MariaDB has counted on from another connection.
    session.driven.client(&execute_with(3, &[0], 4711));
    assert_eq!(session.let_in(7), execute_with(7, BOUND, 4711));
    assert!(!session.said.contains(&"BEGIN".to_owned()), "{:?}", session.said);
    assert_eq!(session.count("state_lost", "transaction"), 0);
    session.driven.answer(&ok(1, 0));
    session.driven.client(&query("COMMIT"));
    assert_eq!(session.count("sessions", "transaction_start_missed"), 1, "its end shows it");
}

#[test]
fn state_that_cannot_be_told_is_lost() {
    let mut session = Known::new(MYSQL_BUSY);
    session.driven.connected();
    session.driven.client(&execute_with(1, &[0], 4711));
    assert_eq!(session.let_in(7), b"", "it is in a transaction");
    for kind in ["transaction", "user_lock", "temporary_table"] {
        assert_eq!(session.count("state_lost", kind), 1, "{kind}");
    }
    session.driven.client(&query("SELECT RELEASE_ALL_LOCKS()"));
    assert_eq!(session.driven.client(&query("COMMIT")), b"");
    assert!(session.driven.fates.left_out.iter().all(|(loss, _)| *loss == Loss::StateLost));
    assert_eq!(session.driven.client(&execute_with(1, &[0], 4711)), execute_with(7, BOUND, 4711));
}

#[test]
fn types_that_the_client_binds_itself_are_right() {
    let mut session = Known::new(MYSQL);
    session.driven.connected();
    session.driven.client(&execute_with(1, &[0], i32::from_le_bytes(*b"\x03abc")));
    assert_eq!(session.let_in(7), execute_with(7, &[1, TEXT_TYPE, 0], i32::from_le_bytes(*b"\x03abc")));
    session.driven.answer(&ok(1, 0));
    let bound = [1, LONG, 0x80];
    assert_eq!(session.driven.client(&execute_with(1, &bound, 5)), execute_with(7, &bound, 5));
    session.driven.answer(&ok(1, 0));
    let number = i32::from_le_bytes(*b"\x03abc");
    assert_eq!(session.driven.client(&execute_with(1, &[0], number)), execute_with(7, &[0], number));
    assert_eq!(session.count("sessions", "types_inferred"), 1);
}

/// The type of a text, as it is inferred.
const TEXT_TYPE: u8 = 0xFD;

#[test]
fn a_better_guess_replaces_one() {
    let mut session = Known::new(MYSQL);
    let number = i32::from_le_bytes(*b"\x03abc");
    session.driven.connected();
    session.driven.client(&execute_with(1, &[0], number));
    assert_eq!(session.let_in(7), execute_with(7, &[1, TEXT_TYPE, 0], number));
    session.driven.answer(&ok(1, 0));
    assert_eq!(session.driven.client(&execute_with(1, &[0], 4711)), execute_with(7, BOUND, 4711));
    session.driven.answer(&ok(1, 0));
    assert_eq!(session.driven.client(&execute_with(1, &[0], number)), execute_with(7, &[0], number));
}

#[test]
fn values_that_no_type_fits_are_left_out() {
    let mut session = Known::new(MYSQL);
    session.driven.connected();
    let head = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    session.driven.client(&command(0x17, &[&head[..], &[0xFF; 3]].concat()));
    assert_eq!(session.let_in(7), b"");
    assert_eq!(session.count("left_out", "unknown_types"), 1);
    assert_eq!(session.driven.held(), 0);
}

#[test]
fn until_the_online_server_has_told_commands_are_left_out() {
    let protocol = protocol();
    let mut driven = Driver::new(protocol.module(&FLOW, false));
    driven.connected();
    assert_eq!(driven.turn(&execute_with(1, &[0], 1)), b"");
    assert!(driven.is_ready(), "the next turn is due");
    driven.answer(&greeting(USUAL));
    driven.turn(&query("USE other"));
    assert!(driven.fates.left_out.iter().all(|(loss, _)| *loss == Loss::StateUnknown));
    assert_eq!(count(&protocol, "left_out", "unknown_state"), 2);
    driven.queried(ask(&protocol, MARIADB, 100));
    let login = driven.turn(&query("DO 1"));
    assert!(login.windows(4).any(|it| it == b"app\0"), "{}", login.escape_ascii());
    let (said, _) = answer_all(&mut driven, 7);
    // What the client has said itself is newer.
    assert_eq!(
        said.iter().rfind(|it| ["sbtest", "other"].contains(&&***it)),
        Some(&"other".to_owned()),
        "{said:?}"
    );
}

#[test]
fn a_server_that_does_not_answer_is_not_waited_for() {
    let protocol = protocol();
    let mut driven = Driver::new(protocol.module(&FLOW, false));
    driven.connected();
    driven.answer(&greeting(USUAL));
    driven.turn(&query("DO 1"));
    assert_eq!(driven.failure, None);
    let asked = protocol.query().unwrap();
    let refused = asked.begin(asked.questions().begin()).receive(&early_error(1040, "Too many connections"));
    assert!(refused.unwrap_err().contains("1040"));
    driven.turn(&query("DO 2"));
    // There is no default login.
    assert!(driven.failure.is_some());
    assert_eq!(lines_with("[online.mysql]").len(), 1);
}

#[test]
fn an_answer_is_of_one_session_and_not_of_the_next_on_its_address() {
    for from_start in [true, false] {
        let protocol = protocol();
        let question = ask(&protocol, MYSQL, usize::MAX);
        drop(Driver::new(protocol.module(&FLOW, from_start)));
        let mut driven = Driver::new(protocol.module(&FLOW, false));
        driven.queried(question);
        driven.connected();
        driven.turn(&query("DO 1"));
        assert_eq!(count(&protocol, "sessions", "known_by_online_server"), 0);
        assert_eq!(driven.fates.left_out.len(), 1);
    }
}

#[test]
fn a_refusal_says_how_to_grant_it_and_shows_no_password() {
    let greeted = greeting(USUAL);
    for (answer, part) in [
        (packet(2, b"\xff\x15\x04#28000Access denied for user 'tcpcopy'"), "CREATE USER"),
        (packet(2, b"\xfedialog\0nonce"), "dialog"),
        (packet(2, b"\xfemysql_clear_password\0"), "in the clear"),
        (packet(2, b"HTTP/1.1 400 Bad Request\r\n"), "does not answer as MySQL"),
    ] {
        let protocol = protocol();
        let query = protocol.query().unwrap();
        let mut conversation = query.begin(1);
        assert_eq!(conversation.receive(&greeted), Ok(false));
        let error = conversation.receive(&answer).unwrap_err();
        assert!(error.contains(part) && !error.contains("of-tcpcopy"), "{error}");
    }
    for (answer, part) in [
        (b"HTTP/1.1 400 Bad Request\r\n".to_vec(), "does not answer as MySQL"),
        (b"-ERR unknown command\r\n".to_vec(), "does not answer as MySQL"),
        (early_error(1130, "Host is not allowed"), "1130"),
    ] {
        let error = protocol().query().unwrap().begin(1).receive(&answer).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

/// Whatever comes, the thread that asks goes on.
#[test]
fn answers_that_are_cut_or_broken_are_no_panic() {
    for recording in [MARIADB, MYSQL] {
        for piece in [1, 2, 3, 5, 7, 11] {
            ask(&protocol(), recording, piece);
        }
        let answers: Vec<_> =
            recording.lines().filter_map(|line| line.strip_prefix("answer ")).map(unescape).collect();
        let total: usize = answers.iter().map(Vec::len).sum();
        for broken in (0..total).step_by(5) {
            let protocol = protocol();
            let mut conversation = protocol.query().unwrap().begin(1);
            let mut at = 0;
            for answer in &answers {
                let mut answer = answer.clone();
                if let Some(byte) = broken.checked_sub(at).and_then(|at| answer.get_mut(at)) {
                    *byte = byte.wrapping_add(0x55);
                }
                at += answer.len();
                if !matches!(conversation.receive(&answer), Ok(false)) {
                    break;
                }
            }
        }
    }
}

#[test]
fn texts_go_on_too() {
    for recording in [MARIADB, MYSQL] {
        let mut session = Known::new(recording);
        session.driven.connected();
        session.driven.turn(&query("SET @v0 = 1"));
        assert_eq!(session.let_in(7), query("SET @v0 = 1"));
        session.driven.answer(&ok(1, 0));
        for text in ["EXECUTE s USING @v0", "SELECT 1"] {
            assert_eq!(session.driven.turn(&query(text)), query(text));
            session.driven.answer(&ok(1, 0));
        }
        // Before it is known.
        let protocol = protocol();
        let mut driven = Driver::new(protocol.module(&FLOW, false));
        driven.connected();
        driven.answer(&greeting(USUAL));
        for _ in 0..30 {
            driven.turn(&query("SET @v0 = 1, @v1 = 'a text'"));
        }
        driven.queried(ask(&protocol, recording, 100));
        driven.turn(&query("SET @v0 = 1, @v1 = 'a text'"));
        let sent = driven.answer(&ok(2, 0));
        assert!(!sent.is_empty());
        assert_eq!(count(&protocol, "left_out", "out_of_step"), 0);
    }
}

#[test]
fn without_an_account_one_line_says_what_it_would_tell() {
    let mut run = Run::new(false);
    run.driven.connected();
    run.driven.client(&execute(1));
    run.greet(USUAL);
    run.driven.client(&execute(2));
    assert_eq!(run.count("left_out", "unknown_statement"), 2);
    assert_eq!(lines_with("in [online.mysql] of --config").len(), 1);
}

#[test]
fn what_cannot_be_inferred_is_not_tried_without_end() {
    let mut session = Known::new(MYSQL);
    session.driven.connected();
    let head = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0];
    let broken = command(0x17, &[&head[..], &[0xFF; 3]].concat());
    session.driven.client(&broken);
    session.let_in(7);
    for _ in 0..20 {
        assert_eq!(session.driven.client(&broken), b"");
    }
    assert_eq!(session.count("left_out", "unknown_types"), 21);
    assert_eq!(session.driven.client(&execute_with(1, &[0], 1)), b"", "it is given up");
    assert_eq!(session.driven.client(&execute_with(1, BOUND, 1)), execute_with(7, BOUND, 1));
}

/// A server tells the DOUBLE 1104.75 as 1105, and an empty text as NULL: `d` and `e` of the recordings.
#[test]
fn a_variable_whose_value_is_not_told_for_certain_is_not_read() {
    for recording in [MARIADB, MYSQL] {
        let mut session = Known::new(recording);
        session.driven.connected();
        assert_eq!(session.driven.turn(&query("EXECUTE s USING @d")), b"");
        let sent = session.let_in(7);
        assert_eq!(sent, b"", "it may be another value");
        assert_eq!(session.driven.turn(&query("INSERT INTO t VALUES (@e)")), b"");
        assert_eq!(session.count("left_out", "state_lost"), 2);
        assert_eq!(session.count("sessions", "variables_uncertain"), 1);
        for text in [
            "EXECUTE s USING @b",
            "SET @d = 1104.75e0",
            "EXECUTE s USING @d",
            "SELECT COUNT(*) INTO @e",
            "SELECT @e",
        ] {
            assert_eq!(session.driven.turn(&query(text)), query(text));
            session.driven.answer(&ok(1, 0));
        }
        assert_eq!(session.count("left_out", "state_lost"), 2);
    }
}

/// What the client sets again before it reads it is no loss.
#[test]
fn a_variable_that_is_set_again_before_it_is_read_makes_no_session_incomplete() {
    let mut session = Known::new(MARIADB);
    session.driven.connected();
    session.driven.turn(&query("SET @a = 1, @b = 2, @c = 3, @d = 4, @e = 5, @f = 6"));
    session.let_in(7);
    session.driven.answer(&ok(1, 0));
    assert_eq!(session.driven.turn(&query("EXECUTE s USING @d")), query("EXECUTE s USING @d"));
    assert!(session.driven.fates.left_out.is_empty());
    assert!(session.driven.states_lost == 0);
}

/// As for the test server: the password of the account is for whoever owns the key.
#[test]
fn a_key_that_the_online_server_sends_is_warned_of_once() {
    let warned = || lines_with("public_key under [online.mysql]").len();
    ask(&protocol(), MYSQL, usize::MAX);
    assert_eq!(warned(), 0, "no key was asked for");
    let protocol = protocol();
    ask(&protocol, MYSQL_COLD, usize::MAX);
    ask(&protocol, MYSQL_COLD, usize::MAX);
    assert_eq!(warned(), 1);
}
