//! Where one signal goes and how: its URL, headers, timeout and TLS. What names the signal wins over what names none.

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};

use super::{Said, lists};
use crate::transport::{TlsPlan, TlsVersion};

/// Where a collector listens that nobody named.
const BASE: &str = "http://localhost:4318";

/// See the module.
#[derive(Debug, Clone)]
pub(in crate::otlp) struct Target {
    /// `traces` or `metrics`.
    pub signal: &'static str,
    pub url: Uri,
    /// Their values are keys, and marked sensitive.
    pub headers: HeaderMap,
    /// For one request.
    pub timeout: Duration,
    pub gzip: bool,
    pub tls: TlsPlan,
}

impl Target {
    /// The URL as it is shown: without its query.
    pub fn shown(&self) -> String {
        let url = self.url.to_string();
        url.split('?').next().unwrap_or_default().to_owned()
    }
}

/// What a variable says of a signal, and how the variable is called.
struct Setting<'s> {
    environment: Said<'s>,
    signal: &'static str,
}

impl Setting<'_> {
    fn of(&self, what: &str) -> Option<(String, String)> {
        let names = [format!("OTEL_EXPORTER_OTLP_{}_{what}", self.signal), format!("OTEL_EXPORTER_OTLP_{what}")];
        names.into_iter().find_map(|name| Some((self.environment.of(&name)?, name)))
    }

    /// The same of one whose value is a word.
    fn one_of<T: Copy>(&self, what: &str, known: &[(&str, T)], why: &str) -> Result<Option<T>, String> {
        let Some((_, name)) = self.of(what) else { return Ok(None) };
        self.environment.one_of(&name, known, why)
    }
}

/// Reads where a signal goes.
///
/// # Errors
/// In words, with the way out.
pub(super) fn read(signal: &'static str, base: Option<&str>, environment: Said<'_>) -> Result<Target, String> {
    let setting = Setting { environment, signal };
    let why = "which paceline does not speak: its collectors take protobuf over HTTP, by custom at port 4318";
    setting.one_of("PROTOCOL", &[("http/protobuf", ())], why)?;
    let gzip =
        setting.one_of("COMPRESSION", &[("gzip", true), ("none", false)], "which paceline does not pack with")?;
    let timeout = match setting.of("TIMEOUT") {
        Some((_, name)) => environment.milliseconds(&name, 10_000)?,
        None => Duration::from_secs(10),
    };
    let path = |what| setting.of(what).map(|(path, _)| PathBuf::from(path));
    let identity = path("CLIENT_CERTIFICATE").zip(path("CLIENT_KEY"));
    Ok(Target {
        signal: if signal == "TRACES" { "traces" } else { "metrics" },
        url: url(base, &setting)?,
        headers: headers(&setting)?,
        timeout,
        gzip: gzip.unwrap_or_default(),
        tls: TlsPlan { verify: true, ca: path("CERTIFICATE"), identity, min_version: TlsVersion::V12 },
    })
}

/// A URL that names the signal is taken as it is; one for all gets the signal's path behind its own.
fn url(base: Option<&str>, setting: &Setting<'_>) -> Result<Uri, String> {
    let path = format!("v1/{}", setting.signal.to_ascii_lowercase());
    let own = format!("OTEL_EXPORTER_OTLP_{}_ENDPOINT", setting.signal);
    let (text, name, is_whole) = match (base, setting.environment.of(&own)) {
        (Some(base), _) => (base.to_owned(), "--otlp".to_owned(), false),
        (None, Some(url)) => (url, own, true),
        (None, None) => {
            let name = "OTEL_EXPORTER_OTLP_ENDPOINT".to_owned();
            (setting.environment.of(&name).unwrap_or_else(|| BASE.to_owned()), name, false)
        }
    };
    let whole = if is_whole { text } else { below(&text, &path) };
    parsed(&whole).map_err(|why| format!("{name} {why}, such as {BASE}"))
}

fn below(base: &str, path: &str) -> String {
    let (base, query) = base.split_once('?').map_or((base, String::new()), |(base, query)| (base, format!("?{query}")));
    format!("{}/{path}{query}", base.trim_end_matches('/'))
}

fn parsed(text: &str) -> Result<Uri, String> {
    let url: Uri = text.parse().map_err(|_| "is no URL: write a URL with http:// or https://".to_owned())?;
    let authority = url.authority().map(|authority| authority.as_str()).unwrap_or_default();
    match url.scheme_str() {
        Some("http" | "https") if authority.contains('@') => Err("holds a user or a password: put them, as an \
             authorization, into OTEL_EXPORTER_OTLP_HEADERS, and write a URL without them"
            .to_owned()),
        Some("http" | "https") if url.host().is_some_and(|host| !host.is_empty()) => Ok(url),
        _ => Err("has no scheme that collectors speak: write a URL with http:// or https://".to_owned()),
    }
}

fn headers(setting: &Setting<'_>) -> Result<HeaderMap, String> {
    let Some((text, name)) = setting.of("HEADERS") else { return Ok(HeaderMap::new()) };
    let pairs = lists::pairs(&text).map_err(|why| format!("{name}: {why}"))?;
    let mut headers = HeaderMap::new();
    for (position, (header, value)) in pairs.into_iter().enumerate() {
        let read = HeaderName::from_bytes(header.as_bytes()).ok().zip(HeaderValue::from_str(&value).ok());
        let wrong = || format!("{name}: entry {} can't stand in a header: look at its characters", position + 1);
        let (header, mut value) = read.ok_or_else(wrong)?;
        value.set_sensitive(true);
        headers.append(header, value);
    }
    Ok(headers)
}
