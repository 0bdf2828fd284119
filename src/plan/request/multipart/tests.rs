//! What is written is read again by a reader that knows only the RFC.

use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::plan::body::FoundFile;

fn text(name: &str, text: &str) -> Part {
    Part { name: name.to_owned(), filename: None, content_type: None, data: Data::Text(text.to_owned()) }
}

/// A part as a server sees it: its disposition, its type, its content.
type Seen = (String, Option<String>, Vec<u8>);

/// Reads a body, strictly: RFC 2046, section 5.1.1, without preamble and epilogue.
fn read(body: &[u8], boundary: &str) -> Vec<Seen> {
    let find = |text: &[u8], what: &str| text.windows(what.len()).position(|some| some == what.as_bytes());
    let delimiter = format!("\r\n--{boundary}");
    let mut rest = body.strip_prefix(&delimiter.as_bytes()[2..]).expect("it begins with a boundary");
    let mut parts = Vec::new();
    while let Some(after) = rest.strip_prefix(b"\r\n") {
        let end = find(after, "\r\n\r\n").expect("a head");
        let mut lines = std::str::from_utf8(&after[..end]).expect("UTF-8").split("\r\n");
        let disposition = lines.next().unwrap().strip_prefix("Content-Disposition: form-data; name=").unwrap();
        let kind = lines.next().map(|line| line.strip_prefix("Content-Type: ").expect("a type").to_owned());
        assert_eq!(lines.next(), None);
        let content = &after[end + 4..];
        let end = find(content, &delimiter).expect("an end");
        parts.push((disposition.to_owned(), kind, content[..end].to_vec()));
        rest = &content[end + delimiter.len()..];
    }
    assert_eq!(rest, b"--\r\n", "the last boundary ends the body");
    parts
}

fn whole(body: &RequestBody) -> Vec<u8> {
    match body {
        RequestBody::Whole(bytes) => bytes.to_vec(),
        RequestBody::Parts(pieces) => {
            let piece = |piece: &BodyPart| match piece {
                BodyPart::Bytes(bytes) => bytes.to_vec(),
                BodyPart::File { path, length } => format!("<{} {length}>", path.display()).into_bytes(),
            };
            pieces.iter().flat_map(piece).collect()
        }
    }
}

fn file(name: &str) -> Part {
    let path = PathBuf::from("/docs/a.pdf");
    let found = FoundFile { shown: "docs/a.pdf".into(), path, length: 7 };
    let (filename, content_type) = (Some("a.pdf".to_owned()), Some("application/pdf".to_owned()));
    Part { name: name.to_owned(), filename, content_type, data: Data::File(found) }
}

#[test]
fn a_body_letter_by_letter() {
    let expected = "--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\nhello\r\n\
        --b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\nContent-Type: application/pdf\r\n\r\n\
        </docs/a.pdf 7>\r\n--b--\r\n";
    let body = write(vec![text("note", "hello"), file("file")], "b");
    assert_eq!(String::from_utf8(whole(&body)).unwrap(), expected);
    assert_eq!(body.length(), expected.len() as u64 - "</docs/a.pdf 7>".len() as u64 + 7);
    assert!(body.whole().is_none() && write(vec![text("a", "")], "b").whole().is_some());
}

#[test]
fn names_are_written_as_browsers_do() {
    let mut part = text("a\"b\r\nc", "");
    part.filename = Some("Größe 100%\\\".pdf".to_owned());
    let seen = read(&whole(&write(vec![part], "b")), "b");
    assert_eq!(seen[0].0, r#""a%22b%0D%0Ac"; filename="Größe 100%\%22.pdf""#);
}

#[test]
fn a_boundary_stands_in_no_text() {
    let same = boundary(&[], || 0);
    assert_eq!(same, format!("paceline-{}", "0".repeat(32)));
    let other = boundary(&[text("a", &format!("x{same}y")), file("f")], || 0);
    assert_eq!(other, format!("paceline-{}1", "0".repeat(31)));
    assert_ne!(boundary(&[], crate::random::bits), boundary(&[], crate::random::bits));
    assert!(same.len() <= 70, "RFC 2046, section 5.1.1");
}

/// Texts that try to look like a boundary.
fn tricky() -> impl Strategy<Value = String> {
    let same = "paceline-00000000000000000000000000000000";
    let pieces = vec!["\r\n", "--", same, "paceline-", "0000000000000000", "\n", "\"", ";", "a", "ü", "\0"];
    prop::collection::vec(prop::sample::select(pieces), 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_reader_finds_the_same_parts(
        parts in prop::collection::vec((tricky(), tricky(), prop::option::of(tricky()), any::<bool>()), 1..5),
    ) {
        let quoted = |text: &str| text.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let (mut made, mut expected) = (Vec::new(), Vec::<Seen>::new());
        for (name, value, filename, typed) in parts {
            let mut disposition = format!("\"{}\"", quoted(&name));
            if let Some(filename) = &filename {
                disposition += &format!("; filename=\"{}\"", quoted(filename));
            }
            let kind = typed.then(|| "text/plain".to_owned());
            expected.push((disposition, kind.clone(), value.clone().into_bytes()));
            made.push(Part { name, filename, content_type: kind, data: Data::Text(value) });
        }
        let boundary = boundary(&made, || 0);
        prop_assert_eq!(read(&whole(&write(made, &boundary)), &boundary), expected);
    }
}
