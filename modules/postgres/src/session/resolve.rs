//! The values that `set_config` gets from parameters.

use postgres_wire::frontend::Bind;

use crate::sql::{Argument, Effect, Setting};

/// A constant of SQL, or the value of a parameter.
enum Value<'v> {
    /// As it is written.
    Constant(&'v [u8]),
    Bound(&'v [u8]),
    Unknown,
}

/// The effects with the parameters of `bind`, if it was read.
pub(super) fn resolve(effects: &[Effect], bind: Option<&Bind<'_>>) -> Vec<Effect> {
    let resolved = |effect: &Effect| match effect {
        Effect::SetConfig(arguments) => set_config(arguments, bind),
        effect => Some(effect.clone()),
    };
    effects.iter().filter_map(resolved).collect()
}

/// Nothing, if it is for the transaction only.
fn set_config([name, value, local]: &[Argument; 3], bind: Option<&Bind<'_>>) -> Option<Effect> {
    if is_true(&value_of(local, bind)) == Some(true) {
        return None;
    }
    let Some(name_text) = literal(&value_of(name, bind)) else { return Some(Effect::SetUnknown(Vec::new())) };
    let name = plain_name(&name_text);
    let is_session = is_true(&value_of(local, bind)) == Some(false);
    match literal(&value_of(value, bind)) {
        Some(value) if is_session => {
            let text =
                [b"SELECT pg_catalog.set_config(", &name_text[..], b", ", &value, b", false)"].concat();
            Some(Effect::Set(Setting { name, text }))
        }
        _ => Some(Effect::SetUnknown(name)),
    }
}

fn value_of<'v>(argument: &'v Argument, bind: Option<&'v Bind<'_>>) -> Value<'v> {
    match argument {
        Argument::Constant(text) => Value::Constant(text),
        Argument::Parameter(number) => {
            let at = usize::from(*number).checked_sub(1);
            let value = at.and_then(|at| bind?.parameters.iter().nth(at)).flatten();
            value.map_or(Value::Unknown, Value::Bound)
        }
        Argument::Unknown => Value::Unknown,
    }
}

/// As a constant of SQL.
fn literal(value: &Value<'_>) -> Option<Vec<u8>> {
    match value {
        Value::Constant(text) => Some(text.to_vec()),
        Value::Bound(bytes) if !bytes.contains(&0) => {
            // With a backslash, the meaning of a quote would depend on a setting.
            let mut text = b" E'".to_vec();
            for byte in *bytes {
                if matches!(byte, b'\'' | b'\\') {
                    text.push(b'\\');
                }
                text.push(*byte);
            }
            text.push(b'\'');
            Some(text)
        }
        Value::Bound(_) | Value::Unknown => None,
    }
}

fn is_true(value: &Value<'_>) -> Option<bool> {
    let text = match value {
        Value::Constant(text) => text.trim_ascii_start().strip_prefix(b"'").unwrap_or(text),
        Value::Bound(bytes) => bytes,
        Value::Unknown => return None,
    };
    match *text.first()? {
        // In binary form it is a number.
        b't' | b'T' | b'y' | b'Y' | b'1' | 1 => Some(true),
        b'f' | b'F' | b'n' | b'N' | b'0' | 0 => Some(false),
        _ => None,
    }
}

/// The name that a constant of SQL has, as far as names of settings go.
fn plain_name(literal: &[u8]) -> Vec<u8> {
    let inside = literal.iter().position(|byte| *byte == b'\'').and_then(|at| literal.get(at + 1..));
    let mut name = inside.and_then(|it| it.strip_suffix(b"'")).unwrap_or(literal).to_vec();
    name.make_ascii_lowercase();
    name
}

#[cfg(test)]
mod tests {
    use postgres_wire::frontend::Frontend;

    use super::*;
    use crate::sql::Reading;

    fn effects(text: &str, values: &[&str]) -> Vec<Effect> {
        let mut body = b"\0\0\0\0".to_vec();
        body.extend((values.len() as u16).to_be_bytes());
        for value in values {
            body.extend((value.len() as u32).to_be_bytes());
            body.extend(value.as_bytes());
        }
        body.extend(b"\0\0");
        let message = [b"B", &(body.len() as u32 + 4).to_be_bytes()[..], &body].concat();
        let Some((Frontend::Bind(bind), _)) = Frontend::read(&message).unwrap() else { panic!() };
        resolve(&Reading::of(text.as_bytes()).effects, Some(&bind))
    }

    #[test]
    fn a_setting_is_known_by_its_constants_and_parameters() {
        let set =
            |name: &str, text: &str| vec![Effect::Set(Setting { name: name.into(), text: text.into() })];
        let all = "SELECT set_config($1, $2, $3)";
        for (text, values, expected) in [
            (
                "SELECT set_config('App.User', '7', false)",
                &[][..],
                set("app.user", "SELECT pg_catalog.set_config('App.User', '7', false)"),
            ),
            (
                all,
                &["app.x", "it's \\", "f"],
                set("app.x", "SELECT pg_catalog.set_config( E'app.x',  E'it\\'s \\\\', false)"),
            ),
            (all, &["app.x", "y", "true"], vec![]),
            (all, &["app.x", "y", "\u{1}"], vec![]),
            (all, &["app.x", "y"], vec![Effect::SetUnknown(b"app.x".to_vec())]),
            (all, &[], vec![Effect::SetUnknown(Vec::new())]),
            ("SELECT set_config('a.b', now()::text, false)", &[], vec![Effect::SetUnknown(b"a.b".to_vec())]),
            ("BEGIN", &[], vec![Effect::Begin]),
        ] {
            assert_eq!(effects(text, values), expected, "{text} {values:?}");
        }
    }
}
