//! Statements that change nothing in the state of the connection: found without cutting them into tokens.

/// Statements that read and write data. They can matter only by what is in them.
const VERBS: &[&[u8]] = &[
    b"select", b"insert", b"update", b"delete", b"with", b"values", b"merge", b"copy", b"explain", b"fetch",
];

/// Whether it certainly is one statement without an effect. `false` means nothing.
pub(super) fn is_plain(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    let verb = text.iter().position(|byte| !byte.is_ascii_alphabetic()).unwrap_or(text.len());
    let (verb, rest) = text.split_at(verb);
    if !VERBS.iter().any(|it| verb.eq_ignore_ascii_case(it)) {
        return false;
    }
    let begins =
        |rest: &[u8], with: &[u8]| rest.get(..with.len()).is_some_and(|rest| rest.eq_ignore_ascii_case(with));
    rest.iter().enumerate().all(|(at, byte)| {
        let after = rest.get(at + 1..).unwrap_or_default();
        match byte {
            b';' => after.iter().all(|byte| byte.is_ascii_whitespace() || *byte == b';'),
            // set_config, pg_advisory_lock and its like.
            b'_' => !begins(after, b"config") && !begins(after, b"advisory"),
            // SELECT INTO TEMP, with any blanks.
            b'T' | b't' => !begins(after, b"emp"),
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_certainly_has_no_effect_is_plain() {
        for text in [
            "SELECT 1",
            "  select a_b from t where x = 'y';\n",
            "INSERT INTO t VALUES ($1, $2)",
            "UPDATE pgbench_accounts SET abalance = abalance + 5 WHERE aid = 7;",
        ] {
            assert!(is_plain(text.as_bytes()), "{text}");
        }
        for text in [
            "",
            "BEGIN",
            "SELECTX",
            "SELECT 1; SET x = 1",
            "SELECT Set_Config('a', 'b', false)",
            "select pg_try_advisory_lock(1)",
            "SELECT 1 INTO Temp t",
            "-- x\nSELECT 1",
        ] {
            assert!(!is_plain(text.as_bytes()), "{text}");
        }
    }
}
