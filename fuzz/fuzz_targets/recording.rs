//! Recordings of SQL sessions: no panic, an error has its line, and what was read is written and read again as the same.

#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use sqlreplay::recording::Reader;
use sqlreplay::recording::record::Record;

const HEADER: &[u8] =
    b"{\"header\":{\"format\":1,\"protocol\":\"postgres\",\"source\":\"proxy\",\"tool\":\"t\",\"started\":\"s\"}}\n";

fuzz_target!(|input: (bool, &[u8])| {
    let (has_header, bytes) = input;
    let file = if has_header { [HEADER, bytes].concat() } else { bytes.to_vec() };
    let mut reader = match Reader::new(Path::new("a.jsonl"), Box::new(Cursor::new(file))) {
        Ok(reader) => reader,
        Err(error) => return drop(error.to_string()),
    };
    loop {
        match reader.next() {
            Ok(Some((_, record))) => {
                let line = serde_json::to_string(&record).expect("all keys are strings");
                assert_eq!(serde_json::from_str::<Record>(&line).expect("it was written"), record, "{line}");
            }
            Ok(None) => return,
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("a.jsonl") && !text.contains('\n'), "{text}");
                return;
            }
        }
    }
});
