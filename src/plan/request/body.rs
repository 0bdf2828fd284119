//! Bodies: from a plan and a row to what is sent, and to what `plan` shows of it.
//!
//! Looks at the disk for the length of files, and reads none. Must never paste a value where it could end
//! what it stands in, but for `body`, which is text as it is.

use bytes::Bytes;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{EndpointPlan, Piece, failure, media, multipart, pieces, render_pairs, unbuildable};
use crate::plan::body::FoundFile;
use crate::plan::{BodyPlan, FilePlan, PartContent, PartPlan};
use crate::retry::Failure;
use crate::template::{Context, JsonTemplate, RenderError, Template};
use crate::transport::{BodyPart, RequestBody};

/// What forms leave as it is (URL standard, "application/x-www-form-urlencoded percent-encode set");
/// a space becomes `+`.
const FORM: &AsciiSet = &NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_').remove(b' ');

/// The type of parts, unless a header says otherwise.
const PARTS: &str = "multipart/form-data";

/// A body, prepared for a run.
#[derive(Debug)]
pub(super) enum Body {
    None,
    Constant(Bytes),
    Json(JsonTemplate),
    Form(Vec<Piece>),
    Text(Template),
    File {
        file: FilePlan,
        /// Whether its ending gives the content type.
        typed: bool,
    },
    Multipart {
        parts: Vec<PartPlan>,
        /// The content type, without its boundary.
        kind: String,
    },
}

/// What a body holds for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contents {
    /// Bytes in memory; none: no body.
    Bytes(Bytes),
    /// A file.
    File(FoundFile),
    /// Parts, in order.
    Parts(Vec<Part>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// The file name for the server.
    pub filename: Option<String>,
    /// Its media type.
    pub content_type: Option<String>,
    /// What it holds.
    pub data: Data,
}

/// What a part of a multipart body holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Text.
    Text(String),
    /// A file.
    File(FoundFile),
}

impl Part {
    /// Whether a text stands in what it holds in memory.
    pub(super) fn holds(&self, text: &str) -> bool {
        match &self.data {
            Data::Text(held) => held.contains(text),
            Data::File(_) => false,
        }
    }
}

/// Escapes a name or a value of a form.
fn escape(text: &str, out: &mut String) {
    for piece in utf8_percent_encode(text, FORM) {
        out.extend(piece.chars().map(|letter| if letter == ' ' { '+' } else { letter }));
    }
}

impl Body {
    /// Prepares the body of an endpoint.
    pub fn new(endpoint: &EndpointPlan) -> Self {
        let given = endpoint.headers.iter().find(|(name, _)| *name == CONTENT_TYPE);
        match &endpoint.body {
            BodyPlan::None => Self::None,
            BodyPlan::Json(JsonTemplate::Constant(value)) => Self::Constant(Bytes::from(value.to_string())),
            BodyPlan::Json(template) => Self::Json(template.clone()),
            BodyPlan::Form(pairs) => match pieces(pairs, escape).as_slice() {
                [] => Self::Constant(Bytes::new()),
                [Piece::Text(text)] => Self::Constant(Bytes::from(text.clone())),
                pieces => Self::Form(pieces.to_vec()),
            },
            BodyPlan::Text(template) => match template.constant() {
                Some(text) => Self::Constant(Bytes::from(text.to_owned())),
                None => Self::Text(template.clone()),
            },
            BodyPlan::File(file) => Self::File { file: file.clone(), typed: given.is_none() },
            BodyPlan::Multipart(parts) => {
                let given = given.and_then(|(_, template)| template.constant());
                Self::Multipart { parts: parts.clone(), kind: given.unwrap_or(PARTS).to_owned() }
            }
        }
    }

    /// What it holds for a row.
    pub fn contents(&self, context: &Context<'_>) -> Result<Contents, Failure> {
        let text = |template: &Template| {
            let mut text = String::new();
            template.render(context, &mut text).map(|()| text)
        };
        let bytes = match self {
            Self::None => Bytes::new(),
            Self::Constant(bytes) => bytes.clone(),
            Self::Json(template) => {
                let value = template.render(context).map_err(|error| unbuildable("the JSON body", &error))?;
                value.to_string().into()
            }
            Self::Form(pieces) => {
                let mut form = String::new();
                render_pairs(pieces, escape, Some(context), "the form", &mut form)?;
                form.into()
            }
            Self::Text(template) => text(template).map_err(|error| unbuildable("the body", &error))?.into(),
            Self::File { file, .. } => return file.find(context).map(Contents::File),
            Self::Multipart { parts, .. } => {
                let parts = parts.iter().map(|plan| part(plan, context, &text));
                return parts.collect::<Result<_, _>>().map(Contents::Parts);
            }
        };
        Ok(Contents::Bytes(bytes))
    }

    /// The body for a row, and its content type where that depends on the row or is drawn.
    pub fn build(
        &self,
        context: &Context<'_>,
        draw: fn() -> u64,
    ) -> Result<(RequestBody, Option<HeaderValue>), Failure> {
        Ok(match self.contents(context)? {
            Contents::Bytes(bytes) => (bytes.into(), None),
            Contents::File(file) => {
                let typed = matches!(self, Self::File { typed: true, .. });
                let kind = typed.then(|| HeaderValue::from_static(media::of_file(&file.shown)));
                let FoundFile { path, length, .. } = file;
                (RequestBody::Parts([BodyPart::File { path, length }].into()), kind)
            }
            Contents::Parts(parts) => {
                let boundary = multipart::boundary(&parts, draw);
                let kind = if let Self::Multipart { kind, .. } = self { kind } else { PARTS };
                let kind = HeaderValue::try_from(format!("{kind}; boundary={boundary}"));
                let kind = kind.map_err(|_| failure("the content type of the multipart body can't be sent"))?;
                (multipart::write(parts, &boundary), Some(kind))
            }
        })
    }
}

fn part(
    plan: &PartPlan,
    context: &Context<'_>,
    text: &dyn Fn(&Template) -> Result<String, RenderError>,
) -> Result<Part, Failure> {
    let name = plan.name.clone();
    let wrong = |error: RenderError| unbuildable(&format!("the part `{name}`"), &error);
    let beside = |template: &Option<Template>| template.as_ref().map(text).transpose().map_err(wrong);
    let (mut content_type, mut filename) = (beside(&plan.content_type)?, beside(&plan.filename)?);
    if content_type.as_ref().is_some_and(|kind| !media::is_type(kind)) {
        return Err(failure(&format!("the content type of the part `{name}` is no media type such as text/plain")));
    }
    let data = match &plan.content {
        PartContent::Text(template) => Data::Text(text(template).map_err(wrong)?),
        PartContent::Json(template) => {
            content_type.get_or_insert_with(|| "application/json".to_owned());
            Data::Text(template.render(context).map_err(wrong)?.to_string())
        }
        PartContent::File(file) => {
            let found = file.find(context)?;
            content_type.get_or_insert_with(|| media::of_file(&found.shown).to_owned());
            let own = || found.shown.file_name().map(|name| name.to_string_lossy().into_owned());
            filename = filename.or_else(own);
            Data::File(found)
        }
    };
    Ok(Part { name, filename, content_type, data })
}

#[cfg(test)]
mod tests;
