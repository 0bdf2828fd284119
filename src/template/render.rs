//! Rendering: the hot path. Plain paths and literals are written without an allocation.
//!
//! An error names the expression and what is wrong, and never a secret's value.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::compile::{Compiled, Formula, Place, Segment, Slot, SlotValue, Tail};
use super::path::{Found, Root};
use super::url::{self, Part};
use super::values::Uses;
use super::{Context, RenderError, Spot, blocks, engine, file};
use crate::secret::{Computation, MASK, Secret, Secrets};

/// What secrets may look like, to find out what an expression makes of them: numbers of each kind, words, tokens, nothing.
const SECRETS: [&str; 9] =
    ["1", "0", "-7", "0.5", "1234567890123456789012345", "true", "abc", "dXNlcjpwYXNz.MTIz-NDU2_Nzg5==", ""];

/// Appends a rendered template to `out`; `out` is as it was after an error.
pub(super) fn render(template: &Compiled, context: &Context<'_>, out: &mut String) -> Result<(), RenderError> {
    let start = out.len();
    let result = render_all(template, context, start, out);
    if result.is_err() {
        out.truncate(start);
    }
    result
}

fn render_all(template: &Compiled, context: &Context<'_>, start: usize, out: &mut String) -> Result<(), RenderError> {
    let mut dots = false;
    for segment in &template.segments {
        match segment {
            Segment::Literal(text) => out.push_str(text),
            Segment::Slot(slot) => dots |= slot.render(context, start, out)?,
        }
    }
    if let Some(tail) = &template.tail {
        out.push_str(&tail.render(context)?);
        dots |= template.spot == Spot::Url;
    }
    if dots && url::has_dot_segment(&out[start..]) {
        return Err(error(
            "a value makes a `.` or `..` segment of the URL's path, which servers resolve away".to_owned(),
        ));
    }
    Ok(())
}

/// The value of a template that is one `{{ }}`, else its text.
pub(super) fn value(template: &Compiled, context: &Context<'_>) -> Result<Value, RenderError> {
    if let Some(value) = &template.constant {
        return Ok(value.clone());
    }
    match template.segments.as_slice() {
        [Segment::Slot(slot)] if template.is_single => match &slot.value {
            SlotValue::Path(path) => Ok(path.find(context)?.into_value()),
            SlotValue::Formula(formula) => formula.value(&slot.source, context),
        },
        _ => {
            let mut text = String::new();
            render(template, context, &mut text)?;
            Ok(Value::String(text))
        }
    }
}

impl Slot {
    /// Whether the value is a secret of a plan that is shown and never sent; `***` then stands anywhere.
    fn is_masked(&self, text: &str) -> bool {
        let is_secret = match &self.value {
            SlotValue::Path(path) => matches!(path.root, Root::Secret(_)),
            SlotValue::Formula(formula) => !formula.uses.secrets.is_empty(),
        };
        is_secret && text == MASK
    }

    fn push_name(&self, found: &Found<'_>, out: &mut String) -> Result<bool, RenderError> {
        let start = out.len();
        push_found(found, out);
        file::check(&out[start..]).map_err(|what| error(format!("`{}` {what}", self.source)))?;
        Ok(false)
    }

    /// Writes the value; says whether it might make a dot segment.
    fn render(&self, context: &Context<'_>, start: usize, out: &mut String) -> Result<bool, RenderError> {
        let formula_text;
        let found = match &self.value {
            SlotValue::Path(path) => path.find(context)?,
            SlotValue::Formula(formula) => {
                formula_text = formula.text(&self.source, context)?;
                Found::Text(Cow::Owned(formula_text))
            }
        };
        let part = match self.place {
            Place::Plain => {
                push_found(&found, out);
                return Ok(false);
            }
            Place::Name => return self.push_name(&found, out),
            Place::Url(part) => part,
            Place::Unknown => url::part_at_end(&out[start..]),
        };
        let text = match &found {
            Found::Text(text) => Cow::Borrowed(&**text),
            Found::Json(Value::String(text)) => Cow::Borrowed(text.as_str()),
            Found::Integer(number) => {
                // Digits and a minus sign stand everywhere but at the start, and need no escaping.
                if !matches!(part, Part::Start | Part::Scheme) {
                    push_found(&Found::Integer(*number), out);
                    return Ok(false);
                }
                Cow::Owned(number.to_string())
            }
            Found::Json(value) => Cow::Owned(value.to_string()),
        };
        if self.is_masked(&text) {
            out.push_str(MASK);
            return Ok(false);
        }
        url::push(part, &text, out).map_err(|what| error(format!("`{}` {what}", self.source)))?;
        Ok(part == Part::Path && url::is_dots(&text))
    }
}

/// Writes a value as templates print it.
pub(super) fn push_found(found: &Found<'_>, out: &mut String) {
    // Writing to a String never fails.
    let _ = match found {
        Found::Text(text) => {
            out.push_str(text);
            Ok(())
        }
        Found::Json(Value::String(text)) => {
            out.push_str(text);
            Ok(())
        }
        Found::Integer(number) => write!(out, "{number}"),
        Found::Json(value) => write!(out, "{value}"),
    };
}

impl Formula {
    fn eval(&self, source: &str, context: &Context<'_>) -> Result<minijinja::Value, RenderError> {
        let values = self.uses.context(self.vars.as_ref(), context)?;
        self.checked(values).map_err(|error| explain(&error, source, &self.uses, context))
    }

    fn checked(&self, values: minijinja::Value) -> Result<minijinja::Value, minijinja::Error> {
        let value = self.expression.eval(values)?;
        if value.is_undefined() {
            // Only printing tells a missing value, which is an error, from an `if` without `else`.
            engine::TEXT.render_str("{{ value }}", minijinja::context! { value => value.clone() })?;
        }
        Ok(value)
    }

    /// What stands for what it computes of secrets that are not there; `is_text`: as a text, whatever it makes.
    fn stand_in(&self, source: &str, context: &Context<'_>, is_text: bool) -> Option<String> {
        if self.uses.secrets.is_empty() || !context.secrets.are_stand_ins() {
            return None;
        }
        let is_text = is_text || self.makes_text(context);
        let varies = self.uses.differ();
        context.secrets.stand_in(Computation { expression: source, is_text, varies })
    }

    /// Whether a text may come out of it: unless something else does of every secret that it takes at all.
    fn makes_text(&self, context: &Context<'_>) -> bool {
        let made = |secret: &&str| {
            let secrets = self.uses.secrets.iter().map(|name| (name.clone(), Secret::new((*secret).to_owned())));
            let secrets = Secrets::new(secrets.collect());
            let values = self.uses.context(self.vars.as_ref(), &Context { secrets: &secrets, ..*context });
            values.ok().and_then(|values| self.checked(values).ok())
        };
        let is_text =
            |made: minijinja::Value| made.is_undefined() || made.kind() == minijinja::value::ValueKind::String;
        let mut texts = SECRETS.iter().filter_map(made).map(is_text).peekable();
        texts.peek().is_none() || texts.any(|is_text| is_text)
    }

    fn text(&self, source: &str, context: &Context<'_>) -> Result<String, RenderError> {
        if let Some(text) = self.stand_in(source, context, true) {
            return Ok(text);
        }
        let value = self.eval(source, context)?;
        engine::text(&value).map_err(|error| explain(&error, source, &self.uses, context))
    }

    fn value(&self, source: &str, context: &Context<'_>) -> Result<Value, RenderError> {
        if let Some(text) = self.stand_in(source, context, false) {
            return Ok(Value::String(text));
        }
        let value = self.eval(source, context)?;
        engine::json(&value).map_err(|error| explain(&error, source, &self.uses, context))
    }
}

impl Tail {
    fn render(&self, context: &Context<'_>) -> Result<String, RenderError> {
        const WRITTEN: &str = "{% … %}";
        let name = match self.stand_in(context) {
            Some(StandIn::Whole(text)) => return Ok(text),
            Some(StandIn::Parts) => blocks::SHOWN,
            None => blocks::NAME,
        };
        let values = self.uses.context(self.vars.as_ref(), context)?;
        let rendered = self.environment.get_template(name).and_then(|template| template.render(values));
        rendered.map_err(|error| explain(&error, WRITTEN, &self.uses, context))
    }

    /// What is rendered where secrets are not there and more than putting together is done to them.
    fn stand_in(&self, context: &Context<'_>) -> Option<StandIn> {
        if !self.hides || !context.secrets.are_stand_ins() {
            return None;
        }
        if context.secrets.are_masked() {
            return Some(StandIn::Parts);
        }
        let whole = Computation { expression: &self.source, is_text: true, varies: self.uses.differ() };
        context.secrets.stand_in(whole).map(StandIn::Whole)
    }
}

/// What stands for blocks over secrets that are not there.
enum StandIn {
    /// This, for all of them.
    Whole(String),
    /// A mask for each part that could tell something of a secret.
    Parts,
}

/// The value of an expression that uses nothing that varies.
pub(super) fn constant(formula: &Formula) -> Result<Value, String> {
    let secrets = Secrets::default();
    let values = formula.uses.context(formula.vars.as_ref(), &nothing(&secrets)).map_err(|error| error.message)?;
    let value = formula.checked(values).and_then(|value| {
        // `a if b` without `else` prints nothing.
        if value.is_undefined() { Ok(Value::String(String::new())) } else { engine::json(&value) }
    });
    value.map_err(|error| describe(&error))
}

/// The text of blocks that use nothing that varies.
pub(super) fn constant_tail(tail: &Tail) -> Result<String, String> {
    tail.render(&nothing(&Secrets::default())).map_err(|error| error.message)
}

fn nothing(secrets: &Secrets) -> Context<'_> {
    Context { row: None, secrets, reply: None, last: None }
}

fn error(message: String) -> RenderError {
    RenderError { message }
}

/// What minijinja says, for people.
pub(super) fn describe(error: &minijinja::Error) -> String {
    match (error.kind(), error.detail()) {
        (minijinja::ErrorKind::OutOfFuel, _) => "takes too many steps".to_owned(),
        (minijinja::ErrorKind::UndefinedError, _) => "a value is missing".to_owned(),
        (_, Some(detail)) => detail.to_owned(),
        (kind, None) => kind.to_string(),
    }
}

/// An error of minijinja, with the path that led nowhere where that is the reason.
fn explain(failed: &minijinja::Error, source: &str, uses: &Uses, context: &Context<'_>) -> RenderError {
    if failed.kind() == minijinja::ErrorKind::UndefinedError {
        let missing = uses.paths.iter().find_map(|path| path.find(context).err());
        if let Some(missing) = missing {
            return error(format!("`{source}`: {}; `| default(…)` gives a value for this case", missing.message));
        }
    }
    if uses.secrets.is_empty() {
        error(format!("`{source}`: {}", describe(failed)))
    } else {
        // The reason may quote the value.
        error(format!("`{source}`: {} (details are left out, since a secret is used)", failed.kind()))
    }
}
