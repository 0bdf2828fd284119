//! What a help quotes: the text of a mend.

/// What is to be done with the text.
#[derive(Debug, PartialEq, Eq)]
pub enum Kind<'h> {
    /// It is the name that was meant.
    Name,
    /// It is a statement, `key = value`; the key's path and its value.
    Statement(Vec<String>, &'h str),
    /// It stands for the key that is named here.
    InPlaceOf(&'h str),
    /// It comes before what stands there.
    Before,
    /// It is a line that comes above the one that stands there.
    Above,
    /// Lines for the end of the file.
    Append,
    /// It stands for what is there, or for all that is quoted behind it; first this statement is declared among the secrets.
    Secret(&'h str, Option<&'h str>),
    /// It is the name of another file in the same folder.
    Sibling,
    /// It stands for what is there.
    Value,
    /// It stands for what is there and its quotes.
    Bare,
}

/// A mend that a help quotes.
#[derive(Debug, PartialEq, Eq)]
pub struct Offer<'h> {
    /// The text, without the backticks around it; quotes are a part of it.
    pub text: &'h str,
    /// What is to be done with it.
    pub kind: Kind<'h>,
    /// Whether it only shows how such a thing looks.
    pub is_example: bool,
    /// Whether something is added, and nothing replaced.
    pub is_addition: bool,
}

/// How helps that quote a mend begin.
const BEGINNINGS: [&str; 5] =
    ["did you mean ", "write ", "for example ", "add ", "lengthen the window instead: write "];

/// What stands before an example.
const SHOWING: [&str; 3] = ["such as ", "for example ", "as in "];

/// What stands before a value without quotes of its own.
const BARE: [&str; 2] = ["write it without quotes: ", "write a list: "];

impl<'h> Offer<'h> {
    /// What a help offers; `None`: it quotes nothing that could be put there, or leaves a blank in it.
    pub fn of(help: &'h str) -> Option<Self> {
        if let Some(block) = help.strip_prefix("add one, such as\n") {
            return Some(Self { text: block, kind: Kind::Append, is_example: true, is_addition: true });
        }
        if let Some(bare) = BARE.iter().find_map(|begin| help.strip_prefix(begin)) {
            return Some(Self { text: bare, kind: Kind::Bare, is_example: false, is_addition: false });
        }
        if let Some((_, declared)) = help.split_once(": declare `") {
            return Self::secret(declared);
        }
        let (text, kind, shown) = match help.split_once(": write `[").filter(|_| help.ends_with("` above it")) {
            Some((_, header)) => (quoted(&help[help.len() - header.len() - 2..])?, Kind::Above, false),
            None => Self::verbal(help)?,
        };
        let is_addition = help.starts_with("add ") || help.starts_with("write beside it");
        let is_blank = text.contains("...") || text.contains('…') || help.ends_with("and its keys below");
        let is_whole = !is_addition || matches!(kind, Kind::Statement(..));
        (!is_blank && is_whole).then_some(Self { text, kind, is_example: shown || is_addition, is_addition })
    }

    /// Of a secret in the file: the way to declare it, and what to write for it. Several keys are for a person.
    fn secret(declared: &'h str) -> Option<Self> {
        let (statement, rest) = declared.split_once("` under `[secrets]` and write ")?;
        let text = quoted(rest).filter(|text| !text.contains('=') && !text.contains("HOST"))?;
        let instead = rest.split_once(" in the place of `").and_then(|(_, instead)| instead.split('`').next());
        Some(Self { text, kind: Kind::Secret(statement, instead), is_example: false, is_addition: false })
    }

    fn verbal(help: &'h str) -> Option<(&'h str, Kind<'h>, bool)> {
        BEGINNINGS.iter().find(|begin| help.starts_with(**begin))?;
        let shown = SHOWING.iter().filter_map(|word| Some(help.find(word)? + word.len())).min();
        let text = quoted(&help[shown.unwrap_or(0)..])?;
        let behind = help.split_once(&format!("`{text}`")).map_or("", |(_, behind)| behind);
        let kind = if help.ends_with("in the same folder?") {
            Kind::Sibling
        } else if help.starts_with("did you mean ") {
            Kind::Name
        } else if let Some(key) = behind.strip_prefix(" in place of `").and_then(|key| key.split('`').next()) {
            Kind::InPlaceOf(key)
        } else if behind == " before it" {
            Kind::Before
        } else {
            statement(text).map_or(Kind::Value, |(path, value)| Kind::Statement(path, value))
        };
        Some((text, kind, shown.is_some()))
    }
}

/// The first text between backticks, or between quotes, which stay.
fn quoted(help: &str) -> Option<&str> {
    let start = help.find(['`', '"'])?;
    if help[start..].starts_with('`') {
        return help[start + 1..].split('`').next();
    }
    let mut escaped = false;
    let length = help[start + 1..].find(|c: char| {
        let ends = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    })?;
    Some(&help[start..start + length + 2])
}

/// The path and the value of a statement of TOML.
fn statement(text: &str) -> Option<(Vec<String>, &str)> {
    let table: toml::Table = toml::from_str(text).ok()?;
    let (key, value) = text.split_once('=')?;
    let mut path = Vec::new();
    let mut inner = &toml::Value::Table(table);
    // As many steps as the key has.
    for _ in key.trim().split('.') {
        let (name, next) = inner.as_table()?.iter().next()?;
        path.push(name.clone());
        inner = next;
    }
    Some((path, value.trim()))
}

#[test]
fn a_mend_is_read_out_of_its_help() {
    let of = |help| Offer::of(help).map(|offer| (offer.text, offer.kind, offer.is_example));
    assert_eq!(of("did you mean `sku`?"), Some(("sku", Kind::Name, false)));
    assert_eq!(of("write one of \"a\", \"b\""), Some(("\"a\"", Kind::Value, false)));
    assert_eq!(of("write it in quotes: \"a\\\"b\""), Some(("\"a\\\"b\"", Kind::Value, false)));
    assert_eq!(of("write a list: [1, 2]"), Some(("[1, 2]", Kind::Bare, false)));
    assert_eq!(of("write a date, such as `2026-01-31`"), Some(("2026-01-31", Kind::Value, true)));
    let path = vec!["a".to_owned(), "b".to_owned()];
    assert_eq!(of("write `a.b = \"x\"`"), Some(("a.b = \"x\"", Kind::Statement(path, "\"x\""), false)));
    assert_eq!(of("write `url` in place of `path`"), Some(("url", Kind::InPlaceOf("path"), false)));
    assert_eq!(of("`url` is a key of all: write `[a.b]` above it"), Some(("[a.b]", Kind::Above, false)));
    assert_eq!(of("write `a = ...`"), None);
    assert_eq!(of("did you mean `a.csv`, in the same folder?"), Some(("a.csv", Kind::Sibling, false)));
    assert_eq!(of("add `size`, the number of items"), None);
    assert_eq!(of("keep one of the two"), None);
}
