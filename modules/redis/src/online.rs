//! The query to the online server about its connections: CLIENT LIST.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use module_kit::online_query::{Connections, Conversation, OnlineQuery, Questions};
use module_kit::secret::{CredentialsError, Secret, SecretSource};
use module_kit::{Endpoint, shown};

use crate::resp::{code as code_of, request};

/// The longest list, in bytes: 65 000 connections take a third of it.
const LIST_MAX: usize = 64 << 20;

/// The longest line of a reply that is no list.
const LINE_MAX: usize = 512;

/// The `[online.redis]` table: how to query the online server about its connections.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OnlineServer {
    /// Where it listens, if not as `-x` says, or on the loopback interface.
    pub address: Option<SocketAddr>,
    /// An account that may use CLIENT LIST; without, the default user.
    pub user: Option<String>,
    /// Its password; without, no login.
    pub password: Option<SecretSource>,
    /// The time limit for a question, in seconds; 1 without.
    pub timeout: Option<u8>,
}

/// One connection, as the online server describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) database: u32,
    pub(crate) user: Vec<u8>,
    pub(crate) is_resp3: bool,
    pub(crate) name: Option<Vec<u8>>,
    pub(crate) is_readonly: bool,
    /// It has no more state than that: no transaction, no subscription, no watched key, no replica.
    pub(crate) is_plain: bool,
}

/// The query to one online server, and its answer.
#[derive(Debug)]
pub(crate) struct Online {
    address: Endpoint,
    time_limit: Duration,
    /// What is sent before CLIENT LIST.
    login: Secret,
    questions: Questions,
    pub(crate) connections: Arc<Connections<Entry>>,
}

impl Online {
    /// `usual` is where the service listens if the settings do not say.
    pub(crate) fn new(settings: &OnlineServer, usual: Endpoint) -> Result<Self, CredentialsError> {
        let password = settings.password.as_ref().map(SecretSource::resolve).transpose()?;
        let mut login = Vec::new();
        match (&settings.user, &password) {
            (Some(user), Some(password)) => {
                request(&[b"AUTH", user.as_bytes(), password.bytes()], &mut login)
            }
            (None, Some(password)) => request(&[b"AUTH", password.bytes()], &mut login),
            // A round of the server's event loop, after which it has executed everything that had reached it before.
            (_, None) => request(&[b"PING"], &mut login),
        }
        Ok(Self {
            address: settings.address.map_or(usual, Endpoint::from),
            time_limit: Duration::from_secs(settings.timeout.unwrap_or(1).max(1).into()),
            login: Secret::new(&zeroize::Zeroizing::new(login)),
            questions: Questions::default(),
            connections: Arc::default(),
        })
    }
}

impl OnlineQuery for Online {
    fn address(&self) -> Endpoint {
        self.address
    }

    fn time_limit(&self) -> Duration {
        self.time_limit
    }

    fn questions(&self) -> &Questions {
        &self.questions
    }

    fn begin(&self, question: u64) -> Box<dyn Conversation> {
        Box::new(Asking {
            question,
            to_send: self.login.bytes().to_vec(),
            step: Step::Login,
            received: Vec::new(),
            connections: Arc::clone(&self.connections),
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Login,
    List,
}

/// One question under way.
struct Asking {
    question: u64,
    to_send: Vec<u8>,
    step: Step,
    received: Vec<u8>,
    connections: Arc<Connections<Entry>>,
}

impl Conversation for Asking {
    fn to_send(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.to_send)
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<bool, String> {
        self.received.extend_from_slice(bytes);
        if self.received.len() > LIST_MAX {
            return Err("its answer to CLIENT LIST has no end; check that it is a Redis server".to_owned());
        }
        let Some(end) = self.received.iter().take(LINE_MAX).position(|byte| *byte == b'\n') else {
            return if self.received.len() < LINE_MAX { Ok(false) } else { Err(no_redis()) };
        };
        let line = self.received[..end].strip_suffix(b"\r").unwrap_or(&self.received[..end]);
        match (self.step, line.split_first()) {
            (step, Some((b'-', error))) => Err(refusal(error, step)),
            (Step::Login, Some((b'+', _))) => {
                self.received.clear();
                self.step = Step::List;
                request(&[b"CLIENT", b"LIST"], &mut self.to_send);
                Ok(false)
            }
            (Step::List, Some((b'$', length))) => {
                let length = std::str::from_utf8(length).ok().and_then(|text| text.parse::<usize>().ok());
                let length = length.filter(|length| *length < LIST_MAX).ok_or_else(no_redis)?;
                let Some(text) = self.received.get(end + 1..end + 1 + length) else { return Ok(false) };
                let entries = text.split(|byte| *byte == b'\n').filter_map(entry).collect();
                self.connections.set(self.question, entries);
                Ok(true)
            }
            _ => Err(no_redis()),
        }
    }
}

fn no_redis() -> String {
    "it does not answer as Redis does; set the server's 'address' in [online.redis]".to_owned()
}

fn refusal(error: &[u8], step: Step) -> String {
    let grant = "on the server, 'ACL SETUSER tcpcopy on >PASSWORD +client|list' creates an account for it";
    let code = error.split(|byte| *byte == b' ').next().unwrap_or_default();
    match code {
        b"NOAUTH" => {
            format!("it wants a password; give one in [online.redis]: that of 'requirepass', or {grant}")
        }
        b"WRONGPASS" => format!("it does not accept the user and password of [online.redis]; {grant}"),
        b"NOPERM" => format!("the user of [online.redis] may not use CLIENT LIST; {grant}"),
        // Servers repeat the words of a command that they do not know: here a password may be among them.
        _ if step == Step::Login => {
            let code = code_of(error).map(|code| format!(" with {}", String::from_utf8_lossy(code)));
            format!("it answers the login{}; {grant}", code.unwrap_or_else(|| " with an error".to_owned()))
        }
        _ => {
            format!("it answers '{}'; {grant}", shown(&String::from_utf8_lossy(error), 80))
        }
    }
}

/// One line of the list: `id=3 addr=10.0.0.1:40000 ... db=3 ...`.
fn entry(line: &[u8]) -> Option<(Endpoint, Entry)> {
    let fields: HashMap<&[u8], &[u8]> = line
        .split(|byte| *byte == b' ')
        .filter_map(|field| {
            let at = field.iter().position(|byte| *byte == b'=')?;
            Some((&field[..at], &field[at + 1..]))
        })
        .collect();
    let text = |name: &str| fields.get(name.as_bytes()).and_then(|value| std::str::from_utf8(value).ok());
    let number = |name: &str| text(name).and_then(|value| value.parse::<i64>().ok());
    let none = |name: &str, none: i64| number(name).unwrap_or(none) == none;
    let client: SocketAddr = text("addr")?.parse().ok()?;
    let flags = text("flags")?;
    let subscribed = ["sub", "psub", "ssub", "watch"].into_iter().any(|name| !none(name, 0));
    let entry = Entry {
        database: number("db")?.try_into().ok()?,
        user: text("user").unwrap_or("default").as_bytes().to_vec(),
        is_resp3: number("resp") == Some(3),
        name: text("name").filter(|name| !name.is_empty()).map(|name| name.as_bytes().to_vec()),
        is_readonly: flags.contains('r'),
        is_plain: none("multi", -1) && !subscribed && !flags.contains(['M', 'O', 'P', 'S', 'x']),
    };
    Some((client.into(), entry))
}

#[cfg(test)]
mod tests {
    use module_kit::online_query::Found;

    use super::*;

    const LIST: &str = "id=3 addr=10.0.0.1:40000 laddr=10.0.0.16:6379 fd=8 name=app age=4 idle=0 flags=N db=3 sub=0 \
        psub=0 ssub=0 multi=-1 watch=0 qbuf=26 cmd=set user=app redir=-1 resp=3 lib-name= lib-ver=\n\
        id=4 addr=[fd00::1]:40001 laddr=x fd=9 name= age=4 idle=0 flags=x db=0 sub=0 psub=0 multi=1 user=default resp=2\n\
        id=5 addr=/tmp/redis.sock:0 flags=N db=0 sub=0 psub=0 multi=-1\n\
        garbage\n";

    fn online() -> Online {
        let address = Endpoint::from("127.0.0.1:6379".parse::<SocketAddr>().unwrap());
        Online::new(&OnlineServer::default(), address).unwrap()
    }

    fn endpoint(text: &str) -> Endpoint {
        text.parse::<SocketAddr>().unwrap().into()
    }

    fn answer(online: &Online, question: u64, list: &str, piece: usize) {
        let mut asking = online.begin(question);
        assert_eq!(asking.to_send(), b"*1\r\n$4\r\nPING\r\n");
        assert_eq!(asking.receive(b"+PONG\r\n"), Ok(false));
        assert_eq!(asking.to_send(), b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n");
        let reply = format!("${}\r\n{list}\r\n", list.len());
        let complete: Vec<bool> =
            reply.as_bytes().chunks(piece).map(|it| asking.receive(it).unwrap()).collect();
        assert!(complete.contains(&true));
    }

    #[test]
    fn each_connection_is_described() {
        let online = online();
        answer(&online, 2, LIST, LIST.len() + 20);
        let take = |client| match online.connections.take(2, &endpoint(client)) {
            Found::Entry(entry) => entry,
            found => panic!("it is in the list: {found:?}"),
        };
        let entry = take("10.0.0.1:40000");
        assert_eq!((entry.database, &entry.user[..], entry.is_resp3), (3, &b"app"[..], true));
        assert!(entry.is_plain && entry.name.as_deref() == Some(b"app"));
        assert!(!take("[fd00::1]:40001").is_plain, "it is in a transaction");
    }

    #[test]
    fn a_list_may_come_in_pieces() {
        for piece in [1, 7, 100] {
            let online = online();
            answer(&online, 1, LIST, piece);
            assert!(matches!(online.connections.take(1, &endpoint("10.0.0.1:40000")), Found::Entry(_)));
        }
    }

    #[test]
    fn a_refusal_says_how_to_grant_it() {
        for (reply, part) in [
            (&b"-NOAUTH Authentication required.\r\n"[..], "requirepass"),
            (b"-NOPERM this user has no permissions\r\n", "+client|list"),
            (b"-WRONGPASS invalid\r\n", "does not accept the user"),
            (b"HTTP/1.1 400 Bad Request\r\n", "does not answer as Redis"),
            (b"-ERR unknown command\r\n", "the login with ERR"),
            (&[b'x'; 600], "does not answer as Redis"),
        ] {
            let error = online().begin(1).receive(reply).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }

    /// Servers repeat the words of a command that they do not know.
    #[test]
    fn a_refusal_shows_no_password() {
        let refused = b"-ERR unknown command 'AUTH', with args beginning with: 'app' 'hunter2' \r\n";
        let error = online().begin(1).receive(refused).unwrap_err();
        assert!(error.contains("ERR") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn the_account_logs_in_first() {
        let settings = OnlineServer {
            user: Some("tcpcopy".to_owned()),
            password: Some(SecretSource::Plain("secret".to_owned().into())),
            ..OnlineServer::default()
        };
        let online = Online::new(&settings, endpoint("127.0.0.1:6379")).unwrap();
        assert_eq!(online.begin(1).to_send(), b"*3\r\n$4\r\nAUTH\r\n$7\r\ntcpcopy\r\n$6\r\nsecret\r\n");
        assert!(!format!("{online:?}").contains("secret"));
    }
}
