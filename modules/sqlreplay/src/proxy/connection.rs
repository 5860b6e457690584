//! One client's connection.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use postgres_wire::opening::Opening;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::Shared;
use super::cancels::hash;
use super::mysql;
use super::opening::{Begun, begin};
use super::pipe::Pipe;
use super::queue::{Event, What};
use super::tap::Tap;
use crate::protocol::Protocol;
use crate::recording::record::{EndedBy, Record, Skipped};

/// Carries a connection to its end.
pub(super) async fn carry(mut client: TcpStream, address: String, shared: Arc<Shared>) {
    // Without it, small messages wait for acknowledgements.
    let _ = client.set_nodelay(true);
    if shared.settings.protocol == Protocol::Mysql {
        return mysql_session(client, address, shared).await;
    }
    match begin(&mut client, &shared).await {
        Begun::Session { server, bytes } => session(client, server, &bytes, address, shared).await,
        Begun::Cancel { server, bytes } => {
            if let Ok(Some((Opening::Cancel { pid, key }, _))) = Opening::read(&bytes) {
                let what = What::Cancel(Box::new(hash(pid, key)));
                shared.queue.put(Event { session: 0, at: shared.clock.now(), what });
            }
            opaque(client, server, &bytes).await;
        }
        Begun::Opaque { server, bytes, reason } => {
            skipped(&shared, address, format!("a connection: {reason}"));
            opaque(client, server, &bytes).await;
        }
        Begun::Refused { reason } => skipped(&shared, address, format!("a connection: {reason}")),
        Begun::Gone => {}
    }
}

fn skipped(shared: &Shared, client: String, reason: String) {
    shared.counters.unrecorded();
    let at = shared.clock.now();
    shared.sink.take(&mut vec![Record::Skipped(Skipped { at, client: Some(client), session: None, reason })]);
}

/// Carries what is not recorded.
async fn opaque(mut client: TcpStream, mut server: TcpStream, first: &[u8]) {
    // Either side may break at any time: the other one sees it, too.
    if server.write_all(first).await.is_ok() {
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }
}

async fn session(
    mut client: TcpStream,
    mut server: TcpStream,
    first: &[u8],
    address: String,
    shared: Arc<Shared>,
) {
    let now = shared.clock.now();
    let mut tap = Tap::new(Arc::clone(&shared), now, address);
    let by = match server.write_all(first).await {
        Err(_) => EndedBy::Server,
        Ok(()) => {
            tap.client(now, first);
            carry_on(&mut client, &mut server, &shared, &mut tap).await
        }
    };
    tap.end(by);
}

/// The server speaks first.
async fn mysql_session(mut client: TcpStream, address: String, shared: Arc<Shared>) {
    let Ok((mut server, greeting)) = mysql::begin(&mut client, &shared).await else { return };
    let now = shared.clock.now();
    let mut tap = Tap::new(Arc::clone(&shared), now, address);
    tap.server(now, &greeting);
    let by = match client.write_all(&greeting).await {
        Err(_) => EndedBy::Client,
        Ok(()) => carry_on(&mut client, &mut server, &shared, &mut tap).await,
    };
    tap.end(by);
}

async fn carry_on(client: &mut TcpStream, server: &mut TcpStream, shared: &Shared, tap: &mut Tap) -> EndedBy {
    let (mut up, mut down) = (Pipe::new(), Pipe::new());
    poll_fn(|context| poll(context, client, server, &mut up, &mut down, shared, tap)).await
}

fn poll(
    context: &mut Context<'_>,
    client: &mut TcpStream,
    server: &mut TcpStream,
    up: &mut Pipe,
    down: &mut Pipe,
    shared: &Shared,
    tap: &mut Tap,
) -> Poll<EndedBy> {
    let from_client = up.poll(context, client, server, &shared.clock, |now, bytes| tap.client(now, bytes));
    let from_server = down.poll(context, server, client, &shared.clock, |now, bytes| tap.server(now, bytes));
    over(up, down, &from_client, &from_server).map_or(Poll::Pending, Poll::Ready)
}

/// Whether the session is over: the server has closed it, or a side has broken. A client that has closed its side may still
/// read.
fn over(
    up: &Pipe,
    down: &Pipe,
    from_client: &Poll<io::Result<()>>,
    from_server: &Poll<io::Result<()>>,
) -> Option<EndedBy> {
    let is_broken = |poll: &Poll<io::Result<()>>| matches!(poll, Poll::Ready(Err(_)));
    if from_server.is_ready() || is_broken(from_client) {
        let is_server = down.is_ended() && !up.is_ended();
        return Some(if is_server { EndedBy::Server } else { EndedBy::Client });
    }
    None
}
