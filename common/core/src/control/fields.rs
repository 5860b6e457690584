//! Big-endian fields, written to and read from bytes.

use std::net::IpAddr;

use crate::control::DecodeError;
use crate::control::frame::SHORT_FORM;
use crate::flow::Endpoint;

/// Appends the fields of one frame.
pub(super) struct Writer<'o> {
    out: &'o mut Vec<u8>,
}

impl Writer<'_> {
    /// Appends a frame of this type with the fields that `fields` writes.
    pub(super) fn frame(out: &mut Vec<u8>, kind: u8, fields: impl FnOnce(&mut Writer<'_>)) {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        out.push(kind);
        fields(&mut Writer { out });
        // No message approaches this limit, because the encoder cuts the longest field.
        let length = u32::try_from(out.len() - start - 4).unwrap_or(u32::MAX);
        out[start..start + 4].copy_from_slice(&length.to_be_bytes());
    }

    /// Appends a frame in the short form. The body must not exceed 127 bytes.
    pub(super) fn short_frame(out: &mut Vec<u8>, kind: u8, fields: impl FnOnce(&mut Writer<'_>)) {
        let start = out.len();
        out.extend_from_slice(&[0, kind]);
        fields(&mut Writer { out });
        let length = u8::try_from(out.len() - start - 1).unwrap_or(u8::MAX);
        out[start] = SHORT_FORM | length;
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    pub(super) fn u8(&mut self, value: u8) {
        self.out.push(value);
    }

    pub(super) fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    pub(super) fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Address family (4 or 6), address, port.
    pub(super) fn endpoint(&mut self, endpoint: Endpoint) {
        self.address(endpoint.ip);
        self.u16(endpoint.port);
    }

    /// Address family (4 or 6), address.
    pub(super) fn address(&mut self, ip: IpAddr) {
        match ip {
            IpAddr::V4(ip) => {
                self.u8(4);
                self.bytes(&ip.octets());
            }
            IpAddr::V6(ip) => {
                self.u8(6);
                self.bytes(&ip.octets());
            }
        }
    }
}

/// Takes fields off the front of a message.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let (field, rest) = self.bytes.split_at_checked(length).ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(field)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (field, rest) = self.bytes.split_first_chunk().ok_or(DecodeError::Truncated)?;
        self.bytes = rest;
        Ok(*field)
    }

    pub(super) fn u8(&mut self) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, DecodeError> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    pub(super) fn endpoint(&mut self) -> Result<Endpoint, DecodeError> {
        let ip = self.address()?;
        Ok(Endpoint::new(ip, self.u16()?))
    }

    pub(super) fn address(&mut self) -> Result<IpAddr, DecodeError> {
        match self.u8()? {
            4 => Ok(IpAddr::from(self.array::<4>()?)),
            6 => Ok(IpAddr::from(self.array::<16>()?)),
            _ => Err(DecodeError::Value("address family")),
        }
    }

    /// The remaining bytes.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.bytes)
    }

    /// Nothing remains.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Fails if bytes remain.
    pub(super) fn finish(self) -> Result<(), DecodeError> {
        match self.bytes.len() {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }
}
