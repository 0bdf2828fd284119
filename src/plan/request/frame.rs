//! Frames that are sent over a socket: from a plan and a row to what goes out, and to what `plan` shows of it.
//!
//! Must never read a file; whoever sends does.

use super::{failure, unbuildable};
use crate::plan::BodyPlan;
use crate::plan::body::FoundFile;
use crate::retry::Failure;
use crate::template::Context;

/// What a frame holds for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameContents {
    /// Text.
    Text(String),
    /// The bytes of a file.
    File(FoundFile),
}

/// What a frame holds for a row.
///
/// # Errors
/// A [`crate::retry::FailureKind::Request`] when the row gives none that could be sent.
pub fn frame(plan: &BodyPlan, context: &Context<'_>) -> Result<FrameContents, Failure> {
    match plan {
        BodyPlan::Json(template) => {
            let value = template.render(context).map_err(|error| unbuildable("a frame of `send`", &error))?;
            Ok(FrameContents::Text(value.to_string()))
        }
        BodyPlan::Text(template) => {
            let mut text = String::new();
            template.render(context, &mut text).map_err(|error| unbuildable("a frame of `send`", &error))?;
            Ok(FrameContents::Text(text))
        }
        BodyPlan::File(file) => file.find(context).map(FrameContents::File),
        BodyPlan::None | BodyPlan::Form(_) | BodyPlan::Multipart(_) => {
            Err(failure("a frame of `send` is text, JSON or a file"))
        }
    }
}
