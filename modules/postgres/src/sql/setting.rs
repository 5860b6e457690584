//! SET, RESET and `set_config`.

use super::effects::{Argument, Effect, Setting};
use postgres_wire::tokens::Token;

/// The effect of SET, of which these are the tokens behind the verb.
pub(super) fn set(rest: &[Token<'_>], text: &[u8]) -> Option<Effect> {
    let rest = match rest {
        [first, ..] if first.is("local") => return None,
        [session, ..] if session.is("session") => match rest {
            [_, what, ..] if what.is("authorization") => return of("session_authorization", text),
            [_, what, ..] if what.is("characteristics") => return of("session characteristics", text),
            _ => rest.get(1..)?,
        },
        _ => rest,
    };
    match rest {
        // Of the transaction only.
        [first, ..] if first.is("transaction") || first.is("constraints") => None,
        [first, ..] if first.is("role") => of("role", text),
        [first, second, ..] if first.is("time") && second.is("zone") => of("timezone", text),
        [first, ..] if first.is("names") => of("client_encoding", text),
        [first, Token::Literal(_), ..] if first.is("schema") => of("search_path", text),
        [first, second, ..] if first.is("xml") && second.is("option") => of("xmloption", text),
        _ => {
            let (name, after) = setting_name(rest)?;
            let is_set = after.first().is_some_and(|token| token.is("to") || *token == Token::Other(b'='));
            match after {
                // SET x TO DEFAULT is RESET x.
                [_, value] if is_set && value.is("default") => Some(Effect::Reset(name)),
                _ if is_set => Some(Effect::Set(Setting { name, text: text.to_vec() })),
                _ => None,
            }
        }
    }
}

fn of(name: &str, text: &[u8]) -> Option<Effect> {
    Some(Effect::Set(Setting { name: name.into(), text: text.to_vec() }))
}

/// A name with dots, and the tokens behind it.
fn setting_name<'a, 't>(tokens: &'a [Token<'t>]) -> Option<(Vec<u8>, &'a [Token<'t>])> {
    let mut name = tokens.first()?.name()?;
    let mut after = tokens.get(1..)?;
    while let [Token::Other(b'.'), part, rest @ ..] = after {
        name.push(b'.');
        name.extend(part.name()?);
        after = rest;
    }
    name.make_ascii_lowercase();
    Some((name, after))
}

/// The effect of RESET.
pub(super) fn reset(rest: &[Token<'_>]) -> Option<Effect> {
    match rest {
        [first, ..] if first.is("all") => Some(Effect::ResetAll),
        [first, second, ..] if first.is("session") && second.is("authorization") => {
            Some(Effect::Reset(b"session_authorization".to_vec()))
        }
        [first, second, ..] if first.is("time") && second.is("zone") => {
            Some(Effect::Reset(b"timezone".to_vec()))
        }
        _ => setting_name(rest).map(|(name, _)| Effect::Reset(name)),
    }
}

/// The three arguments of `set_config`, whose tokens begin behind the bracket.
pub(super) fn arguments(tokens: &[Token<'_>]) -> [Argument; 3] {
    let mut arguments = [const { Argument::Unknown }; 3];
    let (mut depth, mut start, mut at) = (0_usize, 0, 0);
    for (end, token) in tokens.iter().enumerate() {
        match token {
            Token::Other(b'(') => depth += 1,
            Token::Other(b')') if depth > 0 => depth -= 1,
            Token::Other(b',' | b')') if depth == 0 => {
                if let Some(argument) = arguments.get_mut(at) {
                    *argument = read_argument(tokens.get(start..end).unwrap_or_default());
                }
                (at, start) = (at + 1, end + 1);
                if *token == Token::Other(b')') {
                    break;
                }
            }
            _ => {}
        }
    }
    arguments
}

/// A constant or a parameter, with a cast or without.
fn read_argument(tokens: &[Token<'_>]) -> Argument {
    let value = match tokens {
        [value] | [value, Token::Other(b':'), Token::Other(b':'), Token::Word(_)] => value,
        _ => return Argument::Unknown,
    };
    match value {
        Token::Literal(text) | Token::Number(text) => Argument::Constant(text.to_vec()),
        Token::Word(word) if value.is("true") || value.is("false") => Argument::Constant(word.to_vec()),
        Token::Parameter(number) => Argument::Parameter(*number),
        _ => Argument::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reading;
    use super::*;

    fn name(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    #[test]
    fn statements_that_change_the_connection_are_read() {
        let set = |of: &str, text: &str| Effect::Set(Setting { name: name(of), text: name(text) });
        let end = |commits| Effect::End { commits, chained: false };
        for (text, expected) in [
            ("BEGIN", vec![Effect::Begin]),
            ("/* x */ start transaction isolation level serializable;", vec![Effect::Begin]),
            ("END;", vec![end(true)]),
            ("abort work", vec![end(false)]),
            ("ROLLBACK AND CHAIN", vec![Effect::End { commits: false, chained: true }]),
            ("COMMIT AND NO CHAIN", vec![end(true)]),
            ("COMMIT PREPARED 'x'", vec![]),
            ("PREPARE TRANSACTION 'x'", vec![end(true)]),
            ("ROLLBACK TO SAVEPOINT \"S\"", vec![Effect::RollbackTo(name("S"))]),
            ("SAVEPOINT S", vec![Effect::Savepoint(name("s"))]),
            ("RELEASE SAVEPOINT s", vec![Effect::Release(name("s"))]),
            ("SET LOCAL x = 1", vec![]),
            ("SET Search_Path TO a, b", vec![set("search_path", "SET Search_Path TO a, b")]),
            ("SET SESSION my.x = 'a;b'", vec![set("my.x", "SET SESSION my.x = 'a;b'")]),
            ("SET x TO DEFAULT", vec![Effect::Reset(name("x"))]),
            ("SET ROLE app", vec![set("role", "SET ROLE app")]),
            (
                "SET SESSION AUTHORIZATION app",
                vec![set("session_authorization", "SET SESSION AUTHORIZATION app")],
            ),
            ("SET TRANSACTION READ ONLY", vec![]),
            ("SET TIME ZONE 'UTC'", vec![set("timezone", "SET TIME ZONE 'UTC'")]),
            ("RESET my.x", vec![Effect::Reset(name("my.x"))]),
            ("RESET ALL", vec![Effect::ResetAll]),
            ("DISCARD ALL", vec![Effect::DiscardAll]),
            ("DISCARD PLANS", vec![]),
            ("LISTEN \"Ch\"", vec![Effect::Listen(name("Ch"))]),
            ("UNLISTEN *", vec![Effect::UnlistenAll]),
            ("DEALLOCATE PREPARE s", vec![Effect::Deallocate(name("s"))]),
            ("DEALLOCATE ALL", vec![Effect::DeallocateAll]),
            ("CREATE TEMP TABLE IF NOT EXISTS t (a int)", vec![Effect::CreateTemporary(name("t"))]),
            ("create local temporary table \"T\" as select 1", vec![Effect::CreateTemporary(name("T"))]),
            ("CREATE TABLE pg_temp.t (a int)", vec![Effect::CreateTemporary(name("t"))]),
            ("CREATE TABLE t (temp int)", vec![]),
            ("SELECT 1 INTO TEMP TABLE t", vec![Effect::CreateTemporary(name("t"))]),
            ("DROP TABLE t", vec![Effect::Drop(name("t"))]),
            ("DROP INDEX t", vec![]),
            ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", vec![Effect::DeclareHeld(name("c"))]),
            ("DECLARE c CURSOR FOR SELECT 1", vec![]),
            ("CLOSE c", vec![Effect::CloseCursor(name("c"))]),
            ("SELECT pg_catalog.pg_advisory_lock(1)", vec![Effect::AdvisoryLock { is_certain: true }]),
            ("SELECT pg_advisory_xact_lock(1)", vec![]),
            ("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1; COMMIT; END", vec![]),
            ("CREATE FUNCTION f() AS 'BEGIN; COMMIT'; COMMIT", vec![end(true)]),
            (
                "PREPARE s AS SELECT 1;",
                vec![Effect::Prepare { name: name("s"), text: name("PREPARE s AS SELECT 1") }],
            ),
            ("BEGIN; SELECT ';'; SET x = 1; COMMIT", vec![Effect::Begin, set("x", "SET x = 1"), end(true)]),
            ("", vec![]),
            (";;", vec![]),
            ("'", vec![]),
        ] {
            assert_eq!(Reading::of(text.as_bytes()).effects, expected, "{text}");
        }
    }

    #[test]
    fn arguments_of_set_config_are_constants_parameters_or_unknown() {
        let constant = |text: &str| Argument::Constant(name(text));
        for (text, expected) in [
            (
                "SELECT pg_catalog.set_config('search_path', '', false);",
                [constant("'search_path'"), constant("''"), constant("false")],
            ),
            (
                "SELECT set_config($1, $2::text, true)",
                [Argument::Parameter(1), Argument::Parameter(2), constant("true")],
            ),
            (
                "SELECT set_config('a', concat('b', 'c'), (false))",
                [constant("'a'"), Argument::Unknown, Argument::Unknown],
            ),
            ("SELECT set_config('a'", [Argument::Unknown, Argument::Unknown, Argument::Unknown]),
        ] {
            assert_eq!(Reading::of(text.as_bytes()).effects, [Effect::SetConfig(expected)], "{text}");
        }
    }

    #[test]
    fn statements_without_an_effect_are_noticed_beside_others() {
        for (text, expected) in [
            ("SELECT 1", true),
            ("BEGIN;", false),
            ("BEGIN; INSERT INTO t VALUES (1); COMMIT", true),
            ("SELECT set_config('a', 'b', false)", false),
            ("", false),
        ] {
            assert_eq!(Reading::of(text.as_bytes()).has_others, expected, "{text}");
        }
    }
}
