//! Packets as clients and servers write them. Tests, unit tests, the example and the fuzz target share this file.

#![allow(dead_code, reason = "not every user needs all of it")]

/// 4.1, transactions, secure connection, methods by name, several statements and results.
pub(crate) const USUAL: u32 = 0x000f_a201;

/// CLIENT_COMPRESS, CLIENT_QUERY_ATTRIBUTES.
pub(crate) const COMPRESS: u32 = 0x20;
pub(crate) const ATTRIBUTES: u32 = 1 << 27;

/// CLIENT_LOCAL_FILES.
pub(crate) const LOCAL_FILES: u32 = 1 << 7;

/// The type of a number, of a text.
pub(crate) const LONG: u8 = 3;
pub(crate) const TEXT: u8 = 0xFD;

/// A packet whose payload has less than 16 MB.
pub(crate) fn packet(sequence: u8, payload: &[u8]) -> Vec<u8> {
    let length = payload.len() as u32;
    [&length.to_le_bytes()[..3], &[sequence], payload].concat()
}

/// The response of user "app" with these capabilities to a greeting.
pub(crate) fn hello(capabilities: u32) -> Vec<u8> {
    hello_of("app", capabilities)
}

pub(crate) fn hello_of(user: &str, capabilities: u32) -> Vec<u8> {
    let fixed = [&capabilities.to_le_bytes()[..], &[0, 0, 0, 1, 45], &[0; 23]].concat();
    packet(1, &[&fixed, user.as_bytes(), b"\0\0mysql_native_password\0"].concat())
}

/// The greeting of a server with these capabilities.
pub(crate) fn greeting(capabilities: u32) -> Vec<u8> {
    greeting_of(42, capabilities)
}

/// The greeting of a server that gives the connection this id.
pub(crate) fn greeting_of(id: u8, capabilities: u32) -> Vec<u8> {
    greeting_with(id, capabilities, 0, b"mysql_native_password")
}

/// The same with MariaDB's extended capabilities, and another authentication method.
pub(crate) fn greeting_with(id: u8, capabilities: u32, extended: u32, method: &[u8]) -> Vec<u8> {
    let [a, b, c, d] = capabilities.to_le_bytes();
    let head = [
        b"\x0a9.7.4\0",
        &[id, 0, 0, 0][..],
        b"nonce678\0",
        &[a, b, 0x21, 2, 0, c, d, 0x15, 0, 0, 0, 0, 0, 0],
    ];
    packet(0, &[&head.concat()[..], &extended.to_le_bytes(), b"901234567890\0", method, b"\0"].concat())
}

pub(crate) const IN_TRANSACTION: u8 = 1;

pub(crate) fn ok(sequence: u8, status: u8) -> Vec<u8> {
    packet(sequence, &[0, 0, 0, 2 | status, 0, 0, 0])
}

/// A PREPARE has got this id.
pub(crate) fn prepared(id: u8, columns: u8, parameters: u8) -> Vec<u8> {
    prepared_as(u32::from(id), columns, parameters)
}

pub(crate) fn prepared_as(id: u32, columns: u8, parameters: u8) -> Vec<u8> {
    packet(1, &[&[0][..], &id.to_le_bytes(), &[columns, 0, parameters, 0, 0, 0, 0]].concat())
}

pub(crate) fn command(byte: u8, rest: &[u8]) -> Vec<u8> {
    packet(0, &[&[byte], rest].concat())
}

pub(crate) fn query(text: &str) -> Vec<u8> {
    command(3, text.as_bytes())
}

pub(crate) fn init_db(name: &str) -> Vec<u8> {
    command(2, name.as_bytes())
}

pub(crate) fn prepare(text: &str) -> Vec<u8> {
    command(0x16, text.as_bytes())
}

pub(crate) fn execute(id: u8) -> Vec<u8> {
    execute_as(u32::from(id))
}

pub(crate) fn execute_as(id: u32) -> Vec<u8> {
    command(0x17, &[&id.to_le_bytes()[..], &[0, 1, 0, 0, 0]].concat())
}

/// MariaDB's name for the statement prepared last.
pub(crate) const LAST: u32 = u32::MAX;

pub(crate) fn execute_last() -> Vec<u8> {
    execute_as(LAST)
}

pub(crate) fn error(code: u16, text: &str) -> Vec<u8> {
    packet(1, &[&[0xFF][..], &code.to_le_bytes(), b"#HY000", text.as_bytes()].concat())
}

/// An error of a server that does not know the client yet: without an SQL state.
pub(crate) fn early_error(code: u16, text: &str) -> Vec<u8> {
    packet(0, &[&[0xFF][..], &code.to_le_bytes(), text.as_bytes()].concat())
}
