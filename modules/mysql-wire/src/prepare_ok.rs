//! The first packet of the answer to a PREPARE.
//!
//! Source: dev.mysql.com, "COM_STMT_PREPARE_OK".

use crate::packet::{Header, Reader};

/// What the server says of a statement that it has prepared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PrepareOk {
    /// The statement's id.
    pub id: u32,
    /// The number of its result's columns.
    pub columns: u16,
    /// The number of its parameters.
    pub parameters: u16,
    /// Definitions of parameters and columns follow, if there are any: with optional metadata they may be left out.
    pub is_described: bool,
}

impl PrepareOk {
    /// Reads the payload; `None` if it is another packet.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        reader.u8().filter(|&status| status == 0)?;
        let (id, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
        reader.u8()?; // filler
        let is_described = reader.take(2).is_none() || reader.u8() != Some(0); // after the number of warnings
        Some(Self { id, columns, parameters, is_described })
    }

    /// The same from the beginning of a packet that may be another one.
    pub fn recognise(header: Header, payload: &[u8]) -> Option<Self> {
        let is_one = matches!(header.length, 12 | 13) && payload.get(9) == Some(&0);
        Self::read(payload).filter(|_| is_one)
    }
}
