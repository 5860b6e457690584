//! The reading of a client's SQL, in any dialect: no panic, statements that cover the text, the quick look agrees with the
//! whole reading, and one statement can be replaced without a change to the others.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u16, &[u8])| {
    let (dialect, text) = input;
    tcpcopy_mysql::check_sql(text, dialect);
});
