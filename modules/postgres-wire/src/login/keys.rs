//! The keys of SCRAM-SHA-256, which are costly to derive from a password. Source: RFC 5802, RFC 7677.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

/// Both keys of a password, a salt and a number of iterations. Wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    pub(crate) client: Zeroizing<[u8; 32]>,
    pub(crate) server: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Keys {
    /// The keys, at once.
    #[must_use]
    pub fn derive(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        Derivation::new(password, salt, iterations).finish()
    }

    /// The hash of the client's key, which a server stores.
    pub(crate) fn stored(&self) -> [u8; 32] {
        sha256(&self.client[..])
    }
}

/// Keys that are being derived: in steps, where others must not wait. Wiped when dropped.
pub struct Derivation {
    password: Hmac<Sha256>,
    block: Zeroizing<[u8; 32]>,
    sum: Zeroizing<[u8; 32]>,
    left: u32,
}

impl std::fmt::Debug for Derivation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} iterations left", self.left)
    }
}

impl Derivation {
    /// Begins: the first iteration is made.
    #[must_use]
    pub fn new(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let normal = normalised(password);
        let password = hmac_key(&normal);
        let mut first = password.clone();
        first.update(salt);
        first.update(&[0, 0, 0, 1]);
        let block = Zeroizing::<[u8; 32]>::new(first.finalize().into_bytes().into());
        if let Cow::Owned(mut normal) = normal {
            normal.zeroize();
        }
        Self { password, sum: block.clone(), block, left: iterations.saturating_sub(1) }
    }

    /// Makes at most so many iterations. Returns whether none is left.
    pub fn advance(&mut self, iterations: u32) -> bool {
        let count = self.left.min(iterations);
        for _ in 0..count {
            let mut mac = self.password.clone();
            mac.update(&self.block[..]);
            *self.block = mac.finalize().into_bytes().into();
            xor(&mut self.sum, &self.block);
        }
        self.left -= count;
        self.left == 0
    }

    /// Makes all iterations that are left.
    #[must_use]
    pub fn finish(mut self) -> Keys {
        self.advance(u32::MAX);
        let salted = hmac_key(&self.sum[..]);
        let key = |name: &[u8]| {
            let mut mac = salted.clone();
            mac.update(name);
            Zeroizing::new(mac.finalize().into_bytes().into())
        };
        Keys { client: key(b"Client Key"), server: key(b"Server Key") }
    }
}

/// The password as SASLprep wants it; as it is, where that is not possible: PostgreSQL does the same.
fn normalised(password: &[u8]) -> Cow<'_, [u8]> {
    match std::str::from_utf8(password).ok().and_then(|text| stringprep::saslprep(text).ok()) {
        Some(Cow::Owned(normal)) if !normal.is_empty() => Cow::Owned(normal.into_bytes()),
        _ => Cow::Borrowed(password),
    }
}

fn hmac_key(key: &[u8]) -> Hmac<Sha256> {
    // HMAC takes keys of any length; the error cannot occur.
    Hmac::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()))
}

pub(crate) fn hmac(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mut mac = hmac_key(key);
    mac.update(text);
    mac.finalize().into_bytes().into()
}

pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

pub(crate) fn xor(sum: &mut [u8; 32], other: &[u8; 32]) {
    sum.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `CREATE ROLE` of PostgreSQL 15 has made these verifiers.
    const VERIFIERS: &[(&str, &str)] = include!("../../tests/verifiers.in");

    #[test]
    fn steps_of_any_length_give_the_same_keys() {
        let expected = Keys::derive(b"secret", b"salt of 16 bytes", 4096);
        for step in [1, 1000, 4095, 5000] {
            let mut derivation = Derivation::new(b"secret", b"salt of 16 bytes", 4096);
            let mut steps = 1;
            while !derivation.advance(step) {
                steps += 1;
            }
            assert_eq!(steps, 4095_u32.div_ceil(step));
            assert!(derivation.finish() == expected);
        }
    }

    #[test]
    fn passwords_are_normalised_as_postgresql_does() {
        for (password, verifier) in VERIFIERS {
            let verifier = crate::login::server::Verifier::read(verifier.as_bytes()).unwrap();
            let keys = Keys::derive(password.as_bytes(), verifier.salt(), verifier.iterations());
            assert!(verifier.is_of(&keys), "{password:?}");
        }
        assert!(VERIFIERS.len() > 5);
    }
}
