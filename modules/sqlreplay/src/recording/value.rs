//! Texts and values in a recording: JSON's strings where that is possible without loss, otherwise Base64.

use std::borrow::Cow;
use std::fmt;

use base64ct::{Base64, Encoding};
use serde::de::{Error, MapAccess, Unexpected, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{binary, mysql};

/// A text in the client's encoding: a string if it is UTF-8, otherwise `{"base64": "..."}`.
#[derive(Clone, PartialEq, Eq, Default, Hash, PartialOrd, Ord)]
pub struct Bytes(pub Vec<u8>);

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.shown())
    }
}

impl Bytes {
    /// For people.
    #[must_use]
    pub fn shown(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&[u8]> for Bytes {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl From<&str> for Bytes {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => one(serializer, "base64", &Base64::encode_string(&self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Bytes;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or {\"base64\": \"...\"}")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Bytes, E> {
                Ok(Bytes(text.as_bytes().to_vec()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Bytes, A::Error> {
                match map.next_entry::<String, String>()? {
                    Some((key, text)) if key == "base64" => decode(&text).map(Bytes),
                    _ => Err(A::Error::custom("only \"base64\" is expected here")),
                }
            }
        }
        deserializer.deserialize_any(Text)
    }
}

/// The value of a parameter or column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `null`.
    Null,
    /// In the text form: a string, or `{"base64": "..."}`.
    Text(Bytes),
    /// In the binary form of a type that is known here: `{"int4": "5"}`, as [`binary`] has it.
    Typed(&'static str, String),
    /// In the binary form of any other type: `{"binary": "BASE64"}`, with `"oid"` if the type is known.
    Binary(Vec<u8>, Option<u32>),
    /// It was masked: `{"masked": true}`.
    Masked,
}

impl Value {
    /// A value in its text or binary form. `oid` is its type, 0 if that is unknown.
    #[must_use]
    pub fn of(bytes: Option<&[u8]>, is_binary: bool, oid: u32) -> Self {
        let Some(bytes) = bytes else { return Self::Null };
        if !is_binary {
            return Self::Text(bytes.into());
        }
        match binary::decode(oid, bytes) {
            Some((name, text)) => Self::Typed(name, text),
            None => Self::Binary(bytes.to_vec(), (oid != 0).then_some(oid)),
        }
    }

    /// A parameter of MySQL's binary protocol, or a value of such a row: its type (MYSQL_TYPE_*, and 0x8000 if it is
    /// unsigned), and its bytes without their length.
    #[must_use]
    pub fn of_mysql(bytes: Option<&[u8]>, kind: u16) -> Self {
        let Some(bytes) = bytes else { return Self::Null };
        if kind == mysql::VAR_STRING {
            return Self::Text(bytes.into());
        }
        match mysql::decode(kind, bytes) {
            Some((name, text)) => Self::Typed(name, text),
            None => Self::Binary(bytes.to_vec(), Some(kind.into())),
        }
    }

    /// The type with which it goes out to a server of MySQL.
    #[must_use]
    pub fn mysql_kind(&self) -> u16 {
        match self {
            Self::Null | Self::Masked => mysql::NULL,
            Self::Typed(name, _) => mysql::kind(name).unwrap_or(mysql::VAR_STRING),
            Self::Binary(_, Some(kind)) => u16::try_from(*kind).unwrap_or(mysql::VAR_STRING),
            Self::Text(_) | Self::Binary(_, None) => mysql::VAR_STRING,
        }
    }

    /// Whether it goes out in the binary form; `None` if that does not matter.
    #[must_use]
    pub fn is_binary(&self) -> Option<bool> {
        match self {
            Self::Null | Self::Masked => None,
            Self::Text(_) => Some(false),
            Self::Typed(..) | Self::Binary(..) => Some(true),
        }
    }

    /// The bytes that go out; `None` is NULL, which stands for what was masked, too.
    #[must_use]
    pub fn bytes(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Null | Self::Masked => None,
            Self::Text(text) => Some(Cow::Borrowed(&text.0)),
            // It was checked when it was read.
            Self::Typed(name, text) => Some(Cow::Owned(encode(name, text).unwrap_or_default())),
            Self::Binary(bytes, _) => Some(Cow::Borrowed(bytes)),
        }
    }

    /// What it takes in memory beside itself, in bytes.
    #[must_use]
    pub fn length(&self) -> usize {
        match self {
            Self::Null | Self::Masked => 0,
            Self::Text(text) => text.0.len(),
            Self::Typed(_, text) => text.len(),
            Self::Binary(bytes, _) => bytes.len(),
        }
    }

    /// The text in it that a person could read.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Text(text) => Some(text.shown()),
            Self::Typed(_, text) => Some(Cow::Borrowed(text)),
            Self::Null | Self::Binary(..) | Self::Masked => None,
        }
    }

    /// For people.
    #[must_use]
    pub fn shown(&self) -> String {
        match self {
            Self::Null => "NULL".to_owned(),
            Self::Masked => "(masked)".to_owned(),
            Self::Text(text) => format!("'{}'", text.shown().replace('\'', "''")),
            Self::Typed(name, text) => format!("'{}'::{name}", text.replace('\'', "''")),
            Self::Binary(bytes, oid) => {
                let oid = oid.map_or(String::new(), |oid| format!(" of type {oid}"));
                format!("({} bytes{oid})", bytes.len())
            }
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Text(text) => text.serialize(serializer),
            Self::Typed(name, text) => one(serializer, name, text),
            Self::Binary(bytes, oid) => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry("binary", &Base64::encode_string(bytes))?;
                if let Some(oid) = oid {
                    map.serialize_entry("oid", oid)?;
                }
                map.end()
            }
            Self::Masked => one(serializer, "masked", &true),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("null, a string, {\"base64\"|\"binary\": \"...\"}, {\"TYPE\": \"...\"} or {\"masked\": true}")
            }
            fn visit_unit<E: Error>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
                Ok(Value::Text(text.into()))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
                read_map(&mut map)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

fn read_map<'de, A: MapAccess<'de>>(map: &mut A) -> Result<Value, A::Error> {
    let Some(key) = map.next_key::<String>()? else { return Err(A::Error::custom("{} is no value")) };
    let value = match key.as_str() {
        "masked" => {
            map.next_value::<bool>()?;
            Value::Masked
        }
        "base64" => Value::Text(Bytes(decode(&map.next_value::<String>()?)?)),
        "binary" => {
            let bytes = decode(&map.next_value::<String>()?)?;
            let oid = match map.next_entry::<String, u32>()? {
                Some((key, oid)) if key == "oid" => Some(oid),
                Some((key, _)) => return Err(A::Error::custom(format!("unknown field {key:?} of a value"))),
                None => None,
            };
            Value::Binary(bytes, oid)
        }
        name => {
            let text = map.next_value::<String>()?;
            let name = binary::name(name)
                .or_else(|| mysql::name(name))
                .ok_or_else(|| A::Error::custom(format!("no type is called {name:?} here")))?;
            if encode(name, &text).is_none() {
                return Err(A::Error::custom(format!("{text:?} is no value of type {name}")));
            }
            Value::Typed(name, text)
        }
    };
    match map.next_key::<String>()? {
        None => Ok(value),
        Some(key) => Err(A::Error::custom(format!("unknown field {key:?} of a value"))),
    }
}

/// The bytes of a typed text; `None` if it is no value of the type.
fn encode(name: &str, text: &str) -> Option<Vec<u8>> {
    if mysql::kind(name).is_some() { mysql::encode(name, text) } else { binary::encode(name, text) }
}

fn one<S: Serializer>(serializer: S, key: &str, value: &impl Serialize) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(1))?;
    map.serialize_entry(key, value)?;
    map.end()
}

fn decode<E: Error>(text: &str) -> Result<Vec<u8>, E> {
    Base64::decode_vec(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &"Base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_they_were_written() {
        for (bytes, is_binary, oid, expected) in [
            (None, true, 23, "null"),
            (Some(&b"a'b"[..]), false, 0, r#""a'b""#),
            (Some(b"\xff\x00"), false, 25, r#"{"base64":"/wA="}"#),
            (Some(&[0, 0, 0, 5]), true, 23, r#"{"int4":"5"}"#),
            (Some(&[0, 0, 5]), true, 23, r#"{"binary":"AAAF","oid":23}"#),
            (Some(&[1, 2]), true, 0, r#"{"binary":"AQI="}"#),
        ] {
            let value = Value::of(bytes, is_binary, oid);
            assert_eq!(serde_json::to_string(&value).unwrap(), expected);
            let again: Value = serde_json::from_str(expected).unwrap();
            assert_eq!((&again, again.bytes().as_deref()), (&value, bytes));
        }
        for (bad, part) in [
            (r#"{"int4":"x"}"#, "no value of type int4"),
            (r#"{"int5":"1"}"#, "int5"),
            (r#"{"binary":"AQI"}"#, "Base64"),
            (r#"{"binary":"AQI=","type":1}"#, "type"),
            (r#"{"int4":"1","x":"1"}"#, "x"),
            ("5", "invalid type"),
            ("{}", "no value"),
        ] {
            let error = serde_json::from_str::<Value>(bad).unwrap_err().to_string();
            assert!(error.contains(part), "{bad}: {error}");
        }
    }
}
