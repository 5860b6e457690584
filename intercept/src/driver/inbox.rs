//! What a peer has sent, in its order: messages, and packets of copies. Its memory is used again.

use std::ops::Range;

use common_core::control::{DecodeError, ToIntercept, Tunnelled};

/// Memory that it keeps for packets, in bytes.
const KEPT: usize = 512 * 1024;

/// Messages and packets that were read together.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    items: Vec<Item>,
    packets: Vec<u8>,
}

/// One of them.
#[derive(Debug)]
enum Item {
    Message(ToIntercept),
    Packet { place: Range<usize>, segment: Option<u16> },
}

/// What [`Inbox::drain`] returns.
#[derive(Debug)]
pub(super) enum Received<'a> {
    Message(ToIntercept),
    Packet(Tunnelled<'a>),
}

impl Inbox {
    /// Adds what the body of a frame contains.
    ///
    /// # Errors
    /// It is no message.
    pub(super) fn push(&mut self, body: &[u8]) -> Result<(), DecodeError> {
        let item = match Tunnelled::decode(body)? {
            None => Item::Message(ToIntercept::decode(body)?),
            Some(Tunnelled { packet, segment }) => {
                let start = self.packets.len();
                self.packets.extend_from_slice(packet);
                Item::Packet { place: start..self.packets.len(), segment }
            }
        };
        self.items.push(item);
        Ok(())
    }

    /// The messages in it.
    pub(super) fn messages(&self) -> impl Iterator<Item = &ToIntercept> {
        self.items.iter().filter_map(|item| match item {
            Item::Message(message) => Some(message),
            Item::Packet { .. } => None,
        })
    }

    /// The lengths of the packets in it, in bytes.
    pub(super) fn packet_lengths(&self) -> impl Iterator<Item = usize> {
        self.items.iter().filter_map(|item| match item {
            Item::Message(_) => None,
            Item::Packet { place, .. } => Some(place.len()),
        })
    }

    /// All of it, in the order of the peer. [`Self::clear`] must follow.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Received<'_>> {
        let packets = &self.packets;
        self.items.drain(..).map(|item| match item {
            Item::Message(message) => Received::Message(message),
            Item::Packet { place, segment } => {
                Received::Packet(Tunnelled { packet: packets.get(place).unwrap_or_default(), segment })
            }
        })
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.packets.clear();
        self.packets.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use common_core::control::FlowId;

    use super::*;

    #[test]
    fn messages_and_packets_keep_their_order() {
        let mut inbox = Inbox::default();
        let bodies: [&[u8]; 4] = [&[4, 0, 0, 0, 7], &[9, 1, 2, 3], &[10, 5, 0, 6], &[4, 0, 0, 0, 8]];
        for body in bodies {
            inbox.push(body).unwrap();
        }
        assert!(inbox.push(&[99]).is_err() && inbox.push(&[9]).is_err());
        assert_eq!((inbox.messages().count(), inbox.packet_lengths().sum::<usize>()), (2, 4));
        let seen: Vec<String> = inbox.drain().map(|received| format!("{received:?}")).collect();
        let expected = [
            Received::Message(ToIntercept::RouteDel { id: FlowId(7) }),
            Received::Packet(Tunnelled { packet: &[1, 2, 3], segment: None }),
            Received::Packet(Tunnelled { packet: &[6], segment: Some(0x500) }),
            Received::Message(ToIntercept::RouteDel { id: FlowId(8) }),
        ];
        assert_eq!(seen, expected.map(|received| format!("{received:?}")));
        inbox.clear();
        assert_eq!(inbox.drain().count(), 0);
    }
}
