//! Bodies of curl's data and form flags.
//!
//! Files that curl changes or joins before it sends them are read here, up to a bound; others stay names.

use std::fs::File;
use std::io::{ErrorKind, Read as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::words::{OPEN, Reference, Text, parts};

/// Most bytes of a file that are copied into a job.
const MOST: u64 = 1 << 20;

/// What curl leaves as it is when it encodes; of a space it makes a plus.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The body of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// Text, as it is sent.
    Text(Text),
    /// A file, as it is.
    File(String),
    /// Parts.
    Form(Vec<Field>),
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub content: FieldContent,
    /// `;type=`.
    pub content_type: Option<String>,
    /// `;filename=`.
    pub filename: Option<String>,
}

/// What a part holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FieldContent {
    /// Text.
    Text(Text),
    /// A file.
    File(String),
}

/// A piece that a data flag gives.
#[derive(Debug)]
pub(super) enum Piece {
    Text(Text),
    File(String),
}

/// `-d`: of a file, without its line ends.
pub(super) fn plain(value: &str) -> Result<Piece, String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(Piece::Text(value.to_owned())) };
    let text = read(path)?;
    Ok(Piece::Text(text.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect()))
}

/// `--data-binary` and `--json`.
pub(super) fn binary(value: &str) -> Result<Piece, String> {
    let Some(path) = value.strip_prefix('@') else { return Ok(Piece::Text(value.to_owned())) };
    named(path)?;
    Ok(Piece::File(path.to_owned()))
}

/// `--data-urlencode`: `text`, `=text`, `name=text`, `@file`, `name@file`.
pub(super) fn urlencode(value: &str) -> Result<Text, String> {
    let (name, content) = match value.find(['=', '@']) {
        None => ("", value.to_owned()),
        Some(at) if value[at..].starts_with('=') => (&value[..at], value[at + 1..].to_owned()),
        Some(at) => (&value[..at], read(&value[at + 1..])?),
    };
    let content = encode(&content);
    Ok(if name.is_empty() { content } else { format!("{name}={content}") })
}

fn encode(text: &str) -> Text {
    let piece = |piece| match piece {
        Reference::Literal(text) => utf8_percent_encode(text, ENCODED).to_string().replace("%20", "+"),
        Reference::Variable(name) => super::words::variable(name),
    };
    parts(text).into_iter().map(piece).collect()
}

/// Pieces as curl joins them.
pub(super) fn join(pieces: Vec<Piece>, separator: &str) -> Result<Body, String> {
    let mut pieces = pieces;
    if let [Piece::File(_)] = pieces.as_slice()
        && let Some(Piece::File(path)) = pieces.pop()
    {
        return Ok(Body::File(path));
    }
    let text = |piece| match piece {
        Piece::Text(text) => Ok(text),
        Piece::File(path) => read(&path),
    };
    let texts: Vec<Text> = pieces.into_iter().map(text).collect::<Result<_, _>>()?;
    Ok(Body::Text(texts.join(separator)))
}

/// `-F`.
pub(super) fn field(value: &str) -> Result<Field, String> {
    let (name, content) = named_field(value)?;
    let is_file = content.starts_with('@');
    let from_file = content.starts_with('<');
    let (content, options) = cut(if is_file || from_file { &content[1..] } else { content })?;
    let mut field = Field {
        name: name.to_owned(),
        content: match (is_file, from_file) {
            (true, _) => FieldContent::File(named(&content)?.to_owned()),
            (_, true) => FieldContent::Text(read(&content)?),
            _ => FieldContent::Text(content),
        },
        content_type: None,
        filename: None,
    };
    for (key, value) in options {
        match key.as_str() {
            "type" => field.content_type = Some(value),
            "filename" => field.filename = Some(value),
            key => return Err(format!("-F {name}: `;{key}=` has no counterpart in a job; leave it out")),
        }
    }
    Ok(field)
}

/// `--form-string`.
pub(super) fn field_text(value: &str) -> Result<Field, String> {
    let (name, content) = named_field(value)?;
    let content = FieldContent::Text(content.to_owned());
    Ok(Field { name: name.to_owned(), content, content_type: None, filename: None })
}

fn named_field(value: &str) -> Result<(&str, &str), String> {
    let pair = value.split_once('=').filter(|(name, _)| !name.is_empty() && !name.contains(OPEN));
    pair.ok_or_else(|| "-F: write NAME=VALUE, NAME=@FILE or NAME=<FILE".to_owned())
}

/// A content, perhaps quoted, and the options behind it.
fn cut(text: &str) -> Result<(String, Vec<(String, String)>), String> {
    let (content, mut rest) = value(text)?;
    let mut options: Vec<(String, String)> = Vec::new();
    while let Some(more) = rest.strip_prefix(';') {
        let (key, behind) = more.split_once('=').ok_or("-F: what stands behind `;` is no option: quote the text")?;
        let (mut option, after) = value(behind)?;
        rest = after;
        // A media type has parameters of its own.
        while key.trim() == "type"
            && let Some(parameter) = rest.strip_prefix(';')
            && !["filename=", "headers=", "encoder="].iter().any(|known| parameter.trim_start().starts_with(known))
        {
            let (parameter, after) = value(parameter)?;
            option += &format!(";{parameter}");
            rest = after;
        }
        options.push((key.trim().to_owned(), option));
    }
    Ok((content, options))
}

/// A value up to a `;`, or within double quotes.
fn value(text: &str) -> Result<(String, &str), String> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return Ok((text[..end].to_owned(), &text[end..]));
    };
    let mut value = String::new();
    let mut chars = quoted.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &quoted[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ('"' | '\\'))) => value.push(c),
                Some((_, c)) => value.extend(['\\', c]),
                None => break,
            },
            c => value.push(c),
        }
    }
    Err("-F: a quote is not closed".to_owned())
}

/// A file that is sent as it is; standard input is none.
pub(super) fn named(path: &str) -> Result<&str, String> {
    if path.is_empty() || path == "-" || path.contains(OPEN) {
        return Err(format!("the body comes from {path:?}, which a job can't read again: write it into a file"));
    }
    Ok(path)
}

/// The text of a file that goes into the job.
fn read(path: &str) -> Result<String, String> {
    let path = named(path)?;
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            format!("there is no file {path}: write it first, as its text goes into the job, or give the data itself")
        }
        ErrorKind::IsADirectory => format!("{path} is a folder: name the file in it that holds the data"),
        _ => format!("can't read {path}: {error}"),
    };
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MOST + 1).read_to_end(&mut text)).map_err(failed)?;
    if text.len() as u64 > MOST {
        return Err(format!("{path} has more than 1 MiB; send it as it is, with --data-binary @{path}"));
    }
    String::from_utf8(text)
        .map_err(|_| format!("{path} is no UTF-8 text; send it as it is, with --data-binary @{path}"))
}
