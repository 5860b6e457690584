//! KILL in one session, and its victim in another: the copy of the victim may not be where the victim was.

use std::time::Duration;

use module_kit::Protocol;
use module_kit::testing::Driver;
use tcpcopy_mysql::Mysql;

use crate::support::*;

/// The ids of the victim and the killer, in production and on the test server.
const VICTIM: (u8, u8) = (7, 42);
const KILLER: (u8, u8) = (8, 43);

/// CLIENT_MYSQL, which MariaDB does not claim.
const MARIADB: u32 = USUAL & !1;

const INTERRUPTED: u16 = 1317;

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct Pair {
    protocol: Mysql,
    victim: Driver,
    killer: Driver,
}

impl Pair {
    /// Both are logged in, with equal clocks.
    fn new() -> Self {
        let protocol = Mysql::new(&settings()).unwrap();
        let victim = logged_in(&protocol, VICTIM);
        let killer = logged_in(&protocol, KILLER);
        let mut pair = Self { protocol, victim, killer };
        pair.pass(1000);
        pair
    }

    /// Time passes; returns what the killer sends.
    fn pass(&mut self, time: u64) -> Vec<u8> {
        let mut sent = Vec::new();
        for _ in 0..time {
            self.victim.pass_time(millis(1));
            sent.extend(self.killer.pass_time(millis(1)));
        }
        sent
    }

    /// The victim's client says something, which goes to the test server.
    fn victim_says(&mut self, text: &str) {
        assert_eq!(self.victim.turn(&query(text)), query(text));
    }

    /// How often this was counted, of the bytes left out and of the others.
    fn count(&self, name: &str) -> (u64, u64) {
        let of = |group: &str| {
            let groups = self.protocol.report().groups;
            let counters = groups.into_iter().filter(|it| it.name == group).flat_map(|group| group.counters);
            counters.filter(|(it, _)| it == name).map(|(_, count)| count).sum()
        };
        (of("left_out"), of("sessions"))
    }

    fn killer_is_whole(&self) -> bool {
        left_out(&self.killer) == 0 && self.killer.held() == 0
    }
}

fn logged_in(protocol: &Mysql, (online, test): (u8, u8)) -> Driver {
    let mut driven = Driver::new(protocol.module(&FLOW, true));
    driven.online(0, &greeting_of(online, MARIADB));
    driven.connected();
    driven.turn(&hello(MARIADB));
    driven.online(0, &ok(2, 0));
    driven.answer(&greeting_of(test, MARIADB));
    driven.answer(&ok(2, 0));
    assert!(driven.is_ready());
    driven
}

#[test]
fn a_statement_is_killed_where_it_was() {
    for (said, sent) in [
        (query("KILL QUERY 7"), query("KILL QUERY 42")),
        (query("KILL 7"), query("KILL 42")),
        (query("SELECT 1; KILL 7; SELECT 2"), query("SELECT 1; KILL 42; SELECT 2")),
        (query("/*!50000 KILL */ CONNECTION 7"), query("/*!50000 KILL */ CONNECTION 42")),
        (command(0x0C, &[7, 0, 0, 0]), command(0x0C, &[42, 0, 0, 0])),
    ] {
        let mut pair = Pair::new();
        pair.victim_says("UPDATE t SET a = a + 1");
        pair.pass(1000);
        assert_eq!(pair.killer.turn(&said), b"");
        assert_eq!(pair.pass(249), b"", "production may have refused it");
        assert_eq!(pair.pass(1), sent);
        assert_eq!(pair.count("kill_mapped"), (0, 1));
        assert!(pair.killer_is_whole());
    }
}

#[test]
fn a_victim_that_is_behind_is_waited_for() {
    for said in ["KILL QUERY 7", "KILL 7"] {
        let mut pair = Pair::new();
        // Production has answered this, the test server has not.
        pair.victim_says("INSERT INTO t SELECT * FROM u");
        pair.pass(10);
        pair.victim.turn_captured(&query("UPDATE t SET a = a + 1"));
        pair.pass(400);
        assert_eq!(pair.killer.turn(&query(said)), b"");
        assert_eq!(pair.pass(3000), b"", "the statement before would be hit");
        assert_eq!(pair.victim.answer(&ok(1, 0)), query("UPDATE t SET a = a + 1"));
        assert_eq!(pair.pass(399), b"");
        assert_eq!(pair.pass(2), query(&said.replace('7', "42")), "after as much time as in production");
        assert!(pair.killer_is_whole());
    }
}

/// The engine lets a turn go when an answer takes very long, or has as many bytes as in production.
#[test]
fn a_statement_that_waits_in_the_test_server_is_not_under_way() {
    for said in ["KILL QUERY 7", "KILL 7"] {
        let mut pair = Pair::new();
        pair.victim_says("INSERT INTO t SELECT * FROM u");
        pair.pass(100);
        pair.victim_says("UPDATE t SET a = a + 1");
        pair.pass(200);
        assert_eq!(pair.killer.turn(&query(said)), b"");
        assert_eq!(pair.pass(3000), b"", "the INSERT would be hit");
        pair.victim.answer(&ok(1, 0));
        assert_eq!(pair.pass(199), b"");
        assert_eq!(pair.pass(2), query(&said.replace('7', "42")), "after as much time as in production");
        assert!(pair.killer_is_whole());
    }
}

/// Rows come, and nobody knows which command the server is at.
#[test]
fn a_victim_of_which_nobody_knows_what_it_executes_is_spared() {
    let mut pair = Pair::new();
    pair.victim_says("SELECT * FROM t");
    pair.pass(100);
    pair.victim.answer(&packet(1, b"\x01"));
    pair.victim_says("UPDATE t SET a = a + 1");
    pair.pass(100);
    let said = query("KILL QUERY 7");
    pair.killer.turn(&said);
    assert_eq!(pair.pass(5010), b"");
    assert_eq!((pair.count("kill_victim_behind"), left_out(&pair.killer)), ((1, 0), said.len()));
    // Then all is answered.
    pair.victim.answer(&ok(1, 0));
    pair.victim_says("SELECT 2");
    pair.pass(100);
    pair.killer.turn(&said);
    assert_eq!(pair.pass(300), query("KILL QUERY 42"));
}

#[test]
fn a_victim_begins_nothing_else_while_a_kill_is_under_way() {
    for is_answered in [true, false] {
        let mut pair = Pair::new();
        pair.victim_says("UPDATE t SET a = a + 1");
        pair.pass(1000);
        pair.killer.turn(&query("KILL QUERY 7"));
        assert_eq!(pair.pass(250), query("KILL QUERY 42"));
        pair.victim.answer(&error(INTERRUPTED, "interrupted"));
        assert_eq!(pair.victim.turn(&query("SELECT 1")), b"", "it would be hit");
        assert_eq!(pair.victim.pass_time(millis(100)), b"");
        if is_answered {
            pair.killer.answer(&ok(1, 0));
            assert_eq!(pair.victim.pass_time(millis(10)), query("SELECT 1"));
        } else {
            assert_eq!(pair.victim.pass_time(millis(890)), b"");
            assert_eq!(pair.victim.pass_time(millis(20)), query("SELECT 1"), "it does not wait without end");
        }
    }
}

#[test]
fn commands_behind_a_kill_wait_for_it() {
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(10);
    pair.victim.turn_captured(&query("SELECT 2"));
    pair.pass(10);
    pair.killer.turn(&query("KILL 7"));
    pair.pass(1);
    assert_eq!(pair.killer.turn(&query("DO 1")), b"");
    assert_eq!(pair.pass(100), b"");
    pair.victim.answer(&ok(1, 0));
    let sent = pair.pass(12);
    assert_eq!(sent, [query("KILL 42"), query("DO 1")].concat());
}

#[test]
fn a_victim_that_stays_behind_is_spared() {
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(10);
    pair.victim.turn_captured(&query("SELECT 2"));
    pair.pass(10);
    let said = query("KILL QUERY 7");
    pair.killer.turn(&said);
    assert_eq!(pair.pass(4990), b"");
    assert_eq!(pair.killer.turn(&query("DO 1")), b"");
    assert_eq!(pair.pass(12), query("DO 1"));
    assert_eq!((pair.count("kill_victim_behind"), left_out(&pair.killer)), ((1, 0), said.len()));
}

#[test]
fn a_statement_that_is_over_is_not_killed_and_neither_is_the_next() {
    // It was long enough here to be over in production as well, if that had not told the victim otherwise.
    for interrupted in [true, false] {
        let mut pair = Pair::new();
        pair.victim_says("UPDATE t SET a = a + 1");
        pair.pass(2);
        pair.victim.answer(&ok(1, 0));
        pair.pass(1000);
        pair.killer.turn(&query("KILL QUERY 7"));
        pair.pass(1);
        if interrupted {
            pair.victim.online(0, &error(INTERRUPTED, "interrupted"));
        }
        let sent = pair.pass(300);
        if interrupted {
            assert_eq!((sent, pair.count("kill_late"), pair.killer_is_whole()), (Vec::new(), (1, 0), false));
        } else {
            assert_eq!(sent, query("DO 0        "));
            assert_eq!((pair.count("kill_of_idle"), pair.killer_is_whole()), ((0, 1), true));
        }
    }
    // It was executed in more time than production had until the KILL.
    let mut pair = Pair::new();
    pair.victim_says("UPDATE t SET a = a + 1");
    pair.pass(100);
    pair.killer.turn(&query("KILL QUERY 7"));
    pair.pass(100);
    pair.victim.answer(&ok(1, 0));
    assert_eq!(pair.pass(300), b"");
    assert_eq!(pair.count("kill_late"), (1, 0));
    // The victim has gone on.
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(10);
    pair.killer.turn(&query("KILL QUERY 7"));
    pair.pass(5);
    pair.victim.answer(&ok(1, 0));
    pair.victim_says("UPDATE t SET a = a + 1");
    assert_eq!(pair.pass(300), b"");
    assert_eq!(pair.count("kill_late"), (1, 0));
}

#[test]
fn an_idle_connection_is_killed() {
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(2);
    pair.victim.answer(&ok(1, 0));
    pair.pass(1000);
    pair.killer.turn(&query("KILL 7"));
    assert_eq!(pair.pass(250), query("KILL 42"));
    // Another that production has killed in a statement, which is over here.
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(100);
    pair.killer.turn(&query("KILL 7"));
    pair.pass(100);
    pair.victim.answer(&ok(1, 0));
    assert_eq!(pair.pass(250), query("KILL 42"));
    assert_eq!((pair.count("killed_late"), pair.count("kill_mapped")), ((0, 1), (0, 0)));
    assert_eq!(pair.killer.states_lost, 1, "production has broken that statement");
}

#[test]
fn a_kill_without_a_copy_kills_nobody() {
    for said in ["KILL 9", "KILL QUERY 9", "KILL QUERY ID 7", "KILL @id", "KILL USER nobody"] {
        let mut pair = Pair::new();
        pair.killer.turn(&query(said));
        assert_eq!(pair.pass(300), b"", "{said}");
        assert_eq!((pair.count("kill"), pair.killer.held()), ((1, 0), 0), "{said}");
    }
    // The victim is gone, and its online id may soon be another's.
    let mut pair = Pair::new();
    pair.victim = logged_in(&pair.protocol, (6, 41));
    pair.killer.turn(&query("KILL 7"));
    assert_eq!((pair.pass(300), pair.count("kill")), (Vec::new(), (1, 0)));
    // Its copy is to be connected again.
    let mut pair = Pair::new();
    pair.victim.connected();
    pair.killer.turn(&query("KILL 7"));
    assert_eq!((pair.pass(300), pair.count("kill")), (Vec::new(), (1, 0)));
}

#[test]
fn a_client_may_kill_itself() {
    for (said, sent) in [
        ("KILL QUERY 8", "KILL QUERY 43"),
        ("KILL 8", "KILL 43"),
        ("KILL CONNECTION_ID()", "KILL CONNECTION_ID()"),
    ] {
        let mut pair = Pair::new();
        pair.killer.turn(&query(said));
        assert_eq!(pair.pass(300), query(sent));
        assert!(pair.killer_is_whole());
    }
}

#[test]
fn the_copies_of_a_user_are_killed_by_their_ids() {
    const KILLS: &str =
        "BEGIN NOT ATOMIC DECLARE CONTINUE HANDLER FOR SQLEXCEPTION BEGIN END; KILL 42; KILL 43; END";
    let mut pair = Pair::new();
    pair.victim_says("SELECT 1");
    pair.pass(10);
    pair.victim.turn_captured(&query("SELECT 2"));
    pair.pass(100);
    pair.killer.turn(&query("KILL USER app"));
    assert_eq!(pair.pass(1000), b"");
    pair.victim.answer(&ok(1, 0));
    assert_eq!(pair.pass(200), query(KILLS), "the killer is one of them, and the last");
    assert!(pair.killer_is_whole());
    // One with a host: which host the copies have there is not known.
    let mut pair = Pair::new();
    pair.killer.turn(&query("KILL USER 'app'@'10.0.0.1'"));
    assert_eq!((pair.pass(300), pair.count("kill")), (Vec::new(), (1, 0)));
}
