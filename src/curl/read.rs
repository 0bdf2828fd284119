//! From a curl command to what it would send.

use super::CurlRequest;
use super::data::{self, Body, Field, Piece};
use super::flags::{self, Flag, Given};
use super::words::{OPEN, Reference, Text, parts, split};

/// Headers that belong to one connection: every client writes its own.
const OWN: &[&str] = &["content-length", "transfer-encoding", "connection", "host", "expect", "te", "upgrade"];

/// Reads a curl command, as it is typed or as a browser copies it.
///
/// # Errors
/// In words: what can't be read or has no counterpart in a job, and the way out.
pub fn read(line: &str) -> Result<CurlRequest, String> {
    let words = split(line)?;
    let words = words.strip_prefix(&["$".to_owned()]).unwrap_or(&words);
    // What is set for the command alone is none of its words.
    let assigned = words.iter().take_while(|word| is_assignment(word)).count();
    let Some((program, words)) = words[assigned..].split_first() else {
        return Err("there is no command; give `curl ..`".to_owned());
    };
    let name = program.rsplit(['/', '\\']).next().unwrap_or_default();
    if name != "curl" && !name.eq_ignore_ascii_case("curl.exe") {
        let is_name = name.len() <= 20 && name.bytes().all(|byte| byte.is_ascii_alphabetic());
        let shown = if is_name { format!("`{name}`") } else { "something else".to_owned() };
        return Err(format!("the command begins with {shown}, not with `curl`"));
    }
    let mut reader = Reader::default();
    reader.request.variables = variables(words);
    for given in flags::parse(words)? {
        reader.take(&given)?;
    }
    reader.finish()
}

/// Whether a word is `NAME=value`, before a command.
fn is_assignment(word: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    word.split_once('=').is_some_and(|(name, _)| is_name(name))
}

fn variables(words: &[Text]) -> Vec<String> {
    let named = words.iter().flat_map(|word| parts(word)).filter_map(|part| match part {
        Reference::Variable(name) => Some(name.to_owned()),
        Reference::Literal(_) => None,
    });
    named.collect()
}

#[derive(Default)]
pub(super) struct Reader {
    pub(super) request: CurlRequest,
    pub(super) url: Option<Text>,
    pub(super) url_query: Vec<Text>,
    method: Option<String>,
    pub(super) pieces: Vec<Piece>,
    fields: Vec<Field>,
    cookies: Vec<Text>,
    upload: Option<String>,
    json: bool,
    pub(super) get: bool,
    head: bool,
    pub(super) globoff: bool,
    pub(super) path_as_is: bool,
    pub(super) remote_name: bool,
    pub(super) socket: Option<String>,
    /// Hosts and addresses of `--resolve`.
    pub(super) addresses: Vec<(String, String)>,
    /// Milliseconds between attempts.
    pub(super) retry_delay: Option<u64>,
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
                return Err("-b names a file of cookies; give the cookies: -b 'name=value'".to_owned());
            }
            Flag::Url if self.url.is_some() && value == "curl" => {
                return Err("a second command begins; give one at a time".to_owned());
            }
            Flag::Url if self.url.is_some() => {
                return Err("a second URL, or a value that is not in quotes; an endpoint has one URL, so give a command for each"
                    .to_owned());
            }
            Flag::Url => self.url = Some(value.to_owned()),
            Flag::UrlQuery => self.url_query.push(match value.strip_prefix('+') {
                Some(raw) => raw.to_owned(),
                None => data::urlencode(value)?,
            }),
            Flag::Method => self.method = Some(value.to_owned()),
            Flag::Location => self.request.location = true,
            Flag::PathAsIs => self.path_as_is = true,
            Flag::Range => self.unless_given("range", &format!("bytes={value}")),
            Flag::Noted(note) => self.request.notes.push(note.to_owned()),
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

    fn header(&mut self, line: &str) -> Result<(), String> {
        let (name, value, empty) = match (line.split_once(':'), line.strip_suffix(';')) {
            (Some((name, value)), _) => (name, value.trim(), false),
            (None, Some(name)) => (name, "", true),
            (None, None) => return Err("-H: write 'Name: value', the name without a variable".to_owned()),
        };
        if name.contains(OPEN) {
            return Err("-H: the name of a header is a variable; write it out".to_owned());
        }
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

    pub(super) fn setting(&mut self, key: &'static str, value: String) {
        self.request.settings.retain(|(known, _)| *known != key);
        self.request.settings.push((key, value));
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
        self.finish_keys();
        self.finish_url()?;
        self.finish_body()?;
        if let Some(signature) = self.signature.take() {
            self.request.signed = Some(scope(&signature, &self.request.url)?);
            if !self.request.basic.as_ref().is_some_and(|(_, secret)| secret.is_some()) {
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
        let large = method.to_uppercase();
        if large != method {
            self.request.notes.push(format!(
                "the method is {large}, in capitals as servers know it; curl sends it as it was written"
            ));
        }
        self.request.method = large;
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

/// `user:password`; without a colon curl asks for the password.
fn user(value: &str) -> (Text, Option<Text>) {
    match value.split_once(':') {
        Some((user, password)) => (user.to_owned(), Some(password.to_owned())),
        None => (value.to_owned(), None),
    }
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
