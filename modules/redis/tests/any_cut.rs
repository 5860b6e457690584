//! However the stream is cut, the same becomes of it; and garbage does no harm.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod driver;

use driver::{Driven, resp};
use module_kit::Protocol;
use proptest::prelude::*;
use tcpcopy_redis::{Redis, Settings};

const COMMANDS: &[&str] = &[
    "SET a 1",
    "GET some-key",
    "MSET a 1 b 2 c 3",
    "PING",
    "SELECT 3",
    "SELECT 0",
    "AUTH secret",
    "AUTH app secret",
    "HELLO 3",
    "MULTI",
    "EXEC",
    "DISCARD",
    "WATCH k",
    "UNWATCH",
    "SUBSCRIBE a b",
    "UNSUBSCRIBE a",
    "RESET",
    "CLIENT SETNAME me",
    "CLIENT REPLY OFF",
    "CLIENT TRACKING ON",
    "READONLY",
    "BLPOP k 0",
    "XREAD BLOCK 0 STREAMS s $",
    "SET v *2\r\n$6\r\nSELECT\r\n$1\r\n9\r\n",
];

#[derive(Clone)]
enum Does {
    /// One command, or several at once.
    Says(Vec<u8>),
    Reconnects,
    Loses(Vec<u8>),
    Gap,
}

impl std::fmt::Debug for Does {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Says(bytes) => write!(f, "says {}", bytes.escape_ascii()),
            Self::Loses(bytes) => write!(f, "loses {}", bytes.escape_ascii()),
            Self::Reconnects => f.write_str("reconnects"),
            Self::Gap => f.write_str("gap"),
        }
    }
}

fn does() -> impl Strategy<Value = Does> {
    let command = prop::sample::select(COMMANDS).prop_map(resp);
    let inline = prop::sample::select(&["select 4\r\n", "set a 1\r\n", "multi\r\n", "\r\n"][..])
        .prop_map(|line: &str| line.as_bytes().to_vec());
    let one = prop_oneof![8 => command, 1 => inline];
    let several = prop::collection::vec(one, 1..5).prop_map(|commands| commands.concat());
    prop_oneof![
        12 => several.clone().prop_map(Does::Says),
        2 => Just(Does::Reconnects),
        1 => several.prop_map(Does::Loses),
        1 => Just(Does::Gap),
    ]
}

/// Runs the session with each saying cut at these distances; an honest server answers each command with OK.
fn run(from_start: bool, story: &[Does], cuts: &[usize]) -> Driven {
    let redis = Redis::new(&Settings::default()).unwrap();
    let mut session = Driven::new(&redis, from_start);
    session.connected();
    // Where the place is not known, each piece may begin with a command: that depends on the cuts.
    session.client(resp("PING"));
    let mut cuts = cuts.iter().copied().cycle();
    for does in story {
        match does {
            Does::Says(bytes) => {
                let mut rest = &bytes[..];
                while !rest.is_empty() {
                    let (now, later) = rest.split_at(rest.len().min(cuts.next().unwrap_or(usize::MAX)));
                    session.client(now);
                    rest = later;
                }
            }
            Does::Reconnects => drop(session.connected()),
            Does::Loses(bytes) => {
                session.lost(bytes);
                session.connected();
            }
            Does::Gap => {
                session.gap();
                session.connected();
                session.client(resp("PING"));
            }
        }
        // More than enough: what is not waited for is passed over.
        for _ in 0..12 {
            let answer = session.mark_answer();
            session.answer(answer.as_deref().unwrap_or("+OK\r\n"));
        }
    }
    session
}

proptest! {
    #[test]
    fn any_cut_gives_the_same(
        from_start: bool,
        story in prop::collection::vec(does(), 1..20),
        cuts in prop::collection::vec(1..40_usize, 1..8),
    ) {
        let (whole, cut) = (run(from_start, &story, &[usize::MAX]), run(from_start, &story, &cuts));
        prop_assert_eq!(whole.failure(), cut.failure());
        prop_assert_eq!(whole.sent(), cut.sent());
        prop_assert_eq!(whole.fates(), cut.fates());
        prop_assert_eq!(whole.is_ready(), cut.is_ready());
    }

    #[test]
    fn garbage_does_no_harm(
        from_start: bool,
        pieces in prop::collection::vec((0..5_u8, prop::collection::vec(any::<u8>(), 1..60)), 1..30),
        framed: bool,
    ) {
        let redis = Redis::new(&Settings::default()).unwrap();
        let mut session = Driven::new(&redis, from_start);
        session.connected();
        for (what, bytes) in pieces {
            match what {
                0 => drop(session.connected()),
                1 => session.lost(&bytes),
                2 => session.gap(),
                3 => drop(session.answer(&String::from_utf8_lossy(&bytes))),
                _ if framed => drop(session.client([b"*1\r\n$5\r\n", &bytes[..]].concat())),
                _ => drop(session.client(&bytes)),
            }
            prop_assert!(session.memory() < 1 << 20);
        }
        drop(redis.report());
    }
}
