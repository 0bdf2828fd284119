//! Frames that are sent when a socket has opened.
//!
//! Must never send what no file, text or JSON was meant to be: a frame is exactly one of them.

use crate::compile::request::json_template;
use crate::compile::{Site, body};
use crate::document::KeyPath;
use crate::plan::BodyPlan;
use crate::spec::stream::FrameSpec;
use crate::template::{JsonTemplate, Scope, Spot};

/// Compiles the frames of the list at `path`.
pub(super) fn frames(site: &mut Site<'_>, path: &KeyPath, frames: &[FrameSpec], scope: &Scope) -> Vec<BodyPlan> {
    let compile = |(index, frame)| self::frame(site, &path.index(index), frame, scope);
    frames.iter().enumerate().filter_map(compile).collect()
}

fn frame(site: &mut Site<'_>, path: &KeyPath, frame: &FrameSpec, scope: &Scope) -> Option<BodyPlan> {
    let table = match frame {
        FrameSpec::Text(text) => return site.template(path, text, Spot::Text, scope).map(BodyPlan::Text),
        FrameSpec::Table(table) => table,
    };
    if let Some(json) = &table.json {
        return json_template(site, &path.key("json"), json, scope).map(BodyPlan::Json);
    }
    if let Some(text) = &table.text {
        return site.template(&path.key("text"), text, Spot::Text, scope).map(BodyPlan::Text);
    }
    body::file(site, &path.key("file"), table.file.as_ref()?, scope).map(BodyPlan::File)
}

/// Whether a frame looks at the record before.
pub(super) fn use_last(frame: &BodyPlan) -> bool {
    match frame {
        BodyPlan::Json(json) => in_json(json),
        BodyPlan::Text(text) => text.uses_last(),
        BodyPlan::File(file) => file.template().uses_last(),
        BodyPlan::None | BodyPlan::Form(_) | BodyPlan::Multipart(_) => false,
    }
}

fn in_json(json: &JsonTemplate) -> bool {
    match json {
        JsonTemplate::Constant(_) => false,
        JsonTemplate::Text(text) => text.uses_last(),
        JsonTemplate::Array(items) => items.iter().any(in_json),
        JsonTemplate::Object(entries) => entries.iter().any(|(_, item)| in_json(item)),
    }
}

/// Files among frames, and where they were written.
pub(super) fn files<'f>(frames: impl Iterator<Item = &'f FrameSpec>, path: &KeyPath) -> Vec<(&'f String, KeyPath)> {
    let file = |(index, frame): (usize, &'f FrameSpec)| match frame {
        FrameSpec::Table(table) => table.file.as_ref().map(|file| (file, path.index(index).key("file"))),
        FrameSpec::Text(_) => None,
    };
    frames.enumerate().filter_map(file).collect()
}
