//! Late sessions of which the online server says what they are about.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod driver;

use driver::{Driven, flow, resp};
use module_kit::OnlineService;
use tcpcopy_redis::{OnlineServer, Redis, Settings};

fn redis() -> Redis {
    let usual = flow().server;
    Redis::new(&Settings::default()).unwrap().for_service(Some(&OnlineServer::default()), usual).unwrap()
}

/// The online server answers a question: this client is in this database.
fn ask(redis: &Redis, client: &str, database: u32, more: &str) -> u64 {
    let query = redis.query().unwrap();
    let question = query.questions().begin();
    let mut conversation = query.begin(question);
    conversation.receive(b"+PONG\r\n").unwrap();
    let list =
        format!("id=1 addr={client} flags=N db={database} sub=0 psub=0 multi=-1 user=default resp=2{more}\n");
    let reply = format!("${}\r\n{list}\r\n", list.len());
    assert!(conversation.receive(reply.as_bytes()).unwrap());
    query.questions().set_answered(question);
    question
}

const CLIENT: &str = "10.0.0.1:40000";

#[test]
fn a_late_session_goes_on_in_its_database() {
    let redis = redis();
    let question = ask(&redis, CLIENT, 3, "");
    let mut session = Driven::new(&redis, false);
    session.queried(question);
    assert_eq!(session.connected(), "SELECT 3");
    assert_eq!(session.client(resp("SET a 1")), "");
    assert_eq!(session.answer("+OK\r\n"), "SET a 1");
    assert!(session.fates().left_out.is_empty());
}

#[test]
fn what_is_learnt_later_counts_from_then_on() {
    let redis = redis();
    let mut session = Driven::new(&redis, false);
    session.connected();
    assert_eq!(session.client(resp("SET a 1")), "");
    session.queried(ask(&redis, CLIENT, 3, ""));
    assert_eq!(session.client(resp("SET b 1")), "SELECT 3");
    assert_eq!(session.answer("+OK\r\n"), "SET b 1");
    assert_eq!(session.left_out().len(), 1);
    // What it said itself is newer.
    let mut session = Driven::new(&redis, false);
    session.connected();
    session.client(resp("SELECT 5"));
    session.answer("+OK\r\n");
    session.queried(ask(&redis, CLIENT, 3, ""));
    assert_eq!(session.connected(), "SELECT 5");
}

#[test]
fn an_answer_is_of_one_session_and_not_of_the_next_on_its_address() {
    for from_start in [true, false] {
        let redis = redis();
        let question = ask(&redis, CLIENT, 3, "");
        drop(Driven::new(&redis, from_start));
        let mut session = Driven::new(&redis, false);
        session.queried(question);
        assert_eq!(session.connected(), "", "what is known is of another connection");
        assert_eq!(session.client(resp("SET a 1")), "");
    }
}

#[test]
fn behind_a_gap_only_a_newer_answer_counts() {
    let redis = redis();
    let old = ask(&redis, CLIENT, 3, "");
    let mut session = Driven::new(&redis, true);
    session.connected();
    session.client(resp("SET a 1"));
    session.answer("+OK\r\n");
    let query = redis.query().unwrap();
    let begun = query.questions().begin();
    session.gap();
    session.connected();
    for question in [old, begun] {
        session.queried(question);
        assert_eq!(session.client(resp("SET b 1")), "");
    }
    session.queried(ask(&redis, CLIENT, 7, ""));
    assert_eq!(session.client(resp("SET c 1")), "SELECT 7");
}

#[test]
fn a_connection_that_is_more_than_its_database_stays_unknown() {
    for more in [" multi=2", " sub=1", " watch=1"] {
        let redis = redis();
        let question = ask(&redis, CLIENT, 3, more);
        let mut session = Driven::new(&redis, false);
        session.queried(question);
        assert_eq!(session.connected(), "", "{more}");
        assert_eq!(session.client(resp("SET a 1")), "");
        // But it is asked again, and then it may be.
        redis.query().unwrap().questions().await_wanted();
        session.queried(ask(&redis, CLIENT, 3, ""));
        assert_eq!(session.client(resp("SET b 1")), "SELECT 3");
    }
}

/// The capture of a session that lasts for days has more gaps than a few.
#[test]
fn who_was_told_about_can_be_asked_about_again() {
    let redis = redis();
    let mut session = Driven::new(&redis, true);
    session.connected();
    for _ in 0..20 {
        session.gap();
        session.connected();
        session.queried(ask(&redis, CLIENT, 3, ""));
        assert_eq!(session.client(resp("SET a 1")), "SELECT 3");
        assert_eq!(session.answer("+OK\r\n"), "SET a 1");
    }
    session.gap();
    let (told, wanted) = std::sync::mpsc::channel();
    let query = redis.query().unwrap();
    std::thread::spawn(move || {
        query.questions().await_wanted();
        told.send(())
    });
    assert!(wanted.recv_timeout(std::time::Duration::from_secs(5)).is_ok(), "nobody asks");
}
