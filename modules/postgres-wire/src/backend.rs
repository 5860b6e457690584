//! A server's messages.

use crate::bytes::{Fields, message, string};
pub use crate::bytes::{Formats, Values};
use crate::framing::{HEAD, Head, NotPostgres};

/// A message of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend<'b> {
    /// A request in a login, or its end.
    Authentication(Authentication<'b>),
    /// The secret for a CancelRequest.
    BackendKeyData {
        /// The process that serves the connection.
        pid: u32,
        /// 4 bytes; with protocol 3.2 up to 256.
        key: &'b [u8],
    },
    /// Bind is done.
    BindComplete,
    /// Close is done.
    CloseComplete,
    /// A statement is done, with this tag.
    CommandComplete(&'b [u8]),
    /// Data of a COPY.
    CopyData(&'b [u8]),
    /// The data are complete.
    CopyDone,
    /// The client is to send data.
    CopyIn(Copy<'b>),
    /// Data follow.
    CopyOut(Copy<'b>),
    /// Both, for replication.
    CopyBoth(Copy<'b>),
    /// A row.
    DataRow(Values<'b>),
    /// There was no statement.
    EmptyQuery,
    /// An error: fields, which [`crate::server_error`] reads.
    ErrorResponse(&'b [u8]),
    /// The result of a function: `None` is NULL.
    FunctionCallResponse(Option<&'b [u8]>),
    /// The server knows an older version only, or not all options.
    NegotiateProtocolVersion {
        /// The newest version that it knows: major in the upper half, minor in the lower.
        version: u32,
        /// How many options it does not know.
        count: u32,
        /// Their names, each with a zero byte.
        options: &'b [u8],
    },
    /// There are no columns.
    NoData,
    /// A notice: fields as those of an error.
    NoticeResponse(&'b [u8]),
    /// Another session has said something.
    Notification {
        /// Its process.
        pid: u32,
        /// Where.
        channel: &'b [u8],
        /// What.
        payload: &'b [u8],
    },
    /// The types of a statement's parameters.
    ParameterDescription(&'b [[u8; 4]]),
    /// The value of a setting.
    ParameterStatus {
        /// Its name.
        name: &'b [u8],
        /// Its value.
        value: &'b [u8],
    },
    /// Parse is done.
    ParseComplete,
    /// The portal has more rows than were asked for.
    PortalSuspended,
    /// The server waits for the next statement.
    ReadyForQuery(TransactionStatus),
    /// Columns: as many as the first two bytes say, as they are.
    RowDescription(&'b [u8]),
}

/// See [`Backend::Authentication`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authentication<'b> {
    /// The client is let in.
    Ok,
    /// The password itself is asked for.
    Cleartext,
    /// A hash of the password is asked for, with this salt.
    Md5([u8; 4]),
    /// One of these mechanisms: names, each with a zero byte, and one more zero byte.
    Sasl(&'b [u8]),
    /// More of the mechanism.
    SaslContinue(&'b [u8]),
    /// The last of the mechanism.
    SaslFinal(&'b [u8]),
    /// Another method (2 Kerberos, 6 SCM, 7 GSSAPI, 8 more of it, 9 SSPI), with its data.
    Other(u32, &'b [u8]),
}

/// The formats of a COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copy<'b> {
    /// Of all: 0 text, 1 binary.
    pub format: u8,
    /// Of each column.
    pub columns: Formats<'b>,
}

/// Whether a transaction is open.
#[derive(Debug, Clone, std::marker::Copy, PartialEq, Eq, Default)]
pub enum TransactionStatus {
    /// None.
    #[default]
    Idle,
    /// In a transaction.
    Open,
    /// In one that has failed.
    Failed,
}

impl<'b> Backend<'b> {
    /// The message that begins `bytes`, and its length; `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// If no message begins here, or its fields do not fit its length.
    pub fn read(bytes: &'b [u8]) -> Result<Option<(Self, usize)>, NotPostgres> {
        let Some(head) = Head::of_backend(bytes)? else { return Ok(None) };
        let Some(body) = bytes.get(HEAD..head.message()) else { return Ok(None) };
        let message = Self::of_body(head.kind, body).ok_or(NotPostgres)?;
        Ok(Some((message, head.message())))
    }

    /// The message of this type and body; `None` if the fields do not fit.
    #[must_use]
    pub fn of_body(kind: u8, body: &'b [u8]) -> Option<Self> {
        let mut fields = Fields(body);
        let message = match kind {
            b'R' => Self::Authentication(Authentication::read(&mut fields)?),
            b'K' => {
                let pid = fields.u32()?;
                return (4..=256)
                    .contains(&fields.0.len())
                    .then_some(Self::BackendKeyData { pid, key: fields.0 });
            }
            b'C' => Self::CommandComplete(fields.string()?),
            b'D' => Self::DataRow(Values::read(&mut fields)?),
            b'V' => Self::FunctionCallResponse(match fields.i32()? {
                -1 => None,
                length => Some(fields.take(usize::try_from(length).ok()?)?),
            }),
            b'v' => {
                let (version, count) = (fields.u32()?, fields.u32()?);
                let options = fields.0;
                for _ in 0..count {
                    fields.string()?;
                }
                Self::NegotiateProtocolVersion { version, count, options }
            }
            b'A' => Self::Notification {
                pid: fields.u32()?,
                channel: fields.string()?,
                payload: fields.string()?,
            },
            b't' => {
                let count = fields.u16()?;
                Self::ParameterDescription(fields.take(4 * usize::from(count))?.as_chunks().0)
            }
            b'S' => Self::ParameterStatus { name: fields.string()?, value: fields.string()? },
            b'Z' => Self::ReadyForQuery(TransactionStatus::read(fields.u8()?)?),
            b'G' => Self::CopyIn(Copy::read(&mut fields)?),
            b'H' => Self::CopyOut(Copy::read(&mut fields)?),
            b'W' => Self::CopyBoth(Copy::read(&mut fields)?),
            b'1' => Self::ParseComplete,
            b'2' => Self::BindComplete,
            b'3' => Self::CloseComplete,
            b'c' => Self::CopyDone,
            b'I' => Self::EmptyQuery,
            b'n' => Self::NoData,
            b's' => Self::PortalSuspended,
            b'T' if body.len() >= 2 => return Some(Self::RowDescription(body)),
            b'd' => return Some(Self::CopyData(body)),
            b'E' => return Some(Self::ErrorResponse(body)),
            b'N' => return Some(Self::NoticeResponse(body)),
            _ => return None,
        };
        fields.end()?;
        Some(message)
    }

    /// Appends the message to `out`. Strings must not contain zero bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        let raw = |out: &mut Vec<u8>, kind, body: &[u8]| {
            message(kind, out, |out| out.extend_from_slice(body));
        };
        match *self {
            Self::Authentication(request) => message(b'R', out, |out| request.write(out)),
            Self::BackendKeyData { pid, key } => message(b'K', out, |out| {
                out.extend_from_slice(&pid.to_be_bytes());
                out.extend_from_slice(key);
            }),
            Self::CommandComplete(tag) => message(b'C', out, |out| string(out, tag)),
            Self::CopyIn(copy) => message(b'G', out, |out| copy.write(out)),
            Self::CopyOut(copy) => message(b'H', out, |out| copy.write(out)),
            Self::CopyBoth(copy) => message(b'W', out, |out| copy.write(out)),
            Self::DataRow(values) => message(b'D', out, |out| values.write(out)),
            Self::FunctionCallResponse(result) => message(b'V', out, |out| {
                let length = result.map_or(-1, |result| i32::try_from(result.len()).unwrap_or(i32::MAX));
                out.extend_from_slice(&length.to_be_bytes());
                out.extend_from_slice(result.unwrap_or_default());
            }),
            Self::NegotiateProtocolVersion { version, count, options } => message(b'v', out, |out| {
                out.extend_from_slice(&version.to_be_bytes());
                out.extend_from_slice(&count.to_be_bytes());
                out.extend_from_slice(options);
            }),
            Self::Notification { pid, channel, payload } => message(b'A', out, |out| {
                out.extend_from_slice(&pid.to_be_bytes());
                string(out, channel);
                string(out, payload);
            }),
            Self::ParameterDescription(types) => message(b't', out, |out| {
                out.extend_from_slice(&(types.len() as u16).to_be_bytes());
                out.extend_from_slice(types.as_flattened());
            }),
            Self::ParameterStatus { name, value } => message(b'S', out, |out| {
                string(out, name);
                string(out, value);
            }),
            Self::ReadyForQuery(status) => raw(out, b'Z', &[status.byte()]),
            Self::BindComplete => raw(out, b'2', &[]),
            Self::CloseComplete => raw(out, b'3', &[]),
            Self::CopyData(data) => raw(out, b'd', data),
            Self::CopyDone => raw(out, b'c', &[]),
            Self::EmptyQuery => raw(out, b'I', &[]),
            Self::ErrorResponse(fields) => raw(out, b'E', fields),
            Self::NoData => raw(out, b'n', &[]),
            Self::NoticeResponse(fields) => raw(out, b'N', fields),
            Self::ParseComplete => raw(out, b'1', &[]),
            Self::PortalSuspended => raw(out, b's', &[]),
            Self::RowDescription(columns) => raw(out, b'T', columns),
        }
    }
}

impl<'b> Authentication<'b> {
    fn read(fields: &mut Fields<'b>) -> Option<Self> {
        let code = fields.u32()?;
        let rest = fields.0;
        let request = match code {
            0 => return Some(Self::Ok),
            3 => return Some(Self::Cleartext),
            5 => Self::Md5(rest.try_into().ok()?),
            10 => Self::Sasl(rest),
            11 => Self::SaslContinue(rest),
            12 => Self::SaslFinal(rest),
            _ => Self::Other(code, rest),
        };
        fields.take(rest.len())?;
        Some(request)
    }

    fn write(self, out: &mut Vec<u8>) {
        let salt;
        let (code, rest): (u32, &[u8]) = match self {
            Self::Ok => (0, &[]),
            Self::Cleartext => (3, &[]),
            Self::Md5(bytes) => {
                salt = bytes;
                (5, &salt)
            }
            Self::Sasl(rest) => (10, rest),
            Self::SaslContinue(rest) => (11, rest),
            Self::SaslFinal(rest) => (12, rest),
            Self::Other(code, rest) => (code, rest),
        };
        out.extend_from_slice(&code.to_be_bytes());
        out.extend_from_slice(rest);
    }
}

impl<'b> Copy<'b> {
    fn read(fields: &mut Fields<'b>) -> Option<Self> {
        Some(Self { format: fields.u8()?, columns: Formats::read(fields)? })
    }

    fn write(&self, out: &mut Vec<u8>) {
        out.push(self.format);
        self.columns.write(out);
    }
}

impl TransactionStatus {
    /// From its letter.
    #[must_use]
    pub fn read(letter: u8) -> Option<Self> {
        match letter {
            b'I' => Some(Self::Idle),
            b'T' => Some(Self::Open),
            b'E' => Some(Self::Failed),
            _ => None,
        }
    }

    fn byte(self) -> u8 {
        match self {
            Self::Idle => b'I',
            Self::Open => b'T',
            Self::Failed => b'E',
        }
    }
}
