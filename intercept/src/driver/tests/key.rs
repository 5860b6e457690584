//! Peers with and without keys.

use std::ops::ControlFlow;
use std::sync::Arc;

use common_noise::key::Keys;
use common_os::io::control_conn::{ConnError, ControlConn};

use super::*;

fn keys(bytes: &[u8]) -> Arc<Keys> {
    let lines: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}").repeat(32)).collect();
    Arc::new(Keys::parse(lines.join("\n").as_bytes()).unwrap())
}

/// What a tcpcopy with this key hears until it has the reply to its ping or is disconnected.
fn heard(rig: &mut Rig, key: Option<&Keys>) -> Vec<Message> {
    let mut conn = ControlConn::connect(rig.driver.address(), 1 << 20, key.map(Keys::first)).unwrap();
    conn.queue(|out| {
        ToIntercept::Hello { version: VERSION, instance: 1 }.encode(out);
        ToIntercept::Ping { nonce: 7 }.encode(out);
    });
    let mut heard = Vec::new();
    while heard.last() != Some(&Message::Pong(7)) {
        // Not connected yet: the next round tries again.
        let _ = conn.flush();
        let received = conn.receive(1 << 20, &mut |body| {
            heard.extend(match FromIntercept::decode(body).unwrap() {
                FromIntercept::Hello { version } => Some(Message::Hello(version)),
                FromIntercept::Refuse(reason) => Some(Message::Refuse(reason)),
                FromIntercept::Pong { nonce } => Some(Message::Pong(nonce)),
                _ => None,
            });
            ControlFlow::Continue(())
        });
        match received {
            Ok(_) => {
                let _ = conn.flush();
                rig.driver.round().unwrap();
            }
            Err(ConnError::Closed | ConnError::Io(_)) => break,
            Err(error) => panic!("{error}"),
        }
    }
    heard
}

#[test]
fn with_a_key_peers_that_have_it_are_served_and_all_others_refused() {
    let mut rig = Rig::with_keys(Some(keys(&[1, 2])));
    let served = [Message::Hello(VERSION), Message::Pong(7)];
    assert_eq!(heard(&mut rig, Some(&keys(&[1]))), served);
    assert_eq!(heard(&mut rig, Some(&keys(&[2, 1]))), served, "the second key of the file");
    assert_eq!(heard(&mut rig, Some(&keys(&[3]))), [Message::Refuse(RefuseReason::WrongKey)]);
    assert_eq!(heard(&mut rig, None), [Message::Refuse(RefuseReason::KeyWanted)]);
}

#[test]
fn without_a_key_peers_that_have_one_are_told_so() {
    let mut rig = Rig::new();
    assert_eq!(heard(&mut rig, Some(&keys(&[1]))), [Message::Refuse(RefuseReason::NoKey)]);
    assert_eq!(heard(&mut rig, None), [Message::Hello(VERSION), Message::Pong(7)]);
}

#[test]
fn a_handshake_that_is_not_completed_ends_after_the_deadline_of_the_hello() {
    let mut rig = Rig::with_keys(Some(keys(&[1])));
    let mut silent = ControlConn::connect(rig.driver.address(), 1000, Some(keys(&[1]).first())).unwrap();
    while rig.driver.control.peers.len() < 1 {
        rig.driver.round().unwrap();
    }
    silent.flush().unwrap();
    rig.driver.round().unwrap();
    rig.tick_after(Duration::from_secs(6));
    assert_eq!(rig.driver.control.peers.len(), 0);
}
