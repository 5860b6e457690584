//! The messages of SCRAM-SHA-256 without channel binding. Source: RFC 5802, section 7.

use zeroize::Zeroizing;

use super::keys::{Keys, hmac, sha256, xor};
use crate::base64::{decode, decode_key, encode};

/// The mechanism.
pub(crate) const SCRAM: &[u8] = b"SCRAM-SHA-256";

/// "No channel binding", and nobody else's name.
pub(crate) const GS2_HEADER: &[u8] = b"n,,";

/// The longest nonce, salt or message, in bytes: PostgreSQL's own are far below.
const LENGTH_MAX: usize = 1024;

/// The random part of a nonce, in bytes, as PostgreSQL has it.
pub const NONCE: usize = 18;

/// The server's first message, with what the client has sent before.
#[derive(Debug)]
pub(crate) struct Challenge {
    /// `client-first-message-bare,server-first-message,client-final-message-without-proof`.
    auth_message: Vec<u8>,
    /// Where the last of these begins.
    final_at: usize,
    pub(crate) salt: Vec<u8>,
    pub(crate) iterations: u32,
}

/// The client's first message without its header, and its nonce. PostgreSQL takes the user from the StartupMessage.
pub(crate) fn client_first(nonce: &[u8; NONCE]) -> (Vec<u8>, Vec<u8>) {
    let nonce = encode(nonce);
    (format!("n=,r={nonce}").into_bytes(), nonce.into_bytes())
}

impl Challenge {
    /// Reads the server's first message, the answer to `client_first` with the nonce `own`; `None` if it is none.
    pub(crate) fn read(client_first: &[u8], own: &[u8], message: &[u8]) -> Option<Self> {
        if message.len() > LENGTH_MAX {
            return None;
        }
        let mut parts = message.split(|byte| *byte == b',');
        let nonce = parts.next()?.strip_prefix(b"r=")?;
        let salt = decode(parts.next()?.strip_prefix(b"s=")?)?.to_vec();
        let iterations = std::str::from_utf8(parts.next()?.strip_prefix(b"i=")?).ok()?;
        let iterations =
            iterations.parse().ok().filter(|count| *count > 0 && !iterations.starts_with('+'))?;
        // What follows are extensions, which may be ignored; "m=", which may not, comes first.
        if nonce.len() <= own.len() || !nonce.starts_with(own) || !nonce.iter().all(u8::is_ascii_graphic) {
            return None;
        }
        let mut auth_message = [client_first, b",", message, b","].concat();
        let final_at = auth_message.len();
        auth_message.extend_from_slice(b"c=");
        auth_message.extend_from_slice(encode(GS2_HEADER).as_bytes());
        auth_message.extend_from_slice(b",r=");
        auth_message.extend_from_slice(nonce);
        Some(Self { auth_message, final_at, salt, iterations })
    }

    /// The client's last message, but for the proof.
    pub(crate) fn without_proof(&self) -> &[u8] {
        self.auth_message.get(self.final_at..).unwrap_or_default()
    }

    /// The proof that the client knows the keys.
    pub(crate) fn proof(&self, keys: &Keys) -> Zeroizing<String> {
        let mut proof = keys.client.clone();
        xor(&mut proof, &hmac(&keys.stored(), &self.auth_message));
        Zeroizing::new(encode(&proof[..]))
    }

    /// Whether the server's last message shows that it knows the keys.
    pub(crate) fn verify(&self, keys: &Keys, message: &[u8]) -> bool {
        let signature = message.strip_prefix(b"v=").and_then(decode_key);
        signature.is_some_and(|signature| is_equal(&signature, &self.signature(&keys.server)))
    }

    pub(crate) fn signature(&self, server_key: &[u8; 32]) -> [u8; 32] {
        hmac(server_key, &self.auth_message)
    }

    /// The server's side: whether the client's last message shows that it knows the key whose hash is `stored`.
    pub(crate) fn check(&self, message: &[u8], stored: &[u8; 32]) -> bool {
        let Some(proof) = message.strip_prefix(self.without_proof()).and_then(|it| it.strip_prefix(b",p="))
        else {
            return false;
        };
        let Some(mut key) = decode_key(proof) else { return false };
        xor(&mut key, &hmac(stored, &self.auth_message));
        is_equal(&sha256(&key[..]), stored)
    }
}

/// Compares in constant time.
pub(crate) fn is_equal(one: &[u8; 32], other: &[u8; 32]) -> bool {
    one.iter().zip(other).fold(0, |difference, (one, other)| difference | (one ^ other)) == 0
}
