//! Values that can be told without a server: of literals, and of variables whose values are known.

use std::borrow::Cow;

use super::cursor::Cursor;
use super::dialect::{Dialect, Modes};
use super::effect::Variable;
use super::lexer::Kind;
use super::literal::{hex, unquoted};
use super::name::Name;

/// So deep may calls and parentheses be nested.
const DEPTH_MAX: usize = 16;
/// No longer value is computed, in bytes: values may double with each REPLACE.
const LENGTH_MAX: usize = 1 << 20;

type Known<'k> = &'k dyn Fn(&Variable<'_>) -> Option<Vec<u8>>;

/// The value of an expression of literals, of variables whose values `known` tells, and of CONCAT, REPLACE, LOWER and
/// UPPER of such. A word stands for itself, as in `SET sql_mode = ANSI`. NULL and DEFAULT have no value.
pub(crate) fn evaluate<'t>(
    expression: &'t [u8],
    dialect: Dialect,
    known: Known<'_>,
) -> Option<Cow<'t, [u8]>> {
    evaluate_in(expression, dialect.modes(), known)
}

pub(super) fn evaluate_in<'t>(expression: &'t [u8], modes: Modes, known: Known<'_>) -> Option<Cow<'t, [u8]>> {
    let mut cursor = Cursor::new(expression, 0, modes);
    let value = operand(&mut cursor, known, DEPTH_MAX)?;
    // SET NAMES a COLLATE b.
    if cursor.take("COLLATE") {
        cursor.bump();
    }
    (cursor.kind() == Kind::End).then_some(value)
}

fn operand<'t>(cursor: &mut Cursor<'t>, known: Known<'_>, depth: usize) -> Option<Cow<'t, [u8]>> {
    let depth = depth.checked_sub(1)?;
    let token = cursor.token();
    match token.kind {
        Kind::Text => Some(strings(cursor)),
        Kind::Number => {
            cursor.bump();
            match token.bytes {
                [b'0', b'x', digits @ ..] => hex(digits).map(Cow::Owned),
                [b'0', b'b', ..] => None,
                digits => Some(Cow::Borrowed(digits)),
            }
        }
        Kind::UserVariable => {
            let name = cursor.take_variable()?;
            known(&Variable::User(name)).map(Cow::Owned)
        }
        Kind::SystemVariable => known(&system_variable(cursor)?).map(Cow::Owned),
        Kind::Mark(b'(') => {
            cursor.bump();
            let value = operand(cursor, known, depth)?;
            cursor.take_mark(b')').then_some(value)
        }
        Kind::Word => word(cursor, known, depth),
        _ => None,
    }
}

fn word<'t>(cursor: &mut Cursor<'t>, known: Known<'_>, depth: usize) -> Option<Cow<'t, [u8]>> {
    let word = cursor.bump();
    let behind = cursor.token();
    match behind.kind {
        Kind::Mark(b'(') => {
            cursor.bump();
            call(word.bytes, cursor, known, depth)
        }
        Kind::Text if word.bytes.starts_with(b"_") => Some(strings(cursor)),
        Kind::Text if behind.start == word.end() => {
            let value = strings(cursor);
            match word.bytes {
                b"n" | b"N" => Some(value),
                b"x" | b"X" if value.len().is_multiple_of(2) => hex(&value).map(Cow::Owned),
                _ => None,
            }
        }
        _ if word.is("NULL") || word.is("DEFAULT") => None,
        _ => Some(Cow::Borrowed(word.bytes)),
    }
}

fn call<'t>(
    function: &[u8],
    cursor: &mut Cursor<'t>,
    known: Known<'_>,
    depth: usize,
) -> Option<Cow<'t, [u8]>> {
    let mut arguments = vec![operand(cursor, known, depth)?];
    while cursor.take_mark(b',') {
        arguments.push(operand(cursor, known, depth)?);
    }
    if !cursor.take_mark(b')') {
        return None;
    }
    let value = match (function.to_ascii_uppercase().as_slice(), arguments.as_slice()) {
        (b"CONCAT", parts) => parts.concat(),
        (b"REPLACE", [text, from, to]) => replaced(text, from, to)?,
        (b"LOWER" | b"LCASE", [text]) => text.to_ascii_lowercase(),
        (b"UPPER" | b"UCASE", [text]) => text.to_ascii_uppercase(),
        _ => return None,
    };
    (value.len() <= LENGTH_MAX).then_some(Cow::Owned(value))
}

fn replaced(text: &[u8], from: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    if from.is_empty() {
        return Some(text.to_vec());
    }
    let mut value = Vec::with_capacity(text.len());
    let mut at = 0;
    for found in memchr::memmem::find_iter(text, from) {
        value.extend_from_slice(&text[at..found]);
        value.extend_from_slice(to);
        at = found + from.len();
        if value.len() > LENGTH_MAX {
            return None;
        }
    }
    value.extend_from_slice(&text[at..]);
    Some(value)
}

/// Strings that follow each other are one.
pub(super) fn strings<'t>(cursor: &mut Cursor<'t>) -> Cow<'t, [u8]> {
    let mut text = unquoted(&cursor.bump(), cursor.modes());
    while cursor.kind() == Kind::Text {
        text.to_mut().extend_from_slice(&unquoted(&cursor.bump(), cursor.modes()));
    }
    text
}

/// `@@name`, `@@session.name`, `@@global.name`; `@@hot.key_buffer_size` is a global one too.
pub(super) fn system_variable<'t>(cursor: &mut Cursor<'t>) -> Option<Variable<'t>> {
    let first = cursor.bump();
    let mut name = Name::new(unquoted(&first, cursor.modes()));
    if name.bytes().is_empty() {
        // "@@`name`".
        name = cursor.take_name()?;
    }
    if !cursor.take_mark(b'.') {
        return Some(Variable::Session(name));
    }
    let is_session =
        ["session", "local"].iter().any(|scope| name.bytes().eq_ignore_ascii_case(scope.as_bytes()));
    let name = cursor.take_name()?;
    Some(if is_session { Variable::Session(name) } else { Variable::Global(name) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Charset;

    const DIALECT: Dialect = Dialect {
        is_mariadb: true,
        version: 101_114,
        ansi_quotes: Some(false),
        no_backslash_escapes: Some(false),
        charset: Charset::Transparent,
        several: true,
        in_mysql: false,
    };

    fn value(expression: &str) -> Option<String> {
        let known = |variable: &Variable<'_>| match variable {
            Variable::User(name) if name.may_be(b"a") => Some(b"KILL 5".to_vec()),
            Variable::Session(name) if name.may_be(b"sql_mode") => Some(b"STRICT_ALL_TABLES".to_vec()),
            _ => None,
        };
        evaluate(expression.as_bytes(), DIALECT, &known)
            .map(|value| String::from_utf8(value.into_owned()).unwrap())
    }

    #[test]
    fn values_that_need_no_server() {
        for (expression, expected) in [
            ("'a'", "a"),
            ("'a' 'b'", "ab"),
            ("('a''b')", "a'b"),
            ("_utf8mb4'a'", "a"),
            ("_utf8 'a'", "a"),
            ("N'a'", "a"),
            ("x'4142'", "AB"),
            ("0x4142", "AB"),
            ("12", "12"),
            ("ANSI", "ANSI"),
            ("@a", "KILL 5"),
            ("@`A`", "KILL 5"),
            ("CONCAT(@@sql_mode, ',ANSI_QUOTES')", "STRICT_ALL_TABLES,ANSI_QUOTES"),
            ("REPLACE(@@session . sql_mode,'STRICT','X')", "X_ALL_TABLES"),
            ("upper(/* c */ 'a')", "A"),
            ("utf8 COLLATE utf8_bin", "utf8"),
        ] {
            assert_eq!(value(expression).as_deref(), Some(expected), "{expression}");
        }
    }

    #[test]
    fn values_that_only_a_server_knows() {
        for expression in
            ["", "@b", "@@b", "@@global.sql_mode", "NOW()", "1 + 1", "NULL", "DEFAULT", "CONCAT(@b, 'a')"]
        {
            assert_eq!(value(expression), None, "{expression}");
        }
        assert_eq!(value("x'414'"), None);
        assert_eq!(value("CONCAT('a'"), None);
        let deep = ["(".repeat(10_000), "'a'".to_owned(), ")".repeat(10_000)].concat();
        assert_eq!(value(&deep), None);
    }

    #[test]
    fn values_do_not_grow_without_end() {
        let one = "REPLACE('aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa','a','aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')";
        let two = format!("REPLACE({one},'a',{one})");
        let three = format!("REPLACE({two},'a',{two})");
        assert_eq!(value(&three), None);
    }
}
