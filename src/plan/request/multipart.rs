//! multipart/form-data (RFC 7578): parts one after the other, with a boundary between them.
//!
//! Files are named and not read. Must never let a name or a text end the part that it stands in.

use std::sync::Arc;

use bytes::Bytes;

use super::body::{Data, Part};
use crate::transport::{BodyPart, RequestBody};

/// A boundary that stands in no part that is in memory. Files are not searched: a boundary of 128 random
/// bits does not stand in them by chance.
pub(super) fn boundary(parts: &[Part], draw: fn() -> u64) -> String {
    let held = |boundary: &str| parts.iter().any(|part| part.holds(boundary));
    let mut turn = 0_u64;
    loop {
        // Counting on makes an end even of a draw that never changes.
        let boundary = format!("paceline-{:016x}{:016x}", draw(), draw().wrapping_add(turn));
        if !held(&boundary) {
            return boundary;
        }
        turn += 1;
    }
}

/// The body. In memory as one where no part is a file.
pub(super) fn write(parts: Vec<Part>, boundary: &str) -> RequestBody {
    let mut pieces: Vec<BodyPart> = Vec::new();
    let mut text = String::new();
    for part in parts {
        head(&part, boundary, &mut text);
        match part.data {
            Data::Text(value) => text.push_str(&value),
            Data::File(file) => {
                pieces.push(BodyPart::Bytes(std::mem::take(&mut text).into()));
                pieces.push(BodyPart::File { path: file.path, length: file.length });
            }
        }
        text.push_str("\r\n");
    }
    text.push_str("--");
    text.push_str(boundary);
    text.push_str("--\r\n");
    let last = Bytes::from(text);
    if pieces.is_empty() {
        return RequestBody::Whole(last);
    }
    pieces.push(BodyPart::Bytes(last));
    RequestBody::Parts(Arc::from(pieces))
}

fn head(part: &Part, boundary: &str, out: &mut String) {
    out.push_str("--");
    out.push_str(boundary);
    out.push_str("\r\nContent-Disposition: form-data; name=\"");
    quote(&part.name, out);
    if let Some(filename) = &part.filename {
        out.push_str("\"; filename=\"");
        quote(filename, out);
    }
    out.push('"');
    if let Some(kind) = &part.content_type {
        out.push_str("\r\nContent-Type: ");
        out.push_str(kind);
    }
    out.push_str("\r\n\r\n");
}

/// A name as browsers write it (HTML standard, "multipart/form-data encoding algorithm"): UTF-8 as it is,
/// with these three percent-encoded.
fn quote(name: &str, out: &mut String) {
    for letter in name.chars() {
        match letter {
            '"' => out.push_str("%22"),
            '\r' => out.push_str("%0D"),
            '\n' => out.push_str("%0A"),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests;
