//! Words of a command for a shell.

use std::fmt;

/// A command: its words, which [`fmt::Display`] quotes where a shell needs that.
#[derive(Debug, Clone)]
pub(super) struct Words(Vec<String>);

impl Words {
    pub(super) fn new(words: &[&str]) -> Self {
        Self(words.iter().map(|&word| word.to_owned()).collect())
    }

    /// Adds a flag and its value.
    pub(super) fn flag(mut self, flag: &str, value: impl fmt::Display) -> Self {
        self.0.extend([flag.to_owned(), value.to_string()]);
        self
    }

    /// Adds a flag with its value, if there is one.
    pub(super) fn flag_if(self, flag: &str, value: Option<impl fmt::Display>) -> Self {
        match value {
            Some(value) => self.flag(flag, value),
            None => self,
        }
    }

    /// Adds words.
    pub(super) fn and(mut self, words: &[&str]) -> Self {
        self.0.extend(words.iter().map(|&word| word.to_owned()));
        self
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(&quoted(word))?;
        }
        Ok(())
    }
}

/// A word as a shell reads it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        let words = Words::new(&["tcpcopy", "-d"]).flag("-x", "80-[fd20::1]:80").flag_if("-i", None::<&str>);
        let words = words.and(&["it's $HOME", ""]);
        assert_eq!(words.to_string(), r"tcpcopy -d -x '80-[fd20::1]:80' 'it'\''s $HOME' ''");
    }
}
