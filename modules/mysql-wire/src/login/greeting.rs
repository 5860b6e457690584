//! The first packet of a server: a greeting, or an error.
//!
//! Source: dev.mysql.com, "Protocol::HandshakeV10"; MariaDB's documentation, "Connection".

use crate::capabilities::Capabilities;
use crate::packet::Reader;
use crate::server_error::ServerError;

/// The protocol version of every server since MySQL 3.21.
const VERSION: u8 = 10;

/// The longest nonce that is kept: MySQL's and MariaDB's have 20 bytes.
pub const NONCE_MAX: usize = 64;

/// Bytes of the longest name of an authentication method.
pub const PLUGIN_MAX: usize = 64;

/// A server's greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Greeting {
    /// The number of the connection, which KILL names.
    pub connection_id: u32,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Its kind and version.
    pub version: Version,
    /// The random bytes that a password is proved with.
    pub nonce: Vec<u8>,
    /// Name of the authentication method that the nonce is for.
    pub plugin: Vec<u8>,
}

/// A server's kind and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// MariaDB, not MySQL.
    pub is_mariadb: bool,
    /// 80032 is 8.0.32, 101104 is 10.11.4.
    pub number: u32,
}

impl Version {
    /// From the text of a greeting.
    fn read(text: &[u8], is_mariadb: bool) -> Self {
        // MariaDB 10 begins so for the sake of replicas that expect one digit.
        let text = text.strip_prefix(b"5.5.5-").filter(|_| is_mariadb).unwrap_or(text);
        let mut parts = text.splitn(3, |&byte| byte == b'.').map(|part| {
            let digits = part.iter().take_while(|byte| byte.is_ascii_digit()).take(3);
            digits.fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))
        });
        let mut next = || parts.next().unwrap_or_default().min(99);
        Self { is_mariadb, number: next() * 10_000 + next() * 100 + next() }
    }
}

/// The first packet of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstPacket {
    /// It waits for the client's login.
    Greeting(Greeting),
    /// The server has no room for the connection, or does not want it.
    Refused(ServerError),
}

impl Greeting {
    /// The memory that it takes, in bytes.
    pub fn memory(&self) -> usize {
        size_of_val(self) + self.nonce.capacity() + self.plugin.capacity()
    }
}

/// The id of the connection and the low capabilities, from the beginning of a greeting.
pub fn read_head(payload: &[u8]) -> Option<(u32, Capabilities)> {
    let mut reader = Reader::new(payload);
    let Head { connection_id, flags, .. } = Head::read(&mut reader)?;
    Some((connection_id, Capabilities::new(flags, 0)))
}

struct Head<'a> {
    version: &'a [u8],
    connection_id: u32,
    /// The first part of the nonce.
    nonce: &'a [u8],
    /// The capabilities without MariaDB's extended ones.
    flags: u32,
}

impl<'a> Head<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        reader.u8().filter(|&version| version == VERSION)?;
        let version = reader.terminated()?;
        let connection_id = reader.u32()?;
        let nonce = reader.take(8)?;
        reader.take(1)?;
        let low = u32::from(reader.u16()?);
        reader.take(3)?; // character set, status; a server before 4.1 ends here
        let flags = low | u32::from(reader.u16()?) << 16;
        Some(Self { version, connection_id, nonce, flags })
    }
}

/// Reads the payload of a server's first packet.
pub fn read(payload: &[u8]) -> Option<FirstPacket> {
    if let Some(error) = ServerError::read(payload) {
        return Some(FirstPacket::Refused(error));
    }
    let mut reader = Reader::new(payload);
    let Head { version, connection_id, nonce, flags } = Head::read(&mut reader)?;
    let mut nonce = nonce.to_vec();
    let nonce_length = usize::from(reader.u8()?);
    reader.take(6)?;
    let extended = reader.u32()?;
    let mut capabilities = Capabilities::new(flags, 0);
    if !capabilities.has(Capabilities::MYSQL) {
        capabilities = Capabilities::new(flags, extended);
    }
    if !capabilities.has(Capabilities::PROTOCOL_41) {
        return None;
    }
    let second = nonce_length.saturating_sub(8).max(13).min(reader.rest().len()).min(NONCE_MAX);
    let second = reader.take(second)?;
    // The NUL at the end is no part of it.
    nonce.extend_from_slice(second.strip_suffix(&[0]).unwrap_or(second));
    let plugin = match capabilities.has(Capabilities::PLUGIN_AUTH) {
        true => plugin_name(&mut reader).to_vec(),
        false => b"mysql_native_password".to_vec(),
    };
    let version = Version::read(version, !capabilities.has(Capabilities::MYSQL));
    Some(FirstPacket::Greeting(Greeting { connection_id, capabilities, version, nonce, plugin }))
}

/// Takes these capabilities out of the payload of a greeting, for a proxy. Returns those of them that were there; `None` if
/// it is no greeting.
pub fn take_out(payload: &mut [u8], capabilities: Capabilities) -> Option<Capabilities> {
    // Version of the protocol, text of the version, then connection id, nonce and a filler.
    let at = 1 + payload.get(1..)?.iter().position(|&byte| byte == 0)? + 1 + 4 + 8 + 1;
    payload.first().filter(|&&version| version == VERSION)?;
    let mut found = 0;
    let places = [(at, 0), (at + 1, 8), (at + 5, 16), (at + 6, 24)];
    // MariaDB's extended ones stand where MySQL has zeros.
    let extended = (0..4).map(|byte| (at + 14 + byte, 32 + 8 * byte as u32));
    for (place, shift) in places.into_iter().chain(extended) {
        let byte = payload.get_mut(place)?;
        let out = (capabilities.0 >> shift) as u8;
        found |= u64::from(*byte & out) << shift;
        *byte &= !out;
    }
    Some(Capabilities(found))
}

/// The name of an authentication method, cut where none goes on.
pub fn plugin_name<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    let name = reader.terminated_or_rest();
    name.get(..PLUGIN_MAX).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_taken_out_of_a_greeting() {
        let mut payload = b"\x0a8.0.32\0\x05\0\0\0abcdefgh\0\xff\xff\x2d\x02\0\xff\xff\x15".to_vec();
        payload.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0xFF, 0, 0, 0]);
        payload.extend_from_slice(b"ijklmnopqrst\0caching_sha2_password\0");
        let before = payload.clone();
        let out = Capabilities::SSL | Capabilities::COMPRESS | Capabilities::ZSTD | Capabilities::BULK;
        assert_eq!(take_out(&mut payload, out), Some(out));
        assert_eq!(take_out(&mut payload, out), Some(Capabilities(0)));
        let (Some(FirstPacket::Greeting(old)), Some(FirstPacket::Greeting(new))) =
            (read(&before), read(&payload))
        else {
            panic!("no greeting")
        };
        assert_eq!(new.capabilities, old.capabilities.without(out));
        assert_eq!((new.nonce, new.plugin), (old.nonce, old.plugin));
        let changed = before.iter().zip(&payload).filter(|(old, new)| old != new).count();
        assert_eq!((changed, take_out(&mut [10, 0, 1], out), take_out(&mut [9; 60], out)), (4, None, None));
    }

    #[test]
    fn a_version_is_a_number() {
        let number = |text: &[u8], is_mariadb| Version::read(text, is_mariadb).number;
        assert_eq!(number(b"9.7.1", false), 90_701);
        assert_eq!(number(b"8.0.32-0ubuntu0.22.04.2", false), 80_032);
        assert_eq!(number(b"5.5.5-10.11.6-MariaDB-1:10.11.6+maria~deb12", true), 101_106);
        assert_eq!(number(b"11.4.2-MariaDB", true), 110_402);
        assert_eq!(number(b"5.5.5", false), 50_505);
        assert_eq!((number(b"", false), number(b"999999999999.9", false)), (0, 990_900));
    }
}
