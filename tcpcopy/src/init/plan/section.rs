//! A section of the plan: commands for one host, to be pasted at once.

use std::fmt;

/// The start of each title, by which a script finds the sections.
const TITLE: &str = "# ==== ";

/// Comments and commands under a title.
#[derive(Debug)]
pub(super) struct Section {
    title: String,
    body: String,
}

impl Section {
    pub(super) fn new(title: String) -> Self {
        Self { title, body: String::new() }
    }

    /// Adds a comment, of a line or several.
    pub(super) fn note(mut self, comment: impl AsRef<str>) -> Self {
        for line in comment.as_ref().lines() {
            self.body.push_str("# ");
            self.body.push_str(line);
            self.body.push('\n');
        }
        self
    }

    /// Adds a comment, and the command that it describes.
    pub(super) fn run(mut self, comment: impl AsRef<str>, command: impl fmt::Display) -> Self {
        self = self.note(comment);
        self.body.push_str(&command.to_string());
        self.body.push('\n');
        self
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\n{TITLE}{}\n{}", self.title, self.body.trim_end())
    }
}
