//! What can't be judged by what is at hand: it looks at a head or a row that is not there.
//!
//! Must never be taken for a failure, nor for a success: it is told as not judged, with the reason.

use super::judge::Trial;
use crate::document::KeyPath;
use crate::plan::ColumnPlan;
use crate::template::Condition;

/// Something of the job that was not judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unjudged {
    /// The key.
    pub key: KeyPath,
    /// Why.
    pub why: Why,
}

/// Why something can't be judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It looks at headers, and the sample is a body alone.
    Head,
    /// It looks at the row, whose values are not known.
    Row,
}

impl Why {
    /// Each of them.
    pub const ALL: [Self; 2] = [Self::Head, Self::Row];

    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Head => "the sample has no head",
            Self::Row => "the values of the row are not known here",
        }
    }

    /// For programs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Head => "head",
            Self::Row => "row",
        }
    }
}

/// Why a condition can't be judged; `None`: it can.
pub(super) fn of_condition(trial: &Trial<'_>, condition: &Condition) -> Option<Why> {
    if !trial.sample.has_head && condition.uses_headers() {
        return Some(Why::Head);
    }
    (!trial.rows.known && condition.uses_row()).then_some(Why::Row)
}

/// Why a column can't be judged; `None`: it can.
pub(super) fn of_column(trial: &Trial<'_>, column: &ColumnPlan) -> Option<Why> {
    if !trial.sample.has_head && column.extractor.reads_headers() {
        return Some(Why::Head);
    }
    (!trial.rows.known && column.extractor.reads_row()).then_some(Why::Row)
}
