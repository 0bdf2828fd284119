//! A call: a row, or a chunk of rows, with all that must be remembered of it between two attempts.
//!
//! Plain data; must never decide what becomes of the row.

use std::sync::Arc;

use http::Uri;
use serde_json::{Map, Value};

use crate::clock::Instant;
use crate::row::Row;

use super::batch::BatchTicket;
use super::chunk::Cut;
use super::stream::Heard;
use super::taking::Taking;
use super::walk::{Page, Walk};

/// One row, or one chunk of rows, on its way through an endpoint.
#[derive(Debug)]
pub struct Call {
    /// The row; for a chunk one that holds its rows, and has the ordinal of the first.
    pub row: Arc<Row>,
    /// Position among the rows of this session, of a chunk that of its first row.
    pub sequence: u64,
    /// Positions of all rows of a chunk.
    sequences: Option<Box<[u64]>>,
    /// The page of its walk that it asks for; `None`: it is no walk.
    pub page: Option<Box<Page>>,
    /// The walk that its pages belong to.
    pub walk: Option<Arc<Walk>>,
    /// What it has heard so far, where its messages are collected.
    pub heard: Option<Box<Heard>>,
    /// Attempts made so far.
    pub attempts: u32,
    /// Attempts that count towards `retry.attempts`: none that was throttled, or failed in an outage.
    pub spent: u32,
    /// Times in a row that it was throttled.
    pub throttled: u32,
    /// Since when every attempt of it is throttled.
    pub throttled_since: Option<Instant>,
    /// Whether the next attempt is one that the retry budget pays for.
    pub on_budget: bool,
    /// Whether the retry budget knows that it is sent.
    pub counted: bool,
    /// Why the attempt before was not the last, in a word.
    pub again_after: Option<String>,
    /// What it sleeps for, where that is not a retry of its own.
    pub postponed: Option<Wait>,
    /// Whether it has slept for its turn at a limit: then it waits there for the rest.
    pub placed: bool,
    /// What it asked to go with while it is postponed, so that a wake in vain costs no more than the question.
    pub asks: Option<Box<Asks>>,
    /// When the row as a whole is out of time (`timeout.row`); set when it is first taken.
    pub deadline: Option<Instant>,
    /// Tells its batch when the call has ended; dropped with the call.
    pub ticket: Option<BatchTicket>,
}

impl Call {
    /// A row that was not sent yet.
    #[must_use]
    pub fn new(row: Arc<Row>, sequence: u64, ticket: Option<BatchTicket>) -> Self {
        Self {
            row,
            sequence,
            sequences: None,
            page: None,
            walk: None,
            heard: None,
            attempts: 0,
            spent: 0,
            throttled: 0,
            throttled_since: None,
            on_budget: false,
            counted: false,
            again_after: None,
            postponed: None,
            placed: false,
            asks: None,
            deadline: None,
            ticket,
        }
    }

    /// A row on its walk through pages, where that stands.
    #[must_use]
    pub fn walking(self, walk: Walk) -> Self {
        Self { page: walk.start().map(Box::new), walk: Some(Arc::new(walk)), ..self }
    }

    /// Rows that go out in one request, each with its position; at least one.
    #[must_use]
    pub fn chunk(rows: &[(u64, Arc<Row>)], ticket: Option<BatchTicket>) -> Self {
        let (sequences, rows): (Vec<u64>, Vec<Arc<Row>>) = rows.iter().cloned().unzip();
        let row = Row::chunk(rows);
        let sequence = sequences.first().copied().unwrap_or_default();
        Self { sequences: Some(sequences.into()), ..Self::new(Arc::new(row), sequence, ticket) }
    }

    /// The last record of the row, by column, where its templates look at it.
    #[must_use]
    pub fn last(&self) -> Option<Map<String, Value>> {
        self.heard.as_ref().and_then(|heard| heard.note.last.clone())
    }

    /// The rows it is for, each with its position.
    pub fn members(&self) -> impl Iterator<Item = (&Arc<Row>, u64)> {
        let sequences = self.sequences.as_deref().unwrap_or(std::slice::from_ref(&self.sequence));
        self.row.members().iter().zip(sequences.iter().copied())
    }

    /// The same row, as a call for a page of its walk that was not asked for yet.
    #[must_use]
    pub fn on(&self, page: Page) -> Self {
        let again = Self::new(Arc::clone(&self.row), self.sequence, self.ticket.clone());
        Self { page: Some(Box::new(page)), walk: self.walk.clone(), deadline: self.deadline, ..again }
    }

    /// A chunk in two halves, each as if it had not been sent yet; `None`: it has only one row.
    #[must_use]
    pub fn halves(&self, cut: Cut) -> Option<[Self; 2]> {
        let members: Vec<_> = self.members().map(|(row, sequence)| (sequence, Arc::clone(row))).collect();
        let ordinals: Vec<u64> = members.iter().map(|(_, row)| row.ordinal).collect();
        let half_of_it = cut.half(&ordinals)?;
        let half = |rows: &[_]| Self { deadline: self.deadline, ..Self::chunk(rows, self.ticket.clone()) };
        let (first, second) = members.split_at(half_of_it);
        Some([half(first), half(second)])
    }
}

/// What a call waits for without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// A host that is out.
    Outage,
    /// The budget of retries.
    Budget,
    /// Its turn at a limit with a bucket for each key.
    Place,
}

impl Wait {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Outage => "its host is out",
            Self::Budget => "retry.budget is empty",
            Self::Place => "its turn at a limit of its key has not come",
        }
    }
}

/// A call that may not go yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Postponed {
    /// When to ask again, at the earliest.
    pub until: Instant,
    /// What for.
    pub wait: Wait,
}

/// What decides whether a call may go.
#[derive(Debug)]
pub struct Asks {
    /// Where its request goes.
    pub url: Uri,
    /// What it takes of limits, where that is its own.
    pub takings: Vec<Taking>,
}
