//! From a curl command to what it would send.

use super::CurlRequest;
use super::data::{self, Body, Field, Piece};
use super::flags::{self, Flag, Given};
use super::words::{OPEN, Text, split};

/// Headers that belong to one connection: every client writes its own.
const OWN: &[&str] = &["content-length", "transfer-encoding", "connection", "host", "expect", "te", "upgrade"];

/// Reads a curl command, as it is typed or as a browser copies it.
///
/// # Errors
/// In words: what can't be read or has no counterpart in a job, and the way out.
pub fn read(line: &str) -> Result<CurlRequest, String> {
    let words = split(line)?;
    let words = words.strip_prefix(&["$".to_owned()]).unwrap_or(&words);
    let Some((program, words)) = words.split_first() else {
        return Err("there is no command; give `curl ..`".to_owned());
    };
    if program.rsplit('/').next() != Some("curl") {
        return Err(format!("the command begins with {program:?}, not with `curl`"));
    }
    let mut reader = Reader::default();
    for given in flags::parse(words)? {
        reader.take(&given)?;
    }
    reader.finish()
}

#[derive(Default)]
struct Reader {
    request: CurlRequest,
    url: Option<Text>,
    url_query: Vec<Text>,
    method: Option<String>,
    pieces: Vec<Piece>,
    fields: Vec<Field>,
    cookies: Vec<Text>,
    upload: Option<String>,
    json: bool,
    get: bool,
    head: bool,
    globoff: bool,
    remote_name: bool,
    signature: Option<String>,
    removed: Vec<String>,
}

impl Reader {
    fn take(&mut self, given: &Given) -> Result<(), String> {
        let value = given.value.as_str();
        match given.flag {
            Flag::Data | Flag::DataRaw | Flag::DataBinary | Flag::DataUrlencode | Flag::Json => self.data(given)?,
            Flag::Form => self.fields.push(data::field(value)?),
            Flag::FormString => self.fields.push(data::field_text(value)?),
            Flag::Header => self.header(value)?,
            Flag::UserAgent if value.is_empty() => self.setting("client.user-agent", "\"\"".to_owned()),
            Flag::UserAgent => self.unless_given("user-agent", value),
            Flag::Referer => self.unless_given("referer", value.trim_end_matches(";auto")),
            Flag::Cookie if value.contains('=') => self.cookies.push(value.to_owned()),
            Flag::Cookie => {
                return Err(format!("-b {value} names a file of cookies; give the cookies: -b 'name=value'"));
            }
            Flag::Url if self.url.is_some() => {
                return Err(format!("{value}: a second URL; an endpoint has one, so give a command for each"));
            }
            Flag::Url => self.url = Some(value.to_owned()),
            Flag::UrlQuery => self.url_query.push(match value.strip_prefix('+') {
                Some(raw) => raw.to_owned(),
                None => data::urlencode(value)?,
            }),
            Flag::Method => self.method = Some(value.to_owned()),
            Flag::Get => self.get = true,
            Flag::Head => self.head = true,
            Flag::GlobOff => self.globoff = true,
            Flag::Compressed => self.request.compressed = true,
            Flag::RemoteName => self.remote_name = true,
            Flag::Upload => self.upload = Some(data::named(value)?.to_owned()),
            Flag::Output if value != "/dev/null" && value != "-" => self.request.save = Some(value.to_owned()),
            Flag::User => self.request.basic = Some(user(value)),
            Flag::Bearer => self.request.bearer = Some(value.to_owned()),
            Flag::Signature => self.signature = Some(value.to_owned()),
            Flag::Output | Flag::Ignored => {}
            _ => self.key(given)?,
        }
        Ok(())
    }

    fn data(&mut self, given: &Given) -> Result<(), String> {
        let value = given.value.as_str();
        self.json |= given.flag == Flag::Json;
        self.pieces.push(match given.flag {
            Flag::Data => data::plain(value)?,
            Flag::DataUrlencode => Piece::Text(data::urlencode(value)?),
            Flag::DataRaw => Piece::Text(value.to_owned()),
            _ => data::binary(value)?,
        });
        Ok(())
    }

    /// Flags that are keys of a job.
    fn key(&mut self, given: &Given) -> Result<(), String> {
        let value = given.value.as_str();
        let wrong = || format!("{} {value}: that is no number", given.name);
        match given.flag {
            Flag::Text(key) => self.setting(key, quoted(value)),
            Flag::Number(key) => {
                let number: u32 = value.parse().map_err(|_| wrong())?;
                self.setting(key, number.to_string());
            }
            Flag::Retry => {
                let number: u32 = value.parse().map_err(|_| wrong())?;
                self.setting("retry.attempts", number.saturating_add(1).to_string());
            }
            Flag::Seconds(key) => {
                let seconds: f64 = value.parse().ok().filter(|seconds| *seconds > 0.0).ok_or_else(wrong)?;
                self.setting(key, format!("\"{}ms\"", (seconds * 1000.0).ceil()));
            }
            Flag::Fixed(key, value) => self.setting(key, value.to_owned()),
            Flag::Certificate if value.contains(':') => {
                return Err(
                    "--cert FILE:PASSWORD: a job reads no encrypted keys; decrypt it, and give --cert FILE --key FILE"
                        .to_owned(),
                );
            }
            Flag::Certificate => self.setting("client.tls.cert", quoted(value)),
            Flag::Proxy if value.contains('@') => {
                return Err(
                    "-x: the proxy has a password, which must not stand in a job; set HTTPS_PROXY in the environment"
                        .to_owned(),
                );
            }
            Flag::Proxy => {
                let proxy = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
                self.setting("client.proxy", quoted(&proxy));
            }
            Flag::Resolve => {
                let mut cut = value.splitn(3, ':');
                let (Some(host), Some(port), Some(address)) = (cut.next(), cut.next(), cut.next()) else {
                    return Err(format!("--resolve {value}: write HOST:PORT:ADDRESS"));
                };
                self.setting(
                    "client.resolve",
                    format!("{{ {} = {} }}", quoted(host), quoted(&format!("{address}:{port}"))),
                );
            }
            _ => {}
        }
        Ok(())
    }

    fn setting(&mut self, key: &'static str, value: String) {
        self.request.settings.retain(|(known, _)| *known != key);
        self.request.settings.push((key, value));
    }

    fn header(&mut self, line: &str) -> Result<(), String> {
        let (name, value, empty) = match (line.split_once(':'), line.strip_suffix(';')) {
            (Some((name, value)), _) => (name, value.trim(), false),
            (None, Some(name)) => (name, "", true),
            (None, None) => return Err(format!("-H {line:?}: write 'Name: value'")),
        };
        let name = name.trim().to_ascii_lowercase();
        if OWN.contains(&name.as_str()) {
            if name == "host" {
                self.request.notes.push(
                    "the header Host is left out: it is the host of the URL; client.resolve leads it elsewhere"
                        .to_owned(),
                );
            }
            return Ok(());
        }
        if value.is_empty() && !empty {
            self.removed.push(name);
        } else if name == "cookie" {
            self.cookies.push(value.to_owned());
        } else {
            self.request.headers.push((name, value.to_owned()));
        }
        Ok(())
    }

    /// A header unless it is given, or said to be left out.
    fn unless_given(&mut self, name: &str, value: &str) {
        let is_given = self.request.headers.iter().any(|(known, _)| known == name);
        if !is_given && !self.removed.iter().any(|removed| removed == name) {
            self.request.headers.push((name.to_owned(), value.to_owned()));
        }
    }

    fn finish(mut self) -> Result<CurlRequest, String> {
        let has_data = !self.pieces.is_empty();
        if [has_data && !self.get, !self.fields.is_empty(), self.upload.is_some()].iter().filter(|has| **has).count()
            > 1
        {
            return Err("the command has bodies of several kinds (-d, -F, -T): keep one".to_owned());
        }
        self.finish_method(has_data);
        self.finish_url()?;
        self.finish_body()?;
        if let Some(signature) = self.signature.take() {
            self.request.signed = Some(scope(&signature, &self.request.url)?);
            if self.request.basic.is_none() {
                return Err("--aws-sigv4 signs with keys: give them as -u ACCESS_KEY:SECRET_KEY".to_owned());
            }
        }
        if !self.cookies.is_empty() {
            let cookies = self.cookies.join("; ");
            self.request.headers.push(("cookie".to_owned(), cookies));
        }
        for removed in &self.removed {
            match removed.as_str() {
                "user-agent" => self.request.settings.push(("client.user-agent", "\"\"".to_owned())),
                "accept" | "content-type" => {
                    self.request.notes.push(format!("the header {removed} can't be left out: a job always sends one"));
                }
                _ => {}
            }
        }
        Ok(self.request)
    }

    fn finish_method(&mut self, has_data: bool) {
        let method = match (&self.method, self.head, self.upload.is_some()) {
            (Some(method), ..) => method.clone(),
            (None, true, _) => "HEAD".to_owned(),
            (None, _, true) => "PUT".to_owned(),
            _ if !self.fields.is_empty() || (has_data && !self.get) => "POST".to_owned(),
            _ => "GET".to_owned(),
        };
        self.request.method = method;
    }

    fn finish_url(&mut self) -> Result<(), String> {
        let url = self.url.take().ok_or("the command has no URL")?;
        let url = url.split('#').next().unwrap_or_default();
        if !self.globoff && url.contains(['{', '}', '[', ']']) && !url.contains("://[") {
            return Err("the URL holds {..} or [..], which curl makes several URLs of; keep one, or add -g if they are meant as they are".to_owned());
        }
        let url = if url.contains("://") { url.to_owned() } else { format!("http://{url}") };
        if url.starts_with(OPEN) || !(url.starts_with("http://") || url.starts_with("https://")) {
            return Err(format!("the URL {url} is neither http:// nor https://"));
        }
        let mut url = self.without_user(&url);
        let from_data = if self.get { std::mem::take(&mut self.pieces) } else { Vec::new() };
        let mut more = std::mem::take(&mut self.url_query);
        if !from_data.is_empty() {
            match data::join(from_data, "&")? {
                Body::Text(text) => more.insert(0, text),
                _ => return Err("-G with a file as it is: give its text".to_owned()),
            }
        }
        for query in more {
            url += if !url.contains('?') {
                "?"
            } else if url.ends_with(['?', '&']) {
                ""
            } else {
                "&"
            };
            url += &query;
        }
        if self.remote_name && self.request.save.is_none() {
            let path = url.split('?').next().unwrap_or_default();
            let name =
                path.splitn(4, '/').nth(3).and_then(|path| path.rsplit('/').next()).filter(|name| !name.is_empty());
            self.request.save = Some(name.ok_or("-O: the URL ends in no name; give one with -o FILE")?.to_owned());
        }
        self.request.url = sendable(&url);
        Ok(())
    }

    /// The URL without `user:password@`, which becomes that of `-u`.
    fn without_user(&mut self, url: &str) -> Text {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let Some((who, host)) = rest[..end].rsplit_once('@') else { return url.to_owned() };
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = user(who);
        self.request.basic.get_or_insert((decode(&user), decode(&password)));
        format!("{scheme}://{host}{}", &rest[end..])
    }

    fn finish_body(&mut self) -> Result<(), String> {
        if let Some(file) = self.upload.take() {
            // curl appends the file's name to a URL that ends in a slash.
            if self.request.url.ends_with('/') {
                self.request.url += file.rsplit('/').next().unwrap_or_default();
            }
            self.request.body = Body::File(file);
        } else if !self.fields.is_empty() {
            self.request.body = Body::Form(std::mem::take(&mut self.fields));
        } else if !self.pieces.is_empty() {
            self.request.body = data::join(std::mem::take(&mut self.pieces), if self.json { "" } else { "&" })?;
            if self.json {
                self.unless_given("content-type", "application/json");
                self.unless_given("accept", "application/json");
            } else {
                self.unless_given("content-type", "application/x-www-form-urlencoded");
            }
        }
        Ok(())
    }
}

fn user(value: &str) -> (Text, Text) {
    let (user, password) = value.split_once(':').unwrap_or((value, ""));
    (user.to_owned(), password.to_owned())
}

/// Region and service of `provider1[:provider2[:region[:service]]]`; curl takes what is missing from the host.
fn scope(signature: &str, url: &str) -> Result<(Text, Text), String> {
    let mut given = signature.split(':');
    let provider = given.next().unwrap_or_default();
    if !provider.eq_ignore_ascii_case("aws") {
        return Err(format!(
            "--aws-sigv4 {signature}: a job signs as AWS wants it, aws:amz:REGION:SERVICE, and no other"
        ));
    }
    let (_, region, service) = (given.next(), given.next(), given.next());
    let host = url.split_once("://").map_or(url, |(_, rest)| rest);
    let mut labels = host.split(['/', '?', ':']).next().unwrap_or_default().split('.');
    let mut of_host = |given: Option<&str>| {
        let label = labels.next();
        given.filter(|given| !given.is_empty()).or(label).map(str::to_owned)
    };
    let service = of_host(service);
    let region = of_host(region);
    region.zip(service).ok_or_else(|| {
        format!(
            "--aws-sigv4 {signature}: neither it nor the host says region and service; write aws:amz:REGION:SERVICE"
        )
    })
}

/// What a URL may not hold is escaped; curl sends it raw, and servers read both alike.
fn sendable(url: &str) -> Text {
    let escape = |c: char| match c {
        OPEN | super::words::CLOSE => c.to_string(),
        c if !c.is_ascii() || c.is_ascii_control() || " \"<>\\^`{|}".contains(c) => {
            c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
        }
        c => c.to_string(),
    };
    url.chars().map(escape).collect()
}

/// A text as TOML writes it.
pub(super) fn quoted(text: &str) -> String {
    crate::init::toml::text(text)
}
