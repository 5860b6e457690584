//! A control connection: TCP that carries frames, without waiting in either direction.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::ControlFlow;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, event};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;

use common_core::control::{FrameBuffer, FrameError};

/// A peer that is silent for this long is probed, and then once a second.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_PROBES: u32 = 5;

/// A peer that acknowledges nothing for this long is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Memory that an empty queue keeps, in bytes.
const QUEUE_KEPT: usize = 256 * 1024;

/// Why a connection has ended.
#[derive(Debug, Error)]
pub enum ConnError {
    /// The peer has closed the connection.
    #[error("closed by the peer")]
    Closed,
    /// The connection failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The peer sends something other than frames.
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// Whether something is left to read after [`ControlConn::receive`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// Nothing: an event will report more.
    Drained,
    /// There may be more that no event will report.
    More,
}

/// A control connection.
///
/// Register it for reading and writing: readiness is edge-triggered. Queue messages during a batch of work, then
/// [`ControlConn::flush`] once.
#[derive(Debug)]
pub struct ControlConn {
    stream: TcpStream,
    input: FrameBuffer,
    output: Vec<u8>,
    sent: usize,
    limit: usize,
}

impl ControlConn {
    /// An accepted connection, on which at most `limit` bytes are queued.
    ///
    /// # Errors
    /// The operating system's error: the connection cannot be used.
    pub fn new(stream: TcpStream, limit: usize) -> io::Result<Self> {
        let socket = SockRef::from(&stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(KEEPALIVE_IDLE)
                .with_interval(KEEPALIVE_INTERVAL)
                .with_retries(KEEPALIVE_PROBES),
        )?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        Ok(Self { stream, input: FrameBuffer::new(), output: Vec::new(), sent: 0, limit })
    }

    /// Starts to connect. When the connection becomes writable, [`Self::check_connected`] returns the result.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn connect(address: SocketAddr, limit: usize) -> io::Result<Self> {
        Self::new(TcpStream::connect(address)?, limit)
    }

    /// Whether the connection is established.
    ///
    /// # Errors
    /// The connection was refused or cannot be established.
    pub fn check_connected(&self) -> io::Result<bool> {
        if let Some(error) = self.stream.take_error()? {
            return Err(error);
        }
        match self.stream.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Passes the bodies of received frames to `sink`, until about `budget` bytes are read, nothing is left, or `sink` breaks.
    /// After a break the remaining frames stay for the next call.
    ///
    /// # Errors
    /// [`ConnError`]: the connection has ended. Frames that came before were passed to `sink`.
    pub fn receive(
        &mut self,
        budget: usize,
        sink: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<Received, ConnError> {
        let mut total = 0;
        loop {
            while let Some(body) = self.input.next_frame()? {
                if sink(body).is_break() {
                    return Ok(Received::More);
                }
            }
            if total >= budget {
                return Ok(Received::More);
            }
            match self.stream.read(self.input.space()) {
                Ok(0) => return Err(ConnError::Closed),
                Ok(count) => {
                    self.input.filled(count);
                    total += count;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Drained),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Reads and discards about `budget` bytes, or all that has come.
    ///
    /// # Errors
    /// [`ConnError`]: the connection has ended.
    pub fn discard(&mut self, budget: usize) -> Result<Received, ConnError> {
        let mut scrap = [0; 4096];
        let mut total = 0;
        while total < budget {
            match self.stream.read(&mut scrap) {
                Ok(0) => return Err(ConnError::Closed),
                Ok(count) => total += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Received::Drained),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Received::More)
    }

    /// Queues what `encode` appends; false if the queue has no room for all of it, and then nothing is queued.
    pub fn queue(&mut self, encode: impl FnOnce(&mut Vec<u8>)) -> bool {
        let before = self.output.len();
        encode(&mut self.output);
        let fits = self.output.len() - self.sent <= self.limit;
        if !fits {
            self.output.truncate(before);
        }
        fits
    }

    /// Writes as much of the queue as the connection accepts.
    ///
    /// # Errors
    /// The connection failed.
    pub fn flush(&mut self) -> io::Result<()> {
        while self.wants_write() {
            match self.stream.write(&self.output[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.forget_sent();
        Ok(())
    }

    /// The queue is not empty.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        self.sent < self.output.len()
    }

    /// Closes our direction and leaves the other one open. If the whole connection were closed while bytes of the peer are
    /// unread, the kernel would reset it and discard what is under way.
    ///
    /// # Errors
    /// The connection failed.
    pub fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    /// Moves unsent bytes to the front once more bytes are freed than moved.
    fn forget_sent(&mut self) {
        if !self.wants_write() {
            self.output.clear();
            self.output.shrink_to(QUEUE_KEPT);
            self.sent = 0;
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

impl event::Source for ControlConn {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream.register(registry, token, interests)
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        self.stream.reregister(registry, token, interests)
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        self.stream.deregister(registry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use common_core::control::{FlowId, MAX_FRAME, ToIntercept};
    use mio::{Events, Poll};

    /// Two ends of a connection over loopback, each registered with the poll under its index.
    struct Pair {
        poll: Poll,
        events: Events,
        ends: [ControlConn; 2],
    }

    fn pair(limit: usize) -> Pair {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut near = ControlConn::connect(listener.local_addr().unwrap(), limit).unwrap();
        let (accepted, _) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let mut far = ControlConn::new(TcpStream::from_std(accepted), limit).unwrap();
        let poll = Poll::new().unwrap();
        let both = Interest::READABLE | Interest::WRITABLE;
        poll.registry().register(&mut near, Token(0), both).unwrap();
        poll.registry().register(&mut far, Token(1), both).unwrap();
        Pair { poll, events: Events::with_capacity(8), ends: [near, far] }
    }

    impl Pair {
        fn wait(&mut self) {
            self.poll.poll(&mut self.events, Some(Duration::from_secs(10))).unwrap();
            assert!(!self.events.is_empty(), "nothing happened for ten seconds");
        }

        /// Flushes the first end and reads at the second until `done`.
        fn carry(
            &mut self,
            budget: usize,
            mut sink: impl FnMut(&[u8]),
            mut done: impl FnMut(&ControlConn) -> bool,
        ) {
            loop {
                self.ends[0].flush().unwrap();
                let mut sink = |body: &[u8]| {
                    sink(body);
                    ControlFlow::Continue(())
                };
                while self.ends[1].receive(budget, &mut sink).unwrap() == Received::More {}
                if done(&self.ends[0]) {
                    return;
                }
                self.wait();
            }
        }
    }

    fn ping(nonce: u32) -> ToIntercept {
        ToIntercept::Ping { nonce }
    }

    #[test]
    fn messages_arrive_in_order_whatever_the_budget() {
        for budget in [1, 100, 1 << 20] {
            let mut pair = pair(1 << 20);
            for nonce in 0..10_000 {
                assert!(pair.ends[0].queue(|out| ping(nonce).encode(out)));
            }
            let seen = std::cell::Cell::new(0);
            pair.carry(
                budget,
                |body| {
                    assert_eq!(ToIntercept::decode(body), Ok(ping(seen.get())));
                    seen.set(seen.get() + 1);
                },
                |_| seen.get() == 10_000,
            );
            assert!(!pair.ends[0].wants_write());
        }
    }

    #[test]
    fn a_full_queue_drops_whole_messages_and_recovers() {
        let limit = 8 * MAX_FRAME;
        let mut pair = pair(limit);
        assert!(pair.ends[0].queue(|out| ping(0).encode(out)));
        let frame = |out: &mut Vec<u8>| {
            out.extend_from_slice(&(MAX_FRAME as u32).to_be_bytes());
            out.resize(out.len() + MAX_FRAME, 7);
        };
        // The peer does not read: first the kernel's buffers fill, then the queue.
        let mut queued = 0;
        while pair.ends[0].queue(frame) {
            queued += 1;
            pair.ends[0].flush().unwrap();
            assert!(queued < 10_000, "a queue without limit");
        }
        assert!(pair.ends[0].wants_write());
        assert!(pair.ends[0].output.len() - pair.ends[0].sent <= limit);

        let seen = std::cell::Cell::new(0);
        pair.carry(
            1 << 20,
            |body| {
                assert!(seen.get() == 0 || body.iter().all(|byte| *byte == 7) && body.len() == MAX_FRAME);
                seen.set(seen.get() + 1);
            },
            |_| seen.get() == queued + 1,
        );
        assert!(pair.ends[0].queue(frame), "the queue is empty again");
        assert!(pair.ends[0].output.capacity() < limit, "the memory was given back");
    }

    #[test]
    fn frames_after_a_break_stay() {
        let mut pair = pair(1 << 20);
        for nonce in 0..3 {
            assert!(pair.ends[0].queue(|out| ping(nonce).encode(out)));
        }
        let mut seen = Vec::new();
        while seen.len() < 3 {
            pair.ends[0].flush().unwrap();
            let received = pair.ends[1].receive(1 << 16, &mut |body| {
                seen.push(ToIntercept::decode(body).unwrap());
                ControlFlow::Break(())
            });
            if received.unwrap() == Received::Drained {
                pair.wait();
            }
        }
        assert_eq!(seen, [ping(0), ping(1), ping(2)]);
    }

    #[test]
    fn the_end_of_a_connection_is_reported() {
        let mut pair = pair(1 << 20);
        assert!(pair.ends[0].queue(|out| ToIntercept::RouteDel { id: FlowId(1) }.encode(out)));
        pair.ends[0].flush().unwrap();
        pair.ends[0].finish().unwrap();
        let mut seen = 0;
        let end = loop {
            let mut sink = |_: &[u8]| {
                seen += 1;
                ControlFlow::Continue(())
            };
            match pair.ends[1].receive(1 << 16, &mut sink) {
                Ok(_) => pair.wait(),
                Err(end) => break end,
            }
        };
        assert!(matches!(end, ConnError::Closed), "{end}");
        assert_eq!(seen, 1, "frames before the end are passed on");
    }

    #[test]
    fn garbage_is_recognised_by_its_first_bytes() {
        let mut pair = pair(1 << 20);
        pair.ends[0].queue(|out| {
            out.extend_from_slice(
                b"SSH-2.0-OpenSSH_9.6
",
            )
        });
        pair.ends[0].flush().unwrap();
        let end = loop {
            match pair.ends[1].receive(1 << 16, &mut |_| panic!("a frame out of garbage")) {
                Ok(_) => pair.wait(),
                Err(end) => break end,
            }
        };
        assert!(matches!(end, ConnError::Frame(FrameError::First(_))), "{end}");
    }

    #[test]
    fn a_refused_connection_is_reported() {
        let unused = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let mut connection = ControlConn::connect(unused, 1000).unwrap();
        let mut poll = Poll::new().unwrap();
        poll.registry().register(&mut connection, Token(0), Interest::WRITABLE).unwrap();
        let mut events = Events::with_capacity(8);
        poll.poll(&mut events, Some(Duration::from_secs(10))).unwrap();
        let error = connection.check_connected().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
