//! A client for the lab that keeps its connections: `held-client ADDRESS COUNT REQUESTS OPENED GO`.
//!
//! It opens COUNT connections to port 80, one after the other, and sends an HTTP request on each; then it creates the
//! file OPENED, waits for a line from the pipe GO, and sends REQUESTS more on every connection, in turn. It reads every
//! answer completely before the next request.
//!
//! `held-client --rate RATE SECONDS ADDRESS COUNT [PROTOCOL [BYTES]]` instead sends RATE requests a second over COUNT
//! connections, and prints the response times. PROTOCOL is http (to port 80) or redis (INCR, to port 6379);
//! BYTES is the minimum length of an HTTP request.

mod paced;
mod protocol;

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{IpAddr, TcpStream};
use std::process::ExitCode;

use protocol::Protocol;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match &arguments[..] {
        [option, rate, seconds, address, count, protocol @ ..] if option == "--rate" => {
            Protocol::named(protocol)
                .and_then(|protocol| paced::run(&protocol, address, count, rate, seconds))
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
    let http = Protocol::named(&[])?;
    let mut buffer = Vec::new();
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        let mut connection = TcpStream::connect((address, http.port))?;
        http.ask(&mut connection, &mut buffer)?;
        connections.push(connection);
    }
    File::create(opened)?;
    fs::read(go)?;
    for _ in 0..requests {
        connections.iter_mut().try_for_each(|connection| http.ask(connection, &mut buffer))?;
    }
    Ok(())
}
