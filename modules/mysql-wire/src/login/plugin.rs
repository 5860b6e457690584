//! The arithmetic of authentication methods: from a password and a nonce to an answer.
//!
//! Sources: dev.mysql.com, "Native Authentication", "Caching_sha2_password information"; MariaDB's documentation,
//! "Authentication plugin - ed25519".

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::hazmat::{ExpandedSecretKey, raw_sign};
use getrandom::SysRng;
use rsa::pkcs8::DecodePublicKey;
use rsa::{Oaep, PublicKey};
use sha1::{Digest, Sha1};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

/// An authentication method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Plugin {
    /// mysql_native_password.
    Native,
    /// caching_sha2_password.
    CachingSha2,
    /// sha256_password.
    Sha256,
    /// client_ed25519 of MariaDB.
    Ed25519,
    /// mysql_clear_password.
    Clear,
    /// Another one.
    Other,
}

impl Plugin {
    const ALL: [Self; 6] =
        [Self::Native, Self::CachingSha2, Self::Sha256, Self::Ed25519, Self::Clear, Self::Other];

    /// The method of this name.
    pub fn from_name(name: &[u8]) -> Self {
        Self::ALL.into_iter().find(|plugin| plugin.name().as_bytes() == name).unwrap_or(Self::Other)
    }

    /// As the protocol has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Sha256 => "sha256_password",
            Self::Ed25519 => "client_ed25519",
            Self::Clear => "mysql_clear_password",
            Self::Other => "other",
        }
    }

    /// The first answer, made of a password and the server's nonce; empty if an empty answer means no password.
    pub fn answer(self, password: &[u8], nonce: &[u8]) -> Vec<u8> {
        match self {
            Self::Native => native(password, nonce),
            Self::CachingSha2 => caching_sha2(password, nonce),
            Self::Sha256 if password.is_empty() => Vec::new(),
            Self::Sha256 => vec![SHA256_KEY_REQUEST],
            Self::Ed25519 => ed25519(password, nonce),
            Self::Clear => terminated(password).to_vec(),
            Self::Other => Vec::new(),
        }
    }
}

/// sha256_password: asks for the server's public key.
const SHA256_KEY_REQUEST: u8 = 0x01;

/// SHA1(p) xor SHA1(nonce + SHA1(SHA1(p))).
fn native(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha1::digest(password);
    let twice = Sha1::digest(once);
    let proof = Sha1::new().chain_update(nonce).chain_update(twice).finalize();
    xor(&once, &proof)
}

/// SHA256(p) xor SHA256(SHA256(SHA256(p)) + nonce).
fn caching_sha2(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    if password.is_empty() {
        return Vec::new();
    }
    let once = Sha256::digest(password);
    let twice = Sha256::digest(once);
    let proof = Sha256::new().chain_update(twice).chain_update(nonce).finalize();
    xor(&once, &proof)
}

/// The signature of the nonce (RFC 8032 section 5.1.6), whose secret key is the password's hash itself.
fn ed25519(password: &[u8], nonce: &[u8]) -> Vec<u8> {
    let key = ExpandedSecretKey::from_bytes(&Sha512::digest(password).into());
    raw_sign::<Sha512>(&key, nonce, &VerifyingKey::from(&key)).to_bytes().to_vec()
}

/// Whether `pem` is an RSA public key that [`encrypted`] can use for passwords of usual length.
pub fn is_public_key(pem: &[u8]) -> bool {
    encrypted(&[0; 64], &[0; 20], pem).is_some()
}

/// The password, encrypted for the owner of a public key: RSA-OAEP of (p + NUL) xor nonce. `None` if `pem` is no RSA key, or
/// too short a one.
pub fn encrypted(password: &[u8], nonce: &[u8], pem: &[u8]) -> Option<Vec<u8>> {
    let pem = std::str::from_utf8(pem).ok()?.trim_end_matches('\0');
    let key = PublicKey::from_public_key_pem(pem).ok()?;
    let mut secret = terminated(password);
    for (byte, mask) in secret.iter_mut().zip(nonce.iter().cycle()) {
        *byte ^= mask;
    }
    key.encrypt(&mut SysRng, Oaep::<Sha1>::new(), &secret).ok()
}

fn terminated(password: &[u8]) -> Zeroizing<Vec<u8>> {
    // Allocated once: a vector that grows leaves copies of the password in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(password.len() + 1));
    bytes.extend_from_slice(password);
    bytes.push(0);
    bytes
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}
