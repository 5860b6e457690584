//! The beginning of a connection of MySQL: the server speaks first.

use std::io;
use std::time::Duration;

use mysql_wire::capabilities::Capabilities;
use mysql_wire::login::greeting::take_out;
use mysql_wire::packet::{HEADER, Header, WHOLE_MAX, packet};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Shared, Tls};

/// The longest wait for a connection to the server and its greeting.
const PATIENCE: Duration = Duration::from_secs(10);

/// ER_UNKNOWN_ERROR, which clients do not take for a reason to try another password.
const ERROR: u16 = 1105;

/// A connection to the server, and its greeting without what would make the session unreadable. If there is none, the client
/// learns why.
pub(super) async fn begin(client: &mut TcpStream, shared: &Shared) -> io::Result<(TcpStream, Vec<u8>)> {
    let begun = tokio::time::timeout(PATIENCE, greeted(shared)).await;
    match begun.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
        Ok(begun) => Ok(begun),
        Err(problem) => {
            shared.counters.unreachable(&shared.upstream, &problem);
            let text = format!("sqlreplay cannot connect to the server {}: {problem}", shared.upstream);
            let payload = [&[0xFF][..], &ERROR.to_le_bytes(), b"#HY000", text.as_bytes()].concat();
            client.write_all(&packet(0, &payload)).await?;
            client.shutdown().await?;
            Err(problem)
        }
    }
}

async fn greeted(shared: &Shared) -> io::Result<(TcpStream, Vec<u8>)> {
    let mut server = TcpStream::connect(&shared.upstream).await?;
    server.set_nodelay(true)?;
    let mut bytes = vec![0; HEADER];
    server.read_exact(&mut bytes).await?;
    let length = Header::read(&bytes).map_or(0, |header| header.length);
    if length > WHOLE_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it does not speak MySQL's protocol"));
    }
    bytes.resize(HEADER + length, 0);
    let payload = bytes.get_mut(HEADER..).unwrap_or_default();
    server.read_exact(payload).await?;
    let mut out = Capabilities::COMPRESS | Capabilities::ZSTD | Capabilities::BULK;
    if shared.tls == Tls::Refuse {
        out = out | Capabilities::SSL;
    }
    // An error passes as it is.
    let _ = take_out(payload, out);
    Ok((server, bytes))
}
