//! `mocks.yaml` of Keploy: documents with requests and responses.

use std::io::BufRead;
use std::path::Path;

use base64ct::{Base64, Encoding};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::chunks::Chunks;
use super::{ConvertError, Take};
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::Micros;

#[derive(Deserialize)]
struct Mock {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    spec: Value,
}

pub(super) fn read(
    path: &Path,
    mut input: impl BufRead,
    masking: &Masking,
    take: Take<'_>,
) -> Result<Vec<String>, ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let mut converter = Converter { chunks: Chunks::new(masking), first: None, last: Micros(0), others: 0 };
    let (mut text, mut line, mut number) = (String::new(), String::new(), 0_u64);
    loop {
        let is_there = super::next_line(&mut input, &mut line).map_err(io)?;
        if !is_there || line.trim_end() == "---" {
            if !text.trim().is_empty() {
                number += 1;
                let content = |reason: String| ConvertError::Content {
                    path: path.to_owned(),
                    place: format!("document {number}"),
                    reason,
                };
                let mock: Mock = yaml_serde::from_str(&text).map_err(|error| content(error.to_string()))?;
                converter.mock(&mock, take).map_err(io)?;
            }
            text.clear();
            if !is_there {
                break;
            }
        } else {
            text.push_str(&line);
        }
    }
    if converter.first.is_none() {
        take(super::header("1970-01-01T00:00:00Z".to_owned(), Protocol::Postgres)).map_err(io)?;
    }
    converter.chunks.finish(take).map_err(io)?;
    let others = converter.others;
    Ok(if others > 0 { vec![format!("{others} documents that are not of PostgreSQL")] } else { Vec::new() })
}

struct Converter {
    chunks: Chunks,
    first: Option<i64>,
    last: Micros,
    others: u64,
}

impl Converter {
    fn mock(&mut self, mock: &Mock, take: Take<'_>) -> std::io::Result<()> {
        if !mock.kind.to_lowercase().starts_with("postgres") {
            self.others += 1;
            return Ok(());
        }
        let spec = &mock.spec;
        let began = any(spec, &["reqtimestampmock", "reqTimestampMock"]).and_then(time);
        if self.first.is_none() {
            let started = began.and_then(|time| Timestamp::from_microsecond(time).ok()).unwrap_or_default();
            take(super::header(started.to_string(), Protocol::Postgres))?;
            self.first = Some(began.unwrap_or_default());
        }
        let ended = any(spec, &["restimestampmock", "resTimestampMock"]).and_then(time);
        let (began, ended) = (self.at(began), self.at(ended));
        // Keploy numbers connections and does not name clients.
        let name = any(spec, &["connectionId", "connectionid", "connection_id"]);
        let name = name.map_or("0".to_owned(), |name| name.as_str().map_or(name.to_string(), str::to_owned));
        let name = format!("connection-{name}");
        let requests = any(spec, &["postgresrequests", "postgresRequests", "RequestBin", "requestbin"]);
        requests.map(items).unwrap_or_default().iter().for_each(|item| self.item(item, began, &name, true));
        let responses = any(spec, &["postgresresponses", "postgresResponses", "ResponseBin", "responsebin"]);
        responses.map(items).unwrap_or_default().iter().for_each(|item| self.item(item, ended, &name, false));
        self.chunks.hand_over(take)
    }

    fn item(&mut self, item: &Value, at: Micros, name: &str, is_client: bool) {
        let payload = match item {
            // The older form.
            Value::String(payload) => Some(payload.as_str()),
            item => any(item, &["payload"]).and_then(Value::as_str),
        };
        let bytes =
            payload.and_then(|payload| Base64::decode_vec(payload.trim()).ok()).filter(|it| !it.is_empty());
        if let Some(bytes) = bytes {
            self.chunks.chunk(at, name, is_client, &bytes, ["", ""]);
        } else if is_client {
            for sql in texts(item) {
                self.chunks.text(at, name, &sql, ["", ""]);
            }
        }
    }

    /// Times never go back.
    fn at(&mut self, time: Option<i64>) -> Micros {
        let since = time.map(|time| time - self.first.unwrap_or_default());
        self.last =
            self.last.max(Micros(since.and_then(|since| u64::try_from(since).ok()).unwrap_or_default()));
        self.last
    }
}

fn any<'v>(value: &'v Value, names: &[&str]) -> Option<&'v Value> {
    names.iter().find_map(|name| value.get(name)).filter(|value| !value.is_null())
}

fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        other => vec![other.clone()],
    }
}

fn time(value: &Value) -> Option<i64> {
    value.as_str()?.parse::<Timestamp>().ok().map(|time| time.as_microsecond())
}

/// The statements of a request whose bytes are not there.
fn texts(item: &Value) -> Vec<String> {
    let of = |value: &Value| match value {
        Value::String(sql) => Some(sql.clone()),
        value => {
            any(value, &["string", "String", "query", "Query"]).and_then(Value::as_str).map(str::to_owned)
        }
    };
    let values = ["query", "parse", "parses"].iter().filter_map(|name| any(item, &[name]));
    values.flat_map(items).filter_map(|value| of(&value)).filter(|sql| !sql.is_empty()).collect()
}
