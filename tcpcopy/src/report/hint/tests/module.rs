//! Hints from the counters of protocol modules.

use super::*;

/// Both servers have sent these errors.
fn count_errors(run: &mut Run, online: u64, test: u64) {
    let errors =
        [("server_errors", &[("1146", test), ("1062", 3)][..]), ("online_errors", &[("1146", online)])];
    run.use_module("mysql", &errors);
}

fn lose(run: &mut Run, reason: DropReason) {
    run.ledger.sessions.incomplete.add(reason, 1);
}

#[test]
fn errors_that_only_the_test_server_makes_are_named() {
    check(
        Run::working,
        &[
            (
                |run| count_errors(run, 3, 1200),
                &[
                    "1 200 errors on the test server only, most often 1146 (no such table): 1 200 there, 3 on the online",
                ],
            ),
            (|run| count_errors(run, 600, 1200), &[]),
            (|run| count_errors(run, 0, 9), &[]),
            (|run| count_errors(run, 1200, 3), &[]),
            (
                |run| {
                    count_errors(run, 0, 1200);
                    run.ledger.packets.online_answers = 0;
                },
                &[],
            ),
            (
                |run| run.use_module("redis", &[("server_errors", &[("WRONGTYPE", 10)])]),
                &["redis: 10 errors on the test server only, most often WRONGTYPE: 10 there"],
            ),
        ],
    );
}

#[test]
fn a_refused_login_names_its_cause() {
    check(
        Run::working,
        &[
            (
                |run| {
                    run.use_module("mysql", &[("server_errors", &[("1045", 3)])]);
                    lose(run, DropReason::LoginFailed);
                },
                &["error 1045 (wrong password, or no such user): put the passwords"],
            ),
            (
                |run| {
                    run.use_module(
                        "mysql",
                        &[("server_errors", &[("1045", 3)]), ("left_out", &[("accounts", 2)])],
                    );
                    lose(run, DropReason::LoginFailed);
                },
                &[
                    "passwords may have been changed there since the copy began",
                    "accounts 2; account statements",
                ],
            ),
            (
                |run| {
                    run.use_module("mysql", &[("refused_connections", &[("1130", 3)])]);
                    lose(run, DropReason::Refused);
                },
                &["does not admit the addresses of some clients (error 1130)"],
            ),
            (
                |run| {
                    run.use_module("mysql", &[]);
                    lose(run, DropReason::LoginFailed);
                },
                &["create the users that it lacks (docs/MYSQL.md)"],
            ),
            (
                |run| {
                    run.use_module("redis", &[]);
                    lose(run, DropReason::LoginFailed);
                },
                &["create the users that it lacks (docs/REDIS.md)"],
            ),
        ],
    );
}

#[test]
fn a_protocol_that_logged_in_is_the_right_one() {
    check(
        Run::working,
        &[
            (|run| lose(run, DropReason::ModuleFailed), &["uses another protocol, set --protocol PORT=none"]),
            (
                |run| {
                    run.use_module("mysql", &[("logins", &[("refused_x", 3)])]);
                    lose(run, DropReason::ModuleFailed);
                },
                &["uses another protocol"],
            ),
            (
                |run| {
                    run.use_module("mysql", &[("logins", &[("accepted_mysql_native_password", 3)])]);
                    lose(run, DropReason::ModuleFailed);
                },
                &["a protocol module gave up some sessions: the log has the reason"],
            ),
        ],
    );
    let mut run = Run::working();
    run.use_module("mysql", &[("logins", &[("accepted_mysql_native_password", 3)])]);
    lose(&mut run, DropReason::ModuleFailed);
    assert!(!run.hints()[0].contains("another protocol"));
}

#[test]
fn what_was_not_sent_is_named_with_its_cure() {
    let unknown: &[(&str, u64)] = &[("kill", 1), ("unknown_statement", 7)];
    let mut run = Run::working();
    run.use_module("mysql", &[("left_out", unknown)]);
    let [hint] = &run.hints()[..] else { panic!("{:?}", run.hints()) };
    assert!(hint.starts_with("mysql: 8 commands were not sent: unknown_statement 7, kill 1; "), "{hint}");
    assert!(hint.contains("'[online.mysql]' and 'user = \"NAME\"'"), "{hint}");
    run.services[0].is_queried = true;
    assert_eq!(
        run.hints(),
        ["mysql: 8 commands were not sent: unknown_statement 7, kill 1; docs/MYSQL.md explains each kind"]
    );
    check(
        Run::working,
        &[
            (|run| run.use_module("mysql", &[("left_out", &[("accounts", 2)])]), &["with --copy-accounts"]),
            (
                |run| run.use_module("redis", &[("commands_left_out", &[("shutdown", 2)])]),
                &["redis: 2 commands were not sent: shutdown 2; docs/REDIS.md explains each kind"],
            ),
            (
                |run| {
                    let lost: &[(&str, u64)] = &[("transaction", 3), ("xa", 1)];
                    run.use_module("mysql", &[("state_lost", lost), ("left_out", &[("state_lost", 9)])]);
                    lose(run, DropReason::StateLost);
                },
                &[
                    "cannot be made again (transaction 3, xa 1); 9 commands that depend on it were not run (--on-lost",
                ],
            ),
            (
                |run| {
                    run.use_module("mysql", &[("left_out", &[("state_lost", 9)])]);
                    lose(run, DropReason::StateLost);
                },
                &[
                    "mysql: the online server does not tell all state of sessions that are older than tcpcopy; 9 commands",
                ],
            ),
        ],
    );
}
