//! A server's answer as outcomes of statements.

use mysql_wire::answer::{Answer, Event};
use mysql_wire::command::Command;
use mysql_wire::execute;
use mysql_wire::packet::Reader;

use crate::masking::Masking;
use crate::recording::record::{ErrorText, Outcome, Rows};
use crate::recording::{Bytes, Value};

/// Rows of one statement that are kept, in bytes.
const ROWS_MAX: usize = 1 << 20;

/// What the outcome of a statement without rows is called.
const OK: &str = "OK";

/// What the outcome of a statement with rows is called.
const ROWS: &str = "ROWS";

/// What the outcome is called if a cursor was opened.
const CURSOR: &str = "CURSOR";

/// The result that the server is sending.
#[derive(Debug, Default)]
pub(crate) struct Results {
    keeps_rows: bool,
    rows: u64,
    names: Vec<Bytes>,
    kinds: Vec<u16>,
    data: Rows,
    length: usize,
}

impl Results {
    pub(crate) fn new(keeps_rows: bool) -> Self {
        Self { keeps_rows, ..Self::default() }
    }

    /// The next part of the answer. Returns what became of a statement that is complete. `is_secret`: the text of an error
    /// may repeat a part of the statement that must not be kept.
    pub(crate) fn event(
        &mut self,
        answer: &Answer,
        event: Event<'_>,
        masking: &Masking,
        is_secret: bool,
    ) -> Option<Outcome> {
        match event {
            Event::Nothing | Event::Prepared(_) | Event::FileWanted(_) => None,
            Event::Column(definition) => {
                if self.keeps_rows {
                    self.column(definition);
                }
                None
            }
            Event::Row(row) => {
                self.row(row, answer.command(), masking);
                None
            }
            Event::Changed(rows) => {
                self.begin();
                Some(Outcome::Done { tag: OK.into(), rows, data: Rows::default() })
            }
            Event::RowsEnd => {
                let (rows, data) = self.begin();
                Some(Outcome::Done { tag: ROWS.into(), rows, data })
            }
            Event::Suspended if answer.command() == Command::FETCH => {
                let (rows, data) = self.begin();
                Some(Outcome::Suspended { rows, data })
            }
            Event::Suspended => {
                self.begin();
                Some(Outcome::Done { tag: CURSOR.into(), rows: 0, data: Rows::default() })
            }
            Event::Error(payload) => {
                self.begin();
                Some(Outcome::Error(error_of(payload, masking, is_secret)))
            }
        }
    }

    /// The next result begins; returns the rows of the last one.
    fn begin(&mut self) -> (u64, Rows) {
        let Self { rows, names, mut data, .. } = std::mem::replace(self, Self::new(self.keeps_rows));
        if !data.rows.is_empty() {
            data.columns = names;
        }
        (rows, data)
    }

    fn column(&mut self, definition: &[u8]) {
        let mut reader = Reader::new(definition);
        // Catalogue, schema, table twice, then the column's name and the one that it has in its table.
        let mut parts = || (0..6).map(|_| reader.sized()).collect::<Option<Vec<_>>>();
        let Some(parts) = parts() else { return };
        let name = parts.get(4).copied().unwrap_or_default();
        // The length of what follows, character set, length of the values; MariaDB may put more before it.
        let fixed = definition.get(definition.len().saturating_sub(12)..).unwrap_or_default();
        let kind = fixed.get(6).copied().unwrap_or_default();
        let is_unsigned = fixed.get(7).is_some_and(|flags| flags & 0x20 != 0);
        self.names.push(name.into());
        self.kinds.push(u16::from(kind) | if is_unsigned { 0x8000 } else { 0 });
    }

    fn row(&mut self, row: &[u8], command: Command, masking: &Masking) {
        self.rows += 1;
        if !self.keeps_rows {
            return;
        }
        self.length += 8 + row.len() + 8 * self.kinds.len();
        if self.length > ROWS_MAX {
            self.data.more = true;
            return;
        }
        let values = if command == Command::QUERY { text_row(row) } else { binary_row(row, &self.kinds) };
        match values {
            Some(values) => {
                self.data.rows.push(values.into_iter().map(|value| masking.value(value)).collect())
            }
            None => self.data.more = true,
        }
    }
}

fn text_row(row: &[u8]) -> Option<Vec<Value>> {
    const NULL: u8 = 0xFB;
    let mut reader = Reader::new(row);
    let mut values = Vec::new();
    while let Some(first) = reader.rest().first() {
        values.push(if *first == NULL {
            reader.u8();
            Value::Null
        } else {
            Value::Text(reader.sized()?.into())
        });
    }
    Some(values)
}

fn binary_row(row: &[u8], kinds: &[u16]) -> Option<Vec<Value>> {
    let mut reader = Reader::new(row);
    reader.u8()?;
    // The bits of the first two belong to no column.
    let nulls = reader.take((kinds.len() + 9) / 8)?;
    let mut values = Vec::with_capacity(kinds.len());
    for (at, kind) in kinds.iter().enumerate() {
        let is_null = nulls.get((at + 2) / 8).is_some_and(|byte| byte >> ((at + 2) % 8) & 1 == 1);
        let value = if is_null { None } else { Some(execute::value(&mut reader, *kind)?) };
        values.push(Value::of_mysql(value, *kind));
    }
    Some(values)
}

/// The payload of an error.
pub(crate) fn error_of(payload: &[u8], masking: &Masking, is_secret: bool) -> ErrorText {
    let mut reader = Reader::new(payload.get(1..).unwrap_or_default());
    let code = reader.u16();
    let mut sqlstate = "HY000".to_owned();
    if let [b'#', state @ ..] = reader.rest()
        && let Some(state) = state.get(..5)
    {
        sqlstate = String::from_utf8_lossy(state).into_owned();
        reader.take(6);
    }
    let message = if is_secret { "***".into() } else { masking.text(reader.rest()).0 };
    ErrorText { code, sqlstate, message }
}
