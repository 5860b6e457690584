//! Connections and logins.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use postgres_wire::backend::{Authentication, Backend};
use postgres_wire::framing::HEAD;
use postgres_wire::login::client::{ClientLogin, NONCE, Refusal, Step};
use postgres_wire::login::credential::Credential;
use postgres_wire::login::keys::Keys;
use postgres_wire::login::pgpass::Pgpass;
use postgres_wire::opening::{Opening, write_startup};
use postgres_wire::server_error::ServerError;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use zeroize::Zeroizing;

use super::link::{CancelKey, Link, Socket};
use super::postgres::Postgres;
use super::{Options, Shared, mysql};
use crate::protocol::Protocol;
use crate::recording::Bytes;

/// The longest wait for a connection and its login.
const PATIENCE: Duration = Duration::from_secs(30);

/// A longer message in a login is none, in bytes.
const MESSAGE_MAX: usize = 64 << 10;

/// The server.
#[derive(Debug, Clone)]
pub struct Target {
    /// A name or address; a directory, if it begins with a slash: the server's socket is in it.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// Where passwords come from, the first that has one: the configuration, the environment, the password file.
#[derive(Debug, Clone, Default)]
pub struct PasswordSource {
    /// Of users on the server.
    pub users: BTreeMap<String, Zeroizing<String>>,
    /// `PGPASSWORD`, or `MYSQL_PWD`.
    pub environment: Option<Zeroizing<String>>,
    /// `~/.pgpass`.
    pub file: Pgpass,
    /// Of `~/.my.cnf`.
    pub my_cnf: Option<Zeroizing<String>>,
}

impl PasswordSource {
    /// The password on a server of MySQL; none is an empty one.
    pub(super) fn mysql_password(&self, user: &Bytes) -> Zeroizing<Vec<u8>> {
        let found = self.users.get(&*user.shown()).or(self.environment.as_ref()).or(self.my_cnf.as_ref());
        Zeroizing::new(found.map(|password| password.as_bytes().to_vec()).unwrap_or_default())
    }

    fn credential(&self, target: &Target, database: &Bytes, user: &Bytes) -> Option<Credential> {
        let of_user = self.users.get(&*user.shown()).or(self.environment.as_ref());
        let text = match of_user {
            Some(password) => Zeroizing::new(password.as_bytes().to_vec()),
            None => {
                // libpq looks up local connections as localhost.
                let host = if target.host.starts_with('/') { "localhost" } else { &target.host };
                Zeroizing::new(self.file.password(&[host], target.port, &database.0, &user.0)?.to_vec())
            }
        };
        Some(Credential::Password(text))
    }
}

/// SCRAM's keys, which are costly.
#[derive(Debug, Default)]
pub(super) struct KeyCache(Mutex<HashMap<KeyName, Keys>>);

/// User, salt and iterations.
type KeyName = (Bytes, Vec<u8>, u32);

/// More are not kept.
const KEYS_MAX: usize = 1000;

/// Why a connection was not made: one line with the cure.
#[derive(Debug, Error)]
pub enum LoginError {
    /// There is no server.
    #[error("cannot connect to {target}: {problem} (--host, --port)")]
    Connect {
        /// The server.
        target: Target,
        /// Why.
        problem: io::Error,
    },
    /// It has broken.
    #[error("the connection to {0} has ended during the login: {1}")]
    Broken(Target, io::Error),
    /// The server refuses.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// The login cannot succeed.
    #[error("cannot log in to {target} as {user}: {reason}")]
    Cannot {
        /// The server.
        target: Target,
        /// The user.
        user: String,
        /// Why.
        reason: String,
    },
    /// The login cannot succeed.
    #[error("cannot log in to {target} as {user}: {refusal}{}", cure_of(.refusal))]
    Refusal {
        /// The server.
        target: Target,
        /// The user.
        user: String,
        /// Why.
        refusal: Refusal,
    },
}

impl LoginError {
    pub(super) fn refused(
        target: &Target,
        user: &Bytes,
        database: &Bytes,
        code: String,
        text: String,
    ) -> Self {
        Self::Refused(Box::new(Refused {
            target: target.clone(),
            user: user.shown().into_owned(),
            database: database.shown().into_owned(),
            sqlstate: code,
            text,
        }))
    }
}

/// A server's refusal.
#[derive(Debug, Error)]
#[error("{target} does not let {user} into {}: {sqlstate} {text}{}", shown(.database), cure(.sqlstate))]
pub struct Refused {
    target: Target,
    user: String,
    database: String,
    sqlstate: String,
    text: String,
}

/// MySQL's clients need no database.
fn shown(database: &str) -> &str {
    if database.is_empty() { "the server" } else { database }
}

fn cure(sqlstate: &str) -> &'static str {
    match sqlstate {
        "28P01" => " (PGPASSWORD, ~/.pgpass, or --config)",
        "28000" => " (pg_hba.conf on the server; this program speaks without TLS)",
        "3D000" => " (--dbname, or --connect-map database:OLD=NEW)",
        "1045" | "1698" => " (MYSQL_PWD, ~/.my.cnf, or --config)",
        "1049" | "1044" => " (--dbname, or --connect-map database:OLD=NEW)",
        "1040" => " (max_connections on the server, or --sessions-max)",
        "1130" => " (the server knows the user from other hosts only)",
        "53300" => " (max_connections on the server, or --sessions-max)",
        _ => "",
    }
}

fn cure_of(refusal: &Refusal) -> &'static str {
    if *refusal == Refusal::NoPassword { " (PGPASSWORD, ~/.pgpass, or --config)" } else { "" }
}

/// Tries a login.
pub(super) async fn probe(
    options: &Options,
    user: &Bytes,
    database: &Bytes,
    keys: &KeyCache,
) -> Result<(), LoginError> {
    let link = connect::<()>(options, user, database, &BTreeMap::new(), keys).await?;
    link.terminate().await;
    Ok(())
}

/// A connection that is logged in, with these settings of the recorded session.
pub(super) async fn connect<T>(
    options: &Options,
    user: &Bytes,
    database: &Bytes,
    settings: &BTreeMap<String, Bytes>,
    keys: &KeyCache,
) -> Result<Link<T>, LoginError> {
    let target = &options.target;
    let login = Login { options, user, database, keys };
    let connecting = async {
        match options.protocol {
            Protocol::Postgres => login.run(settings).await,
            Protocol::Mysql => mysql::connect(options, user, database, settings).await,
        }
    };
    match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(result) => result,
        Err(_) => {
            Err(LoginError::Connect { target: target.clone(), problem: io::ErrorKind::TimedOut.into() })
        }
    }
}

/// Asks the server to cancel what the session with this key executes.
pub(super) async fn cancel(shared: Arc<Shared>, key: CancelKey) {
    let options = &shared.options;
    let (pid, key) = match key {
        CancelKey::Postgres(pid, key) => (pid, key),
        CancelKey::Mysql { id, user, database } => {
            let _ = tokio::time::timeout(PATIENCE, mysql::kill(options, id, &user, &database)).await;
            return;
        }
    };
    let mut bytes = Vec::new();
    Opening::Cancel { pid, key: &key }.write(&mut bytes);
    let send = async {
        let mut socket = open(&options.target).await?;
        socket.write_all(&bytes).await?;
        // The server closes when it has done it.
        socket.read_u8().await
    };
    let _ = tokio::time::timeout(PATIENCE, send).await;
}

async fn open(target: &Target) -> io::Result<Box<dyn Socket>> {
    if target.host.starts_with('/') {
        let path = Path::new(&target.host).join(format!(".s.PGSQL.{}", target.port));
        return Ok(Box::new(UnixStream::connect(path).await?));
    }
    let socket = TcpStream::connect((target.host.as_str(), target.port)).await?;
    socket.set_nodelay(true)?;
    Ok(Box::new(socket))
}

struct Login<'l> {
    options: &'l Options,
    user: &'l Bytes,
    database: &'l Bytes,
    keys: &'l KeyCache,
}

impl Login<'_> {
    async fn run<T>(&self, settings: &BTreeMap<String, Bytes>) -> Result<Link<T>, LoginError> {
        let target = &self.options.target;
        let mut socket =
            open(target).await.map_err(|problem| LoginError::Connect { target: target.clone(), problem })?;
        let broken = |problem| LoginError::Broken(target.clone(), problem);
        socket.write_all(&self.startup(settings)).await.map_err(broken)?;
        let credential = self.options.passwords.credential(target, self.database, self.user);
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).map_err(|error| broken(io::Error::other(error)))?;
        let mut login = ClientLogin::new(&self.user.0, credential, true, nonce);
        let mut key = None;
        loop {
            let bytes = read_message(&mut socket).await.map_err(broken)?;
            let (kind, body) = bytes
                .split_first()
                .map_or((0, &[][..]), |(kind, rest)| (*kind, rest.get(4..).unwrap_or_default()));
            match Backend::of_body(kind, body) {
                Some(Backend::Authentication(request)) => {
                    if let Some(answer) = self.answer(&mut login, request)? {
                        socket.write_all(&answer).await.map_err(broken)?;
                    }
                }
                Some(Backend::BackendKeyData { pid, key: it }) => {
                    key = Some(CancelKey::Postgres(pid, it.to_vec()));
                }
                Some(Backend::ReadyForQuery(_)) => {
                    return Ok(Link::new(socket, Box::new(Postgres::new(self.options.verbose)), key));
                }
                Some(Backend::ErrorResponse(fields)) => return Err(self.refused(fields)),
                _ => {}
            }
        }
    }

    fn answer(
        &self,
        login: &mut ClientLogin,
        request: Authentication<'_>,
    ) -> Result<Option<Zeroizing<Vec<u8>>>, LoginError> {
        let mut step = login.handle(request).map_err(|refusal| LoginError::Refusal {
            target: self.options.target.clone(),
            user: self.user.shown().into_owned(),
            refusal,
        })?;
        if matches!(step, Step::NeedKeys)
            && let Some(keys) = self.keys.of(login, self.user)
        {
            step = login.keys(keys);
        }
        Ok(match step {
            Step::Send(answer) => Some(answer),
            Step::NeedKeys | Step::Wait | Step::Accepted => None,
        })
    }

    fn startup(&self, settings: &BTreeMap<String, Bytes>) -> Vec<u8> {
        const READ_ONLY: &[u8] = b"-c default_transaction_read_only=on";
        let mut parameters: Vec<(&[u8], Vec<u8>)> =
            vec![(b"user", self.user.0.clone()), (b"database", self.database.0.clone())];
        for (name, value) in settings {
            // Options of a newer protocol, and what a recording has no business to ask for.
            if !name.starts_with("_pq_") && !matches!(name.as_str(), "replication" | "user" | "database") {
                parameters.push((name.as_bytes(), value.0.clone()));
            }
        }
        if self.options.only_select {
            match parameters.iter_mut().find(|(name, _)| *name == b"options") {
                Some((_, value)) => value.extend_from_slice(&[b" ", READ_ONLY].concat()),
                None => parameters.push((b"options", READ_ONLY.to_vec())),
            }
        }
        let mut bytes = Vec::new();
        write_startup(0, parameters.iter().map(|(name, value)| (*name, value.as_slice())), &mut bytes);
        bytes
    }

    fn refused(&self, fields: &[u8]) -> LoginError {
        let error = ServerError::read(fields);
        let text = |bytes: &[u8]| crate::inspect::on_one_line(&String::from_utf8_lossy(bytes), 300);
        LoginError::Refused(Box::new(Refused {
            target: self.options.target.clone(),
            user: self.user.shown().into_owned(),
            database: self.database.shown().into_owned(),
            sqlstate: error.map_or_else(String::new, |error| text(&error.code)),
            text: error.map_or_else(String::new, |error| text(error.text)),
        }))
    }
}

impl KeyCache {
    fn of(&self, login: &ClientLogin, user: &Bytes) -> Option<Keys> {
        let (salt, iterations) = login.challenge()?;
        let name = (user.clone(), salt.to_vec(), iterations);
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&name).cloned();
        if known.is_some() {
            return known;
        }
        let keys = login.derivation()?.finish();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() < KEYS_MAX {
            all.insert(name, keys.clone());
        }
        Some(keys)
    }
}

async fn read_message(socket: &mut Box<dyn Socket>) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEAD];
    socket.read_exact(&mut bytes).await?;
    let length = match bytes.as_slice() {
        [_, a, b, c, d] => u32::from_be_bytes([*a, *b, *c, *d]) as usize,
        _ => 0,
    };
    if !(4..=MESSAGE_MAX).contains(&length) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the server does not speak PostgreSQL's protocol",
        ));
    }
    bytes.resize(1 + length, 0);
    socket.read_exact(bytes.get_mut(HEAD..).unwrap_or_default()).await?;
    Ok(bytes)
}
