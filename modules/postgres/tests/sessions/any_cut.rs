//! However the stream is cut, the same becomes of it; and garbage does no harm.

use module_kit::Loss;
use postgres_wire::frontend::Frontend;
use proptest::prelude::*;

use crate::support::{Session, describe, execute, message, parse, password, protocol, query, startup};

const TEXTS: &[&str] = &[
    "SELECT 1",
    "BEGIN",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT s",
    "ROLLBACK TO s",
    "SET a.b = 1",
    "RESET a.b",
    "SET LOCAL a.b = 2",
    "DISCARD ALL",
    "LISTEN ch",
    "CREATE TEMP TABLE tt (x int)",
    "INSERT INTO tt VALUES (1)",
    "DROP TABLE tt",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT set_config('a.c', 'x', false)",
    "PREPARE p AS SELECT 1",
    "DEALLOCATE ALL",
    "refused",
    "BEGIN; SET a.b = 3; COMMIT",
];

#[derive(Debug, Clone)]
enum Does {
    Says(Vec<u8>),
    Reconnects,
    Loses(Vec<u8>),
    Gap,
}

fn message_of_client() -> impl Strategy<Value = Vec<u8>> {
    let text = || prop::sample::select(TEXTS);
    let name = || prop::sample::select(&["", "s", "t"][..]);
    prop_oneof![
        4 => text().prop_map(query),
        // Whether a statement is known to have failed depends on the cuts.
        3 => (name(), text().prop_filter("fails", |text| *text != "refused"))
            .prop_map(|(name, text)| [parse(name, text), execute(name)].concat()),
        3 => name().prop_map(execute),
        1 => name().prop_map(|name| [describe(name), message(Frontend::Sync)].concat()),
        1 => Just([query("COPY t FROM STDIN"), message(Frontend::CopyData(b"1")), message(Frontend::CopyDone)].concat()),
    ]
}

fn does() -> impl Strategy<Value = Does> {
    let several = || prop::collection::vec(message_of_client(), 1..4).prop_map(|messages| messages.concat());
    prop_oneof![
        12 => several().prop_map(Does::Says),
        2 => Just(Does::Reconnects),
        1 => several().prop_map(Does::Loses),
        1 => Just(Does::Gap),
    ]
}

/// What became of a story whose sayings are cut at these distances.
fn run(story: &[Does], cuts: &[usize]) -> (Vec<String>, Vec<(Loss, usize)>) {
    let protocol = protocol();
    let mut session = Session::logged_in(&protocol);
    session.refuses.push("refused");
    let (mut got, mut cuts) = (Vec::new(), cuts.iter().copied().cycle());
    for does in story {
        match does {
            Does::Says(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let length = cuts.next().unwrap_or(usize::MAX).clamp(1, rest.len());
                    let (piece, more) = rest.split_at(length);
                    got.extend(session.client(piece));
                    rest = more;
                }
            }
            Does::Reconnects => {
                session.connected();
                got.append(&mut session.got);
            }
            Does::Loses(bytes) => session.driver.drop_client(bytes),
            Does::Gap => {
                session.driver.gap();
                session.connected();
                got.append(&mut session.got);
                // Where the place is not known, each piece may begin with a message: that depends on the cuts.
                got.extend(session.client(&query("SELECT 0")));
            }
        }
        assert_eq!(session.driver.failure, None);
        assert!(session.driver.module().memory() < 1 << 20);
    }
    let mut left_out = session.left_out();
    left_out.dedup_by(|next, last| {
        let is_same = next.0 == last.0;
        last.1 += if is_same { next.1 } else { 0 };
        is_same
    });
    (got, left_out)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn the_same_becomes_of_a_story_however_it_is_cut(
        story in prop::collection::vec(does(), 1..12),
        cuts in prop::collection::vec(1..40_usize, 1..6),
    ) {
        prop_assert_eq!(run(&story, &[usize::MAX]), run(&story, &cuts));
        prop_assert_eq!(run(&story, &[usize::MAX]), run(&story, &[1]));
    }

    #[test]
    fn garbage_does_no_harm(
        from_start in any::<bool>(),
        is_logged_in in any::<bool>(),
        events in prop::collection::vec((0..7_u8, prop::collection::vec(any::<u8>(), 1..60), message_of_client()), 1..30),
    ) {
        let protocol = protocol();
        let mut session = Session::new(&protocol, from_start);
        session.driver.connected();
        session.answers = false;
        if is_logged_in {
            session.driver.client(&[startup("app"), password()].concat());
            session.driver.answer(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I");
        }
        for (what, bytes, message) in events {
            match what {
                0 => session.driver.client(&bytes),
                1 => session.driver.client(&message),
                2 => session.driver.answer(&bytes),
                3 => session.driver.answer(b"E\0\0\0\x0cC42601\0\0Z\0\0\0\x05T"),
                4 => session.driver.online(u64::from(bytes[0] % 3), &bytes),
                5 => session.driver.connected(),
                _ => {
                    session.driver.drop_client(&message);
                    Vec::new()
                }
            };
            if session.driver.refused > 0 {
                session.driver.refused = 0;
                session.driver.drop_client(&[]);
            }
            prop_assert!(session.driver.module().memory() < 1 << 20);
        }
    }
}
