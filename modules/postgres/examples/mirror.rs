//! A proxy in front of one server that replays each session to another through the module: tcpcopy without packets.
//!
//! `mirror LISTEN ONLINE TEST [USER=PASSWORD]...` prints the report after each session, and all that happened in it if
//! `MIRROR_RECORD` is set. It drives the module against real servers and real clients where no network can be made.
//! The online server's answers are cut down to what tcpcopy would capture.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use module_kit::testing::Driver;
use module_kit::{Flow, PayloadPrefix, Protocol, Report, begins_with_any};
use tcpcopy_postgres::{DefaultLogin, Postgres, SecretSource, Settings, SettingsError};

/// An event of a session.
enum Event {
    Client(Vec<u8>),
    Online(Vec<u8>),
    Test {
        connection: usize,
        bytes: Vec<u8>,
    },
    /// The test server has closed the connection.
    Closed {
        connection: usize,
    },
    End,
}

/// A piece of an answer, and the client's bytes after it.
struct Turn {
    seen: Vec<u8>,
    said: Vec<u8>,
}

/// The test server is given so long to answer as much as the online server did.
const QUIET: Duration = Duration::from_millis(300);

/// So many times that, if it has not answered at all.
const PATIENCE: u32 = 30;

/// Bytes of an answer of the online server that the module gets.
const HEARD: usize = 128;

/// The test server's side of a session.
pub(crate) struct Replay {
    test: SocketAddr,
    /// The module.
    pub(crate) driven: Driver,
    events: (Sender<Event>, Receiver<Event>),
    stream: Option<TcpStream>,
    connection: usize,
    /// The beginnings of answers that the module gets, and the bytes skipped since the last one.
    answers: &'static [PayloadPrefix],
    unheard: u64,
    /// Turns that are not due yet.
    turns: VecDeque<Turn>,
    /// Bytes of the test server since the last turn.
    answered: usize,
    /// Nothing of the last turn was sent, or held: it has no answer.
    is_void: bool,
    /// The answers that the module has declared complete, and the connection ready, before the last turn.
    complete: (usize, bool),
    ended: bool,
}

impl Replay {
    /// A session that goes to `test`.
    pub(crate) fn new(
        protocol: &dyn Protocol,
        client: SocketAddr,
        test: SocketAddr,
        from_start: bool,
    ) -> Self {
        let flow = Flow { client: client.into(), server: test.into() };
        Self {
            test,
            driven: Driver::new(protocol.module(&flow, from_start)).recording(),
            events: channel(),
            stream: None,
            connection: 0,
            answers: protocol.online_answers(),
            unheard: 0,
            turns: VecDeque::new(),
            answered: 0,
            is_void: false,
            complete: (0, false),
            ended: false,
        }
    }

    /// Connects, again if need be.
    pub(crate) fn connect(&mut self) -> io::Result<()> {
        if let Some(before) = self.stream.take() {
            let _ = before.shutdown(Shutdown::Both);
        }
        let stream = TcpStream::connect(self.test)?;
        stream.set_nodelay(true)?;
        self.connection += 1;
        let (sender, connection, mut reader) = (self.events.0.clone(), self.connection, stream.try_clone()?);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 << 10];
            while let Ok(length @ 1..) = reader.read(&mut buffer) {
                if sender.send(Event::Test { connection, bytes: buffer[..length].to_vec() }).is_err() {
                    return;
                }
            }
            let _ = sender.send(Event::Closed { connection });
        });
        self.stream = Some(stream);
        let sent = self.driven.connected();
        self.send(&sent)
    }

    /// The module has declared an answer complete since the last turn.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete != (self.driven.answered, self.driven.is_ready())
    }

    pub(crate) fn forget_complete(&mut self) {
        self.complete = (self.driven.answered, self.driven.is_ready());
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.stream.as_mut().is_some_and(|stream| stream.write_all(bytes).is_err()) {
            // The event that it is closed comes.
            println!("a connection was lost with {} bytes", bytes.len());
        }
        Ok(())
    }

    /// The client sends `bytes`.
    pub(crate) fn client(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sent = self.driven.client(bytes);
        self.send(&sent)
    }

    fn test(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.answered += bytes.len();
        let sent = self.driven.answer(bytes);
        self.send(&sent)
    }

    /// The online server has answered: the module gets what tcpcopy would capture of it.
    fn heard(&mut self, seen: &[u8]) -> Vec<u8> {
        let wanted = if begins_with_any(seen, self.answers) { seen.len().min(HEARD) } else { 0 };
        let skipped = std::mem::replace(&mut self.unheard, (seen.len() - wanted) as u64);
        self.unheard += if wanted == 0 { skipped } else { 0 };
        if wanted == 0 { Vec::new() } else { self.driven.online(skipped, &seen[..wanted]) }
    }

    /// Handles what happens until the session ends.
    fn run(&mut self) -> io::Result<()> {
        self.connect()?;
        let mut first = true;
        let mut silence = 0;
        while self.driven.failure.is_none()
            && !(self.ended && self.turns.is_empty() && self.driven.held() == 0)
        {
            let wait = self.driven.calls_again_in().map_or(QUIET, |time| time.min(QUIET));
            let event = self.events.1.recv_timeout(wait);
            if event.is_err() && wait < QUIET {
                let sent = self.driven.pass_time(wait);
                self.send(&sent)?;
                continue;
            }
            silence = if event.is_err() { silence + 1 } else { 0 };
            // An answer that has not begun is waited for longer than the end of a shorter one.
            let mut quiet = silence >= if self.answered > 0 { 1 } else { PATIENCE };
            match event {
                Ok(Event::Client(said)) => match self.turns.back_mut() {
                    Some(turn) if turn.said.is_empty() => turn.said = said,
                    _ => self.turns.push_back(Turn { seen: Vec::new(), said }),
                },
                Ok(Event::Online(seen)) => match self.turns.back_mut() {
                    Some(turn) if turn.said.is_empty() => turn.seen.extend_from_slice(&seen),
                    _ => self.turns.push_back(Turn { seen, said: Vec::new() }),
                },
                Ok(Event::Test { connection, bytes }) if connection == self.connection => {
                    self.test(&bytes)?
                }
                Ok(Event::Closed { connection }) if connection == self.connection => self.stream = None,
                Ok(Event::Test { .. } | Event::Closed { .. }) => {}
                Ok(Event::End) => self.ended = true,
                Err(_) if self.ended && self.driven.held() > 0 && quiet => return Ok(()),
                Err(_) => {}
            }
            if self.stream.is_none() && self.driven.held() > 0 {
                self.connect()?;
            }
            while let Some(turn) = self.turns.front() {
                let is_lost = self.stream.is_none();
                let answered = is_lost
                    || quiet
                    || self.is_void
                    || self.is_complete()
                    || self.answered >= turn.seen.len();
                let due = (first || is_lost || self.driven.is_ready() && answered)
                    && (!turn.said.is_empty() || self.ended);
                let Some(turn) = due.then(|| self.turns.pop_front()).flatten() else { break };
                (first, silence, quiet) = (false, 0, false);
                if is_lost && !turn.said.is_empty() {
                    self.connect()?;
                }
                self.answered = 0;
                self.forget_complete();
                let sent = self.heard(&turn.seen);
                self.send(&sent)?;
                let before = self.driven.sent.len();
                self.client(&turn.said)?;
                self.is_void = self.driven.sent.len() == before && self.driven.held() == 0;
            }
        }
        Ok(())
    }

    /// Handles the test server's answers until `enough`.
    #[allow(dead_code, reason = "for the live tests")]
    pub(crate) fn run_until(&mut self, enough: impl Fn(&Self) -> bool) -> io::Result<()> {
        while !enough(self) && self.driven.failure.is_none() {
            match self.events.1.recv() {
                Ok(Event::Test { connection, bytes }) if connection == self.connection => {
                    self.test(&bytes)?
                }
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Ok(())
    }
}

/// Copies one stream to another, and reports its bytes as events.
fn forward(
    mut from: TcpStream,
    mut to: TcpStream,
    events: Sender<Event>,
    event: fn(Vec<u8>) -> Event,
) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let _ = events.send(event(buffer[..length].to_vec()));
            if to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
    })
}

/// One session: between client and online server, and once more to the test server. Returns how it went.
pub(crate) fn mirror(
    protocol: &dyn Protocol,
    client: TcpStream,
    online: SocketAddr,
    test: SocketAddr,
) -> io::Result<Replay> {
    let online = TcpStream::connect(online)?;
    for stream in [&client, &online] {
        stream.set_nodelay(true)?;
    }
    let mut replay = Replay::new(protocol, client.peer_addr()?, test, true);
    let sender = replay.events.0.clone();
    let answers = forward(online.try_clone()?, client.try_clone()?, sender.clone(), Event::Online);
    let requests = forward(client, online, sender.clone(), Event::Client);
    thread::spawn(move || {
        let _ = (requests.join(), answers.join());
        // The last answers of the test server are not awaited.
        let _ = sender.send(Event::End);
    });
    replay.run()?;
    replay.finish();
    Ok(replay)
}

impl Replay {
    /// Closes as a client does, and reads the last answers of the test server.
    fn finish(&mut self) {
        let Some(stream) = &self.stream else { return };
        let _ = stream.shutdown(Shutdown::Write);
        drop(std::mem::replace(&mut self.events.0, channel().0));
        while let Ok(event) = self.events.1.recv() {
            if let Event::Test { connection, bytes } = event
                && connection == self.connection
            {
                let _ = self.test(&bytes);
            }
        }
    }
}

/// The protocol with these passwords; the first is the user of sessions whose login was not seen.
///
/// # Errors
///
/// If a password is none.
pub(crate) fn protocol(users: &[(&str, &str)]) -> Result<Postgres, SettingsError> {
    let secret = |password: &str| SecretSource::Plain(password.to_owned().into());
    let default = users.first().map(|(user, _)| DefaultLogin {
        user: (*user).to_owned(),
        password: None,
        database: String::new(),
    });
    let users: BTreeMap<_, _> =
        users.iter().map(|(user, password)| ((*user).to_owned(), secret(password))).collect();
    Postgres::new(&Settings { users, default, allow_clear: true, ..Settings::default() })
}

/// A report in one line.
pub(crate) fn line(report: &Report) -> String {
    let groups = report.groups.iter().map(|group| {
        let counters: Vec<_> = group.counters.iter().map(|(name, count)| format!("{name}={count}")).collect();
        format!("{}: {}", group.name, counters.join(" "))
    });
    groups.collect::<Vec<_>>().join("; ")
}

#[allow(dead_code, reason = "the tests have a main function of their own")]
fn main() -> io::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [listen, online, test, users @ ..] = &arguments[..] else {
        eprintln!("usage: mirror LISTEN ONLINE TEST [USER=PASSWORD]...");
        std::process::exit(2);
    };
    let address = |text: &str| text.parse::<SocketAddr>().map_err(io::Error::other);
    let users: Vec<_> = users.iter().filter_map(|user| user.split_once('=')).collect();
    let protocol = Arc::new(protocol(&users).map_err(io::Error::other)?);
    let (online, test) = (address(online)?, address(test)?);
    for client in TcpListener::bind(address(listen)?)?.incoming() {
        let (client, protocol) = (client?, Arc::clone(&protocol));
        thread::spawn(move || match mirror(&*protocol, client, online, test) {
            Ok(replay) => {
                let Replay { driven, .. } = replay;
                if std::env::var_os("MIRROR_RECORD").is_some() {
                    print!("{}", driven.record());
                }
                let left_out: usize = driven.fates.left_out.iter().map(|(_, bytes)| bytes.len()).sum();
                println!("{} left_out={} {:?}", line(&protocol.report()), left_out, driven.failure);
            }
            Err(error) => println!("session: {error}"),
        });
    }
    Ok(())
}
