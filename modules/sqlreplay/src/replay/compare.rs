//! Whether the server has answered as recorded.

use crate::recording::record::Outcome;

/// How the first outcome differs; `None` if all are the same.
pub(super) fn difference(recorded: &[Outcome], replayed: &[Outcome]) -> Option<String> {
    if let Some(difference) =
        recorded.iter().zip(replayed).find_map(|(recorded, replayed)| one(recorded, replayed))
    {
        return Some(difference);
    }
    match (recorded.get(replayed.len()), replayed.get(recorded.len())) {
        (None, None) => None,
        (_, Some(more)) => Some(format!("nothing, now {}", named(more))),
        (Some(less), None) => Some(format!("{}, now nothing", named(less))),
    }
}

fn one(recorded: &Outcome, replayed: &Outcome) -> Option<String> {
    let is_same = match (recorded, replayed) {
        (Outcome::Done { tag, rows, .. }, Outcome::Done { tag: now, rows: rows_now, .. }) => {
            if command(&tag.0) == command(&now.0) && rows != rows_now {
                return Some(format!("{}: {rows} rows, now {rows_now}", tag_name(&tag.0)));
            }
            command(&tag.0) == command(&now.0)
        }
        (Outcome::Suspended { rows, .. }, Outcome::Suspended { rows: now, .. }) => rows == now,
        (Outcome::Empty, Outcome::Empty) => true,
        (Outcome::Error(error), Outcome::Error(now)) => error.name() == now.name(),
        _ => false,
    };
    (!is_same).then(|| format!("{}, now {}", named(recorded), named(replayed)))
}

/// The words of a tag, without its numbers.
fn command(tag: &[u8]) -> &[u8] {
    let end = tag.iter().position(u8::is_ascii_digit).unwrap_or(tag.len());
    tag.get(..end).unwrap_or(tag)
}

fn tag_name(tag: &[u8]) -> String {
    String::from_utf8_lossy(command(tag)).trim().to_owned()
}

fn named(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Done { tag, rows, .. } => format!("{} of {rows} rows", tag_name(&tag.0)),
        Outcome::Suspended { rows, .. } => format!("{rows} rows and more to fetch"),
        Outcome::Empty => "no statement".to_owned(),
        Outcome::Error(error) => format!("error {}", error.name()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::record::{ErrorText, Rows};

    fn done(tag: &str, rows: u64) -> Outcome {
        Outcome::Done { tag: tag.into(), rows, data: Rows::default() }
    }

    fn error(sqlstate: &str, message: &str) -> Outcome {
        Outcome::Error(ErrorText { code: None, sqlstate: sqlstate.into(), message: message.into() })
    }

    #[test]
    fn rows_and_errors_are_compared_and_texts_are_not() {
        let same = |recorded: &[Outcome], replayed: &[Outcome]| difference(recorded, replayed);
        assert_eq!(same(&[done("SELECT 1", 1)], &[done("SELECT 1", 1)]), None);
        assert_eq!(same(&[done("INSERT 0 1", 1)], &[done("INSERT 1234 1", 1)]), None, "an OID");
        assert_eq!(same(&[error("23505", "a")], &[error("23505", "b")]), None);
        for (recorded, replayed, expected) in [
            (vec![done("SELECT 1", 1)], vec![done("SELECT 2", 2)], "SELECT: 1 rows, now 2"),
            (vec![done("SELECT 1", 1)], vec![error("42P01", "")], "SELECT of 1 rows, now error 42P01"),
            (vec![error("42P01", "")], vec![error("42501", "")], "error 42P01, now error 42501"),
            (vec![done("COMMIT", 0)], vec![done("ROLLBACK", 0)], "COMMIT of 0 rows, now ROLLBACK of 0 rows"),
            (vec![done("BEGIN", 0)], vec![], "BEGIN of 0 rows, now nothing"),
            (vec![], vec![Outcome::Empty], "nothing, now no statement"),
        ] {
            assert_eq!(difference(&recorded, &replayed).as_deref(), Some(expected));
        }
    }
}
