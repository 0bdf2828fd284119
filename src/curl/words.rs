//! Words of a POSIX shell, as far as a pasted command has them: quotes, escapes, comments and names of variables.
//!
//! Must never look into the environment: a variable stays a name, so that its value is written nowhere.

use std::iter::Peekable;
use std::str::Chars;

/// A text in which references to variables stand between two marks that no command holds.
pub type Text = String;

/// Before the name of a variable in a [`Text`].
pub(super) const OPEN: char = '\u{F8F0}';

/// Behind the name of a variable in a [`Text`].
pub(super) const CLOSE: char = '\u{F8F1}';

/// A piece of a [`Text`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference<'t> {
    /// Text as it is.
    Literal(&'t str),
    /// A variable of the environment, by its name.
    Variable(&'t str),
}

/// The pieces of a text.
#[must_use]
pub fn parts(text: &str) -> Vec<Reference<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (name, behind) = after.split_once(CLOSE).unwrap_or((after, ""));
        if !before.is_empty() {
            parts.push(Reference::Literal(before));
        }
        parts.push(Reference::Variable(name));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Reference::Literal(rest));
    }
    parts
}

/// A reference to a variable, in a [`Text`].
pub(super) fn variable(name: &str) -> Text {
    format!("{OPEN}{name}{CLOSE}")
}

/// Cuts a command into words.
///
/// # Errors
/// In words, when it is no single command of a POSIX shell.
pub(super) fn split(line: &str) -> Result<Vec<Text>, String> {
    if line.contains([OPEN, CLOSE]) {
        return Err("the command holds a private character (U+F8F0), which can't be read".to_owned());
    }
    if line.contains("^\"") || line.lines().any(|line| line.trim_end().ends_with(" ^")) {
        return Err("the command was copied for cmd.exe; choose \"Copy as cURL (bash)\" in the browser".to_owned());
    }
    let mut reader = Reader { rest: line.chars().peekable(), words: Vec::new(), word: None };
    while let Some(c) = reader.rest.next() {
        reader.step(c)?;
    }
    reader.end();
    Ok(reader.words)
}

struct Reader<'t> {
    rest: Peekable<Chars<'t>>,
    words: Vec<Text>,
    word: Option<Text>,
}

impl Reader<'_> {
    fn step(&mut self, c: char) -> Result<(), String> {
        match c {
            ' ' | '\t' | '\r' | '\n' => self.end(),
            '#' if self.word.is_none() => while self.rest.next_if(|c| *c != '\n').is_some() {},
            '\'' => self.single()?,
            '"' => self.double()?,
            '\\' => match self.rest.next() {
                // A pasted text may have line ends of another system.
                Some('\r') if self.rest.next_if_eq(&'\n').is_some() => {}
                Some('\n') | None => {}
                Some(c) => self.push(c),
            },
            '$' if self.rest.next_if_eq(&'\'').is_some() => self.ansi()?,
            '$' => self.variable()?,
            '`' => return Err(substitution("`")),
            ';' if self.rest.clone().all(char::is_whitespace) => self.end(),
            '&' | '|' | ';' | '<' | '>' | '(' | ')' => {
                return Err(format!(
                    "`{c}` outside of quotes ends the command for a shell; give the curl command alone, \
                     and quote URLs that hold it: 'https://..'"
                ));
            }
            c => self.push(c),
        }
        Ok(())
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn end(&mut self) {
        self.words.extend(self.word.take());
    }

    fn single(&mut self) -> Result<(), String> {
        let word = self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('\'') => return Ok(()),
                Some(c) => word.push(c),
                None => return Err(open('\'')),
            }
        }
    }

    fn double(&mut self) -> Result<(), String> {
        self.word.get_or_insert_default();
        loop {
            match self.rest.next() {
                Some('"') => return Ok(()),
                Some('\\') => match self.rest.next() {
                    Some('\n') => {}
                    Some(c @ ('$' | '`' | '"' | '\\')) => self.push(c),
                    Some(c) => {
                        self.push('\\');
                        self.push(c);
                    }
                    None => return Err(open('"')),
                },
                Some('$') => self.variable()?,
                Some('`') => return Err(substitution("`")),
                Some(c) => self.push(c),
                None => return Err(open('"')),
            }
        }
    }

    /// Behind a `$`.
    fn variable(&mut self) -> Result<(), String> {
        let braced = match self.rest.peek() {
            Some('(') => return Err(substitution("$(")),
            Some('{') => self.rest.next().is_some(),
            Some(c) if c.is_ascii_alphabetic() || *c == '_' => false,
            _ => {
                self.push('$');
                return Ok(());
            }
        };
        let mut name = String::new();
        while let Some(c) = self.rest.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
            name.push(c);
        }
        if braced && (name.is_empty() || self.rest.next() != Some('}')) {
            return Err(format!("`${{{name}` is more than the name of a variable; write `${{NAME}}`"));
        }
        *self.word.get_or_insert_default() += &variable(&name);
        Ok(())
    }

    /// Within `$'..'`: what bash calls ANSI-C quoting, which browsers write.
    fn ansi(&mut self) -> Result<(), String> {
        let mut bytes = Vec::new();
        loop {
            match self.rest.next() {
                Some('\'') => break,
                Some('\\') => self.escape(&mut bytes)?,
                Some(c) => bytes.extend(c.to_string().bytes()),
                None => return Err(open('\'')),
            }
        }
        let text = String::from_utf8(bytes)
            .map_err(|_| "$'..' holds bytes that are no UTF-8; send them from a file with --data-binary @FILE")?;
        *self.word.get_or_insert_default() += &text;
        Ok(())
    }

    fn escape(&mut self, bytes: &mut Vec<u8>) -> Result<(), String> {
        let Some(c) = self.rest.next() else { return Err(open('\'')) };
        let plain = |c: char| match c {
            'a' => Some(7),
            'b' => Some(8),
            'e' | 'E' => Some(27),
            'f' => Some(12),
            'n' => Some(b'\n'),
            'r' => Some(b'\r'),
            't' => Some(b'\t'),
            'v' => Some(11),
            '\\' | '\'' | '"' | '?' => u8::try_from(c).ok(),
            _ => None,
        };
        if let Some(byte) = plain(c) {
            bytes.push(byte);
            return Ok(());
        }
        match c {
            'x' => bytes.push(self.digits(16, 2).and_then(|code| u8::try_from(code).ok()).ok_or_else(|| bad(c))?),
            'u' | 'U' => {
                let code = self.digits(16, if c == 'u' { 4 } else { 8 }).ok_or_else(|| bad(c))?;
                let c = self.unicode(code).ok_or_else(|| bad(c))?;
                bytes.extend(c.to_string().bytes());
            }
            '0'..='7' => {
                let first = c.to_digit(8).unwrap_or_default();
                let rest = self.octal();
                bytes.push(u8::try_from(rest.iter().fold(first, |code, digit| code * 8 + digit)).map_err(|_| bad(c))?);
            }
            c => bytes.extend(format!("\\{c}").bytes()),
        }
        Ok(())
    }

    /// Browsers write letters beyond the first 65,536 as two halves.
    fn unicode(&mut self, code: u32) -> Option<char> {
        if !(0xD800..0xDC00).contains(&code) {
            return char::from_u32(code);
        }
        if self.rest.next()? != '\\' || self.rest.next()? != 'u' {
            return None;
        }
        let low = self.digits(16, 4).filter(|low| (0xDC00..0xE000).contains(low))?;
        char::from_u32(0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00))
    }

    fn octal(&mut self) -> Vec<u32> {
        let mut digits = Vec::new();
        while digits.len() < 2
            && let Some(c) = self.rest.next_if(|c| c.is_digit(8))
        {
            digits.extend(c.to_digit(8));
        }
        digits
    }

    fn digits(&mut self, radix: u32, most: usize) -> Option<u32> {
        let mut text = String::new();
        while text.len() < most
            && let Some(c) = self.rest.next_if(|c| c.is_digit(radix))
        {
            text.push(c);
        }
        u32::from_str_radix(&text, radix).ok()
    }
}

fn open(quote: char) -> String {
    format!("a quote {quote} is not closed: was the command cut off?")
}

fn bad(c: char) -> String {
    format!("$'..' holds an escape \\{c} that makes no character")
}

fn substitution(what: &str) -> String {
    format!("the command runs another one ({what}), which is not done here; put its output into a variable: \"$NAME\"")
}

/// A literal text as a shell reads it back.
#[must_use]
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "@%+=:,./-_".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
