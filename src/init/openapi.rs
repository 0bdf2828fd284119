//! A job from an operation of an OpenAPI document: parameters and body become columns of the input, security schemes
//! secrets, the reply columns of the output.

use super::draft::literal;
use super::rows::{Rows, harmless};
use super::{Draft, Input, pages, sensitive, toml};
use crate::openapi::{Kind, Operation, Parameter, Place, Reply, Scheme, Shape, Spot};

/// Most names that a comment lists.
const MOST_LISTED: usize = 12;

/// Most columns of a reply.
const MOST_COLUMNS: usize = 20;

/// Names of lists that replies are about.
const LISTS: &[&str] = &["data", "items", "results", "records", "entries", "values", "objects", "content", "rows"];

/// Headers that a job writes by itself, or that say what `auth` says.
const OWN: &[&str] = &[
    "accept",
    "content-type",
    "authorization",
    "host",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "upgrade",
];

/// The header that lets a server tell a repetition.
const KEY: &str = "idempotency-key";

/// What is gathered of parameters before it is written.
#[derive(Default)]
struct Gathered {
    rows: Rows,
    cookies: Vec<String>,
    /// Names that an `auth` speaks for.
    proved: Vec<String>,
}

impl Draft {
    /// Asks what an operation of an API is for.
    pub fn call(&mut self, operation: &Operation) {
        let mut gathered = Gathered::default();
        self.method.clone_from(&operation.method);
        let url = url(operation, &mut gathered.rows);
        self.ask(&url);
        self.endpoint = endpoint_name(operation).unwrap_or_else(|| self.endpoint.clone());
        self.description.clone_from(&operation.summary);
        self.notes.extend(operation.notes.iter().cloned());
        let list = list(operation);
        let pages = pages::of(operation, list.as_ref().map(|(path, item)| (path.as_str(), *item)));
        self.prove(&operation.security, &mut gathered);
        self.parameters(operation, &pages.params, &mut gathered);
        self.accept(operation.reply.as_ref());
        self.body_shape(operation, &mut gathered.rows);
        if !gathered.cookies.is_empty() {
            self.key("headers.cookie", toml::text(&gathered.cookies.join("; ")));
        }
        if let (Some(reply), true) = (&operation.reply, operation.method != "HEAD") {
            self.reply(reply, list, &gathered.rows);
        }
        self.hints.extend(pages.hints);
        self.rows(&gathered.rows);
    }

    /// One row, with a sample for each column that the request needs.
    fn rows(&mut self, rows: &Rows) {
        let written = rows.written();
        if written.is_none() {
            let comment = "the row is no part of the record".to_owned();
            self.keys.push(("keep".to_owned(), "[]".to_owned(), Some(comment)));
        }
        self.input = Input::Rows(written.unwrap_or_else(|| "[{ run = 1 }]".to_owned()));
    }

    fn prove(&mut self, schemes: &[Scheme], gathered: &mut Gathered) {
        let mut is_first = true;
        for scheme in schemes {
            match scheme {
                Scheme::Key { name, place: Place::Cookie } => {
                    let secret = self.secret(name);
                    gathered.cookies.push(format!("{}={secret}", literal(name)));
                }
                Scheme::Key { name, place } => {
                    gathered.proved.push(name.to_lowercase());
                    self.key_of(name, *place, is_first);
                    is_first = false;
                }
                scheme if is_first => {
                    self.auth(scheme);
                    is_first = false;
                }
                _ => self.notes.push("the API wants a second proof of who asks: write its header by hand".to_owned()),
            }
        }
    }

    /// A key; an endpoint has one `auth`, so that a second key is a header or a parameter.
    fn key_of(&mut self, name: &str, place: Place, is_first: bool) {
        let value = toml::text(&self.secret(name));
        let table = if place == Place::Query { "query" } else { "headers" };
        if !is_first {
            return self.key(format!("{table}.{}", toml::key(name)), value);
        }
        let mut pairs = vec![("name".to_owned(), toml::text(name)), ("value".to_owned(), value)];
        if place == Place::Query {
            pairs.push(("in".to_owned(), toml::text("query")));
        }
        self.key("auth.api-key", toml::table(&pairs));
    }

    fn auth(&mut self, scheme: &Scheme) {
        match scheme {
            Scheme::Bearer => {
                let token = toml::text(&self.secret("token"));
                self.key("auth.bearer", token);
            }
            Scheme::Basic => {
                let [user, password] = ["user", "password"].map(|name| (name.to_owned(), self.secret(name)));
                let pairs = [user, password].map(|(name, secret)| (name, toml::text(&secret)));
                self.key("auth.basic", toml::table(&pairs));
            }
            Scheme::ClientCredentials { token_url, scopes } => {
                let mut pairs = vec![("token-url".to_owned(), toml::text(&literal(token_url)))];
                for name in ["client-id", "client-secret"] {
                    pairs.push((name.to_owned(), toml::text(&self.secret(name))));
                }
                if !scopes.is_empty() {
                    pairs.push(("scope".to_owned(), toml::text(&literal(&scopes.join(" ")))));
                }
                self.key("auth.oauth2", toml::table(&pairs));
            }
            Scheme::Key { .. } => {}
        }
    }

    fn parameters(&mut self, operation: &Operation, pages: &[String], gathered: &mut Gathered) {
        let mut optional = Vec::new();
        for parameter in &operation.parameters {
            let small = parameter.name.to_lowercase();
            let is_told = gathered.proved.contains(&small)
                || (parameter.spot == Spot::Header && OWN.contains(&small.as_str()))
                || (parameter.spot == Spot::Query && pages.contains(&parameter.name));
            match parameter.spot {
                Spot::Path => {}
                _ if is_told => {}
                Spot::Header if small == KEY && operation.method == "POST" => self.key(KEY, "true"),
                Spot::Header if small == KEY => {}
                Spot::Header if small.parse::<http::HeaderName>().is_err() => {}
                Spot::Query if !parameter.required => optional.push(parameter.name.as_str()),
                _ if !parameter.required => {}
                Spot::Query => self.parameter("query", &parameter.name, parameter, &mut gathered.rows),
                Spot::Header => self.parameter("headers", &small, parameter, &mut gathered.rows),
                Spot::Cookie => {
                    let value = self.value(parameter, &mut gathered.rows);
                    gathered.cookies.push(format!("{}={value}", literal(&parameter.name)));
                }
            }
        }
        self.told("further parameters, if you want them", "query = { NAME = .. }", &optional);
    }

    fn parameter(&mut self, table: &str, name: &str, parameter: &Parameter, rows: &mut Rows) {
        let key = format!("{table}.{}", toml::key(name));
        let shape = match &parameter.shape.kind {
            Kind::List(item) => item.as_ref(),
            _ => &parameter.shape,
        };
        let choices: Vec<String> = shape.choices.iter().filter_map(|choice| written(name, choice)).collect();
        match choices.as_slice() {
            [] => {
                let value = self.value(parameter, rows);
                self.key(key, toml::text(&value));
            }
            [first, others @ ..] => {
                let others: Vec<&str> = others.iter().take(MOST_LISTED).map(String::as_str).collect();
                let comment = (!others.is_empty()).then(|| format!("or {}", others.join(", ")));
                self.keys.push((key, first.clone(), comment));
            }
        }
    }

    /// A secret or a column of the input.
    fn value(&mut self, parameter: &Parameter, rows: &mut Rows) -> String {
        if sensitive::is_sensitive(&parameter.name) {
            return self.secret(&parameter.name);
        }
        let shape = match &parameter.shape.kind {
            Kind::List(item) => item.as_ref(),
            _ => &parameter.shape,
        };
        rows.template(&parameter.name, shape)
    }

    /// Asks for JSON where the server could choose something else.
    fn accept(&mut self, reply: Option<&Reply>) {
        if let Some(reply) = reply.filter(|reply| is_json(&reply.media))
            && (reply.has_others || reply.media != "application/json")
            && reply.media != "*/*"
        {
            self.key("headers.accept", toml::text(&literal(&reply.media)));
        }
    }

    /// What is taken of a reply: a record for each item of a list, or one; a file, where it is no JSON.
    fn reply(&mut self, reply: &Reply, list: Option<(String, &Shape)>, rows: &Rows) {
        if !is_json(&reply.media) {
            let is_text = reply.media.starts_with("text/") || reply.media.ends_with("xml");
            if !is_text {
                let name = rows.first().unwrap_or_else(|| "reply".to_owned());
                self.key("save.path", toml::text(&format!("replies/{name}")));
            }
            return;
        }
        let item = match list {
            Some((path, item)) => {
                self.key("rows", toml::text(&path));
                item
            }
            None => &reply.shape,
        };
        if item.is_scalar() {
            return self.key(format!("columns.{}", rows.column("value")), toml::text("$"));
        }
        let scalars: Vec<&str> = item
            .members()
            .iter()
            .filter(|member| member.shape.is_scalar())
            .map(|member| member.name.as_str())
            .filter(|name| !name.is_empty() && !name.contains(char::is_control))
            .collect();
        for name in scalars.iter().take(MOST_COLUMNS) {
            self.key(format!("columns.{}", toml::key(&rows.column(name))), toml::text(&pages::path("$", name)));
        }
        let further: Vec<&str> = scalars.into_iter().skip(MOST_COLUMNS).collect();
        self.told("further values of the reply", "columns.NAME = \"$.NAME\"", &further);
    }

    /// Names that were left out, in a comment.
    pub(super) fn told(&mut self, what: &str, how: &str, names: &[&str]) {
        let shown: Vec<String> = names.iter().take(MOST_LISTED).map(|name| name.escape_debug().to_string()).collect();
        if !shown.is_empty() {
            let more = if names.len() > MOST_LISTED { ", .." } else { "" };
            self.hints.push(format!("{what} ({how}): {}{more}", shown.join(", ")));
        }
    }
}

/// A value of the document as TOML.
pub(super) fn written(name: &str, value: &serde_json::Value) -> Option<String> {
    toml::json(value, name, &mut |name, text| literal(harmless(name, text).unwrap_or("example")))
}

fn is_json(media: &str) -> bool {
    media == "application/json" || media.ends_with("+json") || media == "*/*"
}

/// The list that a reply is about, and its items.
fn list(operation: &Operation) -> Option<(String, &Shape)> {
    let reply = operation.reply.as_ref().filter(|reply| is_json(&reply.media))?;
    if let Kind::List(item) = &reply.shape.kind {
        return Some(("$[*]".to_owned(), item));
    }
    let members = reply.shape.members();
    let lists: Vec<(&str, &Shape)> = members
        .iter()
        .filter_map(|member| match &member.shape.kind {
            Kind::List(item) if !item.is_scalar() => Some((member.name.as_str(), item.as_ref())),
            _ => None,
        })
        .collect();
    let known = LISTS.iter().find_map(|known| lists.iter().find(|(name, _)| name == known));
    let has_id = members.iter().any(|member| member.name == "id");
    let only = lists.first().filter(|_| lists.len() == 1 && !has_id);
    known.or(only).map(|(name, item)| (format!("{}[*]", pages::path("$", name)), *item))
}

/// Server and path, with columns in the place of parameters.
fn url(operation: &Operation, rows: &mut Rows) -> String {
    let mut url = literal(&plain(&operation.server));
    let mut rest = operation.path.split('#').next().unwrap_or_default();
    if !rest.starts_with('/') {
        url.push('/');
    }
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        url += &literal(&plain(before));
        let parameter = operation.parameters.iter().find(|known| known.spot == Spot::Path && known.name == name);
        url += &match parameter {
            Some(parameter) => rows.template(name, &parameter.shape),
            None => rows.template(name.trim(), &Shape::text()),
        };
        rest = behind;
    }
    url + &literal(&plain(rest))
}

/// What may stand in a URL, the rest escaped.
fn plain(text: &str) -> String {
    let escape = |c: char| match c {
        c if !c.is_ascii() || c.is_ascii_control() || " \"<>\\^`{|}".contains(c) => {
            c.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect()
        }
        c => c.to_string(),
    };
    text.chars().map(escape).collect()
}

/// The operation's id as a name.
fn endpoint_name(operation: &Operation) -> Option<String> {
    let id = operation.id.as_ref()?;
    let fine = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    let name: String = id.chars().map(fine).take(60).collect();
    Some(name.trim_matches('-').to_owned()).filter(|name| !name.is_empty())
}
