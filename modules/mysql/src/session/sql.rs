//! The SQL that the module must recognise: statements that name things that only one server knows, and the beginnings and
//! ends of transactions.

use super::transaction::TxnBoundary;

/// The kind of a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Query<'a> {
    /// KILL of a connection.
    Kill(Kill<'a>),
    /// PREPARE or EXECUTE IMMEDIATE: takes a statement id.
    Prepare,
    Shutdown,
    /// LOAD: the server may ask for a file.
    Load,
    /// A transaction begins or ends.
    Transaction(TxnBoundary),
    /// USE.
    Use(&'a [u8]),
    Plain,
}

/// The connection that a KILL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kill<'a> {
    /// By number, with the text before and after it.
    Number { before: &'a [u8], id: u32, behind: &'a [u8] },
    /// By something else: an expression, a query's id.
    Other,
}

/// Bytes of a statement that show its kind.
pub(crate) const PEEK: usize = 256;

/// The kind of a statement, from its first word.
pub(crate) fn classify(text: &[u8]) -> Query<'_> {
    let start = skip_blanks(text);
    let (word, rest) = word(start);
    if word.len() < 3 || word.len() > 8 {
        return Query::Plain;
    }
    let is = |keyword: &str| word.eq_ignore_ascii_case(keyword.as_bytes());
    match word[0].to_ascii_uppercase() {
        b'K' if is("KILL") => kill(text, rest),
        b'P' if is("PREPARE") => Query::Prepare,
        b'E' if is("EXECUTE") && next_is(rest, "IMMEDIATE") => Query::Prepare,
        b'S' if is("SHUTDOWN") => Query::Shutdown,
        b'L' if is("LOAD") => Query::Load,
        b'B' if is("BEGIN") && !next_is(rest, "NOT") => Query::Transaction(TxnBoundary::Begin),
        b'S' if is("START") && next_is(rest, "TRANSACTION") => Query::Transaction(TxnBoundary::Begin),
        b'C' if is("COMMIT") => Query::Transaction(TxnBoundary::End),
        b'R' if is("ROLLBACK") && !rolls_back_to_savepoint(rest) => Query::Transaction(TxnBoundary::End),
        b'U' if is("USE") => Query::Use(name(rest)),
        _ => Query::Plain,
    }
}

fn kill<'a>(text: &'a [u8], rest: &'a [u8]) -> Query<'a> {
    let mut at = skip_blanks(rest);
    for keyword in ["HARD", "SOFT", "CONNECTION", "QUERY"] {
        if next_is(at, keyword) {
            at = skip_blanks(word(at).1);
        }
    }
    if next_is(at, "USER") {
        return Query::Plain;
    }
    let digits = at.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let behind = &at[digits..];
    let ends = skip_blanks(behind);
    let id = std::str::from_utf8(&at[..digits]).ok().and_then(|digits| digits.parse().ok());
    match id {
        Some(id) if ends.is_empty() || ends.starts_with(b";") => {
            Query::Kill(Kill::Number { before: &text[..text.len() - at.len()], id, behind })
        }
        _ => Query::Kill(Kill::Other),
    }
}

/// The ROLLBACK names a savepoint: the transaction goes on.
fn rolls_back_to_savepoint(rest: &[u8]) -> bool {
    let behind = if next_is(rest, "WORK") { word(skip_blanks(rest)).1 } else { rest };
    next_is(behind, "TO")
}

/// A database's name, quoted or not.
fn name(rest: &[u8]) -> &[u8] {
    let rest = skip_blanks(rest);
    if let Some(quoted) = rest.strip_prefix(b"`") {
        return quoted.split(|&byte| byte == b'`').next().unwrap_or_default();
    }
    rest.split(|&byte| byte == b';' || byte.is_ascii_whitespace()).next().unwrap_or_default()
}

fn next_is(text: &[u8], keyword: &str) -> bool {
    word(skip_blanks(text)).0.eq_ignore_ascii_case(keyword.as_bytes())
}

fn word(text: &[u8]) -> (&[u8], &[u8]) {
    text.split_at(text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count())
}

/// Skips white space and comments; not those that hold statements (`/*!`).
fn skip_blanks(mut text: &[u8]) -> &[u8] {
    loop {
        text = text.trim_ascii_start();
        let end: &[u8] = match text {
            [b'/', b'*', b'!' | b'M', ..] => return text,
            [b'/', b'*', ..] => b"*/",
            [b'#', ..] | [b'-', b'-', b' ' | b'\t', ..] => b"\n",
            _ => return text,
        };
        let Some(at) = text.windows(end.len()).skip(2).position(|window| window == end) else { return &[] };
        text = &text[2 + at + end.len()..];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_by_their_first_word() {
        assert_eq!(classify(b"SELECT 1"), Query::Plain);
        assert_eq!(classify(b""), Query::Plain);
        assert_eq!(classify(b"/* app */ -- x\n prepare s from 'SELECT 1'"), Query::Prepare);
        assert_eq!(classify(b"EXECUTE IMMEDIATE 'SELECT 1'"), Query::Prepare);
        assert_eq!(classify(b"EXECUTE s"), Query::Plain);
        assert_eq!(classify(b"load data local infile 'x' into table t"), Query::Load);
        assert_eq!(classify(b"  shutdown"), Query::Shutdown);
        assert_eq!(classify(b"use `a b`;"), Query::Use(b"a b"));
        assert_eq!(classify(b"USE shop"), Query::Use(b"shop"));
        assert_eq!(classify(b"/* unfinished"), Query::Plain);
        assert_eq!(classify(b"# unfinished"), Query::Plain);
    }

    #[test]
    fn transactions_begin_and_end() {
        for text in ["BEGIN", "begin work;", "/* app */ Start Transaction READ ONLY"] {
            assert_eq!(classify(text.as_bytes()), Query::Transaction(TxnBoundary::Begin), "{text}");
        }
        for text in ["COMMIT", "commit and chain", "ROLLBACK", "rollback work"] {
            assert_eq!(classify(text.as_bytes()), Query::Transaction(TxnBoundary::End), "{text}");
        }
        // MariaDB's anonymous blocks, savepoints, replication.
        for text in
            ["BEGIN NOT ATOMIC SELECT 1; END", "ROLLBACK TO a", "ROLLBACK WORK TO SAVEPOINT a", "START SLAVE"]
        {
            assert_eq!(classify(text.as_bytes()), Query::Plain, "{text}");
        }
    }

    #[test]
    fn a_kill_is_taken_apart_around_its_number() {
        let number = |before, id, behind| Query::Kill(Kill::Number { before, id, behind });
        assert_eq!(classify(b"KILL 42"), number(b"KILL ", 42, b""));
        assert_eq!(classify(b"kill query 7 ;"), number(b"kill query ", 7, b" ;"));
        assert_eq!(classify(b"KILL HARD CONNECTION 7"), number(b"KILL HARD CONNECTION ", 7, b""));
        assert_eq!(classify(b"KILL @id"), Query::Kill(Kill::Other));
        assert_eq!(classify(b"KILL 7 + 1"), Query::Kill(Kill::Other));
        assert_eq!(classify(b"KILL QUERY ID 7"), Query::Kill(Kill::Other));
        assert_eq!(classify(b"KILL USER app"), Query::Plain);
    }
}
