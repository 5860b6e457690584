//! What a session's messages say about later ones: the types of parameters, and the columns of results.

use std::collections::HashMap;

use crate::recording::Bytes;

/// More names of a session are not kept.
const NAMES_MAX: usize = 4096;

/// Columns of a result.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Columns {
    pub(super) names: Vec<Bytes>,
    pub(super) types: Vec<u32>,
    pub(super) formats: Vec<u16>,
}

impl Columns {
    /// From the body of a RowDescription.
    pub(super) fn read(body: &[u8]) -> Self {
        let mut columns = Self::default();
        let mut rest = body.get(2..).unwrap_or_default();
        while let Some(end) = rest.iter().position(|byte| *byte == 0) {
            // Table, number of the column, type, length, modifier, format.
            let Some(fields) = rest.get(end + 1..end + 19) else { break };
            let number =
                |at: usize| fields.get(at..at + 4).map_or(0, |it| integers(it).next().unwrap_or_default());
            columns.names.push(Bytes(rest.get(..end).unwrap_or_default().to_vec()));
            columns.types.push(number(6));
            columns.formats.push(fields.get(17).copied().unwrap_or_default().into());
            rest = rest.get(end + 19..).unwrap_or_default();
        }
        columns
    }

    pub(super) fn type_of(&self, column: usize) -> u32 {
        self.types.get(column).copied().unwrap_or_default()
    }
}

/// Format of a value from the formats that a message names: none for text, one for all, or one for each.
pub(super) fn is_binary(formats: &[u16], at: usize) -> bool {
    match formats {
        [one] => *one == 1,
        formats => formats.get(at) == Some(&1),
    }
}

/// Of a session.
#[derive(Debug, Default)]
pub(super) struct Known {
    types: HashMap<Vec<u8>, Vec<u32>>,
    columns: HashMap<Vec<u8>, Columns>,
    portals: HashMap<Vec<u8>, (Vec<u8>, Vec<u16>)>,
}

impl Known {
    pub(super) fn prepared(&mut self, statement: &[u8], types: Vec<u32>) {
        self.columns.remove(statement);
        put(&mut self.types, statement, types);
    }

    /// The server has said the types.
    pub(super) fn described(&mut self, statement: &[u8], types: Vec<u32>) {
        put(&mut self.types, statement, types);
    }

    pub(super) fn type_of(&self, statement: &[u8], parameter: usize) -> u32 {
        self.types.get(statement).and_then(|types| types.get(parameter)).copied().unwrap_or_default()
    }

    pub(super) fn has_columns(&mut self, statement: &[u8], columns: Columns) {
        put(&mut self.columns, statement, columns);
    }

    pub(super) fn bound(&mut self, portal: &[u8], statement: &[u8], formats: Vec<u16>) {
        put(&mut self.portals, portal, (statement.to_vec(), formats));
    }

    /// The columns of a portal, with the formats that Bind has asked for.
    pub(super) fn columns_of(&self, portal: &[u8]) -> Columns {
        let Some((statement, formats)) = self.portals.get(portal) else { return Columns::default() };
        let columns = self.columns.get(statement).cloned().unwrap_or_default();
        Columns { formats: formats.clone(), ..columns }
    }
}

fn put<T>(names: &mut HashMap<Vec<u8>, T>, name: &[u8], value: T) {
    if let Some(place) = names.get_mut(name) {
        *place = value;
        return;
    }
    if names.len() >= NAMES_MAX {
        // Values whose type is unknown are kept as bytes: nothing is lost but their text.
        names.clear();
    }
    names.insert(name.to_vec(), value);
}

/// Numbers of four bytes, big-endian.
pub(super) fn integers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_be_bytes(*bytes))
}
