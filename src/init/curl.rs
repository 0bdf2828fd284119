//! A job from a curl command.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;

use super::{Draft, toml};
use crate::curl::{Body, CurlRequest, Field, FieldContent};

/// What curl sends for data, unless told otherwise.
const FORM: &str = "application/x-www-form-urlencoded";

impl Draft {
    /// Sends what a curl command would send.
    pub fn send(&mut self, request: &CurlRequest) {
        self.method.clone_from(&request.method);
        let url = self.url_of(&request.url);
        self.ask(&url);
        self.notes.extend(request.notes.iter().cloned());
        let mut headers = joined(&request.headers);
        self.proof(request, &mut headers);
        let body = self.body_of(&request.body, &mut headers);
        self.headers(&headers);
        if let Some((key, value)) = body {
            let is_untyped = key == "body-file" && !headers.iter().any(|(name, _)| name == "content-type");
            let comment =
                is_untyped.then(|| "goes out with a content type, by its ending; curl -T sends none".to_owned());
            self.keys.push((key.to_owned(), value, comment));
        }
        let says_coding = headers.iter().any(|(name, _)| name == "accept-encoding");
        if !request.compressed && !says_coding {
            let comment = "as curl without --compressed; without this line replies may come smaller".to_owned();
            self.keys.push(("client.compression".to_owned(), "false".to_owned(), Some(comment)));
        }
        for (key, value) in &request.settings {
            self.key(*key, self.setting(key, value));
        }
        if let Some(save) = &request.save {
            let path = toml::text(&self.path(save));
            self.key("save.path", path);
        }
        self.one_row();
    }

    /// Paths in settings are those of the command.
    fn setting(&self, key: &str, value: &str) -> String {
        match (&self.base, key) {
            (Some(base), "client.tls.ca" | "client.tls.cert" | "client.tls.key") => {
                toml::text(&base.join(value.trim_matches('"')).display().to_string())
            }
            _ => value.to_owned(),
        }
    }

    /// The URL, in which parameters that are secrets are kept out.
    fn url_of(&mut self, url: &str) -> String {
        let Some((path, query)) = url.split_once('?') else { return self.template(url) };
        let mut text = self.template(path);
        for (at, pair) in query.split('&').enumerate() {
            text.push(if at == 0 { '?' } else { '&' });
            match pair.split_once('=') {
                Some((name, value)) => {
                    text += &self.template(name);
                    text.push('=');
                    text += &self.valued(name, value);
                }
                None => text += &self.template(pair),
            }
        }
        text
    }

    /// Keys that sign; what the signature says in headers by itself is taken out.
    fn signed(
        &mut self,
        (region, service): &(String, String),
        keys: &(String, String),
        headers: &mut Vec<(String, String)>,
    ) {
        let mut pairs = Vec::new();
        let (access, secret) = keys;
        for (name, value) in [("region", region), ("service", service)] {
            pairs.push((name.to_owned(), toml::text(&self.template(value))));
        }
        for (name, value) in [("access-key", access), ("secret-key", secret)] {
            let value = self.valued(name, value);
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
                let token = self.valued("token", token.trim());
                self.key("auth.bearer", toml::text(&token));
            }
            Some((scheme, code)) if scheme.eq_ignore_ascii_case("basic") && decoded(code).is_some() => {
                let (user, password) = decoded(code).unwrap_or_default();
                self.basic(&user, &password);
            }
            _ => match (&header, &request.bearer, &request.basic) {
                (Some(header), ..) => {
                    let value = self.valued("authorization", header);
                    self.key("headers.authorization", toml::text(&value));
                }
                (None, Some(token), _) => {
                    let token = self.valued("token", token);
                    self.key("auth.bearer", toml::text(&token));
                }
                (None, None, Some((user, password))) => self.basic(user, password),
                (None, None, None) => {}
            },
        }
    }

    fn basic(&mut self, user: &str, password: &str) {
        let user = self.template(user);
        let password = self.valued("password", password);
        let pairs = [("user".to_owned(), toml::text(&user)), ("password".to_owned(), toml::text(&password))];
        self.key("auth.basic", toml::table(&pairs));
    }

    fn headers(&mut self, headers: &[(String, String)]) {
        for (name, value) in headers {
            let value = self.valued(name, value);
            self.key(format!("headers.{}", toml::key(name)), toml::text(&value));
        }
    }

    /// The key of a body and its value. The header that the key sends by itself is taken out.
    fn body_of(&mut self, body: &Body, headers: &mut Vec<(String, String)>) -> Option<(&'static str, String)> {
        let kind = headers.iter().find(|(name, _)| name == "content-type").map(|(_, kind)| kind.clone());
        let take = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != "content-type");
        match body {
            Body::None => None,
            Body::File(path) => Some(("body-file", toml::text(&self.path(path)))),
            Body::Form(fields) => {
                take(headers);
                Some(("multipart", self.parts(fields)))
            }
            Body::Text(text) if text.is_empty() => None,
            Body::Text(text) => {
                let own = match kind.as_deref() {
                    Some("application/json") => self.json(text).map(|json| ("json", json)),
                    Some(FORM) => self.form(text).map(|form| ("form", form)),
                    _ => None,
                };
                if own.is_some() {
                    take(headers);
                }
                own.or_else(|| Some(("body", toml::text(&self.template(text)))))
            }
        }
    }

    fn json(&mut self, text: &str) -> Option<String> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        toml::json(&value, "", &mut |name, text| self.valued(name, text))
    }

    fn form(&mut self, text: &str) -> Option<String> {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=')?;
            let (name, value) = (plain(name)?, plain(value)?);
            match pairs.iter().position(|(known, _)| *known == name) {
                Some(at) if at + 1 == pairs.len() => pairs[at].1.push(value),
                // The order of what is sent must stay what it is.
                Some(_) => return None,
                None => pairs.push((name, vec![value])),
            }
        }
        let mut written = Vec::new();
        for (name, values) in pairs {
            let values: Vec<String> = values.iter().map(|value| toml::text(&self.valued(&name, value))).collect();
            written.push((name, one_or_list(values)));
        }
        Some(toml::table(&written))
    }

    fn parts(&mut self, fields: &[Field]) -> String {
        let mut pairs: Vec<(String, Vec<String>)> = Vec::new();
        for field in fields {
            let part = self.part(field);
            match pairs.iter_mut().find(|(name, _)| *name == field.name) {
                Some((_, parts)) => parts.push(part),
                None => pairs.push((field.name.clone(), vec![part])),
            }
        }
        let pairs: Vec<_> = pairs.into_iter().map(|(name, parts)| (name, one_or_list(parts))).collect();
        toml::table(&pairs)
    }

    fn part(&mut self, field: &Field) -> String {
        let (key, content) = match &field.content {
            FieldContent::Text(text) => ("text", self.valued(&field.name, text)),
            FieldContent::File(path) => ("path", self.path(path)),
        };
        let mut pairs = vec![(key.to_owned(), toml::text(&content))];
        for (key, value) in [("content-type", &field.content_type), ("filename", &field.filename)] {
            if let Some(value) = value {
                pairs.push((key.to_owned(), toml::text(&self.template(value))));
            }
        }
        if key == "text" && pairs.len() == 1 { toml::text(&content) } else { toml::table(&pairs) }
    }
}

fn one_or_list(mut values: Vec<String>) -> String {
    match values.len() {
        1 => values.remove(0),
        _ => toml::list(&values),
    }
}

/// Headers of the same name as one, as RFC 9110 (section 5.3) joins them.
fn joined(headers: &[(String, String)]) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = Vec::new();
    for (name, value) in headers {
        match joined.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known += &format!(",{value}"),
            None => joined.push((name.clone(), value.clone())),
        }
    }
    joined
}

fn plain(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

fn decoded(code: &str) -> Option<(String, String)> {
    let text = String::from_utf8(STANDARD.decode(code.trim()).ok()?).ok()?;
    text.split_once(':').map(|(user, password)| (user.to_owned(), password.to_owned()))
}
