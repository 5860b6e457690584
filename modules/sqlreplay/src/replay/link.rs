//! A connection to the server, with what is on its way.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use super::codec::Codec;
use crate::recording::Bytes;
use crate::recording::record::{ErrorText, Message, Outcome};

/// What is read at once, in bytes.
const READ: usize = 16 << 10;

/// More is not put into the buffer of what is to be sent, in bytes.
const SEND_MAX: usize = 256 << 10;

/// A socket of either kind.
pub(super) trait Socket: AsyncRead + AsyncWrite + Unpin + Send + Sync {}
impl Socket for TcpStream {}
impl Socket for UnixStream {}

/// What was sent and is not answered.
#[derive(Debug)]
pub(super) struct InFlight<T> {
    pub(super) number: u64,
    /// What the server has answered so far.
    pub(super) outcomes: Vec<Outcome>,
    /// What the caller has to remember.
    pub(super) with: T,
}

/// How a statement of a connection is cancelled.
#[derive(Debug, Clone)]
pub(super) enum CancelKey {
    /// By a CancelRequest with this process and secret.
    Postgres(u32, Vec<u8>),
    /// By a KILL QUERY of another connection.
    Mysql {
        /// The connection.
        id: u32,
        /// Who sends it.
        user: Bytes,
        /// Where to.
        database: Bytes,
    },
}

/// A connection behind its login.
pub(super) struct Link<T> {
    socket: Box<dyn Socket>,
    out: Vec<u8>,
    sent: usize,
    buffer: Box<[u8]>,
    codec: Box<dyn Codec>,
    in_flight: VecDeque<InFlight<T>>,
    next: u64,
    pub(super) key: Option<CancelKey>,
}

impl<T> Link<T> {
    pub(super) fn new(socket: Box<dyn Socket>, codec: Box<dyn Codec>, key: Option<CancelKey>) -> Self {
        Self {
            socket,
            out: Vec::new(),
            sent: 0,
            buffer: vec![0; READ].into_boxed_slice(),
            codec,
            in_flight: VecDeque::new(),
            next: 0,
            key,
        }
    }

    /// Whether these messages can be sent now.
    pub(super) fn has_room_for(&self, messages: &[Message]) -> bool {
        self.out.len() < SEND_MAX && self.codec.can_write(messages)
    }

    /// Whether the server waits for the data of a COPY.
    pub(super) fn is_copying(&self) -> bool {
        self.codec.is_copying()
    }

    /// Whether the server will answer what was sent, without hearing more.
    pub(super) fn is_flushed(&self) -> bool {
        self.codec.is_flushed()
    }

    pub(super) fn in_flight(&self) -> &VecDeque<InFlight<T>> {
        &self.in_flight
    }

    pub(super) fn in_flight_mut(&mut self) -> &mut VecDeque<InFlight<T>> {
        &mut self.in_flight
    }

    /// Queues the messages. `with` is for those that are answered. Returns their number.
    pub(super) fn send(&mut self, messages: &[Message], with: Option<T>) -> u64 {
        let number = self.next;
        self.next += 1;
        for message in messages {
            self.codec.write(number, message, &mut self.out);
        }
        if let Some(with) = with {
            self.in_flight.push_back(InFlight { number, outcomes: Vec::new(), with });
        }
        number
    }

    /// The first group, if it is answered.
    pub(super) fn take_answered(&mut self) -> Option<InFlight<T>> {
        let first = self.in_flight.front()?;
        if self.codec.is_answered(first.number) { self.in_flight.pop_front() } else { None }
    }

    /// Why the server has ended the session, if it has said so.
    pub(super) fn take_fatal(&mut self) -> Option<ErrorText> {
        self.codec.take_fatal()
    }

    /// Sends what is queued and takes what the server says. Ready when it has said something.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write(context)?;
        let mut buffer = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
        let length = buffer.filled().len();
        if length == 0 {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let bytes = self.buffer.get(..length).unwrap_or_default();
        let in_flight = &mut self.in_flight;
        self.codec.received(bytes, &mut self.out, &mut |number, outcome| {
            if let Some(group) = in_flight.iter_mut().find(|group| group.number == number) {
                group.outcomes.push(outcome);
            }
        })?;
        Poll::Ready(Ok(()))
    }

    fn write(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while self.sent < self.out.len() {
            let bytes = self.out.get(self.sent..).unwrap_or_default();
            match Pin::new(&mut self.socket).poll_write(context, bytes) {
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(problem)) => return Err(problem),
                Poll::Pending => return Ok(()),
            }
        }
        self.out.clear();
        self.out.shrink_to(SEND_MAX);
        self.sent = 0;
        Ok(())
    }

    /// Says goodbye.
    pub(super) async fn terminate(mut self) {
        self.codec.terminate(&mut self.out);
        let bytes = self.out.get(self.sent..).unwrap_or_default();
        // The server sees the end in any case.
        let _ = self.socket.write_all(bytes).await;
        let _ = self.socket.shutdown().await;
    }
}
