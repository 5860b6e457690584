//! The first packet of the answer to a PREPARE.
//!
//! Source: dev.mysql.com, "COM_STMT_PREPARE_OK".

use crate::wire::packet::{Header, Reader};

#[derive(Debug, Clone, Copy)]
pub(crate) struct PrepareOk {
    pub(crate) id: u32,
    pub(crate) columns: u16,
    pub(crate) parameters: u16,
    /// Definitions of parameters and columns follow, if there are any: with optional metadata they may be left out.
    pub(crate) is_described: bool,
}

impl PrepareOk {
    pub(crate) fn read(payload: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(payload);
        reader.u8().filter(|&status| status == 0)?;
        let (id, columns, parameters) = (reader.u32()?, reader.u16()?, reader.u16()?);
        reader.u8()?; // filler
        let is_described = reader.take(2).is_none() || reader.u8() != Some(0); // after the number of warnings
        Some(Self { id, columns, parameters, is_described })
    }

    /// The same from the beginning of a packet that may be another one.
    pub(crate) fn recognise(header: Header, payload: &[u8]) -> Option<Self> {
        let is_one = matches!(header.length, 12 | 13) && payload.get(9) == Some(&0);
        Self::read(payload).filter(|_| is_one)
    }
}
