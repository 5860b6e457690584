//! One client's connection.

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use postgres_wire::opening::Opening;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::Shared;
use super::cancels::Cancels;
use super::opening::{Begun, begin};
use super::pipe::Pipe;
use crate::decoding::{Dialogue, Wire};
use crate::recording::Micros;
use crate::recording::record::{Cancel, EndedBy, Record, Skipped};

/// How often a statement that waits for its answer is looked at.
const TICK: Duration = Duration::from_millis(500);

/// Carries a connection to its end.
pub(super) async fn carry(
    mut client: TcpStream,
    address: String,
    shared: Arc<Shared>,
    cancels: Arc<Cancels>,
    mut stop: watch::Receiver<bool>,
) {
    // Without it, small messages wait for acknowledgements.
    let _ = client.set_nodelay(true);
    let begun = tokio::select! {
        begun = begin(&mut client, &shared) => begun,
        _ = stop.wait_for(|stop| *stop) => return,
    };
    match begun {
        Begun::Session { server, bytes } => {
            session(client, server, &bytes, address, &shared, &cancels, stop).await
        }
        Begun::Cancel { server, bytes } => {
            if let Ok(Some((Opening::Cancel { pid, key }, _))) = Opening::read(&bytes)
                && let Some(session) = cancels.session(pid, key)
            {
                let cancel = Cancel { session, at: shared.clock.now() };
                shared.sink.take(&mut vec![Record::Cancel(cancel)]);
            }
            opaque(client, server, &bytes, stop).await;
        }
        Begun::Opaque { server, bytes, reason } => {
            skipped(&shared, address, format!("a connection: {reason}"));
            opaque(client, server, &bytes, stop).await;
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
async fn opaque(mut client: TcpStream, mut server: TcpStream, first: &[u8], mut stop: watch::Receiver<bool>) {
    let carry = async {
        server.write_all(first).await?;
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    };
    tokio::select! {
        // Either side may break at any time: the other one sees it, too.
        _ = carry => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn session(
    mut client: TcpStream,
    mut server: TcpStream,
    first: &[u8],
    address: String,
    shared: &Shared,
    cancels: &Cancels,
    mut stop: watch::Receiver<bool>,
) {
    let now = shared.clock.now();
    let Ok(Some((Opening::Startup(startup), length))) = Opening::read(first) else { return };
    let number = shared.sessions_before + shared.counters.begin();
    let recorder = Box::new(Wire::begun(Arc::clone(&shared.settings), number, now, address, &startup));
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut carried = Carried { recorder, shared, cancels, number, key: None, records: Vec::new(), ticks };
    let by = match server.write_all(first).await {
        Err(_) => EndedBy::Server,
        Ok(()) => {
            // A client that does not wait sends more with its first message.
            carried.client(now, first.get(length..).unwrap_or_default());
            let (mut up, mut down) = (Pipe::new(), Pipe::new());
            let both = poll_fn(|context| carried.poll(context, &mut client, &mut server, &mut up, &mut down));
            tokio::select! {
                by = both => by,
                _ = stop.wait_for(|stop| *stop) => EndedBy::Recorder,
            }
        }
    };
    carried.end(by);
}

/// A session on its way.
struct Carried<'s> {
    recorder: Box<dyn Dialogue>,
    shared: &'s Shared,
    cancels: &'s Cancels,
    number: u64,
    key: Option<[u8; 32]>,
    records: Vec<Record>,
    ticks: Interval,
}

impl Carried<'_> {
    fn poll(
        &mut self,
        context: &mut Context<'_>,
        client: &mut TcpStream,
        server: &mut TcpStream,
        up: &mut Pipe,
        down: &mut Pipe,
    ) -> Poll<EndedBy> {
        let clock = &self.shared.clock;
        let from_client = up.poll(context, client, server, clock, |now, bytes| self.client(now, bytes));
        let from_server = down.poll(context, server, client, clock, |now, bytes| self.server(now, bytes));
        if let Some(by) = over(up, down, &from_client, &from_server) {
            return Poll::Ready(by);
        }
        while self.recorder.is_waiting() && self.ticks.poll_tick(context).is_ready() {
            self.recorder.tick(self.shared.clock.now(), &mut self.records);
            self.hand_over();
        }
        Poll::Pending
    }

    fn client(&mut self, now: Micros, bytes: &[u8]) {
        self.recorder.client(now, bytes, &mut self.records);
        self.hand_over();
    }

    fn server(&mut self, now: Micros, bytes: &[u8]) {
        self.recorder.server(now, bytes, &mut self.records);
        if let Some((pid, key)) = self.recorder.take_key() {
            self.key = Some(self.cancels.add(pid, &key, self.number));
        }
        self.hand_over();
    }

    fn hand_over(&mut self) {
        if self.records.is_empty() {
            return;
        }
        let executions = self.records.iter().map(|record| match record {
            Record::Statement(statement) => statement.executions() as u64,
            _ => 0,
        });
        self.shared.counters.statements(executions.sum());
        self.shared.sink.take(&mut self.records);
    }

    fn end(mut self, by: EndedBy) {
        let mut records = std::mem::take(&mut self.records);
        self.recorder.end(self.shared.clock.now(), by, &mut records);
        if let Some(key) = &self.key {
            self.cancels.remove(key);
        }
        self.shared.sink.take(&mut records);
        self.shared.counters.end();
    }
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
