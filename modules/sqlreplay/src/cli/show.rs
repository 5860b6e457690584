//! `sqlreplay show`.

use std::collections::HashMap;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use super::{Failure, SessionName};
use crate::inspect::on_one_line;
use crate::inspect::show::{lines, outcome_lines};
use crate::recording::Reader;
use crate::recording::record::Record;

/// What `show` is asked for.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The recording
    file: PathBuf,
    /// A session, by its client's port, or by its number: #1 (may be repeated; without it, all)
    #[arg(long, value_name = "PORT")]
    session: Vec<SessionName>,
    /// No more statements than this
    #[arg(long, value_name = "COUNT", default_value_t = u64::MAX, hide_default_value = true)]
    limit: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let mut reader = Reader::open(&arguments.file)?;
    let mut names = HashMap::new();
    let mut left = arguments.limit;
    let mut found = false;
    while let Some((_, record)) = reader.next()? {
        let text = match record {
            Record::Session(session) => {
                if !SessionName::any(&arguments.session, session.session, &session.client) {
                    continue;
                }
                found = true;
                names.insert(session.session, crate::inspect::texts::Names::default());
                let refused = session.refused.map_or(String::new(), |error| {
                    format!(" refused: {} {}", error.name(), on_one_line(&error.message.shown(), 200))
                });
                let (user, database) = (session.user.shown(), session.database.shown());
                let at = session.at.seconds();
                let number = session.session;
                format!("{at:>12.6} session #{number} of {}: {user} in {database}{refused}\n", session.client)
            }
            Record::Statement(statement) => match names.get_mut(&statement.session) {
                Some(names) if left > 0 => {
                    left -= 1;
                    lines(&statement, names)
                }
                _ => continue,
            },
            Record::Answer(answer) if left > 0 && names.contains_key(&answer.session) => {
                let took = answer.took.0 as f64 / 1e3;
                let outcomes = answer.answer.iter().map(|outcome| outcome_lines(outcome, 26));
                format!("{:>12} {took:>8.3} ms  (the answer)\n{}", "", outcomes.collect::<String>())
            }
            Record::Cancel(cancel) if names.contains_key(&cancel.session) => {
                format!("{:>12.6} cancel\n", cancel.at.seconds())
            }
            Record::End(end) => match names.remove(&end.session) {
                Some(_) => {
                    let error = end.error.map_or(String::new(), |error| {
                        format!(": {} {}", error.name(), on_one_line(&error.message.shown(), 200))
                    });
                    let by = serde_json::to_string(&end.by)?;
                    format!(
                        "{:>12.6} end of session #{} by {}{error}\n",
                        end.at.seconds(),
                        end.session,
                        by.trim_matches('"')
                    )
                }
                None => continue,
            },
            Record::Header(_) | Record::Answer(_) | Record::Cancel(_) | Record::Skipped(_) => continue,
        };
        super::print(&text)?;
    }
    if !found && !arguments.session.is_empty() {
        return Err(Failure::Other(format!(
            "{} has no such session: sqlreplay sessions lists them",
            arguments.file.display()
        )));
    }
    Ok(ExitCode::SUCCESS)
}
