//! What the reading of a client's SQL costs: `cargo bench -p tcpcopy-mysql --features testing`.

#![allow(clippy::disallowed_methods, missing_docs, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::Instant;

/// A run is short, so that it is seldom interrupted by other programs, and the shortest of many counts.
const RUN_BYTES: usize = 20_000;
const RUNS: usize = 3000;

const LONG_COMMENT: &str = "SELECT DISTINCT c FROM sbtest1 WHERE id BETWEEN 5012 AND 5111 ORDER BY c /* \
    application='shop',controller='orders',action='index',traceparent='00-4bf92f3577b34da6a3ce929d0e0e4736-01' */";
const NAMES: &str = "SELECT `user_id`, `created_at`, `last_login`, `is_active`, `reset_count` FROM `app_user_accounts` \
    WHERE `user_id` = 17 AND `created_at` > '2024-01-01 00:00:00' ORDER BY `last_login` DESC LIMIT 20";
const ROW: &str = "(5012, 4983, '83868641912-28773972837-60736120486-75162659906-27563526494-20381887404-41576422241', 'x'),";
const TEXTS_ROW: &str =
    "(5012, 'ann@example.org', 'a text; with ''quotes'' and \\n in it', NULL, '2024-01-01 00:00:00'),";

fn main() {
    let rows = |row: &str| format!("INSERT INTO t VALUES {}(1)", row.repeat(1_000_000 / row.len()));
    for (name, text) in [
        ("SELECT", "SELECT c FROM sbtest1 WHERE id=5012".to_owned()),
        ("SELECT with a long comment", LONG_COMMENT.to_owned()),
        ("SELECT with many names", NAMES.to_owned()),
        ("INSERT", format!("INSERT INTO sbtest1 (id, k, c, pad) VALUES {}", ROW.trim_end_matches(','))),
        ("UPDATE", "UPDATE sbtest1 SET c='83868641912-28773972837-60736120486' WHERE id=5012".to_owned()),
        ("INSERT with @ and ;", format!("INSERT INTO users VALUES {}", TEXTS_ROW.trim_end_matches(','))),
        ("COMMIT", "COMMIT".to_owned()),
        ("SET", "SET autocommit=0".to_owned()),
        ("SELECT @a := 1", "SELECT @a := 1".to_owned()),
        (
            "3 UPDATEs",
            "UPDATE a SET b=1 WHERE id=5;UPDATE a SET b=2 WHERE id=6;UPDATE a SET b=3 WHERE id=7".to_owned(),
        ),
        ("INSERT of 1 MB", rows(ROW)),
        ("INSERT of 1 MB with @ and ;", rows(TEXTS_ROW)),
    ] {
        let rounds = (RUN_BYTES / text.len()).clamp(1, 200);
        let run = || {
            let start = Instant::now();
            for _ in 0..rounds {
                black_box(tcpcopy_mysql::read_sql(black_box(text.as_bytes())));
            }
            start.elapsed().as_nanos() as f64 / rounds as f64
        };
        let ns = (0..RUNS).map(|_| run()).fold(f64::MAX, f64::min);
        println!("{name:28} {:8} bytes {ns:12.1} ns {:8.2} GB/s", text.len(), text.len() as f64 / ns);
    }
}
