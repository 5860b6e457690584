//! The client's side of a login at the test server: answers its requests until it accepts or refuses.
//!
//! Source: dev.mysql.com, "Authentication Method Switch", "Caching_sha2_password information".

use crate::login::greeting::{Greeting, NONCE_MAX, PLUGIN_MAX};
use crate::login::plugin::{Plugin, encrypted};
use crate::login::policy::Policy;
use crate::packet::Reader;
use crate::server_error::{ServerError, printable};
use secret_file::Secret;

/// A server switches to another method once; more often, it never ends.
const SWITCHES_MAX: u8 = 3;

/// A public key is no longer, in bytes: one of 4096 bits has 800.
pub const KEY_MAX: usize = 8 << 10;

/// The next step of a login.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Send this payload.
    Send(Vec<u8>),
    /// The server sends another packet first.
    Wait,
    /// The client is in.
    Accepted,
    /// The login cannot succeed.
    Refused(Refusal),
}

/// Why a login cannot succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The server refuses the user.
    Server(ServerError),
    /// The server asks for a method that is not implemented here.
    Method(String),
    /// The server asks for the password in the clear, which the configuration does not allow.
    Clear,
    /// The server asks for the password itself, and none is configured.
    NoPassword,
    /// The server's public key cannot be used.
    Key,
    /// The server's packet does not belong to a login.
    OutOfStep,
}

/// A login under way.
#[derive(Debug)]
pub struct Dialogue {
    plugin: Plugin,
    nonce: Vec<u8>,
    password: Option<Secret>,
    policy: Policy,
    switches: u8,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The answer to the nonce was given.
    Answered,
    /// The public key was asked for.
    KeyAsked,
    /// Nothing is left to send.
    Done,
}

impl Dialogue {
    /// A login that answers `greeting`. Returns also the first answer, if a password is configured. Without one, the captured
    /// answer must be sufficient.
    pub fn begin(greeting: &Greeting, password: Option<Secret>, policy: &Policy) -> (Self, Option<Vec<u8>>) {
        let (plugin, nonce) = (Plugin::from_name(&greeting.plugin), greeting.nonce.clone());
        let policy = policy.clone();
        let mut dialogue = Self { plugin, nonce, password, policy, switches: 0, stage: Stage::Answered };
        let answer = dialogue.first_answer();
        (dialogue, answer)
    }

    /// The memory that is allocated for it, in bytes.
    pub fn memory(&self) -> usize {
        self.nonce.capacity()
    }

    /// The present method.
    pub fn plugin(&self) -> Plugin {
        self.plugin
    }

    /// The server was asked for its public key: the password will be readable for whoever answers.
    pub fn has_asked_for_key(&self) -> bool {
        self.stage == Stage::KeyAsked
    }

    /// A password is configured.
    pub fn has_password(&self) -> bool {
        self.password.is_some()
    }

    /// The first answer, if a password is configured.
    fn first_answer(&mut self) -> Option<Vec<u8>> {
        let password = self.password.as_ref()?;
        if self.plugin == Plugin::Clear && !self.policy.allow_clear {
            // The server will ask again, and be refused then.
            return Some(Vec::new());
        }
        if self.plugin == Plugin::Sha256 && !password.bytes().is_empty() {
            if let Some(key) = &self.policy.public_key
                && let Some(secret) = encrypted(password.bytes(), &self.nonce, key)
            {
                self.stage = Stage::Done;
                return Some(secret);
            }
            self.stage = Stage::KeyAsked;
        }
        Some(self.plugin.answer(password.bytes(), &self.nonce))
    }

    /// The server's next packet.
    pub fn handle(&mut self, payload: &[u8]) -> Step {
        let mut reader = Reader::new(payload);
        match reader.u8() {
            Some(0x00) => Step::Accepted,
            Some(0x01) => self.more(reader.rest()),
            Some(0xFE) => self.switch(reader),
            Some(0xFF) => match ServerError::read(payload) {
                Some(error) => Step::Refused(Refusal::Server(error)),
                None => Step::Refused(Refusal::OutOfStep),
            },
            Some(0x02) => {
                let name = printable(reader.terminated_or_rest(), PLUGIN_MAX);
                self.unknown(format!("{name} as a second factor"))
            }
            _ => Step::Refused(Refusal::OutOfStep),
        }
    }

    /// AuthSwitchRequest: another method, another nonce.
    fn switch(&mut self, mut request: Reader<'_>) -> Step {
        self.switches += 1;
        if self.switches > SWITCHES_MAX {
            return Step::Refused(Refusal::OutOfStep);
        }
        if request.rest().is_empty() {
            return self.unknown("mysql_old_password".to_owned());
        }
        let name = request.terminated_or_rest();
        self.plugin = Plugin::from_name(name);
        let nonce = request.rest();
        let nonce = nonce.get(..NONCE_MAX).unwrap_or(nonce);
        self.nonce = nonce.strip_suffix(&[0]).filter(|nonce| nonce.len() == 20).unwrap_or(nonce).to_vec();
        self.stage = Stage::Answered;
        match self.plugin {
            Plugin::Other => return self.unknown(printable(name, PLUGIN_MAX)),
            Plugin::Clear if !self.policy.allow_clear => return Step::Refused(Refusal::Clear),
            _ => {}
        }
        // Without a password there may be none on the test server either.
        let answer = self.first_answer().unwrap_or_else(|| self.plugin.answer(&[], &self.nonce));
        Step::Send(answer)
    }

    /// The server asks for a method that is not implemented here.
    fn unknown(&mut self, method: String) -> Step {
        self.plugin = Plugin::Other;
        Step::Refused(Refusal::Method(method))
    }

    /// AuthMoreData.
    fn more(&mut self, data: &[u8]) -> Step {
        const FAST: u8 = 3;
        const FULL: u8 = 4;
        const KEY_REQUEST: u8 = 2;
        match (self.plugin, self.stage, data) {
            (Plugin::CachingSha2, Stage::Answered, [FAST]) => {
                self.stage = Stage::Done;
                Step::Wait
            }
            (Plugin::CachingSha2, Stage::Answered, [FULL]) if self.password.is_some() => {
                let Some(key) = self.policy.public_key.clone() else {
                    self.stage = Stage::KeyAsked;
                    return Step::Send(vec![KEY_REQUEST]);
                };
                self.encrypt(&key)
            }
            (Plugin::CachingSha2, Stage::Answered, [FULL]) => Step::Refused(Refusal::NoPassword),
            (Plugin::CachingSha2 | Plugin::Sha256, Stage::KeyAsked, key) => {
                if key.len() > KEY_MAX {
                    return Step::Refused(Refusal::Key);
                }
                self.encrypt(key)
            }
            _ => Step::Refused(Refusal::OutOfStep),
        }
    }

    /// The password for the owner of `key`.
    fn encrypt(&mut self, key: &[u8]) -> Step {
        self.stage = Stage::Done;
        let Some(password) = &self.password else { return Step::Refused(Refusal::NoPassword) };
        match encrypted(password.bytes(), &self.nonce, key) {
            Some(secret) => Step::Send(secret),
            None => Step::Refused(Refusal::Key),
        }
    }
}
