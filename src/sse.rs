//! Event streams, `text/event-stream`, as the HTML Standard reads them (WHATWG HTML §9.2.6): bytes in, cut anywhere, events out.
//!
//! Knows nothing of connections: who reconnects, and when, is the caller's affair. Must never wait for a byte that is not
//! needed (an event is there with the first byte of the line end behind it), and never hold more than a few times the
//! largest event.

use std::collections::VecDeque;
use std::time::Duration;

use crate::retry::{Failure, FailureKind};

/// What an event is called that is not given a type.
const MESSAGE: &str = "message";

/// Bytes of a line that may stand before the value of a field that we know: a byte order mark, the longest name, the colon, a space.
const BEFORE_VALUE: u64 = 3 + 5 + 2;

/// A byte order mark in UTF-8: passed over once, at the very beginning.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its type; `message` where the server gives none.
    pub kind: String,
    /// The last id that the server gave, with this event or one before it; `None`: none, or an empty one.
    pub id: Option<String>,
    /// What it says; its lines are parted by line feeds.
    pub data: String,
}

/// A stream of events on its way in. What is not ended by an empty line when the stream ends is no event.
///
/// ```
/// # use paceline::sse::Parser;
/// let mut parser = Parser::new(1 << 20);
/// parser.feed(b"event: tick\nid: 7\nda").unwrap();
/// assert_eq!(parser.next(), None);
/// parser.feed(b"ta: 1.5\n\n").unwrap();
/// let event = parser.next().unwrap();
/// assert_eq!((event.kind.as_str(), event.id.as_deref(), event.data.as_str()), ("tick", Some("7"), "1.5"));
/// ```
#[derive(Debug)]
pub struct Parser {
    max_message: u64,
    /// Of the line that has not ended, what came before this piece.
    line: Vec<u8>,
    /// Whether the line that has not ended is a comment, of which nothing is kept.
    in_comment: bool,
    /// Whether the last byte was a carriage return: a line feed behind it ends no other line.
    returned: bool,
    /// Whether no line has ended yet.
    first: bool,
    /// Lines of data, each with its line feed.
    data: String,
    kind: String,
    /// The id as it stands in the lines so far.
    id: String,
    /// The id as of the last empty line: what a reconnect tells the server.
    last_id: String,
    retry: Option<Duration>,
    comments: u64,
    events: VecDeque<Event>,
    broken: bool,
}

impl Parser {
    /// Ready for the first byte of a stream whose largest event has so many bytes of data.
    #[must_use]
    pub fn new(max_message: u64) -> Self {
        Self {
            max_message,
            line: Vec::new(),
            in_comment: false,
            returned: false,
            first: true,
            data: String::new(),
            kind: String::new(),
            id: String::new(),
            last_id: String::new(),
            retry: None,
            comments: 0,
            events: VecDeque::new(),
            broken: false,
        }
    }

    /// The same, for a stream that goes on after an event: its id is the last one until the server gives another, as browsers
    /// keep it over a reconnect.
    #[must_use]
    pub fn resume(self, id: impl Into<String>) -> Self {
        let id = id.into();
        Self { last_id: id.clone(), id, ..self }
    }

    /// Takes a piece; what it completes is given by [`Iterator::next`].
    ///
    /// # Errors
    /// [`FailureKind::TooLarge`] when a line or the data of an event is larger than may be, now and from then on; events before it
    /// are given nevertheless.
    pub fn feed(&mut self, mut piece: &[u8]) -> Result<(), Failure> {
        if self.broken {
            return Err(self.too_large());
        }
        if self.returned && piece.first() == Some(&b'\n') {
            piece = &piece[1..];
            self.returned = false;
        }
        while let Some(end) = piece.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (line, rest) = piece.split_at(end);
            self.hold(line, true)?;
            self.returned = rest == b"\r";
            piece = if rest.starts_with(b"\r\n") { &rest[2..] } else { &rest[1..] };
        }
        if !piece.is_empty() {
            self.returned = false;
            self.hold(piece, false)?;
        }
        Ok(())
    }

    /// How long the server wants us to wait before a reconnect, as it last said.
    #[must_use]
    pub fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// The id that a reconnect names in `Last-Event-ID`: the last one that was ended by an empty line. `None`: none, or an empty one.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        Some(self.last_id.as_str()).filter(|id| !id.is_empty())
    }

    /// Comments so far: what servers send to show that they are there.
    #[must_use]
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Takes more of a line, and reads it where it has `ended`. A line that comes in one piece is not copied.
    fn hold(&mut self, more: &[u8], ended: bool) -> Result<(), Failure> {
        self.in_comment |= self.line.is_empty() && more.first() == Some(&b':');
        if self.in_comment {
            if ended {
                (self.in_comment, self.first) = (false, false);
                self.comments += 1;
            }
            return Ok(());
        }
        if (self.line.len() + more.len()) as u64 > self.max_message.saturating_add(BEFORE_VALUE) {
            self.broken = true;
            return Err(self.too_large());
        }
        if !ended {
            self.line.extend_from_slice(more);
            return Ok(());
        }
        if self.line.is_empty() {
            return self.read(more);
        }
        let mut line = std::mem::take(&mut self.line);
        line.extend_from_slice(more);
        let read = self.read(&line);
        line.clear();
        self.line = line;
        read
    }

    /// Reads a whole line.
    fn read(&mut self, line: &[u8]) -> Result<(), Failure> {
        let marked = std::mem::take(&mut self.first).then(|| line.strip_prefix(MARK)).flatten();
        let line = marked.unwrap_or(line);
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            if line.is_empty() {
                self.dispatch();
                return Ok(());
            }
            return self.field(line, b"");
        };
        let value = &line[colon + 1..];
        self.field(&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
    }

    /// A field of the event. What is no UTF-8 becomes U+FFFD, as the Encoding Standard decodes it: line ends and colons are ASCII, so
    /// that a value by itself decodes as it does within the whole.
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Failure> {
        match name {
            b"data" => {
                let value = String::from_utf8_lossy(value);
                if (self.data.len() + value.len()) as u64 > self.max_message {
                    self.broken = true;
                    return Err(self.too_large());
                }
                self.data.push_str(&value);
                self.data.push('\n');
            }
            b"event" => put(&mut self.kind, &String::from_utf8_lossy(value)),
            b"id" if !value.contains(&0) => put(&mut self.id, &String::from_utf8_lossy(value)),
            b"retry" => self.retry = milliseconds(value).or(self.retry),
            // A comment behind a byte order mark; others come no further than `hold`.
            b"" => self.comments += 1,
            _ => {}
        }
        Ok(())
    }

    /// An empty line: what stands before it is an event, if it has data.
    fn dispatch(&mut self) {
        // Empty lines may come by the million.
        if self.last_id != self.id {
            put(&mut self.last_id, &self.id);
        }
        let kind = std::mem::take(&mut self.kind);
        if self.data.is_empty() {
            return;
        }
        let mut data = std::mem::take(&mut self.data);
        data.pop();
        let kind = if kind.is_empty() { MESSAGE.to_owned() } else { kind };
        self.events.push_back(Event { kind, id: self.last_id().map(str::to_owned), data });
    }

    fn too_large(&self) -> Failure {
        let message = format!("an event is larger than {} bytes (sse.max-message)", self.max_message);
        Failure::sent(FailureKind::TooLarge, message)
    }
}

impl Iterator for Parser {
    type Item = Event;

    /// The next event that is whole; `None`: more has to come.
    fn next(&mut self) -> Option<Event> {
        self.events.pop_front()
    }
}

fn put(place: &mut String, text: &str) {
    place.clear();
    place.push_str(text);
}

/// Digits and nothing else; more than anybody can wait is the longest that can be said.
fn milliseconds(value: &[u8]) -> Option<Duration> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digits = std::str::from_utf8(value).ok()?;
    Some(Duration::from_millis(digits.parse().unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests;
