//! The beginning of a connection: requests for encryption, then a session or a cancel.

use std::io;
use std::time::Duration;

use postgres_wire::backend::Backend;
use postgres_wire::opening::{LENGTH_MAX, NoOpening, Opening};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Shared, Tls};

/// A client that says nothing for so long is left; PostgreSQL does the same.
const PATIENCE: Duration = Duration::from_secs(60);

/// The longest wait for a connection to the server.
const CONNECT: Duration = Duration::from_secs(10);

/// A client may ask for TLS, then for GSSAPI, or the other way round.
const REQUESTS_MAX: usize = 4;

/// What the client has begun.
pub(super) enum Begun {
    /// A session; the bytes are its first message and what follows.
    Session { server: TcpStream, bytes: Vec<u8> },
    /// A cancel.
    Cancel { server: TcpStream, bytes: Vec<u8> },
    /// What cannot be read: it passes as it is. The reason is for people.
    Opaque { server: TcpStream, bytes: Vec<u8>, reason: &'static str },
    /// Nothing that could be carried.
    Refused { reason: String },
    /// The client has gone without a word, as a health check does.
    Gone,
}

/// Reads the client's first messages, and connects to the server.
pub(super) async fn begin(client: &mut TcpStream, shared: &Shared) -> Begun {
    let begun = tokio::time::timeout(PATIENCE, read(client, shared)).await;
    match begun {
        Ok(Ok(begun)) => begun,
        Ok(Err(_)) => Begun::Gone,
        Err(_) => Begun::Refused { reason: "the client said nothing for a minute".to_owned() },
    }
}

async fn read(client: &mut TcpStream, shared: &Shared) -> io::Result<Begun> {
    let mut server = None;
    let mut bytes = Vec::new();
    let mut asked_for_tls = false;
    for _ in 0..REQUESTS_MAX {
        let length = loop {
            match Opening::read(&bytes) {
                Ok(Some((_, length))) => break length,
                Ok(None) => {}
                Err(NoOpening::Tls) if shared.tls == Tls::Pass => {
                    let server = connected(client, server, shared).await?;
                    return Ok(Begun::Opaque { server, bytes, reason: TLS });
                }
                Err(error) => return Ok(Begun::Refused { reason: error.to_string() }),
            }
            if bytes.len() > LENGTH_MAX || client.read_buf(&mut bytes).await? == 0 {
                return Ok(match asked_for_tls {
                    true => Begun::Refused { reason: "the client insists on TLS".to_owned() },
                    false if bytes.is_empty() => Begun::Gone,
                    false => Begun::Refused { reason: "the client left inside its first message".to_owned() },
                });
            }
        };
        match Opening::read(&bytes) {
            Ok(Some((Opening::Ssl, _))) if shared.tls == Tls::Pass => {
                let mut to = connected(client, server.take(), shared).await?;
                to.write_all(bytes.get(..length).unwrap_or_default()).await?;
                bytes.drain(..length);
                let answer = to.read_u8().await?;
                client.write_all(&[answer]).await?;
                if answer != b'N' {
                    return Ok(Begun::Opaque { server: to, bytes, reason: TLS });
                }
                server = Some(to);
            }
            Ok(Some((opening @ (Opening::Ssl | Opening::GssEnc), _))) => {
                if opening == Opening::Ssl {
                    asked_for_tls = true;
                    shared.counters.refused_tls();
                }
                bytes.drain(..length);
                client.write_all(b"N").await?;
            }
            Ok(Some((Opening::Cancel { .. }, _))) => {
                let server = connected(client, server, shared).await?;
                return Ok(Begun::Cancel { server, bytes });
            }
            Ok(Some((Opening::Startup(startup), _))) => {
                let is_replication = startup
                    .parameter(b"replication")
                    .is_some_and(|value| !matches!(value, b"false" | b"off" | b"0" | b"no"));
                let server = connected(client, server, shared).await?;
                return Ok(match is_replication {
                    true => Begun::Opaque { server, bytes, reason: "a replication connection" },
                    false => Begun::Session { server, bytes },
                });
            }
            Ok(None) | Err(_) => break,
        }
    }
    Ok(Begun::Refused { reason: "the client asks for encryption again and again".to_owned() })
}

const TLS: &str = "the session is encrypted";

/// A connection to the server; if there is none, the client learns why.
async fn connected(
    client: &mut TcpStream,
    server: Option<TcpStream>,
    shared: &Shared,
) -> io::Result<TcpStream> {
    if let Some(server) = server {
        return Ok(server);
    }
    let connecting = tokio::time::timeout(CONNECT, TcpStream::connect(&shared.upstream));
    let connected = connecting.await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
    match connected {
        Ok(server) => {
            server.set_nodelay(true)?;
            Ok(server)
        }
        Err(problem) => {
            shared.counters.unreachable(&shared.upstream, &problem);
            let text = format!(
                "SFATAL\0VFATAL\0C08006\0Msqlreplay cannot connect to the server {}: {problem}\0\0",
                shared.upstream
            );
            let mut message = Vec::new();
            Backend::ErrorResponse(text.as_bytes()).write(&mut message);
            client.write_all(&message).await?;
            client.shutdown().await?;
            Err(problem)
        }
    }
}
