//! Copies that go over the control connection (`--tunnel`): an injector whose wire is a queue.

use std::io;
use std::net::IpAddr;

use common_core::control::Tunnelled;
use common_core::time::Time;
use common_core::wire::LongPacket;
use common_os::io::injector::Injector;
use common_os::io::{Inject, Lost};
use nix::errno::Errno;

/// Largest payload of a long packet in bytes; with the longest headers it still is a valid IP packet.
const LONG: usize = 64_000;

/// Bytes of a frame around a packet.
const FRAME: usize = 7;

/// Memory that the queue keeps between rounds, in bytes.
const KEPT: usize = 256 * 1024;

/// How copies leave this host.
pub(super) enum Outlet {
    /// As packets.
    Wire(Box<Injector>),
    /// Over the control connection.
    Tunnel(Tunnel),
}

/// Packets for the control connection, encoded, until the worker takes them.
#[derive(Debug, Default)]
pub(super) struct Tunnel {
    queue: Vec<u8>,
    /// Bytes that the control connection takes; `None` if there is no connection.
    room: Option<usize>,
}

impl Tunnel {
    /// The packets since the last [`Self::clear`].
    pub(super) fn queued(&self) -> &[u8] {
        &self.queue
    }

    /// They are on the control connection, or nowhere.
    pub(super) fn clear(&mut self) {
        self.queue.clear();
        self.queue.shrink_to(KEPT);
    }

    /// Sets how many bytes the control connection takes, `None` if there is none.
    pub(super) fn set_room(&mut self, room: Option<usize>) {
        self.room = room;
    }

    /// Takes the room of a packet. If there is none, the packet is lost, and TCP sends it again: a connection that is too slow for
    /// the copies slows them down as any other path does.
    fn take_room(&mut self, length: usize) -> io::Result<()> {
        let room = self.room.as_mut().ok_or(Errno::ENOTCONN)?;
        *room = room.checked_sub(length + FRAME).ok_or(Errno::ENOBUFS)?;
        Ok(())
    }
}

impl Inject for Tunnel {
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        self.take_room(packet.len())?;
        Tunnelled::encode(packet, &mut self.queue);
        Ok(())
    }

    fn long_payload(&self, _destination: IpAddr) -> usize {
        LONG
    }

    fn send_long(&mut self, packet: &LongPacket<'_>, segment: u16) -> io::Result<()> {
        self.take_room(packet.headers.len() + packet.payload.0.len() + packet.payload.1.len())?;
        Tunnelled::encode_long(packet, segment, &mut self.queue);
        Ok(())
    }
}

impl Outlet {
    /// The tunnel, if copies leave by one.
    pub(super) fn tunnel(&mut self) -> Option<&mut Tunnel> {
        match self {
            Self::Wire(_) => None,
            Self::Tunnel(tunnel) => Some(tunnel),
        }
    }
}

impl Inject for Outlet {
    fn send(&mut self, packet: &[u8]) -> io::Result<()> {
        match self {
            Self::Wire(injector) => injector.send(packet),
            Self::Tunnel(tunnel) => tunnel.send(packet),
        }
    }

    fn long_payload(&self, destination: IpAddr) -> usize {
        match self {
            Self::Wire(injector) => injector.long_payload(destination),
            Self::Tunnel(tunnel) => tunnel.long_payload(destination),
        }
    }

    fn send_long(&mut self, packet: &LongPacket<'_>, segment: u16) -> io::Result<()> {
        match self {
            Self::Wire(injector) => injector.send_long(packet, segment),
            Self::Tunnel(tunnel) => tunnel.send_long(packet, segment),
        }
    }

    fn flush(&mut self) -> Result<(), Lost> {
        match self {
            Self::Wire(injector) => injector.flush(),
            Self::Tunnel(tunnel) => tunnel.flush(),
        }
    }

    fn unsent(&self) -> u64 {
        match self {
            Self::Wire(injector) => injector.unsent(),
            Self::Tunnel(tunnel) => tunnel.unsent(),
        }
    }

    fn handle_time(&mut self, now: Time) {
        match self {
            Self::Wire(injector) => injector.handle_time(now),
            Self::Tunnel(tunnel) => tunnel.handle_time(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_queued_as_far_as_the_connection_takes_them() {
        let mut tunnel = Tunnel::default();
        let error = |result: io::Result<()>| result.unwrap_err().raw_os_error();
        assert_eq!(error(tunnel.send(&[7; 50])), Some(Errno::ENOTCONN as i32));
        tunnel.set_room(Some(150));
        tunnel.send(&[7; 50]).unwrap();
        let long = LongPacket { headers: &[1; 40], payload: (&[2; 10], &[3; 10]) };
        assert_eq!(
            error(tunnel.send_long(&LongPacket { payload: (&[2; 90], &[]), ..long }, 9)),
            Some(Errno::ENOBUFS as i32)
        );
        tunnel.send_long(&long, 9).unwrap();
        let mut expected = Vec::new();
        Tunnelled::encode(&[7; 50], &mut expected);
        Tunnelled::encode_long(&long, 9, &mut expected);
        assert_eq!(tunnel.queued(), expected);
        assert!(expected.len() <= 150);
        assert_eq!(error(tunnel.send(&[7; 50])), Some(Errno::ENOBUFS as i32));
        tunnel.clear();
        assert!(tunnel.queued().is_empty());
        tunnel.set_room(None);
        assert_eq!(error(tunnel.send_long(&long, 9)), Some(Errno::ENOTCONN as i32));
    }
}
