//! What must not be kept: passwords always, and what the user asks for.

mod mysql;
mod postgres;

use regex::bytes::Regex;

use crate::protocol::Protocol;
use crate::recording::record::Masked;
use crate::recording::{Bytes, Value};
use crate::sql::{Token, Tokens};

/// Stands for what was masked.
const MASK: &[u8] = b"***";

/// What the user asks to be masked.
#[derive(Debug, Clone, Default)]
pub struct Masking {
    /// Of the statements.
    pub protocol: Protocol,
    /// What fits one of these, in texts of any kind.
    pub patterns: Vec<Regex>,
    /// All parameters, rows, data of COPY, and literals in statements.
    pub parameters: bool,
}

impl Masking {
    /// A text, and whether something in it was masked.
    pub(crate) fn text(&self, text: &[u8]) -> (Bytes, bool) {
        let mut masked = None;
        for pattern in &self.patterns {
            let found = pattern.replace_all(masked.as_deref().unwrap_or(text), MASK);
            if let std::borrow::Cow::Owned(found) = found {
                masked = Some(found);
            }
        }
        match masked {
            Some(text) => (Bytes(text), true),
            None => (text.into(), false),
        }
    }

    /// The text of statements.
    pub(crate) fn statement(&self, sql: &[u8]) -> (Bytes, Option<Masked>) {
        let masked = match self.protocol {
            Protocol::Postgres => postgres::masked(sql),
            Protocol::Mysql => mysql::masked(sql),
        };
        if let Some(masked) = masked {
            return (self.text(&masked).0, Some(Masked::Password));
        }
        let without_literals = self.parameters.then(|| without_literals(sql, self.protocol));
        let (text, is_masked) = self.text(without_literals.as_deref().unwrap_or(sql));
        let is_masked = is_masked || without_literals.is_some_and(|text| text != sql);
        (text, is_masked.then_some(Masked::Data))
    }

    /// Whether parameters of the prepared statement are passwords.
    pub(crate) fn has_secret_parameters(&self, sql: &[u8]) -> bool {
        self.protocol == Protocol::Mysql && mysql::has_secret_parameters(sql)
    }

    /// A parameter, or a value of a row.
    pub(crate) fn value(&self, value: Value) -> Value {
        let is_masked = match &value {
            Value::Null => false,
            _ if self.parameters => true,
            value => value.text().is_some_and(|text| self.fits(text.as_bytes())),
        };
        if is_masked { Value::Masked } else { value }
    }

    /// Data of a COPY.
    pub(crate) fn data(&self, data: &[u8]) -> (Bytes, bool) {
        if self.parameters { (MASK.into(), true) } else { self.text(data) }
    }

    fn fits(&self, text: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| pattern.is_match(text))
    }
}

/// Strings become `'***'`, numbers 0.
fn without_literals(sql: &[u8], protocol: Protocol) -> Vec<u8> {
    replace_tokens(sql, protocol, |token| match token {
        Token::Literal(_) => Some(b"'***'"),
        Token::Number(_) => Some(b"0"),
        _ => None,
    })
}

/// Replaces tokens, and leaves everything between them as it is.
fn replace_tokens<'r>(
    sql: &[u8],
    protocol: Protocol,
    mut replace: impl FnMut(&Token<'_>) -> Option<&'r [u8]>,
) -> Vec<u8> {
    let mut result = Vec::with_capacity(sql.len());
    let mut tokens = Tokens::new(sql, protocol);
    let mut copied = 0;
    while let Some(token) = tokens.next() {
        if let (Some(by), Token::Literal(text) | Token::Number(text)) = (replace(&token), &token) {
            let start = tokens.at() - text.len();
            result.extend_from_slice(sql.get(copied..start).unwrap_or_default());
            result.extend_from_slice(by);
            copied = tokens.at();
        }
    }
    result.extend_from_slice(sql.get(copied..).unwrap_or_default());
    result
}

/// Whether the text has `word` in it, which is in lower case.
pub(crate) fn mentions(text: &[u8], word: &[u8]) -> bool {
    let Some(first) = word.first() else { return true };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| byte.to_ascii_lowercase() == *first) {
        rest = rest.get(at..).unwrap_or_default();
        if rest.get(..word.len()).is_some_and(|it| it.eq_ignore_ascii_case(word)) {
            return true;
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_user_asks_for_is_masked() {
        let masking =
            Masking { patterns: vec![Regex::new(r"[a-z.]+@[a-z.]+").unwrap()], ..Masking::default() };
        let sql = b"SELECT * FROM t WHERE mail = 'a.b@c.d' AND x = 5 -- z@y";
        let (text, masked) = masking.statement(sql);
        assert_eq!(text.shown(), "SELECT * FROM t WHERE mail = '***' AND x = 5 -- ***");
        assert_eq!(masked, Some(Masked::Data));
        assert_eq!(masking.statement(b"SELECT 1").1, None);
        assert_eq!(masking.value(Value::Text("x a@b".into())), Value::Masked);
        assert_eq!(masking.value(Value::Text("x".into())), Value::Text("x".into()));

        let masking = Masking { parameters: true, ..Masking::default() };
        let (text, masked) = masking.statement(b"SELECT $1, E'\\'x', 1.5 FROM t1 WHERE \"a'b\" = $$x$$");
        assert_eq!(text.shown(), "SELECT $1, '***', 0 FROM t1 WHERE \"a'b\" = '***'");
        assert_eq!(masked, Some(Masked::Data));
        assert_eq!(masking.value(Value::Null), Value::Null);
        assert_eq!(masking.value(Value::Typed("int4", "5".into())), Value::Masked);
    }
}
