//! The client's login: the response to the greeting, and COM_CHANGE_USER.
//!
//! Source: dev.mysql.com, "Protocol::HandshakeResponse41", "Protocol::SSLRequest", "COM_CHANGE_USER"; MariaDB's
//! documentation, "Connection".

use crate::capabilities::Capabilities;
use crate::login::greeting::plugin_name;
use crate::packet::{Reader, write_sized, write_terminated};

/// Bytes of the fixed part; an SSLRequest is nothing else.
const FIXED: usize = 32;

/// Connection attributes are kept up to this length, in bytes, as by servers.
const ATTRIBUTES_MAX: usize = 64 << 10;

/// A client's login: enough to log in again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// What it can do and wants.
    pub capabilities: Capabilities,
    /// The longest packet that it takes, in bytes.
    pub packet_max: u32,
    /// Number of its character set and collation.
    pub charset: u16,
    /// Who it is.
    pub user: Vec<u8>,
    /// The database that it wants; empty for none.
    pub database: Vec<u8>,
    /// Connection attributes, as they were written.
    pub attributes: Vec<u8>,
    /// Its answer to the online server's nonce, and the method.
    pub answer: Vec<u8>,
    /// The name of the method of its answer.
    pub plugin: Vec<u8>,
}

/// The first packet of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FirstPacket {
    /// It logs in.
    Hello(Hello),
    /// It goes on encrypted.
    Tls,
    /// It speaks the protocol from before 4.1.
    Ancient,
}

impl Hello {
    /// The memory that is allocated for it, in bytes.
    pub fn memory(&self) -> usize {
        [&self.user, &self.database, &self.attributes, &self.answer, &self.plugin]
            .map(Vec::capacity)
            .iter()
            .sum()
    }

    /// The client and its server can have agreed on compression.
    pub fn may_compress(&self) -> bool {
        self.capabilities.has(Capabilities::COMPRESS) || self.capabilities.has(Capabilities::ZSTD)
    }

    /// A client whose login was not captured.
    pub fn assumed(user: &[u8], database: &[u8]) -> Self {
        Self {
            capabilities: Capabilities::ASSUMED,
            packet_max: 1 << 30,
            charset: 45, // utf8mb4_general_ci, which all servers know
            user: user.to_vec(),
            database: database.to_vec(),
            attributes: Vec::new(),
            answer: Vec::new(),
            plugin: Vec::new(),
        }
    }

    /// The payload that introduces this client to the test server, with the capabilities `agreed` and an answer to its
    /// nonce, and takes it to `database`, if that is not empty.
    pub fn response(&self, agreed: Capabilities, answer: &[u8], plugin: &[u8], database: &[u8]) -> Vec<u8> {
        let mut capabilities = agreed.without(Capabilities::CONNECT_WITH_DB);
        if !database.is_empty() {
            capabilities = capabilities | Capabilities::CONNECT_WITH_DB;
        }
        let mut payload = Vec::with_capacity(FIXED + 128 + self.attributes.len());
        payload.extend_from_slice(&capabilities.low().to_le_bytes());
        payload.extend_from_slice(&self.packet_max.to_le_bytes());
        payload.push(self.charset as u8);
        payload.extend_from_slice(&[0; 19]);
        payload.extend_from_slice(&capabilities.extended().to_le_bytes());
        write_terminated(&self.user, &mut payload);
        if capabilities.has(Capabilities::SIZED_AUTH) {
            write_sized(answer, &mut payload);
        } else {
            write_short(answer, &mut payload);
        }
        if !database.is_empty() {
            write_terminated(database, &mut payload);
        }
        self.write_rest(capabilities, plugin, &mut payload);
        payload
    }

    /// The payload of a COM_CHANGE_USER to this client.
    pub fn change_user(&self, agreed: Capabilities, answer: &[u8], plugin: &[u8]) -> Vec<u8> {
        let mut payload = vec![CHANGE_USER];
        write_terminated(&self.user, &mut payload);
        write_short(answer, &mut payload);
        write_terminated(&self.database, &mut payload);
        payload.extend_from_slice(&self.charset.to_le_bytes());
        self.write_rest(agreed, plugin, &mut payload);
        payload
    }

    fn write_rest(&self, capabilities: Capabilities, plugin: &[u8], payload: &mut Vec<u8>) {
        if capabilities.has(Capabilities::PLUGIN_AUTH) {
            write_terminated(plugin, payload);
        }
        if capabilities.has(Capabilities::CONNECT_ATTRS) {
            write_sized(&self.attributes, payload);
        }
    }

    /// Reads the payload of a COM_CHANGE_USER of this client: the client that it wants to be.
    pub fn changed(&self, payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        reader.u8().filter(|&command| command == CHANGE_USER)?;
        let user = reader.terminated()?.to_vec();
        let length = usize::from(reader.u8()?);
        let answer = reader.take(length)?.to_vec();
        let database = reader.terminated_or_rest().to_vec();
        let charset = reader.u16().unwrap_or(self.charset);
        let plugin = self.plugin_of(&mut reader);
        let attributes = self.attributes_of(&mut reader);
        Some(Self { charset, user, database, attributes, answer, plugin, ..*self })
    }

    fn plugin_of(&self, reader: &mut Reader<'_>) -> Vec<u8> {
        match self.capabilities.has(Capabilities::PLUGIN_AUTH) {
            true => plugin_name(reader).to_vec(),
            false => Vec::new(),
        }
    }

    fn attributes_of(&self, reader: &mut Reader<'_>) -> Vec<u8> {
        let attributes = match self.capabilities.has(Capabilities::CONNECT_ATTRS) {
            true => reader.sized().unwrap_or_default(),
            false => &[],
        };
        attributes.get(..ATTRIBUTES_MAX).unwrap_or(attributes).to_vec()
    }
}

/// Reads the payload of a client's first packet.
pub fn read(payload: &[u8]) -> Option<FirstPacket> {
    let mut reader = Reader::new(payload);
    let low = u32::from(reader.u16()?);
    if !Capabilities::new(low, 0).has(Capabilities::PROTOCOL_41) {
        return Some(FirstPacket::Ancient);
    }
    let low = low | u32::from(reader.u16()?) << 16;
    let packet_max = reader.u32()?;
    let charset = u16::from(reader.u8()?);
    reader.take(19)?;
    let extended = reader.u32()?;
    let mysql = Capabilities::new(low, 0).has(Capabilities::MYSQL);
    let capabilities = Capabilities::new(low, if mysql { 0 } else { extended });
    if capabilities.has(Capabilities::SSL) {
        return Some(FirstPacket::Tls);
    }
    let user = reader.terminated()?.to_vec();
    let answer = if capabilities.has(Capabilities::SIZED_AUTH) {
        reader.sized()?
    } else if capabilities.has(Capabilities::SECURE_CONNECTION) {
        let length = usize::from(reader.u8()?);
        reader.take(length)?
    } else {
        reader.terminated_or_rest()
    };
    let mut hello = Hello {
        capabilities,
        packet_max,
        charset,
        user,
        answer: answer.to_vec(),
        ..Hello::assumed(&[], &[])
    };
    if capabilities.has(Capabilities::CONNECT_WITH_DB) {
        hello.database = reader.terminated_or_rest().to_vec();
    }
    hello.plugin = hello.plugin_of(&mut reader);
    hello.attributes = hello.attributes_of(&mut reader);
    Some(FirstPacket::Hello(hello))
}

/// First byte of a COM_CHANGE_USER.
const CHANGE_USER: u8 = 0x11;

fn write_short(value: &[u8], to: &mut Vec<u8>) {
    let value = value.get(..usize::from(u8::MAX)).unwrap_or(value);
    to.push(value.len() as u8);
    to.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello() -> Hello {
        Hello {
            capabilities: Capabilities(0x01ff_a68d & !Capabilities::SSL.0),
            packet_max: 1 << 24,
            charset: 33,
            user: b"app".to_vec(),
            database: b"shop".to_vec(),
            attributes: b"\x04_pid\x0242".to_vec(),
            answer: vec![7; 20],
            plugin: b"mysql_native_password".to_vec(),
        }
    }

    #[test]
    fn a_hello_is_read_as_written() {
        let hello = hello();
        let payload = hello.response(hello.capabilities, &hello.answer, &hello.plugin, &hello.database);
        assert_eq!(read(&payload), Some(FirstPacket::Hello(hello)));
    }

    #[test]
    fn an_ssl_request_is_no_hello() {
        let mut payload = vec![0; FIXED];
        payload[..4].copy_from_slice(&0x0000_aa00_u32.to_le_bytes());
        assert_eq!(read(&payload), Some(FirstPacket::Tls));
        assert_eq!(read(&[0x05, 0x00, 0x00]), Some(FirstPacket::Ancient));
    }

    #[test]
    fn a_change_of_user_is_read_as_written() {
        let before = hello();
        let after = Hello {
            user: b"other".to_vec(),
            database: Vec::new(),
            charset: 255,
            answer: vec![8; 32],
            plugin: b"caching_sha2_password".to_vec(),
            ..hello()
        };
        let payload = after.change_user(before.capabilities, &after.answer, &after.plugin);
        assert_eq!(before.changed(&payload), Some(after));
    }

    #[test]
    fn a_hello_cut_anywhere_is_no_panic() {
        let hello = hello();
        let payload = hello.response(hello.capabilities, &hello.answer, &hello.plugin, &hello.database);
        for cut in 0..payload.len() {
            let _ = read(&payload[..cut]);
            let _ = hello.changed(&payload[..cut]);
        }
        assert_eq!(read(&payload[..FIXED]), None);
    }
}
