//! One direction of a connection.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::clock::Clock;
use crate::recording::Micros;

/// What is read at once, in bytes.
const LENGTH: usize = 32 << 10;

/// Bytes on their way.
#[derive(Debug)]
pub(super) struct Pipe {
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    is_ended: bool,
}

impl Pipe {
    pub(super) fn new() -> Self {
        Self { buffer: vec![0; LENGTH].into_boxed_slice(), start: 0, end: 0, is_ended: false }
    }

    /// Whether the sender has closed its side.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Carries bytes as long as there are any. `see` sees them, with the time
    /// when they came, when they are on their way: nobody waits for it. Ready
    /// when the sender has closed its side, and the receiver knows it.
    pub(super) fn poll<R: AsyncRead + Unpin, W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        clock: &Clock,
        mut see: impl FnMut(Micros, &[u8]),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.start < self.end {
                ready!(self.write(context, to))?;
            }
            // It may have been a password.
            self.buffer.get_mut(..self.end).unwrap_or_default().fill(0);
            (self.start, self.end) = (0, 0);
            if self.is_ended {
                return Pin::new(to).poll_shutdown(context);
            }
            let mut buffer = ReadBuf::new(&mut self.buffer);
            ready!(Pin::new(&mut *from).poll_read(context, &mut buffer))?;
            self.end = buffer.filled().len();
            self.is_ended = self.end == 0;
            if !self.is_ended {
                // Before it is written: the answer may be there before this is looked at.
                let now = clock.now();
                let written = self.write(context, to);
                see(now, self.buffer.get(..self.end).unwrap_or_default());
                if let Poll::Ready(written) = written {
                    written?;
                }
            }
        }
    }

    fn write<W: AsyncWrite + Unpin>(
        &mut self,
        context: &mut Context<'_>,
        to: &mut W,
    ) -> Poll<io::Result<()>> {
        let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
        let count = ready!(Pin::new(to).poll_write(context, bytes))?;
        if count == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.start += count;
        Poll::Ready(Ok(()))
    }
}
