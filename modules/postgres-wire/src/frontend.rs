//! A client's messages.

use crate::bytes::{Fields, message, string};
pub use crate::bytes::{Formats, Values};
use crate::framing::{HEAD, Head, NotPostgres};

/// A statement or a portal, by name. The empty name is the unnamed one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target<'b> {
    /// A prepared statement.
    Statement(&'b [u8]),
    /// A portal.
    Portal(&'b [u8]),
}

/// A message of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Frontend<'b> {
    /// Makes a portal of a prepared statement.
    Bind(Bind<'b>),
    /// Closes a statement or portal.
    Close(Target<'b>),
    /// Data of a COPY.
    CopyData(&'b [u8]),
    /// The data are complete.
    CopyDone,
    /// The COPY is to fail, for this reason.
    CopyFail(&'b [u8]),
    /// Asks for the columns.
    Describe(Target<'b>),
    /// Runs a portal.
    Execute {
        /// The portal.
        portal: &'b [u8],
        /// At most so many rows; 0: all.
        rows: u32,
    },
    /// Wants the answers so far.
    Flush,
    /// Calls a function: function, arguments and format of the result, as they are.
    FunctionCall(&'b [u8]),
    /// Prepares a statement.
    Parse(Parse<'b>),
    /// An answer in a login: a password, or a message of SASL or GSSAPI.
    Password(&'b [u8]),
    /// Runs statements.
    Query(&'b [u8]),
    /// Ends a sequence of messages, and of errors.
    Sync,
    /// Ends the session.
    Terminate,
}

/// See [`Frontend::Parse`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parse<'b> {
    /// The name of the statement.
    pub statement: &'b [u8],
    /// Its text.
    pub query: &'b [u8],
    /// The types of its parameters: 4 bytes each, big-endian; 0 leaves it to the server. The types may be fewer than the
    /// parameters.
    pub types: &'b [[u8; 4]],
}

/// See [`Frontend::Bind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind<'b> {
    /// The name of the portal.
    pub portal: &'b [u8],
    /// The statement.
    pub statement: &'b [u8],
    /// The formats of the parameters.
    pub formats: Formats<'b>,
    /// The parameters.
    pub parameters: Values<'b>,
    /// The formats of the result's columns.
    pub results: Formats<'b>,
}

impl<'b> Frontend<'b> {
    /// The message that begins `bytes`, and its length; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// If no message begins here, or its fields do not fit its length.
    pub fn read(bytes: &'b [u8]) -> Result<Option<(Self, usize)>, NotPostgres> {
        let Some(head) = Head::of_frontend(bytes)? else { return Ok(None) };
        let Some(body) = bytes.get(HEAD..head.message()) else { return Ok(None) };
        let message = Self::of_body(head.kind, body).ok_or(NotPostgres)?;
        Ok(Some((message, head.message())))
    }

    /// The message of this type and body; `None` if the fields do not fit.
    #[must_use]
    pub fn of_body(kind: u8, body: &'b [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let message = match kind {
            b'B' => Self::Bind(Bind {
                portal: fields.string()?,
                statement: fields.string()?,
                formats: Formats::read(&mut fields)?,
                parameters: Values::read(&mut fields)?,
                results: Formats::read(&mut fields)?,
            }),
            b'C' => Self::Close(Target::read(&mut fields)?),
            b'D' => Self::Describe(Target::read(&mut fields)?),
            b'E' => Self::Execute { portal: fields.string()?, rows: fields.u32()? },
            b'P' => {
                let (statement, query, types) = (fields.string()?, fields.string()?, fields.u16()?);
                let types = fields.take(4 * usize::from(types))?.as_chunks().0;
                Self::Parse(Parse { statement, query, types })
            }
            b'Q' => Self::Query(fields.string()?),
            b'f' => Self::CopyFail(fields.string()?),
            b'c' => Self::CopyDone,
            b'H' => Self::Flush,
            b'S' => Self::Sync,
            b'X' => Self::Terminate,
            b'd' => return Some(Self::CopyData(body)),
            b'F' => return Some(Self::FunctionCall(body)),
            b'p' => return Some(Self::Password(body)),
            _ => return None,
        };
        fields.end()?;
        Some(message)
    }

    /// Appends the message to `out`. Names and texts must not contain zero bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let raw = |out: &mut Vec<u8>, kind, body: &[u8]| {
            message(kind, out, |out| out.extend_from_slice(body));
        };
        match *self {
            Self::Bind(bind) => message(b'B', out, |out| {
                string(out, bind.portal);
                string(out, bind.statement);
                bind.formats.write(out);
                bind.parameters.write(out);
                bind.results.write(out);
            }),
            Self::Close(target) => message(b'C', out, |out| target.write(out)),
            Self::Describe(target) => message(b'D', out, |out| target.write(out)),
            Self::CopyFail(reason) => message(b'f', out, |out| string(out, reason)),
            Self::Execute { portal, rows } => message(b'E', out, |out| {
                string(out, portal);
                out.extend_from_slice(&rows.to_be_bytes());
            }),
            Self::Parse(parse) => message(b'P', out, |out| {
                string(out, parse.statement);
                string(out, parse.query);
                out.extend_from_slice(&(parse.types.len() as u16).to_be_bytes());
                out.extend_from_slice(parse.types.as_flattened());
            }),
            Self::Query(text) => message(b'Q', out, |out| string(out, text)),
            Self::CopyData(data) => raw(out, b'd', data),
            Self::FunctionCall(call) => raw(out, b'F', call),
            Self::Password(answer) => raw(out, b'p', answer),
            Self::CopyDone => raw(out, b'c', &[]),
            Self::Flush => raw(out, b'H', &[]),
            Self::Sync => raw(out, b'S', &[]),
            Self::Terminate => raw(out, b'X', &[]),
        }
    }
}

impl<'b> Target<'b> {
    fn read(fields: &mut Fields<'b>) -> Option<Self> {
        let kind = fields.u8()?;
        let name = fields.string()?;
        match kind {
            b'S' => Some(Self::Statement(name)),
            b'P' => Some(Self::Portal(name)),
            _ => None,
        }
    }

    fn write(self, out: &mut Vec<u8>) {
        let (kind, name) = match self {
            Self::Statement(name) => (b'S', name),
            Self::Portal(name) => (b'P', name),
        };
        out.push(kind);
        string(out, name);
    }
}

/// The names at the start of a Bind, portal and statement, of which only the beginning need be there; `None` if they are
/// not.
#[must_use]
pub fn names_of_bind(body: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut fields = Fields(body);
    Some((fields.string()?, fields.string()?))
}
