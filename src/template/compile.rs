//! From the text of a template to its segments.
//!
//! Text and vars become literals, plain paths are resolved without minijinja, other expressions are
//! compiled once. In a URL the part that each value stands in is decided here. Must never render.

use std::ops::Range;

use serde_json::Value;

use super::names::{Names, PlainPath};
use super::path::{Found, Plain, written};
use super::scan::{Piece, Tag, pieces};
use super::token::{Token, tokens};
use super::url::{self, Part};
use super::values::{Members, Uses};
use super::{RowScope, Scope, Spot, TemplateError, TemplateErrorKind, blocks, concat, engine, render};
use crate::expression::{self, Language};

/// Most tags that are said to be too large.
const MOST_TOLD: usize = 20;

/// The way out of a constant that fails.
const SAME: &str = "mend it here: it is the same for every row";

/// A template, decided.
pub(super) struct Compiled {
    /// As written.
    pub source: String,
    /// Where it stands.
    pub spot: Spot,
    /// Literals and values in turn.
    pub segments: Vec<Segment>,
    /// What begins with the first block.
    pub tail: Option<Tail>,
    /// Secrets it uses.
    pub secrets: Vec<String>,
    /// Whether it uses `json`.
    pub uses_json: bool,
    /// Whether it uses `item`.
    pub uses_item: bool,
    /// Whether it uses `text`.
    pub uses_text: bool,
    /// Whether it uses `row` or `rows`.
    pub uses_row: bool,
    /// Whether it uses `last`.
    pub uses_last: bool,
    /// Headers it uses.
    pub headers: Members,
    /// The value of a template that is one constant `{{ }}`.
    pub constant: Option<Value>,
    /// Whether it is one `{{ }}` and nothing else.
    pub is_single: bool,
}

/// A part of a template.
pub(super) enum Segment {
    /// Text.
    Literal(String),
    /// A value that varies.
    Slot(Slot),
}

/// A value that varies.
pub(super) struct Slot {
    /// The expression as written, for messages.
    pub source: String,
    /// How its text is escaped.
    pub place: Place,
    /// How it is had.
    pub value: SlotValue,
}

/// How a value is escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Not at all.
    Plain,
    /// Not at all, but looked at: it is a part of a file's name.
    Name,
    /// For this part of a URL.
    Url(Part),
    /// For a part of a URL that depends on the values before it.
    Unknown,
}

/// How a value is had.
pub(super) enum SlotValue {
    /// By a plain path.
    Path(Plain),
    /// By minijinja.
    Formula(Box<Formula>),
}

/// An expression of minijinja.
pub(super) struct Formula {
    /// The compiled expression.
    pub expression: minijinja::Expression<'static, 'static>,
    /// What it uses.
    pub uses: Uses,
    /// The value of `vars`, if it uses that.
    pub vars: Option<minijinja::Value>,
}

/// What begins with the first block.
pub(super) struct Tail {
    /// As written.
    pub source: String,
    /// Whether it does more with secrets than putting them into texts, so that parts of it are hidden where they are not
    /// there ([`blocks::SHOWN`]).
    pub hides: bool,
    /// The environment that holds it.
    pub environment: minijinja::Environment<'static>,
    /// What it uses.
    pub uses: Uses,
    /// The value of `vars`, if it uses that.
    pub vars: Option<minijinja::Value>,
}

/// Compiles a template.
pub(super) fn compile(source: &str, spot: Spot, scope: &Scope) -> Result<Compiled, Vec<TemplateError>> {
    let pieces = pieces(source).map_err(|error| vec![error])?;
    let too_much: Vec<TemplateError> =
        pieces.iter().filter_map(|piece| too_much(source, piece)).take(MOST_TOLD).collect();
    if !too_much.is_empty() {
        return Err(too_much);
    }
    let names = Names { scope, spot, locals: std::collections::BTreeSet::new(), errors: Vec::new() };
    let place = match spot {
        Spot::Url => Place::Url(Part::Start),
        Spot::Text => Place::Plain,
        Spot::File => Place::Name,
    };
    let mut builder = Builder { source, names, place, compiled: Compiled::empty(source, spot) };
    let head = pieces.iter().position(|piece| matches!(piece, Piece::Block(_))).unwrap_or(pieces.len());
    let is_whole = |tag: &Tag| tag.outer == (0..source.len());
    builder.compiled.is_single = matches!(pieces.as_slice(), [Piece::Expression(tag)] if is_whole(tag));
    for piece in &pieces[..head] {
        match piece {
            Piece::Literal(text) => builder.literal(text),
            Piece::Expression(tag) => builder.expression(tag),
            Piece::Block(_) => {}
        }
    }
    if let Some(Piece::Block(tag)) = pieces.get(head) {
        builder.tail(tag.outer.clone(), &pieces[head..]);
    }
    builder.finish()
}

/// Says of a tag that it is more than can be parsed.
fn too_much(source: &str, piece: &Piece<'_>) -> Option<TemplateError> {
    let (Piece::Expression(tag) | Piece::Block(tag)) = piece else { return None };
    too_large(source, tag.inner.clone(), "the template")
}

/// Says of an expression at `range` that it is more than can be parsed.
pub(super) fn too_large(source: &str, range: Range<usize>, what: &str) -> Option<TemplateError> {
    let (message, found) = expression::too_much(&source[range.clone()], Language::Plain)?;
    Some(TemplateError {
        range: range.start + found.start..range.start + found.end,
        kind: TemplateErrorKind::Syntax,
        message: format!("{what} can't be used: {message}"),
        help: Some("write a shorter expression: lists of values can stand in [vars]".to_owned()),
    })
}

impl Compiled {
    fn empty(source: &str, spot: Spot) -> Self {
        Self {
            source: source.to_owned(),
            spot,
            segments: Vec::new(),
            tail: None,
            secrets: Vec::new(),
            uses_json: false,
            uses_item: false,
            uses_text: false,
            uses_row: false,
            uses_last: false,
            headers: Members::None,
            constant: None,
            is_single: false,
        }
    }
}

struct Builder<'t> {
    source: &'t str,
    names: Names<'t>,
    /// Where the next value would stand.
    place: Place,
    compiled: Compiled,
}

impl Builder<'_> {
    fn literal(&mut self, text: &str) {
        match self.compiled.segments.last_mut() {
            Some(Segment::Literal(before)) => before.push_str(text),
            Some(Segment::Slot(_)) | None => self.compiled.segments.push(Segment::Literal(text.to_owned())),
        }
        self.place = match (self.place, self.compiled.segments.as_slice()) {
            // Nothing varies yet: the part follows from all of the text, until its beginning has told what it is.
            (Place::Url(part), [Segment::Literal(before)]) if !url::is_settled(part, before.len() - text.len()) => {
                Place::Url(url::part_at_end(before))
            }
            (Place::Url(part), _) => Place::Url(url::advance(part, text)),
            (place @ (Place::Plain | Place::Name | Place::Unknown), _) => place,
        };
    }

    fn expression(&mut self, tag: &Tag) {
        if self.names.is_full() {
            return;
        }
        let words = tokens(self.source, tag.inner.clone());
        let mut uses = Uses::default();
        let errors = self.names.errors.len();
        match self.names.plain(&words, &mut uses) {
            Some(PlainPath::Constant(value)) => self.constant(tag, value),
            Some(PlainPath::Varying(path)) => {
                self.note(&uses);
                self.slot(tag, SlotValue::Path(path));
            }
            None if self.names.errors.len() > errors => {}
            None => self.formula(tag, &words),
        }
    }

    fn formula(&mut self, tag: &Tag, words: &[Token<'_>]) {
        let Some(expression) = self.parse(tag, words) else { return };
        let mut uses = Uses::default();
        let errors = self.names.errors.len();
        self.names.check(words, &mut uses);
        if self.names.errors.len() > errors {
            return;
        }
        self.note(&uses);
        let formula = Formula { expression, vars: self.vars(&uses), uses };
        if formula.uses.vary() {
            self.slot(tag, SlotValue::Formula(Box::new(formula)));
            return;
        }
        match render::constant(&formula) {
            Ok(value) => self.constant(tag, value),
            Err(message) => {
                let message = format!("this can't be computed: {message}");
                self.names.error(&self.trimmed(tag), TemplateErrorKind::Syntax, message, Some(SAME.to_owned()));
            }
        }
    }

    fn parse(&mut self, tag: &Tag, words: &[Token<'_>]) -> Option<minijinja::Expression<'static, 'static>> {
        let text = self.source[tag.inner.clone()].to_owned();
        if words.is_empty() {
            let help = Some("write the name of a value, as in `{{ row.name }}`".to_owned());
            self.names.error(&tag.outer, TemplateErrorKind::Syntax, "nothing stands between the braces", help);
            return None;
        }
        let environment: &'static minijinja::Environment<'static> = &engine::TEXT;
        let expression = match environment.compile_expression_owned(text) {
            Ok(expression) => expression,
            Err(error) => {
                let mut range = self.trimmed(tag);
                range.start = tag.inner.start;
                let mut error = blocks::syntax_error(&error, self.source, range);
                if let Some(help) = self.column_of_words(tag) {
                    error.help = Some(help);
                }
                self.names.errors.push(error);
                return None;
            }
        };
        let changes = concat::insertions(words);
        if changes.is_empty() {
            return Some(expression);
        }
        let text = concat::apply(self.source, tag.inner.clone(), &changes);
        Some(environment.compile_expression_owned(text).unwrap_or(expression))
    }

    /// What to write where `row.Unit price` means a column of several words.
    fn column_of_words(&self, tag: &Tag) -> Option<String> {
        let inside = self.source[tag.inner.clone()].trim();
        let name = inside.strip_prefix("row.")?.split('|').next()?.trim();
        let RowScope::Known(header) = &self.names.scope.row else { return None };
        let is_several = name.contains(char::is_whitespace) && header.position(name).is_some();
        is_several.then(|| format!("write `{}` for the column", written("row", name)))
    }

    /// Folds a value that never varies into the text.
    fn constant(&mut self, tag: &Tag, value: Value) {
        let mut text = String::new();
        render::push_found(&Found::Json(&value), &mut text);
        let escaped = match self.place {
            Place::Plain | Place::Name | Place::Url(Part::Start | Part::Scheme) => Ok(text),
            Place::Unknown => Ok(url::encode(&text).collect()),
            Place::Url(part) => {
                let mut out = String::new();
                url::push(part, &text, &mut out).map(|()| out)
            }
        };
        match escaped {
            Ok(text) => self.literal(&text),
            Err(what) => {
                let help = "keep the whole base URL in one variable and begin the url with it".to_owned();
                self.names.error(&self.trimmed(tag), TemplateErrorKind::Spot, format!("this value {what}"), Some(help));
            }
        }
        if self.compiled.is_single {
            self.compiled.constant = Some(value);
        }
    }

    fn slot(&mut self, tag: &Tag, value: SlotValue) {
        let range = self.trimmed(tag);
        if self.place == Place::Url(Part::Scheme) {
            let help = "write `https://` out, or keep the whole base URL in one variable".to_owned();
            self.names.error(&range, TemplateErrorKind::Spot, "a value can't stand in the scheme of a URL", Some(help));
        }
        let source = self.source[range].to_owned();
        self.compiled.segments.push(Segment::Slot(Slot { source, place: self.place, value }));
        if self.place == Place::Url(Part::Start) {
            self.place = Place::Unknown;
        }
    }

    fn tail(&mut self, first: Range<usize>, pieces: &[Piece<'_>]) {
        let behind_host = match self.place {
            Place::Plain | Place::Name | Place::Url(Part::Path | Part::Query | Part::Fragment) => true,
            Place::Unknown | Place::Url(Part::Start | Part::Scheme | Part::Authority) => false,
        };
        if !behind_host {
            let help = "begin the url with text such as `https://api.example.com/`, or with a variable that holds it";
            let message = "a block in a URL must stand behind a scheme and host that are written out";
            self.names.error(&first, TemplateErrorKind::Spot, message, Some(help.to_owned()));
        }
        let Some(rest) = blocks::compile(self.source, first.start, pieces, &mut self.names) else { return };
        if !self.names.errors.is_empty() {
            return;
        }
        self.note(&rest.uses);
        let (source, vars) = (self.source[first.start..].to_owned(), self.vars(&rest.uses));
        let tail = Tail { source, hides: rest.hides, environment: rest.environment, vars, uses: rest.uses };
        if tail.uses.vary() {
            self.compiled.tail = Some(tail);
            return;
        }
        match render::constant_tail(&tail) {
            Ok(text) => self.literal(&text),
            Err(message) => {
                let message = format!("this can't be computed: {message}");
                self.names.error(&first, TemplateErrorKind::Syntax, message, Some(SAME.to_owned()));
            }
        }
    }

    fn vars(&self, uses: &Uses) -> Option<minijinja::Value> {
        uses.vars.then(|| self.names.scope.vars.table())
    }

    fn note(&mut self, uses: &Uses) {
        self.compiled.uses_json |= uses.json != Members::None;
        self.compiled.uses_item |= uses.item != Members::None;
        self.compiled.uses_text |= uses.text;
        self.compiled.uses_row |= uses.row.any() || uses.rows;
        self.compiled.uses_last |= uses.last.any();
        self.compiled.headers.join(&uses.headers);
        for name in &uses.secrets {
            if !self.compiled.secrets.contains(name) {
                self.compiled.secrets.push(name.clone());
            }
        }
    }

    /// The inside of a tag without the white space around it.
    fn trimmed(&self, tag: &Tag) -> Range<usize> {
        let inside = &self.source[tag.inner.clone()];
        let start = tag.inner.start + (inside.len() - inside.trim_start().len());
        start..start + inside.trim().len()
    }

    fn finish(mut self) -> Result<Compiled, Vec<TemplateError>> {
        if !self.names.errors.is_empty() {
            self.names.errors.sort_by_key(|error| error.range.start);
            return Err(self.names.errors);
        }
        self.compiled.segments.retain(|segment| !matches!(segment, Segment::Literal(text) if text.is_empty()));
        Ok(self.compiled)
    }
}
