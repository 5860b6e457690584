//! The server's side of a login.

use zeroize::Zeroizing;

use super::credential::md5_hex;
use super::keys::Keys;
use super::scram::{Challenge, NONCE, SCRAM, is_equal};
use crate::backend::{Authentication, Backend};
use crate::base64::{decode, decode_key, encode};
use crate::bytes::Fields;

/// What a server stores of a password for SCRAM-SHA-256: `SCRAM-SHA-256$ITERATIONS:SALT$STORED_KEY:SERVER_KEY`.
#[derive(Clone)]
pub struct Verifier {
    iterations: u32,
    salt: Vec<u8>,
    stored: [u8; 32],
    server: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "verifier of {} iterations", self.iterations)
    }
}

impl Verifier {
    /// Reads a verifier in PostgreSQL's form; `None` if it is none.
    #[must_use]
    pub fn read(text: &[u8]) -> Option<Self> {
        let mut parts = text.split(|byte| matches!(byte, b'$' | b':'));
        if parts.next()? != SCRAM {
            return None;
        }
        let iterations = std::str::from_utf8(parts.next()?).ok()?.parse().ok().filter(|count| *count > 0)?;
        let salt = decode(parts.next()?)?.to_vec();
        let (stored, server) = (*decode_key(parts.next()?)?, decode_key(parts.next()?)?);
        parts.next().is_none().then_some(Self { iterations, salt, stored, server })
    }

    /// The verifier of a password.
    #[must_use]
    pub fn new(password: &[u8], salt: &[u8], iterations: u32) -> Self {
        let keys = Keys::derive(password, salt, iterations);
        Self { iterations, salt: salt.to_vec(), stored: keys.stored(), server: keys.server }
    }

    /// The salt.
    #[must_use]
    pub fn salt(&self) -> &[u8] {
        &self.salt
    }

    /// The iterations.
    #[must_use]
    pub fn iterations(&self) -> u32 {
        self.iterations
    }

    /// Whether these are its keys.
    #[must_use]
    pub fn is_of(&self, keys: &Keys) -> bool {
        is_equal(&self.stored, &keys.stored()) && is_equal(&self.server, &keys.server)
    }
}

/// How a server lets a client in.
#[derive(Debug, Clone)]
pub enum Rule {
    /// As it is.
    Trust,
    /// With this password, in the clear.
    Cleartext(Zeroizing<Vec<u8>>),
    /// With the hash of this password, of this user.
    Md5 {
        /// The password.
        password: Zeroizing<Vec<u8>>,
        /// The user.
        user: Vec<u8>,
        /// Of this login; random.
        salt: [u8; 4],
    },
    /// With SCRAM-SHA-256.
    Scram {
        /// What is stored of the password.
        verifier: Verifier,
        /// Of this login; random.
        nonce: [u8; NONCE],
    },
}

/// The next step of a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send this, and read the client's answer.
    Send(Vec<u8>),
    /// Send this: the client is in.
    Accepted(Vec<u8>),
    /// The client does not know the password, or its message does not belong to a login.
    Refused,
}

/// A login under way.
#[derive(Debug)]
pub struct ServerLogin {
    rule: Rule,
    /// SCRAM: what the client has said and was asked.
    challenge: Option<Challenge>,
}

impl ServerLogin {
    /// Begins.
    #[must_use]
    pub fn new(rule: Rule) -> (Self, Step) {
        let mechanisms = [SCRAM, b"\0\0"].concat();
        let first = match &rule {
            Rule::Trust => Step::Accepted(authentication(Authentication::Ok)),
            Rule::Cleartext(_) => Step::Send(authentication(Authentication::Cleartext)),
            Rule::Md5 { salt, .. } => Step::Send(authentication(Authentication::Md5(*salt))),
            Rule::Scram { .. } => Step::Send(authentication(Authentication::Sasl(&mechanisms))),
        };
        (Self { rule, challenge: None }, first)
    }

    /// The client's answer: the body of its password message.
    pub fn handle(&mut self, body: &[u8]) -> Step {
        let expected = match &self.rule {
            Rule::Trust => return Step::Refused,
            Rule::Scram { .. } => return self.scram(body).unwrap_or(Step::Refused),
            Rule::Cleartext(password) => Zeroizing::new([&password[..], b"\0"].concat()),
            Rule::Md5 { password, user, salt } => {
                let hash = md5_hex(&[&md5_hex(&[&password[..], user])[..], salt]);
                Zeroizing::new([&b"md5"[..], &hash[..], b"\0"].concat())
            }
        };
        // Hashes are compared, so that the time tells nothing.
        let hash = |bytes: &[u8]| super::keys::sha256(bytes);
        if is_equal(&hash(&expected), &hash(body)) {
            Step::Accepted(authentication(Authentication::Ok))
        } else {
            Step::Refused
        }
    }

    fn scram(&mut self, body: &[u8]) -> Option<Step> {
        let Rule::Scram { verifier, nonce } = &self.rule else { return None };
        if let Some(challenge) = self.challenge.take() {
            if !challenge.check(body, &verifier.stored) {
                return None;
            }
            let signature = format!("v={}", encode(&challenge.signature(&verifier.server)));
            let mut messages = authentication(Authentication::SaslFinal(signature.as_bytes()));
            messages.extend(authentication(Authentication::Ok));
            return Some(Step::Accepted(messages));
        }
        let mut fields = Fields(body);
        let (mechanism, length) = (fields.string()?, fields.u32()?);
        if mechanism != SCRAM || length as usize != fields.0.len() {
            return None;
        }
        let first = fields.0.strip_prefix(b"n,,")?;
        let theirs = first.strip_prefix(b"n=")?.split(|byte| *byte == b',').nth(1)?.strip_prefix(b"r=")?;
        let message = [
            b"r=",
            theirs,
            encode(nonce).as_bytes(),
            b",s=",
            encode(&verifier.salt).as_bytes(),
            format!(",i={}", verifier.iterations).as_bytes(),
        ]
        .concat();
        let challenge = Challenge::read(first, theirs, &message)?;
        self.challenge = Some(challenge);
        Some(Step::Send(authentication(Authentication::SaslContinue(&message))))
    }
}

fn authentication(request: Authentication<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    Backend::Authentication(request).write(&mut message);
    message
}
