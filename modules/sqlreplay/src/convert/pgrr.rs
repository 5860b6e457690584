//! `queries.json` of pgrr: lines of JSON, each with the raw bytes of what a proxy has read at once.

use std::io::BufRead;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::Deserialize;

use super::chunks::Chunks;
use super::{ConvertError, Take};
use crate::masking::Masking;
use crate::protocol::Protocol;
use crate::recording::Micros;

#[derive(Deserialize)]
struct Line {
    #[serde(default, alias = "timestamp")]
    capture_time: Option<String>,
    #[serde(default)]
    direction: Option<String>,
    #[serde(default)]
    sql: Option<String>,
    #[serde(default)]
    raw_hex: Option<String>,
    #[serde(default)]
    db_user: Option<String>,
    #[serde(default)]
    db_name: Option<String>,
}

pub(super) fn read(
    path: &Path,
    mut input: impl BufRead,
    masking: &Masking,
    take: Take<'_>,
) -> Result<Vec<String>, ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let mut chunks = Chunks::new(masking);
    let (mut text, mut number, mut first, mut skipped) = (String::new(), 0_u64, None, 0_u64);
    while super::next_line(&mut input, &mut text).map_err(io)? {
        number += 1;
        let content = |reason: String| ConvertError::Content {
            path: path.to_owned(),
            place: format!("line {number}"),
            reason,
        };
        // The line at the end, which sums up, and blank ones.
        if text.trim().is_empty() || text.contains("SUMMARY") && !text.contains("raw_hex") {
            continue;
        }
        let line: Line = serde_json::from_str(&text).map_err(|error| content(error.to_string()))?;
        let (Some(direction), Some(time)) = (&line.direction, &line.capture_time) else {
            skipped += 1;
            continue;
        };
        let (client, is_client) =
            side(direction).ok_or_else(|| content(format!("{direction:?} is no direction")))?;
        let time = micros(time).ok_or_else(|| content(format!("{time:?} is no time")))?;
        if first.is_none() {
            take(super::header(
                Timestamp::from_microsecond(time).map_or(String::new(), |time| time.to_string()),
                Protocol::Postgres,
            ))
            .map_err(io)?;
        }
        let now = Micros(u64::try_from(time - *first.get_or_insert(time)).unwrap_or_default());
        let login =
            [line.db_user.as_deref().unwrap_or_default(), line.db_name.as_deref().unwrap_or_default()];
        match (&line.raw_hex, &line.sql) {
            (Some(hex), _) if !hex.is_empty() => {
                let bytes = bytes(hex).ok_or_else(|| {
                    content("raw_hex has other characters than hexadecimal digits".to_owned())
                })?;
                chunks.chunk(now, &client, is_client, &bytes, login);
            }
            (_, Some(sql)) if is_client && !sql.is_empty() => chunks.text(now, &client, sql, login),
            _ => skipped += 1,
        }
        chunks.hand_over(take).map_err(io)?;
    }
    chunks.finish(take).map_err(io)?;
    Ok(if skipped > 0 { vec![format!("{skipped} lines without bytes or SQL")] } else { Vec::new() })
}

/// `('127.0.0.1', 54752) client → server`: the client's address, and whether it is the sender.
fn side(direction: &str) -> Option<(String, bool)> {
    let (address, names) = direction.split_once(')')?;
    // Of IPv6, flow and scope stand behind the port.
    let mut parts = address.trim_start_matches(['(', ' ']).split(',');
    let host = parts.next()?.trim_matches(['\'', '"', ' ']);
    let port: u16 = parts.next()?.trim().parse().ok()?;
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let is_client = names.find("client")? < names.find("server")?;
    Some((format!("{host}:{port}"), is_client))
}

/// Microseconds since 1970. Without a zone, it is taken for UTC: only differences count.
fn micros(text: &str) -> Option<i64> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time.as_microsecond());
    }
    let time: DateTime = text.replace(' ', "T").parse().ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_microsecond())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.trim().as_bytes().as_chunks::<2>() else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    pairs.iter().map(|[high, low]| Some((digit(*high)? << 4 | digit(*low)?) as u8)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directions_and_times_are_read() {
        assert_eq!(side("('127.0.0.1', 54752) client → server"), Some(("127.0.0.1:54752".into(), true)));
        assert_eq!(side("('::1', 5, 0, 0) server → client"), Some(("[::1]:5".into(), false)));
        assert_eq!(side("('::1', 5) server → client"), Some(("[::1]:5".into(), false)));
        assert_eq!(side("x"), None);
        let time = micros("2026-11-29T10:00:00.5+00:00").unwrap();
        assert_eq!(micros("2026-11-29 10:00:00.500000"), Some(time));
        assert_eq!((bytes("00fF"), bytes("0"), bytes("zz")), (Some(vec![0, 255]), None, None));
    }
}
