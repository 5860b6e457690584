//! Connections and logins.

use std::collections::BTreeMap;
use std::io;

use mysql_wire::answer::Format;
use mysql_wire::capabilities::Capabilities;
use mysql_wire::command::Command;
use mysql_wire::login::dialogue::{Dialogue, Refusal, Step};
use mysql_wire::login::greeting::{self, Greeting};
use mysql_wire::login::hello::Hello;
use mysql_wire::login::policy::Policy;
use mysql_wire::packet::{HEADER, Header, WHOLE_MAX, packet};
use secret_file::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

use super::codec::Mysql;
use crate::recording::Bytes;
use crate::replay::Options;
use crate::replay::link::{CancelKey, Link, Socket};
use crate::replay::login::{LoginError, PasswordSource, Target};
use crate::replay::options::ConnectMap;

/// What a session of a recording cannot have here: it changes only how much is said.
const NOT_USED: Capabilities = Capabilities(
    Capabilities::QUERY_ATTRIBUTES.0
        | Capabilities::OPTIONAL_METADATA.0
        | Capabilities::CACHED_METADATA.0
        | Capabilities::BULK.0
        | Capabilities::CONNECT_ATTRS.0,
);

/// utf8mb4_general_ci, which all servers know.
const CHARSET: u16 = 45;

/// Who a connection is, and what it needs to become another user.
pub(super) struct Account {
    pub(super) map: ConnectMap,
    passwords: PasswordSource,
    greeting: Greeting,
    hello: Hello,
    agreed: Capabilities,
    /// Its sessions only read.
    pub(super) only_reads: bool,
}

/// What a session that only reads says first.
pub(super) const READ_ONLY: &[u8] = b"SET SESSION TRANSACTION READ ONLY";

impl Account {
    #[cfg(test)]
    pub(super) fn of_tests() -> Self {
        Self {
            map: ConnectMap::default(),
            passwords: PasswordSource::default(),
            greeting: Greeting {
                connection_id: 7,
                capabilities: Capabilities::ASSUMED,
                version: greeting::Version { is_mariadb: false, number: 90_100 },
                nonce: vec![1; 20],
                plugin: b"mysql_native_password".to_vec(),
            },
            hello: Hello::assumed(b"app", b"shop"),
            agreed: Capabilities::ASSUMED,
            only_reads: false,
        }
    }

    /// The payload that logs in again, and the rest of that login.
    pub(super) fn change_user(
        &self,
        user: &Bytes,
        database: &Bytes,
        charset: Option<u16>,
    ) -> (Vec<u8>, Dialogue) {
        let user = self.map.user(user);
        let database = if database.is_empty() { database } else { self.map.database(database) };
        let password = Secret::new(&self.passwords.mysql_password(user));
        let (dialogue, answer) = Dialogue::begin(&self.greeting, Some(password), &Policy::default());
        let hello = Hello {
            user: user.0.clone(),
            database: database.0.clone(),
            charset: charset.unwrap_or(self.hello.charset),
            ..self.hello.clone()
        };
        let payload = hello.change_user(self.agreed, &answer.unwrap_or_default(), &self.greeting.plugin);
        (payload, dialogue)
    }
}

/// A connection that is logged in, with these settings of the recorded session.
pub(in crate::replay) async fn connect<T>(
    options: &Options,
    user: &Bytes,
    database: &Bytes,
    settings: &BTreeMap<String, Bytes>,
) -> Result<Link<T>, LoginError> {
    let (socket, account, id) = log_in(options, user, database, settings).await?;
    let codec = Mysql::new(Format::new(account.agreed), options.verbose, account);
    let key = CancelKey::Mysql { id, user: user.clone(), database: database.clone() };
    Ok(Link::new(socket, Box::new(codec), Some(key)))
}

/// Ends what the connection with this id executes.
pub(in crate::replay) async fn kill(
    options: &Options,
    id: u32,
    user: &Bytes,
    database: &Bytes,
) -> Result<(), LoginError> {
    let (mut socket, ..) = log_in(options, user, database, &BTreeMap::new()).await?;
    let query = [b"\x03KILL QUERY ", id.to_string().as_bytes()].concat();
    let _ = run(&mut socket, &query).await;
    Ok(())
}

async fn log_in(
    options: &Options,
    user: &Bytes,
    database: &Bytes,
    settings: &BTreeMap<String, Bytes>,
) -> Result<(Box<dyn Socket>, Account, u32), LoginError> {
    let target = &options.target;
    let broken = |problem| LoginError::Broken(target.clone(), problem);
    let cannot = |reason: String| LoginError::Cannot {
        target: target.clone(),
        user: user.shown().into_owned(),
        reason,
    };
    let refused = |error: &mysql_wire::server_error::ServerError| {
        LoginError::refused(target, user, database, error.code.to_string(), error.message.clone())
    };
    let mut socket =
        open(target).await.map_err(|problem| LoginError::Connect { target: target.clone(), problem })?;
    let (mut sequence, payload) = read_packet(&mut socket).await.map_err(broken)?;
    let greeting = match greeting::read(&payload) {
        Some(greeting::FirstPacket::Greeting(greeting)) => greeting,
        Some(greeting::FirstPacket::Refused(error)) => return Err(refused(&error)),
        None => return Err(cannot("the server does not speak MySQL's protocol".to_owned())),
    };
    let number = |name: &str| settings.get(name).and_then(|value| value.shown().parse::<u64>().ok());
    let wanted = number("capabilities").map_or(Capabilities::ASSUMED, Capabilities).without(NOT_USED);
    let agreed = wanted.agree_with(greeting.capabilities);
    let charset = number("charset").and_then(|it| u16::try_from(it).ok()).unwrap_or(CHARSET);
    let hello = Hello { charset, capabilities: agreed, ..Hello::assumed(&user.0, &database.0) };
    let password = Secret::new(&options.passwords.mysql_password(user));
    let (mut dialogue, answer) = Dialogue::begin(&greeting, Some(password), &Policy::default());
    let mut answer = hello.response(agreed, &answer.unwrap_or_default(), &greeting.plugin, &database.0);
    loop {
        socket.write_all(&packet(sequence.wrapping_add(1), &answer)).await.map_err(broken)?;
        answer = loop {
            let (next, payload) = read_packet(&mut socket).await.map_err(broken)?;
            sequence = next;
            match dialogue.handle(&payload) {
                Step::Send(answer) => break answer,
                Step::Wait => {}
                Step::Accepted => {
                    if options.only_select {
                        let query = [&[Command::QUERY.0][..], READ_ONLY].concat();
                        run(&mut socket, &query).await.map_err(broken)?;
                    }
                    let account = Account {
                        map: options.map.clone(),
                        passwords: options.passwords.clone(),
                        hello,
                        agreed,
                        greeting,
                        only_reads: options.only_select,
                    };
                    let id = account.greeting.connection_id;
                    return Ok((socket, account, id));
                }
                Step::Refused(Refusal::Server(error)) => return Err(refused(&error)),
                Step::Refused(refusal) => return Err(cannot(shown(&refusal))),
            }
        };
    }
}

/// For the user.
fn shown(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Server(error) => error.to_string(),
        Refusal::Method(name) => format!("the server wants the method {name}, which is not known here"),
        Refusal::Clear => "the server wants the password in the clear".to_owned(),
        Refusal::NoPassword => "the server wants a password (MYSQL_PWD, ~/.my.cnf, or --config)".to_owned(),
        Refusal::Key => "the server's public key cannot be used".to_owned(),
        Refusal::OutOfStep => "the server's packets are those of no login".to_owned(),
    }
}

/// Runs a command that has a short answer.
async fn run(socket: &mut Box<dyn Socket>, payload: &[u8]) -> io::Result<()> {
    socket.write_all(&packet(0, payload)).await?;
    match read_packet(socket).await?.1.first() {
        Some(0x00) => Ok(()),
        _ => Err(io::Error::other("the server refuses a statement behind the login")),
    }
}

async fn open(target: &Target) -> io::Result<Box<dyn Socket>> {
    if target.host.starts_with('/') {
        return Ok(Box::new(UnixStream::connect(&target.host).await?));
    }
    let socket = TcpStream::connect((target.host.as_str(), target.port)).await?;
    socket.set_nodelay(true)?;
    Ok(Box::new(socket))
}

/// The sequence id and the payload of the next packet.
async fn read_packet(socket: &mut Box<dyn Socket>) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; HEADER];
    socket.read_exact(&mut head).await?;
    let header = Header::read(&head).filter(|header| header.length <= WHOLE_MAX).ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidData, "the server does not speak MySQL's protocol")
    })?;
    let mut payload = vec![0; header.length];
    socket.read_exact(&mut payload).await?;
    Ok((header.sequence, payload))
}
