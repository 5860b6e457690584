//! A server's messages as outcomes of statements.

use postgres_wire::frontend::Values;
use postgres_wire::server_error::ServerError;

use super::known::{Columns, is_binary};
use crate::masking::Masking;
use crate::recording::record::{ErrorText, Outcome, Rows};
use crate::recording::{Bytes, Value};

/// Rows of one statement that are kept, in bytes.
const ROWS_MAX: usize = 1 << 20;

/// The result that the server is sending.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    rows: u64,
    columns: Columns,
    data: Rows,
    length: usize,
}

impl Answers {
    /// Its columns.
    pub(super) fn begin(&mut self, columns: Columns) {
        *self = Self { columns, ..Self::default() };
    }

    /// Whether it has no row yet.
    pub(super) fn is_new(&self) -> bool {
        self.rows == 0 && self.columns.types.is_empty()
    }

    /// A row; without values if rows are not recorded.
    pub(crate) fn row(&mut self, values: Option<Values<'_>>, masking: &Masking) {
        self.rows += 1;
        let Some(values) = values else { return };
        self.length += 8 + values.iter().map(|value| 8 + value.map_or(0, <[u8]>::len)).sum::<usize>();
        if self.length > ROWS_MAX {
            self.data.more = true;
            return;
        }
        let value = |(at, value): (usize, Option<&[u8]>)| {
            masking.value(Value::of(value, is_binary(&self.columns.formats, at), self.columns.type_of(at)))
        };
        self.data.rows.push(values.iter().enumerate().map(value).collect());
    }

    /// It is complete.
    pub(crate) fn done(&mut self, tag: &[u8]) -> Outcome {
        let (counted, data) = self.take();
        // Counts of changed rows are in the tag only; those of other statements' rows are not in it.
        let rows = tag
            .rsplit(|byte| *byte == b' ')
            .next()
            .and_then(|last| std::str::from_utf8(last).ok()?.parse().ok());
        Outcome::Done { tag: tag.into(), rows: rows.unwrap_or(counted), data }
    }

    /// There is more.
    pub(crate) fn suspended(&mut self) -> Outcome {
        let (rows, data) = self.take();
        Outcome::Suspended { rows, data }
    }

    fn take(&mut self) -> (u64, Rows) {
        let Self { rows, columns, mut data, .. } = std::mem::take(self);
        if !data.rows.is_empty() {
            data.columns = columns.names;
        }
        (rows, data)
    }
}

/// The body of an error. `is_secret`: the text may repeat a part of the statement that must not be kept.
pub(crate) fn error_of(body: &[u8], masking: &Masking, is_secret: bool) -> ErrorText {
    match ServerError::read(body) {
        Some(error) => ErrorText {
            code: None,
            sqlstate: String::from_utf8_lossy(&error.code).into_owned(),
            message: if is_secret { "***".into() } else { masking.text(error.text).0 },
        },
        None => ErrorText { code: None, sqlstate: "XX000".to_owned(), message: Bytes::default() },
    }
}
