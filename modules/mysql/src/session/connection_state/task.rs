//! What a new connection is told.

use super::repeats::Said;
use super::variable::Variable;
use crate::statements::table::Serial;

/// One command of the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Task {
    Say {
        said: Said,
        sets: Vec<Variable>,
    },
    /// COM_STMT_PREPARE.
    Prepare(Serial),
    LastInsertId(u64),
    /// The beginning of a transaction that has only read.
    Begin(Box<[u8]>),
}

impl Task {
    /// It takes a statement id.
    pub(crate) fn prepares_in_sql(&self) -> bool {
        let prepares = |variable: &Variable| matches!(variable, Variable::Prepared(_));
        matches!(self, Self::Say { sets, .. } if sets.iter().any(prepares))
    }

    /// The memory that is allocated for it, roughly, in bytes.
    pub(crate) fn memory(&self) -> usize {
        match self {
            Self::Say { said, sets } => said.memory() + sets.capacity() * size_of::<Variable>(),
            Self::Begin(text) => text.len(),
            Self::Prepare(_) | Self::LastInsertId(_) => 0,
        }
    }
}
