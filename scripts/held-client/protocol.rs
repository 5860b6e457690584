//! Requests, and the end of their answers.

use std::error::Error;
use std::io::{self, Read, Write};
use std::net::TcpStream;

/// A request and its port.
pub(crate) struct Protocol {
    pub(crate) port: u16,
    /// In one write, because a second piece would wait for the acknowledgement of the first (RFC 896).
    request: Vec<u8>,
    is_complete: fn(&[u8]) -> io::Result<bool>,
}

impl Protocol {
    /// From the arguments `[PROTOCOL [BYTES]]`.
    pub(crate) fn named(arguments: &[String]) -> Result<Self, Box<dyn Error>> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments[..] {
            [] | ["http"] => Ok(Self::http(0)),
            ["http", bytes] => Ok(Self::http(bytes.parse()?)),
            ["redis"] => Ok(Self::redis()),
            _ => Err("the protocol is http [BYTES] or redis".into()),
        }
    }

    fn http(bytes: usize) -> Self {
        let mut request = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n".to_vec();
        if bytes > request.len() {
            let padding = "x".repeat(bytes.saturating_sub(request.len() + "Padding: \r\n".len()));
            request = format!("GET / HTTP/1.1\r\nHost: lab\r\nPadding: {padding}\r\n\r\n").into_bytes();
        }
        Self { port: 80, request, is_complete: http_is_complete }
    }

    fn redis() -> Self {
        let request = b"*2\r\n$4\r\nINCR\r\n$7\r\nheld:cl\r\n".to_vec();
        Self { port: 6379, request, is_complete: |answer| Ok(answer.ends_with(b"\r\n")) }
    }

    /// Sends a request and reads the complete answer.
    pub(crate) fn ask(&self, connection: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
        connection.write_all(&self.request)?;
        buffer.clear();
        let mut chunk = [0; 4096];
        while !(self.is_complete)(buffer)? {
            match connection.read(&mut chunk)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                length => buffer.extend_from_slice(&chunk[..length]),
            }
        }
        Ok(())
    }
}

/// Whether the answer has the length that its header announces.
fn http_is_complete(answer: &[u8]) -> io::Result<bool> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(header) = answer.windows(END.len()).position(|window| window == END) else { return Ok(false) };
    let lines = String::from_utf8_lossy(&answer[..header]);
    let length = lines.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
    let length = length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
    Ok(answer.len() >= header + END.len() + length)
}
