//! KILL.

use super::{Effects, Head, expression};
use crate::sql::cursor::Cursor;
use crate::sql::effect::{Effect, Kill, KillScope, Victim};
use crate::sql::lexer::Kind;
use crate::sql::literal::unquoted;
use crate::sql::name::Name;
use crate::sql::script::Class;

/// KILL [HARD | SOFT] [CONNECTION | QUERY [ID]] { expression | USER name }.
pub(super) fn read<'t>(cursor: &mut Cursor<'t>, effects: &mut Effects<'t>) -> Head {
    cursor.take_any(&["HARD", "SOFT"]);
    let scope = if cursor.take("QUERY") {
        KillScope::Query
    } else {
        cursor.take("CONNECTION");
        KillScope::Connection
    };
    let victim = match () {
        () if scope == KillScope::Query && cursor.take("ID") => number(cursor)
            .and_then(|(digits, range)| Some(Victim::QueryId { id: digits.parse().ok()?, range })),
        () if cursor.take("USER") => user(cursor),
        () => number(cursor)
            .and_then(|(digits, range)| Some(Victim::Number { id: digits.parse().ok()?, range })),
    };
    effects.push(Effect::Kill(Kill { scope, victim: victim.unwrap_or(Victim::Expression) }));
    Head::new(Class::Other)
}

/// A number, which may be in quotes, and nothing behind it.
fn number(cursor: &mut Cursor<'_>) -> Option<(String, std::ops::Range<usize>)> {
    let token = cursor.token();
    if !matches!(token.kind, Kind::Number | Kind::Text) {
        return None;
    }
    let range = expression(cursor, |_| false);
    let is_alone = range.end == token.end();
    let digits = String::from_utf8(unquoted(&token, cursor.modes()).into_owned()).ok()?;
    // `parse` takes a sign.
    (is_alone && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some((digits, range))
}

/// `'name'@'host'`, `name`, CURRENT_USER.
fn user<'t>(cursor: &mut Cursor<'t>) -> Option<Victim<'t>> {
    if cursor.take("CURRENT_USER") {
        return Some(Victim::CurrentUser);
    }
    match cursor.kind() {
        Kind::UserVariable => Some(Victim::User(Name::new(&b""[..]))),
        _ => cursor.take_user().map(Victim::User),
    }
}
