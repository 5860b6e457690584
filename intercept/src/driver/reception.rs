//! The control port of several workers: each connection is handed to the worker that its hello asks for, unread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use common_core::control::{FrameBuffer, MAX_FIRST_FRAME, ToIntercept};
use common_core::time::Time;
use log::Level;
use mio::event::{Event, Source};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

use super::acceptor::Acceptor;
use super::door::Inbox;
use super::peer::{HELLO_TIMEOUT, PeerError};
use super::quiet::QuietLog;
use crate::shares::Shares;

/// Connections whose hello has not come; from one host, as many as are left.
const GUESTS_MAX: usize = 128;

/// Listens, and looks at what connections say first.
pub(super) struct Reception {
    listener: TcpListener,
    acceptor: Acceptor,
    guests: Vec<Option<Guest>>,
    room: Shares,
    first_token: usize,
    inboxes: Vec<Arc<Inbox>>,
    quiet: QuietLog,
}

/// A connection whose hello is waited for.
struct Guest {
    stream: TcpStream,
    address: SocketAddr,
    deadline: Time,
}

/// Where a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Its hello is not complete.
    Wait,
    /// To this worker, which greets it or tells it why not.
    To(usize),
}

impl Reception {
    /// The listener's token is `first_token`, those behind it are its connections'.
    pub(super) fn new(listener: TcpListener, first_token: usize, inboxes: Vec<Arc<Inbox>>) -> Self {
        let quiet = QuietLog::default();
        let (guests, room) = (Vec::new(), Shares::new(GUESTS_MAX));
        Self { listener, acceptor: Acceptor::new(), guests, room, first_token, inboxes, quiet }
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        self.listener.register(registry, Token(self.first_token), Interest::READABLE)
    }

    pub(super) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Takes what the poll reports of the port or a connection.
    pub(super) fn handle_event(&mut self, now: Time, event: &Event, registry: &Registry) {
        match event.token().0.wrapping_sub(self.first_token) {
            0 => {
                self.acceptor.handle_event();
                self.accept(now, registry);
            }
            place => self.look(now, place - 1, registry),
        }
    }

    /// Time has passed, a second at the most.
    pub(super) fn handle_time(&mut self, now: Time, registry: &Registry) {
        self.acceptor.handle_tick();
        self.accept(now, registry);
        for place in 0..self.guests.len() {
            let late = self.guests[place].take_if(|guest| guest.deadline <= now);
            if let Some(Guest { address, .. }) = late {
                self.room.give_back(address.ip().into());
                let line = format_args!("{address}: gone: {}", PeerError::NoHello);
                self.quiet.log(now, address.ip(), Level::Warn, line);
            }
        }
    }

    fn accept(&mut self, now: Time, registry: &Registry) {
        while let Some((stream, address)) = self.acceptor.next(now, || self.listener.accept()) {
            self.receive(now, stream, address, registry);
        }
    }

    fn receive(&mut self, now: Time, mut stream: TcpStream, address: SocketAddr, registry: &Registry) {
        let ip = address.ip();
        let place = self.guests.iter().position(Option::is_none).unwrap_or(self.guests.len());
        let token = Token(self.first_token + 1 + place);
        if let Err(error) = stream.register(registry, token, Interest::READABLE) {
            return self.quiet.log(now, ip, Level::Warn, format_args!("{address}: {error}"));
        }
        if !self.room.take(ip.into()) {
            let line =
                format_args!("{address}: turned away, too many connections from there have not said hello");
            return self.quiet.log(now, ip, Level::Warn, line);
        }
        let guest = Some(Guest { stream, address, deadline: now + HELLO_TIMEOUT });
        match self.guests.get_mut(place) {
            Some(free) => *free = guest,
            None => self.guests.push(guest),
        }
        self.look(now, place, registry);
    }

    /// Hands a connection on if it has said enough.
    fn look(&mut self, now: Time, place: usize, registry: &Registry) {
        let Some(guest) = self.guests.get_mut(place).and_then(Option::as_mut) else { return };
        let mut first = [0; 4 + MAX_FIRST_FRAME];
        let worker = match guest.stream.peek(&mut first) {
            Ok(0) => 0,
            Ok(count) => match verdict(&first[..count], self.inboxes.len()) {
                Verdict::Wait => return,
                Verdict::To(worker) => worker,
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(_) => 0,
        };
        let Some(Guest { mut stream, address, .. }) = self.guests[place].take() else { return };
        self.room.give_back(address.ip().into());
        let handed = stream.deregister(registry).is_ok()
            && self.inboxes.get(worker).is_some_and(|inbox| inbox.put(stream, address));
        if !handed {
            let line = format_args!("{address}: turned away, its worker is busy");
            self.quiet.log(now, address.ip(), Level::Warn, line);
        }
    }
}

/// Whatever is no hello for one of so many workers is refused by the first of them.
fn verdict(said: &[u8], workers: usize) -> Verdict {
    let mut frames = FrameBuffer::new();
    let space = frames.space();
    let count = said.len().min(space.len());
    space[..count].copy_from_slice(&said[..count]);
    frames.filled(count);
    match frames.next_frame().map(|body| body.map(ToIntercept::decode)) {
        Ok(None) => Verdict::Wait,
        Ok(Some(Ok(ToIntercept::Hello { share, .. }))) if usize::from(share.count()) == workers => {
            Verdict::To(share.index().into())
        }
        _ => Verdict::To(0),
    }
}

#[cfg(test)]
mod tests {
    use common_core::control::VERSION;
    use common_core::shard::Shard;

    use super::*;

    fn hello(index: u16, count: u16, version: u16) -> Vec<u8> {
        let mut frame = Vec::new();
        ToIntercept::Hello { version, share: Shard::new(index, count).unwrap() }.encode(&mut frame);
        frame
    }

    #[test]
    fn a_hello_for_a_worker_goes_to_it_whatever_follows() {
        let mut said = hello(2, 4, VERSION);
        assert_eq!(verdict(&said, 4), Verdict::To(2));
        said.extend_from_slice(&[7; 30]);
        assert_eq!(verdict(&said, 4), Verdict::To(2));
    }

    #[test]
    fn a_part_of_a_hello_is_waited_for() {
        let said = hello(1, 2, VERSION);
        for length in 1..said.len() {
            assert_eq!(verdict(&said[..length], 2), Verdict::Wait, "{length} bytes");
        }
    }

    #[test]
    fn the_first_worker_refuses_all_else() {
        for said in [hello(1, 2, VERSION), hello(3, 4, VERSION + 1), b"GET / HTTP/1.0\r\n\r\n".to_vec()] {
            assert_eq!(verdict(&said, 4), Verdict::To(0), "{said:?}");
        }
    }
}
