//! Where the records of a spool belong, and what is said between the courier and it.
//!
//! Must never be told of a line that the journal does not stand for.

use serde::Deserialize;
use serde_json::Value;

use super::Head;
use crate::sink::webhook::Sender;

/// Why a destination did not take what it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setback {
    /// It can't be reached, is locked or full: the same may go well later.
    Away(String),
    /// It will never take this; a person has to mend something.
    Refused(String),
}

impl Setback {
    /// What was said.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub fn words(&self) -> &str {
        match self {
            Self::Away(words) | Self::Refused(words) => words,
        }
    }

    /// With other words.
    pub fn map(self, change: impl FnOnce(String) -> String) -> Self {
        match self {
            Self::Away(words) => Self::Away(change(words)),
            Self::Refused(words) => Self::Refused(change(words)),
        }
    }
}

/// A line of a spool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line {
    /// A record: the values of [`Head::columns`].
    Record(Vec<Value>),
    /// One record with these values has to go: that of a failed row, which was sent again.
    Take(Vec<Value>),
}

/// A record that has to go.
#[derive(Deserialize)]
struct Taken {
    take: Vec<Value>,
}

impl Line {
    pub fn parse(line: &[u8]) -> Result<Self, serde_json::Error> {
        match line.first() {
            Some(b'{') => serde_json::from_slice(line).map(|Taken { take }| Self::Take(take)),
            _ => serde_json::from_slice(line).map(Self::Record),
        }
    }

    /// The line that has a record taken out.
    pub fn take(record: &str) -> String {
        format!("{{\"take\":{record}}}\n")
    }
}

/// How much is carried in one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Bytes of the spool, of which the last line may be over.
    pub bytes: u64,
    /// Most lines.
    pub lines: usize,
    /// Whether a step waits until so many bytes or lines are there, or nothing comes any more.
    pub is_full: bool,
}

impl Default for Load {
    fn default() -> Self {
        Self { bytes: 4 << 20, lines: usize::MAX, is_full: false }
    }
}

/// The lines of a step, read as they are asked for. After an error there is none.
pub(crate) type Lines<'l> = dyn Iterator<Item = Result<Line, Setback>> + 'l;

/// Where the records of a spool belong. Blocking: lives on the courier's thread.
pub(crate) trait Destination: Send {
    /// Connects where that is needed, makes what it writes to where that is not there, and says how far it has come: 0 at
    /// the beginning of a run. Asked before each delivery; where nothing was lost it knows without asking anybody.
    fn reach(&mut self, head: &Head) -> Result<u64, Setback>;

    /// Takes what sends its requests, before anything else is asked of it.
    fn equip(&mut self, sender: Box<dyn Sender>) {
        drop(sender);
    }

    /// How much it takes in one step.
    fn load(&self) -> Load {
        Load::default()
    }

    /// Where a step ends that was begun, and that has to be done again as it was.
    fn begun(&self) -> Option<u64> {
        None
    }

    /// Takes all of these lines and notes that it has come to `to`, or nothing of both; how many records had to go and were
    /// not there.
    fn deliver(&mut self, head: &Head, from: u64, to: u64, lines: &mut Lines<'_>) -> Result<u64, Setback>;

    /// The run is whole and all of its records are here: what was to go then goes. Done again where it was not heard.
    fn complete(&mut self) -> Result<(), Setback> {
        Ok(())
    }
}
