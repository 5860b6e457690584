//! Requests at a fixed rate, with response times.

use std::error::Error;
use std::net::{IpAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::protocol::Protocol;

/// Each connection sends its share, one request after the other. There are several, so that a slow answer does not stop all.
const THREADS: u32 = 4;

/// Sends `rate` requests a second for `seconds` over `connections`. Prints as JSON how many were answered, in how many
/// seconds, and the response times in microseconds.
///
/// If a late answer delays a request, its response time counts from the time at which it was due.
pub(crate) fn run(
    protocol: &Protocol,
    address: &str,
    connections: &str,
    rate: &str,
    seconds: &str,
) -> Result<(), Box<dyn Error>> {
    let (address, connections, rate, seconds): (IpAddr, usize, u32, u32) =
        (address.parse()?, connections.parse()?, rate.parse()?, seconds.parse()?);
    if rate == 0 || connections == 0 {
        return Err("neither the rate nor the number of connections may be 0".into());
    }
    let share = connections.div_ceil(THREADS as usize);
    let interval = Duration::from_secs(1) * THREADS / rate;
    let count = rate * seconds / THREADS;
    let started = now();
    let mut times = Vec::new();
    thread::scope(|scope| -> Result<(), Box<dyn Error>> {
        let clients: Vec<_> = (0..THREADS)
            .map(|thread| {
                let first = started + interval * thread / THREADS;
                scope.spawn(move || client(protocol, address, share, count, first, interval))
            })
            .collect();
        for client in clients {
            times.extend(client.join().map_err(|_| "a thread panicked")??);
        }
        Ok(())
    })?;
    let took = started.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 1000).map_or(0, Duration::as_micros);
    println!(
        r#"{{"requests": {}, "rate": {:.1}, "median_us": {}, "p99_us": {}}}"#,
        times.len(),
        times.len() as f64 / took,
        at(500),
        at(990)
    );
    Ok(())
}

fn client(
    protocol: &Protocol,
    address: IpAddr,
    connections: usize,
    count: u32,
    first: Instant,
    interval: Duration,
) -> std::io::Result<Vec<Duration>> {
    let mut connections: Vec<TcpStream> =
        (0..connections).map(|_| TcpStream::connect((address, protocol.port))).collect::<Result<_, _>>()?;
    let mut buffer = Vec::new();
    let mut times = Vec::new();
    let turns = (0..connections.len()).cycle();
    for (number, index) in (0..count).zip(turns) {
        let due = first + interval * number;
        let early = due.saturating_duration_since(now());
        if !early.is_zero() {
            sleep(early);
        }
        // A late wake-up is the fault of this client, not of the service.
        let from = if early.is_zero() { due } else { now() };
        protocol.ask(&mut connections[index], &mut buffer)?;
        times.push(from.elapsed());
    }
    Ok(times)
}

#[expect(clippy::disallowed_methods, reason = "it measures a service from outside")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "requests are sent when it is their time")]
fn sleep(time: Duration) {
    thread::sleep(time);
}
