//! A control connection: TCP that carries frames, without waiting in either direction; with a key in a secret channel.

mod secrecy;

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token, event};
use socket2::{SockRef, TcpKeepalive};
use thiserror::Error;

use common_core::control::{FrameBuffer, FrameError};
use common_noise::handshake::HandshakeError;
use common_noise::key::{Key, Keys};

pub use secrecy::SecrecyError;
use secrecy::{Reader, Secrecy};

/// A peer that is silent for this long is probed, and then once a second.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(5);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_PROBES: u32 = 5;

/// A peer that acknowledges nothing for this long is gone.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes that wait in the kernel before it has sent them for the first time: what a peer that does not read costs there.
const UNSENT: u32 = 256 * 1024;

/// Bytes that are sealed at once and written together.
const SEALED: usize = 64 * 1024;

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
    /// The key, or the want of one, ends it.
    #[error("{0}")]
    Secrecy(#[from] SecrecyError),
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
    secrecy: Secrecy,
    input: FrameBuffer,
    /// Queued frames.
    output: Vec<u8>,
    sent: usize,
    limit: usize,
    /// Bytes that go out as they are, before the queue: frames of the handshake, or records.
    wire: Vec<u8>,
    wire_sent: usize,
    /// Bytes of frames read since the last [`Self::take_received`].
    received: usize,
}

impl ControlConn {
    /// An accepted connection, on which at most `limit` bytes are queued. With `keys` the peer must prove that it has one of
    /// them.
    ///
    /// # Errors
    /// The operating system's error: the connection cannot be used.
    pub fn accepted(stream: TcpStream, limit: usize, keys: Option<Arc<Keys>>) -> io::Result<Self> {
        Self::new(stream, limit, Secrecy::Fresh(keys))
    }

    /// Starts to connect. When the connection becomes writable, [`Self::check_connected`] returns the result. With a key
    /// nothing queued is sent before the peer has proved that it has the key.
    ///
    /// # Errors
    /// The operating system's error.
    pub fn connect(address: SocketAddr, limit: usize, key: Option<&Key>) -> io::Result<Self> {
        let mut connection = Self::new(TcpStream::connect(address)?, limit, Secrecy::Plain)?;
        if let Some(key) = key {
            connection.secrecy = Secrecy::initiate(key.clone(), &mut connection.wire);
        }
        Ok(connection)
    }

    fn new(stream: TcpStream, limit: usize, secrecy: Secrecy) -> io::Result<Self> {
        let socket = SockRef::from(&stream);
        socket.set_tcp_nodelay(true)?;
        socket.set_tcp_keepalive(
            &TcpKeepalive::new()
                .with_time(KEEPALIVE_IDLE)
                .with_interval(KEEPALIVE_INTERVAL)
                .with_retries(KEEPALIVE_PROBES),
        )?;
        socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        socket.set_tcp_notsent_lowat(UNSENT)?;
        Ok(Self {
            stream,
            secrecy,
            input: FrameBuffer::new(),
            output: Vec::new(),
            sent: 0,
            limit,
            wire: Vec::new(),
            wire_sent: 0,
            received: 0,
        })
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
                match self.secrecy.handle(body, &mut self.wire)? {
                    Reader::User if sink(body).is_break() => return Ok(Received::More),
                    Reader::User => {}
                    // Neither end sends anything between its last frame of the handshake and its first record.
                    Reader::Handshake if self.is_secret() && !self.input.is_empty() => {
                        return Err(SecrecyError::from(HandshakeError::Unexpected).into());
                    }
                    Reader::Handshake => {}
                }
            }
            if total >= budget {
                return Ok(Received::More);
            }
            match self.fill()? {
                Some(count) => {
                    total += count;
                    self.received += count;
                }
                None => return Ok(Received::Drained),
            }
        }
    }

    /// Reads bytes of frames; `None` if there are none for now.
    fn fill(&mut self) -> Result<Option<usize>, ConnError> {
        let Secrecy::Open { opener, .. } = &mut self.secrecy else {
            let count = read(&mut self.stream, self.input.space())?;
            self.input.filled(count.unwrap_or_default());
            return Ok(count);
        };
        loop {
            if let Some(plain) = opener.open().map_err(SecrecyError::from)? {
                self.input.push(plain);
                return Ok(Some(plain.len()));
            }
            match read(&mut self.stream, opener.space())? {
                Some(count) => opener.filled(count),
                None => return Ok(None),
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
            self.seal()?;
            let is_wire = self.wire_sent < self.wire.len();
            let bytes = if is_wire { &self.wire[self.wire_sent..] } else { &self.output[self.sent..] };
            match self.stream.write(bytes) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) if is_wire => self.wire_sent += count,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.forget_sent();
        Ok(())
    }

    /// Seals the next part of the queue, if the part before it is written.
    fn seal(&mut self) -> io::Result<()> {
        if self.wire_sent < self.wire.len() {
            return Ok(());
        }
        self.wire.clear();
        self.wire_sent = 0;
        if let Secrecy::Open { sealer, .. } = &mut self.secrecy {
            let end = self.output.len().min(self.sent + SEALED);
            sealer.seal(&self.output[self.sent..end], &mut self.wire).map_err(io::Error::other)?;
            self.sent = end;
        }
        Ok(())
    }

    /// There is something to write.
    #[must_use]
    pub fn wants_write(&self) -> bool {
        let waits_for_handshake = matches!(self.secrecy, Secrecy::Initiating(_));
        self.wire_sent < self.wire.len() || (self.sent < self.output.len() && !waits_for_handshake)
    }

    /// Sets the limit of the bytes that are queued.
    pub fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// Bytes read since the last call.
    pub fn take_received(&mut self) -> usize {
        std::mem::take(&mut self.received)
    }

    /// Bytes that are queued.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.output.len() - self.sent + self.wire.len() - self.wire_sent
    }

    /// The peer has proved that it has the key, and what passes is secret.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self.secrecy, Secrecy::Open { .. })
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
        if self.sent == self.output.len() {
            self.output.clear();
            self.output.shrink_to(QUEUE_KEPT);
            self.sent = 0;
        } else if self.sent > self.output.len() / 2 {
            self.output.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// Reads what has come; `None` if nothing has.
fn read(stream: &mut TcpStream, space: &mut [u8]) -> Result<Option<usize>, ConnError> {
    loop {
        match stream.read(space) {
            Ok(0) => return Err(ConnError::Closed),
            Ok(count) => return Ok(Some(count)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
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
mod tests;
