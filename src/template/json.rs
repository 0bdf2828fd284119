//! JSON bodies whose strings are templates.
//!
//! Built structurally: a value can't break out of the string or member it stands in.

use serde_json::{Map, Value};

use super::{Context, JsonTemplate, RenderError, Scope, Spot};
use crate::compile::Site;
use crate::document::KeyPath;

impl JsonTemplate {
    /// Compiles the JSON value at `path`: its strings are templates, everything else is constant.
    ///
    /// Reports everything that is wrong and returns `None` then.
    pub fn compile(site: &mut Site<'_>, path: &KeyPath, value: &Value, scope: &Scope) -> Option<Self> {
        match value {
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(Self::Constant(value.clone())),
            Value::String(text) => {
                let template = site.template(path, text, Spot::Text, scope)?;
                Some(template.constant_value().map_or_else(|| Self::Text(template.clone()), Self::Constant))
            }
            Value::Array(items) => {
                let compiled: Vec<Option<Self>> = items
                    .iter()
                    .enumerate()
                    .map(|(index, item)| Self::compile(site, &path.index(index), item, scope))
                    .collect();
                Some(Self::array(compiled.into_iter().collect::<Option<_>>()?))
            }
            Value::Object(members) => {
                let compiled: Vec<Option<(String, Self)>> = members
                    .iter()
                    .map(|(name, item)| Some((name.clone(), Self::compile(site, &path.key(name), item, scope)?)))
                    .collect();
                Some(Self::object(compiled.into_iter().collect::<Option<_>>()?))
            }
        }
    }

    fn array(items: Vec<Self>) -> Self {
        let constants: Option<Vec<Value>> = items.iter().map(Self::constant).collect();
        constants.map_or_else(|| Self::Array(items), |values| Self::Constant(Value::Array(values)))
    }

    fn object(members: Vec<(String, Self)>) -> Self {
        let constants: Option<Map<String, Value>> =
            members.iter().map(|(name, member)| Some((name.clone(), member.constant()?))).collect();
        constants.map_or_else(|| Self::Object(members), |values| Self::Constant(Value::Object(values)))
    }

    fn constant(&self) -> Option<Value> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            Self::Text(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Renders the body.
    ///
    /// # Errors
    /// As [`Template::render`](super::Template::render).
    pub fn render(&self, context: &Context<'_>) -> Result<Value, RenderError> {
        match self {
            Self::Constant(value) => Ok(value.clone()),
            Self::Text(template) => template.value(context),
            Self::Array(items) => {
                items.iter().map(|item| item.render(context)).collect::<Result<_, _>>().map(Value::Array)
            }
            Self::Object(members) => members
                .iter()
                .map(|(name, member)| Ok((name.clone(), member.render(context)?)))
                .collect::<Result<Map<_, _>, _>>()
                .map(Value::Object),
        }
    }

    /// Names under `secrets` that the body uses.
    #[must_use]
    pub fn secrets(&self) -> Vec<&str> {
        match self {
            Self::Constant(_) => Vec::new(),
            Self::Text(template) => template.secrets().iter().map(String::as_str).collect(),
            Self::Array(items) => items.iter().flat_map(Self::secrets).collect(),
            Self::Object(members) => members.iter().flat_map(|(_, member)| member.secrets()).collect(),
        }
    }
}
