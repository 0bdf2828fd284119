//! A job from a curl command.

use super::spans;
use super::{Draft, toml};
use crate::curl::{CurlRequest, Reference, parts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Shortest text that may be a secret although nothing but its place says so.
const SHORTEST_PART: usize = 8;

impl Draft {
    /// Sends what a curl command would send.
    pub fn send(&mut self, request: &CurlRequest) {
        self.secrets.reserve(&request.variables);
        // What is a secret in one place is one in every place, also in those before it.
        let mut first = self.clone();
        first.sent(request);
        self.secrets = first.secrets;
        self.know_cookies(request);
        self.sent(request);
        let used: Vec<&str> = self.keys.iter().map(|(_, value, _)| value.as_str()).chain([self.url.as_str()]).collect();
        self.secrets.keep_used(&used.join("\n"));
    }

    /// Cookies are one secret; what stands in another place may be one of them.
    fn know_cookies(&mut self, request: &CurlRequest) {
        let cookies = request.headers.iter().filter(|(name, _)| name == "cookie");
        for pair in cookies.flat_map(|(_, cookies)| cookies.split(';')) {
            if let Some((name, value)) = pair.split_once('=')
                && is_random(value.trim())
            {
                self.kept(name.trim(), value.trim());
            }
        }
    }

    fn sent(&mut self, request: &CurlRequest) {
        self.method.clone_from(&request.method);
        let url = self.url_of(&request.url);
        self.ask(&url);
        self.notes.extend(request.notes.iter().cloned());
        self.rate.clone_from(&request.rate);
        let mut headers = self.joined(&request.headers);
        self.proof(request, &mut headers);
        let body = self.body_of(&request.body, &mut headers);
        self.headers(&headers);
        if let Some((key, value)) = body {
            let is_untyped = key == "body-file" && !headers.iter().any(|(name, _)| name == "content-type");
            let comment =
                is_untyped.then(|| "goes out with a content type, by its ending; curl -T sends none".to_owned());
            self.keys.push((key.to_owned(), value, comment));
        }
        self.replies(request, &headers);
        for (key, value) in &request.settings {
            self.key(*key, self.setting(key, value));
        }
        self.proxy(request);
        if let Some(save) = &request.save {
            let path = toml::text(&self.path(save));
            self.key("save.path", path);
        }
        self.one_row();
    }

    /// What curl does with replies and a job would not.
    fn replies(&mut self, request: &CurlRequest, headers: &[(String, String)]) {
        let says_coding = headers.iter().any(|(name, _)| name == "accept-encoding");
        let mut as_curl = |key: &str, value: &str, comment: &str| {
            self.keys.push((key.to_owned(), value.to_owned(), Some(comment.to_owned())));
        };
        if !request.compressed && !says_coding {
            let comment = "as curl without --compressed; without this line replies may come smaller";
            as_curl("client.compression", "false", comment);
        }
        if !request.location {
            as_curl("client.redirects", "0", "as curl without -L; without this line redirects are followed");
        }
    }

    /// A proxy; who asks it are secrets.
    fn proxy(&mut self, request: &CurlRequest) {
        let Some(proxy) = &request.proxy else { return };
        let Some((user, password)) = &request.proxy_user else {
            let proxy = self.template(proxy);
            return self.key("client.proxy", toml::text(&proxy));
        };
        let user = self.kept("proxy-user", user);
        let password = self.kept("proxy-password", password);
        let (scheme, host) = proxy.split_once("://").unwrap_or(("http", proxy));
        let host = self.template(host);
        self.key("client.proxy", toml::text(&format!("{scheme}://{user}:{password}@{host}")));
    }

    /// A value that is a secret whatever it is, unless it is a variable alone.
    fn kept(&mut self, hint: &str, text: &str) -> String {
        if is_named(text) { self.template(text) } else { self.secrets.of_value(hint, text) }
    }

    /// Paths in settings are those of the command.
    fn setting(&self, key: &str, value: &str) -> String {
        match key {
            "client.tls.ca" | "client.tls.cert" | "client.tls.key" => {
                toml::text(&self.way(&value.trim_matches('"').replace("\\\\", "\\")))
            }
            _ => value.to_owned(),
        }
    }

    /// The URL, in which what is secret is kept out.
    fn url_of(&mut self, url: &str) -> String {
        let (path, query) = url.split_once('?').map_or((url, None), |(path, query)| (path, Some(query)));
        let mut text = self.path_of(path);
        for (at, pair) in query.iter().flat_map(|query| query.split('&')).enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            text += &self.pair_of(pair);
        }
        text
    }

    /// Scheme, host and path.
    fn path_of(&mut self, path: &str) -> String {
        let mut text = String::new();
        let mut before = "";
        for (at, part) in path.split('/').enumerate() {
            if at > 0 {
                text.push('/');
            }
            text += &match part.split_once(';') {
                // Parameters of a part, such as `;jsessionid=..`.
                Some((part, parameters)) => {
                    let part = self.template(part);
                    let pairs: Vec<String> = parameters.split(';').map(|pair| self.pair_of(pair)).collect();
                    format!("{part};{}", pairs.join(";"))
                }
                None if is_secret_part(before, part) => self.kept("token", &plain(part)),
                None => match spans::of_hook(path, part) {
                    Some((begin, secret)) => self.template(begin) + &self.kept("token", &plain(secret)),
                    None => self.template(part),
                },
            };
            before = part;
        }
        text
    }

    /// A parameter and its value.
    fn pair_of(&mut self, pair: &str) -> String {
        let Some((name, value)) = pair.split_once('=') else { return self.template(pair) };
        let text = self.template(name);
        let (name, is) = (plain(name), plain(value));
        let value = if spans::is_or_has(&name, &is) || self.secrets.known_in(&is).is_some() {
            self.kept(&name, &is)
        } else {
            self.template(value)
        };
        format!("{text}={value}")
    }

    /// Keys that sign; what the signature says in headers by itself is taken out.
    fn signed(
        &mut self,
        (region, service): &(String, String),
        keys: &(String, Option<String>),
        headers: &mut Vec<(String, String)>,
    ) {
        let mut pairs = Vec::new();
        let (access, secret) = keys;
        for (name, value) in [("region", region), ("service", service)] {
            pairs.push((name.to_owned(), toml::text(&self.template(value))));
        }
        let secret = secret.as_deref().unwrap_or_default();
        for (name, value) in [("access-key", access.as_str()), ("secret-key", secret)] {
            let value = self.kept(name, value);
            pairs.push((name.to_owned(), toml::text(&value)));
        }
        if let Some(at) = headers.iter().position(|(name, _)| name == "x-amz-security-token") {
            let value = self.valued("session-token", &headers.remove(at).1);
            pairs.push(("session-token".to_owned(), toml::text(&value)));
        }
        headers.retain(|(name, _)| !["authorization", "x-amz-date", "x-amz-content-sha256"].contains(&name.as_str()));
        self.key("auth.aws-sigv4", toml::table(&pairs));
    }

    /// What proves who asks, as `auth`; its headers are taken out.
    fn proof(&mut self, request: &CurlRequest, headers: &mut Vec<(String, String)>) {
        if let (Some(scope), Some(keys)) = (&request.signed, &request.basic) {
            return self.signed(scope, keys, headers);
        }
        let at = headers.iter().position(|(name, _)| name == "authorization");
        let header = at.map(|at| headers.remove(at).1);
        let words = header.as_deref().and_then(|header| header.split_once(' '));
        match words {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => {
                let token = self.kept("token", token.trim());
                self.key("auth.bearer", toml::text(&token));
            }
            Some((scheme, code)) if scheme.eq_ignore_ascii_case("basic") && decoded(code).is_some() => {
                let (user, password) = decoded(code).unwrap_or_default();
                self.basic(&user, Some(&password));
            }
            _ => match (&header, &request.bearer, &request.basic) {
                (Some(header), ..) => {
                    let is_named = words.is_some_and(|(_, proof)| is_named(proof.trim()));
                    let value = if is_named { Some(self.template(header)) } else { self.proving(header) };
                    let value = value.unwrap_or_else(|| self.kept("authorization", header));
                    self.key("headers.authorization", toml::text(&value));
                }
                (None, Some(token), _) => {
                    let token = self.kept("token", token);
                    self.key("auth.bearer", toml::text(&token));
                }
                (None, None, Some((user, password))) => self.basic(user, password.as_deref()),
                (None, None, None) => {}
            },
        }
    }

    fn basic(&mut self, user: &str, password: Option<&str>) {
        let (user, password) = match password {
            // APIs that take a key as user want no password.
            Some("") => (self.kept("user", user), String::new()),
            Some(password) => {
                let user = self.template(user);
                (user, self.kept("password", password))
            }
            None => (self.template(user), self.secret("password")),
        };
        let pairs = [("user".to_owned(), toml::text(&user)), ("password".to_owned(), toml::text(&password))];
        self.key("auth.basic", toml::table(&pairs));
    }

    /// Headers of the same name as one, as RFC 9110 (section 5.3) joins them.
    fn joined(&mut self, headers: &[(String, String)]) -> Vec<(String, String)> {
        let mut joined: Vec<(String, String)> = Vec::new();
        for (name, value) in headers {
            match joined.iter_mut().find(|(known, _)| known == name) {
                Some((_, known)) => {
                    *known += &format!(",{value}");
                    self.notes
                        .push(format!("the headers {name} are sent in one line, with a comma; that means the same"));
                }
                None => joined.push((name.clone(), value.clone())),
            }
        }
        joined
    }

    fn headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            let value = self.valued(name, value);
            self.key(format!("headers.{}", toml::key(name)), toml::text(&value));
        }
    }
}

fn decoded(code: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}

/// Whether a text is variables and nothing else.
fn is_named(text: &str) -> bool {
    parts(text).iter().all(|part| matches!(part, Reference::Variable(_)))
}

/// A text without the escapes of URLs, if it has any that can be read.
fn plain(text: &str) -> String {
    spans::decoded(text).unwrap_or_else(|| text.to_owned())
}

/// Whether a part of a path is a secret by the one before it: `/token/..`.
fn is_secret_part(before: &str, part: &str) -> bool {
    is_random(part) && spans::is_kept(before, part)
}

/// Whether a text is no word of a language, and long enough for a secret.
fn is_random(text: &str) -> bool {
    let has = |of: fn(&char) -> bool| text.chars().any(|c| of(&c));
    text.len() >= SHORTEST_PART && has(char::is_ascii_digit) && has(char::is_ascii_alphabetic)
}
