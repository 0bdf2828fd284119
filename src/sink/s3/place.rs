//! Where objects stand: the bucket, what they are called, and what is in them.
//!
//! Pure. Must never give two stretches of a run's spool one name, nor one of them two.

use std::fmt::Write as _;

use crate::source::unpack::{Packing, inner, packing_of};

/// Digits of a place in a name, so that names stand in the order of places.
const DIGITS: usize = 16;

/// What stands in an object. Parquet has its place here when there is a writer of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Text {
    /// A JSON object on each line.
    Lines,
    /// A header and a row for each record, with this between cells.
    Cells(u8),
}

/// Endings of names, and what they stand for.
const TEXTS: [(&str, Text); 4] =
    [("jsonl", Text::Lines), ("ndjson", Text::Lines), ("csv", Text::Cells(b',')), ("tsv", Text::Cells(b'\t'))];

/// A bucket, and names of objects in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub bucket: String,
    /// What stands before `/part-`.
    pub prefix: String,
    /// `.jsonl.zst`
    pub ending: String,
    pub text: Text,
    pub packing: Option<Packing>,
}

/// Why a URL names no such place, and how to mend it.
pub(super) type Wrong = (String, &'static str);

impl Place {
    /// Reads `s3://bucket/prices.jsonl.zst`.
    pub fn parse(url: &str) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "write it as `s3://bucket/prices.jsonl.zst`";
        let wrong = |message: &str| Err((message.to_owned(), EXAMPLE));
        let Some(rest) = url.strip_prefix("s3://") else { return wrong("the URL of a bucket begins with `s3://`") };
        if url.contains("{{") {
            let help = "write the name out; the objects of each run have names of their own already";
            return Err(("the URL of a bucket holds no template".to_owned(), help));
        }
        if rest.contains(['?', '#', '@']) || rest.chars().any(char::is_control) {
            let help = "`endpoint`, `region` and credentials have keys of their own";
            return Err(("the URL of a bucket holds only the bucket and a name".to_owned(), help));
        }
        let Some((bucket, key)) = rest.split_once('/') else { return wrong("the URL names no object, only a bucket") };
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if bucket.len() < 3 || !bucket.bytes().all(fine) || !bucket.as_bytes()[0].is_ascii_alphanumeric() {
            return wrong(&format!("{bucket:?} is no name of a bucket"));
        }
        let packing = packing_of(key);
        let (prefix, kind) = inner(key).rsplit_once('.').unwrap_or((key, ""));
        let Some((_, text)) = TEXTS.iter().find(|(ending, _)| *ending == kind) else {
            let help = "end the name in .jsonl, .csv or .tsv (and .gz or .zst behind it to pack it)";
            return Err((format!("`{key}` has no ending that tells what its objects hold"), help));
        };
        if key.split('/').any(|name| matches!(name, "." | "..")) {
            return wrong(&format!("`{key}` has a `.` or `..` in it, which many servers and proxies take for a way"));
        }
        if prefix.is_empty() || prefix.ends_with('/') || prefix.starts_with('/') {
            return wrong(&format!("`{key}` names no objects: there is nothing before its ending"));
        }
        let ending = key[prefix.len()..].to_owned();
        Ok(Self { bucket: bucket.to_owned(), prefix: prefix.to_owned(), ending, text: *text, packing })
    }

    /// For people: `s3://bucket/prices`.
    pub fn shown(&self) -> String {
        format!("s3://{}/{}", self.bucket, self.prefix)
    }

    /// What the names of all parts begin with, whatever run they are of.
    pub fn parts(&self) -> String {
        format!("{}/part-", self.prefix)
    }

    /// What the names of a run's parts begin with.
    pub fn parts_of_run(&self, run: &str) -> String {
        format!("{}{run}-", self.parts())
    }

    /// What the names of the parts of a sink of a run begin with.
    pub fn parts_of(&self, run: &str, sink: &str) -> String {
        format!("{}{}-", self.parts_of_run(run), plain(sink))
    }

    /// The name of the part that begins at a place of the spool.
    pub fn key(&self, run: &str, sink: &str, from: u64) -> String {
        format!("{}{from:0DIGITS$}{}", self.parts_of(run, sink), self.ending)
    }

    /// The place in a name that [`Place::key`] gave for this run and sink.
    pub fn from(&self, run: &str, sink: &str, key: &str) -> Option<u64> {
        let digits = key.strip_prefix(&self.parts_of(run, sink))?.strip_suffix(&self.ending)?;
        digits.parse().ok().filter(|_| is_place(digits))
    }

    /// Whether a name is that of a part of a sink of this name, of some run, so that it is ours to drop when another run
    /// takes its place. Packed otherwise it is one all the same; what holds another text is somebody else's.
    pub fn is_part(&self, sink: &str, key: &str) -> bool {
        let name = key.strip_prefix(&self.parts()).map(inner).unwrap_or_default();
        let Some((name, kind)) = name.rsplit_once('.') else { return false };
        // The id of a run has no `-`, and the name of a sink may have some.
        let behind =
            name.split_once('-').and_then(|(_, rest)| rest.strip_prefix(plain(sink).as_str())?.strip_prefix('-'));
        let ours = inner(&self.ending).trim_start_matches('.');
        !name.contains('/') && kind == ours && behind.is_some_and(is_place)
    }
}

fn is_place(digits: &str) -> bool {
    digits.len() >= DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// A sink's name as a part of an object's name and of a header: letters, digits, `-` and `_` as they are.
pub(super) fn plain(sink: &str) -> String {
    let mut text = String::with_capacity(sink.len());
    for byte in sink.bytes() {
        match byte {
            b'-' | b'_' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            // Writing to a string can't fail.
            _ => drop(write!(text, "~{byte:02x}")),
        }
    }
    text
}

/// Where a server is: `http://127.0.0.1:9000`, with a path where it has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub is_tls: bool,
    /// `127.0.0.1:9000`
    authority: String,
    /// Empty, or begins with `/`.
    path: String,
}

impl Endpoint {
    /// Reads a URL.
    pub fn parse(url: &str) -> Result<Self, Wrong> {
        const EXAMPLE: &str = "write it as `https://s3.example.com` or `http://127.0.0.1:9000`";
        let wrong = |message: &str| (message.to_owned(), EXAMPLE);
        let parsed: http::Uri = url.parse().map_err(|_| wrong("`endpoint` is no URL"))?;
        let is_tls = match parsed.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) | None => return Err(wrong("`endpoint` begins with `https://` or `http://`")),
        };
        let authority = parsed.authority().map(http::uri::Authority::as_str).unwrap_or_default();
        if authority.is_empty() || authority.contains('@') || parsed.query().is_some() || url.contains('#') {
            return Err(wrong("`endpoint` holds a host and nothing beside it"));
        }
        let path = parsed.path().trim_end_matches('/').to_owned();
        Ok(Self { is_tls, authority: authority.to_owned(), path })
    }

    /// That of AWS in a region.
    pub fn aws(region: &str) -> Self {
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        Self { is_tls: true, authority: format!("s3.{region}.amazonaws.com{suffix}"), path: String::new() }
    }

    /// Whether it is this machine.
    pub fn is_here(&self) -> bool {
        let host = self.authority.rsplit_once(':').map_or(self.authority.as_str(), |(host, port)| {
            if port.bytes().all(|byte| byte.is_ascii_digit()) { host } else { self.authority.as_str() }
        });
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// The URL of a bucket, to which a path begins with `/`.
    pub fn bucket(&self, bucket: &str, path_style: bool) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        match path_style {
            true => format!("{scheme}://{}{}/{bucket}", self.authority, self.path),
            false => format!("{scheme}://{bucket}.{}{}", self.authority, self.path),
        }
    }
}
