//! The threads that carry connections. Each has a runtime of its own, so a connection stays on one thread: nothing is handed
//! from one processor to another between a statement and its answer.

use std::io;
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::{Shared, connection};

/// More threads are not needed: the servers of one machine answer no faster.
const THREADS_MAX: usize = 8;

/// A client that has connected, and its address.
type Arrived = (TcpStream, String);

/// All the threads.
pub(super) struct Carriers {
    queues: Vec<mpsc::UnboundedSender<Arrived>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
}

impl Carriers {
    /// Starts a thread for each processor.
    pub(super) fn start(shared: &Arc<Shared>) -> io::Result<Self> {
        let count = std::thread::available_parallelism().map_or(1, usize::from).min(THREADS_MAX);
        let mut carriers = Self { queues: Vec::new(), threads: Vec::new(), next: 0 };
        for _ in 0..count {
            let (queue, arrived) = mpsc::unbounded_channel();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            let shared = Arc::clone(shared);
            let thread = std::thread::Builder::new()
                .name("carrying".to_owned())
                .spawn(move || runtime.block_on(carry_all(arrived, &shared)))?;
            carriers.queues.push(queue);
            carriers.threads.push(thread);
        }
        Ok(carriers)
    }

    /// Carries a connection.
    pub(super) fn carry(&mut self, client: tokio::net::TcpStream, address: String) -> io::Result<()> {
        let client = client.into_std()?;
        self.next = (self.next + 1) % self.queues.len().max(1);
        if let Some(queue) = self.queues.get(self.next) {
            // The thread is there until the queue is closed.
            let _ = queue.send((client, address));
        }
        Ok(())
    }

    /// Ends all connections.
    pub(super) fn end(self) {
        drop(self.queues);
        for thread in self.threads {
            // It does not panic.
            let _ = thread.join();
        }
    }
}

/// Carries connections until there will be none; those that are open then end.
async fn carry_all(mut arrived: mpsc::UnboundedReceiver<Arrived>, shared: &Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Some((client, address)) = arrived.recv().await {
        while connections.try_join_next().is_some() {}
        match tokio::net::TcpStream::from_std(client) {
            Ok(client) => drop(connections.spawn(connection::carry(client, address, Arc::clone(shared)))),
            Err(problem) => shared.counters.accept_failed(&problem),
        }
    }
    connections.shutdown().await;
}
