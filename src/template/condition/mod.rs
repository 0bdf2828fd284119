//! Conditions: expressions over a reply and its row that hold or do not.
//!
//! The language is that of templates, without the braces; but what is compared is decided here, for minijinja
//! orders values of any two kinds, so that `json.missing < 5` would hold. Values with filters, tests and
//! arithmetic are minijinja's. Must never hold because of what is not there.

mod atom;
mod parse;
mod signs;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use self::atom::Atom;
use super::compile::Formula;
use super::path::{Lacking, Plain, Root};
use super::values::{Members, Uses};
use super::{Context, RenderError, Scope, TemplateError, render};
use crate::row::Fields;

/// A condition, decided.
pub(super) struct Compiled {
    source: String,
    node: Node,
    uses: Uses,
}

/// A part of a condition.
enum Node {
    /// The same for every reply.
    Constant(Value),
    /// A plain path, as written beside it.
    Path(Plain, String),
    /// A value that minijinja computes.
    Formula(Box<Computed>),
    /// A list that is written out.
    List(Vec<Node>),
    /// `not a`
    Not(Box<Node>),
    /// `a and b`
    All(Vec<Node>),
    /// `a or b`
    Any(Vec<Node>),
    /// `a < b`, `a in b`
    Compare(Box<Comparison>),
}

/// A value that minijinja computes.
struct Computed {
    formula: Formula,
    /// As written.
    source: String,
    /// Whether it says itself what becomes of what is missing (`default`, `is defined`).
    forgives: bool,
}

/// Two values and how they are compared.
struct Comparison {
    left: Node,
    operator: Operator,
    right: Node,
    /// As written.
    source: String,
}

/// How values are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Below,
    AtMost,
    Above,
    AtLeast,
    In,
    NotIn,
}

/// Compiles a condition.
pub(super) fn compile(source: &str, scope: &Scope) -> Result<Compiled, Vec<TemplateError>> {
    let (node, uses) = parse::parse(source, scope)?;
    Ok(Compiled { source: source.to_owned(), node, uses })
}

impl Compiled {
    /// As written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it uses `json`.
    pub fn uses_json(&self) -> bool {
        self.uses.json != Members::None
    }

    /// Whether it uses `item`.
    pub fn uses_item(&self) -> bool {
        self.uses.item != Members::None
    }

    /// Whether it uses `text`.
    pub fn uses_text(&self) -> bool {
        self.uses.text
    }

    /// Whether it uses `row` or `rows`.
    pub fn uses_row(&self) -> bool {
        self.uses.row.any() || self.uses.rows
    }

    /// Whether it uses `headers`.
    pub fn uses_headers(&self) -> bool {
        self.uses.headers.any()
    }

    /// Whether it uses no value at all.
    pub fn is_constant(&self) -> bool {
        !self.uses.vary() && !self.uses.vars
    }

    /// Names of the JSON body that it looks for and a reply does not have.
    pub fn lacking(&self, context: &Context<'_>) -> Vec<Lacking> {
        self.uses.paths.iter().filter_map(|path| path.lacking(context)).collect()
    }

    /// Whether it holds.
    pub fn holds(&self, context: &Context<'_>) -> Result<bool, RenderError> {
        Ok(self.node.value(context)?.is_true())
    }
}

impl Node {
    fn value<'a>(&'a self, context: &Context<'a>) -> Result<Atom<'a>, RenderError> {
        Ok(match self {
            Self::Constant(value) => Atom::of_json(value),
            Self::Path(path, _) => look(path, context),
            Self::Formula(computed) => computed.value(context)?,
            Self::List(items) => {
                let values: Result<Vec<Value>, RenderError> =
                    items.iter().map(|item| Ok(item.value(context)?.into_json())).collect();
                Atom::Tree(Cow::Owned(Value::Array(values?)))
            }
            Self::Not(node) => Atom::Truth(!node.value(context)?.is_true()),
            Self::All(nodes) => first(nodes, context, false)?,
            Self::Any(nodes) => first(nodes, context, true)?,
            Self::Compare(comparison) => Atom::Truth(comparison.holds(context)?),
        })
    }

    /// How a job says the value as a number, for messages.
    fn as_number(&self) -> String {
        match self {
            Self::Path(_, source) => format!("{source} | float"),
            Self::Formula(computed) => format!("{} | float", computed.source),
            Self::Constant(_) | Self::List(_) | Self::Not(_) | Self::All(_) | Self::Any(_) | Self::Compare(_) => {
                "row.price | float".to_owned()
            }
        }
    }
}

/// The first value that is as true as `wanted`, else the last.
fn first<'a>(nodes: &'a [Node], context: &Context<'a>, wanted: bool) -> Result<Atom<'a>, RenderError> {
    let mut last = Atom::Truth(!wanted);
    for node in nodes {
        last = node.value(context)?;
        if last.is_true() == wanted {
            break;
        }
    }
    Ok(last)
}

/// What a path leads to. No message is made of what is missing: in conditions that is no mistake.
fn look<'a>(path: &Plain, context: &Context<'a>) -> Atom<'a> {
    let is_cell = matches!(path.root, Root::Column { .. })
        && context.row.is_some_and(|row| matches!(row.fields, Fields::Text { .. }));
    match path.seek(context) {
        Some(found) => Atom::of_found(found, is_cell),
        None => Atom::Missing,
    }
}

impl Computed {
    fn value<'a>(&self, context: &Context<'_>) -> Result<Atom<'a>, RenderError> {
        let uses = &self.formula.uses;
        let lacks = || uses.paths.iter().any(|path| path.seek(context).is_none());
        if !self.forgives && lacks() {
            return Ok(Atom::Missing);
        }
        let values = uses.context(self.formula.vars.as_ref(), context)?;
        match self.formula.expression.eval(values).and_then(|value| Atom::of_value(&value)) {
            Ok(atom) => Ok(atom),
            Err(error) if error.kind() == minijinja::ErrorKind::UndefinedError => Ok(Atom::Missing),
            Err(error) => Err(wrong(&self.source, &render::describe(&error))),
        }
    }
}

impl Comparison {
    fn holds(&self, context: &Context<'_>) -> Result<bool, RenderError> {
        let left = self.left.value(context)?;
        if let (Operator::In | Operator::NotIn, Node::List(items)) = (self.operator, &self.right) {
            let found = self.among(&left, items, context)?;
            return Ok(found == (self.operator == Operator::In));
        }
        let right = self.right.value(context)?;
        let order = || self.order(&left, &right);
        match self.operator {
            Operator::Equal => self.equal(&left, &right),
            Operator::NotEqual => self.equal(&left, &right).map(|equal| !equal),
            Operator::Below => Ok(order()?.is_some_and(Ordering::is_lt)),
            Operator::AtMost => Ok(order()?.is_some_and(Ordering::is_le)),
            Operator::Above => Ok(order()?.is_some_and(Ordering::is_gt)),
            Operator::AtLeast => Ok(order()?.is_some_and(Ordering::is_ge)),
            Operator::In => self.contains(&right, &left),
            Operator::NotIn => self.contains(&right, &left).map(|found| !found),
        }
    }

    fn equal(&self, left: &Atom<'_>, right: &Atom<'_>) -> Result<bool, RenderError> {
        left.equals(right).map_err(|cell| self.is_text(cell.filter, &cell.text))
    }

    fn order(&self, left: &Atom<'_>, right: &Atom<'_>) -> Result<Option<Ordering>, RenderError> {
        left.order(right).map_err(|kinds| {
            let text = if left.is_text() { &self.left } else { &self.right };
            let help = if kinds.is_text_and_number() {
                format!("; for a number write `{}`", text.as_number())
            } else {
                String::new()
            };
            wrong(&self.source, &format!("{kinds} can't be ordered{help}"))
        })
    }

    fn among(&self, needle: &Atom<'_>, items: &[Node], context: &Context<'_>) -> Result<bool, RenderError> {
        for item in items {
            if self.equal(needle, &item.value(context)?)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn contains(&self, hay: &Atom<'_>, needle: &Atom<'_>) -> Result<bool, RenderError> {
        match hay {
            Atom::Missing | Atom::Null => Ok(false),
            Atom::Tree(tree) => match &**tree {
                Value::Array(items) => {
                    for item in items {
                        if self.equal(needle, &Atom::of_json(item))? {
                            return Ok(true);
                        }
                    }
                    Ok(false)
                }
                Value::Object(map) => Ok(needle.text().is_some_and(|name| map.contains_key(name))),
                _ => Ok(false),
            },
            Atom::Text(text) => Ok(needle.text().is_some_and(|part| text.contains(part))),
            Atom::Cell(text) => Ok(needle.text().is_some_and(|part| text.contains(part))),
            Atom::Truth(_) | Atom::Integer(_) | Atom::Float(_) => {
                Err(wrong(&self.source, &format!("{} holds no other values", hay.kind())))
            }
        }
    }

    /// A cell of a table of text is compared with what it never equals.
    fn is_text(&self, filter: &str, text: &str) -> RenderError {
        let shown: String = text.chars().take(40).collect();
        let name = [&self.left, &self.right].into_iter().find_map(|node| match node {
            Node::Path(Plain { root: Root::Column { .. }, .. }, source) => Some(source.as_str()),
            _ => None,
        });
        let name = name.unwrap_or("row.price");
        let what = format!("`{name}` is the text \"{shown}\" and equals no such value; write `{name} | {filter}`");
        wrong(&self.source, &what)
    }
}

fn wrong(source: &str, what: &str) -> RenderError {
    RenderError { message: format!("`{source}`: {what}") }
}
