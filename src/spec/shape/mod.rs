//! The shape check: the spanned tree against the schema, every error at its place.
//!
//! Keys, types, enumerations, units, bounds, required keys and choices of kinds, all from the schema
//! alone. Must never stop at the first error, and never know a key of the language by name.

pub(super) mod example;
mod mend;
mod table;
pub(super) mod view;

use serde_json::Value;

use self::example::{example, toml_key};
use self::mend::mend;
use self::view::{View, either};
use super::schema::{PROFILE, schema};
use super::version;
use crate::diagnostic::{ADVISED, Code, Diagnostic, Diagnostics, FLOOD, codes};
use crate::document::{Document, Key, KeyPath, Node, NodeValue, Place, Step};

/// Checks a whole job and gives the paths of what is wrong, for [`super::read`] to leave out.
///
/// After errors that were found before (syntax), nothing is called missing: it may be what could not
/// be read.
pub fn check(document: &Document, root: &Node, diagnostics: &mut Diagnostics) -> Vec<KeyPath> {
    let view = View::new(schema(), schema());
    let partial = diagnostics.has_errors();
    run(document, diagnostics, partial, |walker| walker.value(&view, root, &Spot::root(root)))
}

/// Checks a part of a job, where nothing is called missing.
pub fn check_part(document: &Document, diagnostics: &mut Diagnostics) {
    let view = View::new(schema(), schema());
    let root = &document.root;
    run(document, diagnostics, true, |walker| walker.value(&view, root, &Spot::root(root)));
}

/// Checks the tables of all profiles, each of them a partial job. What was said of the same place
/// before (a profile that lies over the file) is not said again.
pub fn check_profiles(document: &Document, profiles: &[(Key, Node)], diagnostics: &mut Diagnostics) {
    let Some(partial) = schema().pointer(&format!("/definitions/{PROFILE}")) else { return };
    let view = View::new(schema(), partial);
    run(document, diagnostics, true, |walker| {
        for (key, node) in profiles.iter() {
            if walker.is_flooded() {
                return;
            }
            let path = KeyPath::of(["profiles", key.name.as_str()]);
            walker.value(&view, node, &Spot { path, key: key.place });
        }
    });
}

fn run(
    document: &Document,
    diagnostics: &mut Diagnostics,
    partial: bool,
    walk: impl FnOnce(&mut Walker<'_>),
) -> Vec<KeyPath> {
    let mut walker =
        Walker { document, told: diagnostics, found: Vec::new(), wrong: Vec::new(), partial, trying: false };
    walk(&mut walker);
    let Walker { found, wrong, .. } = walker;
    let is_new = |one: &Diagnostic| one.primary.as_ref().is_none_or(|label| !diagnostics.has(one.code, label.place));
    let new: Vec<Diagnostic> = found.into_iter().filter(is_new).collect();
    new.into_iter().for_each(|diagnostic| diagnostics.push(diagnostic));
    wrong
}

/// Where the walker stands.
struct Spot {
    path: KeyPath,
    /// Place of the key that leads here.
    key: Place,
}

impl Spot {
    fn root(node: &Node) -> Self {
        Self { path: KeyPath::default(), key: node.place }
    }

    /// The path, for messages.
    fn name(&self) -> String {
        self.path.named()
    }

    /// The last key, where the path ends with one.
    fn key_name(&self) -> Option<&str> {
        match self.path.0.last() {
            Some(Step::Key(name)) => Some(name),
            Some(Step::Index(_)) | None => None,
        }
    }
}

struct Walker<'d> {
    document: &'d Document,
    /// What was told before, and what may not be shown.
    told: &'d Diagnostics,
    found: Vec<Diagnostic>,
    /// Paths of what is wrong.
    wrong: Vec<KeyPath>,
    /// Whether what is missing may come from elsewhere.
    partial: bool,
    /// Whether it is only to be seen if anything is wrong: no help is looked for then.
    trying: bool,
}

impl Walker<'_> {
    /// Whether a help may be looked for: not for what is only tried, nor where so much is wrong that nobody reads of it.
    fn may_advise(&self) -> bool {
        !self.trying && self.found.len() <= ADVISED
    }

    /// Whether so much is wrong that nobody reads of what else there is.
    fn is_flooded(&self) -> bool {
        !self.trying && self.found.len() > FLOOD
    }

    fn report(
        &mut self,
        code: Code,
        place: Place,
        path: &KeyPath,
        message: String,
        help: impl IntoIterator<Item = String>,
    ) {
        self.wrong.push(path.clone());
        let mut diagnostic = Diagnostic::error(code, message).at(place, "");
        diagnostic.help.extend(help);
        let declaration = diagnostic.help.iter().find_map(|help| self.declaration(help));
        diagnostic.help.extend(declaration);
        self.found.push(diagnostic);
    }

    /// How a secret is declared that a help names and the job does not have.
    fn declaration(&self, help: &str) -> Option<String> {
        let (name, _) = help.split_once("{{ secrets.")?.1.split_once(" }}")?;
        let is_declared = self.document.get(&KeyPath::of(["secrets", name])).is_some();
        let variable = name.to_uppercase();
        (!is_declared)
            .then(|| format!("declare `{name}.env = \"{variable}\"` under `[secrets]`: its value stays outside"))
    }

    fn value(&mut self, view: &View<'_>, node: &Node, spot: &Spot) {
        if view.get(version::MARK).is_some() {
            return self.version(node, spot);
        }
        let branches = view.branches();
        let fitting: Vec<&View<'_>> = branches.iter().filter(|branch| branch.accepts(&node.value)).collect();
        match fitting.as_slice() {
            [] => self.wrong_type(view, &branches, node, spot),
            // No name of a list of names, where something else would do as well.
            [only] if branches.len() > 1 && only.is_strange(&node.value) => {
                self.wrong_type(view, &branches, node, spot);
            }
            [only] => self.fitting(only, node, spot),
            several => self.best_of(several, node, spot),
        }
    }

    /// The version of the job language, of which `migrate` says the same.
    fn version(&mut self, node: &Node, spot: &Spot) {
        if let Some(told) = version::judged(node, &spot.name()) {
            self.wrong.push(spot.path.clone());
            self.found.push(told);
        }
    }

    /// Of several alternatives of the right type, the one with the fewest errors speaks.
    fn best_of(&mut self, branches: &[&View<'_>], node: &Node, spot: &Spot) {
        let mut best: Option<Walker<'_>> = None;
        for branch in branches {
            let mut attempt = Walker {
                document: self.document,
                told: self.told,
                found: Vec::new(),
                wrong: Vec::new(),
                partial: self.partial,
                trying: self.trying,
            };
            attempt.fitting(branch, node, spot);
            if best.as_ref().is_none_or(|best| attempt.found.len() < best.found.len()) {
                best = Some(attempt);
            }
        }
        if let Some(best) = best {
            self.found.extend(best.found);
            self.wrong.extend(best.wrong);
        }
    }

    fn fitting(&mut self, view: &View<'_>, node: &Node, spot: &Spot) {
        match &node.value {
            NodeValue::Table(entries) => self.table(view, entries, spot),
            NodeValue::Array(items) => self.array(view, items, node, spot),
            NodeValue::String(text) => self.string(view, text, node, spot),
            NodeValue::Integer(integer) => {
                #[allow(clippy::cast_precision_loss, reason = "bounds are far below 2^53")]
                let value = *integer as f64;
                self.number(view, value, &integer.to_string(), node, spot);
            }
            NodeValue::Float(float) => self.number(view, *float, &format!("{float:?}"), node, spot),
            NodeValue::Datetime(text) if view.format().is_some() => self.string(view, text, node, spot),
            NodeValue::Boolean(_) | NodeValue::Datetime(_) => {}
        }
    }

    fn array(&mut self, view: &View<'_>, items: &[Node], node: &Node, spot: &Spot) {
        let least = view.get("minItems").and_then(Value::as_u64).unwrap_or(0);
        if (items.len() as u64) < least && !self.partial {
            let message = format!("the list {} is empty", spot.name());
            let example =
                example(view, spot.key_name()).map_or(String::new(), |example| format!(", such as {example}"));
            let help = format!("leave the key out, or give the list a value{example}");
            self.report(codes::BAD_VALUE, node.place, &spot.path, message, [help]);
        }
        let any = Value::Bool(true);
        let item_view = view.of(view.get("items").unwrap_or(&any));
        for (index, item) in items.iter().enumerate() {
            if self.is_flooded() {
                // Nobody reads of the others; none of them is taken for right.
                return self.wrong.push(spot.path.clone());
            }
            self.value(&item_view, item, &Spot { path: spot.path.index(index), key: item.place });
        }
    }

    fn string(&mut self, view: &View<'_>, text: &str, node: &Node, spot: &Spot) {
        if let Some(Value::Array(allowed)) = view.get("enum") {
            if !allowed.iter().any(|value| value == text) {
                self.not_allowed(view, allowed, text, node, spot);
            }
        } else if let Some(format) = view.format() {
            if let Err(error) = (format.check)(text) {
                let code = if format.units.is_empty() { codes::BAD_VALUE } else { codes::BAD_UNIT };
                self.report(code, node.place, &spot.path, error.message, [error.help]);
            }
        } else if (text.chars().count() as u64) < view.get("minLength").and_then(Value::as_u64).unwrap_or(0) {
            let message = format!("{} is empty", spot.name());
            self.report(codes::BAD_VALUE, node.place, &spot.path, message, example_help(view, spot));
        }
    }

    fn not_allowed(&mut self, view: &View<'_>, allowed: &[Value], text: &str, node: &Node, spot: &Spot) {
        let names: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
        let near = || crate::diagnostic::did_you_mean(text, names.iter().copied());
        let help = match self.may_advise().then(near).flatten() {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write {}", either(&view.describe())),
        };
        let message = format!("{} can't be \"{}\"", spot.name(), short(text));
        self.report(codes::BAD_VALUE, node.place, &spot.path, message, [help]);
    }

    fn number(&mut self, view: &View<'_>, value: f64, written: &str, node: &Node, spot: &Spot) {
        if let Some(Value::Array(allowed)) = view.get("enum") {
            if !allowed.iter().any(|allowed| allowed.as_f64() == Some(value)) {
                let message = format!("{} can't be {written}", spot.name());
                let help = format!("write {}", either(&view.describe()));
                self.report(codes::BAD_VALUE, node.place, &spot.path, message, [help]);
            }
        } else {
            self.bounds(view, value, written, node, spot);
        }
    }

    fn bounds(&mut self, view: &View<'_>, value: f64, written: &str, node: &Node, spot: &Spot) {
        let bound = |keyword| view.get(keyword).and_then(Value::as_f64);
        let (least, most) = (bound("minimum"), bound("maximum"));
        let low = least.is_some_and(|least| value < least) || bound("exclusiveMinimum").is_some_and(|it| value <= it);
        if !low && most.is_none_or(|most| value <= most) {
            return;
        }
        let help = match (least, most) {
            (Some(least), Some(most)) => format!("write a number from {least} to {most}"),
            (Some(least), None) => format!("write {least} or more"),
            (None, Some(most)) => format!("write {most} or less"),
            (None, None) => "write a larger number".to_owned(),
        };
        let word = if low { "small" } else { "large" };
        self.report(
            codes::BAD_VALUE,
            node.place,
            &spot.path,
            format!("{} is {written}, which is too {word}", spot.name()),
            [help],
        );
    }

    fn wrong_type(&mut self, view: &View<'_>, branches: &[View<'_>], node: &Node, spot: &Spot) {
        if view.get("x-paceline-secret").is_some() {
            return self.literal_secret(node, spot);
        }
        let expected: Vec<String> = branches.iter().flat_map(View::describe).collect();
        let is_hidden = self.told.is_hidden(node.place);
        let what = if is_hidden { of_kind(&node.value).to_owned() } else { found(&node.value) };
        let message = format!("{}: expected {}, found {what}", spot.name(), either(&expected));
        if !self.may_advise() {
            let help = "see the values that are told of first".to_owned();
            return self.report(codes::WRONG_TYPE, node.place, &spot.path, message, [help]);
        }
        let mended = if is_hidden { None } else { mend(view, branches, &node.value) };
        let mended = mended.or_else(|| self.one_of_many(branches, node, spot));
        let mended = mended.or_else(|| self.member(branches, node, spot).filter(|_| !is_hidden));
        let help = mended.or_else(|| example_help(view, spot));
        self.report(codes::WRONG_TYPE, node.place, &spot.path, message, help);
    }

    /// A secret in the file. Its line is never shown: that would print the secret.
    fn literal_secret(&mut self, node: &Node, spot: &Spot) {
        let name = spot.path.to_string();
        let message = format!("`{name}` holds its value, and a job file holds no secret");
        let variable: String = name.rsplit('.').next().unwrap_or("token").to_uppercase().replace('-', "_");
        let last = spot.key_name().map(toml_key).unwrap_or_default();
        let diagnostic = Diagnostic::error(codes::SECRET_IN_FILE, message)
            .at_hidden(node.place)
            .help(format!("write `{last}.env = \"{variable}\"`, or `{last}.file = \"/run/secrets/{last}\"`"))
            .help("a value that was committed is known: change it where it was issued");
        self.wrong.push(spot.path.clone());
        self.found.push(diagnostic);
    }
}

/// A text cut to a length that messages can bear.
fn short(text: &str) -> String {
    const MOST: usize = 40;
    if text.chars().count() <= MOST {
        text.to_owned()
    } else {
        format!("{}…", text.chars().take(MOST).collect::<String>())
    }
}

fn found(value: &NodeValue) -> String {
    match value {
        NodeValue::String(text) => format!("the string \"{}\"", short(text)),
        NodeValue::Integer(integer) => format!("the integer {integer}"),
        NodeValue::Float(float) => format!("the float {float:?}"),
        NodeValue::Boolean(boolean) => boolean.to_string(),
        NodeValue::Datetime(_) | NodeValue::Array(_) | NodeValue::Table(_) => of_kind(value).to_owned(),
    }
}

/// What a value is, without the value.
fn of_kind(value: &NodeValue) -> &'static str {
    match value {
        NodeValue::String(_) => "a string",
        NodeValue::Integer(_) => "an integer",
        NodeValue::Float(_) => "a float",
        NodeValue::Boolean(_) => "true or false",
        NodeValue::Datetime(_) => "a date or time",
        NodeValue::Array(_) => "a list",
        NodeValue::Table(_) => "a table",
    }
}

/// An example of a key, as TOML.
fn example_help(view: &View<'_>, spot: &Spot) -> Option<String> {
    Some(format!("for example {}", example(view, spot.key_name())?))
}

#[cfg(test)]
mod tests;
