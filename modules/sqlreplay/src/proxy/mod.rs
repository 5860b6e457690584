//! A transparent proxy, which records the sessions that it carries.

mod cancels;
mod connection;
mod counters;
mod opening;
mod pipe;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::cancels::Cancels;
pub use self::counters::{Counters, Totals};
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
}

/// How long connections may take to hand over what they have, at the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Carries connections until `stop` says so.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>, mut stop: watch::Receiver<bool>) {
    let cancels = Arc::<Cancels>::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = connections.join_next(), if !connections.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        match accepted {
            Ok((client, address)) => {
                let (shared, cancels, stop) = (Arc::clone(&shared), Arc::clone(&cancels), stop.clone());
                connections.spawn(connection::carry(client, shown(address), shared, cancels, stop));
            }
            Err(problem) => wait_after(&problem, &shared).await,
        }
    }
    let all = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, all).await;
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
