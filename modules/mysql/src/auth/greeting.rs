//! What a server says first: a greeting, or that it has no room.
//!
//! Source: dev.mysql.com, "Protocol::HandshakeV10"; MariaDB's documentation, "Connection".

use crate::wire::capabilities::Capabilities;
use crate::wire::packet::Reader;
use crate::wire::server_error::ServerError;

/// The version of the protocol that all servers of this century speak.
const VERSION: u8 = 10;

/// The longest nonce that is kept: MySQL's and MariaDB's have 20 bytes.
pub(crate) const NONCE_MAX: usize = 64;

/// Bytes of the longest name of an authentication method.
pub(crate) const PLUGIN_MAX: usize = 64;

/// A greeting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Greeting {
    pub(crate) connection_id: u32,
    pub(crate) capabilities: Capabilities,
    /// What passwords are proved with.
    pub(crate) nonce: Vec<u8>,
    /// Name of the authentication method that the nonce is for.
    pub(crate) plugin: Vec<u8>,
}

/// What a server says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum First {
    Greeting(Greeting),
    Refused(ServerError),
}

impl Greeting {
    /// What it takes, in bytes.
    pub(crate) fn memory(&self) -> usize {
        size_of_val(self) + self.nonce.capacity() + self.plugin.capacity()
    }
}

/// Reads the payload of a server's first packet.
pub(crate) fn read(payload: &[u8]) -> Option<First> {
    if let Some(error) = ServerError::read(payload) {
        return Some(First::Refused(error));
    }
    let mut reader = Reader::new(payload);
    if reader.u8()? != VERSION {
        return None;
    }
    reader.terminated()?; // the server's version
    let connection_id = reader.u32()?;
    let mut nonce = reader.take(8)?.to_vec();
    reader.take(1)?;
    let low = reader.u16()?;
    if reader.rest().is_empty() {
        return None; // before 4.1
    }
    reader.take(3)?; // character set, status
    let middle = reader.u16()?;
    let nonce_length = usize::from(reader.u8()?);
    reader.take(6)?;
    let extended = reader.u32()?;
    let flags = u32::from(low) | u32::from(middle) << 16;
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
    Some(First::Greeting(Greeting { connection_id, capabilities, nonce, plugin }))
}

/// The name of an authentication method, cut where none goes on.
pub(crate) fn plugin_name<'a>(reader: &mut Reader<'a>) -> &'a [u8] {
    let name = reader.terminated_or_rest();
    name.get(..PLUGIN_MAX).unwrap_or(name)
}
