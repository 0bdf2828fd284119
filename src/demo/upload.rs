//! What was uploaded, told back: fields, and of each file its size and checksum.
//!
//! Reads multipart/form-data (RFC 7578), forms, and anything else as one file. Must never keep what it
//! was sent, and never take more parts than it has a use for.

use http::{StatusCode, header};
use serde_json::{Map, Value, json};

use super::answer::{Answer, ok, refuse};
use super::echo::gather;
use super::router::{Asked, Route, World, pairs};

pub(super) const ROUTES: &[Route] = &[Route {
    method: "POST",
    pattern: "/upload",
    doc: "a form, parts or anything, 1 MiB at most: fields, and size, type and CRC-32 of each file",
    handle: upload,
}];

/// Most parts of a body.
const MOST_PARTS: usize = 100;

/// A part of a multipart body.
#[derive(Debug, PartialEq, Eq)]
struct Part<'b> {
    name: String,
    filename: Option<String>,
    kind: Option<String>,
    content: &'b [u8],
}

fn upload(_: &World, asked: &Asked<'_>) -> Answer {
    let kind = asked.header(header::CONTENT_TYPE);
    let media = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media.starts_with("multipart/") {
        return match boundary(kind).ok_or("there is no boundary").and_then(|boundary| read(asked.body, &boundary)) {
            Ok(parts) => told(parts),
            Err(why) => {
                refuse(StatusCode::BAD_REQUEST, &format!("the multipart body can't be read: {why}"), "see RFC 7578")
            }
        }
        .into();
    }
    let (fields, files) = if media == "application/x-www-form-urlencoded" {
        (gather(pairs(&String::from_utf8_lossy(asked.body))), Vec::new())
    } else {
        (Map::new(), vec![file(None, None, Some(kind).filter(|kind| !kind.is_empty()), asked.body)])
    };
    ok(&json!({ "fields": fields, "files": files })).into()
}

fn told(parts: Vec<Part<'_>>) -> super::answer::Reply {
    let (files, fields): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.filename.is_some());
    let fields = fields.into_iter().map(|part| (part.name, String::from_utf8_lossy(part.content).into_owned()));
    let told = |part: &Part<'_>| file(Some(&part.name), part.filename.as_deref(), part.kind.as_deref(), part.content);
    let files: Vec<Value> = files.iter().map(told).collect();
    ok(&json!({ "fields": gather(fields), "files": files }))
}

fn file(name: Option<&str>, filename: Option<&str>, kind: Option<&str>, content: &[u8]) -> Value {
    json!({
        "name": name,
        "filename": filename,
        "content_type": kind,
        "size": content.len(),
        "crc32": format!("{:08x}", crc32fast::hash(content)),
    })
}

/// The boundary that a content type names.
fn boundary(kind: &str) -> Option<String> {
    let named = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
    };
    kind.split(';').skip(1).find_map(named).filter(|boundary| (1..=70).contains(&boundary.len()))
}

/// Reads the parts of a body that begins with its first boundary.
fn read<'b>(body: &'b [u8], boundary: &str) -> Result<Vec<Part<'b>>, &'static str> {
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..]).ok_or("it does not begin with its boundary")?;
    let mut parts = Vec::new();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, delimiter.as_bytes()).ok_or("its last boundary is missing")?;
        let (head, content) = split(&part[..end]).ok_or("a part has no head")?;
        parts.push(described(head, content).ok_or("a part has no name")?);
        if parts.len() > MOST_PARTS {
            return Err("it has more than 100 parts");
        }
        rest = &part[end + delimiter.len()..];
    }
    if rest.starts_with(b"--") { Ok(parts) } else { Err("its last boundary is missing") }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|some| some == what)
}

fn split(part: &[u8]) -> Option<(&str, &[u8])> {
    let end = find(part, b"\r\n\r\n")?;
    Some((std::str::from_utf8(&part[..end]).ok()?, &part[end + 4..]))
}

fn described<'b>(head: &str, content: &'b [u8]) -> Option<Part<'b>> {
    let header = |wanted: &str| {
        head.split("\r\n").find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case(wanted).then(|| value.trim())
        })
    };
    let disposition = header("content-disposition")?;
    let name = quoted(disposition, " name=\"")?;
    let filename = quoted(disposition, " filename=\"");
    Some(Part { name, filename, kind: header("content-type").map(str::to_owned), content })
}

/// A parameter of a disposition, with the three characters that browsers escape as they were.
fn quoted(disposition: &str, parameter: &str) -> Option<String> {
    let value = disposition.split_once(parameter)?.1.split('"').next()?;
    Some(value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_they_were_written() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--b\r\n\
            content-disposition: form-data; name=\"f\"; filename=\"x%22.csv\"\r\nContent-Type: text/csv\r\n\r\n\r\n\r\n--b--\r\n";
        let part = |name: &str, filename: Option<&str>, kind: Option<&str>, content: &'static str| Part {
            name: name.to_owned(),
            filename: filename.map(str::to_owned),
            kind: kind.map(str::to_owned),
            content: content.as_bytes(),
        };
        let expected = vec![part("a", None, None, "1"), part("f", Some("x\".csv"), Some("text/csv"), "\r\n")];
        assert_eq!(read(body.as_bytes(), "b"), Ok(expected));
        assert_eq!(read(b"--b--", "b"), Ok(Vec::new()));
    }

    #[test]
    fn whatever_comes_is_no_panic() {
        for body in ["", "x", "--b", "--b\r\n", "--b\r\n\r\n\r\n--b--", "--b\r\nx: y\r\n\r\n1\r\n--b--", "--bb--"] {
            assert!(read(body.as_bytes(), "b").is_err(), "{body:?}");
        }
        let many = "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n".repeat(MOST_PARTS + 1) + "--b--";
        assert_eq!(read(many.as_bytes(), "b"), Err("it has more than 100 parts"));
    }

    #[test]
    fn boundaries_are_found_in_content_types() {
        for (kind, found) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("multipart/form-data;Boundary=\"a b\"; charset=utf-8", Some("a b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
        ] {
            assert_eq!(boundary(kind).as_deref(), found, "{kind}");
        }
    }
}
