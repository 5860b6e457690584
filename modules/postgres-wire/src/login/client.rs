//! The client's side of a login.

use thiserror::Error;
use zeroize::Zeroizing;

use super::credential::Credential;
use super::keys::{Derivation, Keys};
pub use super::scram::NONCE;
use super::scram::{Challenge, GS2_HEADER, SCRAM, client_first};
use crate::backend::Authentication;
use crate::frontend::Frontend;

/// More iterations than this are not made: a server could keep its clients busy.
pub const ITERATIONS_MAX: u32 = 1_000_000;

/// A login has no more than this many requests.
const REQUESTS_MAX: u8 = 8;

/// The method that the server asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// None: the server lets the client in as it is.
    Trust,
    /// The password in the clear.
    Cleartext,
    /// A hash.
    Md5,
    /// SCRAM-SHA-256.
    Scram,
    /// GSSAPI, SSPI or Kerberos.
    Gss,
    /// Another, or a mechanism of SASL that is not implemented here.
    Other,
}

/// The next step of a login.
#[derive(Debug)]
pub enum Step {
    /// Send this.
    Send(Zeroizing<Vec<u8>>),
    /// The keys of [`ClientLogin::challenge`] are needed: [`ClientLogin::keys`] answers with them.
    NeedKeys,
    /// The server sends another message first.
    Wait,
    /// The server lets the client in.
    Accepted,
}

/// Why a login cannot succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The server asks for a password, and none is there.
    #[error("the server asks for a password")]
    NoPassword,
    /// The server asks for a method for which this credential is no use.
    #[error("the server asks for a method for which the password itself is needed")]
    NeedsPassword,
    /// The server asks for the password in the clear, which is not allowed.
    #[error("the server asks for the password in the clear")]
    Clear,
    /// The server asks for a method that is not implemented here.
    #[error("the server asks for a method that is not supported")]
    Method,
    /// The server asks for too many iterations.
    #[error("the server asks for {0} iterations, more than {ITERATIONS_MAX}")]
    Iterations(u32),
    /// The server does not know the password.
    #[error("the server does not prove that it knows the password")]
    Server,
    /// The server's message does not belong to a login.
    #[error("the server's messages are no login")]
    OutOfStep,
}

/// A login under way. The caller reads messages, and gives the requests for authentication to it; errors of the server end
/// it from outside.
#[derive(Debug)]
pub struct ClientLogin {
    user: Vec<u8>,
    credential: Option<Credential>,
    allow_clear: bool,
    nonce: [u8; NONCE],
    method: Method,
    requests: u8,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Nothing was asked for.
    Begun,
    /// All that was asked for was sent.
    Answered,
    /// SCRAM's first message was sent.
    ScramFirst,
    NeedKeys(Challenge),
    /// SCRAM's last message was sent.
    ScramFinal(Challenge, Keys),
}

impl ClientLogin {
    /// A login of `user`. `nonce` must be random, and is used for this login only.
    #[must_use]
    pub fn new(user: &[u8], credential: Option<Credential>, allow_clear: bool, nonce: [u8; NONCE]) -> Self {
        Self {
            user: user.to_vec(),
            credential,
            allow_clear,
            nonce,
            method: Method::Trust,
            requests: 0,
            stage: Stage::Begun,
        }
    }

    /// The method that the server has asked for last.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// Salt and iterations of the keys that are needed.
    #[must_use]
    pub fn challenge(&self) -> Option<(&[u8], u32)> {
        match &self.stage {
            Stage::NeedKeys(challenge) => Some((&challenge.salt, challenge.iterations)),
            _ => None,
        }
    }

    /// The beginning of the message that [`ClientLogin::keys`] returns, which needs no keys: it can be sent before.
    #[must_use]
    pub fn before_keys(&self) -> Vec<u8> {
        match &self.stage {
            Stage::NeedKeys(challenge) => {
                let mut message = final_message(challenge, &[b'A'; PROOF]).to_vec();
                message.truncate(message.len() - PROOF);
                message
            }
            _ => Vec::new(),
        }
    }

    /// Begins to derive the keys that are needed.
    #[must_use]
    pub fn derivation(&self) -> Option<Derivation> {
        match (&self.stage, &self.credential) {
            (Stage::NeedKeys(challenge), Some(Credential::Password(password))) => {
                Some(Derivation::new(password, &challenge.salt, challenge.iterations))
            }
            _ => None,
        }
    }

    /// The keys are there.
    pub fn keys(&mut self, keys: Keys) -> Step {
        match std::mem::replace(&mut self.stage, Stage::Answered) {
            Stage::NeedKeys(challenge) => {
                let message = final_message(&challenge, challenge.proof(&keys).as_bytes());
                self.stage = Stage::ScramFinal(challenge, keys);
                Step::Send(message)
            }
            stage => {
                self.stage = stage;
                Step::Wait
            }
        }
    }

    /// The server's next request.
    ///
    /// # Errors
    ///
    /// If the login cannot succeed.
    pub fn handle(&mut self, request: Authentication<'_>) -> Result<Step, Refusal> {
        self.requests += 1;
        if self.requests > REQUESTS_MAX {
            return Err(Refusal::OutOfStep);
        }
        match (std::mem::replace(&mut self.stage, Stage::Answered), request) {
            // A server that does not know the password must not be believed.
            (Stage::Begun | Stage::Answered, Authentication::Ok) => Ok(Step::Accepted),
            (Stage::Begun, Authentication::Cleartext) => {
                self.method = Method::Cleartext;
                self.cleartext()
            }
            (Stage::Begun, Authentication::Md5(salt)) => {
                self.method = Method::Md5;
                let credential = self.credential.as_ref().ok_or(Refusal::NoPassword)?;
                let answer = credential.md5_answer(&self.user, salt).ok_or(Refusal::NeedsPassword)?;
                Ok(Step::Send(password_message(&answer, true)))
            }
            (Stage::Begun, Authentication::Sasl(mechanisms)) => self.sasl(mechanisms),
            (Stage::ScramFirst, Authentication::SaslContinue(message)) => self.challenged(message),
            (Stage::ScramFinal(challenge, keys), Authentication::SaslFinal(message)) => {
                if challenge.verify(&keys, message) { Ok(Step::Wait) } else { Err(Refusal::Server) }
            }
            (Stage::ScramFirst | Stage::NeedKeys(_) | Stage::ScramFinal(..), Authentication::Ok) => {
                Err(Refusal::Server)
            }
            (Stage::Begun, Authentication::Other(code, _)) => {
                self.method = if matches!(code, 2 | 7 | 9) { Method::Gss } else { Method::Other };
                Err(Refusal::Method)
            }
            _ => Err(Refusal::OutOfStep),
        }
    }

    fn cleartext(&self) -> Result<Step, Refusal> {
        match &self.credential {
            None => Err(Refusal::NoPassword),
            Some(Credential::Md5(_) | Credential::Scram(_)) => Err(Refusal::NeedsPassword),
            Some(Credential::Password(_)) if !self.allow_clear => Err(Refusal::Clear),
            Some(Credential::Password(password)) => Ok(Step::Send(password_message(password, true))),
        }
    }

    fn sasl(&mut self, mechanisms: &[u8]) -> Result<Step, Refusal> {
        if !mechanisms.split(|byte| *byte == 0).any(|name| name == SCRAM) {
            self.method = Method::Other;
            return Err(Refusal::Method);
        }
        self.method = Method::Scram;
        match &self.credential {
            None => return Err(Refusal::NoPassword),
            Some(Credential::Md5(_)) => return Err(Refusal::NeedsPassword),
            Some(Credential::Password(_) | Credential::Scram(_)) => {}
        }
        let first = [GS2_HEADER, &client_first(&self.nonce).0].concat();
        let length = (first.len() as u32).to_be_bytes();
        self.stage = Stage::ScramFirst;
        Ok(Step::Send(password_message(&[SCRAM, b"\0", &length, &first].concat(), false)))
    }

    fn challenged(&mut self, message: &[u8]) -> Result<Step, Refusal> {
        let (first, own) = client_first(&self.nonce);
        let challenge = Challenge::read(&first, &own, message).ok_or(Refusal::OutOfStep)?;
        if challenge.iterations > ITERATIONS_MAX {
            return Err(Refusal::Iterations(challenge.iterations));
        }
        self.stage = Stage::NeedKeys(challenge);
        match &self.credential {
            Some(Credential::Scram(keys)) => {
                let keys = keys.clone();
                Ok(self.keys(keys))
            }
            _ => Ok(Step::NeedKeys),
        }
    }
}

/// The length of a proof in Base64.
const PROOF: usize = 44;

fn final_message(challenge: &Challenge, proof: &[u8]) -> Zeroizing<Vec<u8>> {
    let body = Zeroizing::new([challenge.without_proof(), b",p=", proof].concat());
    password_message(&body, false)
}

fn password_message(body: &[u8], is_string: bool) -> Zeroizing<Vec<u8>> {
    // A buffer that grows would leave copies in memory.
    let mut message = Zeroizing::new(Vec::with_capacity(body.len() + 6));
    let mut terminated = Zeroizing::new(Vec::new());
    let body = if is_string {
        terminated.reserve_exact(body.len() + 1);
        terminated.extend_from_slice(body);
        terminated.push(0);
        &terminated[..]
    } else {
        body
    };
    Frontend::Password(body).write(&mut message);
    message
}
