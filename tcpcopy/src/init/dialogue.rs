//! Asks a user in a terminal, until the answer can be used.

use std::io::{BufRead, Read, Write};

use super::error::InitError;

/// The longest line that is read, in bytes.
const LINE_MAX: u64 = 4096;

/// A question about one flag.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The flag with its value, for the error where nobody can be asked.
    pub(super) flag: &'static str,
    /// What is wanted.
    pub(super) what: &'static str,
    /// The meaning of an empty line, if it has one.
    pub(super) default: Option<String>,
}

/// A user who can be asked.
pub(super) struct Dialogue<'a> {
    input: &'a mut dyn BufRead,
    output: &'a mut dyn Write,
}

impl<'a> Dialogue<'a> {
    pub(super) fn new(input: &'a mut dyn BufRead, output: &'a mut dyn Write) -> Self {
        Self { input, output }
    }

    /// Asks until `read` accepts the answer.
    ///
    /// # Errors
    /// The end of the input, or of the terminal.
    pub(super) fn ask<T>(
        &mut self,
        question: &Question,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, InitError> {
        loop {
            write!(self.output, "{}", capitalised(question.what))?;
            if let Some(default) = question.default.as_ref().filter(|default| !default.is_empty()) {
                write!(self.output, " [{default}]")?;
            }
            write!(self.output, ": ")?;
            self.output.flush()?;
            let line = self.line()?;
            let answer = match (line.trim(), &question.default) {
                ("", Some(default)) => default,
                (answer, _) => answer,
            };
            match read(answer) {
                Ok(answer) => return Ok(answer),
                Err(problem) => writeln!(self.output, "  {problem}")?,
            }
        }
    }

    fn line(&mut self) -> Result<String, InitError> {
        let mut line = Vec::new();
        self.input.take(LINE_MAX).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            // The error must not follow the question.
            writeln!(self.output)?;
            return Err(InitError::InputEnded);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }
}

/// A question begins with a capital letter, while an error has the same words inside.
fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).collect()
}
