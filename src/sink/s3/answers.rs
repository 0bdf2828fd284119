//! What a server of S3 says: the texts in its XML, and what its errors mean.
//!
//! Pure. Must never take an error for an answer: S3 says some with status 200.

use std::borrow::Cow;

use http::StatusCode;

use crate::sink::spooled::Setback;
use crate::transport::Reply;

/// Most of a server's own words that are shown.
const SHOWN: usize = 300;

/// The texts of all elements of this name, in their order. Names have no prefixes in what S3 says.
pub(super) fn texts(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let inside = xml.split(open.as_str()).skip(1);
    inside.filter_map(|rest| rest.split_once(close.as_str())).map(|(text, _)| unescaped(text).into_owned()).collect()
}

/// The text of the first element of this name.
pub(super) fn text(xml: &str, name: &str) -> Option<String> {
    texts(xml, name).into_iter().next()
}

/// The elements of this name, as they are written.
pub(super) fn elements<'x>(xml: &'x str, name: &str) -> Vec<&'x str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    xml.split(open.as_str()).skip(1).filter_map(|rest| Some(rest.split_once(close.as_str())?.0)).collect()
}

/// A text without the escapes of XML.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once('&') {
        out.push_str(before);
        let known = behind.split_once(';').and_then(|(name, rest)| Some((escaped(name)?, rest)));
        let (letter, more) = known.unwrap_or(('&', behind));
        out.push(letter);
        rest = more;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn escaped(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// A text as it stands in XML.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Why a server did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub status: u16,
    /// `NoSuchBucket`; empty where it named none.
    pub code: String,
    message: String,
    /// The region of the bucket, where it says so.
    region: Option<String>,
}

/// What a server answered, where it did what it was asked.
pub(super) fn checked(reply: &Reply) -> Result<String, Refusal> {
    let body = String::from_utf8_lossy(&reply.body);
    let is_error = body.contains("<Error>");
    if reply.status.is_success() && !is_error {
        return Ok(body.into_owned());
    }
    let region = reply.headers.get("x-amz-bucket-region").and_then(|region| region.to_str().ok()).map(str::to_owned);
    // An error that comes with status 200 came too late for another one.
    let status = if reply.status.is_success() { StatusCode::INTERNAL_SERVER_ERROR } else { reply.status };
    let said = |name: &str| if is_error { text(&body, name).unwrap_or_default() } else { String::new() };
    let shown = |text: String| text.chars().filter(|letter| !letter.is_control()).take(SHOWN).collect();
    Err(Refusal { status: status.as_u16(), code: shown(said("Code")), message: shown(said("Message")), region })
}

impl Refusal {
    /// Whether the server knows nothing of what it was asked.
    pub fn is_unknown(&self) -> bool {
        self.status == 501 || self.code == "NotImplemented"
    }

    /// What it means for the sink.
    pub fn setback(&self) -> Setback {
        let said = match (self.code.as_str(), self.message.as_str()) {
            ("", _) => format!("it answered {}", self.status),
            (code, "") => format!("it answered {} {code}", self.status),
            (code, message) => format!("it answered {} {code}: {}", self.status, message.trim_end_matches('.')),
        };
        match self.help() {
            Some(help) => Setback::Refused(format!("{said}; {help}")),
            None if self.passes() => Setback::Away(said),
            None => Setback::Refused(said),
        }
    }

    /// Whether the same may go well later.
    fn passes(&self) -> bool {
        let torn = [
            "RequestTimeout",
            "IncompleteBody",
            "BadDigest",
            "XAmzContentSHA256Mismatch",
            "NoSuchUpload",
            "InvalidPart",
        ];
        // 409 and 412: somebody else was at the same object, and what came of it can be asked.
        matches!(self.status, 408 | 409 | 412 | 425 | 429 | 500 | 502..=599) || torn.contains(&self.code.as_str())
    }

    /// What a person can do about it.
    fn help(&self) -> Option<String> {
        let help = match self.code.as_str() {
            "NoSuchBucket" => "make the bucket, or mend `url`",
            "SignatureDoesNotMatch" => "the secret key does not belong to this access key: mend `secret-key`",
            "InvalidAccessKeyId" => "the server knows no such access key: mend `access-key`, or `endpoint`",
            "ExpiredToken" | "ExpiredTokenException" | "TokenRefreshRequired" => {
                "the credentials have expired: get new ones and run the job again; it goes on where it stopped"
            }
            "InvalidToken" => "the session token is not the one of these keys: mend `session-token`",
            "RequestTimeTooSkewed" | "RequestExpired" => {
                "the clock of this machine is wrong, and signatures name the time: set it and run the job again"
            }
            "PermanentRedirect"
            | "TemporaryRedirect"
            | "AuthorizationHeaderMalformed"
            | "IllegalLocationConstraintException" => {
                return Some(self.elsewhere());
            }
            _ if matches!(self.status, 301 | 307) => return Some(self.elsewhere()),
            _ if matches!(self.status, 401 | 403) => {
                "these keys may not do it: the sink needs s3:ListBucket and s3:ListBucketMultipartUploads on the bucket, and \
                 s3:GetObject, s3:PutObject and s3:AbortMultipartUpload on its objects (s3:DeleteObject to replace)"
            }
            _ => return None,
        };
        Some(help.to_owned())
    }

    fn elsewhere(&self) -> String {
        match &self.region {
            Some(region) => format!("the bucket is in another region: set `region = \"{region}\"`"),
            None => "the bucket is in another region: set `region` to it".to_owned(),
        }
    }
}
