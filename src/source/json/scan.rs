//! The structure of a JSON text, followed without holding it: where its values begin and end.
//!
//! Brackets and strings are followed, what stands between them is not judged: whoever keeps a value parses it. Must
//! never hold more than a piece of the text, the brackets that are open, and of a kept value as much as the cap.

use std::io::{self, Read};

use crate::source::lines::CAP;

const BUFFER: usize = 128 * 1024;

/// Most brackets that may be open at once.
const DEPTH: usize = 10_000;

/// Why a text can't be followed any further.
#[derive(Debug)]
pub(super) enum Fault {
    /// It could not be read.
    Io(io::Error),
    /// It is no JSON here.
    Broken(Place, String),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A place in a text, both counted from one; columns are bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub line: u64,
    pub column: u64,
}

/// A JSON text and how far it has been followed.
pub(super) struct Scanner<R> {
    text: R,
    buffer: Box<[u8]>,
    at: usize,
    filled: usize,
    line: u64,
    /// Bytes of the text before the buffer.
    passed: u64,
    /// Byte of the text at which the line begins.
    line_begins: u64,
    /// The value that is being kept, cut behind the cap.
    kept: Vec<u8>,
    /// Where in the buffer the part of it begins that is not yet kept.
    keeping: Option<usize>,
}

impl<R: Read> Scanner<R> {
    /// At the beginning of `text`.
    pub fn new(text: R) -> Self {
        let (buffer, kept) = (vec![0; BUFFER].into(), Vec::new());
        Self { text, buffer, at: 0, filled: 0, line: 1, passed: 0, line_begins: 0, kept, keeping: None }
    }

    /// Where it stands.
    pub fn place(&self) -> Place {
        Place { line: self.line, column: self.passed + self.at as u64 - self.line_begins + 1 }
    }

    /// The value that was kept last.
    pub fn kept(&self) -> &[u8] {
        &self.kept
    }

    /// The byte at hand; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, Fault> {
        if self.at == self.filled {
            self.refill()?;
        }
        Ok(self.buffer[..self.filled].get(self.at).copied())
    }

    fn refill(&mut self) -> io::Result<()> {
        self.keep();
        self.passed += self.filled as u64;
        (self.at, self.filled) = (0, 0);
        self.filled = loop {
            match self.text.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        Ok(())
    }

    /// Moves what is to be kept out of the buffer.
    fn keep(&mut self) {
        if let Some(from) = self.keeping {
            let room = usize::try_from(CAP).unwrap_or(usize::MAX).saturating_add(1).saturating_sub(self.kept.len());
            let piece = &self.buffer[from..self.at];
            self.kept.extend_from_slice(&piece[..piece.len().min(room)]);
            self.keeping = Some(0);
        }
    }

    /// Passes over the byte at hand.
    pub fn pass(&mut self) {
        let byte = self.buffer[self.at];
        self.at += 1;
        if byte == b'\n' {
            self.line += 1;
            self.line_begins = self.passed + self.at as u64;
        }
    }

    /// Passes over white space; the byte behind it.
    pub fn space(&mut self) -> Result<Option<u8>, Fault> {
        while let Some(byte) = self.peek()? {
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Ok(Some(byte));
            }
            self.pass();
        }
        Ok(None)
    }

    /// Passes over white space and one of these bytes, which it gives back.
    pub fn one_of(&mut self, wanted: &'static [u8]) -> Result<u8, Fault> {
        match self.space()? {
            Some(byte) if wanted.contains(&byte) => {
                self.pass();
                Ok(byte)
            }
            found => Err(self.unexpected(found, &shown(wanted))),
        }
    }

    /// What is wrong with the byte at hand.
    pub fn unexpected(&self, found: Option<u8>, wanted: &str) -> Fault {
        let found = match found {
            None => "the text ends".to_owned(),
            Some(byte) if byte.is_ascii_graphic() => format!("there is `{}`", char::from(byte)),
            Some(byte) => format!("there is the byte 0x{byte:02x}"),
        };
        Fault::Broken(self.place(), format!("{found} where {wanted} should be"))
    }

    /// Passes over a value and keeps it.
    pub fn keep_value(&mut self) -> Result<Place, Fault> {
        self.space()?;
        let place = self.place();
        self.kept.clear();
        self.kept.shrink_to(BUFFER);
        self.keeping = Some(self.at);
        let passed = self.value();
        self.keep();
        self.keeping = None;
        passed.map(|()| place)
    }

    /// Passes over a value.
    pub fn value(&mut self) -> Result<(), Fault> {
        match self.space()? {
            Some(b'{' | b'[') => self.nested(),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9' | b'a'..=b'z') => self.bare(),
            found => Err(self.unexpected(found, "a value")),
        }
    }

    fn nested(&mut self) -> Result<(), Fault> {
        let mut open: Vec<u8> = Vec::new();
        loop {
            let found = self.peek()?;
            match found {
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{') => open.push(b'}'),
                Some(b'[') => open.push(b']'),
                Some(b'}' | b']') if open.last().copied() == found => _ = open.pop(),
                None | Some(b'}' | b']') => {
                    let wanted = open.last().map_or_else(String::new, |byte| shown(&[*byte]));
                    return Err(self.unexpected(found, &wanted));
                }
                Some(_) => {}
            }
            if open.len() > DEPTH {
                return Err(Fault::Broken(self.place(), format!("more than {DEPTH} brackets are open")));
            }
            self.pass();
            if open.is_empty() {
                return Ok(());
            }
        }
    }

    fn string(&mut self) -> Result<(), Fault> {
        let place = self.place();
        self.pass();
        while let Some(byte) = self.peek()? {
            self.pass();
            match byte {
                b'"' => return Ok(()),
                b'\\' if self.peek()?.is_some() => self.pass(),
                _ => {}
            }
        }
        Err(Fault::Broken(place, "the quote that opens here is never closed".to_owned()))
    }

    /// A number, or true, false or null.
    fn bare(&mut self) -> Result<(), Fault> {
        while let Some(b'-' | b'+' | b'.' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z') = self.peek()? {
            self.pass();
        }
        Ok(())
    }
}

fn shown(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().map(|byte| format!("`{}`", char::from(*byte))).collect();
    shown.join(" or ")
}
