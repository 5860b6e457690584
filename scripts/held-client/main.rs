//! A client for the lab that holds its connections: `held-client ADDRESS COUNT REQUESTS OPENED GO`.
//!
//! It opens COUNT connections to port 80, one after the other, and sends an HTTP request on each; then it creates the
//! file OPENED, waits for a line from the pipe GO, and sends REQUESTS more on every connection, in turn. Every answer
//! is read whole before the next request.
//!
//! `held-client --rate RATE SECONDS ADDRESS COUNT` instead sends RATE requests a second over COUNT connections, and
//! prints how long the answers took.

mod paced;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, TcpStream};
use std::process::ExitCode;

const PORT: u16 = 80;

/// In one write: what is written in pieces waits for the acknowledgement of the piece before (RFC 896).
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: lab\r\n\r\n";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [option, rate, seconds, address, count] if option == "--rate" => {
            paced::run(address, count, rate, seconds)
        }
        [address, count, requests, opened, go] => hold(address, count, requests, opened, go),
        _ => Err("usage: held-client ADDRESS COUNT REQUESTS OPENED GO".into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "held-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn hold(address: &str, count: &str, requests: &str, opened: &str, go: &str) -> Result<(), Box<dyn Error>> {
    let (address, count, requests): (IpAddr, usize, usize) =
        (address.parse()?, count.parse()?, requests.parse()?);
    let mut buffer = Vec::new();
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = TcpStream::connect((address, PORT))?;
        ask(&mut connection, &mut buffer)?;
        connections.push(connection);
    }
    File::create(opened)?;
    fs::read(go)?;
    for _ in 0..requests {
        connections.iter_mut().try_for_each(|connection| ask(connection, &mut buffer))?;
    }
    Ok(())
}

/// One request, and all of its answer.
fn ask(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> io::Result<()> {
    connection.write_all(REQUEST)?;
    buffer.clear();
    let mut chunk = [0; 4096];
    while !is_complete(buffer)? {
        match connection.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => buffer.extend_from_slice(&chunk[..length]),
        }
    }
    Ok(())
}

/// Whether all is there that the header announces.
fn is_complete(answer: &[u8]) -> io::Result<bool> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(header) = answer.windows(END.len()).position(|window| window == END) else { return Ok(false) };
    let lines = String::from_utf8_lossy(&answer[..header]);
    let length = lines.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse::<usize>().ok());
    let length = length.ok_or_else(|| io::Error::other("an answer without Content-Length"))?;
    Ok(answer.len() >= header + END.len() + length)
}
