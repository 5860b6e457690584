//! A recording as YAML: a list of its records, for editing.

use std::io::{self, BufRead, Write};
use std::path::Path;

use serde_json::Value;

use super::{ConvertError, Take};
use crate::recording::record::Record;

/// Whether the name says so.
#[must_use]
pub fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml")
}

pub(super) fn write(record: &Record, out: &mut impl Write) -> io::Result<()> {
    // By way of JSON: YAML's own form of variants is a tag, which nobody wants to edit.
    let value = serde_json::to_value(record)?;
    let text = yaml_serde::to_string(&[value]).map_err(io::Error::other)?;
    out.write_all(text.as_bytes())
}

/// An item of the list begins in the first column, and is read by itself: memory does not depend on the file's length.
pub(super) fn read(path: &Path, mut input: impl BufRead, take: Take<'_>) -> Result<(), ConvertError> {
    let io = |problem| ConvertError::Io(path.to_owned(), problem);
    let (mut item, mut line, mut number, mut start) = (String::new(), String::new(), 0_u64, 1_u64);
    loop {
        let is_there = super::next_line(&mut input, &mut line).map_err(io)?;
        number += 1;
        if (!is_there || line.starts_with("- ")) && !item.trim().is_empty() {
            let record = parse(&item).map_err(|reason| ConvertError::Content {
                path: path.to_owned(),
                place: format!("the item at line {start}"),
                reason,
            })?;
            take(record).map_err(io)?;
            item.clear();
        }
        if !is_there {
            return Ok(());
        }
        if item.is_empty() {
            start = number;
        }
        if line.trim_end() != "---" && !(item.is_empty() && line.starts_with('#')) {
            item.push_str(&line);
        }
    }
}

fn parse(item: &str) -> Result<Record, String> {
    let values: Vec<Value> = yaml_serde::from_str(item).map_err(|error| error.to_string())?;
    let [value] = <[Value; 1]>::try_from(values).map_err(|_| "it is no list of records".to_owned())?;
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_as_they_were_written() {
        let lines = [
            r#"{"header":{"format":1,"protocol":"postgres","source":"proxy","tool":"t","started":"2026-11-29T18:25:30Z"}}"#,
            r#"{"statement":{"session":1,"at":7e-6,"messages":[{"query":"SELECT 1\n  -- 'x': \"y\"\n- z\n"},"sync"],"took":0.1,"answer":["empty"]}}"#,
            r#"{"statement":{"session":1,"at":1.0,"messages":[{"bind":{"parameters":[null,"null","yes","1e3","\u0001",{"int4":"5"},{"base64":"/w=="}]}}]}}"#,
        ];
        let records: Vec<Record> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        let mut text = Vec::new();
        records.iter().for_each(|record| write(record, &mut text).unwrap());
        let mut again = Vec::new();
        let mut take = |record| {
            again.push(record);
            Ok(())
        };
        read(Path::new("x"), &text[..], &mut take).unwrap();
        assert_eq!(again, records, "{}", String::from_utf8_lossy(&text));
        let error =
            read(Path::new("x"), &b"# a comment\n- end:\n    session: x\n"[..], &mut |_| Ok(())).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
