//! Packet sockets that share what they capture (packet(7), `PACKET_FANOUT`).

use std::io;
use std::os::fd::BorrowedFd;

use nix::libc::{PACKET_FANOUT, PACKET_FANOUT_CBPF, PACKET_FANOUT_FLAG_UNIQUEID};

use super::bpf::split;
use super::sys;

/// Joins `sockets`, which are bound to the same interface or all to none, in this order. From now on each packet goes to one
/// of them.
///
/// The kernel removes sockets from the group while their interface is down, and adds them again in the order of their
/// creation, which must be this order.
pub(super) fn join<'s>(sockets: impl Iterator<Item = BorrowedFd<'s>>) -> io::Result<()> {
    let program = split::program().to_sock_filters();
    let mut group = None;
    for socket in sockets {
        let joins = match group {
            Some(group) => group | PACKET_FANOUT_CBPF << 16,
            None => (PACKET_FANOUT_CBPF | PACKET_FANOUT_FLAG_UNIQUEID) << 16,
        };
        sys::set_packet_option(socket, PACKET_FANOUT, &joins)?;
        if group.is_none() {
            group = Some(sys::fanout(socket)? & 0xffff);
            sys::set_fanout_program(socket, &program)?;
        }
    }
    Ok(())
}
