//! The schema in `docs` and the code agree: what is written is valid, and both know the same keys.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use boon::{Compiler, Schemas};
use serde_json::Value;
use sqlreplay::recording::record::Record;

const SCHEMA: &str = include_str!("../../../docs/recording.schema.json");
const GUIDE: &str = include_str!("../../../docs/RECORDING.md");

/// Every key that there is, and every kind of value.
const LINES: &[&str] = &[
    r#"{"header":{"format":1,"protocol":"postgres","source":"proxy","listen":"a:1","server":"b:2","tool":"t","started":"2026-11-29T18:25:30Z"}}"#,
    r#"{"session":{"session":1,"at":5.5,"client":"127.0.0.1:9","user":"app","database":{"base64":"/w=="},"settings":{"application_name":"x"},"login":0.1,"refused":{"sqlstate":"28P01","message":"no"}}}"#,
    r#"{"statement":{"session":1,"at":1.0,"ahead":2,"messages":[{"query":"SELECT 1"}],"masked":"data","took":0.1,"answer":["empty"]}}"#,
    r#"{"statement":{"session":1,"at":1.0,"messages":[{"parse":{"statement":"s","sql":"SELECT $1","types":[23]}},{"bind":{"portal":"p","statement":"s","parameters":[null,"a",{"base64":"/w=="}],"results":[1]}},{"describe":{"portal":"p"}},{"describe":{"statement":"s"}},{"execute":{"portal":"p","rows":5}},{"close":{"statement":"s"}},{"close":{"portal":"p"}},"flush"],"masked":"password"}}"#,
    r#"{"statement":{"session":1,"at":1.0,"messages":[{"bind":{"parameters":[{"binary":"AA==","oid":600},{"masked":true},{"bool":"true"},{"name":"a"},{"int8":"1"},{"int2":"1"},{"int4":"1"},{"text":"a"},{"oid":"1"},{"json":"{}"},{"float4":"1.5"},{"float8":"1.5"},{"bpchar":"a"},{"varchar":"a"},{"date":"2026-11-29"},{"timestamp":"2026-11-29T00:00:00"},{"timestamptz":"2026-11-29T00:00:00Z"},{"numeric":"1.50"},{"uuid":"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},{"jsonb":"{}"}]}},"sync"]}}"#,
    r#"{"statement":{"session":1,"at":1.0,"messages":[{"copy_data":"1\n"},"copy_done",{"copy_fail":"x"},{"function_call":{"base64":"/w=="}},{"too_long":{"kind":"Q","bytes":99}}]}}"#,
    r#"{"answer":{"session":1,"took":0.5,"answer":[{"done":{"tag":"SELECT 1","rows":1,"data":{"columns":["a"],"rows":[["1"]],"more":true}}},{"suspended":{"rows":1,"data":{"rows":[[{"int4":"1"}]]}}},{"error":{"sqlstate":"42601","message":"x"}}]}}"#,
    r#"{"statement":{"session":1,"at":1.0,"messages":[{"init_db":"shop"},{"change_user":{"user":"a","database":"b","charset":45}},"reset_connection",{"stmt_close":"1"},{"command":{"command":14,"body":"x"}}],"took":0.1,"answer":[{"error":{"code":1062,"sqlstate":"23000","message":"x"}}]}}"#,
    r#"{"statement":{"session":1,"at":1.0,"messages":[{"bind":{"parameters":[{"tinyint":"1"},{"smallint":"1"},{"int":"1"},{"bigint":"-1"},{"tinyint unsigned":"1"},{"smallint unsigned":"1"},{"int unsigned":"1"},{"bigint unsigned":"1"},{"float":"1.5"},{"double":"1.5"},{"mediumint":"1"},{"year":"2026"},{"mysql_timestamp":"2026-11-29 10:00:00"},{"mysql_date":"2026-11-29"},{"time":"0 10:00:00"},{"datetime":"2026-11-29 10:00:00.000001"},{"string":"a"},{"decimal":"a"},{"blob":"a"},{"tiny_blob":"a"},{"medium_blob":"a"},{"long_blob":"a"},{"mysql_varchar":"a"},{"mysql_json":"a"}]}}]}}"#,
    r#"{"cancel":{"session":1,"at":1.0}}"#,
    r#"{"end":{"session":1,"at":1.0,"by":"terminate","error":{"sqlstate":"57P01","message":"x"}}}"#,
    r#"{"end":{"session":1,"at":1.0,"by":"client"}}"#,
    r#"{"end":{"session":1,"at":1.0,"by":"server"}}"#,
    r#"{"end":{"session":1,"at":1.0,"by":"recorder"}}"#,
    r#"{"skipped":{"at":1.0,"client":"a:1","session":1,"reason":"x"}}"#,
];

fn is_valid(value: &Value) -> bool {
    let mut compiler = Compiler::new();
    compiler.add_resource("recording.json", serde_json::from_str(SCHEMA).unwrap()).unwrap();
    let mut schemas = Schemas::new();
    let schema = compiler.compile("recording.json", &mut schemas).unwrap();
    schemas.validate(value, schema).is_ok()
}

/// The names of objects' keys, with those of `properties` in a schema if `in_schema`.
fn keys(value: &Value, in_schema: bool, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (in_schema, key.as_str()) {
                    (true, "properties") => {
                        let Value::Object(properties) = value else { panic!("{value}") };
                        found.extend(properties.keys().cloned());
                        properties.values().for_each(|value| keys(value, true, found));
                    }
                    (true, _) => keys(value, true, found),
                    // The keys of settings are data.
                    (false, "settings") => {
                        found.insert(key.clone());
                    }
                    (false, _) => {
                        found.insert(key.clone());
                        keys(value, false, found);
                    }
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|value| keys(value, in_schema, found)),
        _ => {}
    }
}

#[test]
fn what_is_written_is_valid_and_read_again() {
    for line in LINES {
        let value: Value = serde_json::from_str(line).unwrap();
        assert!(is_valid(&value), "{line}");
        let record: Record = serde_json::from_str(line).unwrap();
        // Nothing is lost, and nothing is added.
        let again = serde_json::to_string(&record).unwrap();
        assert_eq!(again, line.replace(r#","answer":[]"#, ""));
    }
}

#[test]
fn schema_and_code_know_the_same_keys() {
    let (mut written, mut described) = (BTreeSet::new(), BTreeSet::new());
    for line in LINES {
        keys(&serde_json::from_str(line).unwrap(), false, &mut written);
    }
    keys(&serde_json::from_str(SCHEMA).unwrap(), true, &mut described);
    assert_eq!(written, described);
    for key in written {
        assert!(GUIDE.contains(&key), "docs/RECORDING.md does not mention {key:?}");
    }
}

#[test]
fn the_example_of_the_guide_is_valid() {
    let mut count = 0;
    for line in GUIDE.lines().filter(|line| line.starts_with("{\"")) {
        assert!(is_valid(&serde_json::from_str(line).unwrap()), "{line}");
        serde_json::from_str::<Record>(line).unwrap();
        count += 1;
    }
    assert!(count >= 5);
}

/// A change of any key or value is refused by the schema and by the code.
#[test]
fn what_the_schema_refuses_the_code_refuses() {
    for line in LINES {
        for (old, new) in [
            ("\"at\":1.0", "\"at\":-1.0"),
            ("\"session\":1", "\"session\":-1"),
            ("\"reason\"", "\"raison\""),
            ("terminate", "x"),
            ("\"rows\":1", "\"rows\":\"1\""),
            ("\"masked\":\"data\"", "\"masked\":\"y\""),
            ("\"flush\"", "\"flash\""),
        ] {
            let changed = line.replace(old, new);
            if changed != *line {
                assert!(!is_valid(&serde_json::from_str(&changed).unwrap()), "{changed}");
                assert!(serde_json::from_str::<Record>(&changed).is_err(), "{changed}");
            }
        }
    }
}
