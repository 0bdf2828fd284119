//! `css`: text or an attribute of the elements of an HTML reply that a CSS selector finds.
//!
//! One match is a text, several are an array, none is null. Text is that of the element and all below it, with
//! white space as a browser shows it: trimmed, and one space for each run. HTML is read as browsers read it, so
//! nothing is ever too broken; a reply is read once for all columns. Must never fetch what a page names.

use std::sync::{Arc, Mutex, PoisonError};

use scraper::{ElementRef, Selector};
use serde_json::Value;

use super::{ExtractError, ExtractKind, Extractor, Need, Written};
use crate::compile::Site;
use crate::diagnostic::{Diagnostic, codes};
use crate::document::KeyPath;
use crate::expression::{self, Language};
use crate::template::{Context, Scope};

/// The row of [`KINDS`](super::KINDS).
pub(super) const KIND: ExtractKind = ExtractKind {
    name: "css",
    doc: "text of what a CSS selector finds in an HTML reply, or an attribute with `attr`; several matches are an array",
    example: "title = { css = \"h1.title\" }",
    schema: |_| {
        schemars::json_schema!({
            "type": "string",
            "description": "A CSS selector.",
            "minLength": 1,
            "examples": ["h1.title"]
        })
    },
    compile,
};

const HELP: &str = "a selector is written as `h1.title`, `#price`, `table td:nth-child(2)` or `a[href^=\"/item\"]`; \
                    an attribute is taken with `attr = \"href\"` beside it";

/// The HTML of one reply, read when the first column wants it.
// One worker reads a reply; the lock is there since a tree may be sent between threads and not shared.
#[derive(Debug, Default)]
pub struct Page(Mutex<Option<scraper::Html>>);

impl Page {
    fn look<T>(&self, body: &[u8], look: impl FnOnce(&scraper::Html) -> T) -> T {
        let mut page = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        look(page.get_or_insert_with(|| scraper::Html::parse_document(&String::from_utf8_lossy(body))))
    }
}

#[derive(Debug)]
struct Css {
    source: String,
    selector: Selector,
    attribute: Option<String>,
}

fn compile(site: &mut Site<'_>, path: &KeyPath, written: &Written<'_>, _scope: &Scope) -> Option<Arc<dyn Extractor>> {
    let source = written.text(site, path, "a CSS selector", HELP)?;
    if let Some((message, range)) = expression::too_much(source, Language::Plain) {
        let place = site.document.place_in_string(path, range);
        let message = format!("the CSS selector can't be used: {message}");
        site.diagnostics
            .push(Diagnostic::error(codes::EXTRACT_SYNTAX, message).at(place, "").help("write a shorter one"));
        return None;
    }
    match Selector::parse(source) {
        Ok(selector) => {
            // HTML keeps names of attributes in lower case.
            let attribute = written.attr.map(str::to_ascii_lowercase);
            Some(Arc::new(Css { source: source.to_owned(), selector, attribute }))
        }
        Err(error) => {
            let place = site.document.place_in_string(path, 0..source.len());
            let message = format!("the CSS selector does not parse: {}", why(&error));
            site.diagnostics.push(Diagnostic::error(codes::EXTRACT_SYNTAX, message).at(place, "").help(HELP));
            None
        }
    }
}

/// The library knows no place.
fn why(error: &scraper::error::SelectorErrorKind) -> String {
    use scraper::error::SelectorErrorKind as Kind;
    match error {
        Kind::EndOfLine => "it ends too early".to_owned(),
        Kind::UnexpectedToken => "something stands where it can't".to_owned(),
        Kind::InvalidAtRule | Kind::InvalidAtRuleBody => "`@` has no meaning here".to_owned(),
        Kind::QualRuleInvalid => "it is a rule, not a selector".to_owned(),
        Kind::TooManyNestedBlocks => "it nests too deeply".to_owned(),
        Kind::ExpectedColonOnPseudoElement | Kind::ExpectedIdentityOnPseudoElement => {
            "a pseudo-element needs its name".to_owned()
        }
        Kind::UnexpectedSelectorParseError(_) => {
            "a part of it is empty, or no selector that is known here (such as `:nope`)".to_owned()
        }
    }
}

impl Css {
    fn value(&self, element: ElementRef<'_>) -> Value {
        match &self.attribute {
            Some(name) => element.attr(name).map_or(Value::Null, Value::from),
            None => shown(element).into(),
        }
    }
}

/// The text below an element, with white space as a browser shows it.
fn shown(element: ElementRef<'_>) -> String {
    let mut text = String::new();
    let mut apart = false;
    for piece in element.text() {
        for word in piece.split_inclusive(|c: char| c.is_ascii_whitespace()) {
            let bare = word.trim_end_matches(|c: char| c.is_ascii_whitespace());
            if !bare.is_empty() {
                if apart && !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(bare);
                apart = false;
            }
            apart |= bare.len() < word.len();
        }
    }
    text
}

impl Extractor for Css {
    fn is_slow(&self) -> bool {
        true
    }

    fn kind(&self) -> &'static str {
        KIND.name
    }

    fn identity(&self) -> String {
        match &self.attribute {
            Some(attribute) => format!("css {} attr {attribute}", self.source),
            None => format!("css {}", self.source),
        }
    }

    fn needs(&self) -> Need<'_> {
        Need::Utf8
    }

    fn varies(&self) -> bool {
        false
    }

    fn extract(&self, context: &Context<'_>, _item: &Value) -> Result<Value, ExtractError> {
        let Some(reply) = context.reply else { return Ok(Value::Null) };
        let mut found: Vec<Value> = reply
            .page
            .look(reply.body, |page| page.select(&self.selector).map(|element| self.value(element)).collect());
        Ok(match found.len() {
            0 => Value::Null,
            1 => found.remove(0),
            _ => found.into(),
        })
    }
}
