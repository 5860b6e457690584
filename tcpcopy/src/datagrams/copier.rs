//! Decides of each captured datagram whether it is copied, and accounts for it.

use common_core::control::DatagramAnswer;
use common_core::flow::Flow;
use common_core::time::Time;
use common_core::wire::{Datagram, ParseError};
use common_os::io::Captured;

use super::ledger::DatagramLedger;
use super::pace::Pace;
use super::pending::Pending;
use crate::settings::Transfer;

/// The copies of one run.
///
/// Call order: [`Copier::handle_packet`] for each captured packet, and [`Copier::handle_sent`] for each packet that it
/// returns, before the next one.
pub struct Copier {
    transfers: Vec<Transfer>,
    pace: Pace,
    pending: Pending,
    ledger: DatagramLedger,
    /// The packet that was returned last, and its flow.
    packet: Vec<u8>,
    flow: Option<Flow>,
    is_heard: bool,
}

impl Copier {
    /// A copier that sends at most `rate` datagrams a second.
    #[must_use]
    pub fn new(transfers: Vec<Transfer>, rate: u32) -> Self {
        Self {
            transfers,
            pace: Pace::new(rate),
            pending: Pending::default(),
            ledger: DatagramLedger::default(),
            packet: Vec::new(),
            flow: None,
            is_heard: false,
        }
    }

    /// Whether some intercept is connected. If none is, no answer can be seen.
    pub fn set_heard(&mut self, is_heard: bool) {
        self.is_heard = is_heard;
    }

    /// A packet was captured: the packet to send for it, if there is one.
    pub fn handle_packet(&mut self, now: Time, captured: Captured<'_>) -> Option<&[u8]> {
        if captured.outgoing {
            self.ledger.unrelated += 1;
            return None;
        }
        let datagram = match Datagram::parse(captured.packet) {
            Ok(datagram) => datagram,
            Err(ParseError::Fragment) => {
                self.ledger.captured += 1;
                self.ledger.dropped.fragments += 1;
                return None;
            }
            Err(_) => {
                self.ledger.unrelated += 1;
                return None;
            }
        };
        let is_copied = |transfer: &&Transfer| {
            transfer.online_port == datagram.destination.port
                && transfer.copies_at(datagram.destination.ip)
                && transfer.target.ip.is_ipv4() == datagram.source.ip.is_ipv4()
        };
        let Some(target) = self.transfers.iter().find(is_copied).map(|transfer| transfer.target) else {
            self.ledger.unrelated += 1;
            return None;
        };
        self.ledger.captured += 1;
        self.ledger.captured_bytes += u64::from(datagram.payload_len);
        let dropped = &mut self.ledger.dropped;
        if !datagram.is_whole() {
            dropped.truncated += 1;
        } else if datagram.source.ip.is_loopback() {
            dropped.loopback += 1;
        } else if datagram.hops <= 1 {
            dropped.hops += 1;
        } else if self.pending.is_full() {
            dropped.memory += 1;
        } else if !self.pace.admits(now) {
            dropped.rate += 1;
        } else {
            // Each copy has one hop less than its original: of two hosts that copy to each other, none copies for ever.
            let copy = Datagram { destination: target, hops: datagram.hops - 1, ..datagram };
            if copy.write(&mut self.packet) {
                self.flow = Some(Flow { client: copy.source, server: target });
                return Some(&self.packet);
            }
            dropped.truncated += 1;
        }
        None
    }

    /// The packet that was returned last was accepted by the kernel, or not.
    pub fn handle_sent(&mut self, now: Time, is_sent: bool) {
        let Some(flow) = self.flow.take() else { return };
        if is_sent {
            self.ledger.sent += 1;
            self.ledger.pending += 1;
            self.pending.add(now, flow);
        } else {
            self.ledger.dropped.send_failed += 1;
        }
    }

    /// Intercept has seen an answer.
    pub fn handle_answer(&mut self, answer: &DatagramAnswer) {
        self.ledger.answers += 1;
        self.ledger.answer_bytes += u64::from(answer.payload_len);
        if self.pending.answer(&answer.flow) {
            self.ledger.answered += 1;
            self.ledger.pending -= 1;
        } else {
            self.ledger.unexpected += 1;
        }
    }

    /// When [`Copier::handle_timeout`] must be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Time {
        self.pending.deadline()
    }

    /// Forgets datagrams to which no answer has come in time.
    pub fn handle_timeout(&mut self, now: Time) {
        let expired = self.pending.expire(now);
        self.ledger.pending -= expired;
        let reason = &mut self.ledger.unanswered;
        let reason = if self.is_heard { &mut reason.timed_out } else { &mut reason.no_intercept };
        *reason += expired;
    }

    /// Nothing waits for an answer any more.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.ledger.pending == 0
    }

    /// No answer comes any more.
    pub fn close(&mut self) {
        let waiting = self.pending.clear();
        self.ledger.pending -= waiting;
        self.ledger.unanswered.at_end += waiting;
    }

    /// The account.
    #[must_use]
    pub fn ledger(&self) -> &DatagramLedger {
        &self.ledger
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::time::Duration;

    use common_core::flow::Endpoint;
    use common_core::time::Stamp;

    use super::super::ledger::{Dropped, Unanswered};
    use super::super::pending;
    use super::*;
    use crate::settings::OnReconnect;

    const SERVICE: &str = "10.0.0.16:53";
    const CLIENT: &str = "10.0.0.1:5353";

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn copier(rate: u32) -> Copier {
        let transfer = |target: &str| Transfer {
            online_ip: None,
            online_port: 53,
            target: endpoint(target),
            protocol: None,
            on_reconnect: OnReconnect::default(),
        };
        let mut copier = Copier::new(vec![transfer("10.0.0.17:5300"), transfer("[fd00::17]:5300")], rate);
        copier.set_heard(true);
        copier
    }

    fn query<'a>(source: &str, destination: &str) -> Datagram<'a> {
        let (source, destination) = (endpoint(source), endpoint(destination));
        Datagram { source, destination, hops: 64, payload: b"query", payload_len: 5 }
    }

    fn packet(datagram: &Datagram<'_>) -> Vec<u8> {
        let mut packet = Vec::new();
        assert!(datagram.write(&mut packet));
        packet
    }

    fn captured(packet: &[u8]) -> Captured<'_> {
        Captured { packet, outgoing: false, stamp: Stamp::FIRST }
    }

    /// Copies a datagram that is sent if it may be; true if it was.
    fn copied(copier: &mut Copier, now: Time, packet: &[u8]) -> bool {
        let sent = copier.handle_packet(now, captured(packet)).is_some();
        copier.handle_sent(now, true);
        assert!(copier.ledger().balances(), "{:?}", copier.ledger());
        sent
    }

    fn answer(client: &str, server: &str) -> DatagramAnswer {
        DatagramAnswer { flow: Flow { client: endpoint(client), server: endpoint(server) }, payload_len: 100 }
    }

    #[test]
    fn a_copy_differs_in_its_destination_and_has_a_hop_less() {
        for (client, service, target) in
            [(CLIENT, SERVICE, "10.0.0.17:5300"), ("[fd00::1]:5353", "[fd00::16]:53", "[fd00::17]:5300")]
        {
            let mut copier = copier(1000);
            let original = query(client, service);
            let packet = packet(&original);
            let copy = copier.handle_packet(Time::ZERO, captured(&packet)).unwrap();
            let expected = Datagram { destination: endpoint(target), hops: 63, ..original };
            assert_eq!(Datagram::parse(copy).unwrap(), expected);
        }
    }

    #[test]
    fn answers_are_counted_for_what_they_answer() {
        let mut copier = copier(1000);
        for port in 1..=3 {
            assert!(copied(&mut copier, Time::ZERO, &packet(&query(&format!("10.0.0.1:{port}"), SERVICE))));
        }
        copier.handle_answer(&answer("10.0.0.1:1", "10.0.0.17:5300"));
        copier.handle_answer(&answer("10.0.0.1:1", "10.0.0.17:5300"));
        copier.handle_answer(&answer("10.0.0.1:9", "10.0.0.17:5300"));
        let late = Time::ZERO + pending::TIMEOUT;
        assert_eq!(copier.poll_timeout(), late);
        copier.handle_timeout(late);
        let ledger = copier.ledger();
        assert!(ledger.balances() && copier.is_settled(), "{ledger:?}");
        assert_eq!((ledger.sent, ledger.answered, ledger.unanswered.timed_out), (3, 1, 2));
        assert_eq!((ledger.answers, ledger.unexpected, ledger.answer_bytes), (3, 2, 300));
    }

    #[test]
    fn without_intercept_and_at_the_end_the_reason_is_another() {
        let mut copier = copier(1000);
        copier.set_heard(false);
        let packet = packet(&query(CLIENT, SERVICE));
        copied(&mut copier, Time::ZERO, &packet);
        let late = Time::ZERO + pending::TIMEOUT;
        copier.handle_timeout(late);
        copied(&mut copier, late, &packet);
        copier.close();
        let expected = Unanswered { timed_out: 0, no_intercept: 1, at_end: 1 };
        assert_eq!(copier.ledger().unanswered, expected);
        assert!(copier.ledger().balances());
    }

    #[test]
    fn what_cannot_be_copied_is_dropped_for_a_reason() {
        let mut copier = copier(1000);
        let whole = packet(&query(CLIENT, SERVICE));
        let mut fragment = whole.clone();
        fragment[6] = 0x20;
        let looped = packet(&query("127.0.0.1:5353", "127.0.0.1:53"));
        let last_hop = packet(&Datagram { hops: 1, ..query(CLIENT, SERVICE) });
        for packet in [&whole[..30], &fragment, &looped, &last_hop] {
            assert!(!copied(&mut copier, Time::ZERO, packet));
        }
        copier.handle_packet(Time::ZERO, captured(&whole)).unwrap();
        copier.handle_sent(Time::ZERO, false);
        let expected = Dropped {
            fragments: 1,
            truncated: 1,
            loopback: 1,
            hops: 1,
            send_failed: 1,
            ..Dropped::default()
        };
        assert_eq!(copier.ledger().dropped, expected);
        assert!(copier.ledger().balances());
    }

    #[test]
    fn other_packets_do_not_count() {
        let mut copier = copier(1000);
        let query = |destination| packet(&query(CLIENT, destination));
        let copy = query(SERVICE);
        let own = Captured { outgoing: true, ..captured(&copy) };
        assert!(copier.handle_packet(Time::ZERO, own).is_none());
        assert!(!copied(&mut copier, Time::ZERO, &query("10.0.0.16:54")));
        assert!(!copied(&mut copier, Time::ZERO, &[0; 40]));
        assert_eq!((copier.ledger().captured, copier.ledger().unrelated), (0, 3));
    }

    #[test]
    fn the_rate_and_the_memory_are_limited() {
        let packet = packet(&query(CLIENT, SERVICE));
        let mut slow = copier(10);
        assert_eq!((0..10).filter(|_| copied(&mut slow, Time::ZERO, &packet)).count(), 1);
        assert_eq!(slow.ledger().dropped.rate, 9);
        let mut fast = copier(u32::MAX);
        let sent = (0..=pending::MAX).filter(|_| copied(&mut fast, Time::ZERO, &packet)).count();
        assert_eq!((sent, fast.ledger().dropped.memory), (pending::MAX, 1));
        fast.handle_timeout(Time::ZERO + Duration::from_secs(5));
        assert!(copied(&mut fast, Time::ZERO + Duration::from_secs(5), &packet));
    }
}
