//! A job from an operation of an OpenAPI document: parameters and body become columns of the input, security schemes
//! secrets, the reply columns of the output.

use super::credentials::{self, Values};
use super::draft::literal;
use super::pages::{self, Pages};
use super::rows::{META, Rows, harmless};
use super::{Draft, Input, toml};
use crate::openapi::{Kind, Operation, Parameter, Place, Reply, Scheme, Shape, Spot};
use crate::report::text::is_invisible;
use crate::secret::shape as secret;

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
    /// Names that an `auth` speaks for, each in its place, in small letters.
    proved: Vec<(Spot, String)>,
}

impl Draft {
    /// Asks what an operation of an API is for.
    pub fn call(&mut self, operation: &Operation) {
        let mut gathered = Gathered::default();
        self.method.clone_from(&operation.method);
        let url = url(operation, &mut Values::new(&mut self.secrets, &mut gathered.rows, operation));
        self.ask(&url);
        self.endpoint = endpoint_name(operation).unwrap_or_else(|| self.endpoint.clone());
        let is_fine = |text: &&String| crate::secret::shape::issued(text).is_none();
        self.description = operation.summary.as_ref().filter(is_fine).cloned();
        self.notes.extend(operation.notes.iter().cloned());
        let list = list(operation);
        let pages = pages::of(operation, list.as_ref().map(|(path, item)| (path.as_str(), *item)));
        self.prove(&operation.security, &mut gathered);
        self.parameters(operation, &pages, &mut gathered);
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
        self.sole = rows.sole().map(str::to_owned);
        let mut keep = |value: String, comment: &str| {
            self.keys.push(("keep".to_owned(), value, Some(comment.to_owned())));
        };
        if written.is_none() {
            keep("[]".to_owned(), "the row is no part of the record");
        } else if !rows.hidden().is_empty() {
            let open: Vec<String> = rows.open().map(toml::text).collect();
            keep(toml::list(&open), "the other columns of the input may be secrets, and get into no record");
            let hidden = rows.hidden().iter().map(|name| shown(name)).collect::<Vec<_>>();
            self.notes.push(format!(
                "each row has {} of its own, which may be secret: keep rows in a file that nobody else reads",
                hidden.join(", ")
            ));
        }
        self.input = Input::Rows(written.unwrap_or_else(|| "[{ run = 1 }]".to_owned()));
    }

    fn prove(&mut self, schemes: &[Scheme], gathered: &mut Gathered) {
        let mut is_first = true;
        for scheme in schemes {
            match scheme {
                Scheme::Key { name, place: Place::Cookie } => {
                    gathered.proved.push((Spot::Cookie, name.to_lowercase()));
                    let secret = self.secrets.declared(name, "cookie");
                    gathered.cookies.push(format!("{}={secret}", literal(name)));
                }
                Scheme::Key { name, place } => {
                    let spot = if *place == Place::Query { Spot::Query } else { Spot::Header };
                    gathered.proved.push((spot, name.to_lowercase()));
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
        let table = if place == Place::Query { "query" } else { "headers" };
        let value = toml::text(&self.secrets.declared(name, table));
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
                let token = toml::text(&self.secrets.declared("token", "auth"));
                self.key("auth.bearer", token);
            }
            Scheme::Basic => {
                let [user, password] =
                    ["user", "password"].map(|name| (name.to_owned(), self.secrets.declared(name, "auth")));
                let pairs = [user, password].map(|(name, secret)| (name, toml::text(&secret)));
                self.key("auth.basic", toml::table(&pairs));
            }
            Scheme::ClientCredentials { token_url, scopes } => {
                let mut pairs = vec![("token-url".to_owned(), toml::text(&literal(token_url)))];
                for name in ["client-id", "client-secret"] {
                    pairs.push((name.to_owned(), toml::text(&self.secrets.declared(name, "auth"))));
                }
                if !scopes.is_empty() {
                    pairs.push(("scope".to_owned(), toml::text(&literal(&scopes.join(" ")))));
                }
                self.key("auth.oauth2", toml::table(&pairs));
            }
            Scheme::Key { .. } => {}
        }
    }

    fn parameters(&mut self, operation: &Operation, pages: &Pages, gathered: &mut Gathered) {
        let mut optional = Vec::new();
        for parameter in &operation.parameters {
            let small = parameter.name.to_lowercase();
            let is_told = gathered.proved.contains(&(parameter.spot, small.clone()))
                || (parameter.spot == Spot::Header && OWN.contains(&small.as_str()))
                || (parameter.spot == Spot::Query && !parameter.required && pages.params.contains(&parameter.name));
            match parameter.spot {
                Spot::Path => {}
                _ if is_told => {}
                Spot::Header if small == KEY && (operation.method == "POST" || parameter.required) => {
                    self.key(KEY, "true");
                }
                Spot::Header if small == KEY => {}
                Spot::Header if small.parse::<http::HeaderName>().is_err() => {}
                Spot::Query if !parameter.required => optional.push(parameter.name.as_str()),
                _ if !parameter.required => {}
                Spot::Query => self.query(parameter, pages, &mut gathered.rows),
                Spot::Header if small == "cookie" => {
                    let value = self.value(parameter, &mut gathered.rows);
                    gathered.cookies.push(value);
                }
                Spot::Header => self.parameter("headers", &small, parameter, &mut gathered.rows),
                Spot::Cookie => {
                    let value = self.value(parameter, &mut gathered.rows);
                    gathered.cookies.push(format!("{}={value}", literal(&parameter.name)));
                }
            }
        }
        self.told("further parameters, if you want them", "query = { NAME = .. }", &optional);
    }

    /// A parameter that must be given; those of pages as for the first page.
    fn query(&mut self, parameter: &Parameter, pages: &Pages, rows: &mut Rows) {
        let name = &parameter.name;
        if let Some((_, first)) = pages.fixed.iter().find(|(known, _)| known == name) {
            return self.key(format!("query.{}", toml::key(name)), first);
        }
        if pages.params.contains(name) {
            let value = rows.template(name, &parameter.shape);
            return self.key(format!("query.{}", toml::key(name)), toml::text(&value));
        }
        self.parameter("query", name, parameter, rows);
    }

    fn parameter(&mut self, table: &str, name: &str, parameter: &Parameter, rows: &mut Rows) {
        let key = format!("{table}.{}", toml::key(name));
        let shape = parameter.item();
        // What `check` would take for a secret by its name is a column of the input.
        let is_told = |text: &str| match parameter.spot {
            Spot::Query => secret::is_credential_parameter(name, text),
            Spot::Header | Spot::Path | Spot::Cookie => secret::is_credential_header(name, text),
        };
        let fine = |choice: &&serde_json::Value| {
            choice.as_str().is_none_or(|text| harmless("", text).is_some() && !is_told(text))
        };
        let choices = shape.choices.iter().filter(|_| !credentials::is_secret_parameter(parameter)).filter(fine);
        let choices: Vec<String> = choices.filter_map(|choice| written("", choice)).collect();
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
        let place = match parameter.spot {
            Spot::Query => "query",
            Spot::Cookie => "cookie",
            Spot::Header | Spot::Path => "headers",
        };
        if credentials::is_secret_parameter(parameter) {
            return self.secrets.declared(&parameter.name, place);
        }
        rows.template(&parameter.name, parameter.item())
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
        self.columns_of(item, rows);
    }

    /// Columns of an object's values; those that prove who asks are left to who wants them in a file.
    fn columns_of(&mut self, item: &Shape, rows: &Rows) {
        let members = item.members().iter().filter(|member| member.shape.is_scalar() && !member.write_only);
        let named = members.filter(|member| !member.name.is_empty() && !member.name.contains(char::is_control));
        let (secret, open): (Vec<_>, Vec<_>) =
            named.partition(|member| credentials::is_given(&member.name, &member.shape));
        let [secret, open] =
            [secret, open].map(|members| members.into_iter().map(|member| member.name.as_str()).collect::<Vec<_>>());
        let mut used: Vec<String> = Vec::new();
        for name in open.iter().take(MOST_COLUMNS) {
            let mut column = rows.column(name);
            while used.contains(&column) {
                column += "_2";
            }
            self.key(format!("columns.{}", toml::key(&column)), toml::text(&pages::path("$", name)));
            used.push(column);
        }
        if open.is_empty() && !secret.is_empty() {
            let comment = Some("without body, which holds secrets".to_owned());
            let others = META.iter().filter(|name| **name != "body").map(|name| toml::text(name));
            self.keys.push(("meta".to_owned(), toml::list(&others.collect::<Vec<_>>()), comment));
        }
        self.told(
            "further values of the reply",
            "columns.NAME = \"$.NAME\"",
            open.get(MOST_COLUMNS..).unwrap_or_default(),
        );
        self.told("secrets of the reply, left out of the records", "columns.NAME = \"$.NAME\"", &secret);
    }

    /// Names that were left out, in a comment.
    pub(super) fn told(&mut self, what: &str, how: &str, names: &[&str]) {
        let shown: Vec<String> = names.iter().take(MOST_LISTED).map(|name| shown(name)).collect();
        if !shown.is_empty() {
            let more = if names.len() > MOST_LISTED { ", .." } else { "" };
            self.hints.push(format!("{what} ({how}): {}{more}", shown.join(", ")));
        }
    }
}

/// A name in a comment.
fn shown(name: &str) -> String {
    let visible: String = name.chars().filter(|c| !is_invisible(*c)).collect();
    visible.escape_debug().to_string()
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
    // What has an id is a record itself, and its lists are a part of it.
    let last = operation.path.rsplit('/').next().and_then(|part| part.strip_prefix('{')?.strip_suffix('}'));
    let is_id = |name: &str| name == "id" || last == Some(name);
    if members.iter().any(|member| member.shape.is_scalar() && is_id(&member.name)) {
        return None;
    }
    let known = LISTS.iter().find_map(|known| lists.iter().find(|(name, _)| name == known));
    let only = lists.first().filter(|_| lists.len() == 1);
    known.or(only).map(|(name, item)| (format!("{}[*]", pages::path("$", name)), *item))
}

/// Server and path, with columns and secrets in the place of parameters.
fn url(operation: &Operation, values: &mut Values<'_>) -> String {
    let mut url = literal(&plain(&operation.server));
    let mut rest = operation.path.split(['#', '?']).next().unwrap_or_default();
    if !rest.starts_with('/') {
        url.push('/');
    }
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, behind)) = after.split_once('}') else { break };
        url += &literal(&plain(before));
        let parameter = operation.parameters.iter().find(|known| known.spot == Spot::Path && known.name == name);
        url += &match parameter {
            Some(parameter) => literal(&plain(&parameter.before)) + &values.in_path(before, name, &parameter.shape),
            None => values.in_path(before, name.trim(), &Shape::text()),
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
