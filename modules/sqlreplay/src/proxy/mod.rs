//! A transparent proxy, which records the sessions that it carries.

mod cancels;
mod carriers;
mod connection;
mod counters;
mod decoder;
mod mysql;
mod opening;
mod pipe;
mod queue;
mod tap;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use self::carriers::Carriers;
pub use self::counters::{Counters, Totals};
use self::queue::Queue;
use crate::clock::Clock;
use crate::decoding;
use crate::recording::Sink;

/// What happens to clients that ask for TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tls {
    /// They are told that there is none.
    #[default]
    Refuse,
    /// The server is asked. What is encrypted passes unrecorded.
    Pass,
}

/// What all connections share.
#[derive(Debug)]
pub struct Shared {
    /// The server: host and port.
    pub upstream: String,
    /// See there.
    pub tls: Tls,
    /// How sessions are recorded.
    pub settings: Arc<decoding::Settings>,
    /// The time.
    pub clock: Clock,
    /// Where the records go.
    pub sink: Sink,
    /// What has happened.
    pub counters: Counters,
    /// The last session's number.
    pub sessions_before: u64,
    /// What is to be recorded.
    queue: Queue,
}

impl Shared {
    /// Of a server (host and port), with records that go to `sink`; `sessions_before` is the number of the last session there.
    #[must_use]
    pub fn new(
        upstream: String,
        tls: Tls,
        settings: decoding::Settings,
        clock: Clock,
        sink: Sink,
        sessions_before: u64,
    ) -> Self {
        let settings = Arc::new(settings);
        let (counters, queue) = (Counters::default(), Queue::default());
        Self { upstream, tls, settings, clock, sink, counters, sessions_before, queue }
    }
}

/// Carries connections until `stop` says so. What they have said is recorded then.
///
/// # Errors
///
/// If a thread cannot be started.
pub async fn serve(
    listener: TcpListener,
    shared: Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) -> io::Result<()> {
    let decoder = decoder::start(Arc::clone(&shared))?;
    let mut carriers = Carriers::start(&shared)?;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((client, address)) => {
                if let Err(problem) = carriers.carry(client, shown(address)) {
                    shared.counters.accept_failed(&problem);
                }
            }
            Err(problem) => wait_after(&problem, &shared).await,
        }
    }
    drop(listener);
    let joined = tokio::task::spawn_blocking(move || {
        carriers.end();
        shared.queue.close();
        decoder.join()
    });
    match joined.await {
        Ok(Ok(())) => Ok(()),
        _ => Err(io::Error::other("the recorder has failed")),
    }
}

/// An address as it is recorded: an IPv4 address that the socket has as an IPv6 address is shown as what it is.
fn shown(address: SocketAddr) -> String {
    SocketAddr::new(address.ip().to_canonical(), address.port()).to_string()
}

/// Too many open files, or too little memory: other connections must end first.
async fn wait_after(problem: &io::Error, shared: &Shared) {
    if !matches!(problem.kind(), io::ErrorKind::ConnectionAborted) {
        shared.counters.accept_failed(problem);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
