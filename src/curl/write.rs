//! A curl command as text, ready to paste into a shell.

use super::words::quote;

/// A word of a command: texts, and variables that the shell fills in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Word(String);

impl Word {
    /// A word that is this text and nothing else.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self(quote(text))
    }

    /// With more text.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        if !text.is_empty() {
            self.0 += &quote(text);
        }
        self
    }

    /// With the value of a variable.
    #[must_use]
    pub fn variable(mut self, name: &str) -> Self {
        self.0 += &format!("\"${{{name}}}\"");
        self
    }

    /// With what a file holds, without its last line ends.
    #[must_use]
    pub fn file(mut self, path: &str) -> Self {
        self.0 += &format!("\"$(cat {})\"", quote(path));
        self
    }

    /// As a shell reads it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A curl command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    url: Word,
    flags: Vec<(&'static str, Option<Word>)>,
}

impl Command {
    /// A command that asks this URL.
    #[must_use]
    pub fn new(url: Word) -> Self {
        Self { url, flags: Vec::new() }
    }

    /// With a flag that has no value.
    pub fn flag(&mut self, flag: &'static str) {
        self.flags.push((flag, None));
    }

    /// With a flag and its value.
    pub fn set(&mut self, flag: &'static str, value: Word) {
        self.flags.push((flag, Some(value)));
    }

    /// The command, a flag a line.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("curl {}", self.url.as_str());
        for (flag, value) in &self.flags {
            text += &format!(" \\\n  {flag}");
            if let Some(value) = value {
                text += &format!(" {}", value.as_str());
            }
        }
        text
    }
}
