//! A password, or what stands for it.

use md5::{Digest, Md5};
use thiserror::Error;
use zeroize::Zeroizing;

use super::keys::Keys;
use crate::base64::decode_key;

/// What a client proves that it knows.
#[derive(Clone)]
pub enum Credential {
    /// The password.
    Password(Zeroizing<Vec<u8>>),
    /// The hash of password and user, which the server stores as `md5` and these 32 hexadecimal digits. For the method `md5`
    /// only.
    Md5(Zeroizing<[u8; 32]>),
    /// The keys of SCRAM-SHA-256, which belong to one salt and number of iterations. For that method only.
    Scram(Keys),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Password(_) => "password",
            Self::Md5(_) => "md5 hash",
            Self::Scram(_) => "SCRAM keys",
        })
    }
}

/// A text cannot stand for a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// A SCRAM verifier.
    #[error(
        "a SCRAM verifier (SCRAM-SHA-256$...) proves nothing to a server; give the password, or the keys as \
         scram-keys:CLIENT_KEY:SERVER_KEY"
    )]
    Verifier,
    /// The keys are none.
    #[error("scram-keys: needs two keys of 32 bytes, in Base64: scram-keys:CLIENT_KEY:SERVER_KEY")]
    Keys,
}

impl Credential {
    /// Reads a password as it is configured: `md5` and 32 hexadecimal digits is a hash, `scram-keys:CLIENT_KEY:SERVER_KEY`
    /// are keys in Base64, everything else is the password.
    ///
    /// # Errors
    ///
    /// If it is neither, and no password.
    pub fn read(text: &[u8]) -> Result<Self, CredentialError> {
        if let Some(hash) = text.strip_prefix(b"md5")
            && let Ok(hash) = <[u8; 32]>::try_from(hash)
            && hash.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Ok(Self::Md5(Zeroizing::new(hash)));
        }
        if text.starts_with(b"SCRAM-SHA-256$") {
            return Err(CredentialError::Verifier);
        }
        let Some(keys) = text.strip_prefix(b"scram-keys:") else {
            return Ok(Self::Password(Zeroizing::new(text.to_vec())));
        };
        let mut keys = keys.split(|byte| *byte == b':').map(decode_key);
        match (keys.next().flatten(), keys.next().flatten(), keys.next()) {
            (Some(client_key), Some(server_key), None) => {
                Ok(Self::Scram(Keys { client: client_key, server: server_key }))
            }
            _ => Err(CredentialError::Keys),
        }
    }

    /// The answer to a request for a hash of the password of `user`, with this salt; `None` if this is no password and no
    /// hash.
    pub(crate) fn md5_answer(&self, user: &[u8], salt: [u8; 4]) -> Option<Zeroizing<Vec<u8>>> {
        let hash = match self {
            Self::Password(password) => md5_hex(&[&password[..], user]),
            Self::Md5(hash) => hash.clone(),
            Self::Scram(_) => return None,
        };
        let mut answer = Zeroizing::new(b"md5".to_vec());
        answer.reserve_exact(32);
        answer.extend_from_slice(&md5_hex(&[&hash[..], &salt])[..]);
        Some(answer)
    }
}

/// The hash of the pieces, in hexadecimal digits.
pub(crate) fn md5_hex(pieces: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut hash = Md5::new();
    pieces.iter().for_each(|piece| hash.update(piece));
    let mut hex = Zeroizing::new([0; 32]);
    for (byte, digits) in hash.finalize().iter().zip(hex.as_chunks_mut::<2>().0) {
        *digits = [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]];
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_configured_is_a_password_a_hash_or_keys() {
        let key = crate::base64::encode(&[7; 32]);
        for (text, expected) in [
            ("secret", "password"),
            ("md5", "password"),
            ("md5xyz", "password"),
            ("", "password"),
            ("md53175bce1d3201d16594cebf9d7eb3f9d", "md5 hash"),
            (&format!("scram-keys:{key}:{key}"), "SCRAM keys"),
        ] {
            assert_eq!(format!("{:?}", Credential::read(text.as_bytes()).unwrap()), expected, "{text}");
        }
        for (text, expected) in [
            ("SCRAM-SHA-256$4096:c2FsdA==$a:b", CredentialError::Verifier),
            ("scram-keys:", CredentialError::Keys),
            (&format!("scram-keys:{key}"), CredentialError::Keys),
            (&format!("scram-keys:{key}:{key}:"), CredentialError::Keys),
            (&format!("scram-keys:{key}:c2FsdA=="), CredentialError::Keys),
        ] {
            assert_eq!(Credential::read(text.as_bytes()).unwrap_err(), expected, "{text}");
        }
    }

    #[test]
    fn a_hash_stands_for_its_password() {
        // SELECT 'md5' || md5('secretapp')
        let hash = [&b"md5"[..], &md5_hex(&[b"secret", b"app"])[..]].concat();
        let salt = [1, 2, 3, 4];
        let of_hash = Credential::read(&hash).unwrap().md5_answer(b"app", salt).unwrap();
        let of_password = Credential::read(b"secret").unwrap().md5_answer(b"app", salt).unwrap();
        assert_eq!((of_hash.len(), &of_hash), (35, &of_password));
        assert_eq!(
            *of_hash,
            postgres_protocol::authentication::md5_hash(b"app", b"secret", salt).into_bytes()
        );
    }
}
