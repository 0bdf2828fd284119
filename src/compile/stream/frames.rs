//! Frames that are sent when a socket has opened.
//!
//! Must never send what no file, text or JSON was meant to be: a frame is exactly one of them.

use crate::compile::request::json_template;
use crate::compile::{Site, body};
use crate::document::{KeyPath, Node, NodeValue};
use crate::plan::BodyPlan;
use crate::spec::stream::FrameSpec;
use crate::template::{JsonTemplate, Scope, Spot};

/// Compiles the frames of the list at `path`.
pub(super) fn frames(site: &mut Site<'_>, path: &KeyPath, frames: &[FrameSpec], scope: &Scope) -> Vec<BodyPlan> {
    let places = places(site, path, frames.len());
    frames.iter().zip(places).filter_map(|(frame, here)| self::frame(site, &here, frame, scope)).collect()
}

/// Where frames stand in the list at `path`, of which those are left out that are wrong.
fn places(site: &Site<'_>, path: &KeyPath, count: usize) -> Vec<KeyPath> {
    let is_right = |node: &Node| !site.diagnostics.has_error_in(node.place);
    let right: Vec<usize> = match site.document.get(path).map(|node| &node.value) {
        Some(NodeValue::Array(items)) => (0..items.len()).filter(|index| is_right(&items[*index])).collect(),
        Some(_) | None => Vec::new(),
    };
    // What was told of since says nothing of what was left out.
    let indices = if right.len() == count { right } else { (0..count).collect() };
    indices.into_iter().map(|index| path.index(index)).collect()
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
