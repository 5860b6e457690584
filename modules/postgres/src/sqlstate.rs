//! The meaning of frequent SQLSTATEs. Source: postgresql.org, "PostgreSQL Error Codes".

/// The meaning of a code, in a few words, as in PostgreSQL's list of codes.
#[must_use]
pub fn error_name(code: &str) -> Option<&'static str> {
    Some(match code {
        "22001" => "string data right truncation",
        "22003" => "numeric value out of range",
        "22012" => "division by zero",
        "22P02" => "invalid text representation",
        "23502" => "not null violation",
        "23503" => "foreign key violation",
        "23505" => "unique violation",
        "23514" => "check violation",
        "25006" => "read-only transaction",
        "25P02" => "in failed transaction",
        "26000" => "invalid statement name",
        "28000" => "invalid authorization",
        "28P01" => "invalid password",
        "3D000" => "no such database",
        "3F000" => "no such schema",
        "34000" => "invalid cursor name",
        "40001" => "serialization failure",
        "40P01" => "deadlock detected",
        "42501" => "insufficient privilege",
        "42601" => "syntax error",
        "42701" => "duplicate column",
        "42703" => "undefined column",
        "42704" => "undefined object",
        "42883" => "undefined function",
        "42P01" => "undefined table",
        "42P05" => "duplicate prepared statement",
        "42P07" => "duplicate table",
        "53300" => "too many connections",
        "55P03" => "lock not available",
        "57014" => "query canceled",
        "57P01" => "admin shutdown",
        "57P03" => "cannot connect now",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::error_name;

    #[test]
    fn frequent_codes_have_a_name() {
        assert_eq!((error_name("23505"), error_name("ZZZZZ")), (Some("unique violation"), None));
    }
}
