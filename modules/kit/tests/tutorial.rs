//! The code in docs/MODULES.md is that of the example, which compiles and has tests.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;

#[test]
fn the_tutorial_shows_the_example() {
    let root = env!("CARGO_MANIFEST_DIR");
    let tutorial = fs::read_to_string(format!("{root}/../../docs/MODULES.md")).unwrap();
    let example = fs::read_to_string(format!("{root}/examples/memcached.rs")).unwrap();
    let blocks: Vec<&str> =
        tutorial.split("```rust\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() > 5, "{} blocks of code", blocks.len());
    for block in blocks {
        assert!(example.contains(block), "not in the example:\n{block}");
    }
}
