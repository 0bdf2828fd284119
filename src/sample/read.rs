//! A reply from a file: its body alone, or with the head before it that `curl -i` writes, packed or not.
//!
//! A body alone has no headers, not even the type that it most likely came with: nobody has seen it sent. Must never take a
//! body for a head: without a line that says HTTP and a status there is none. Must never take a reply that is not whole, or
//! more than one.

use std::io::{self, Read};
use std::path::Path;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::de::IgnoredAny;

use super::Sample;
use crate::extract::charset;
use crate::plan::EndpointPlan;
use crate::source::unpack::{Packing, Unpacked};

/// Where a reply comes from that nobody asked for. A name that can't exist (RFC 6761).
const NOWHERE: &str = "https://sample.invalid/";

/// Why a file can't be taken for a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unusable {
    /// What is wrong with it, behind its name.
    pub message: String,
    /// The way out.
    pub help: String,
}

impl Unusable {
    fn new(message: impl Into<String>, help: &str) -> Self {
        Self { message: message.into(), help: help.to_owned() }
    }
}

impl Sample {
    /// A reply to an endpoint from the bytes of a file. Of the heads that redirects leave before it, the last one counts.
    ///
    /// # Errors
    /// When it is none, or only a part of one, or several.
    pub fn of_file(file: &Path, bytes: Bytes, endpoint: &EndpointPlan) -> Result<Self, Unusable> {
        let most = endpoint.client.max_body;
        let is_brotli = file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("br"));
        let (bytes, whole) = match unpacked(&bytes, is_brotli.then_some("br"), most)? {
            Some((plain, packed)) => (plain, Some(packed)),
            None => (bytes, None),
        };
        // A shell may write its output in a charset of its own, head and all.
        let rewritten = charset::converted(&HeaderMap::new(), &bytes);
        let is_rewritten = rewritten.is_some();
        let (status, head, raw) = split(rewritten.unwrap_or(bytes));
        if let Some(head) = head.as_ref().filter(|_| !is_rewritten) {
            let has_body = endpoint.method != Method::HEAD && !matches!(status, Some(204 | 304));
            whole_and_one(head, &raw, has_body)?;
        }
        let coding = head.as_ref().and_then(coding);
        let decoded = coding.map(|coding| unpacked(&raw, Some(coding), most)).transpose()?.flatten();
        let (body, packed) = decoded.map_or((raw, whole), |(plain, packed)| (plain, Some(packed)));
        let has_head = head.is_some();
        let headers = head.unwrap_or_default();
        let text = charset::converted(&headers, &body).filter(|_| !is_rewritten);
        let (body, url) = (text.unwrap_or(body), Uri::from_static(NOWHERE));
        if body.len() as u64 > most {
            let message = format!("is larger than client.max-body = {most} bytes: a run would not take it");
            return Err(Unusable::new(message, "raise `client.max-body`, or take a smaller reply"));
        }
        Ok(Self { called: "the sample", status, headers, has_head, body, url, packed })
    }
}

/// The status and the headers of the last head, and the body.
fn split(bytes: Bytes) -> (Option<u16>, Option<HeaderMap>, Bytes) {
    let Some((mut status, mut headers, rest)) = head(&bytes) else { return (None, None, bytes) };
    let mut body = bytes.slice(rest..);
    while leads(status, &headers)
        && is_head(&body)
        && let Some((code, lines, rest)) = head(&body)
    {
        (status, headers, body) = (code, lines, body.slice(rest..));
    }
    (Some(status), Some(headers), body)
}

/// Whether curl may write the head of the next reply right behind this one, without a body of it: where it is a reply on
/// the way, goes elsewhere, proves who asks, or has a proxy connect it.
fn leads(status: u16, headers: &HeaderMap) -> bool {
    match status {
        304 => false,
        100..=199 | 300..=399 | 401 | 407 => true,
        200 => ![CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name)),
        _ => false,
    }
}

/// The coding that a head names, if it is one alone.
fn coding(head: &HeaderMap) -> Option<&str> {
    let named = head.get(CONTENT_ENCODING)?.to_str().ok()?.trim();
    ["gzip", "x-gzip", "zstd", "br", "deflate"].into_iter().find(|known| named.eq_ignore_ascii_case(known))
}

/// Bytes unpacked, and how they were packed; `None`: they are not. `named`: how they may be packed by a name or a head;
/// what is a text all the same was unpacked by whoever wrote it down.
fn unpacked(bytes: &Bytes, named: Option<&str>, most: u64) -> Result<Option<(Bytes, &'static str)>, Unusable> {
    let most = most.saturating_add(super::LONGEST_HEAD);
    let mut plain = Vec::new();
    let (name, read) = match Unpacked::new(&bytes[..]).packing() {
        Ok(Some(packing @ (Packing::Gzip | Packing::Zstd))) => {
            (packing.name(), Unpacked::new(&bytes[..]).take(most).read_to_end(&mut plain))
        }
        _ if std::str::from_utf8(bytes).is_ok() => return Ok(None),
        _ => match named {
            Some("br") => ("br", brotli(bytes).take(most).read_to_end(&mut plain)),
            Some("deflate") => {
                ("deflate", flate2::read::ZlibDecoder::new(&bytes[..]).take(most).read_to_end(&mut plain))
            }
            _ => return Ok(None),
        },
    };
    match read {
        Ok(_) => Ok(Some((plain.into(), name))),
        Err(error) => Err(damaged(name, &error)),
    }
}

fn brotli(bytes: &[u8]) -> impl Read {
    brotli_decompressor::Decompressor::new(bytes, 4096)
}

fn damaged(name: &str, error: &io::Error) -> Unusable {
    let message = format!("is packed by {name} and can't be unpacked: {error}");
    Unusable::new(message, "fetch the reply again; `curl --compressed -i` writes it down unpacked")
}

/// That the body is all that the head announces, and that no other reply follows.
fn whole_and_one(head: &HeaderMap, body: &[u8], has_body: bool) -> Result<(), Unusable> {
    let length = head.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.trim().parse::<u64>().ok());
    // Of a body that is written down unpacked the head tells another length.
    let length = if has_body { length.filter(|_| !head.contains_key(CONTENT_ENCODING)) } else { Some(0) };
    let found = body.len() as u64;
    if let Some(length) = length.filter(|length| *length > found) {
        let message = format!("is cut off: its head says content-length: {length}, and {found} bytes follow it");
        let help = "fetch the reply again, head and body (`curl -i`; `curl -I` asks for the head alone)";
        return Err(Unusable::new(message, help));
    }
    if length == Some(found) || !is_followed(body, length) {
        return Ok(());
    }
    Err(Unusable::new("holds several replies, one behind the other", "give --sample a file with one of them"))
}

/// Ends of a first reply that are looked at, and bytes of a head behind one.
const MOST_PLACES: usize = 1_000;
const LONGEST: usize = 256 * 1024;

/// Whether another reply stands where the first has ended: behind the length of it, or, of what is sent without one,
/// behind the document that it is. A head anywhere else is quoted by a body that talks of replies.
fn is_followed(body: &[u8], length: Option<u64>) -> bool {
    let by_length = length.and_then(|length| usize::try_from(length).ok());
    let ends = by_length.into_iter().chain(behind_json(body)).chain(behind_html(body));
    let rests = ends.filter_map(|end| body.get(end..)).map(<[u8]>::trim_ascii_start);
    rests.filter(|rest| rest.starts_with(b"HTTP/")).take(MOST_PLACES).any(is_head)
}

/// Where the JSON values that a body begins with have ended, if it begins with any.
fn behind_json(body: &[u8]) -> Option<usize> {
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    let mut end = None;
    while let Some(Ok(_)) = values.next() {
        end = Some(values.byte_offset());
    }
    end
}

/// Where documents of HTML have ended.
fn behind_html(body: &[u8]) -> impl Iterator<Item = usize> {
    const END: &[u8] = b"</html>";
    let ends = body.windows(END.len()).enumerate().filter(|(_, here)| here.eq_ignore_ascii_case(END));
    ends.map(|(at, _)| at + END.len())
}

/// Whether a text begins with a whole head: nothing but headers stands between its status and a blank line.
fn is_head(text: &[u8]) -> bool {
    let Some((_, _, length)) = head(text) else { return false };
    let mut lines = text[..length].split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let status = lines.next().and_then(|line| line.split(|byte| *byte == b' ').nth(1));
    let is_header = |line: &[u8]| {
        let name = line.split(|byte| *byte == b':').next().filter(|name| name.len() < line.len());
        line.is_empty() || name.is_some_and(|name| HeaderName::from_bytes(name).is_ok())
    };
    status.is_some_and(|status| status.len() == 3 && status.iter().all(u8::is_ascii_digit)) && lines.all(is_header)
}

/// The status, the headers and the length of the head that a reply begins with.
fn head(bytes: &[u8]) -> Option<(u16, HeaderMap, usize)> {
    if !bytes.starts_with(b"HTTP/") {
        return None;
    }
    // Whoever asks may ask at many places.
    let bytes = &bytes[..bytes.len().min(LONGEST)];
    let blank = |at: usize| match &bytes[at..] {
        [b'\r', b'\n', b'\r', b'\n', ..] => Some((at, 4)),
        [b'\n', b'\n', ..] => Some((at, 2)),
        _ => None,
    };
    let (end, blank) = (0..bytes.len()).find_map(blank)?;
    let head = String::from_utf8_lossy(&bytes[..end]);
    let mut lines = head.lines();
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let mut headers = HeaderMap::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) = (name.trim().parse::<HeaderName>(), HeaderValue::from_str(value.trim())) {
            headers.append(name, value);
        }
    }
    Some((status, headers, end + blank))
}

#[cfg(test)]
mod tests;
